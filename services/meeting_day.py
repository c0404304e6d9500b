"""The day of a meeting: opened by the clerk, signed in by code or from the list, ended (domain.md §5 Meeting).

The quarter's obligation is fulfilled when it ends (HELD).
"""

from __future__ import annotations

import hmac
import secrets

import sqlalchemy as sa
from sqlmodel import col

from models import ActionItem, Attendance, Claim, Meeting, Task
from services import meeting_people, meeting_times, meetings, minutes, moves
from services.context import Context, Refusal
from services.meeting_alarms import COMING, TALK, drop_meeting_alarms
from services.meetings import STAFF, view
from services.metrics import share
from services.periods import Quarter
from services.workdays import local
from texts import meeting_screens as screens
from texts.screen import Key, Screen, Value

CODE_DIGITS = 4


async def begin(context: Context, code: str) -> Screen:
    """Open the meeting: the sign-in code for everybody in the room, and what became of the last decisions.

    On its day; afterwards too where that was forgotten, in the same quarter, with the list alone and no code. Raises Refusal.
    """
    meeting = await meetings.find(context, code)
    await meetings.require(context, meeting, "open")
    assert meeting.planned_at is not None
    day = local(meeting.planned_at).date()
    same_quarter = Quarter.of(day) == meetings.this_quarter(context)
    if local(context.now).date() < day or not (same_quarter or context.now <= context.calendar.due(meeting.planned_at, 1)):
        raise Refusal("meeting.not_its_day", **view(meeting))
    if meeting.quarter and meeting.makes_up_for is None and meeting.quarter != meetings.this_quarter(context).code:
        raise Refusal("meeting.quarter_over", **view(meeting))
    if meeting.noticed_at is None or not await meeting_people.rows_of(context, meeting):
        await meeting_people.invite(context, meeting)
    await drop_meeting_alarms(context, meeting)
    afterwards = local(context.now).date() > day
    code = "" if afterwards else f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    await moves.move(context, meeting, "open", opened_at=context.now, sign_in_code=code)
    values: dict[str, Value] = {**view(meeting), "fulfilled": await _fulfilled(context, meeting)}
    return screens.opened(meeting.id, values | ({} if afterwards else {"pin": code}))


async def unopened(context: Context) -> list[Meeting]:
    """For the desk the meetings whose time has come and that nobody has opened, the last first; for others none."""
    if not context.actor.has(*STAFF):
        return []
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.state).in_(COMING), col(Meeting.kind) != TALK,
        col(Meeting.planned_at) <= context.now,
    )  # fmt: skip
    return list(await context.session.scalars(query.order_by(col(Meeting.planned_at).desc(), col(Meeting.id))))


def unopened_view(context: Context, meeting: Meeting) -> dict[str, Value]:
    """A meeting that nobody opened, with the last day on which it can be entered, where its quarter sets one."""
    quarter = Quarter.parse(meeting.quarter) if meeting.makes_up_for is None else None
    last = context.calendar.previous_workday(meeting_times.last_day(quarter)) if quarter else None
    return {**view(meeting), "last": Key("meeting.enter_until", {"last": last, "quarter": quarter.word}) if quarter else None}


def ask_if_held(context: Context, found: list[Meeting]) -> Screen:
    """Somebody says that a meeting was held: what nobody opened, to be entered or moved."""
    return screens.ask_if_held([(meeting.id, unopened_view(context, meeting)) for meeting in found])


async def how_to_move(context: Context, code: str) -> Screen:
    """[没有开，改期]: how another date is written. Raises Refusal: not the desk."""
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    return Screen("meeting.move_how", view(await meetings.find(context, code)))


async def _fulfilled(context: Context, meeting: Meeting) -> Key | None:
    """议定事项完成率 of the meeting of this kind held before (domain.md §8), as of now; None: nothing was decided."""
    before = await context.session.scalar(
        sa.select(col(Meeting.id))
        .where(
            col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) == meeting.kind,
            col(Meeting.state).in_(("HELD", "MINUTED", "CLOSED")), col(Meeting.id) != meeting.id,
        )
        .order_by(col(Meeting.ended_at).desc())
        .limit(1)
    )  # fmt: skip
    query = sa.select(ActionItem).where(col(ActionItem.meeting_id) == before, col(ActionItem.state).in_(("OPEN", "DONE")))
    every = list(await context.session.scalars(query.order_by(col(ActionItem.number))))
    due = [item for item in every if item.due <= context.now]
    kept = share(due, (item.state == "DONE" and item.done_at is not None and item.done_at <= item.due for item in due))
    if not every:
        return None
    still = [item.code for item in every if item.state == "OPEN"]
    return Key("meeting.fulfilled", {"rate": kept.shown, "open": Key("meeting.still_open", {"codes": still}) if still else None})


