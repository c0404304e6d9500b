"""Wires everything; the only file that imports all the others."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from bot.demo import DemoDesk
from bot.inbox import Inbox
from bot.leases import Leases
from bot.outbox import Relay
from bot.platforms.base import Arrival, Platform, Refused
from bot.platforms.local import LocalPlatform
from bot.platforms.web_chat import WebPlatform
from bot.settings import Settings
from bot.turn import Turns
from bot.web import make_web
from handlers import root
from models import OutboxMessage, keyring
from models.database import STORAGE_ERRORS, Database, describe, migrate
from scheduler.clock import Alarms
from services import building_doors, deep_links, upkeep
from services.clock import Clock, HandClock, SystemClock
from services.context import SCHEDULER, Context, ground
from services.media import store
from services.meeting_calendar import feeds
from texts.commands import command_menu, group_menu

log = structlog.get_logger("main")


class Application:
    """The whole service. `platforms` and `clock` are given by tests; otherwise they follow from the settings."""

    def __init__(self, settings: Settings, platforms: Iterable[Platform] | None = None, clock: Clock | None = None) -> None:
        keyring.use(settings.encryption_keys, settings.hash_key)
        store.use(settings.DATA_DIR / "media")
        feeds.use(settings.PUBLIC_URL or "")
        self.settings = settings
        self.database = Database(settings.DATABASE_URL)
        self.clock: Clock = clock or SystemClock()
        self.demo: DemoDesk | None = None
        self.inbox = Inbox(self.database, self.clock)
        self.leases = Leases(self.database)
        self.platforms: dict[tuple[str, str], Platform] = {}
        self.relays: dict[tuple[str, str], Relay] = {}
        self.turns = Turns(self.database, self.clock, root, self.platforms)
        self.alarms = Alarms(self.database, self.clock)
        self.inbox.on_stored = self.turns.look
        self.inbox.lease, self.inbox.on_taken = self.turns.lease, self.turns.take
        self.turns.relays = self.relays
        self.turns.on_posted = self.alarms.on_posted = self._posted
        self._tasks: list[asyncio.Task[None]] = []
        self._site: web.AppRunner | None = None
        self.port = 0
        self.refused = ""
        self.stopped = asyncio.Event()
        for platform in self._configured() if platforms is None else platforms:
            self._add(platform)
        deep_links.use([way for platform in self.platforms.values() if (way := getattr(platform, "door", None)) is not None])
        if settings.demo and self.local is not None:
            self.demo = DemoDesk(self)

    # -- assembling -------------------------------------------------------------------------------------------
    def _configured(self) -> list[Platform]:
        found: list[Platform] = []
        settings = self.settings
        if settings.demo:
            if settings.TELEGRAM_BOT_TOKEN is None:
                from demo.loader import default_clock

                self.use_clock(HandClock(default_clock(), running=True))
            found.append(LocalPlatform(self.database, self.clock, self.settle))
        if settings.web_chat:
            found.append(
                WebPlatform(
                    self.database, self.clock, self.settle_anywhere,
                    public_url=settings.PUBLIC_URL, proxies=settings.trusted_proxies, limits=settings.WEB_CHAT_LIMITS,
                )
            )  # fmt: skip
        if settings.TELEGRAM_BOT_TOKEN is not None:
            from bot.platforms.telegram import TelegramPlatform

            found.append(
                TelegramPlatform(
                    settings.TELEGRAM_BOT_TOKEN.get_secret_value(), settings.TELEGRAM_API_URL,
                    webhook_url=settings.PUBLIC_URL, webhook_secret=settings.webhook_secret, commands=command_menu(),
                    group_commands=group_menu(),
                )
            )  # fmt: skip
        return found

    def use_clock(self, clock: Clock) -> None:
        """Let everything ask this clock from now on (before `start`)."""
        self.clock = self.inbox.clock = self.turns.clock = self.alarms.clock = clock

    def _add(self, platform: Platform) -> None:
        key = (platform.name, platform.bot)
        self.platforms[key] = platform
        relay = self.relays[key] = Relay(self.database, self.clock, platform, self.leases)
        relay.on_dead = self._dead

    @property
    def local(self) -> LocalPlatform | None:
        """The web chat, where it runs."""
        return next((platform for platform in self.platforms.values() if isinstance(platform, LocalPlatform)), None)

    @property
    def web_chat(self) -> WebPlatform | None:
        """The web chat for real people, where it is on."""
        return self.local if isinstance(self.local, WebPlatform) else None

    # -- running ----------------------------------------------------------------------------------------------
    async def start(self, serve: bool = True) -> None:
        """Migrate, load the demo where there is nothing yet, and begin to work; with `serve` also the web server."""
        await migrate(self.settings.DATABASE_URL)
        if self.demo is not None:
            await self.demo.prepare()
        async with self.database.transaction() as session:
            try:
                await ground(session)
            except LookupError:
                advice = "make one with `python -m bot init`, or set DEMO=1; until then nothing can be answered"
                log.error("community.missing", advice=advice)
        if self.web_chat is None:
            async with self.database.transaction() as session:
                await building_doors.close_groups(session, WebPlatform.name, WebPlatform.bot)
        self._tasks.append(asyncio.create_task(self.turns.run(), name="turns"))
        self._tasks += [asyncio.create_task(relay.run(), name=f"relay:{key[0]}") for key, relay in self.relays.items()]
        self.alarms.start()
        if self.local is not None:  # who connects in the first moment is heard
            await self.local.start(partial(self._receive, self.local.name, self.local.bot))  # type: ignore[arg-type]
        if serve:
            self._site = web.AppRunner(make_web(self), access_log=None, shutdown_timeout=5)
            await self._site.setup()
            site = web.TCPSite(self._site, self.settings.HTTP_HOST, self.settings.HTTP_PORT)
            await site.start()
            self.port = self._site.addresses[0][1]
            if self.demo is not None:
                feeds.use(f"http://{self.settings.HTTP_HOST}:{self.port}")
        for key, platform in self.platforms.items():
            if platform is not self.local:
                self._tasks.append(asyncio.create_task(self._listen(key, platform), name=f"listen:{key[0]}"))
        if self.demo is not None:
            await self.demo.start()

    async def _listen(self, key: tuple[str, str], platform: Platform) -> None:
        """Let the platform listen; one process at a time polls, so that two never take each other's updates."""
        receive = partial(self._receive, *key)
        if getattr(platform, "polls", False):
            while not await self.leases.hold(_poll_lease(key)):  # noqa: ASYNC110 (another process lets go of it)
                await asyncio.sleep(2.0)
            self._tasks.append(asyncio.create_task(self._keep_lease(_poll_lease(key)), name="lease"))
        try:
            await platform.start(receive)  # type: ignore[arg-type]
        except Refused as error:
            log.error("platform.refused", platform=key[0], reason=str(error))
            self.refused = str(error)
            self.stopped.set()

    async def _keep_lease(self, name: str) -> None:
        while True:
            await asyncio.sleep(5.0)
            with suppress(Exception):
                await self.leases.hold(name)

    async def _receive(self, platform: str, bot: str, arrival: Arrival) -> int:
        return await self.inbox.receive(platform, bot, arrival)

    def _posted(self, rows: Sequence[OutboxMessage]) -> None:
        for key in {(row.platform, row.bot) for row in rows}:
            if relay := self.relays.get(key):
                relay.wake.set()

    def _dead(self, _number: int) -> None:
        self._tasks.append(task := asyncio.create_task(self._expect_report()))
        task.add_done_callback(self._tasks.remove)

    async def _expect_report(self) -> None:
        try:
            async with self.database.transaction() as session:
                await upkeep.expect_report(Context(session, self.clock.now(), SCHEDULER, await ground(session), "dead"))
        except LookupError:
            return
        except STORAGE_ERRORS as error:  # the next dead letter asks again
            log.warning("outbox.unreachable", error=describe(error))

    async def settle(self, inbox_id: int) -> None:
        """Wait until a turn is over and everything it sent, to anybody, has been delivered (or is held for later)."""
        posted = await self.turns.finished(inbox_id)
        await self.delivered(posted)

    async def settle_anywhere(self, inbox_id: int) -> None:
        """The same where another process may run the turn or send what it sent: the store is asked again every second."""
        while True:
            with suppress(TimeoutError):
                return await asyncio.wait_for(self.settle(inbox_id), None if self.database.sqlite else 1.0)

    async def delivered(self, ids: Sequence[int]) -> None:
        """Wait until these outbox rows are delivered, whichever platform they go to."""
        ids = [number for number in ids if number is not None]
        if ids:
            await asyncio.gather(*(relay.delivered(ids) for relay in self.relays.values()))

    def forget(self) -> None:
        """The store was emptied: nothing that was waited for will come."""
        self.turns.forget()
        for relay in self.relays.values():
            relay.forget()

    async def drain(self) -> None:
        """Wait until nothing that is due is left to send."""
        for relay in self.relays.values():
            while not await relay.idle():
                relay.wake.set()
                await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Stop in order: nothing new comes in, turns and sends in flight finish, the store is closed."""
        if self._site is not None:
            await self._site.cleanup()
        for task in self._tasks:
            if task.get_name() == "lease" or task.get_name().startswith("listen:"):
                task.cancel()
        await self.alarms.stop()
        await self.turns.stop()  # what is still polled from now on waits in the store for the next life
        await asyncio.gather(*(relay.stop() for relay in self.relays.values()))
        for key, platform in self.platforms.items():
            with suppress(Exception):
                await platform.stop()
            with suppress(*STORAGE_ERRORS):  # the next process polls at once
                await self.leases.release(_poll_lease(key))
        await self.inbox.close()
        if self.demo is not None:
            await self.demo.stop()
        workers = [task for task in self._tasks if task.get_name() == "turns" or task.get_name().startswith("relay:")]
        for task in self._tasks:
            if task not in workers:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.database.close()


def _poll_lease(key: tuple[str, str]) -> str:
    return f"poll:{key[0]}:{key[1]}"


def set_up_logging(settings: Settings) -> None:
    """Structured lines on standard error; libraries that log addresses with tokens in them are kept quiet.

    Of an exception the kind and the frames are logged, never its words: they may be what somebody wrote.
    """
    level = logging.getLevelName(settings.LOG_LEVEL)
    handler = logging.StreamHandler()
    handler.setFormatter(_WordlessFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    for name in ("httpx", "httpcore", "telegram", "aiohttp.access", "apscheduler", "alembic", "aiosqlite", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)  # a tick longer than a second leaves the next one out, as it should
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False) if settings.LOG_FORMAT == "json" else plain
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars, structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.ExceptionRenderer(_wordless), renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )  # fmt: skip


def _wordless(exc_info: Any) -> str:
    """The traceback of an exception, and of those behind it, without their words."""
    lines: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        lines = [*traceback.format_tb(error.__traceback__), f"{type(error).__module__}.{type(error).__qualname__}\n", *lines]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(lines).rstrip()


class _WordlessFormatter(logging.Formatter):
    """For what the libraries log."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 (the library's name)
        return _wordless(ei)
