"""The world of the conversation tests: the real application on a real database, a hand-moved clock, the memory platform.

`resident = world.person("R101")`; `await resident.says("…")` gives what was answered, and fails on no answer and on two.
"""

from __future__ import annotations

import copy
import itertools
import json
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from bot.main import Application
from bot.platforms.memory import MemoryPlatform, Shown
from bot.settings import Settings
from demo.loader import default_clock, load
from models import Chat, ChatAccount, LocalMessage, Occurrence, Person, keyring
from models.database import migrate
from scheduler.clock import Alarms
from scheduler.jobs import JOBS
from services import due_alarms
from services.clock import HandClock
from services.workdays import local
from texts.render import Rendered, RenderedButton

KEYS = "t:" + "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="
HASH = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="


class Answer:
    """What came back: the new messages and edits in the chat, and toasts."""

    def __init__(self, shown: list[Shown], toasts: list[str]) -> None:
        self.shown, self.toasts = shown, toasts

    @property
    def text(self) -> str:
        return "\n".join([*(one.message.text for one in self.shown), *self.toasts])

    @property
    def buttons(self) -> list[str]:
        return [button.label for one in self.shown for row in one.message.buttons for button in row]

    def shows(self, *words: str) -> bool:
        missing = [word for word in words if word not in self.text]
        assert not missing, f"{missing} not in: {self.text!r}"
        return True

    def __contains__(self, word: str) -> bool:
        return word in self.text

    def __repr__(self) -> str:
        return f"Answer({self.text!r}, buttons={self.buttons})"


