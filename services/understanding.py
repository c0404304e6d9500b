"""What a resident's sentence is about: its category, whether it is urgent, whether it is a problem at all.

Source: domain.md §1 (near-duplicate, chat input is normalised, 代人报), §2 (taxonomy, classification, urgent lexicon).
The words and weights are data, read by services.lexicon. A category's weight is that of all its rules together, as if
each were an independent witness; a close rival lowers the confidence, so that a toss-up is asked instead of decided. A
danger is composed: what happens, near whom or where it happens, unless the words around it deny, fear, suppose or only
tell it. Nothing here reads a database or a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

from services import place_words
from services.dangers import Dangers, Span, clause_of, gap, spans_of
from services.examples import Example, Examples, Shares, read_examples
from services.lexicon import Category, Lexicon, LexiconError, lexicon, read_lexicon
from services.urgency import Urgency, features_of, read_urgency

__all__ = [
    "CONFIDENT",
    "DUPLICATE",
    "Category",
    "Guess",
    "LexiconError",
    "Understanding",
    "categories",
    "complains",
    "counted",
    "normalise",
    "prepare",
    "read_lexicon",
    "same_matter",
    "shown",
    "similarity",
    "understand",
    "urgent_category",
]

CONFIDENT = 0.6
DUPLICATE = 0.5
_ALIKE_PLACE = 0.15
_SIDES = 2

_MOST_GUESSES = 3
_FAINTEST_GUESS = 0.15
_PROBLEM = 0.4
_SURE_PROBLEM = 0.8
_PLAIN_PROBLEM = 0.95
_URGENT_WEIGHT = 0.9
_FEARED_WEIGHT = 0.4
_EXAMPLES_WEIGHT = 0.9
_CHATTER = 0.4
_LIKE = 0.99
_UNLIKE = 0.03
_DOUBTS = ("ask", "past", "future", "denial", "elsewhere", "knowledge", "wish", "exaggeration")
_MEANT = -0.8
_DANGEROUS = 2.0
_ORDINARY = 0.6
_MOST_SAID = 40
_HINT = 0.2
_COMPANION = 0.1
_OTHER = "J09"
_NEAR = 10
_FAR_SHARE = 0.75
_RIVAL_FROM = 0.6
_LATE = 0.1
_CHINESE_START = re.compile(r"[\u3400-\u9fff]")
_CHINESE_END = re.compile(r"[\u3400-\u9fff]$")


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


def prepare() -> None:
    """Read the words and learn the examples now: whoever speaks first does not wait for it."""
    understand("0")


def understand(text: str, examples: Examples | None = None, urgency: Urgency | None = None) -> Understanding:
    """Return what the sentence is about; the same answer for the same text, whatever its spelling and spacing.

    `examples`: others than those of texts/understanding_examples.toml, to measure with; `urgency`: other weights than those of
    texts/urgency.tsv.
    """
    words = lexicon()
    folded = _fold(text, words)
    scores = _scores(folded, words)
    known = examples or _known_examples()
    shares = known.shares(place_words.without_places(folded))
    alarm, feared = _alarm(folded, scores, known, shares, urgency or read_urgency(), words)
    for category, weight in ((alarm and alarm[0], _URGENT_WEIGHT), (feared, _FEARED_WEIGHT if feared != _OTHER else _HINT)):
        if category is not None:
            scores[category] = _either(scores.get(category, 0.0), weight)
    told = max(scores.values(), default=0.0)
    taught = shares.of if shares else {}
    for category in taught.keys() & words.categories.keys():
        scores[category] = _either(scores.get(category, 0.0), _EXAMPLES_WEIGHT * taught[category])
    guesses = _with_hints(folded, _guesses(scores), words)
    kind = _kind(folded, guesses, told, alarm is not None, words)
    if kind == "unclear" and taught.get("chatter", 0.0) >= _CHATTER:
        kind = "chatter"
    return Understanding(
        kind=kind,
        guesses=_with_companions(guesses, alarm is not None, words) if kind == "problem" else (),
        urgent=alarm[1] if alarm else None,
        for_other=words.for_other.search(folded) is not None,
    )


def complains(text: str, plainly: bool = False) -> bool:
    """Tell whether a sentence said in the middle of something else is a danger or a problem to open.

    Something has to be wrong in it (坏, 堵, 不亮 …), for what people can do and where they live sounds like problems too.
    `plainly`: nothing of the kind could be an answer here, so a sentence that is all but surely a problem will do.
    """
    understood = understand(text)
    if understood.urgent or understood.kind != "problem" or understood.best is None:
        return understood.urgent is not None
    words = lexicon()
    wrong = understood.confident and words.chatter["trouble"].search(_fold(text, words)) is not None
    return wrong or (plainly and understood.best.confidence >= _PLAIN_PROBLEM)


def counted(sentences: Iterable[Example]) -> Examples:
    """Return the examples counted as `understand` asks them: (category, whether it is urgent, sentence as it was written)."""
    return Examples((category, urgent, place_words.without_places(_fold(text, lexicon()))) for category, urgent, text in sentences)


def shown(text: str) -> frozenset[str]:
    """Return what a sentence shows about its urgency: what services.urgency weighs, and bench.urgency learns from."""
    return features_of(Dangers(_fold(text, lexicon()), lexicon()), lexicon())


def normalise(text: str) -> str:
    """Return the text in half width, with single spaces, without control, zero-width and direction characters."""
    return place_words.plain(text)


def similarity(first: str, second: str) -> float:
    """Return how alike two texts are, 0 to 1: Dice's share of common neighbouring characters (domain.md §1)."""
    return _dice(_fold(first, lexicon()), _fold(second, lexicon()))


