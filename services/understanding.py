"""What a resident's sentence is about: its category, whether it is urgent, whether it is a problem at all.

Source: domain.md §1 (near-duplicate, chat input is normalised, 代人报), §2 (taxonomy, classification, urgent lexicon).
The words and weights are data, in texts/understanding.toml, which is checked when it is read. A category's weight is
that of all its rules together, as if each were an independent witness; a close rival lowers the confidence, so that a
toss-up is asked instead of decided. Nothing here reads a database or a clock.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from services import places

CONFIDENT = 0.6
DUPLICATE = 0.5
_ALIKE_THING = 0.2
_SIDES = 3

_MOST_GUESSES = 3
_FAINTEST_GUESS = 0.15
_PROBLEM = 0.4
_SURE_PROBLEM = 0.8
_URGENT_WEIGHT = 0.9
_FEARED_WEIGHT = 0.4
_DANGER_SHARE = 0.9
_HINT = 0.2
_OTHER = "J09"
_SECTIONS = (
    "categories",
    "folding",
    "spelling",
    "homophones",
    "concepts",
    "rules",
    "hints",
    "urgent",
    "urgent_guards",
    "chatter",
    "for_other",
    "likeness",
)
_CLASSES = ("P1", "P2", "P3", "P4", "P5")
_NEAR = 10
_FAR_SHARE = 0.75
_RIVAL_FROM = 0.6
_LATE = 0.1
_WINDOW = 20
_CLAUSE_END = re.compile(r"[,。!?;、\n]")
_CHINESE = r"\u3400-\u9fff"
_GAP = re.compile(rf"(?<=[{_CHINESE}]) (?=[{_CHINESE}])")


@dataclass(frozen=True)
class Category:
    """A kind of problem; group is its letter, sla its class "P1" to "P5", handler who takes it by default."""

    code: str
    group: str
    sla: str
    handler: str
    taskable: bool


@dataclass(frozen=True)
class Guess:
    """A category the sentence may be about; confidence from 0 to 1."""

    code: str
    confidence: float


@dataclass(frozen=True)
class Understanding:
    """What a sentence was understood to be.

    kind: "chatter" is no matter to open (greeting, thanks, small talk, advertising, a test, something solved);
    "unclear" may be a problem, but nothing was recognised. guesses: best first, at most three; never empty for a problem.
    urgent: the words that make it P1 (domain.md §2), None when it is not. for_other: reported for somebody else.
    """

    kind: Literal["problem", "chatter", "unclear"]
    guesses: tuple[Guess, ...]
    urgent: str | None
    for_other: bool

    @property
    def best(self) -> Guess | None:
        """The likeliest category; None when nothing fits."""
        return self.guesses[0] if self.guesses else None

    @property
    def confident(self) -> bool:
        """Whether the best guess is sure enough not to ask (domain.md §2)."""
        return self.best is not None and self.best.confidence >= CONFIDENT


class LexiconError(ValueError):
    """A line of texts/understanding.toml is not what it must be; the message names it."""


@dataclass(frozen=True)
class _Rule:
    """A category's witness: all needed concepts are in the text and no excluded one."""

    category: str
    weight: float
    needed: tuple[str, ...]
    excluded: tuple[str, ...]


@dataclass(frozen=True)
class _Alarm:
    """Words that make a sentence urgent, unless others in the sentence say what they are.

    lasting: the danger stays until somebody acts, so that yesterday's is today's.
    """

    category: str
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    lasting: bool


@dataclass(frozen=True)
class Lexicon:
    """The data of texts/understanding.toml, checked and compiled."""

    categories: Mapping[str, Category]
    simplified: dict[int, int]
    spelling: Mapping[str, str]
    slips: re.Pattern[str]
    concepts: Mapping[str, re.Pattern[str]]
    hints: Mapping[str, re.Pattern[str]]
    rules: tuple[_Rule, ...]
    alarms: tuple[_Alarm, ...]
    guards: Mapping[str, re.Pattern[str]]
    chatter: Mapping[str, re.Pattern[str]]
    for_other: re.Pattern[str]
    filler: re.Pattern[str]
    objects: tuple[re.Pattern[str], ...]


