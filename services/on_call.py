"""Who is on duty: by the roster of the day, else whoever holds the duty role (domain.md §5 new P1, §7)."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import DutyShift, Person
from services.context import Context
from services.identity import persons_with
from services.workdays import local


async def on_duty(context: Context, day: date) -> list[Person]:
    """Who is on the roster of this day, in its order."""
    rows = await context.session.scalars(
        sa.select(Person)
        .join(DutyShift, col(DutyShift.person_id) == col(Person.id))
        .where(col(DutyShift.community_id) == context.ground.community_id, col(DutyShift.day) == day, col(Person.deleted_at).is_(None))
        .order_by(col(DutyShift.position), col(DutyShift.id))
    )
    return list(rows)


async def on_call(context: Context) -> list[Person]:
    """Whom an urgent problem is given to besides its owners: today's roster, else the holders of the duty role."""
    return await on_duty(context, local(context.now).date()) or await persons_with(context, "duty")


async def lately_on_duty(context: Context, person_id: str) -> bool:
    """Whether the person is on the roster today, or was yesterday: a night's duty ends in the morning."""
    today = local(context.now).date()
    query = sa.select(DutyShift.id).where(  # type: ignore[call-overload]
        col(DutyShift.person_id) == person_id, col(DutyShift.day).in_((today, today - timedelta(days=1)))
    )
    return (await context.session.execute(query)).first() is not None
