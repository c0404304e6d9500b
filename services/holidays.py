"""The workdays of a year as an administrator enters them, and what follows: what was counted through it is counted anew (§0.3, §1)."""

from __future__ import annotations

import dataclasses
import html
import io
import re
import zipfile
import zlib
from calendar import isleap
from collections.abc import Mapping
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import ActionItem, AuditLog, Commitment, Community, Enrollment, HolidayDay, Meeting, Occurrence, Problem
from models.lifecycle import COMMITMENT, MEETING
from services import drafts, holiday_notice, post, recounting
from services.context import Context, Refusal
from services.due_alarms import IN_WORK
from services.holiday_notice import Notice
from services.identity import persons_with
from services.workdays import Calendar, local
from texts import holiday_screens
from texts.screen import Screen, screen

DRAFT = "holidays"
ENTERERS = ("admin", "coordinator", "community_clerk", "community_secretary")
MOST_BYTES = 5_000_000
_PARAGRAPH, _TAG = re.compile(r"</w:p>|<w:br/>"), re.compile(r"<[^>]+>")


# -- by chat -----------------------------------------------------------------------------------------------------------
def require(context: Context) -> None:
    """Raises Refusal for whoever may not enter the holidays: administrator, coordinator, clerk and secretary may."""
    if not context.actor.has(*ENTERERS):
        raise Refusal("holidays.not_for_you")


async def look_at(context: Context, said: str) -> Screen:
    """What is understood of the notice, as a calendar to confirm; or what does not add up, and nothing is kept. Raises Refusal."""
    require(context)
    notice = holiday_notice.read(said)
    if notice.faults:
        return shown(notice)
    draft = await drafts.beside(context, DRAFT, text=said[: holiday_notice.MOST_TEXT])
    return shown(notice, draft.id)


def shown(notice: Notice, draft_id: str = "") -> Screen:
    """The notice as it was understood, with the buttons to enter it where there is a draft; or what does not add up."""
    if notice.faults or notice.year is None:
        return holiday_screens.faulty(notice.faults)
    return holiday_screens.preview(notice.year, _lines(notice), draft_id)


async def confirm(context: Context, draft_id: str) -> Screen:
    """Enter the year that was shown; how much was counted anew. Raises Refusal: not theirs to enter, or the card is gone."""
    require(context)
    draft = await drafts.opened(context, DRAFT, draft_id)
    notice = holiday_notice.read(draft.data["text"])
    await context.session.delete(draft)
    changed = await enter(context, notice)
    assert notice.year is not None
    return holiday_screens.entered(notice.year, len(notice.days), changed)


async def drop(context: Context, draft_id: str) -> None:
    """Enter nothing. Raises Refusal: the card is gone."""
    await context.session.delete(await drafts.opened(context, DRAFT, draft_id))


def _lines(notice: Notice) -> list[holiday_screens.Line]:
    return [(one.name, _spans(one.off), one.works) for one in notice.festivals]


def _spans(days: list[date]) -> list[tuple[date, date]]:
    """The days as ranges, both ends included."""
    spans: list[tuple[date, date]] = []
    for day in sorted(days):
        if spans and (day - spans[-1][1]).days == 1:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


def is_notice(name: str) -> bool:
    """Whether a file of this name is taken for a notice of holidays, not for a workbook."""
    return name.lower().endswith((".txt", ".docx"))


def text_of(name: str, data: bytes) -> str:
    """The words of a .txt or .docx. Raises Refusal: it cannot be read."""
    if len(data) > MOST_BYTES:
        raise Refusal("holidays.bad_file")
    if not name.lower().endswith(".docx"):
        for encoding in ("utf-8-sig", "gb18030"):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
        raise Refusal("holidays.bad_file")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.getinfo("word/document.xml").file_size > MOST_BYTES:
                raise Refusal("holidays.bad_file")
            xml = archive.read("word/document.xml").decode("utf-8")
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, UnicodeDecodeError):
        raise Refusal("holidays.bad_file") from None
    return html.unescape(_TAG.sub("", _PARAGRAPH.sub("\n", xml)))


