"""The demo desk: the demo community, its clock that people move by hand, and starting afresh."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from demo.loader import clear, default_clock, load
from models import Community, OutboxMessage, Setting
from models.database import STORAGE_ERRORS
from services.clock import HandClock

if TYPE_CHECKING:
    from bot.main import Application

log = structlog.get_logger("demo")

UNSTORED = timedelta(seconds=5)


class Backward(Exception):
    """The clock was asked to go back."""


class RealClock(Exception):
    """With a token the clock is the real one."""


class DemoDesk:
    """Looks after the demo's data and clock of one application."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._moving = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def clock(self) -> HandClock | None:
        """The hand clock; None when the clock is the real one."""
        return self.application.clock if isinstance(self.application.clock, HandClock) else None

    # -- starting and stopping --------------------------------------------------------------------------------
    async def prepare(self) -> None:
        """Load the demo community into an empty database; else put the clock where it was stored. DEMO_CLOCK moves it forward."""
        ahead = self.application.settings.DEMO_CLOCK
        async with self.application.database.transaction() as session:
            empty = (await session.execute(sa.select(Community.id).limit(1))).first() is None  # type: ignore[call-overload]
            stored = await session.get(Setting, "clock")
        if empty:
            start = default_clock()
            if self.clock is None:
                start = self.application.clock.now()
            elif ahead is not None and ahead < start:
                start = ahead
            await self._load(start)
        elif self.clock is not None and stored is not None:
            now, running = datetime.fromisoformat(stored.value["now"]), stored.value["running"]
            self.clock.put(await self._lived(now) if running else now, running)
        if self.clock is not None and ahead is not None:
            if ahead >= self.clock.now():
                self.clock.put(ahead)
            else:
                log.warning("DEMO_CLOCK lies behind the stored clock and is left aside", stored=self.clock.now().isoformat())
        await self._store()

    async def _lived(self, now: datetime) -> datetime:
        """A running clock is stored once a second; a process that was killed may have lived a moment longer than is stored.

        What it posted in that moment would look as if it were held for later.
        """
        table: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
        posted = sa.select(sa.func.max(table.c.send_after)).where(table.c.state == "pending", table.c.send_after <= now + UNSTORED)
        async with self.application.database.connection() as connection:
            return max(now, (await connection.execute(posted)).scalar() or now)

    async def _load(self, now: datetime) -> None:
        async with self.application.database.transaction() as session:
            await load(session, now)
        if self.clock is not None:
            self.clock.put(now)
        await self.application.alarms.take_as_done(now)

    async def start(self) -> None:
        """Keep the running clock stored, once a second."""
        self._keeper = asyncio.create_task(self._keep(), name="clock")

    async def stop(self) -> None:
        """Store the clock a last time."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        with suppress(*STORAGE_ERRORS):
            await self._store()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self.clock is not None and self.clock.running:
                with suppress(*STORAGE_ERRORS):
                    await self._store()

    async def _store(self) -> None:
        if self.clock is None:
            return
        value = {"now": self.clock.now().isoformat(), "running": self.clock.running}
        async with self.application.database.transaction() as session:
            await session.merge(Setting(name="clock", value=value))

    # -- moving time ------------------------------------------------------------------------------------------
    async def move(self, now: datetime | None, running: bool | None) -> None:
        """Go forward to `now`; all that falls due on the way happens in order, each at its own time, and is delivered.

        Raises Backward, RealClock.
        """
        clock = self.clock
        if clock is None:
            raise RealClock
        async with self._moving:
            if now is not None and now < clock.now():
                raise Backward
            on = clock.running if running is None else running
            if now is not None:
                clock.put(clock.now(), running=False)
                while (due := await self._next(now)) is not None:
                    clock.put(max(due, clock.now()))
                    await self.application.alarms.tick()
                    await self.application.drain()
                clock.put(now)
                await self.application.alarms.tick()
            await self.application.drain()
            clock.put(clock.now(), running=on)
            await self._store()

    async def _next(self, until: datetime) -> datetime | None:
        """The next moment up to `until` at which an alarm rings or a held message may leave; strictly after now, or overdue."""
        assert self.clock is not None
        now = self.clock.now()
        alarm = await self.application.alarms.next_due(until)
        async with self.application.database.connection() as connection:
            table: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
            held = (
                await connection.execute(
                    sa.select(sa.func.min(table.c.send_after)).where(
                        table.c.state == "pending", table.c.send_after > now, table.c.send_after <= until
                    )
                )
            ).scalar()
        moments = [moment for moment in (alarm, held) if moment is not None]
        if alarm is not None and alarm <= now:
            await self.application.alarms.tick()
            again = await self.application.alarms.next_due(until)
            moments = [moment for moment in (again, held) if moment is not None and moment > now]
        return min(moments, default=None)

    async def reset(self, now: datetime | None) -> None:
        """Load the demo community afresh; with `now` as it stood at that moment. Raises RealClock for a moment with a real clock."""
        if self.clock is None and now is not None:
            raise RealClock
        async with self._moving:
            await self.application.drain()
            async with self.application.turns.paused(), self.application.alarms.paused():
                async with self.application.database.connection() as connection:
                    await clear(connection)
                await self._load(now or (default_clock() if self.clock is not None else self.application.clock.now()))
                self.application.forget()
            await self._store()
            if self.application.local is not None:
                await self.application.local.refresh()
