"""What a resident's sentence is about: its category, whether it is urgent, whether it is a problem at all.

Source: domain.md §1 (near-duplicate, chat input is normalised, 代人报), §2 (taxonomy, classification, urgent lexicon).
The words and weights are data, read by services.lexicon. A category's weight is that of all its rules together, as if
each were an independent witness; a close rival lowers the confidence, so that a toss-up is asked instead of decided. A
danger is composed: what happens, near whom or where it happens, unless the words around it deny, fear, suppose or only
tell it. Nothing here reads a database or a clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from services import places
from services.lexicon import Alarm, Category, Lexicon, LexiconError, Sign, lexicon, read_lexicon

__all__ = [
    "CONFIDENT",
    "DUPLICATE",
    "Category",
    "Guess",
    "LexiconError",
    "Understanding",
    "categories",
    "normalise",
    "read_lexicon",
    "same_matter",
    "similarity",
    "understand",
    "urgent_category",
]

CONFIDENT = 0.6
DUPLICATE = 0.5
_ALIKE_THING = 0.2
_SIDES = 2

_MOST_GUESSES = 3
_FAINTEST_GUESS = 0.15
_PROBLEM = 0.4
_SURE_PROBLEM = 0.8
_URGENT_WEIGHT = 0.9
_FEARED_WEIGHT = 0.4
_HINT = 0.2
_COMPANION = 0.1
_OTHER = "J09"
_NEAR = 10
_FAR_SHARE = 0.75
_RIVAL_FROM = 0.6
_LATE = 0.1
_WINDOW = 20
_CLAUSE_END = re.compile(r"[,。!?;、\n]")
_CHINESE_START = re.compile(r"[\u3400-\u9fff]")
_CHINESE_END = re.compile(r"[\u3400-\u9fff]$")

Span = tuple[int, int]


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


def understand(text: str) -> Understanding:
    """Return what the sentence is about; the same answer for the same text, whatever its spelling and spacing."""
    words = lexicon()
    folded = _fold(text, words)
    scores = _scores(folded, words)
    alarm, feared = _Dangers(folded, words).find()
    for category, weight in ((alarm and alarm[0], _URGENT_WEIGHT), (feared, _FEARED_WEIGHT if feared != _OTHER else _HINT)):
        if category is not None:
            scores[category] = 1 - (1 - scores.get(category, 0.0)) * (1 - weight)
    guesses = _with_hints(folded, _guesses(scores), words)
    kind = _kind(folded, guesses, alarm is not None, words)
    return Understanding(
        kind=kind,
        guesses=_with_companions(guesses, alarm is not None, words) if kind == "problem" else (),
        urgent=alarm[1] if alarm else None,
        for_other=words.for_other.search(folded) is not None,
    )


def normalise(text: str) -> str:
    """Return the text in half width, with single spaces, without control, zero-width and direction characters."""
    return places.plain(text)


def similarity(first: str, second: str) -> float:
    """Return how alike two texts are, 0 to 1: Dice's share of common neighbouring characters (domain.md §1)."""
    return _dice(_fold(first, lexicon()), _fold(second, lexicon()))


def same_matter(first: str, second: str, same_place: bool = False) -> bool:
    """Tell whether two reports of one category and one grid look like the same matter (domain.md §1, near-duplicate).

    Different buildings, units, doors, floors, numbered things or sides are different matters, and so are different
    things of one kind (a swing, a slide). Otherwise the texts, without places and filler words, must be alike by half of
    their pairs of characters; by less where both name the same thing. About one place (`same_place`) it is enough that
    they name the same thing, or one names none.
    """
    words = lexicon()
    folded = (_fold(first, words), _fold(second, words))
    spots = [places.spots(text) for text in folded]
    if any(mine and theirs and not mine & theirs for mine, theirs in zip(*spots, strict=True)):
        return False
    sides = [places.parts(text)[_SIDES] for text in folded]
    if all(sides) and sides[0] != sides[1]:
        return False
    things = [_things(text, words) for text in folded]
    shared = things[0].keys() & things[1].keys()
    if any(not things[0][facet] & things[1][facet] for facet in shared):
        return False
    if same_place and (shared or not all(things)):
        return True
    alike = _dice(*(words.filler.sub(" ", places.without_places(text)) for text in folded))
    return alike >= (_ALIKE_THING if shared or same_place else DUPLICATE)


