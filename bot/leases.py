"""Rights that one process holds at a time: polling a bot, relaying for a bot. A holder that died is replaced."""

from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models import Lease
from models.database import Database
from services.owners import is_dead, new_owner

SECONDS = 15.0


class Leases:
    """This process's leases. The owner's name says host, process and boot, so a dead owner on this host is replaced at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.owner = new_owner()

    async def hold(self, name: str) -> bool:
        """Take or renew the lease; whether this process holds it for the next 15 seconds."""
        table: sa.Table = Lease.__table__  # type: ignore[attr-defined]
        dialect = sqlite if self.database.sqlite else postgresql
        now = time.time()
        async with self.database.connection() as connection:
            await connection.execute(dialect.insert(table).values(name=name, owner="", token=0, until=0.0).on_conflict_do_nothing())
            row = (await connection.execute(sa.select(table).where(table.c.name == name).with_for_update())).one()
            if row.owner != self.owner and row.until > now and not is_dead(row.owner):
                return False
            token = row.token + (row.owner != self.owner)
            await connection.execute(
                sa.update(table).where(table.c.name == name).values(owner=self.owner, token=token, until=now + SECONDS)
            )
        return True

    async def release(self, name: str) -> None:
        """Let another process have it at once."""
        table: sa.Table = Lease.__table__  # type: ignore[attr-defined]
        async with self.database.connection() as connection:
            await connection.execute(sa.update(table).where(table.c.name == name, table.c.owner == self.owner).values(until=0.0))
