"""What a workday is and when something is due: the only place that knows.

Every rule here thinks in Asia/Shanghai and takes the moment it judges as an argument; nothing reads a clock.
Sources: domain.md §0.3 (workdays and make-up workdays), §1 (conventions, SLA classes), §5 (extension).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

import holidays

ZONE = ZoneInfo("Asia/Shanghai")
DAY_END = time(17, 30)
WORK_HOURS = ((time(9), time(12)), (time(13, 30), DAY_END))
QUIET_FROM = time(21)
QUIET_TO = time(8)

_ONE_DAY = timedelta(days=1)
_SATURDAY = 5
# (month, day) of the holidays that need no lunar calendar, for years the package says nothing about.
_FIXED_STATUTORY = ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))


@dataclass(frozen=True)
class Day:
    """One date as the calendar sees it; `name` is the holiday's name, or "" on a workday and a plain weekend."""

    date: date
    is_workday: bool
    name: str
    provisional: bool


@dataclass(frozen=True)
class _Year:
    """What the `holidays` package knows of one year."""

    days_off: Mapping[date, str]
    make_up_workdays: frozenset[date]
    # The holidays of the law that fall on weekdays, without those given instead of a weekend's: every notice of the year names them.
    statutory: frozenset[date]

    @property
    def official(self) -> bool:
        """Whether the published list is in: every one since 2001 moves a weekend, and nothing else does."""
        return bool(self.make_up_workdays)

    def is_workday(self, day: date) -> bool:
        if day.weekday() >= _SATURDAY:
            return day in self.make_up_workdays
        return day not in self.days_off


@lru_cache(maxsize=256)
def _year(year: int) -> _Year:
    """Return the package's knowledge of a year, or weekends and fixed holidays where it has none; never raises."""
    # The language is named because the package's default follows the machine's locale.
    known = holidays.country_holidays("CN", years=year, expand=False, language="zh_CN")
    days_off = {day: name for day, name in known.items() if day.year == year}
    if not days_off:
        days_off = {date(year, month, day): "" for month, day in _FIXED_STATUTORY}
    by_law = holidays.country_holidays("CN", years=year, expand=False, observed=False, language="zh_CN")
    statutory = frozenset(day for day in (by_law or days_off) if day.year == year and day.weekday() < _SATURDAY)
    # The package lists under every year the make-up workdays that other years put into a December.
    make_up = frozenset(day for day in known.weekend_workdays if day.year == year)
    return _Year(MappingProxyType(days_off), make_up, statutory)


def local(moment: datetime) -> datetime:
    """Return the same moment on the community's clock; ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(ZONE)


def _date_of(moment: datetime | date) -> date:
    return local(moment).date() if isinstance(moment, datetime) else moment


def _dates(first: date, last: date) -> Iterator[date]:
    """Yield every date from first to last, both included."""
    while first <= last:
        yield first
        first += _ONE_DAY


class Calendar:
    """Workdays of the community: the administrator's table first, the official list second (domain.md §1).

    `entered` maps a date to whether it is a workday; days it does not hold are taken from the `holidays` package.
    """

    def __init__(self, entered: Mapping[date, bool] | None = None) -> None:
        self._entered = dict(entered or {})
        # A day or two are no list: a community's own day off, or the end of December in the notice of the year after.
        self._entered_years = frozenset(
            year for year in {day.year for day in self._entered} if _year(year).statutory <= self._entered.keys()
        )

    @property
    def entered(self) -> Mapping[date, bool]:
        """The days that an administrator entered, and whether they are workdays."""
        return MappingProxyType(self._entered)

    def is_workday(self, day: date) -> bool:
        """Return whether people work on this date, make-up workdays included; never raises."""
        day = _date_of(day)
        entered = self._entered.get(day)
        return _year(day.year).is_workday(day) if entered is None else entered

    def is_provisional(self, day: date) -> bool:
        """Return whether the year of this date has no official list, neither published nor entered with every holiday of the law."""
        year = _date_of(day).year
        return year not in self._entered_years and not _year(year).official

    def day(self, day: date) -> Day:
        """Return everything the calendar knows of one date."""
        day = _date_of(day)
        is_workday = self.is_workday(day)
        name = "" if is_workday else _year(day.year).days_off.get(day, "")
        return Day(day, is_workday, name, self.is_provisional(day))

    def add(self, start: datetime | date, workdays: int) -> date:
        """Return the n-th workday strictly after start's calendar date, or before it for a negative n.

        Zero returns start's own date, workday or not.
        """
        day = _date_of(start)
        step = _ONE_DAY if workdays > 0 else -_ONE_DAY
        remaining = abs(workdays)
        while remaining:
            day += step
            remaining -= self.is_workday(day)
        return day

    def due(self, start: datetime, workdays: int) -> datetime:
        """Return 17:30 of the n-th workday strictly after start's calendar date (domain.md §1)."""
        return datetime.combine(self.add(start, workdays), DAY_END, ZONE)

    def previous_workday(self, day: date) -> date:
        """Return the day itself when it is a workday, else the nearest one before it."""
        day = _date_of(day)
        return day if self.is_workday(day) else self.add(day, -1)

    def next_workday(self, day: date) -> date:
        """Return the day itself when it is a workday, else the nearest one after it."""
        day = _date_of(day)
        return day if self.is_workday(day) else self.add(day, 1)

    def overdue_workdays(self, due: datetime, now: datetime) -> int:
        """Return how many workdays have gone by after the due date; today counts from 17:30 on (domain.md §1)."""
        now = local(now)
        last = now.date() if now.time() >= DAY_END else now.date() - _ONE_DAY
        return sum(self.is_workday(day) for day in _dates(_date_of(due) + _ONE_DAY, last))

    def work_hours_between(self, start: datetime, end: datetime) -> timedelta:
        """Return the work time (09:00-12:00, 13:30-17:30 on workdays) in [start, end); zero when end is first."""
        start, end = local(start), local(end)
        total = timedelta()
        for day in _dates(start.date(), end.date()):
            if not self.is_workday(day):
                continue
            for opens, closes in WORK_HOURS:
                begin = max(start, datetime.combine(day, opens, ZONE))
                finish = min(end, datetime.combine(day, closes, ZONE))
                total += max(finish - begin, timedelta())
        return total

    def provisional_between(self, start: datetime | date, end: datetime | date) -> bool:
        """Return whether any date from start to end, both included, lies in a provisional year."""
        first, last = sorted((_date_of(start), _date_of(end)))
        return any(self.is_provisional(date(year, 1, 1)) for year in range(first.year, last.year + 1))