def same_matter(first: str, second: str, same_place: bool = False, category: str | None = None) -> bool:
    """Tell whether two reports of one category and one grid look like the same matter (domain.md §1, near-duplicate).

    Different buildings, units, doors, floors, numbered things or sides are different matters, and so are different
    things of one kind (a swing, a slide); what kinds count depends on the category. Else it is enough that they name the same
    thing, or at one place (`same_place`, or the same building number) the same unit, door, floor or side. Where they do not, their
    texts, without places and filler words, must be a little alike at one place, and elsewhere have half of their pairs of
    characters in common.
    """
    words = lexicon()
    folded = (_fold(first, words), _fold(second, words))
    spots = [place_words.spots(text) for text in folded]
    if any(mine and theirs and not mine & theirs for mine, theirs in zip(*spots, strict=True)):
        return False
    sides = [place_words.parts(text)[_SIDES] for text in folded]
    if all(sides) and sides[0] != sides[1]:
        return False
    facets = words.matters.get(category or "", tuple(words.facets))
    things = [_things(text, facets, words) for text in folded]
    shared = things[0].keys() & things[1].keys()
    if any(not things[0][facet] & things[1][facet] for facet in shared):
        return False
    named = shared - words.qualities
    pinned = bool(sides[0] & sides[1]) or any(mine & theirs for mine, theirs in zip(spots[0][1:], spots[1][1:], strict=True))
    here = same_place or bool(spots[0][0] & spots[1][0])
    if named or (here and pinned):
        return True
    alike = _dice(*(words.filler.sub(" ", place_words.without_places(text)) for text in folded))
    return alike >= (_ALIKE_PLACE if here else DUPLICATE)


def categories() -> Mapping[str, Category]:
    """Return every category of domain.md §2 by its code."""
    return lexicon().categories


def urgent_category(text: str) -> str | None:
    """Return the category of an urgent sentence, J09 where its danger has none; None when it is not urgent."""
    words = lexicon()
    folded = _fold(text, words)
    known = _known_examples()
    shares = known.shares(place_words.without_places(folded))
    alarm, _ = _alarm(folded, _scores(folded, words), known, shares, read_urgency(), words)
    return alarm[0] if alarm else None


# ---- reading a sentence ---------------------------------------------------------------------------------------------


