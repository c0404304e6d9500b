"""Another place for a meeting that has a date: who knows of the old one is told, what was answered stands (domain.md §5, §7)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from models import Meeting, Person
from services import meeting_alarms, meeting_people, meetings, moves, post
from services.context import Context, Refusal
from services.identity import persons_with
from services.meeting_alarms import COMING, TALK
from services.meeting_lines import LONGEST_PLACE, read_change, read_place, split_place, whole
from services.meetings import STAFF, view
from texts import meeting_screens as screens
from texts.screen import Key, Screen

LONGEST_REASON = 200


async def change(context: Context, code: str, said: str) -> Screen:
    """改地点 HY-… place [reason]. Raises Refusal: not the desk, begun or over, no place, or the one it has."""
    meeting = await meetings.find(context, code)
    place, reason = read_place(said, meeting.place)
    if not place:
        raise Refusal("meeting.place_how", code=meeting.code)
    return await move(context, meeting, place, reason)


async def reschedule(context: Context, code: str, said: str) -> Screen:
    """改期 HY-…: a place without another date changes alone, all else is another date. Raises Refusal: as `change`, meetings.change."""
    meeting = await meetings.find(context, code)
    at, said_beside = read_change(said, context.now)
    place, reason = split_place(said_beside, meeting.place)
    if place and at in (None, meeting.planned_at):
        return await move(context, meeting, place, reason)
    return await meetings.change(context, code, said)


async def move(context: Context, meeting: Meeting, place: str, reason: str) -> Screen:
    """Give a meeting another place and tell everybody who knows of it. Raises Refusal: as `change`."""
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    if meeting.state not in COMING:
        raise Refusal("refused.state", code=meeting.code or "", state=Key(f"state.meeting.{meeting.state}"))
    before, place, reason = meeting.place, whole(place, LONGEST_PLACE), whole(reason, LONGEST_REASON)
    if place == before:
        raise Refusal("meeting.place_same", **view(meeting))
    told = await _who_knows(context, meeting)
    meeting.place = place
    await meeting_alarms.renew(context, meeting)
    moves.remark(context, meeting, "place", " ".join(part for part in (place, reason) if part))
    values = {**view(meeting), "before": before, "reason": reason or None}
    for person in told:
        await post.to_person(context, person.id, Screen("meeting.place_told", values))
    return screens.place_changed(meeting.id, {**values, "told": len(told) or None})


async def _who_knows(context: Context, meeting: Meeting) -> list[Person]:
    """The desk, who has the notice, and the units that were asked for topics; not the actor."""
    rows = await meeting_people.rows_of(context, meeting) if meeting.noticed_at is not None else []
    if meeting.state in ("TOPICS", "AGENDA"):
        rows = [row for row in await meeting_people.planned(context, meeting) if row.unit_code is not None]
    found = [person for row in rows if (person := await meeting_people.addressee(context, row)) is not None]
    found += await persons_with(context, *STAFF)
    return list({person.id: person for person in found if person.id != context.actor.id}.values())


async def coming(context: Context) -> list[Meeting]:
    """For the desk the meetings whose place can be changed, the next first; for others none."""
    if not context.actor.has(*STAFF):
        return []
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.state).in_(COMING), col(Meeting.kind) != TALK
    )
    return list(await context.session.scalars(query.order_by(col(Meeting.planned_at), col(Meeting.id))))


def ask_which(found: list[Meeting], said: str) -> Screen:
    """A new place without a code: the sentence that changes it, for each meeting to come; nobody is told by mistake."""
    return screens.place_which([view(meeting) for meeting in found], said.strip())
