"""Meetings with a date: scheduled around days off and within their quarter, moved, put off, called off (domain.md §5 Meeting).

Of a quarterly meeting a row waits from the quarter's first day on (PLACEHOLDER). What happens by the clock is in services/meeting_jobs.py.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Attendance, Meeting, Person
from models.lifecycle import MEETING
from services import codes, drafts, meeting_people, meeting_times, moves, post, tickets
from services.context import Context, Refusal
from services.identity import persons_with
from services.meeting_alarms import COMING, TALK, drop_meeting_alarms, set_meeting_alarms, set_quarter_alarms, subject
from services.meeting_lines import MeetingLine, kinds, read_change, read_line, split_place
from services.periods import Quarter
from services.workdays import local
from texts import meeting_screens as screens
from texts.screen import Key, Screen, Value

JOINT = "joint_quarterly"
CONVENERS = ("coordinator", "community_clerk", "community_secretary", "street_organizer")
STAFF = ("coordinator", "community_clerk", "community_secretary")
READERS = (*CONVENERS, "unit_liaison", "branch_secretary", "grid_leader")
DRAFT, MOVE_DRAFT = "meeting", "meeting_move"
ASK, THIS, LATE, OUTSIDE = "", "this", "late", "outside"


# -- finding ----------------------------------------------------------------------------------------------------------
async def find(context: Context, code: str) -> Meeting:
    """The meeting of this code or id, locked for the turn and read anew; a talk is none. Raises Refusal: there is none."""
    query = sa.select(Meeting).where(
        sa.or_(col(Meeting.code) == codes.tidy(code, "HY"), col(Meeting.id) == code),
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) != TALK,
    )  # fmt: skip
    found: Meeting | None = await context.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise Refusal("meeting.unknown", last=await last_codes(context))
    return found


async def last_codes(context: Context) -> list[str]:
    """The codes of the last three meetings, for those who have to do with meetings."""
    if not context.actor.has(*READERS):
        return []
    query = sa.select(col(Meeting.code)).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.code).is_not(None), col(Meeting.kind) != TALK
    )
    return [code for code in await context.session.scalars(query.order_by(col(Meeting.planned_at).desc()).limit(3)) if code]


async def owed(context: Context, quarter: Quarter, kind: str = JOINT) -> Meeting | None:
    """The one meeting of this kind that the quarter owes, locked for the turn; None where no row stands yet."""
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) == kind,
        col(Meeting.quarter) == quarter.code, col(Meeting.makes_up_for).is_(None),
    )  # fmt: skip
    found: Meeting | None = await context.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    return found


async def _missed(context: Context, kind: str) -> Meeting | None:
    """The last missed meeting that no other makes up for."""
    made_up = sa.select(col(Meeting.makes_up_for)).where(col(Meeting.makes_up_for).is_not(None), col(Meeting.state) != "CANCELLED")
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) == kind, col(Meeting.state) == "MISSED",
        col(Meeting.id).not_in(made_up),
    )  # fmt: skip
    found: Meeting | None = await context.session.scalar(query.order_by(col(Meeting.quarter).desc()).limit(1))
    return found


def this_quarter(context: Context) -> Quarter:
    """The quarter of today."""
    return Quarter.of(local(context.now).date())


async def require(context: Context, meeting: Meeting, event: str, only: str = "refused.only.coordinator") -> None:
    """Raises Refusal unless the table lets the actor do it now."""
    row = next((move for move in MEETING.moves if move.event == event and meeting.state in move.source), None)
    who = await moves.relations(context, meeting)
    if not any(set(move.by) & who for move in MEETING.moves if move.event == event):
        raise Refusal(only)
    if row is None:
        raise Refusal("refused.state", code=meeting.code or "", state=Key(f"state.meeting.{meeting.state}"))


# -- scheduling ---------------------------------------------------------------------------------------------------------
async def ask(context: Context, said: str) -> Screen:
    """开会 …: a date for a meeting, or the question that stands before it. Raises Refusal: not entitled, unclear, past, or there is one."""
    _require_convener(context)
    line = read_line(said, context.now)
    if line.missing:
        raise Refusal("meeting.need", missing=screens.stack(line.missing))
    return await plan(context, line, LATE if line.late else ASK)


async def pick_day(context: Context, draft_id: str, day: str) -> Screen:
    """The workday offered instead of a day off. Raises Refusal: the button is forged or old."""
    draft = await drafts.opened(context, DRAFT, draft_id)
    line, how = MeetingLine.from_data(draft.data), draft.data["how"]
    if day not in draft.data["days"] or line.at is None:
        raise Refusal("dialog.gone")
    at = meeting_times.at(date.fromisoformat(day), local(line.at).time())
    await context.session.delete(draft)
    return await plan(context, MeetingLine(line.kind, line.title, at, line.place), how)


async def pick_how(context: Context, draft_id: str, how: str) -> Screen:
    """The answer to what a date means for the quarter. Raises Refusal: the button is forged or old."""
    draft = await drafts.opened(context, DRAFT, draft_id)
    if how not in draft.data["choices"]:
        raise Refusal("dialog.gone")
    line = MeetingLine.from_data(draft.data)
    await context.session.delete(draft)
    return await plan(context, line, how)


def _require_convener(context: Context) -> None:
    if not context.actor.has(*CONVENERS):
        raise Refusal("refused.only.coordinator")


async def plan(context: Context, line: MeetingLine, how: str) -> Screen:
    """Schedule what the line says, or say why not: past, a day off, another quarter than the open one, one that is scheduled already."""
    _require_convener(context)
    assert line.at is not None
    if line.at <= context.now:
        raise Refusal("meeting.past", at=line.at)
    quarterly = kinds()[line.kind].quarterly
    here, meant = this_quarter(context), Quarter.of(local(line.at).date())
    current = await owed(context, here, line.kind) if quarterly else None
    still_open = quarterly and (current is None or current.state == "PLACEHOLDER")
    if not context.calendar.is_workday(local(line.at).date()):
        return await _day_off(context, line, how, (here if still_open and how != OUTSIDE else meant) if quarterly else None)
    if not quarterly:
        return await _begin(context, line, "", None)
    if meant != here:
        if still_open and how != OUTSIDE:
            return await _question(context, line, "meeting.outside", (OUTSIDE,), here, meant)
        return await _for_quarter(context, line, meant, await owed(context, meant, line.kind))
    missed = await _missed(context, line.kind)
    if how == LATE:
        if missed is None:
            raise Refusal("meeting.nothing_missed")
        return await _begin(context, line, missed.quarter, missed)
    if missed is not None and how == ASK:
        earlier = Quarter.parse(missed.quarter)
        return await _question(context, line, "meeting.which_quarter", (THIS, LATE), here, earlier or meant)
    return await _for_quarter(context, line, here, current)


async def _day_off(context: Context, line: MeetingLine, how: str, quarter: Quarter | None) -> Screen:
    assert line.at is not None
    day = local(line.at).date()
    today = local(context.now).date()
    days = [
        one
        for one in meeting_times.alternatives(context.calendar, day, quarter, today)
        if meeting_times.at(one, local(line.at).time()) > context.now
    ]
    draft = await drafts.beside(context, DRAFT, **line.to_data(), how=how, days=[one.isoformat() for one in days], choices=[])
    return screens.day_off(draft.id, day, context.calendar.day(day).name, days, tickets.provisional(context, line.at))


async def _question(
    context: Context, line: MeetingLine, key: str, choices: tuple[str, ...], here: Quarter, other: Quarter
) -> Screen:  # fmt: skip
    draft = await drafts.beside(context, DRAFT, **line.to_data(), how=ASK, days=[], choices=list(choices))
    last = context.calendar.previous_workday(meeting_times.last_day(here))
    values: dict[str, Value] = {"title": line.title, "at": line.at, "quarter": here.word, "other": other.word, "last": last}
    return screens.question(key, draft.id, choices, values)


async def _for_quarter(context: Context, line: MeetingLine, quarter: Quarter, row: Meeting | None) -> Screen:
    """The quarter's own meeting gets its date; where it was held already this is one more."""
    if row is None:
        return await _begin(context, line, quarter.code, None)
    if row.state in COMING:
        raise Refusal("meeting.already", code=row.code, at=row.planned_at, quarter=quarter.word)
    if row.state != "PLACEHOLDER":
        return await _begin(context, line, "", None)
    return await _dated(context, row, "schedule", line.at, line.place, title=line.title, convener=_convener(context))


