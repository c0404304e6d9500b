"""Quarters: which one a sentence means, when it begins and ends, and the last moment of its work (domain.md §6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.hours import pattern
from services.post_lines import words
from services.targets import first_moment
from services.targets import quarter as quarter_of
from services.workdays import ZONE, Calendar
from texts.screen import Key

HANDED_OUT_AT = time(15)


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A quarter of a year; `number` is 1 to 4."""

    year: int
    number: int

    @property
    def code(self) -> str:
        """The quarter in a few signs (2026Q4); `Quarter.parse` gives it back."""
        return f"{self.year}Q{self.number}"

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return first_moment(self.year, self.number)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return first_moment(self.year, self.number + 1)

    @property
    def word(self) -> Key:
        """The quarter as people read it."""
        return Key("record.quarter", {"year": str(self.year), "quarter": Key(f"record.quarter.{self.number}")})

    @property
    def before(self) -> Quarter:
        """The quarter before this one."""
        return Quarter(self.year - 1, 4) if self.number == 1 else Quarter(self.year, self.number - 1)

    def closing(self, calendar: Calendar) -> datetime:
        """When its records are handed out: 15:00 of its last workday (domain.md §6)."""
        return datetime.combine(calendar.previous_workday((self.end - timedelta(days=1)).date()), HANDED_OUT_AT, ZONE)

    @classmethod
    def of(cls, day: date) -> Quarter:
        """The quarter of a day."""
        return cls(day.year, quarter_of(day))

    @classmethod
    def parse(cls, code: str) -> Quarter | None:
        """The quarter that `code` names, or None."""
        found = re.fullmatch(r"(\d{4})Q([1-4])", code)
        return cls(int(found[1]), int(found[2])) if found else None


def read_quarter(said: str, today: date) -> tuple[Quarter, str]:
    """The quarter a sentence means (this one when it names none; without a year the latest that has begun) and the rest of it."""
    data = words()["period"]
    here = Quarter.of(today)
    if found := pattern(data["quarter"]).search(said):
        year = found["year"] or found["code"]
        number = int(data["numbers"].get(found["quarter"]) or found["quarter"] or found["code_quarter"])
        meant = Quarter(int(year) if year else today.year, number)
        if not year and meant > here:
            meant = Quarter(today.year - 1, number)
        return meant, f"{said[: found.start()]} {said[found.end() :]}".strip()
    for form, meant in ((data["last"], here.before), (data["this"], here)):
        if found := pattern(form).search(said):
            return meant, f"{said[: found.start()]} {said[found.end() :]}".strip()
    return here, said.strip()
