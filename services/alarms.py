"""Durable alarms: one occurrence per (job, subject, due), however often it is set (design.md §6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from models import Occurrence
from services.context import Context


async def set_alarm(context: Context, job: str, subject: str, due: datetime) -> None:
    """Make `job` (a name of scheduler/jobs.py) happen once for `subject` at `due`; one that was dropped is set again."""
    await set_alarms(context, [(job, subject, due)])


async def set_alarms(context: Context, alarms: Sequence[tuple[str, str, datetime]]) -> None:
    """Set several alarms, each (job, subject, due), in one statement."""
    if not alarms:
        return
    dialect = postgresql if context.session.get_bind().dialect.name == "postgresql" else sqlite
    waiting = {"state": "due", "lease_token": "", "lease_until": 0.0, "attempts": 0, "outcome": ""}
    statement = dialect.insert(Occurrence).values([{"job": job, "subject": subject, "due": due, **waiting} for job, subject, due in alarms])
    again = statement.on_conflict_do_update(
        index_elements=["job", "subject", "due"], set_=waiting, where=col(Occurrence.state) == "dropped"
    )
    await context.session.execute(again)


async def drop_alarms(context: Context, job: str, subject: str) -> None:
    """Forget the alarms of `job` for `subject` that have not happened yet."""
    await context.session.execute(
        sa.update(Occurrence)
        .where(col(Occurrence.job) == job, col(Occurrence.subject) == subject, col(Occurrence.state) == "due")
        .values(state="dropped", outcome="dropped")
        .execution_options(synchronize_session=False)
    )