class Somebody:
    """A person of the world, writing through the memory platform."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.private = f"private:{name}"

    @property
    def messages(self) -> list[Shown]:
        return [shown for shown in self.world.platform.messages if shown.chat == self.private]

    @property
    def last(self) -> Shown:
        return self.messages[-1]

    async def says(self, text: str, *, chat: str = "", reply_to: str = "", silent: bool = False, many: bool = False) -> Answer:
        return await self.does("text", chat, silent=silent, many=many, text=text, reply_to=reply_to)

    async def sends_location(self, lat: float, lon: float, *, chat: str = "", **fields: Any) -> Answer:
        return await self.does("location", chat, lat=lat, lon=lon, **fields)

    async def sends_photo(self, data: bytes, *, silent: bool = False, **fields: Any) -> Answer:
        self.world.platform.files[name := f"f{next(self.world.numbers)}"] = data
        return await self.does("photo", "", file=name, silent=silent, **fields)

    async def sends_voice(self, data: bytes) -> Answer:
        self.world.platform.files[name := f"f{next(self.world.numbers)}"] = data
        return await self.does("voice", "", file=name)

    async def sends_file(self, data: bytes, name: str, *, chat: str = "", silent: bool = False, **fields: Any) -> Answer:
        self.world.platform.files[file := f"f{next(self.world.numbers)}"] = data
        return await self.does("document", chat, file=file, file_name=name, size=len(data), silent=silent, **fields)

    async def presses(self, label: str, *, chat: str = "", message: Shown | None = None, silent: bool = False) -> Answer:
        address = chat or self.private
        if message is None:
            found = [m for m in self.world.platform.messages if m.chat == address and label in _labels(m.message)]
            assert found, f"no message in {address} has a button {label!r}: {[_labels(m.message) for m in self.messages[-3:]]}"
            message = found[-1]
        action = next(b.action for row in message.message.buttons for b in row if b.label == label)
        return await self.presses_action(action, chat=address, message=message.id, silent=silent)

    async def presses_action(self, action: str, *, chat: str = "", message: str = "", silent: bool = False) -> Answer:
        number = next(self.world.numbers)
        return await self.does("press", chat, silent=silent, many=True, action=action, message_id=message, press_id=f"p{number}")

    async def does(self, kind: str, chat: str, *, silent: bool = False, many: bool = False, **fields: Any) -> Answer:
        """Let it happen and wait until all it caused is delivered; the answer in this chat."""
        world, address = self.world, chat or self.private
        before = {shown.id: (shown.edits, shown.message) for shown in world.platform.messages}
        toasts = len(world.platform.toasts)
        event = f"e{next(world.numbers)}"
        fields.setdefault("message_id", f"u{next(world.numbers)}")
        arrival = world.platform.arrival(event, kind, self.name, address, **fields)
        await world.settle(await world.app.inbox.receive(world.platform.name, "main", arrival))
        shown = [m for m in world.platform.messages if m.chat == address and before.get(m.id) != (m.edits, m.message)]
        fresh = [m for m in shown if m.id not in before]
        answer = Answer(shown, [text for where, _, text in world.platform.toasts[toasts:] if where == address and text])
        if silent:
            assert not fresh and not answer.toasts, f"an answer where none should be: {answer}"
        elif not many:
            assert len(fresh) + len(answer.toasts) == 1 or (len(shown) == 1), f"{len(fresh)} answers to {kind} {fields}: {answer}"
        return answer


class World:
    """One community, one application."""

    def __init__(self, app: Application, platform: MemoryPlatform, clock: HandClock) -> None:
        self.app, self.platform, self.clock = app, platform, clock
        self.numbers = itertools.count(1)
        self.standing = list(platform.messages)

    def person(self, name: str) -> Somebody:
        """Somebody of the demo community by code, or a stranger by any other name."""
        return Somebody(self, name)

    async def settle(self, number: int) -> None:
        await self.app.settle(number)
        await self.app.drain()

    async def at(self, moment: str) -> None:
        """Move the clock forward to a local moment such as 2026-11-23T10:05; what falls due on the way happens."""
        target = datetime.fromisoformat(moment + ":00+08:00")
        assert target >= self.clock.now(), f"the clock is already at {local(self.clock.now())}"
        while (due := await self.app.alarms.next_due(target)) is not None:
            self.clock.put(max(due, self.clock.now()))
            await self.app.alarms.tick()
            await self.app.drain()
        self.clock.put(target)
        await self.app.drain()

    async def rows(self, model: Any, *where: Any) -> list[Any]:
        """The stored rows, in order of id, which is roughly that of their making."""
        async with self.app.database.transaction() as session:
            return list(await session.scalars(sa.select(model).where(*where).order_by(*sa.inspect(model).primary_key)))

    def messages(self, chat: str) -> list[Shown]:
        return [shown for shown in self.platform.messages if shown.chat == chat]

    def pushes(self, name: str) -> list[str]:
        """What was sent to a person in private since the world began."""
        return [shown.message.text for shown in self.messages(f"private:{name}") if shown not in self.standing]


def _labels(message: Rendered) -> list[str]:
    return [button.label for row in message.buttons for button in row]


@asynccontextmanager
async def made_world(url: str, folder: Path, platform: str = "memory", now: str | None = None, digests: bool = False):
    """A world on the database at `url`: the demo community, whose people speak through `platform`.

    Without `digests` the mornings are quiet and the demo's own deadlines pass unsaid, so that what is pushed is what a test caused.
    """
    settings = Settings(_env_file=None, DATABASE_URL=url, DATA_DIR=folder, DEMO=False, ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH)
    clock = HandClock(datetime.fromisoformat(now) if now else default_clock())
    memory = MemoryPlatform(name=platform)
    app = Application(settings, [memory], clock)
    if not digests:
        app.alarms = Alarms(app.database, clock, app.alarms.on_posted, {name: job for name, job in JOBS.items() if "digest" not in name})
    await _fill(app, memory, platform, digests)
    await app.alarms.take_as_done(clock.now())
    await app.start(serve=False)
    world = World(app, memory, clock)
    try:
        yield world
    finally:
        await app.stop()


# What an SQLite file holds once the demo is loaded for a platform at a moment, or in which schema of its database PostgreSQL keeps it; and the
# cards that stand then: loading takes longer than a test.
_LOADED: dict[tuple[str, str, datetime, bool], tuple[bytes | str, list[Shown]]] = {}
_KEEP = """
do $$ declare name text; found bool; begin
  create schema {kept};
  for name in select quote_ident(tablename) from pg_tables where schemaname = 'public' and tablename <> 'alembic_version' loop
    execute 'select exists (select from public.' || name || ')' into found;
    if found then execute 'create table {kept}.' || name || ' as table public.' || name; end if;
  end loop;
  execute 'create table {kept}.numbers as select schemaname, sequencename, last_value from pg_sequences where schemaname = ''public''';
