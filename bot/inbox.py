"""The durable door: an update is stored before the platform hears that we have it. Concurrent arrivals share one commit."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot.platforms.base import Arrival, StorageDown
from models import InboxMessage, keyring
from models.database import STORAGE_ERRORS, Database
from services.clock import Clock

BATCH = 200


@dataclass
class _Waiting:
    values: dict[str, object]
    stored: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Inbox:
    """Stores arrivals. `on_stored` is called after each commit (a hint that there is work)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self.on_stored: Callable[[], None] = lambda: None
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self.duplicates = 0

    async def receive(self, platform: str, bot: str, arrival: Arrival) -> int:
        """Store one arrival; the inbox row's id, after the commit. The same event id again gives the first row's id.

        Raises StorageDown when the database cannot take it now: nothing was stored, the platform will come again.
        """
        waiting = _Waiting({
            "platform": platform, "bot": bot, "event_id": arrival.event_id, "lane": keyring.hash("lane", platform, bot, arrival.lane),
            "raw": arrival.raw, "received_at": self.clock.now(), "state": "pending", "attempts": 0, "lease_token": "", "lease_until": 0.0,
            "not_before": 0.0, "error": "",
        })  # fmt: skip
        self._waiting.append(waiting)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await asyncio.shield(waiting.stored)

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
        try:
            ids = await self._store([waiting.values for waiting in batch])
        except STORAGE_ERRORS as error:
            return StorageDown(str(error))
        except Exception as error:
            return error
        for waiting, number in zip(batch, ids, strict=True):
            if not waiting.stored.done():
                waiting.stored.set_result(number)
        self.on_stored()
        return None

    async def _store(self, rows: list[dict[str, object]]) -> list[int]:
        table = InboxMessage.__table__  # type: ignore[attr-defined]
        dialect = sqlite if self.database.sqlite else postgresql
        ids: list[int] = []
        async with self.database.connection() as connection:
            for values in rows:
                insert = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(table.c.id)
                number = (await connection.execute(insert)).scalar()
                if number is None:
                    self.duplicates += 1
                    number = (
                        await connection.execute(
                            sa.select(table.c.id).where(
                                table.c.platform == values["platform"], table.c.bot == values["bot"],
                                table.c.event_id == values["event_id"],
                            )
                        )
                    ).scalar_one()  # fmt: skip
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