def understand(text: str) -> Understanding:
    """Return what the sentence is about; the same answer for the same text, whatever its spelling and spacing."""
    lexicon = _lexicon()
    folded = _fold(text, lexicon)
    scores = _scores(folded, lexicon)
    alarm, feared = _alarm(folded, lexicon)
    if alarm is None:
        alarm = _dangerous_matter(folded, scores, feared, lexicon)
    for category, weight in ((alarm and alarm[0], _URGENT_WEIGHT), (feared, _FEARED_WEIGHT if feared != _OTHER else _HINT)):
        if category is not None:
            scores[category] = 1 - (1 - scores.get(category, 0.0)) * (1 - weight)
    guesses = _with_hints(folded, _guesses(scores), lexicon)
    kind = _kind(folded, guesses, alarm is not None, lexicon)
    return Understanding(
        kind=kind,
        guesses=guesses if kind == "problem" else (),
        urgent=alarm[1] if alarm else None,
        for_other=lexicon.for_other.search(folded) is not None,
    )


def normalise(text: str) -> str:
    """Return the text in half width, with single spaces, without control, zero-width and direction characters."""
    return places.plain(text)


def similarity(first: str, second: str) -> float:
    """Return how alike two texts are, 0 to 1: Dice's share of common neighbouring characters (domain.md §1)."""
    return _dice(_fold(first, _lexicon()), _fold(second, _lexicon()))


def same_matter(first: str, second: str, same_place: bool = False) -> bool:
    """Tell whether two reports of one category and one grid look like the same matter (domain.md §1, near-duplicate).

    Different buildings, units, doors or sides are different matters, and so are different things (a swing, a slide).
    Otherwise the texts, without places and filler words, must be alike by half of their pairs of characters; by less
    where both name the same thing, and by least where both are about one place (`same_place`).
    """
    lexicon = _lexicon()
    folded = (_fold(first, lexicon), _fold(second, lexicon))
    one, other = (_marks(text, lexicon) for text in folded)
    if any(mine and theirs and not mine & theirs for mine, theirs in zip(one, other, strict=True)):
        return False
    if (one[_SIDES] and other[_SIDES] and one[_SIDES] != other[_SIDES]) or same_place:
        return one[_SIDES] == other[_SIDES] or not (one[_SIDES] and other[_SIDES])
    alike = _dice(*(lexicon.filler.sub(" ", places.without_places(text)) for text in folded))
    return alike >= (_ALIKE_THING if one[-1] & other[-1] else DUPLICATE)


def categories() -> Mapping[str, Category]:
    """Return every category of domain.md §2 by its code."""
    return _lexicon().categories


def urgent_category(text: str) -> str | None:
    """Return the category of an urgent sentence, J09 where its danger has none; None when it is not urgent."""
    lexicon = _lexicon()
    folded = _fold(text, lexicon)
    alarm, feared = _alarm(folded, lexicon)
    alarm = alarm or _dangerous_matter(folded, _scores(folded, lexicon), feared, lexicon)
    return alarm[0] if alarm else None


# ---- reading a sentence ---------------------------------------------------------------------------------------------


def _fold(text: str, lexicon: Lexicon) -> str:
    """Return the text as the patterns expect it: lower case, simplified, slips mended, no spaces inside Chinese."""
    plain = places.plain(text).lower().translate(lexicon.simplified)
    return lexicon.slips.sub(lambda slip: lexicon.spelling[slip[0]], _GAP.sub("", plain))


def _scores(folded: str, lexicon: Lexicon) -> dict[str, float]:
    """Return the weight of every category that any rule speaks for."""
    spans: dict[str, list[tuple[int, int]]] = {}

    def found(concept: str) -> list[tuple[int, int]]:
        if concept not in spans:
            spans[concept] = [hit.span() for hit in lexicon.concepts[concept].finditer(folded)]
        return spans[concept]

    doubts: dict[str, float] = {}
    for rule in lexicon.rules:
        if not all(found(concept) for concept in rule.needed) or any(found(concept) for concept in rule.excluded):
            continue
        weight = rule.weight
        if any(_gap(found(one), found(other)) > _NEAR for one, other in zip(rule.needed, rule.needed[1:], strict=False)):
            weight *= _FAR_SHARE
        weight *= 1 - _LATE * found(rule.needed[0])[0][0] / len(folded)
        doubts[rule.category] = doubts.get(rule.category, 1.0) * (1 - weight)
    return {category: 1 - doubt for category, doubt in doubts.items()}