def _fold(text: str, words: Lexicon) -> str:
    """Return the text as the patterns expect it: lower case, simplified, slips mended, spaces in Chinese gone.

    A space between single characters is nothing (电 梯); between longer stretches it ends a clause, as people type it.
    """
    stretches = place_words.plain(text).lower().translate(words.simplified).split(" ")
    folded = stretches[0]
    for last, stretch in pairwise(stretches):
        if not (_CHINESE_END.search(last) and _CHINESE_START.match(stretch)):
            folded += " "
        elif len(last) > 1 and len(stretch) > 1:
            folded += ","
        folded += stretch
    return words.slips.sub(lambda slip: words.spelling[slip[0]], folded)


def _scores(folded: str, words: Lexicon) -> dict[str, float]:
    """Return the weight of every category that any rule speaks for."""
    spans: dict[str, list[Span]] = {}
    sayable = words.sayable(folded)

    def found(concept: str) -> list[Span]:
        if concept not in spans:
            spans[concept] = spans_of(words.concepts[concept], folded) if concept in sayable else []
        return spans[concept]

    doubts: dict[str, float] = {}
    for rule in words.rules:
        if not sayable.issuperset(rule.needed) or not all(map(found, rule.needed)) or any(map(found, rule.excluded)):
            continue
        weight = rule.weight
        if any(gap(found(one), found(other)) > _NEAR for one, other in zip(rule.needed, rule.needed[1:], strict=False)):
            weight *= _FAR_SHARE
        weight *= 1 - _LATE * found(rule.needed[0])[0][0] / len(folded)
        doubts[rule.category] = doubts.get(rule.category, 1.0) * (1 - weight)
    return {category: 1 - doubt for category, doubt in doubts.items()}


def _alarm(
    folded: str, scores: Mapping[str, float], known: Examples, shares: Shares | None, urgency: Urgency, words: Lexicon
) -> tuple[tuple[str, str] | None, str | None]:
    """Return the category and the words of a danger that is meant, or None, and the category of one only feared.

    The rules find the dangers. A plain word of domain.md §2 that nothing in the sentence makes doubtful is theirs alone; of the
    others the classifier, or the examples where a sentence is like none of the urgent ones, say whether they are only feared.
    Where the rules find none that is meant, it is one all the same if the classifier is very sure, or if the sentence is all but
    surely like the urgent examples, speaks of no other matter and has no word of doubt in it.
    """
    dangers = Dangers(folded, words)
    alarm, feared = dangers.find()
    plain = words.guards["plain"].search(folded) is not None
    if alarm is not None and plain and not _doubtful(folded, words):
        return alarm, None
    sureness = urgency.sureness(features_of(dangers, words))
    if alarm is not None:
        meant = sureness > _MEANT and (plain or not _unlike(alarm[1], folded, known, shares))
        return (alarm, None) if meant else (None, alarm[0])
    urgent = shares.urgent if shares else {}
    likest = max(sorted(urgent), key=lambda category: urgent[category], default=_OTHER)
    if sureness > _DANGEROUS:
        mention = dangers.mention()
        return (mention.category if mention else likest, folded[:_MOST_SAID]), None
    alike = shares is not None and shares.danger > _LIKE
    if alike and feared is None and not words.guards["doubt"].search(folded) and not _ordinary(folded, scores, words):
        return (likest, folded[:_MOST_SAID]), None
    return None, feared


def _doubtful(folded: str, words: Lexicon) -> bool:
    """Tell whether any word makes it doubtful that a danger is there now, and none says that it is said in earnest."""
    if words.guards["earnest"].search(folded):
        return False
    return any(words.cues[name].search(folded) for name in _DOUBTS) or words.guards["doubt"].search(folded) is not None


def _unlike(said: str, folded: str, known: Examples, shares: Shares | None) -> bool:
    """Tell whether a sentence, and the clause of its danger too, is like none of the urgent examples."""
    if shares is None or shares.danger >= _UNLIKE:
        return False
    clause = known.shares(place_words.without_places(clause_of(said, folded)))
    return clause is None or clause.danger < _UNLIKE


def _ordinary(folded: str, scores: Mapping[str, float], words: Lexicon) -> bool:
    """Tell whether the sentence is small talk, told, over, or by the rules about something that has no dangers."""
    dangerous = {alarm.category for alarm in words.alarms}
    weight = max((score for category, score in scores.items() if category not in dangerous), default=0.0)
    danger = max((score for category, score in scores.items() if category in dangerous), default=0.0)
    told = any(words.guards[name].search(folded) for name in ("sentence", "solved", "past", "recent"))
    return told or _ORDINARY <= weight >= danger or any(words.chatter[name].search(folded) for name in ("talk", "solved", "advert"))


