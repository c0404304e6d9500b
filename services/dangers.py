"""The dangers a sentence tells of: what happens, near whom or where it happens, unless it is denied, feared or only told.

Source: domain.md §2 (urgent lexicon). The words are data, read by services.lexicon; the sentence is folded already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.lexicon import Alarm, Lexicon, Sign

_WINDOW = 20
_SENTENCE_END = re.compile(r"[。!?;\n]")
_CLAUSE_END = re.compile(r"[,。!?;、\n]")

Span = tuple[int, int]


@dataclass(frozen=True)
class Mention:
    """Where a sentence names a danger, meant or not, and what the rules hold against its being meant."""

    category: str
    start: int
    end: int
    doubts: frozenset[str]


class Dangers:
    """The dangers in one folded sentence; what was looked for once is remembered."""

    def __init__(self, folded: str, words: Lexicon) -> None:
        """Take a folded sentence."""
        self.folded = self._folded = folded
        self._words = words
        self._sayable = words.sayable(folded)
        self._spans: dict[str, list[Span]] = {}
        self._verdicts: dict[tuple[Span, bool], bool] = {}
        self._over: bool | None = None

    def find(self) -> tuple[tuple[str, str] | None, str | None]:
        """Return the category and words of the first danger that is meant, or None, and the category of one only feared."""
        feared = None
        for alarm in self._words.alarms:
            if (hit := self._hit(alarm)) is None:
                continue
            if self._over is None:
                self._over = self._only_spoken_of()
            if self._over:
                return None, None
            start, end, meant = hit
            if self._is_past("past", end):
                continue
            if meant:
                return (alarm.category, self._folded[start:end]), None
            feared = feared or alarm.category
        return None, feared

    def mention(self) -> Mention | None:
        """Return the danger that is named with the fewest doubts, the one that is meant where there is one; None where none is named."""
        mentions = [
            Mention(alarm.category, meeting[0], meeting[1], self._doubts(alarm, meeting))
            for alarm in self._words.alarms
            for sign in alarm.signs
            if (meeting := self._meeting(sign, alarm.lasting)) is not None
        ]
        return min(mentions, key=lambda mention: len(mention.doubts), default=None)

    def _doubts(self, alarm: Alarm, meeting: tuple[int, int, bool]) -> frozenset[str]:
        """Return what stands against a danger's being meant."""
        unless = alarm.unless is not None and alarm.unless.search(self._folded) is not None
        recent = not alarm.lasting and self._is_past("recent", meeting[1])
        doubts = {"unless": unless, "recent": recent, "past": self._is_past("past", meeting[1]), "denied": not meeting[2]}
        return frozenset(doubt for doubt, stands in doubts.items() if stands)

    def _hit(self, alarm: Alarm) -> tuple[int, int, bool] | None:
        """Return where a sign of the alarm stands and whether it is meant; None where there is none."""
        feared = None
        for sign in alarm.signs:
            if (hit := self._meeting(sign, alarm.lasting)) is None:
                continue
            if alarm.unless is not None and alarm.unless.search(self._folded):
                return None
            if not alarm.lasting and self._is_past("recent", hit[1]):
                return None
            if hit[2]:
                return hit
            feared = feared or hit
        return feared

    def _meeting(self, sign: Sign, lasting: bool) -> tuple[int, int, bool] | None:
        """Return the stretch in which the parts of the sign meet, and whether none of them is denied there."""
        if not self._sayable.issuperset(sign.needed) or not all(map(self._found, sign.needed)):
            return None
        if any(map(self._found, sign.excluded)):
            return None
        meetings = [(span, span, self._meant(sign.needed[0], span, lasting)) for span in self._found(sign.needed[0])]
        for part in sign.needed[1:]:
            meetings = [
                (_around(stretch, span), span, meant and self._meant(part, span, lasting))
                for stretch, last, meant in meetings
                for span in self._found(part)
                if gap([last], [span]) <= sign.reach
            ]
        if not meetings:
            return None
        stretch, _, meant = max(meetings, key=lambda meeting: meeting[2])
        return *stretch, meant

    def _found(self, part: str) -> list[Span]:
        """Return where a part of a danger is said."""
        if part not in self._spans:
            self._spans[part] = spans_of(self._words.dangers[part], self._folded) if part in self._sayable else []
        return self._spans[part]

    def _only_spoken_of(self) -> bool:
        """Tell whether the whole sentence is about a drill, a film, something over or something past."""
        guards = self._words.guards
        if guards["earnest"].search(self._folded):
            return False
        if guards["solved"].search(self._folded) and not guards["unsolved"].search(self._folded):
            return True
        return guards["sentence"].search(self._folded) is not None and guards["immediate"].search(self._folded) is None

    def _is_past(self, when: str, end: int) -> bool:
        """Tell whether the sentence speaks of that time before the danger that ends there, and of no present."""
        guards = self._words.guards
        return (
            guards[when].search(self._folded[:end]) is not None
            and guards["present"].search(self._folded) is None
            and guards["earnest"].search(self._folded) is None
        )

    def _meant(self, part: str, span: Span, lasting: bool) -> bool:
        """Tell whether a part of a danger is said in earnest where it stands."""
        return part in self._words.bystanders or not self._denied(span, lasting)

    def _told(self, end: int) -> re.Match[str] | None:
        """Return what tells of the danger that begins there, in its sentence: a book, a screen, a dream, somewhere else."""
        guards = self._words.guards
        if guards["earnest"].search(self._folded):
            return None
        return guards["told"].search(_SENTENCE_END.split(self._folded[:end])[-1])

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
            if not lasting:
                spoken = spoken or guards["nearly"].search(before + said) or guards["then"].search(before + said)
            spoken = spoken or self._told(start)
            self._verdicts[span, lasting] = spoken is not None and guards["persists"].search(self._folded) is None
        return self._verdicts[span, lasting]


def spans_of(pattern: re.Pattern[str], folded: str) -> list[Span]:
    """Return where a pattern is found."""
    return [hit.span() for hit in pattern.finditer(folded)]


def gap(one: list[Span], other: list[Span]) -> int:
    """Return the fewest characters between two concepts' occurrences; 0 when they touch or overlap."""
    return min(max(0, second[0] - first[1], first[0] - second[1]) for first in one for second in other)


def clause_of(said: str, folded: str) -> str:
    """Return the clause of a text in which the words are said first."""
    start = folded.find(said)
    before, after = clauses_around(folded, start, start + len(said))
    return before + said + after


def clauses_around(folded: str, start: int, end: int) -> tuple[str, str]:
    """Return what stands in one clause with a stretch of a text: before it and behind it."""
    return _CLAUSE_END.split(folded[:start])[-1], _CLAUSE_END.split(folded[end:])[0]


def _around(one: Span, other: Span) -> Span:
    """Return the stretch that covers both."""
    return min(one[0], other[0]), max(one[1], other[1])
