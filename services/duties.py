"""What else a morning holds: tasks that nobody has taken, tasks of today, and where the quarter's joint meeting stands (domain.md §11)."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import Meeting, Task
from models.lifecycle import MEETING
from services import actions
from services.context import Context
from services.periods import Quarter
from services.spans import midnight
from services.workdays import local
from texts.screen import Key

TO_CLAIM = ("OPEN", "UNFILLED")
OVER = ("CANCELLED",)


async def tasks(context: Context, grid: str | None) -> tuple[int, int]:
    """How many tasks still want somebody, and how many begin today."""
    begin = midnight(local(context.now).date())
    query = sa.select(sa.func.count()).select_from(Task).where(col(Task.community_id) == context.ground.community_id)
    if grid is not None:
        query = query.where(col(Task.grid_code) == grid)
    wanting = await context.session.scalar(query.where(col(Task.state).in_(TO_CLAIM), col(Task.end_at) > context.now))
    during = (col(Task.start_at) >= begin, col(Task.start_at) < begin + timedelta(days=1), col(Task.state).not_in(OVER))
    return int(wanting or 0), int(await context.session.scalar(query.where(*during)) or 0)


async def joint_meeting(context: Context) -> Key | None:
    """Where the joint meeting of this quarter stands, None where there is no row of it."""
    quarter = Quarter.of(local(context.now).date())
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) == "joint_quarterly",
        col(Meeting.quarter) == quarter.code, col(Meeting.makes_up_for).is_(None),
    )  # fmt: skip
    meeting = await context.session.scalar(query.order_by(col(Meeting.created_at)).limit(1))
    if meeting is None:
        return None
    state = Key(f"state.meeting.{meeting.state}")
    coming = meeting.planned_at if meeting.state in MEETING.open and (meeting.planned_at or context.now) > context.now else None
    words = Key(f"record.quarter.{quarter.number}")
    line = Key("digest.meeting_at" if coming else "digest.meeting", {"quarter": words, "state": state, "at": coming})
    late = await actions.overdue(context)
    return Key("digest.actions_overdue", {"meeting": line, "count": late}) if late else line