@cache
def _known_examples() -> Examples:
    """Return the examples of texts/understanding_examples.toml, counted once."""
    return counted(read_examples())


def _either(one: float, other: float) -> float:
    """Return the weight of two witnesses together."""
    return 1 - (1 - one) * (1 - other)


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


def _with_hints(folded: str, guesses: tuple[Guess, ...], words: Lexicon) -> tuple[Guess, ...]:
    """Return the guesses, filled up with hinted categories: what to offer when the rules are not sure."""
    if len(guesses) == _MOST_GUESSES:
        return guesses
    known = {guess.code for guess in guesses}
    hits = {code: len(hint.findall(folded)) for code, hint in words.hints.items() if code not in known}
    hinted = sorted((code for code, count in hits.items() if count), key=lambda code: (-hits[code], code))
    ceiling = min(_HINT, guesses[-1].confidence) if guesses else _HINT
    return (*guesses, *(Guess(code, ceiling) for code in hinted))[:_MOST_GUESSES]


def _with_companions(guesses: tuple[Guess, ...], urgent: bool, words: Lexicon) -> tuple[Guess, ...]:
    """Return the guesses, filled up with the neighbours of the best one; of an urgent one the general kind is offered too."""
    known = {guess.code for guess in guesses}
    beside = [code for guess in guesses[:1] for code in words.companions.get(guess.code, ()) if code not in known]
    if urgent and _OTHER not in known:
        guesses, beside = guesses[: _MOST_GUESSES - 1], [_OTHER, *(code for code in beside if code != _OTHER)]
    ceiling = min(_COMPANION, guesses[-1].confidence) if guesses else _COMPANION
    return (*guesses, *(Guess(code, ceiling) for code in beside))[:_MOST_GUESSES]


def _kind(folded: str, guesses: tuple[Guess, ...], told: float, urgent: bool, words: Lexicon) -> Literal["problem", "chatter", "unclear"]:
    """Return whether there is something to open, something to ask about, or nothing; told: the weight of the best rule."""
    if urgent:
        return "problem"
    chatter = words.chatter
    weight = guesses[0].confidence if guesses else 0.0
    sensible = weight > _HINT or chatter["sense"].search(folded)
    letters = re.sub(r"[\W_]|\d", "", chatter["sticker"].sub("", folded))
    if not chatter["only"].sub("", letters) or not sensible:
        return "chatter"
    if not chatter["still"].search(folded):
        if chatter["solved"].search(folded) or chatter["advert"].search(folded):
            return "chatter"
        small_talk = chatter["talk"].search(folded) or chatter["praise"].search(folded)
        if small_talk and weight < _SURE_PROBLEM and not chatter["trouble"].search(folded):
            return "chatter"
    if max(weight, told) >= _PROBLEM:
        return "problem"
    if chatter["talk"].search(folded):
        return "chatter"
    return "problem" if guesses and chatter["matter"].search(folded) else "unclear"


# ---- near-duplicates ------------------------------------------------------------------------------------------------


def _things(folded: str, facets: Iterable[str], words: Lexicon) -> dict[str, frozenset[int]]:
    """Return the things a report is about, by their facet."""
    found = {facet: frozenset(at for at, thing in enumerate(words.facets[facet]) if thing.search(folded)) for facet in facets}
    return {facet: things for facet, things in found.items() if things}


def _dice(first: str, second: str) -> float:
    """Return Dice's coefficient of two texts' sets of character pairs; texts of one character are alike when equal."""
    one, other = (re.sub(r"[\W_]", "", text) for text in (first, second))
    pairs = [{text[at : at + 2] for at in range(len(text) - 1)} for text in (one, other)]
    if not pairs[0] or not pairs[1]:
        return float(one == other)
    return 2 * len(pairs[0] & pairs[1]) / (len(pairs[0]) + len(pairs[1]))
