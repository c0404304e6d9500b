"""Spans of time that numbers are asked for: a week, a month, a quarter, a year; half open, in the community's zone (domain.md §8)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from services.hours import pattern
from services.periods import Quarter, read_quarter
from services.workdays import ZONE
from texts.screen import Key, Value

_DAY = timedelta(days=1)


@cache
def words() -> dict[str, Any]:
    """The patterns of texts/digests.toml."""
    return tomllib.loads((Path(__file__).parents[1] / "texts" / "digests.toml").read_text("utf-8"))


def midnight(day: date) -> datetime:
    """The first moment of a date."""
    return datetime.combine(day, time(), ZONE)


@dataclass(frozen=True, slots=True)
class Span:
    """A span [begin, end); `code` says it in a few signs (2026Q4, 2026-11, 2026W48, 2026), and `Span.parse` gives it back."""

    code: str
    begin: datetime
    end: datetime
    word: Value

    @property
    def before(self) -> Span:
        """The span of this kind that ends where this one begins."""
        return _around(_kind(self.code), (self.begin - _DAY).astimezone(ZONE).date())

    @classmethod
    def week(cls, day: date) -> Span:
        """The week of a day, from Monday on."""
        monday = day - timedelta(days=day.weekday())
        year, number, _ = monday.isocalendar()
        word = Key("span.week", {"first": monday, "last": monday + 6 * _DAY})
        return cls(f"{year}W{number:02d}", midnight(monday), midnight(monday + 7 * _DAY), word)

    @classmethod
    def month(cls, day: date) -> Span:
        """The month of a day."""
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
        word = Key("span.month", {"year": str(first.year), "month": first.month})
        return cls(f"{first:%Y-%m}", midnight(first), midnight(after), word)

    @classmethod
    def quarter(cls, quarter: Quarter) -> Span:
        """A quarter."""
        return cls(quarter.code, quarter.begin, quarter.end, quarter.word)

    @classmethod
    def year(cls, year: int) -> Span:
        """A year."""
        return cls(str(year), midnight(date(year, 1, 1)), midnight(date(year + 1, 1, 1)), Key("span.year", {"year": str(year)}))

    @classmethod
    def parse(cls, code: str) -> Span | None:
        """The span that `code` names, or None."""
        try:
            if (quarter := Quarter.parse(code)) is not None:
                return cls.quarter(quarter)
            if found := re.fullmatch(r"(20\d{2})W(\d{2})", code):
                return cls.week(date.fromisocalendar(int(found[1]), int(found[2]), 1))
            if found := re.fullmatch(r"(20\d{2})-(\d{2})", code):
                return cls.month(date(int(found[1]), int(found[2]), 1))
            return cls.year(int(code)) if re.fullmatch(r"20\d{2}", code) else None
        except ValueError:
            return None


def _kind(code: str) -> str:
    return "quarter" if "Q" in code else "week" if "W" in code else "month" if "-" in code else "year"


def _around(kind: str, day: date) -> Span:
    if kind == "quarter":
        return Span.quarter(Quarter.of(day))
    return Span.year(day.year) if kind == "year" else Span.week(day) if kind == "week" else Span.month(day)


def read_span(said: str, today: date) -> tuple[Span, str]:
    """The span a sentence means, this quarter when it names none, and the rest of the sentence.

    Without a year it is the latest such span that has begun.
    """
    forms = words()["span"]
    for kind in ("week", "month", "year"):
        for form, back in ((forms[f"this_{kind}"], False), (forms[f"last_{kind}"], True)):
            if found := pattern(form).search(said):
                span = _around(kind, today)
                return span.before if back else span, _without(said, found)
    if (found := pattern(forms["month"]).search(said)) and 1 <= int(found["month"]) <= 12:
        year = int(found["year"]) if found["year"] else today.year - (int(found["month"]) > today.month)
        return Span.month(date(year, int(found["month"]), 1)), _without(said, found)
    quarter, rest = read_quarter(said, today)
    if rest == said.strip() and (found := pattern(forms["year"]).search(said)):
        return Span.year(int(found["year"])), _without(said, found)
    return Span.quarter(quarter), rest


def read_moment(said: str, now: datetime) -> tuple[datetime, str]:
    """The moment that numbers are counted at: the end of the day after 截至, or `now`; and the rest of the sentence."""
    found = pattern(words()["span"]["until"]).search(said)
    if found is None:
        return now, said
    today = now.astimezone(ZONE).date()
    try:
        day = date(int(found["year"] or today.year), int(found["month"]), int(found["day"]))
    except ValueError:
        return now, said
    if day > today and not found["year"]:
        day = day.replace(year=day.year - 1)
    return min(midnight(day + _DAY), now), _without(said, found)


def _without(said: str, found: re.Match[str]) -> str:
    return f"{said[: found.start()]} {said[found.end() :]}".strip()
