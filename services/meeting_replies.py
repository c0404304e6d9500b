"""参加 and 请假: who comes to a meeting, answered by the one invited alone; and what of it is shown to whom (domain.md §0.6, §5 Meeting).

Who has not answered is read by the desk in private, never in a group.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from models import Attendance, Meeting
from services import drafts, meeting_agenda, meeting_people, meeting_times, meetings
from services.context import Context, Refusal
from services.meeting_alarms import COMING, TALK
from services.meeting_lines import whole
from services.meetings import READERS, STAFF
from services.periods import Quarter
from texts import meeting_screens as screens
from texts import pages
from texts.screen import Key, Screen, Value

DRAFT = "meeting_leave"
YES, LEAVE = "yes", "leave"
LONGEST_REASON = 200
LISTED = 8
BEFORE_NOTICE = ("SCHEDULED", "TOPICS", "AGENDA")


async def press(context: Context, attendance_id: str, answer: str) -> Screen | None:
    """[参加] or [请假] on a notice; None: the reason is awaited. Raises Refusal: somebody else's, forged, or answering is over."""
    row = await context.session.get(Attendance, attendance_id, with_for_update=True)
    if row is None:
        raise Refusal("meeting.notice_old")
    if answer not in (YES, LEAVE) or not await meeting_people.is_theirs(context, row):
        raise Refusal("meeting.not_invited")
    meeting = await meetings.find(context, row.meeting_id)
    _open(context, meeting)
    if answer == LEAVE:
        drafts.keep(context, DRAFT, meeting=meeting.id)
        return None
    return await _answer(context, meeting, [row], YES, "")


async def say(context: Context, code: str, answer: str, reason: str = "") -> Screen | None:
    """参加 HY-… or 请假 HY-… reason; None: the reason is awaited. Raises Refusal: not invited, or answering is over."""
    meeting = await meetings.find(context, code)
    rows = await meeting_people.own_rows(context, meeting, lock=True)
    if not rows:
        raise await _not_invited(context, meeting)
    _open(context, meeting)
    if answer == LEAVE and not reason.strip():
        drafts.keep(context, DRAFT, meeting=meeting.id)
        return None
    return await _answer(context, meeting, rows, answer, reason)


async def waiting(context: Context) -> list[Meeting]:
    """The meetings whose notice asks the actor: those not answered yet, else those whose answer can still be changed; the next first."""
    if context.actor.id is None:
        return []
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.state) == "NOTICED", col(Meeting.kind) != TALK
    )
    found, unanswered = [], []
    for meeting in await context.session.scalars(query.order_by(col(Meeting.planned_at), col(Meeting.id))):
        if rows := await meeting_people.own_rows(context, meeting):
            found.append(meeting)
            unanswered += [meeting] if any(not row.reply for row in rows) else []
    return unanswered or found


async def say_which(context: Context, found: list[Meeting], answer: str) -> Screen:
    """Several notices wait: which of them is answered, each as a button."""
    rows = [(await meeting_people.own_rows(context, meeting))[0] for meeting in found]
    return screens.which(answer, [(row.id, meetings.view(meeting)) for row, meeting in zip(rows, found, strict=True)])


async def give_reason(context: Context, reason: str) -> Screen:
    """The reason that 请假 waited for. Raises Refusal: nothing waits, or answering is over."""
    meeting_id = drafts.kept(context, DRAFT).get("meeting", "")
    shown = await say(context, meeting_id, LEAVE, reason)
    assert shown is not None
    return shown


async def _not_invited(context: Context, meeting: Meeting) -> Refusal:
    """Why the actor has no say in a meeting: not among those invited, or its notice is still to come."""
    return _not_noticed(context, meeting) if await _will_be_invited(context, meeting) else Refusal("meeting.not_invited")


async def _will_be_invited(context: Context, meeting: Meeting) -> bool:
    """Whether the notice that is still to come will be the actor's too."""
    if meeting.state not in BEFORE_NOTICE:
        return False
    return any([await meeting_people.is_theirs(context, row) for row in await meeting_people.planned(context, meeting)])


def _not_noticed(context: Context, meeting: Meeting) -> Refusal:
    assert meeting.planned_at is not None
    notice = meeting_times.of_meeting(context.calendar, meeting.planned_at).notice
    return Refusal("meeting.not_noticed", notice=max(notice, context.now), **meetings.view(meeting))