end $$
"""
_PUT_BACK = """
do $$ declare name text; begin
  set local session_replication_role = replica;
  for name in select quote_ident(tablename) from pg_tables where schemaname = '{kept}' and tablename <> 'numbers' loop
    execute 'insert into public.' || name || ' select * from {kept}.' || name;
  end loop;
  perform setval(format('public.%I', sequencename)::regclass, last_value) from {kept}.numbers where last_value is not null;
end $$
"""


async def _fill(app: Application, memory: MemoryPlatform, platform: str, digests: bool) -> None:
    """Load the demo community, or put in place what was loaded before."""
    now, url = app.clock.now(), make_url(app.database.url)
    file = Path(url.database) if app.database.sqlite else None
    key = ("" if file else app.database.url, platform, now, digests)
    if key in _LOADED:
        stored, cards = _LOADED[key]
        if file is not None:
            file.write_bytes(stored)
        else:
            await _execute(url, _PUT_BACK.format(kept=stored))
        memory.messages += copy.deepcopy(cards)
        return
    await migrate(app.database.url)
    async with app.database.transaction() as session:
        await load(session, now)
        if not digests:
            await session.execute(sa.delete(Occurrence).where(Occurrence.job.in_(due_alarms.JOBS)))
        await _rename(session, platform)
        await _show_cards(session, memory)
    if file is not None:
        await app.database.close()  # SQLite moves its write-ahead log into the file
        stored = file.read_bytes()
    else:
        stored = f"kept_{len(_LOADED)}"
        await _execute(url, _KEEP.format(kept=stored))
    _LOADED[key] = stored, copy.deepcopy(memory.messages)


async def _execute(url: URL, statement: str) -> None:
    """Say something to the PostgreSQL database at `url`, on a connection of its own."""
    connection = await asyncpg.connect(host=url.query["host"], port=5432, user=url.username, database=url.database)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _rename(session: Any, platform: str) -> None:
    """The demo's people and groups are on the web chat; here they are on the platform under test."""
    for chat in await session.scalars(sa.select(Chat)):
        chat.platform, chat.key_hash = platform, keyring.hash("chat", platform, "main", chat.address)
    for account in await session.scalars(sa.select(ChatAccount)):
        account.platform, account.user_hash = platform, keyring.hash("user", platform, "main", account.user_address)
    await session.execute(sa.text("UPDATE outbox SET platform = :platform"), {"platform": platform})


async def _show_cards(session: Any, memory: MemoryPlatform) -> None:
    """The cards that stand in the demo's groups stand in the memory platform too."""
    private = {
        keyring.hash("local", chat.address): chat.address for chat in await session.scalars(sa.select(Chat)) if chat.kind == "private"
    }
    for row in await session.scalars(sa.select(LocalMessage)):
        buttons = tuple(
            tuple(RenderedButton(b["label"], b.get("action", ""), b.get("url", "").rpartition("=")[2]) for b in line)
            for line in row.body["buttons"]
        )
        memory.messages.append(Shown(f"m{row.id}", private.get(row.chat, row.chat), Rendered(row.body["text"], buttons)))


__all__ = ["Answer", "Person", "Somebody", "World", "json", "made_world"]
