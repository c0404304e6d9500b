"""Meetings for people's own calendars: a file by button, and a feed to subscribe to at an address nobody can guess.

Both hold the public half of a meeting, and only meetings that the reader is invited to; staff and street have all.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Attendance, Meeting, Person, keyring
from services import documents, meeting_agenda, meeting_people, meetings
from services.context import Context, Refusal
from services.icalendar import CalendarEvent, calendar
from services.identity import roles_of
from services.meeting_alarms import COMING, TALK
from services.meetings import READERS, STAFF, view
from texts import meeting_screens as screens
from texts.render import show, text
from texts.screen import Screen

LENGTH = timedelta(hours=2)
KEPT = timedelta(days=180)
ICS = "text/calendar"
SHOWN = (*COMING, "IN_SESSION", "HELD", "MINUTED", "CLOSED", "CANCELLED")


class FeedAddress:
    """Where the feeds are found from outside. `use` sets it at start; "" where the service has no address of its own."""

    root = ""

    def use(self, root: str) -> None:
        """Give out addresses under `root` from now on."""
        self.root = root.rstrip("/")


feeds = FeedAddress()


def event_of(meeting: Meeting, topics: str = "", cancelled: bool = False) -> CalendarEvent:
    """A meeting with a date as an event of two hours."""
    assert meeting.planned_at is not None
    return CalendarEvent(
        uid=f"{meeting.id}@linshao", stamp=meeting.noticed_at or meeting.created_at, start=meeting.planned_at,
        end=meeting.planned_at + LENGTH,
        summary=show(view(meeting)["title"], meeting_agenda.DOCUMENTS), location=meeting.place, description=topics,
        sequence=max(meeting.round - 1, 0), cancelled=cancelled or meeting.state == "CANCELLED",
    )  # fmt: skip


async def file(context: Context, code: str) -> Screen:
    """[日历文件]: the meeting as an .ics file. Raises Refusal: not invited nor staff, or it has no date."""
    meeting = await meetings.find(context, code)
    if not context.actor.has(*STAFF, "street_organizer") and not await meeting_people.own_rows(context, meeting):
        raise Refusal("meeting.not_invited")
    if meeting.planned_at is None:
        raise Refusal("meeting.no_date")
    topics = "\n".join(f"{number}. {said}" for number, said, _ in await meeting_agenda.topics(context, meeting))
    event = event_of(meeting, topics)
    data = calendar(context.ground.name, [event], "CANCEL" if event.cancelled else "PUBLISH")
    made = await documents.keep(context, data, f"{meeting.code}.ics", ICS, "calendar", meeting.quarter)
    return screens.with_media(Screen("meeting.calendar_file", view(meeting)), made.media_id)


# -- the feed -------------------------------------------------------------------------------------------------------------
def token(person_id: str) -> str:
    """The name of a person's feed: the id and a keyed hash of it (128 bits), which nobody can guess and which names nobody."""
    return f"{person_id}.{keyring.hash('calendar', person_id)}"


def person_of(name: str) -> str | None:
    """Whose feed a name is, None for a guessed one."""
    person_id, _, _ = name.partition(".")
    return person_id if hmac.compare_digest(token(person_id).encode(), name.encode()) else None


async def address(context: Context) -> Screen:
    """日历订阅: the actor's own address. Raises Refusal: nobody who is invited to meetings."""
    if not context.actor.has(*READERS) or context.actor.id is None:
        raise Refusal("meeting.list_for")
    path = f"/calendar/{token(context.actor.id)}.ics"
    return Screen("meeting.feed" if feeds.root else "meeting.feed_path", {"address": f"{feeds.root}{path}"})


async def feed(session: Any, name: str, now: datetime) -> bytes | None:
    """The calendar at this name as it is now; None for a name that is nobody's (any more)."""
    person_id = person_of(name)
    person = await session.get(Person, person_id) if person_id else None
    if person is None or person.deleted_at is not None:
        return None
    grants = await roles_of(session, person.id, now)
    roles = {grant.role for grant in grants}
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == person.community_id, col(Meeting.planned_at).is_not(None), col(Meeting.state).in_(SHOWN),
        col(Meeting.planned_at) > now - KEPT, col(Meeting.kind) != TALK,
    )  # fmt: skip
    if not roles & {*STAFF, "street_organizer"}:
        units = {grant.unit for grant in grants if grant.role == "unit_liaison" and grant.unit}
        theirs = sa.or_(
            col(Attendance.unit_code).in_(units), sa.and_(col(Attendance.unit_code).is_(None), col(Attendance.person_id) == person.id)
        )
        query = query.where(col(Meeting.id).in_(sa.select(col(Attendance.meeting_id)).where(theirs)))
    found = await session.scalars(query.order_by(col(Meeting.planned_at)))
    return calendar(text("meeting.feed_name", {}, meeting_agenda.DOCUMENTS), [event_of(meeting) for meeting in found])