def _convener(context: Context) -> str:
    return "community" if context.actor.has(*STAFF) else "street"


async def _begin(context: Context, line: MeetingLine, quarter: str, missed: Meeting | None) -> Screen:
    assert line.at is not None
    meeting = Meeting(
        community_id=context.ground.community_id, code=await codes.next_code(context, "HY"), kind=line.kind, quarter=quarter,
        convener=_convener(context), makes_up_for=missed.id if missed else None, title=line.title, planned_at=line.at, place=line.place,
        round=1, created_at=context.now, **await _officers(context),
    )  # fmt: skip
    await moves.begin(context, meeting, "schedule")
    if quarter and missed is None:
        await set_quarter_alarms(context, meeting)
    return await _scheduled(context, meeting)


async def _officers(context: Context) -> dict[str, Any]:
    """Who leads the meeting and who writes it down."""
    chairs, writers = await persons_with(context, "community_secretary"), await persons_with(context, "community_clerk")
    return {"chair_id": chairs[0].id if chairs else None, "recorder_id": writers[0].id if writers else context.actor.id}


async def _dated(
    context: Context, meeting: Meeting, event: str, at: datetime | None, place: str, note: str = "", **fields: str
) -> Screen:  # fmt: skip
    """Give a row its date: everything set for an earlier one is forgotten, who was asked will be asked again."""
    code = meeting.code or await codes.next_code(context, "HY")
    await drop_meeting_alarms(context, meeting)
    await meeting_people.uninvite(context, meeting)
    await moves.move(
        context, meeting, event, note, code=code, planned_at=at, place=place, round=meeting.round + 1, noticed_at=None,
        **await _officers(context), **fields,
    )  # fmt: skip
    return await _scheduled(context, meeting)


