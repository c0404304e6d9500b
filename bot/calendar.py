"""`python -m bot calendar [FROM] [TO]`: what will happen when, from the table of jobs, the pending alarms and the workdays.

Grouped by day, a line each: the hour, what happens in a coordinator's words, and what it is about by code, category or number. No names,
no texts, no places smaller than a grid.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, col

from bot.settings import Settings
from models import (
    ActionItem,
    Claim,
    Commitment,
    Enrollment,
    Meeting,
    Occurrence,
    PartnerUnit,
    Post,
    Problem,
    Setting,
    Task,
    keyring,
)  # fmt: skip
from models.database import Database, migrate
from scheduler.jobs import JOBS, Job
from services.clock import SystemClock
from services.context import Ground, ground
from services.periods import Quarter
from services.workdays import ZONE, Calendar, local
from texts.render import text
from texts.screen import Key, Value

SPAN = timedelta(days=30)
_DAY = timedelta(days=1)
_SATURDAY = 5

# On which days a job of the time table does something; the others run, and find that it is not their day.
_DAYS: Mapping[str, Callable[[Calendar, date], bool]] = {
    "daily_digest": Calendar.is_workday,
    "grid_digest": Calendar.is_workday,
    "echo_wall": Calendar.is_workday,
    "monthly_ledger": lambda calendar, day: day == calendar.next_workday(day.replace(day=1)),
    "record_cards": lambda calendar, day: day == local(Quarter.of(day).closing(calendar)).date(),
}
# What comes daily or each workday is told once, above the days; what runs daily for one day of the month is not.
_RARE = ("monthly_ledger",)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that will happen: `about` says to what, or nothing."""

    at: datetime
    job: str
    about: Value = None


def works_on(job: str, calendar: Calendar, day: date) -> bool:
    """Whether a job of the time table does something on a day on which it runs."""
    rule = _DAYS.get(job)
    return rule is None or rule(calendar, day)


async def show(settings: Settings, begin: str, until: str, language: str) -> int:
    """Print the calendar from one date to another, both included (today and 30 days). 1 where there is no community or no such date."""
    keyring.use(settings.encryption_keys, settings.hash_key)
    database = Database(settings.DATABASE_URL)
    try:
        await migrate(settings.DATABASE_URL)
        async with database.transaction() as session:
            now = await _now(session)
            first = date.fromisoformat(begin) if begin else local(now).date()
            last = date.fromisoformat(until) if until else first + SPAN
            land = await ground(session)
            lines = page(land, now, first, last, await alarms(session, first, last), language)
    except (ValueError, OverflowError) as error:
        print(error, file=sys.stderr)
        return 1
    except LookupError:
        print(text("init.none", {}, language), file=sys.stderr)
        return 1
    finally:
        await database.close()
    print("\n".join(line.rstrip() for line in lines))
    return 0


async def _now(session: AsyncSession) -> datetime:
    """The demo's clock where one is stored, else the machine's."""
    stored = await session.get(Setting, "clock")
    return SystemClock().now() if stored is None else datetime.fromisoformat(stored.value["now"])


# -- what is on it -----------------------------------------------------------------------------------------------------
async def alarms(session: AsyncSession, first: date, last: date) -> list[Entry]:
    """What services have set for these days and what has not happened yet."""
    begin, end = datetime.combine(first, datetime.min.time(), ZONE), datetime.combine(last + _DAY, datetime.min.time(), ZONE)
    query = sa.select(Occurrence).where(
        col(Occurrence.state).in_(("due", "running")), col(Occurrence.due) >= begin, col(Occurrence.due) < end
    )  # fmt: skip
    rows = list(await session.scalars(query.order_by(col(Occurrence.due), col(Occurrence.id))))
    named = await _named(session, {row.subject.partition(":")[0] for row in rows})
    return [Entry(row.due, row.job, named.get(row.subject.partition(":")[0])) for row in rows]


_NAMES: tuple[tuple[type[SQLModel], Callable[..., Value]], ...] = (
    (Problem, lambda row: Key("calendar.problem", {"code": row.code, "category": Key(f"category.{row.category}")})),
    (Task, lambda row: Key("calendar.task", {"code": row.code, "number": row.short_no})),
    (Post, lambda row: Key("calendar.post", {"number": row.number})),
    (Enrollment, lambda row: row.grid_code),
    (Meeting, lambda row: row.code or row.quarter),
    (ActionItem, lambda row: row.code),
    (Commitment, lambda row: row.code),
)


