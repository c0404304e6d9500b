"""Durable alarms: one occurrence per (job, subject, due), however often it is set (design.md §6)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from models import Occurrence
from services.context import Context


async def set_alarm(context: Context, job: str, subject: str, due: datetime) -> None:
    """Make `job` (a name of scheduler/jobs.py) happen once for `subject` at `due`."""
    dialect = postgresql if context.session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Occurrence).values(
        job=job, subject=subject, due=due, state="due", lease_token="", lease_until=0.0, attempts=0, outcome=""
    )
    await context.session.execute(statement.on_conflict_do_nothing())


async def drop_alarms(context: Context, job: str, subject: str) -> None:
    """Forget the alarms of `job` for `subject` that have not happened yet."""
    await context.session.execute(
        sa.update(Occurrence)
        .where(col(Occurrence.job) == job, col(Occurrence.subject) == subject, col(Occurrence.state) == "due")
        .values(state="dropped", outcome="dropped")
        .execution_options(synchronize_session=False)
    )
