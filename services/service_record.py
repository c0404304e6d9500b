"""How much a member has served: verified claims, and what was recorded before the program (domain.md §5 Claim, §8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Claim, ServiceRecord, Task
from services.workdays import ZONE


@dataclass(frozen=True, slots=True)
class Served:
    """Services by number and hours."""

    times: int = 0
    hours: float = 0.0

    def __add__(self, other: Served) -> Served:
        return Served(self.times + other.times, self.hours + other.hours)


async def verified(session: AsyncSession, person_id: str, start: datetime, end: datetime) -> Served:
    """The verified services whose task ended in [start, end)."""
    query = (
        sa.select(sa.func.count(), sa.func.sum(col(Claim.hours)))
        .select_from(Claim)
        .join(Task, col(Task.id) == Claim.task_id)
        .where(col(Claim.person_id) == person_id, col(Claim.state) == "VERIFIED", col(Task.end_at) >= start, col(Task.end_at) < end)
    )
    times, hours = (await session.execute(query)).one()
    return Served(int(times), float(hours or 0.0))


async def of_year(session: AsyncSession, person_id: str, year: int) -> Served:
    """Everything that counts for a year: the verified services and what was recorded before the program."""
    found = await verified(session, person_id, _first(year), _first(year + 1))
    before = await session.get(ServiceRecord, (person_id, year))
    return found + Served(before.times, before.hours) if before else found


def _first(year: int) -> datetime:
    return datetime.combine(date(year, 1, 1), time(), ZONE)