# -- entering ----------------------------------------------------------------------------------------------------------
async def enter(context: Context, notice: Notice) -> int:
    """Store the notice's days over what an earlier notice of that year said, and count anew; how many dates changed.

    Of two entries at the same time one waits for the other. Raises Refusal for a notice with a fault.
    """
    if notice.faults or notice.year is None:
        raise Refusal("holidays.faulty_notice")
    locked = sa.select(Community).where(col(Community.id) == context.ground.community_id).with_for_update()
    community = (await context.session.scalars(locked)).one()
    source = f"notice:{notice.year}"
    known = {row.day: row for row in await context.session.scalars(sa.select(HolidayDay))}
    days = _whole_year(notice.year, notice.days)
    for day, row in known.items():
        if row.source == source and day not in days:
            await context.session.delete(row)
    for day, (works, name) in days.items():
        kept = known.get(day) or HolidayDay(day=day, is_workday=works)
        kept.is_workday, kept.name, kept.source = works, name, source
        context.session.add(kept)
    community.version += 1
    note = f"{notice.year}: {len(notice.days)}"
    context.session.add(AuditLog(actor_id=context.actor.id, action="holidays.entered", note=note, at=context.now))
    await context.session.flush()
    return await follow(context)


def _whole_year(year: int, said: Mapping[date, tuple[bool, str]]) -> dict[date, tuple[bool, str]]:
    """The notice's days, and those that the calendar without it takes for something else: the notice alone tells of its year."""
    guessed = Calendar()
    every = (date(year, 1, 1) + timedelta(days=number) for number in range(365 + isleap(year)))
    plain = {day: (day.weekday() < 5, "") for day in every if guessed.is_workday(day) != (day.weekday() < 5)}
    return plain | dict(said)


async def follow(context: Context) -> int:
    """Count anew what the holidays that are stored now change; how many dates. For an import, too."""
    stored: Mapping[date, bool] = {row.day: row.is_workday for row in await context.session.scalars(sa.select(HolidayDay))}
    before = context.ground.calendar
    if stored == before.entered:
        return 0
    return await recounting.recount(
        dataclasses.replace(context, ground=dataclasses.replace(context.ground, calendar=Calendar(stored))), before
    )


# -- what is missing ---------------------------------------------------------------------------------------------------
async def report_missing(context: Context, _subject: str) -> str:
    """Tell the administrators of each year that dates are counted in and whose holidays nobody entered; once a day.

    On 1 November the next year is asked for, on 1 January the year itself, whether dates are counted or not (domain.md §6).
    """
    today = local(context.now).date()
    last = await _last_counted(context)
    wanted = set(range(today.year, (last.year if last else today.year) + 1)) if last else set()
    if (today.month, today.day) in ((11, 1), (1, 1)):
        wanted.add(today.year + (today.month == 11))
    missing = sorted(year for year in wanted if context.calendar.is_provisional(date(year, 1, 1)))
    if not missing:
        return "nothing missing"
    people = await persons_with(context, "admin") or await persons_with(context, "coordinator", "community_clerk")
    for person in people:
        await post.to_person(
            context, person.id, screen("holidays.missing", years=[str(year) for year in missing]), key=f"holidays:{today}:{person.id}"
        )
    return f"missing {missing}: told {len(people)}"


async def _last_counted(context: Context) -> datetime | None:
    """The latest date that something open counts on."""
    session = context.session
    queries = (
        sa.select(sa.func.max(col(Problem.resolve_due))).where(col(Problem.state).in_(IN_WORK)),
        sa.select(sa.func.max(col(Problem.contact_due))).where(col(Problem.state).in_(IN_WORK)),
        sa.select(sa.func.max(col(Enrollment.confirm_due))).where(col(Enrollment.state) == "APPLIED"),
        sa.select(sa.func.max(col(Meeting.planned_at))).where(col(Meeting.state).in_(MEETING.open)),
        sa.select(sa.func.max(col(Meeting.minutes_due))).where(col(Meeting.state).in_(MEETING.open)),
        sa.select(sa.func.max(col(ActionItem.due))).where(col(ActionItem.state) == "OPEN"),
        sa.select(sa.func.max(col(Occurrence.due))).where(col(Occurrence.state) == "due", col(Occurrence.job).in_(recounting.COUNTED)),
    )
    moments: list[datetime | None] = [await session.scalar(query) for query in queries]
    years = await session.scalar(sa.select(sa.func.max(col(Commitment.year))).where(col(Commitment.state).in_(COMMITMENT.open)))
    if years is not None and years > local(context.now).year:
        moments.append(datetime(years, 1, 1, 12, tzinfo=local(context.now).tzinfo))
    found = [local(moment) for moment in moments if moment is not None]
    return max(found, default=None)
