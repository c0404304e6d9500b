"""Hours of service: what a sentence says about time, when one may check in, and how many hours count. Pure functions.

Sources: domain.md §1 (zone), §5 Task/Claim (windows, waiting, counted hours). The words are data, in texts/work.toml.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from services.workdays import ZONE, after_quiet, local

CHECK_IN_BEFORE = timedelta(minutes=30)
BETWEEN_TASKS = timedelta(minutes=30)
DEFAULT_LENGTH = timedelta(hours=2)
ADVANCE_NOTICE = timedelta(hours=24)
LONG_OFFER, SHORT_OFFER = timedelta(hours=2), timedelta(minutes=30)
# A date without a year that is further ahead than this was meant to be the one just gone.
NEXT_YEAR_WITHIN = timedelta(days=183)


@cache
def words() -> dict[str, Any]:
    """The data of texts/work.toml."""
    return tomllib.loads((Path(__file__).parents[1] / "texts" / "work.toml").read_text("utf-8"))


def pattern(source: str) -> re.Pattern[str]:
    """A pattern of texts/work.toml: a space in it matches any or no space."""
    return re.compile(source.replace(" ", r"\s*"), re.IGNORECASE)


def plain_numbers(said: str) -> str:
    """The sentence with its numbers of hours, days and people in figures, as far as they are below a hundred."""
    data = words()["numerals"]
    for spoken, written in data["quarters"].items():
        said = said.replace(spoken, written)
    return pattern(data["number"]).sub(lambda found: _figures(found[0], data["digits"], data["ten"]), said)


def _figures(number: str, digits: dict[str, int], ten: str) -> str:
    tens, has_ten, ones = number.rpartition(ten)
    if len(tens) > 1 or len(ones) > 1:
        return number
    return str((digits.get(tens, 1) * 10 if has_ten else 0) + digits.get(ones, 0))


def in_window(start: datetime, end: datetime, now: datetime) -> bool:
    """Whether one may check in: from 30 minutes before the start until the end, both included (domain.md §5)."""
    return start - CHECK_IN_BEFORE <= now <= end


def collide(start: datetime, end: datetime, other_start: datetime, other_end: datetime) -> bool:
    """Whether nobody can do both: less than 30 minutes lie between them (domain.md §5, double-booked)."""
    return start < other_end + BETWEEN_TASKS and other_start < end + BETWEEN_TASKS


def is_late(start: datetime, now: datetime) -> bool:
    """Whether a withdrawal at `now` comes less than 24 hours before the start (domain.md §5)."""
    return start - now < ADVANCE_NOTICE


def offered_until(start: datetime, now: datetime) -> datetime:
    """Until when a freed place is kept for the one it is offered to: 2 h, 30 min when the start is under 24 h away, never past it.

    An offer made in quiet hours is read at 08:00, so its time runs from then, unless the task has begun by then.
    """
    told = after_quiet(now)
    if told >= start:
        told = now
    return min(told + (SHORT_OFFER if start - now < ADVANCE_NOTICE else LONG_OFFER), start)


def counted(arrived: datetime, left: datetime, planned: float) -> float:
    """The hours that count: whole halves, rounded down, at least 0.5, at most an hour more than planned (domain.md §5)."""
    halves = math.floor((left - arrived).total_seconds() / 1800)
    return float(max(0.5, min(halves / 2, planned + 1)))


@dataclass(frozen=True, slots=True)
class When:
    """A time that was said. `end` is None when none was said; `span` is where it stands in the sentence."""

    start: datetime
    end: datetime | None
    span: tuple[int, int]


def read_when(said: str, now: datetime) -> When | None:
    """The first time in a sentence: a date and a clock, perhaps with an end ("11月28日9点-11点"); None when there is none.

    A date without a year is the next such date; one that would be more than half a year ahead stays in this year, and so in the past.
    A day of the week is the next one on which that hour is still to come.
    """
    for found in _full().finditer(said):
        day = _day(found, local(now).date())
        start = _clock(found, "")
        if day is None or start is None:
            continue
        end = None
        if found["end_hour"] is not None:
            end = _clock(found, "end_", afternoon=not found["end_half"] and start.hour >= 12)
            if end is None:
                continue
        begin = datetime.combine(day, start, ZONE)
        if found["weekday"] and begin <= now:
            day += timedelta(days=7)
            begin = datetime.combine(day, start, ZONE)
        return When(begin, datetime.combine(day, end, ZONE) if end else None, found.span())
    return None


@cache
def _full() -> re.Pattern[str]:
    when = words()["when"]
    end = re.sub(r"\?P<(\w+)>", r"?P<end_\1>", when["clock"])
    return pattern(f"(?:{when['date']}) [,]? {when['clock']}(?: {when['until']} {end})?")


def _day(found: re.Match[str], today: date) -> date | None:
    when = words()["when"]
    if found["near"]:
        return today + timedelta(days=when["near"][found["near"]])
    if found["weekday"]:
        wanted: int = when["weekdays"][found["weekday"]]
        monday = today - timedelta(days=today.weekday())
        if found["next"]:
            return monday + timedelta(days=7 + wanted)
        return today + timedelta(days=(wanted - today.weekday()) % 7)
    month, day = int(found["month"]), int(found["day"])
    if found["year"]:
        return _date(int(found["year"]), month, day)
    this, coming = _date(today.year, month, day), _date(today.year + 1, month, day)
    if this is not None and this >= today:
        return this
    return coming if coming is not None and coming - today <= NEXT_YEAR_WITHIN else this


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _clock(found: re.Match[str], prefix: str, afternoon: bool = False) -> time | None:
    when = words()["when"]
    hour, spoken = int(found[f"{prefix}hour"]), found[f"{prefix}spoken"]
    minute = 30 if spoken == when["half_past"] else int(found[f"{prefix}minute"] or spoken or 0)
    half = found[f"{prefix}half"]
    if ((half and when["halves"][half]) or afternoon) and hour < 12:
        # Eleven at noon is before twelve; every other hour of the second half of the day comes after it.
        hour += 0 if half == when["noon"] and hour == 11 else 12
    return time(hour, minute) if hour < 24 and minute < 60 else None