async def _scheduled(context: Context, meeting: Meeting) -> Screen:
    """Set its alarms, tell the other staff, and answer with what will happen when."""
    assert meeting.planned_at is not None
    times = meeting_times.of_meeting(context.calendar, meeting.planned_at)
    await set_meeting_alarms(context, meeting)
    short = times.notice <= context.now
    values: dict[str, Value] = {
        **view(meeting), "topics": max(times.topics, context.now) if times.agenda > context.now else None,
        "close": times.agenda if times.agenda > context.now else None,
        "notice": None if short else times.notice, "second": times.second_ask if times.second_ask > context.now else None,
        "day_of": times.day_of if times.day_of > context.now else None, "short": Key("meeting.short") if short else None,
        "late": Key("meeting.makes_up") if meeting.makes_up_for else None,
        "street": Key("meeting.by_street") if meeting.convener == "street" else None,
        "provisional": tickets.provisional(context, meeting.planned_at),
    }  # fmt: skip
    told = await persons_with(context, "coordinator", "community_clerk", "community_secretary")
    for person in told:
        if person.id != context.actor.id:
            key = f"meeting_scheduled:{subject(meeting)}:{person.id}"
            await post.to_person(context, person.id, screens.scheduled(meeting.id, values, "meeting.scheduled_told"), key=key)
    return screens.scheduled(meeting.id, values)


def view(meeting: Meeting) -> dict[str, Value]:
    """The public half of a meeting, as holes of texts."""
    return {
        "title": meeting.title or Key(f"ledger.meeting.{meeting.kind}"),
        "code": meeting.code,
        "at": meeting.planned_at,
        "place": meeting.place,
    }


# -- another date, or none ------------------------------------------------------------------------------------------------
async def change(context: Context, code: str, said: str) -> Screen:
    """改期 HY-… [date] [place] [reason]: another date in the same quarter; without one, or outside it, back to waiting after a question.

    Before the notice coordinators may; once people were told it is the secretary's, with a reason. Raises Refusal.
    """
    meeting = await find(context, code)
    event = "postpone" if meeting.state == "NOTICED" else "reschedule"
    await require(context, meeting, event, "refused.only.secretary" if event == "postpone" else "refused.only.coordinator")
    at, said_beside = read_change(said, context.now)
    place, reason = split_place(said_beside, meeting.place)
    if event == "postpone" and not reason:
        raise Refusal("meeting.postpone_why", code=meeting.code)
    if at is not None and at <= context.now:
        raise Refusal("meeting.past", at=at)
    quarter = Quarter.parse(meeting.quarter) if meeting.makes_up_for is None else None
    if at is None or (quarter is not None and Quarter.of(local(at).date()) != quarter):
        return await _ask_put_off(context, meeting, quarter, at, reason)
    if not context.calendar.is_workday(local(at).date()):
        days = meeting_times.alternatives(context.calendar, local(at).date(), quarter, local(context.now).date())
        raise Refusal("meeting.move_day_off", day=local(at).date(), name=context.calendar.day(local(at).date()).name, days=list(days))
    told = await _told(context, meeting)
    before = meeting.planned_at
    shown = await _dated(context, meeting, event, at, place or meeting.place, reason, reason=reason)
    await _tell(context, meeting, told, screens.moved({**view(meeting), "before": before, "reason": reason}), "meeting_moved")
    return shown