async def _named(session: AsyncSession, subjects: Iterable[str]) -> dict[str, Value]:
    """What each subject of an alarm is called; ids are never said, and what is no object says itself (a year, a quarter)."""
    ids = [subject for subject in subjects if subject]
    found: dict[str, Value] = {one: one for one in ids if (one.isdigit() and len(one) == 4) or Quarter.parse(one) is not None}
    for model, name in _NAMES:
        column = sa.inspect(model).columns["id"]
        for part in range(0, len(ids), 500):
            for row in await session.scalars(sa.select(model).where(column.in_(ids[part : part + 500]))):
                found[row.id] = name(row)  # type: ignore[attr-defined]
    claims = sa.select(col(Claim.id), Task).join(Task, col(Task.id) == Claim.task_id)
    for part in range(0, len(ids), 500):
        for claim, task in await session.execute(claims.where(col(Claim.id).in_(ids[part : part + 500]))):
            found[claim] = Key("calendar.task", {"code": task.code, "number": task.short_no})
    for unit in await session.scalars(sa.select(PartnerUnit).where(col(PartnerUnit.code).in_(ids))):
        found[unit.code] = unit.code
    return found


def coming(job: Job, calendar: Calendar, begin: datetime, end: datetime) -> list[datetime]:
    """The moments in [begin, end) at which a job of the time table does something."""
    trigger, found = CronTrigger.from_crontab(job.crontab, timezone=ZONE), []
    moment = trigger.get_next_fire_time(None, begin)
    while moment is not None and moment < end:
        if works_on(job.name, calendar, moment.date()):
            found.append(moment)
        moment = trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))
    return found


# -- how it reads ------------------------------------------------------------------------------------------------------
def page(land: Ground, now: datetime, first: date, last: date, set_alarms: Iterable[Entry], language: str) -> list[str]:
    """The lines of the calendar: what comes regularly, then day by day."""
    begin = max(datetime.combine(first, datetime.min.time(), ZONE), local(now))
    end = datetime.combine(last + _DAY, datetime.min.time(), ZONE)
    days: defaultdict[date, list[Entry]] = defaultdict(list)
    regular: list[Entry] = []
    for entry in set_alarms:
        days[local(entry.at).date()].append(entry)
    for job in JOBS.values():
        moments = coming(job, land.calendar, begin, end) if job.crontab else []
        if job.name in _RARE or not job.crontab.endswith("* * *"):
            for moment in moments:
                days[moment.date()].append(Entry(moment, job.name))
        elif moments:
            how = "calendar.each_workday" if job.name in _DAYS else "calendar.each_day"
            regular.append(Entry(moments[0], job.name, Key(how, {"next": moments[0].date()})))
    values: dict[str, Value] = {"community": land.name, "first": first.isoformat(), "last": last.isoformat(), "now": local(now)}
    lines = [text("calendar.title", values, language), "", text("calendar.regular", {}, language)]
    lines += [_line(entry, language) for entry in sorted(regular, key=lambda one: local(one.at).time())]
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        if days[day] or _unusual(land.calendar, day):
            lines += ["", _heading(land.calendar, day, language)]
            lines += [_line(entry, language) for entry in sorted(days[day], key=lambda one: one.at)]
    return lines


def _unusual(calendar: Calendar, day: date) -> bool:
    """Whether people work on a weekend, or do not in the week."""
    return calendar.is_workday(day) == (day.weekday() >= _SATURDAY)


def _heading(calendar: Calendar, day: date, language: str) -> str:
    """The day, with what is to be known of it."""
    known = calendar.day(day)
    works = Key("calendar.make_up") if _unusual(calendar, day) else None
    values: dict[str, Value] = {
        "day": day.isoformat(), "weekday": Key(f"weekday.{day.weekday()}"), "kind": works if known.is_workday else Key("calendar.off"),
        "name": known.name, "provisional": Key("calendar.provisional") if known.provisional else None,
    }  # fmt: skip
    return text("calendar.day", values, language)


def _line(entry: Entry, language: str) -> str:
    values: dict[str, Value] = {"at": f"{local(entry.at):%H:%M}", "what": _what(entry.job), "about": entry.about}
    return text("calendar.line", values, language)


def _what(job: str) -> Value:
    """The job in words; one of an earlier version by its name."""
    return Key(f"calendar.job.{job}") if job in JOBS else job
