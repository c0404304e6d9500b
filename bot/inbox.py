"""The durable door: an update is stored before the platform hears that we have it. Concurrent arrivals share one commit."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot.platforms.base import Arrival, StorageDown
from models import InboxMessage, keyring
from models.database import STORAGE_ERRORS, Database
from services import masking
from services.clock import Clock

BATCH = 200


@dataclass(frozen=True, slots=True)
class Taken:
    """An arrival that was stored as this process's own work: its lane was free. The attempt is counted already."""

    id: int
    platform: str
    bot: str
    raw: Any
    token: str


@dataclass
class _Waiting:
    values: dict[str, Any]
    stored: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Inbox:
    """Stores arrivals. `on_stored` is called after a commit that left work to claim.

    `lease`, where it is set, gives the token and the end of a lease, or None: on SQLite an arrival whose lane is free is then stored as
    claimed under it and handed to `on_taken`, which saves the claim's own commit. (On PostgreSQL another process may store for the same
    lane at the same moment, so there every row is claimed.)
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self.on_stored: Callable[[], None] = lambda: None
        self.lease: Callable[[], tuple[str, float] | None] = lambda: None
        self.on_taken: Callable[[Sequence[Taken]], None] = lambda taken: None
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self.duplicates = 0

    async def receive(self, platform: str, bot: str, arrival: Arrival) -> int:
        """Store one arrival; the inbox row's id, after the commit. The same event id again gives the first row's id.

        Raises StorageDown when the database cannot take it now: nothing was stored, the platform will come again.
        """
        waiting = _Waiting({
            "platform": platform, "bot": bot, "event_id": arrival.event_id, "lane": keyring.hash("lane", platform, bot, arrival.lane),
            "raw": masking.cut_from_update(arrival.raw), "received_at": self.clock.now(), "not_before": 0.0, "error": "", **_PENDING,
        })  # fmt: skip
        self._waiting.append(waiting)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        number = await asyncio.shield(waiting.stored)
        try:
            await self.database.durable()
        except STORAGE_ERRORS as error:
            raise StorageDown(str(error)) from error
        return number

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            failure = await self._take(batch)
            if isinstance(failure, StorageDown):
                _refuse(batch, failure)
            elif failure is not None:
                # One of them cannot be stored as it is: the others do not suffer for it.
                for waiting in batch:
                    waiting.values["raw"] = _without_half_signs(waiting.values["raw"])
                    _refuse([waiting], await self._take([waiting]))

    async def _take(self, batch: list[_Waiting]) -> Exception | None:
        """Store a batch in one commit and tell those who wait; what went wrong when it was not stored."""
        rows = [waiting.values for waiting in batch]
        try:
            ids = await self._store(rows)
        except STORAGE_ERRORS as error:
            return StorageDown(str(error))
        except Exception as error:
            return error
        for waiting, number in zip(batch, ids, strict=True):
            if not waiting.stored.done():
                waiting.stored.set_result(number)
        taken = [
            Taken(number, row["platform"], row["bot"], row["raw"], row["lease_token"])
            for number, row in zip(ids, rows, strict=True) if row["state"] == "working"
        ]  # fmt: skip
        if taken:
            self.on_taken(taken)
        if len(taken) < len(rows):
            self.on_stored()
        return None

    async def _store(self, rows: list[dict[str, Any]]) -> list[int]:
        """The ids of the rows; what was stored as claimed says so in its values."""
        insert = _INSERT_SQLITE if self.database.sqlite else _INSERT_POSTGRESQL
        lease = self.lease() if self.database.sqlite else None
        ids: list[int] = []
        async with self.database.connection(durable=False) as connection:
            lanes = [values["lane"] for values in rows] if lease else []
            held = set((await connection.execute(_HELD, {"lanes": lanes})).scalars()) if lease else set()
            for values in rows:
                values.update(_PENDING)
                if lease and values["lane"] not in held:
                    held.add(values["lane"])
                    values.update(state="working", attempts=1, lease_token=lease[0], lease_until=lease[1])
                number = (await connection.execute(insert, values)).scalar()
                if number is None:
                    self.duplicates += 1
                    values.update(_PENDING)
                    known = {name: values[name] for name in ("platform", "bot", "event_id")}
                    number = (await connection.execute(_KNOWN, known)).scalar_one()
                ids.append(number)
        return ids

    async def close(self) -> None:
        """Wait until what is waiting is stored."""
        if self._flushing is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._flushing


def _without_half_signs(raw: object) -> object:
    """The same without halves of surrogate pairs, which JSON can carry and UTF-8 cannot: as it was it could never be stored."""
    try:
        return json.loads(json.dumps(raw, ensure_ascii=False).encode(errors="replace"))
    except (TypeError, ValueError):
        return raw


def _refuse(batch: list[_Waiting], failure: Exception | None) -> None:
    if failure is None:
        return
    for waiting in batch:
        if not waiting.stored.done():
            waiting.stored.set_exception(failure)
            waiting.stored.exception()


_TABLE: sa.Table = InboxMessage.__table__  # type: ignore[attr-defined]
_PENDING = {"state": "pending", "attempts": 0, "lease_token": "", "lease_until": 0.0}
_INSERT_SQLITE = sqlite.insert(_TABLE).on_conflict_do_nothing().returning(_TABLE.c.id)
_INSERT_POSTGRESQL = postgresql.insert(_TABLE).on_conflict_do_nothing().returning(_TABLE.c.id)
_KNOWN = sa.select(_TABLE.c.id).where(
    _TABLE.c.platform == sa.bindparam("platform"), _TABLE.c.bot == sa.bindparam("bot"), _TABLE.c.event_id == sa.bindparam("event_id")
)
_HELD = sa.select(_TABLE.c.lane).where(_TABLE.c.lane.in_(sa.bindparam("lanes", expanding=True)), sa.text("state IN ('pending','working')"))
"""The lanes that have work already. The states stand in it as the index on open rows says them, so that SQLite uses that index."""
