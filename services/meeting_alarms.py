"""The alarms of meetings: set with a date, forgotten with it, set anew when workdays change (design.md §6)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from models import Meeting, Occurrence
from services import meeting_times
from services.alarms import drop_alarms, set_alarm
from services.context import Context
from services.periods import Quarter

COMING = ("SCHEDULED", "TOPICS", "AGENDA", "NOTICED")
TALK = "thursday_talk"


def subject(meeting: Meeting) -> str:
    """What its alarms are about: the meeting and the date it has now."""
    return f"{meeting.id}:{meeting.round}"


async def set_meeting_alarms(context: Context, meeting: Meeting) -> None:
    """What happens around its date; steps whose time has gone by happen at once, reminders whose time has gone by do not."""
    assert meeting.planned_at is not None
    times, about = meeting_times.of_meeting(context.calendar, meeting.planned_at), subject(meeting)
    await set_alarm(context, "meeting_topics", about, max(times.topics, context.now))
    await set_alarm(context, "meeting_agenda", about, max(times.agenda, context.now))
    await set_alarm(context, "meeting_notice", about, max(times.notice, context.now))
    if times.second_ask > max(times.notice, context.now):
        await set_alarm(context, "meeting_second_ask", about, times.second_ask)
    if times.day_of > context.now:
        await set_alarm(context, "meeting_day_of", about, times.day_of)
    unopened = meeting_times.unopened_at(context.calendar, meeting.planned_at)
    if unopened > context.now:
        await set_alarm(context, "meeting_unopened", about, unopened)


async def drop_meeting_alarms(context: Context, meeting: Meeting) -> None:
    """Forget what was set for the date it had."""
    for job in ("meeting_topics", "meeting_agenda", "meeting_notice", "meeting_second_ask", "meeting_day_of", "meeting_unopened"):
        await drop_alarms(context, job, subject(meeting))


async def renew(context: Context, meeting: Meeting) -> None:
    """Set everything anew for the date it has. Another round: an alarm that was dropped is never set again for the same moment."""
    await drop_meeting_alarms(context, meeting)
    meeting.round += 1
    await context.session.flush()
    await set_meeting_alarms(context, meeting)


async def set_quarter_alarms(context: Context, meeting: Meeting) -> None:
    """When to remind that the quarter's meeting has no date, and when it is missed; what has gone by is left out."""
    quarter = Quarter.parse(meeting.quarter)
    if quarter is None:
        return
    for due in meeting_times.to_schedule(context.calendar, quarter):
        if due > context.now:
            await set_alarm(context, "meeting_unscheduled", meeting.id, due)
    await set_alarm(context, "meeting_missed", meeting.id, meeting_times.missed_at(context.calendar, quarter))


async def recount(context: Context) -> int:
    """Set every reminder anew after the workdays of a year were entered: of meetings with a date, and of quarters without one.

    How many meetings there were. Doing it twice changes nothing that is sent.
    """
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id,
        col(Meeting.state).in_(("PLACEHOLDER", *COMING)),
        col(Meeting.kind) != TALK,
    )
    found = list(await context.session.scalars(query.order_by(col(Meeting.id)).with_for_update()))
    for meeting in found:
        if meeting.state in COMING:
            await renew(context, meeting)
        quarter = Quarter.parse(meeting.quarter)
        if quarter is not None and meeting.makes_up_for is None:
            await _keep_only(context, "meeting_unscheduled", meeting.id, meeting_times.to_schedule(context.calendar, quarter))
            await _keep_only(context, "meeting_missed", meeting.id, (meeting_times.missed_at(context.calendar, quarter),))
            await set_quarter_alarms(context, meeting)
    return len(found)


async def _keep_only(context: Context, job: str, about: str, dues: tuple[datetime, ...]) -> None:
    """Forget the alarms of this subject for other moments; one that was forgotten for one of these rings again."""
    alarms = sa.update(Occurrence).where(col(Occurrence.job) == job, col(Occurrence.subject) == about)
    await context.session.execute(
        alarms.where(col(Occurrence.state) == "due", col(Occurrence.due).not_in(dues)).values(state="dropped", outcome="dropped")
    )
    await context.session.execute(
        alarms.where(col(Occurrence.state) == "dropped", col(Occurrence.due).in_(dues), col(Occurrence.due) > context.now).values(
            state="due", outcome=""
        )
    )
