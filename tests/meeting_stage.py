"""The demo community at a moment, with the clock of its meetings alone: what else happens by the clock is tested elsewhere."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import datetime

import sqlalchemy as sa
from world import World, made_world

from models import Occurrence

START = "2026-09-10T09:30:00+08:00"
OURS = ("meeting", "minutes", "action", "talk")


async def alone(world: World) -> World:
    """Only meetings ring, and the alarms of the rest are forgotten."""
    async with world.app.database.transaction() as session:
        await session.execute(sa.delete(Occurrence).where(~sa.or_(*(Occurrence.job.startswith(name) for name in OURS))))
    alarms = world.app.alarms  # already ticking, so it is the same one that is narrowed
    for name in [name for name in alarms.jobs if not name.startswith(OURS)]:
        alarms._tables.pop(name, None)
    return world


@asynccontextmanager
async def meetings_at(databases, folder, moment: str = START):
    """The world at a moment, on SQLite."""
    with databases.fresh("sqlite") as url:
        async with made_world(url, folder, now=datetime.fromisoformat(moment).isoformat()) as world:
            yield await alone(world)