def categories() -> Mapping[str, Category]:
    """Return every category of domain.md §2 by its code."""
    return lexicon().categories


def urgent_category(text: str) -> str | None:
    """Return the category of an urgent sentence, J09 where its danger has none; None when it is not urgent."""
    words = lexicon()
    alarm, _ = _Dangers(_fold(text, words), words).find()
    return alarm[0] if alarm else None


# ---- reading a sentence ---------------------------------------------------------------------------------------------


def _fold(text: str, words: Lexicon) -> str:
    """Return the text as the patterns expect it: lower case, simplified, slips mended, spaces in Chinese gone.

    A space between single characters is nothing (电 梯); between longer stretches it ends a clause, as people type it.
    """
    stretches = places.plain(text).lower().translate(words.simplified).split(" ")
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

    def found(concept: str) -> list[Span]:
        if concept not in spans:
            spans[concept] = [hit.span() for hit in words.concepts[concept].finditer(folded)]
        return spans[concept]

    doubts: dict[str, float] = {}
    for rule in words.rules:
        if not all(found(concept) for concept in rule.needed) or any(found(concept) for concept in rule.excluded):
            continue
        weight = rule.weight
        if any(_gap(found(one), found(other)) > _NEAR for one, other in zip(rule.needed, rule.needed[1:], strict=False)):
            weight *= _FAR_SHARE
        weight *= 1 - _LATE * found(rule.needed[0])[0][0] / len(folded)
        doubts[rule.category] = doubts.get(rule.category, 1.0) * (1 - weight)
    return {category: 1 - doubt for category, doubt in doubts.items()}


def _gap(one: list[Span], other: list[Span]) -> int:
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


def _with_hints(folded: str, guesses: tuple[Guess, ...], words: Lexicon) -> tuple[Guess, ...]:
    """Return the guesses, filled up with hinted categories: what to offer when the rules are not sure."""
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


def _kind(folded: str, guesses: tuple[Guess, ...], urgent: bool, words: Lexicon) -> Literal["problem", "chatter", "unclear"]:
    """Return whether there is something to open, something to ask about, or nothing."""
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
    if weight >= _PROBLEM:
        return "problem"
    if chatter["talk"].search(folded):
        return "chatter"
    return "problem" if guesses and chatter["matter"].search(folded) else "unclear"


# ---- dangers --------------------------------------------------------------------------------------------------------


