"""Writing down what became of messages, several in one commit: with what is due anyway, or after a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.delivery import Outcome
from models import Chat, OutboxMessage
from models.database import STORAGE_ERRORS, Database, describe, session_on
from services.clock import Clock

SOON = 0.005
LATER = 1.0

log = structlog.get_logger("outbox")
_OUT: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
_CHAT: sa.Table = Chat.__table__  # type: ignore[attr-defined]
_SENT = (
    sa.update(_OUT)
    .where(_OUT.c.id == sa.bindparam("row"), _OUT.c.state == sa.text("'sending'"))
    .values(state=sa.text("'sent'"), message_id=sa.bindparam("message"), sent_at=sa.bindparam("now"), body=sa.null(), error=sa.text("''"))
)
_MENU = sa.update(_CHAT).where(_CHAT.c.id == sa.bindparam("chat")).values(menu=sa.bindparam("shown"), menu_message=sa.bindparam("message"))


class Outcomes:
    """What is still to be written. `on_over` hears the number of each row that reached its end, `on_dead` of each that died."""

    def __init__(self, database: Database, clock: Clock, on_over: Callable[[int], None], on_dead: Callable[[int], None]) -> None:
        self.database, self.clock, self.on_over, self.on_dead = database, clock, on_over, on_dead
        self._owed: list[Outcome] = []
        self._writing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def __bool__(self) -> bool:
        """Whether anything is still to be written."""
        return bool(self._owed)

    def add(self, outcome: Outcome, within: float = SOON) -> None:
        """Write this one with the next others, after so many seconds at the latest."""
        self._owed.append(outcome)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(within, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.create_task(self._write_or_try_again())

    async def _write_or_try_again(self) -> None:
        try:
            await self.write()
        except STORAGE_ERRORS as error:
            log.warning("outbox.unreachable", error=describe(error))
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(LATER, self._begin)

    @property
    def unwritten(self) -> list[int]:
        """The numbers of the rows whose outcome is known here alone."""
        return [outcome.row.id for outcome in self._owed]

    async def write(self) -> None:
        """Write everything now. What a power cut takes of it counts as in flight. Raises what a database that is away raises."""
        async with self.written():
            pass

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Everything is written, and during the block nothing more: what is `unwritten` stays so. Raises as `write` does."""
        async with self._writing:
            await self._write_all()
            yield

    async def _write_all(self) -> None:
        if not self._owed:
            return
        outcomes, self._owed = self._owed, []
        try:
            async with self.database.connection(durable=False) as connection:
                for outcome in outcomes:
                    await self._write(connection, outcome)
        except (*STORAGE_ERRORS, asyncio.CancelledError):
            self._owed = outcomes + self._owed
            raise
        except Exception as error:
            log.error("outbox.outcomes_failed", error=describe(error))
            await self._write_each(outcomes)
        for outcome in outcomes:
            if outcome.state == "dead":
                log.warning("outbox.dead", row=outcome.row.id, kind=outcome.row.kind, error=outcome.error)
                self.on_dead(outcome.row.id)
            if outcome.state in ("sent", "dead", "superseded"):
                self.on_over(outcome.row.id)

    async def _write_each(self, outcomes: Sequence[Outcome]) -> None:
        """One by one, so that one that cannot be written does not spoil it for the others."""
        for outcome in outcomes:
            try:
                async with self.database.connection(durable=False) as connection:
                    await self._write(connection, outcome)
            except STORAGE_ERRORS:
                self._owed.append(outcome)
            except Exception as error:
                outcome.state, outcome.error, outcome.extra, outcome.menu = "dead", describe(error), None, None
                async with self.database.connection(durable=False) as connection:
                    await self._write(connection, outcome)

    async def _write(self, connection: AsyncConnection, outcome: Outcome) -> None:
        row = outcome.row
        if outcome.state == "sent":
            await connection.execute(_SENT, {"row": row.id, "message": outcome.message_id, "now": self.clock.now()})
        else:
            values: dict[str, Any] = {"state": outcome.state, "error": outcome.error[:500]}
            if outcome.uncertain is not None:
                values["uncertain"] = outcome.uncertain
            if outcome.again_as:
                values |= {"kind": outcome.again_as, "message_id": ""}
            await connection.execute(sa.update(_OUT).where(_OUT.c.id == row.id, _OUT.c.state == "sending").values(**values))
        if outcome.menu is not None and row.chat_id and row.kind in ("send", "edit") and row.kind_of_chat == "private":
            await connection.execute(_MENU, {"chat": row.chat_id, "shown": outcome.menu, "message": outcome.message_id})
        if outcome.extra is not None:
            async with session_on(connection) as session:
                await outcome.extra(session)

    async def close(self) -> None:
        """Write what is left; what cannot be written stays as it was: the next process asks each row's policy."""
        if self._timer is not None:
            self._timer.cancel()
        with suppress(*STORAGE_ERRORS):
            await self.write()
            await self.database.durable()
