"""The machine without the house: inbox, turns and relay on a small community, with handlers and failures of the test's own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from bot.events import Text
from bot.inbox import Inbox
from bot.leases import Leases
from bot.outbox import Relay
from bot.platforms.memory import MemoryPlatform, Shown
from bot.router import Reply, Router, Say
from bot.turn import Turns
from models import Community, InboxMessage, OutboxMessage, keyring
from models.database import Database
from services import clock as house_clock
from services.clock import HandClock
from services.context import Context
from services.workdays import ZONE
from texts.render import catalogue
from texts.screen import Screen, screen

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE)
WAIT = 60.0

Hear = Callable[[Text, Context], Awaitable[Reply]]


class Crash(BaseException):
    """The process dies here: nothing in the house may catch it."""


class Time:
    """Seconds that pass only when a test says so; stands in for the `time` module."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


def time_by_hand(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> Time:
    """The time of leases from now on, and that of what these modules wait for or count."""
    hand = Time()
    for module in (house_clock, *modules):
        monkeypatch.setattr(module, "time", hand)
    return hand


def echo(said: str) -> Screen:
    """A screen that says just this."""
    return screen("test.echo", said=said)


def add_words() -> None:
    """The catalogue of the tests' own screens."""
    for language in ("zh_CN", "en"):
        catalogue(language)["test.echo"] = "{said}"  # type: ignore[index]


async def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until the condition holds and give what it gives; fails after a minute."""
    async with asyncio.timeout(WAIT):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.002)


class Machine:
    """Inbox, turns and relay of one process. `hear` is its only handler and may be replaced; by default it echoes."""

    def __init__(self, url: str, platform: MemoryPlatform, clock: HandClock, numbers: Iterator[int]) -> None:
        self.database, self.platform, self.clock, self._numbers = Database(url), platform, clock, numbers
        self.hear: Hear = self._echo
        self.heard: list[str] = []
        self.router = Router("machine")
        self.router.message(where="any")(self._heard)
        self.inbox = Inbox(self.database, self.clock)
        self.leases = Leases(self.database)
        key = (self.platform.name, self.platform.bot)
        self.turns = Turns(self.database, self.clock, self.router, {key: self.platform})
        self.relay = Relay(self.database, self.clock, self.platform, self.leases)
        self._tasks: list[asyncio.Task[None]] = []

    async def _echo(self, message: Text, context: Context) -> Reply:
        return Say(echo(message.text))

    async def _heard(self, message: Text, context: Context) -> Reply:
        self.heard.append(message.text)
        return await self.hear(message, context)

    async def arrive(self, text: str, who: str = "ann", event: str = "", chat: str = "", **fields: Any) -> int:
        """Somebody writes; the inbox row."""
        event = event or f"e{next(self._numbers)}"
        arrival = self.platform.arrival(event, "text", who, chat or f"private:{who}", text=text, **fields)
        return await self.inbox.receive(self.platform.name, self.platform.bot, arrival)

    async def turn(self) -> int:
        """Take what may be taken and run it, once; how many rows."""
        rows = await self.turns.claim()
        await self.turns.run_rows(rows)
        return len(rows)

    async def all_turns(self) -> None:
        """Run turns until nothing may be taken."""
        while await self.turn():
            pass

    async def pump(self) -> None:
        """Send until nothing may leave now."""
        while True:
            rest = await self.relay._step()
            if self.relay._sending:
                await asyncio.wait(self.relay._sending)
            elif rest > 0:
                break
        await self.relay.outcomes._write_or_try_again()

    def start(self) -> None:
        """Run turns and the relay in the background, until the machine is closed."""
        self.inbox.on_stored, self.inbox.on_taken, self.inbox.lease = self.turns.look, self.turns.take, self.turns.lease
        self.turns.on_posted = lambda rows: self.relay.wake.set()
        self.turns.relays = {(self.platform.name, self.platform.bot): self.relay}
        self._tasks = [asyncio.create_task(self.turns.run()), asyncio.create_task(self.relay.run())]

    async def close(self) -> None:
        await self.turns.stop()
        await self.relay.stop()
        await asyncio.gather(*self._tasks)
        await self.database.close()

    async def inbox_rows(self) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.execute(sa.select(InboxMessage.__table__).order_by(sa.text("id"))))

    async def outbox_rows(self) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.execute(sa.select(OutboxMessage.__table__).order_by(sa.text("id"))))

    async def change(self, model: Any, **values: Any) -> None:
        """Set these columns in every row of the table."""
        async with self.database.connection() as connection:
            await connection.execute(sa.update(model.__table__).values(**values))

    def said(self, chat: str = "private:ann") -> list[str]:
        """What stands in a chat."""
        return [shown.message.text for shown in self.shown(chat)]

    def shown(self, chat: str = "private:ann") -> list[Shown]:
        return [shown for shown in self.platform.messages if shown.chat == chat]


@asynccontextmanager
async def machines(url: str, count: int = 1, platform: str = "memory") -> AsyncIterator[list[Machine]]:
    """So many processes' machines on one database, with one clock, whose messages reach one platform."""
    keyring.use({"t": b"0" * 32}, b"0" * 32)
    add_words()
    memory, clock, numbers = MemoryPlatform(name=platform), HandClock(NOW), itertools.count(1)
    made = [Machine(url, memory, clock, numbers) for _ in range(count)]
    async with made[0].database.transaction() as session:
        session.add(Community(name="青禾里社区"))
    try:
        yield made
    finally:
        for machine in made:
            await machine.close()


class Failing:
    """Makes chosen calls of the memory platform fail: `Failing(platform).next("send", "private:ann", error, …)`."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._planned: dict[tuple[str, str], list[BaseException | None]] = {}
        platform.fail = self._ask

    def next(self, method: str, chat: str, *errors: BaseException | None) -> None:
        """The next calls of this method for this chat end so, one after another (None: well)."""
        self._planned.setdefault((method, chat), []).extend(errors)

    def _ask(self, method: str, chat: str) -> None:
        planned = self._planned.get((method, chat))
        if planned and (error := planned.pop(0)) is not None:
            raise error


def fake_module(**names: Any) -> SimpleNamespace:
    """Something to put in a module's place."""
    return SimpleNamespace(**names)
