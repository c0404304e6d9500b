"""The whole application on the fake Bot API over real HTTP: the demo community, people bound by real one-time links, groups by command.

`leader = await town.person("ST04")`; `await leader.says("待办")` gives the bot's new messages there once everything it caused is over.
In groups privacy mode decides what the bot hears: commands, replies to the bot, and service messages.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fake_telegram import Chat, FakeTelegram, Shown, User
from faults import until
from PIL import Image
from sqlmodel import col
from world import HASH, KEYS

from bot.main import Application
from bot.platforms.telegram import TelegramPlatform
from bot.settings import Settings
from demo.loader import default_clock, load
from models import Chat as ChatRow
from models import ChatAccount, InboxMessage, OutboxMessage, Person, Task, keyring
from models.database import Database, migrate
from services.clock import HandClock
from services.invitations import invite
from texts.actions import Do

SECONDS = 20.0


async def prepare(url: str) -> None:
    """Load the demo community, whose people are not on the web chat here: they come by their own links."""
    settings = Settings(_env_file=None, DEMO=False, WEB_CHAT=False, ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH)
    keyring.use(settings.encryption_keys, settings.hash_key)
    await migrate(url)
    database = Database(url)
    async with database.transaction() as session:
        await load(session, default_clock())
        await session.execute(sa.update(ChatRow).values(purpose=""))
        await session.execute(sa.update(ChatAccount).values(blocked=True))
    await database.close()


async def soon(_seconds: float) -> None:
    """Stands in for the waits of Telegram's webhook deliverer."""
    await asyncio.sleep(0.005)


def picture(shade: int = 0) -> bytes:
    """A JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, 90, 90)).save(out, "JPEG")
    return out.getvalue()


@dataclass
class Somebody:
    """A person with Telegram."""

    world: TelegramWorld
    user: User

    @property
    def shown(self) -> list[Shown]:
        """The bot's messages in the private chat, as they read now."""
        return self.world.telegram.shown(self.world.telegram.private(self.user))

    @property
    def texts(self) -> list[str]:
        """What the bot has said in the private chat."""
        return [message.text for message in self.shown]

    def with_id(self, number: int) -> Shown:
        """The message with this id."""
        return next(message for message in self.shown if message.message_id == number)

    def with_button(self, label: str, chat: Chat | None = None) -> Shown:
        """The latest message with a button of this label."""
        messages = self.shown if chat is None else self.world.telegram.shown(chat)
        found = [message for message in messages if label in message.labels]
        assert found, f"no {label!r}: {[(message.text[:40], message.labels) for message in messages[-3:]]}"
        return found[-1]

    async def does(self, act: Callable[..., Any], *arguments: Any, **options: Any) -> list[Shown]:
        """Let it happen; the bot's new messages in the private chat once everything it caused is over."""
        before = len(self.shown)
        act(self.user, *arguments, **options)
        await self.world.settle()
        return self.shown[before:]

    async def says(self, text: str, **options: Any) -> list[Shown]:
        """Write in private."""
        return await self.does(self.world.telegram.user_says, text, **options)

    async def opens(self, payload: str = "") -> list[Shown]:
        """Open a deep link."""
        return await self.does(self.world.telegram.opens_link, payload)

    async def presses(self, label: str, message: Shown | None = None, *, chat: Chat | None = None, **options: Any) -> list[Shown]:
        """Press a button of the latest message that has it (or of `message`)."""
        return await self.does(self.world.telegram.presses, message or self.with_button(label, chat), label, **options)

    async def says_in(self, chat: Chat, text: str, *, topic: int | None = None, reply_to: int | None = None, **options: Any) -> list[Shown]:
        """Write in a group; the bot's new messages there. What privacy mode keeps from the bot is only put into the chat."""
        telegram = self.world.telegram
        before = len(telegram.shown(chat))
        answers_bot = reply_to is not None and chat.messages[reply_to]["from"]["id"] == telegram.bot_id
        if text.startswith("/") or answers_bot or not telegram.privacy_mode:
            telegram.user_says(self.user, text, chat=chat, topic=topic, reply_to=reply_to, **options)
        else:
            telegram.post(chat, self.user.json, topic, text=text)
        await self.world.settle()
        return telegram.shown(chat)[before:]