def _gap(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> int:
    """Return the fewest characters between two concepts' occurrences; 0 when they touch or overlap."""
    return min(max(0, second[0] - first[1], first[0] - second[1]) for first in one for second in other)


def _guesses(scores: Mapping[str, float]) -> tuple[Guess, ...]:
    """Return the heaviest categories, each less sure the nearer its strongest rival comes."""
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    guesses: list[Guess] = []
    for place, (code, score) in enumerate(ranked[:_MOST_GUESSES]):
        if score < _FAINTEST_GUESS:
            break
        rival = ranked[1][1] if place == 0 and len(ranked) > 1 else 0.0
        nearness = max(0.0, (rival / score - _RIVAL_FROM) / (1 - _RIVAL_FROM))
        ceiling = guesses[-1].confidence if guesses else 1.0
        guesses.append(Guess(code, round(min(ceiling, score * (1 - nearness / 2)), 3)))
    return tuple(guesses)


def _with_hints(folded: str, guesses: tuple[Guess, ...], lexicon: Lexicon) -> tuple[Guess, ...]:
    """Return the guesses, filled up with hinted categories: what to offer when the rules are not sure."""
    known = {guess.code for guess in guesses}
    hits = {code: len(hint.findall(folded)) for code, hint in lexicon.hints.items() if code not in known}
    hinted = sorted((code for code, count in hits.items() if count), key=lambda code: (-hits[code], code))
    return (*guesses, *(Guess(code, _HINT) for code in hinted))[:_MOST_GUESSES]


def _alarm(folded: str, lexicon: Lexicon) -> tuple[tuple[str, str] | None, str | None]:
    """Return the category and words of the first danger that is meant, or None, and the category of one only feared."""
    feared = None
    if _only_spoken_of(folded, lexicon):
        return None, None
    for alarm in lexicon.alarms:
        if alarm.unless is not None and alarm.unless.search(folded):
            continue
        if not alarm.lasting and _is_past(folded, "recent", lexicon):
            continue
        for hit in alarm.pattern.finditer(folded):
            if not _denied(folded, hit.start(), hit.end(), lexicon):
                return (alarm.category, hit[0]), None
            feared = feared or alarm.category
    return None, feared


def _only_spoken_of(folded: str, lexicon: Lexicon) -> bool:
    """Tell whether the whole sentence is about a drill, a film, something over or something past."""
    guards = lexicon.guards
    if guards["solved"].search(folded):
        return True
    if guards["sentence"].search(folded) and not guards["immediate"].search(folded):
        return True
    return _is_past(folded, "past", lexicon)


def _is_past(folded: str, when: str, lexicon: Lexicon) -> bool:
    """Tell whether the sentence speaks of that time and of no present."""
    return lexicon.guards[when].search(folded) is not None and lexicon.guards["present"].search(folded) is None


def _denied(folded: str, start: int, end: int, lexicon: Lexicon) -> bool:
    """Tell whether the clause around the words denies, fears, supposes or only speaks about what they name."""
    guards = lexicon.guards
    if guards["persists"].search(folded):
        return False
    before = _CLAUSE_END.split(folded[max(0, start - _WINDOW) : start])[-1]
    after = folded[end : end + _WINDOW]
    return bool(guards["before"].search(before) or guards["after"].search(after) or guards["inside"].search(folded[start:end]))


def _dangerous_matter(folded: str, scores: Mapping[str, float], feared: str | None, lexicon: Lexicon) -> tuple[str, str] | None:
    """Return a category that is P1 by its own class when it is likely enough, with the words that show it.

    Not when that danger is only feared or denied.
    """
    least = max(CONFIDENT, _DANGER_SHARE * max(scores.values(), default=0.0))
    dangers = [code for code, score in scores.items() if lexicon.categories[code].sla == _CLASSES[0] and score >= least and code != feared]
    if not dangers or lexicon.chatter["solved"].search(folded):
        return None
    code = max(dangers, key=lambda category: scores[category])
    if _only_spoken_of(folded, lexicon):
        return None
    rule = max(
        (rule for rule in lexicon.rules if rule.category == code and lexicon.concepts[rule.needed[0]].search(folded)),
        key=lambda rule: rule.weight,
    )
    hit = lexicon.concepts[rule.needed[0]].search(folded)
    if hit is None or _denied(folded, hit.start(), hit.end(), lexicon):
        return None
    return code, hit[0]


def _kind(folded: str, guesses: tuple[Guess, ...], urgent: bool, lexicon: Lexicon) -> Literal["problem", "chatter", "unclear"]:
    """Return whether there is something to open, something to ask about, or nothing."""
    chatter = lexicon.chatter
    weight = guesses[0].confidence if guesses else 0.0
    sensible = weight > _HINT or chatter["sense"].search(folded)
    if urgent:
        return "problem"
    words = re.sub(r"[\W_]|\d", "", chatter["sticker"].sub("", folded))
    if not chatter["only"].sub("", words) or not sensible:
        return "chatter"
    if not chatter["still"].search(folded):
        if chatter["solved"].search(folded) or chatter["advert"].search(folded):
            return "chatter"
        small_talk = chatter["talk"].search(folded) or chatter["praise"].search(folded)
        if small_talk and weight < _SURE_PROBLEM and not chatter["trouble"].search(folded):
            return "chatter"
    if weight >= _PROBLEM:
        return "problem"
    if chatter["talk"].search(folded):
        return "chatter"
    return "problem" if guesses and chatter["matter"].search(folded) else "unclear"


def _marks(folded: str, lexicon: Lexicon) -> tuple[frozenset[str], ...]:
    """Return what tells one matter from another: buildings, units, doors and sides as said, and last the things."""
    things = frozenset(str(at) for at, thing in enumerate(lexicon.objects) if thing.search(folded))
    return (places.building_numbers(folded), *places.parts(folded), things)


def _dice(first: str, second: str) -> float:
    """Return Dice's coefficient of two texts' sets of character pairs; texts of one character are alike when equal."""
    one, other = (re.sub(r"[\W_]", "", text) for text in (first, second))
    pairs = [{text[at : at + 2] for at in range(len(text) - 1)} for text in (one, other)]
    if not pairs[0] or not pairs[1]:
        return float(one == other)
    return 2 * len(pairs[0] & pairs[1]) / (len(pairs[0]) + len(pairs[1]))


# ---- reading the data -----------------------------------------------------------------------------------------------


@cache
def _lexicon() -> Lexicon:
    """Return the data of texts/understanding.toml, read once."""
    path = Path(__file__).parents[1] / "texts" / "understanding.toml"
    return read_lexicon(tomllib.loads(path.read_text("utf-8")))


def read_lexicon(data: Mapping[str, Any]) -> Lexicon:
    """Return the lexicon that the data describe.

    Raises LexiconError for an unknown category or concept, a weight that is none, a broken pattern, a missing section.
    """
    for section in _SECTIONS:
        if section not in data:
            raise LexiconError(f"section [{section}] is missing")
    known = {code: _category(code, values) for code, values in data["categories"].items()}
    folding = data["folding"]
    if len(folding["traditional"]) != len(folding["simplified"]):
        raise LexiconError("[folding] traditional and simplified differ in length")
    concepts = {name: _compile(f"concept {name}", value, data["concepts"]) for name, value in data["concepts"].items()}
    rules = tuple(_rule(code, line, known, concepts) for code, lines in data["rules"].items() for line in lines)
    if missing := sorted(set(known) - {rule.category for rule in rules}):
        raise LexiconError(f"no rule for {', '.join(missing)}")
    spelling = _slips(data["homophones"]) | data["spelling"]
    return Lexicon(
        categories=MappingProxyType(known),
        simplified=str.maketrans(folding["traditional"], folding["simplified"]),
        spelling=spelling,
        slips=_any_of(spelling),
        concepts=concepts,
        hints={code: _compile(f"hint {code}", hint) for code, hint in data["hints"].items()},
        rules=rules,
        alarms=tuple(_read_alarm(entry, known) for entry in data["urgent"]),
        guards={name: _compile(f"urgent_guards {name}", value) for name, value in data["urgent_guards"].items()},
        chatter={name: _compile(f"chatter {name}", value) for name, value in data["chatter"].items()},
        for_other=_compile("for_other", data["for_other"]["pattern"]),
        filler=_compile("likeness", data["likeness"]["filler"]),
        objects=tuple(_compile("likeness objects", thing) for thing in data["likeness"]["objects"]),
    )


def _slips(data: Mapping[str, Any]) -> dict[str, str]:
    """Return every key word with one character replaced by one that sounds like it, with the word itself."""
    sounds, kept = data["sounds"], {*data["words"], *data["not_slips"]}
    slips = {
        word[:at] + other + word[at + 1 :]: word
        for word in data["words"]
        for at, character in enumerate(word)
        for other in sounds.get(character, "")
    }
    return {slip: word for slip, word in slips.items() if slip not in kept}


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of any of the words, the longest first, grouped by first character to be quick."""
    rests: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        rests.setdefault(word[0], []).append(re.escape(word[1:]))
    return re.compile("|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in rests.items()))


def _category(code: str, values: list[Any]) -> Category:
    """Return one category of the data: its class, its handler and whether a task may be made of it."""
    if not re.fullmatch(r"[A-J]\d\d", code) or len(values) != 3 or values[0] not in _CLASSES:
        raise LexiconError(f"category {code}: {values} is not [class, handler, taskable]")
    return Category(code, code[0], values[0], str(values[1]), bool(values[2]))


def _rule(code: str, line: str, known: Mapping[str, Category], concepts: Mapping[str, re.Pattern[str]]) -> _Rule:
    """Return one rule of the data: a weight, needed concepts, and excluded ones behind an exclamation mark."""
    weight, *terms = line.split()
    try:
        value = float(weight)
    except ValueError:
        raise LexiconError(f"rule {code} {line!r}: {weight!r} is no weight") from None
    needed = tuple(term for term in terms if not term.startswith("!"))
    excluded = tuple(term[1:] for term in terms if term.startswith("!"))
    if code not in known:
        raise LexiconError(f"rule {line!r} is for the unknown category {code}")
    if not 0 < value < 1 or not needed:
        raise LexiconError(f"rule {code} {line!r}: the weight lies between 0 and 1 and a concept is needed")
    for concept in (*needed, *excluded):
        if concept not in concepts:
            raise LexiconError(f"rule {code} {line!r}: unknown concept {concept!r}")
    return _Rule(code, value, needed, excluded)


def _read_alarm(entry: Mapping[str, Any], known: Mapping[str, Category]) -> _Alarm:
    """Return one urgent entry of the data."""
    if entry["category"] not in known:
        raise LexiconError(f"urgent entry for the unknown category {entry['category']}")
    unless = _compile("urgent unless", entry["unless"]) if "unless" in entry else None
    return _Alarm(entry["category"], _compile("urgent pattern", entry["pattern"]), unless, bool(entry.get("lasting")))


def _compile(name: str, pattern: str, concepts: Mapping[str, str] = MappingProxyType({})) -> re.Pattern[str]:
    """Return the pattern without its layout and with the named concepts put in."""
    joined = re.sub(r"\s", "", pattern)
    while hole := re.search(r"\{([a-z_]+)\}", joined):
        if hole[1] not in concepts or hole[1] == name.removeprefix("concept "):
            raise LexiconError(f"{name}: unknown concept {hole[0]}")
        inner = re.sub(r"\s", "", concepts[hole[1]])
        joined = f"{joined[: hole.start()]}(?:{inner}){joined[hole.end() :]}"
    try:
        return re.compile(joined)
    except re.error as error:
        raise LexiconError(f"{name}: {error}") from None
