"""What the processes of a web chat tell each other over PostgreSQL, so that whoever holds a socket hears of a message another one kept.

LISTEN/NOTIFY: heard after the commit that it speaks of and in that order, encrypted, stored nowhere. The history is the truth: after a
gap nothing is replayed, but `missed` is called, and the people's pages read it again.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from models import keyring
from models.database import Database, describe
from services.owners import new_owner

CHANNEL = "linshao_web"
MOST_BYTES = 7900
LOOK_SECONDS = 30.0
PAUSE_SECONDS = 1.0

log = structlog.get_logger("web")
_NOTIFY = sa.text("SELECT pg_notify(:channel, :payload)")


class Signals:
    """`heard(words)` gets what another process told; `missed()` is called when something may have been told unheard."""

    def __init__(
        self, database: Database, heard: Callable[[dict[str, Any]], Awaitable[None]], missed: Callable[[], Awaitable[None]]
    ) -> None:
        self.database, self.heard, self.missed = database, heard, missed
        self.owner = new_owner()
        self.listening = asyncio.Event()
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Listen from now on. On SQLite there is one process, and nothing to hear."""
        if not self.database.sqlite:
            self._tasks = [asyncio.create_task(self._listen(), name="signals"), asyncio.create_task(self._pass_on(), name="signals")]

    async def stop(self) -> None:
        """Listen no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tell(self, session: AsyncSession, **words: Any) -> None:
        """Tell the other processes once this transaction is committed."""
        if self.database.sqlite:
            return
        payload = base64.b64encode(keyring.encrypt(json.dumps({"by": self.owner, **words}).encode())).decode()
        if len(payload) <= MOST_BYTES:
            await session.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})

    async def _listen(self) -> None:
        again = False
        while True:
            try:
                async with self.database.engine.connect() as connection:
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    await self._stay(driver, again)
            except Exception as error:
                log.warning("web.signals_lost", error=describe(error))
            self.listening.clear()
            again = True
            await asyncio.sleep(PAUSE_SECONDS)

    async def _stay(self, driver: Any, again: bool) -> None:
        """Listen on this connection until it ends. It is looked at now and then: one that died silently says nothing by itself."""
        ended = asyncio.Event()
        driver.add_termination_listener(lambda _: ended.set())
        await driver.add_listener(CHANNEL, self._hear)
        self.listening.set()
        try:
            if again:
                await self.missed()
            while not ended.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), LOOK_SECONDS)
                if not ended.is_set():
                    await driver.fetchval("SELECT 1", timeout=10)
        finally:
            if not driver.is_closed():
                with suppress(Exception):
                    await driver.remove_listener(CHANNEL, self._hear)

    def _hear(self, _driver: Any, _process: int, _channel: str, payload: str) -> None:
        try:
            words = json.loads(keyring.decrypt(base64.b64decode(payload)))
        except Exception as error:  # whoever has no key of ours may say what they like
            log.warning("web.signal_not_ours", error=describe(error))
            return
        if words.get("by") != self.owner:
            self._told.put_nowait(words)

    async def _pass_on(self) -> None:
        while True:
            words = await self._told.get()
            try:
                await self.heard(words)
            except Exception as error:
                log.warning("web.signal_failed", error=describe(error))
                with suppress(Exception):
                    await self.missed()