# -- signing in -----------------------------------------------------------------------------------------------------------
async def awaits(context: Context, number: str) -> bool:
    """Whether four figures that a person says alone are a sign-in code: invited to what is in session, and no task they have taken."""
    if context.actor.id is None or len(number) != CODE_DIGITS:
        return False
    query = sa.select(Meeting).where(col(Meeting.community_id) == context.ground.community_id, col(Meeting.state) == "IN_SESSION")
    here = [one for one in await context.session.scalars(query) if one.sign_in_code and await meeting_people.own_rows(context, one)]
    if any(_fits(one, number) for one in here):
        return True
    taken = sa.select(col(Claim.id)).join(Task, col(Task.id) == col(Claim.task_id))
    taken = taken.where(
        col(Task.community_id) == context.ground.community_id, col(Task.short_no) == int(number), col(Claim.person_id) == context.actor.id
    )
    return bool(here) and await context.session.scalar(taken.limit(1)) is None


def _fits(meeting: Meeting, number: str) -> bool:
    return hmac.compare_digest(meeting.sign_in_code.encode(), number.encode())


async def sign(context: Context, pin: str, code: str = "") -> Screen:
    """Sign in with the code on the screen; twice is once. Raises Refusal: no such meeting is open, not invited, or a wrong code."""
    query = sa.select(Meeting).where(col(Meeting.community_id) == context.ground.community_id, col(Meeting.state) == "IN_SESSION")
    found = [await meetings.find(context, code)] if code else list(await context.session.scalars(query))
    found = [one for one in found if one.state == "IN_SESSION" and _fits(one, pin)]
    if not found:
        raise Refusal("meeting.wrong_code")
    meeting = await meetings.find(context, found[0].id)
    rows = await meeting_people.own_rows(context, meeting, lock=True)
    if not rows:
        raise Refusal("meeting.not_invited")
    if all(row.attended_at is not None for row in rows):
        raise Refusal("meeting.signed_already", **view(meeting))
    _arrive(context, rows)
    await context.session.flush()
    who = await meeting_people.names(context, [row for row in rows if row.unit_code is not None])
    return Screen("meeting.signed", {**view(meeting), "who": who or None})


def _arrive(context: Context, rows: list[Attendance]) -> None:
    for row in rows:
        if row.attended_at is None:
            row.attended_at, row.signed_by = context.now, context.actor.id


async def roll(context: Context, code: str) -> Screen:
    """The list of those invited, with a button for each who has not signed in. Raises Refusal: for staff alone."""
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    return await _roll(context, await meetings.find(context, code))


async def _roll(context: Context, meeting: Meeting) -> Screen:
    rows = await meeting_people.rows_of(context, meeting)
    named = list(zip(rows, await meeting_people.names(context, rows), strict=True))
    came = [name for row, name in named if row.attended_at is not None]
    missing = [(row.id, name) for row, name in named if row.attended_at is None]
    values: dict[str, Value] = {
        **view(meeting), "came": len(came), "invited": len(rows), "present": came or None, "pin": meeting.sign_in_code or None,
    }  # fmt: skip
    return screens.roll(meeting.id, values, missing if meeting.state == "IN_SESSION" else [], meeting.state)


async def sign_for(context: Context, attendance_id: str) -> Screen:
    """Staff tick somebody off on the list. Raises Refusal: not staff, forged, or not in session."""
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    row = await context.session.get(Attendance, attendance_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refusal("dialog.gone")
    meeting = await meetings.find(context, row.meeting_id)
    if meeting.state != "IN_SESSION":
        raise Refusal("refused.state", code=meeting.code or "", state=Key(f"state.meeting.{meeting.state}"))
    _arrive(context, [row])
    await context.session.flush()
    return await _roll(context, meeting)


async def end(context: Context, code: str) -> Screen:
    """散会: HELD. The minutes are drafted at once from what is known; who writes and who confirms them is reminded on the last day.

    Raises Refusal: not the desk, not in session, or nobody has signed in: what nobody came to was not held.
    """
    meeting = await meetings.find(context, code)
    await meetings.require(context, meeting, "end")
    rows = await meeting_people.rows_of(context, meeting)
    if rows and not any(row.attended_at is not None for row in rows):
        raise Refusal("meeting.nobody_came", **view(meeting))
    await moves.move(context, meeting, "end", ended_at=context.now, sign_in_code="")
    confirm = await minutes.set_alarms(context, meeting)
    media = await minutes.draft(context, meeting)
    units = [row for row in rows if row.unit_code is not None]
    values: dict[str, Value] = {
        **view(meeting), "came": sum(row.attended_at is not None for row in units), "invited": len(units), "due": meeting.minutes_due,
        "confirm": confirm,
        "satisfied": Key("meeting.satisfied") if meeting.quarter and meeting.makes_up_for is None else None,
    }  # fmt: skip
    return screens.ended(meeting.id, values, media)
