"""The conversation in this application, as it is: every update stored and deduplicated before it counts as taken, dialog state and
draft committed with every turn, every reply an outbox row that is committed before it is sent; personal data encrypted.

What differs from production: sending limits are off (for all alike), updates come from the benchmark instead of from Telegram,
the clock stands in the evening so that the message to the grid's leader is written and held, as the peers' is, and what was
reported in one round is closed before the next, so that the search for near-duplicates meets as many open problems as a community
has and not a benchmark's thousands.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from base64 import b64encode
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.peers import script
from bot.main import Application
from bot.platforms.base import CAPABILITIES, Media, Receive
from bot.platforms.telegram import TelegramPlatform
from bot.platforms.telegram_updates import arrival
from bot.settings import Settings
from demo.loader import load
from models import Problem
from models.database import migrate
from services.clock import HandClock
from texts.render import Rendered

EVENING = "2026-11-23T21:30:00+08:00"


class Telegram(TelegramPlatform):
    """The Telegram adapter, which the benchmark listens to instead of the network."""

    def __init__(self, url: str) -> None:
        super().__init__(script.TOKEN, url)
        self.replies: dict[str, asyncio.Future[Rendered]] = {}

    async def start(self, receive: Receive) -> None:
        """Nothing to listen to."""

    async def send(self, chat: str, message: Rendered, *, media: tuple[Media, ...] = (), key: str = "") -> str:
        number = await super().send(chat, message, media=media, key=key)
        if (reply := self.replies.pop(chat, None)) is not None:
            reply.set_result(message)
        return number


class Contender:
    """The application as `bench.conversation` runs it."""

    def __init__(self, url: str, folder: Path) -> None:
        unlimited = dataclasses.replace(CAPABILITIES["telegram"], overall_per_second=0.0, chat_per_second=0.0, group_per_minute=0.0)
        CAPABILITIES["telegram"] = unlimited
        keys = "b:" + b64encode(secrets.token_bytes(32)).decode(), b64encode(secrets.token_bytes(32)).decode()
        settings = Settings(
            _env_file=None, DATABASE_URL=f"sqlite+aiosqlite:///{folder}/house.db", DATA_DIR=folder, DEMO=False,
            ENCRYPTION_KEYS=keys[0], HASH_KEY=keys[1],
        )  # type: ignore[call-arg]  # fmt: skip
        self.telegram = Telegram(url)
        self.application = Application(settings, [self.telegram], HandClock(datetime.fromisoformat(EVENING)))
        self.shown: dict[int, Rendered] = {}

    async def start(self) -> None:
        app = self.application
        await migrate(app.settings.DATABASE_URL)
        async with app.database.transaction() as session:
            await load(session, app.clock.now())
        await app.alarms.take_as_done(app.clock.now())
        await app.start(serve=False)

    async def feed(self, raw: dict[str, Any]) -> None:
        came = arrival(raw)
        assert came is not None
        user = (raw.get("message") or raw["callback_query"])["from"]["id"]
        reply = self.telegram.replies[str(user)] = asyncio.get_running_loop().create_future()
        await self.application.inbox.receive("telegram", "main", came)
        self.shown[user] = await reply

    def category(self, user: int, code: str) -> str:
        return self._action(user, "pick_category:", f":{code}")

    def submission(self, user: int) -> str:
        return self._action(user, "submit:", "")

    def _action(self, user: int, start: str, end: str) -> str:
        actions = [button.action for row in self.shown[user].buttons for button in row]
        found = [action for action in actions if action.startswith(start) and action.endswith(end)]
        assert found, f"no button {start}…{end} under {self.shown[user].text!r}"
        return found[0]

    async def reports(self) -> int:
        async with self.application.database.transaction() as session:
            return int(await session.scalar(sa.select(sa.func.count()).select_from(Problem).where(Problem.channel == "bot")) or 0)

    async def between(self) -> None:
        """Let everything be delivered, and close what was reported."""
        await self.application.drain()
        async with self.application.database.transaction() as session:
            await session.execute(sa.update(Problem).values(state="CLOSED").execution_options(synchronize_session=False))

    async def stop(self) -> None:
        await self.application.stop()
