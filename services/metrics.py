"""The community's numbers: every formula of domain.md §8 in one place, each as of a moment that may be over.

A Ratio is exact: it is rounded when it is shown, to one decimal, half up, with its numbers behind it, `78.0%（39/50）`; 0/0 is `—`.
Whoever asks for a grid gets what can be counted in a grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlmodel import col

from models import Problem
from services import lists
from services.context import Context
from services.replay import Standing, problems_at
from services.spans import Span
from services.workdays import Calendar
from texts.screen import Key, Value

DEFAULTS: dict[str, Any] = {"fair": 1, "response": 0.2, "solved": 0.4, "satisfied": 0.4}
NOTHING = Key("metric.none")


def rounded(value: Fraction, places: int = 1) -> str:
    """The number with so many decimals, half up."""
    scale = 10**places
    whole, rest = divmod((2 * value * scale + 1) // 2, scale)
    return f"{whole}.{rest:0{places}d}" if places else str(whole)


def _plain(number: Fraction) -> str:
    """A count as it is written: whole, or with its half."""
    return str(number.numerator) if number.denominator == 1 else f"{float(number):g}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """So many of so many."""

    part: Fraction
    whole: Fraction

    @classmethod
    def of(cls, part: float | Fraction, whole: float | Fraction) -> Ratio:
        """The ratio of two counts; halves are exact."""
        return cls(Fraction(part), Fraction(whole))

    @property
    def value(self) -> Fraction | None:
        """The exact share, None for 0/0."""
        return self.part / self.whole if self.whole else None

    @property
    def percent(self) -> str | None:
        """The share in per cent with one decimal, half up; None for 0/0."""
        return None if self.value is None else f"{rounded(self.value * 100)}%"

    @property
    def shown(self) -> Value:
        """As people read it (domain.md §8: 0/0 is —)."""
        if self.percent is None:
            return NOTHING
        return Key("metric.ratio", {"percent": self.percent, "part": _plain(self.part), "whole": _plain(self.whole)})


def share(things: Sequence[Any], fulfilled: Iterable[bool]) -> Ratio:
    """How many of the things fulfil it."""
    return Ratio.of(sum(fulfilled), len(things))


# -- problems: pure functions over the cohort as it stood at `at` ------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Cohort:
    """The problems submitted in a span, as they stood at `at` (V, D of domain.md §8)."""

    every: tuple[Standing, ...]
    at: datetime
    calendar: Calendar

    @property
    def valid(self) -> list[Standing]:
        """V: without what was merged, rejected or withdrawn."""
        return [one for one in self.every if one.valid]

    @property
    def done(self) -> list[Standing]:
        """D: of the valid those resolved or closed."""
        return [one for one in self.every if one.finished]

    @property
    def repeated(self) -> int:
        """重复诉求: merged into another."""
        return sum(one.state == "MERGED" for one in self.every)

    def finished(self) -> Ratio:
        """办结率: what is put aside stays below the line."""
        return Ratio.of(len(self.done), len(self.valid))

    def in_time(self) -> Ratio:
        """按时办结率: last result by the original (or extended in time) deadline; of all done or past it, but those put aside."""
        counted = [one for one in self.valid if one.state != "SUSPENDED" and (one.finished or _by(one.due, self.at))]
        return share(counted, (one.finished and one.resolved_at is not None and _by(one.resolved_at, one.due) for one in counted))

    def answered(self) -> Ratio:
        """响应率: contacted in time; of all contacted or past the time for it."""
        counted = [one for one in self.valid if one.contact_at is not None or _by(one.contact_due, self.at)]
        return share(counted, (one.contact_at is not None and _by(one.contact_at, one.contact_due) for one in counted))

    def solved(self) -> Ratio:
        """解决率: by the last answer of each reporter."""
        asked = [one for one in self.valid if one.solved is not None]
        return share(asked, (one.solved is True for one in asked))

    def satisfied(self, fair: float = 1) -> Ratio:
        """满意率: by the last grade of each reporter; `fair`: what 基本满意 counts."""
        grades = [one.grade for one in self.valid if one.grade is not None]
        return Ratio.of(grades.count("good") + Fraction(str(fair)) * grades.count("fair"), len(grades))

    def rated(self) -> Ratio:
        """参评率: of the done those that were rated."""
        return share(self.done, (one.grade is not None for one in self.done))

    def combined(self, weights: dict[str, Any]) -> Fraction | None:
        """三率综合; None where one of the three is 0/0."""
        three = {"response": self.answered(), "solved": self.solved(), "satisfied": self.satisfied(weights["fair"])}
        values = {name: ratio.value for name, ratio in three.items()}
        if None in values.values():
            return None
        return sum((Fraction(str(weights[name])) * (value or 0) for name, value in values.items()), Fraction(0))

    def in_grid(self) -> Ratio:
        """网格内办结率: done without leaving the grid."""
        return share(self.done, (one.level == "grid" for one in self.done))

    def reopened(self) -> Ratio:
        """退回重办率."""
        return share(self.done, (one.reopened > 0 for one in self.done))

    def hours(self) -> Fraction | None:
        """平均办结时长: mean work hours from submission to the last result, of a P1 natural hours; None where nothing is done."""
        spent = [
            one.resolved_at - one.problem.submitted_at
            if one.problem.sla == "P1"
            else self.calendar.work_hours_between(one.problem.submitted_at, one.resolved_at)
            for one in self.done
            if one.resolved_at is not None
        ]
        return sum((Fraction(round(each.total_seconds()), 3600) for each in spent), Fraction(0)) / len(spent) if spent else None


def _by(moment: datetime | None, limit: datetime | None) -> bool:
    return moment is not None and limit is not None and moment <= limit


async def cohort(context: Context, span: Span, at: datetime, grid: str | None = None) -> Cohort:
    """The problems submitted in the span, as they stood at `at`; of one grid, or of the community."""
    where = [col(Problem.submitted_at) >= span.begin, col(Problem.submitted_at) < span.end]
    if grid is not None:
        where.append(col(Problem.grid_code) == grid)
    return Cohort(tuple(await problems_at(context, at, *where)), at, context.calendar)


async def weights(context: Context) -> dict[str, Any]:
    """The weights of 满意率 and 三率综合: the community's own (Community.config "metrics"), else those of domain.md §8."""
    own: dict[str, Any] = (await lists.community(context)).config.get("metrics", {})
    return DEFAULTS | own


async def of_problems(context: Context, span: Span, at: datetime, grid: str | None = None) -> dict[str, Value]:
    """The numbers about problems by name, as they are shown."""
    found, chosen = await cohort(context, span, at, grid), await weights(context)
    combined, hours = found.combined(chosen), found.hours()
    return {
        "accepted": len(found.valid), "repeated": found.repeated or None, "finished": found.finished().shown,
        "in_time": found.in_time().shown, "answered": found.answered().shown, "solved": found.solved().shown,
        "satisfied": found.satisfied(chosen["fair"]).shown, "rated": found.rated().shown,
        "combined": NOTHING if combined is None else f"{rounded(combined * 100)}%", "in_grid": found.in_grid().shown,
        "reopened": found.reopened().shown,
        "hours": NOTHING if hours is None else Key("metric.hours", {"hours": rounded(hours), "done": len(found.done)}),
    }  # fmt: skip