def _open(context: Context, meeting: Meeting) -> None:
    """Answers are taken from the notice until the meeting is opened."""
    if meeting.state in BEFORE_NOTICE:
        raise _not_noticed(context, meeting)
    if meeting.state != "NOTICED":
        raise Refusal("meeting.reply_closed", state=Key(f"state.meeting.{meeting.state}"), **meetings.view(meeting))


async def _answer(context: Context, meeting: Meeting, rows: list[Attendance], answer: str, reason: str) -> Screen:
    for row in rows:
        row.reply, row.replied_at = answer, context.now
        row.leave_reason = whole(reason, LONGEST_REASON) if answer == LEAVE else None
    await context.session.flush()
    who = await meeting_people.names(context, [row for row in rows if row.unit_code is not None])
    return screens.replied(meeting.id, answer, {**meetings.view(meeting), "who": who or None, "reason": reason.strip() or None})


# -- looking ----------------------------------------------------------------------------------------------------------
async def status(context: Context, code: str) -> Screen:
    """会议 HY-…: to staff who comes, who does not and who has not said; to those invited their own answer. Raises Refusal: to others."""
    meeting = await meetings.find(context, code)
    rows = await meeting_people.rows_of(context, meeting)
    topics = await meeting_agenda.topics(context, meeting)
    values: dict[str, Value] = {
        **meetings.view(meeting), "state": Key(f"state.meeting.{meeting.state}"), "count": len(topics) or None,
        "topics": screens.topic_lines(topics),
    }  # fmt: skip
    if context.actor.has(*STAFF, "street_organizer"):
        over = meeting.opened_at is not None
        if not context.actor.has(*STAFF):
            return screens.status(meeting.id, values, meeting.state, desk=False)
        counts = {reply: [row for row in rows if row.reply == reply] for reply in ("", YES, LEAVE)}
        values |= {
            "invited": len(rows) or None, "yes": len(counts[YES]) if rows else None, "leave": len(counts[LEAVE]) if rows else None,
            "open": await meeting_people.names(context, counts[""]) or None if not over else None,
            "came": sum(row.attended_at is not None for row in rows) if over else None,
            "on_leave": await _leaves(context, counts[LEAVE]),
        }  # fmt: skip
        return screens.status(meeting.id, values, meeting.state, desk=True)
    own = [row for row in rows if await meeting_people.is_theirs(context, row)]
    if not own:
        raise await _not_invited(context, meeting)
    values["mine"] = Key(f"meeting.mine.{own[0].reply or 'open'}")
    return screens.own_status(meeting.id, own[0].id, values, open_to_answer=meeting.state == "NOTICED")


async def _leaves(context: Context, rows: list[Attendance]) -> Key | None:
    lines = []
    for row, name in zip(rows, await meeting_people.names(context, rows), strict=True):
        lines.append(Key("meeting.leave_line", {"who": name, "reason": row.leave_reason or ""}))
    return screens.stack(lines)


async def listing(context: Context, offset: int = 0) -> Screen:
    """会议: those to come and those whose minutes or decisions are open, the newest first, a page from `offset` on.

    For staff, street and liaisons. Raises Refusal: for others.
    """
    if not context.actor.has(*READERS):
        raise Refusal("meeting.list_for")
    states = ("PLACEHOLDER", *COMING, "IN_SESSION", "HELD", "MINUTED", "MISSED")
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.state).in_(states), col(Meeting.kind) != TALK
    )
    found = list(await context.session.scalars(query.order_by(col(Meeting.created_at).desc())))
    if not context.actor.has(*STAFF, "street_organizer"):
        found = [one for one in found if one.code and (await meeting_people.own_rows(context, one) or await _will_be_invited(context, one))]
    part = pages.part(found, offset, LISTED)
    dated, waiting = [(one.id, _line(one)) for one in part if one.code], [_line(one) for one in part if not one.code]
    return screens.listing(dated, waiting, len(found), offset, LISTED)


def _line(meeting: Meeting) -> dict[str, Value]:
    quarter = Quarter.parse(meeting.quarter)
    return {**meetings.view(meeting), "state": Key(f"state.meeting.{meeting.state}"), "quarter": quarter.word if quarter else None}
