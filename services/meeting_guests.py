"""Whom the desk invites to a meeting by name, beside whom its kind invites: another unit, an expert, a resident (§3 Attendance)."""

from __future__ import annotations

from models import Attendance, Meeting
from services import audit, meeting_jobs, meeting_people, meetings, moves, post
from services.actions import owner_named
from services.context import Context, Refusal
from services.meeting_alarms import COMING, subject
from services.meetings import STAFF, view
from texts import meeting_screens as screens
from texts.screen import Key, Screen

INVITING = (*COMING, "IN_SESSION")


async def add(context: Context, code: str, said: str) -> Screen:
    """加邀 HY-… somebody: invited as all others are, with the notice, or at once where that is out; another date invites them again.

    Raises Refusal: not the desk, over, nobody of this name, or invited anyhow.
    """
    meeting = await _open(context, code)
    if not said.strip():
        raise Refusal("meeting.guest_how", code=meeting.code)
    unit, person = await owner_named(context, said)
    row = Attendance(meeting_id=meeting.id, unit_code=unit, person_id=person.id if person else None, guest=True)
    invited = await meeting_people.rows_of(context, meeting)
    if meeting.noticed_at is None:
        invited += await meeting_people.planned(context, meeting)
    (name,) = await meeting_people.names(context, [row])
    if (row.unit_code, row.person_id) in {(one.unit_code, one.person_id) for one in invited}:
        raise Refusal("meeting.guest_already", who=name, **view(meeting))
    context.session.add(row)
    await context.session.flush()
    moves.remark(context, meeting, "guest", name)
    audit.looked(context, row.person_id, "name", f"meeting:{meeting.id}")
    return Screen("meeting.guest_added", {**view(meeting), "who": name, "told": await _tell(context, meeting, row)})


async def remove(context: Context, code: str, said: str) -> Screen:
    """撤邀 HY-… somebody invited by name, who is told so where the notice is out. Raises Refusal: nobody such, or signed in already."""
    meeting = await _open(context, code)
    rows = [row for row in await meeting_people.rows_of(context, meeting, lock=True) if row.guest and row.attended_at is None]
    named = [row for row, name in zip(rows, await meeting_people.names(context, rows), strict=True) if name == said.strip()]
    if len(named) != 1:
        raise Refusal("meeting.guest_none", code=meeting.code, who=await meeting_people.names(context, rows) or None)
    person = await meeting_people.addressee(context, named[0])
    await context.session.delete(named[0])
    moves.remark(context, meeting, "guest_removed", said.strip())
    if person is not None and meeting.noticed_at is not None:
        await post.to_person(context, person.id, Screen("meeting.guest_off", view(meeting)))
    return Screen("meeting.guest_removed", {**view(meeting), "who": said.strip()})


async def _open(context: Context, code: str) -> Meeting:
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    meeting = await meetings.find(context, code)
    if meeting.state not in INVITING:
        raise Refusal("refused.state", code=meeting.code or "", state=Key(f"state.meeting.{meeting.state}"))
    return meeting


async def _tell(context: Context, meeting: Meeting, row: Attendance) -> Key:
    """When the guest hears of it."""
    if meeting.noticed_at is None:
        return Key("meeting.guest_later")
    person = await meeting_people.addressee(context, row)
    shown = screens.notice(row.id, meeting.id, await meeting_jobs.notice_values(context, meeting))
    key = f"meeting_notice:{subject(meeting)}:{row.id}"
    sent = person is not None and await post.to_person(context, person.id, shown, key=key) is not None
    return Key("meeting.guest_told" if sent else "meeting.guest_unreached")