class TelegramWorld:
    """One community on one database; `app` is the present life of the process, `restart` begins the next one."""

    def __init__(self, telegram: FakeTelegram, url: str, folder: Path, webhook: bool, now: str | None) -> None:
        self.telegram, self.url = telegram, url
        self.clock = HandClock(datetime.fromisoformat(now) if now else default_clock())
        # The webhook's port is the same in every life; bound and not listening, it is kept from everybody else meanwhile.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        port = self._port.getsockname()[1]
        self.settings = Settings(
            _env_file=None, DATABASE_URL=url, DATA_DIR=folder, DEMO=False, WEB_CHAT=False, ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH,
            TELEGRAM_BOT_TOKEN=telegram.token, TELEGRAM_API_URL=telegram.base_url, HTTP_PORT=port if webhook else 0,
            PUBLIC_URL=f"http://127.0.0.1:{port}" if webhook else None,
        )  # fmt: skip
        self.people: dict[str, Somebody] = {}
        self.app: Application

    # -- the process ------------------------------------------------------------------------------------------
    async def start(self, limits: bool = False) -> None:
        """Begin a life of the process. Without `limits` it sends as fast as it can."""
        self.app = Application(self.settings, clock=self.clock)
        if not limits:
            free = replace(self.platform.capabilities, overall_per_second=0.0, chat_per_second=0.0, group_per_minute=0.0)
            for relay in self.app.relays.values():
                relay.limits.capabilities = free
        await self.app.alarms.take_as_done(self.clock.now())
        await self.app.start()
        await self.telegram.until(lambda: self.telegram.called("setWebhook" if self.telegram.webhook else "getUpdates"), SECONDS)

    async def stop(self) -> None:
        """End this life of the process in order."""
        await self.app.stop()

    async def restart(self) -> None:
        """End this life and begin the next."""
        await self.stop()
        await self.start()

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    @property
    def platform(self) -> TelegramPlatform:
        """The adapter."""
        (platform,) = self.app.platforms.values()
        assert isinstance(platform, TelegramPlatform)
        return platform

    # -- people and groups ------------------------------------------------------------------------------------
    def stranger(self, name: str = "王阿姨", language: str = "zh-hans") -> Somebody:
        """Somebody the community does not know."""
        return Somebody(self, self.telegram.user(name, language=language))

    async def person(self, code: str) -> Somebody:
        """Somebody of the community, who has opened the one-time link made for them."""
        if code not in self.people:
            async with self.app.database.transaction() as session:
                row = (await session.scalars(sa.select(Person).where(col(Person.code) == code))).one()
                name, token = row.display_name, await invite(session, row, self.clock.now())
            self.people[code] = made = self.stranger(name)
            (answer,) = await made.opens(f"link-{token}")
            assert answer.text.startswith(f"已绑定：{name}。现在可以用了。")
        return self.people[code]

    async def group(self, purpose: str, *, by: str = "ST02", topic: bool = False, basic: bool = False) -> tuple[Chat, int | None]:
        """A group (with `topic`, a topic of a forum) bound by somebody entitled; the chat and the topic."""
        chat = self.telegram.group(f"青禾里{purpose}", forum=topic, basic=basic)
        person = await self.person(by)
        self.telegram.adds_bot(person.user, chat)
        await self.settle()
        thread = self.telegram.topic(chat) if topic else None
        (answer,) = await person.says_in(chat, f"/bind@{self.telegram.username} {purpose}", topic=thread)
        assert answer.text == f"已绑定：{purpose}。"
        return chat, thread

    # -- what happened ----------------------------------------------------------------------------------------
    async def settle(self) -> None:
        """Wait until the bot has taken every update, no turn is left and nothing due is left to send."""
        await self.telegram.delivered(SECONDS)
        await until(self.quiet)

    async def quiet(self) -> bool:
        """Whether no turn waits and nothing due is unsent."""
        open_states, now = ("pending", "working", "sending"), self.clock.now()
        waiting = sa.select(sa.func.count()).where(col(InboxMessage.state).in_(open_states))
        due = sa.select(sa.func.count()).where(
            col(OutboxMessage.state).in_(open_states), col(OutboxMessage.platform) == "telegram", col(OutboxMessage.send_after) <= now
        )
        async with self.app.database.connection() as connection:
            return not (await connection.execute(waiting)).scalar() and not (await connection.execute(due)).scalar()

    async def rows(self, model: Any, *where: Any) -> list[Any]:
        """The stored rows, in order of id."""
        async with self.app.database.transaction() as session:
            return list(await session.scalars(sa.select(model).where(*where).order_by(model.id)))

    async def claim_button(self, number: str) -> str:
        """The data of the claim button of a task."""
        (task,) = await self.rows(Task, col(Task.short_no) == int(number))
        return Do.claim(task.id)

    async def at(self, moment: str) -> None:
        """Move the clock forward to a local moment; what falls due on the way happens."""
        target = datetime.fromisoformat(moment + ":00+08:00")
        while (due := await self.app.alarms.next_due(target)) is not None:
            self.clock.put(max(due, self.clock.now()))
            await self.app.alarms.tick()
            await self.settle()
        self.clock.put(target)
        for relay in self.app.relays.values():
            relay.wake.set()
        await self.settle()


@asynccontextmanager
async def telegram_world(
    url: str, folder: Path, *, webhook: bool = False, now: str | None = None, limits: bool = False, **options: Any
) -> AsyncIterator[TelegramWorld]:
    """The world on the prepared database at `url`. `limits`: both sides keep Telegram's limits. `options` are the fake server's."""
    async with FakeTelegram(sleep=soon, limits=limits, **options) as telegram:
        world = TelegramWorld(telegram, url, folder, webhook, now)
        try:
            await world.start(limits)
            try:
                yield world
            finally:
                await world.stop()
        finally:
            world.close()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared SQLite file to copy: loading the community takes longer than a conversation."""
    file = tmp_path_factory.mktemp("telegram") / "prepared.db"
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, prepare(f"sqlite+aiosqlite:///{file}")).result()
    return file


@pytest.fixture
def prepared_url(prepared: Path, tmp_path: Path) -> str:
    """The address of a copy of the prepared file."""
    shutil.copyfile(prepared, tmp_path / "world.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'world.db'}"


@pytest.fixture(params=["polling", pytest.param("webhook", marks=pytest.mark.slow)])
async def town(request: pytest.FixtureRequest, prepared_url: str, tmp_path: Path) -> AsyncIterator[TelegramWorld]:
    """The application, polling or called by webhook; at the end every press must have been answered."""
    async with telegram_world(prepared_url, tmp_path, webhook=request.param == "webhook") as made:
        yield made
        await made.settle()
        assert made.telegram.spinning() == set()