def due_hours(start: datetime, hours: float) -> datetime:
    """Return the moment this many natural hours after start, nights and holidays counted, on the local clock."""
    # Added in UTC: arithmetic on a zoned time moves the hands of the clock, not the time that passes.
    return local(local(start).astimezone(UTC) + timedelta(hours=hours))


def quiet(now: datetime) -> bool:
    """Return whether non-urgent pushes must wait: from 21:00 until before 08:00 (domain.md §1)."""
    clock = local(now).time()
    return clock >= QUIET_FROM or clock < QUIET_TO


def after_quiet(now: datetime) -> datetime:
    """Return the next local 08:00 during quiet hours, else the moment unchanged."""
    if not quiet(now):
        return now
    moment = local(now)
    day = moment.date() if moment.time() < QUIET_TO else moment.date() + _ONE_DAY
    return datetime.combine(day, QUIET_TO, ZONE)


@dataclass(frozen=True)
class Term:
    """A span that a deadline is counted in: natural hours or workdays."""

    amount: int
    unit: Literal["hours", "workdays"]

    def due(self, calendar: Calendar, start: datetime) -> datetime:
        """Return the deadline of a clock that starts at `start`."""
        if self.unit == "hours":
            return due_hours(start, self.amount)
        return calendar.due(start, self.amount)


def _hours(amount: int) -> Term:
    return Term(amount, "hours")


def _workdays(amount: int) -> Term:
    return Term(amount, "workdays")


@dataclass(frozen=True)
class ServiceLevel:
    """What a class of problems is promised (domain.md §1, SLA classes; `extendable`: §5)."""

    code: str
    contact: Term
    resolve: Term
    reopen: Term
    acknowledge: timedelta | None
    extendable: bool


SERVICE_LEVELS: Mapping[str, ServiceLevel] = MappingProxyType(
    {
        level.code: level
        for level in (
            ServiceLevel("P1", _hours(2), _hours(24), _hours(24), timedelta(minutes=30), extendable=False),
            ServiceLevel("P2", _hours(24), _workdays(3), _workdays(3), None, extendable=False),
            ServiceLevel("P3", _workdays(1), _workdays(5), _workdays(3), None, extendable=True),
            ServiceLevel("P4", _workdays(1), _workdays(15), _workdays(5), None, extendable=True),
            ServiceLevel("P5", _workdays(1), _workdays(1), _workdays(1), None, extendable=False),
        )
    }
)


def deadlines(level: str, submitted: datetime, calendar: Calendar) -> tuple[datetime, datetime]:
    """Return (contact_due, resolve_due) of a problem, counted from its submission; KeyError for an unknown class."""
    promised = SERVICE_LEVELS[level]
    return promised.contact.due(calendar, submitted), promised.resolve.due(calendar, submitted)
