"""Rights that one process holds at a time: polling a bot, relaying for a bot. A holder that died is replaced."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from models import Lease
from models.database import Database
from services.clock import machine_seconds
from services.owners import is_dead, new_owner

SECONDS = 15.0
_TABLE: sa.Table = Lease.__table__  # type: ignore[attr-defined]
_HELD = (
    sa.select(_TABLE.c.name)
    .where(_TABLE.c.name == sa.bindparam("name"), _TABLE.c.owner == sa.bindparam("owner"), _TABLE.c.until > sa.bindparam("now"))
    .with_for_update(read=True)
)


class Leases:
    """This process's leases. The owner's name says host, process and boot, so a dead owner on this host is replaced at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.owner = new_owner()

    async def hold(self, name: str) -> bool:
        """Take or renew the lease; whether this process holds it for the next 15 seconds."""
        dialect = sqlite if self.database.sqlite else postgresql
        now = machine_seconds()
        async with self.database.connection() as connection:
            await connection.execute(dialect.insert(_TABLE).values(name=name, owner="", token=0, until=0.0).on_conflict_do_nothing())
            row = (await connection.execute(sa.select(_TABLE).where(_TABLE.c.name == name).with_for_update())).one()
            if row.owner != self.owner and row.until > now and not is_dead(row.owner):
                return False
            token = row.token + (row.owner != self.owner)
            await connection.execute(
                sa.update(_TABLE).where(_TABLE.c.name == name).values(owner=self.owner, token=token, until=now + SECONDS)
            )
        return True

    async def holds(self, connection: AsyncConnection, name: str) -> bool:
        """Whether this process holds the lease; nobody else gets it before the connection's transaction is over."""
        return (await connection.execute(_HELD, {"name": name, "owner": self.owner, "now": machine_seconds()})).first() is not None

    async def release(self, name: str) -> None:
        """Let another process have it at once."""
        async with self.database.connection() as connection:
            await connection.execute(sa.update(_TABLE).where(_TABLE.c.name == name, _TABLE.c.owner == self.owner).values(until=0.0))