async def _ask_put_off(context: Context, meeting: Meeting, quarter: Quarter | None, at: datetime | None, reason: str) -> Screen:
    if quarter is None:
        raise Refusal("meeting.move_when", code=meeting.code)
    if not context.actor.has("community_secretary"):
        raise Refusal("refused.only.secretary")
    if not reason:
        raise Refusal("meeting.postpone_why", code=meeting.code)
    draft = await drafts.beside(context, MOVE_DRAFT, meeting=meeting.id, round=meeting.round, reason=reason)
    last = context.calendar.previous_workday(meeting_times.last_day(quarter))
    return screens.ask_put_off(
        draft.id,
        {
            **view(meeting),
            "quarter": quarter.word,
            "last": last,
            "outside": Key("meeting.not_in_quarter", {"asked": at, "quarter": quarter.word}) if at else None,
        },
    )


async def put_off(context: Context, draft_id: str) -> Screen:
    """The quarter's meeting waits for a date again, and everybody asked hears it. Raises Refusal: not the secretary, or old."""
    draft = await drafts.opened(context, MOVE_DRAFT, draft_id)
    meeting = await find(context, draft.data["meeting"])
    if meeting.round != draft.data["round"]:
        raise Refusal("dialog.gone")
    await require(context, meeting, "put_off", "refused.only.secretary")
    told, reason = await _told(context, meeting), draft.data["reason"]
    shown = view(meeting)
    await drop_meeting_alarms(context, meeting)
    await meeting_people.uninvite(context, meeting)
    await moves.move(
        context, meeting, "put_off", reason, reason=reason, planned_at=None, noticed_at=None, round=meeting.round + 1
    )  # fmt: skip
    await context.session.delete(draft)
    await _tell(context, meeting, told, screens.called_off("meeting.put_off_told", {**shown, "reason": reason}), "meeting_put_off")
    quarter = Quarter.parse(meeting.quarter)
    last = context.calendar.previous_workday(meeting_times.last_day(quarter)) if quarter else None
    return Screen("meeting.put_off_done", {**shown, "quarter": quarter.word if quarter else None, "last": last})


async def cancel(context: Context, code: str, reason: str) -> Screen:
    """Call off a meeting that owes nothing to a quarter. Raises Refusal: not the secretary, no reason, or a quarter's own."""
    meeting = await find(context, code)
    await require(context, meeting, "cancel", "refused.only.secretary")
    if meeting.quarter and meeting.makes_up_for is None:
        raise Refusal("meeting.cancel_owed", code=meeting.code)
    if not reason.strip():
        raise Refusal("meeting.cancel_why", code=meeting.code)
    told = await _told(context, meeting)
    await drop_meeting_alarms(context, meeting)
    await moves.move(context, meeting, "cancel", reason, reason=reason, round=meeting.round + 1)
    values: dict[str, Value] = {**view(meeting), "reason": reason}
    await _tell(context, meeting, told, screens.called_off("meeting.cancelled_told", values), "meeting_cancelled")
    return Screen("meeting.cancelled", values)


async def _told(context: Context, meeting: Meeting) -> list[Person]:
    """Everybody who was given the notice of its present date."""
    if meeting.noticed_at is None:
        return []
    rows = await context.session.scalars(sa.select(Attendance).where(col(Attendance.meeting_id) == meeting.id))
    found = [await meeting_people.addressee(context, row) for row in rows.all()]
    return list({person.id: person for person in found if person is not None}.values())


async def _tell(context: Context, meeting: Meeting, persons: list[Person], shown: Screen, why: str) -> None:
    for person in persons:
        if person.id != context.actor.id:
            await post.to_person(context, person.id, shown, key=f"{why}:{subject(meeting)}:{person.id}")
