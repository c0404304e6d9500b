"""The demo community's joint meetings with the history their dates imply, as they stood at a moment (community.json)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from demo.people import Cast, read
from demo.steps import moved
from models import Attendance, Counter, Meeting, Minutes, StateLog
from models.lifecycle import NEW
from services import meeting_alarms, meeting_times, minutes
from services.context import Context
from services.periods import Quarter
from services.workdays import Calendar

PLACED_AT, SET_AT, CONFIRMED_AT = time(0, 5), time(10), time(15)
SET_WORKDAYS, CONFIRMED_WORKDAYS = 10, 4
LENGTH = timedelta(minutes=90)


def add(cast: Cast) -> list[StateLog]:
    """Put the meetings of the quarters begun by now into the cast; their history."""
    logs: list[StateLog] = []
    for entry in read("community")["meetings"]:
        quarter = Quarter.parse(entry["quarter"])
        assert quarter is not None
        placed = meeting_times.at(quarter.begin.date(), PLACED_AT)
        if placed <= cast.now:
            logs += _meeting(cast, entry, quarter, placed)
    return logs


def _meeting(cast: Cast, entry: Mapping[str, Any], quarter: Quarter, placed: datetime) -> list[StateLog]:
    meeting = Meeting(
        community_id=cast.community.id, kind=entry["kind"], quarter=quarter.code, state=NEW, version=0, created_at=placed
    )  # fmt: skip
    cast.rows.append(meeting)
    logs: list[StateLog] = []
    for at, event, role in _steps(entry, quarter, placed):
        if at > cast.now:
            break
        logs.append(_move(cast, meeting, event, role, at))
        _follow(cast, meeting, entry, event, at)
    return logs


def _steps(entry: Mapping[str, Any], quarter: Quarter, placed: datetime) -> list[tuple[datetime, str, str]]:
    """The moves of a meeting as (moment, event, role): its date is set ten workdays before the quarter ends."""
    steps = [(placed, "placeholder", "scheduler")]
    if "date" not in entry:
        return steps
    calendar, planned = Calendar(), _planned(entry)
    dated = meeting_times.at(calendar.add(meeting_times.last_day(quarter), -SET_WORKDAYS), SET_AT)
    times, ended = meeting_times.of_meeting(calendar, planned), planned + LENGTH
    confirmed = meeting_times.at(calendar.add(ended.date(), CONFIRMED_WORKDAYS), CONFIRMED_AT)
    return [
        *steps, (dated, "schedule", "coordinator"), (max(times.topics, dated), "topics", "scheduler"),
        (times.agenda, "agenda", "scheduler"), (times.notice, "notice", "scheduler"), (planned, "open", "community_clerk"),
        (ended, "end", "community_clerk"), (confirmed, "confirm", "community_secretary"), (confirmed, "close", "scheduler"),
    ]  # fmt: skip


def _planned(entry: Mapping[str, Any]) -> datetime:
    return meeting_times.at(date.fromisoformat(entry["date"]), time.fromisoformat(entry["time"]))


def _move(cast: Cast, meeting: Meeting, event: str, role: str, at: datetime) -> StateLog:
    actor = next((person for person, first in cast.first_roles.items() if first == role), None)
    return moved(meeting, event, at, (actor, role))


def _follow(cast: Cast, meeting: Meeting, entry: Mapping[str, Any], event: str, at: datetime) -> None:
    """What hangs on a move: the date, who was invited and answered, who came."""
    roles = {role: person for person, role in reversed(list(cast.first_roles.items()))}
    if event == "schedule":
        meeting.code, meeting.title, meeting.place = f"HY-{at:%Y%m%d}-0001", entry["title"], entry["place"]
        meeting.planned_at, meeting.round = _planned(entry), 1
        meeting.chair_id, meeting.recorder_id = roles["community_secretary"], roles["community_clerk"]
        cast.rows.append(Counter(name=f"{cast.community.id}:HY:{at:%Y%m%d}", value=1))
    elif event == "notice":
        meeting.noticed_at = at
        for unit in read("community")["units"]:
            reason = entry["leave"].get(unit["id"])
            row = Attendance(
                meeting_id=meeting.id, unit_code=unit["id"], reply="leave" if reason else "yes", replied_at=at + timedelta(hours=1),
                leave_reason=reason,
            )  # fmt: skip
            if not reason and meeting.planned_at is not None and meeting.planned_at <= cast.now:
                row.attended_at, row.signed_by = meeting.planned_at, cast.people[unit["liaison"]].id
            if row.replied_at is not None and row.replied_at > cast.now:
                row.reply, row.replied_at, row.leave_reason = "", None, None
            cast.rows.append(row)
    elif event == "open":
        meeting.opened_at = at
    elif event == "end":
        meeting.ended_at, meeting.minutes_due = at, Calendar().due(at, meeting_times.DRAFT_WORKDAYS)


async def stand(context: Context) -> None:
    """The minutes of meetings that are over, from the facts of their day, and the alarms of what is still to come."""
    for meeting in await context.session.scalars(sa.select(Meeting).order_by(col(Meeting.created_at))):
        if meeting.ended_at is not None:
            then = replace(context, now=meeting.ended_at)
            context.session.add(Minutes(meeting_id=meeting.id, facts=await minutes.gather(then, meeting), drafted_at=meeting.ended_at))
            await context.session.flush()
            await _confirm(context, meeting)
        elif meeting.planned_at is not None:
            await meeting_alarms.set_meeting_alarms(context, meeting)
        if meeting.ended_at is None and meeting.quarter:
            await meeting_alarms.set_quarter_alarms(context, meeting)


async def _confirm(context: Context, meeting: Meeting) -> None:
    query = sa.select(StateLog).where(col(StateLog.object_id) == meeting.id, col(StateLog.event) == "confirm")
    log, kept = await context.session.scalar(query), await context.session.get(Minutes, meeting.id)
    if log is not None and kept is not None:
        kept.confirmed_by, kept.confirmed_at, kept.sent_at = log.actor_id, log.at, meeting.ended_at