class _Dangers:
    """The dangers in one folded sentence; what was looked for once is remembered."""

    def __init__(self, folded: str, words: Lexicon) -> None:
        """Take a folded sentence."""
        self._folded = folded
        self._words = words
        self._spans: dict[str, list[Span]] = {}
        self._verdicts: dict[tuple[Span, bool], bool] = {}

    def find(self) -> tuple[tuple[str, str] | None, str | None]:
        """Return the category and words of the first danger that is meant, or None, and the category of one only feared."""
        feared = None
        if self._only_spoken_of():
            return None, None
        for alarm in self._words.alarms:
            if (hit := self._hit(alarm)) is None:
                continue
            start, end, meant = hit
            if meant:
                return (alarm.category, self._folded[start:end]), None
            feared = feared or alarm.category
        return None, feared

    def _hit(self, alarm: Alarm) -> tuple[int, int, bool] | None:
        """Return where a sign of the alarm stands and whether it is meant; None where there is none."""
        feared = None
        for sign in alarm.signs:
            if (hit := self._meeting(sign, alarm.lasting)) is None:
                continue
            if alarm.unless is not None and alarm.unless.search(self._folded):
                return None
            if not alarm.lasting and self._is_past("recent"):
                return None
            if hit[2]:
                return hit
            feared = feared or hit
        return feared

    def _meeting(self, sign: Sign, lasting: bool) -> tuple[int, int, bool] | None:
        """Return the stretch in which the parts of the sign meet, and whether none of them is denied there."""
        if not all(self._found(part) for part in sign.needed) or any(self._found(part) for part in sign.excluded):
            return None
        meetings = [(span, span, self._meant(sign.needed[0], span, lasting)) for span in self._found(sign.needed[0])]
        for part in sign.needed[1:]:
            meetings = [
                (_around(stretch, span), span, meant and self._meant(part, span, lasting))
                for stretch, last, meant in meetings
                for span in self._found(part)
                if _gap([last], [span]) <= sign.reach
            ]
        if not meetings:
            return None
        stretch, _, meant = max(meetings, key=lambda meeting: meeting[2])
        return *stretch, meant

    def _found(self, part: str) -> list[Span]:
        """Return where a part of a danger is said."""
        if part not in self._spans:
            self._spans[part] = [hit.span() for hit in self._words.dangers[part].finditer(self._folded)]
        return self._spans[part]

    def _only_spoken_of(self) -> bool:
        """Tell whether the whole sentence is about a drill, a film, something over or something past."""
        guards = self._words.guards
        if guards["solved"].search(self._folded):
            return True
        if guards["sentence"].search(self._folded) and not guards["immediate"].search(self._folded):
            return True
        return self._is_past("past")

    def _is_past(self, when: str) -> bool:
        """Tell whether the sentence speaks of that time and of no present."""
        guards = self._words.guards
        return guards[when].search(self._folded) is not None and guards["present"].search(self._folded) is None

    def _meant(self, part: str, span: Span, lasting: bool) -> bool:
        """Tell whether a part of a danger is said in earnest where it stands."""
        return part in self._words.bystanders or not self._denied(span, lasting)

    def _denied(self, span: Span, lasting: bool) -> bool:
        """Tell whether the clause around the words denies, fears, supposes or only speaks about what they name.

        What nearly happened is denied too, except where it shows that a danger lasts.
        """
        if (span, lasting) not in self._verdicts:
            start, end = span
            guards = self._words.guards
            before = _CLAUSE_END.split(self._folded[max(0, start - _WINDOW) : start])[-1]
            after = self._folded[end : end + _WINDOW]
            said = self._folded[start:end]
            spoken = guards["before"].search(before) or guards["after"].search(after) or guards["inside"].search(said)
            spoken = spoken or (None if lasting else guards["nearly"].search(before + said))
            self._verdicts[span, lasting] = spoken is not None and guards["persists"].search(self._folded) is None
        return self._verdicts[span, lasting]


def _around(one: Span, other: Span) -> Span:
    """Return the stretch that covers both."""
    return min(one[0], other[0]), max(one[1], other[1])


# ---- near-duplicates ------------------------------------------------------------------------------------------------


def _things(folded: str, words: Lexicon) -> dict[str, frozenset[int]]:
    """Return the things a report is about, by their facet."""
    found = {facet: frozenset(at for at, thing in enumerate(things) if thing.search(folded)) for facet, things in words.facets.items()}
    return {facet: things for facet, things in found.items() if things}


def _dice(first: str, second: str) -> float:
    """Return Dice's coefficient of two texts' sets of character pairs; texts of one character are alike when equal."""
    one, other = (re.sub(r"[\W_]", "", text) for text in (first, second))
    pairs = [{text[at : at + 2] for at in range(len(text) - 1)} for text in (one, other)]
    if not pairs[0] or not pairs[1]:
        return float(one == other)
    return 2 * len(pairs[0] & pairs[1]) / (len(pairs[0]) + len(pairs[1]))
