"""The demo community for a simulated life: the real application on SQLite, a hand clock, and a platform that keeps what people need.

Whoever lives there speaks through `Town.says` and `Town.presses`, plans with `Town.later`, and `Town.live` lets the time pass: alarms,
held messages and people's own acts happen in order, each at its own moment.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.main import Application
from bot.platforms.base import Media, MessageGone
from bot.platforms.memory import MemoryPlatform, Shown
from bot.settings import Settings
from demo.loader import load
from demo.people import read
from models import ChatAccount, HolidayDay, OutboxMessage, keyring
from models.database import migrate
from scheduler.clock import Alarms
from services.clock import HandClock
from services.workdays import ZONE, Calendar, local
from texts.render import Rendered

KEYS = "t:" + "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="
HASH = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="
REMEMBERED = 60
LONGEST = 4096
_OUT: sa.Table = OutboxMessage.__table__

Act = Callable[[], Awaitable[None]]


@dataclass
class Street(MemoryPlatform):
    """The memory platform for a long life: a message is found by its id, a chat's end is at hand, and every message is looked at."""

    look: Callable[[str, Rendered], None] = lambda chat, message: None
    count: int = 0
    longest: int = 0

    def __post_init__(self) -> None:
        self.by_id: dict[str, Shown] = {}
        self.chats: dict[str, deque[Shown]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    async def send(self, chat: str, message: Rendered, *, media: tuple[Media, ...] = (), key: str = "") -> str:
        """Keep the message at the end of its chat; its id."""
        self.count += 1
        shown = Shown(str(self.count), chat, message, media)
        self.by_id[shown.id] = shown
        self.chats[chat].append(shown)
        self.longest = max(self.longest, len(message.text))
        self.look(chat, message)
        return shown.id

    async def edit(self, chat: str, message_id: str, message: Rendered) -> None:
        """Change a kept message."""
        await super().edit(chat, message_id, message)
        self.look(chat, message)

    def message(self, message_id: str) -> Shown:
        """The message with this id. Raises MessageGone."""
        if message_id not in self.by_id:
            raise MessageGone(message_id)
        return self.by_id[message_id]


@dataclass(frozen=True, slots=True)
class Heard:
    """What somebody was answered: the new and changed messages of the chat, and toasts."""

    shown: tuple[Shown, ...]
    toasts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join([*(one.message.text for one in self.shown), *self.toasts])

    @property
    def buttons(self) -> list[str]:
        """What can be pressed."""
        return [button.label for one in self.shown for row in one.message.buttons for button in row]


@dataclass
class Town:
    """One community, one application, one clock, and what its people mean to do."""

    app: Application
    street: Street
    clock: HandClock
    random: random.Random
    begin: date
    calendar: Calendar = field(default_factory=Calendar)
    heap: list[tuple[datetime, int, Act]] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)
    broken: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    ticks: int = 0

    # -- time -------------------------------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        """The present moment on the community's clock."""
        return local(self.clock.now())

    def later(self, moment: datetime, act: Act) -> None:
        """Let somebody do this at a moment; at once where it is over."""
        heapq.heappush(self.heap, (max(moment, self.now), next(self.numbers), act))

    def work_moment(self, day: date) -> datetime:
        """Some moment of a day at which an office is open."""
        minutes = self.random.choice([self.random.randrange(9 * 60, 11 * 60 + 55), self.random.randrange(13 * 60 + 30, 17 * 60 + 20)])
        return datetime.combine(day, time(minutes // 60, minutes % 60), ZONE)

    def workday_after(self, moment: datetime, days: int) -> datetime:
        """Some moment of work on the n-th workday after one; for 0 still on the same day where that is possible."""
        if days > 0:
            return self.work_moment(self.calendar.add(moment, days))
        minutes = timedelta(minutes=self.random.randrange(10, 150))
        soon = local(moment + minutes)
        if self.calendar.is_workday(soon.date()) and time(9) <= soon.time() < time(17, 20):
            return soon
        day = soon.date() if soon.time() < time(9) else soon.date() + timedelta(days=1)
        return self.work_moment(self.calendar.next_workday(day))

    async def live(self, until: datetime, each_day: Callable[[date], None] = lambda day: None) -> None:
        """Let the time pass; `each_day` plans a day when it begins."""
        day = self.now.date()
        while True:
            midnight = datetime.combine(day + timedelta(days=1), time(), ZONE)
            planned = self.heap[0][0] if self.heap else until
            target = min(until, midnight, planned)
            await self._pass(target)
            if target == until:
                return
            if target == midnight:
                day += timedelta(days=1)
                each_day(day)
                continue
            _, _, act = heapq.heappop(self.heap)
            await act()

    async def _pass(self, target: datetime) -> None:
        """Move the clock to `target`; what rings or may leave on the way does."""
        while (moment := await self._next(target)) is not None:
            self.clock.put(max(moment, self.clock.now()))
            self.ticks += 1
            await self.app.alarms.tick()
            await self.app.drain()
        self.clock.put(max(target, self.clock.now()))

    async def _next(self, until: datetime) -> datetime | None:
        due = await self.app.alarms.next_due(until)
        held = sa.select(sa.func.min(_OUT.c.send_after)).where(
            sa.text("outbox.state IN ('pending','sending')"), _OUT.c.state == "pending",
            _OUT.c.send_after > self.clock.now(), _OUT.c.send_after <= until,
        )  # fmt: skip
        async with self.app.database.connection() as connection:
            free = (await connection.execute(held)).scalar()
        return min((moment for moment in (due, free) if moment is not None), default=None)

    # -- people -----------------------------------------------------------------------------------------------------
    async def says(self, who: str, text: str, *, chat: str = "", silent: bool = False) -> Heard:
        """Somebody writes; what came back. Whoever gets no answer to a private message is noted as broken."""
        heard = await self._does("text", who, chat, text=text)
        if not silent and not heard.shown and not heard.toasts:
            self.fault(f"no answer to {text[:12]!r}")
        return heard

    async def presses(self, who: str, label: str, *, chat: str = "") -> Heard:
        """Somebody presses the newest button of this name in the chat (whole, or its beginning)."""
        address = chat or f"private:{who}"
        for shown in reversed(self.street.chats[address]):
            for row in shown.message.buttons:
                for button in row:
                    if button.label.startswith(label) and button.action:
                        return await self._does("press", who, chat, action=button.action, message_id=shown.id, press_id=f"p{shown.id}")
        self.fault(f"no button {label!r}")
        return Heard(())

    def can_press(self, who: str, label: str) -> bool:
        """Whether one of the last messages to somebody has such a button."""
        return any(
            button.label.startswith(label)
            for shown in list(self.street.chats[f"private:{who}"])[-6:]
            for row in shown.message.buttons
            for button in row
        )

    async def stands_at(self, who: str, lat: float, lon: float) -> Heard:
        """Somebody sends where they are."""
        return await self._does("location", who, "", lat=lat, lon=lon)

    async def _does(self, kind: str, who: str, chat: str, **fields: Any) -> Heard:
        address, number = chat or f"private:{who}", next(self.numbers)
        here = self.street.chats[address]
        before = {id(shown): shown.edits for shown in here}
        toasts = len(self.street.toasts)
        fields.setdefault("message_id", f"u{number}")
        arrival = self.street.arrival(f"e{number}", kind, who, address, **fields)
        await self.app.settle(await self.app.inbox.receive(self.street.name, self.street.bot, arrival))
        await self.app.drain()
        self.counts["spoken"] += 1
        new = tuple(shown for shown in here if before.get(id(shown)) != shown.edits)
        heard = Heard(new, tuple(text for where, _, text in self.street.toasts[toasts:] if where == address and text))
        del self.street.toasts[:], self.street.calls[:]
        return heard

    def expect(self, heard: Heard, *words: str, doing: str) -> bool:
        """Whether the answer has these words; one that has not is counted, and told at the end."""
        if all(word in heard.text for word in words):
            return True
        self.refusals[f"{doing}: {heard.text[:60]!r}"] += 1
        return False

    def fault(self, what: str) -> None:
        """Note something that must not happen, with its moment."""
        self.broken.append(f"{self.now:%Y-%m-%d %H:%M} {what}")

    # -- looking ----------------------------------------------------------------------------------------------------
    async def rows(self, model: Any, *where: Any, order: Any = None) -> Sequence[Any]:
        """The rows that fulfil it."""
        async with self.app.database.transaction() as session:
            query = sa.select(model).where(*where)
            return list(await session.scalars(query if order is None else query.order_by(order)))

    async def person(self, who: str) -> str:
        """The id of whoever writes under this name."""
        account = await self.row(ChatAccount, ChatAccount.user_hash == keyring.hash("user", self.street.name, self.street.bot, who))
        return account.person_id if account is not None else ""

    async def know_holidays(self) -> None:
        """The people's own calendar learns what the program was told."""
        self.calendar = Calendar({row.day: row.is_workday for row in await self.rows(HolidayDay)})

    async def row(self, model: Any, *where: Any) -> Any:
        """The one row that fulfils it, or None."""
        found = await self.rows(model, *where)
        return found[0] if found else None


def _quick() -> str | None:
    """A folder in memory where the system has one: this is about two years, not about the disk (tests/test_kill.py is)."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class _Still(Alarms):
    """Rings when it is asked to: the time passes by hand, and nothing happens between two moments."""

    def start(self) -> None:
        """Nothing ticks by itself."""


@asynccontextmanager
async def town(begin: datetime, seed: int) -> AsyncIterator[Town]:
    """The demo community as it stood at `begin`, in an empty folder that goes away afterwards."""
    with tempfile.TemporaryDirectory(prefix="two-years-", dir=_quick()) as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'linshao.db'}"
        settings = Settings(_env_file=None, DATABASE_URL=url, DATA_DIR=Path(folder), DEMO=False, ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH)
        clock, street = HandClock(begin), Street(name="local")
        app = Application(settings, [street], clock)
        app.alarms = _Still(app.database, clock, app.alarms.on_posted)
        await migrate(app.database.url)
        async with app.database.transaction() as session:
            await load(session, begin)
        await app.alarms.take_as_done(clock.now())
        made = Town(app, street, clock, random.Random(seed), begin.date())
        street.look = _looking(made)
        await app.start(serve=False)
        try:
            yield made
        finally:
            await app.stop()


def _looking(made: Town) -> Callable[[str, Rendered], None]:
    """Watch every message: none too long, and no resident's name in a group (domain.md §0.6)."""
    names = [entry["name"] for entry in read("community")["residents"]]

    def look(chat: str, message: Rendered) -> None:
        if len(message.text) > LONGEST:
            made.fault(f"a message of {len(message.text)} characters")
        if not chat.startswith("private:") and any(name in message.text for name in names):
            made.fault(f"a resident's name in {chat}")

    return look
