"""The web chat for real people in tests: the whole service outside demo mode on a community from a file, and browsers with cookies."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa
from world import HASH, KEYS
from yarl import URL

from bot.main import Application
from bot.settings import Settings
from demo.people import Cast
from models import ChatAccount, Person, Place, keyring
from models.database import Database, migrate
from services import building_doors
from services.clock import HandClock

NOW = datetime.fromisoformat("2026-11-23T10:00:00+08:00")
PROXY = "127.0.0.1"
WAIT = 30
_numbers = itertools.count(1)


def settings_for(url: str, folder: Path, **changes: Any) -> Settings:
    values = {
        "DATABASE_URL": url, "DATA_DIR": folder, "HTTP_PORT": 0, "DEMO": False, "WEB_CHAT": True, "ENCRYPTION_KEYS": KEYS, "HASH_KEY": HASH,
        "TRUSTED_PROXIES": PROXY,
    }  # fmt: skip
    return Settings(_env_file=None, **(values | changes))


async def fill(url: str, folder: Path) -> None:
    """A community of its own in an empty database: people with codes, none with an account, no chats."""
    settings = settings_for(url, folder)
    keyring.use(settings.encryption_keys, settings.hash_key)
    await migrate(url)
    database = Database(url)
    async with database.transaction() as session:
        for row in Cast(NOW, on_web_chat=False).rows:
            session.add(row)
            await session.flush()
        await building_doors.doors(session)
    await database.close()


class Browser:
    """One device with its cookies."""

    def __init__(self, site: Site, address: str = "") -> None:
        self.site = site
        self.http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"X-Forwarded-For": address} if address else {}
        )  # fmt: skip
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.frames: list[dict[str, Any]] = []

    @property
    def cookie(self) -> str:
        return next((cookie.value for cookie in self.http.cookie_jar), "")

    def take(self, value: str) -> None:
        """Bear this cookie from now on."""
        self.http.cookie_jar.clear()
        self.http.cookie_jar.update_cookies({"linshao": value}, URL(self.site.url("/")))

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.http.get(self.site.url(path), allow_redirects=False) as answer:
            assert answer.status == status, (path, answer.status, await answer.text())
            return await answer.json() if answer.content_type == "application/json" else await answer.text()

    async def opens(self, path: str = "/") -> Browser:
        """Open the page (following the door), and the socket with what the address brought."""
        async with self.http.get(self.site.url(path)) as answer:
            assert answer.status == 200, await answer.text()
            brought = answer.url.query.get("start", "")
        await self.connects()
        if brought:
            await self.does(type="start", payload=brought)
        return self

    async def connects(self, **headers: str) -> Browser:
        headers = {"Origin": self.site.url("")} | headers
        self.socket = await self.http.ws_connect(self.site.url("/chat/ws"), headers=headers)
        return self

    async def read(self) -> dict[str, Any]:
        assert self.socket is not None
        frame = json.loads((await self.socket.receive(timeout=WAIT)).data)
        self.frames.append(frame)
        return frame

    async def does(self, **frame: Any) -> list[dict[str, Any]]:
        """Send a frame and wait for its done: what came on the way."""
        frame = {"id": f"c{next(_numbers)}", "chat": "private", **frame}
        assert self.socket is not None
        await self.socket.send_json(frame)
        found: list[dict[str, Any]] = []
        while not found or (found[-1]["type"], found[-1].get("id")) not in (("done", frame["id"]), ("error", frame["id"])):
            found.append(await self.read())
        return [part for part in found if part["type"] in ("message", "edit", "toast", "error")]

    async def says(self, text: str, chat: str = "private") -> str:
        return "\n".join(part.get("text", "") for part in await self.does(type="text", text=text, chat=chat))

    async def presses(self, label: str, chat: str = "private") -> str:
        shown = [entry for entry in await self.history(chat) if any(b["label"] == label for row in entry.get("buttons", ()) for b in row)]
        assert shown, (label, await self.history(chat))
        return "\n".join(
            part.get("text", "") for part in await self.does(type="press", chat=chat, message=shown[-1]["message"], button=label)
        )

    async def history(self, chat: str = "private", status: int = 200) -> Any:
        return await self.get(f"/chat/history?chat={chat}", status)

    async def chats(self) -> list[str]:
        return [chat["key"] for chat in await self.get("/chat/chats")]

    async def close(self) -> None:
        if self.socket is not None:
            await self.socket.close()
        await self.http.close()


class Site:
    """A running service."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.browsers: list[Browser] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.app.port}{path}"

    def browser(self, address: str = "") -> Browser:
        self.browsers.append(Browser(self, address))
        return self.browsers[-1]

    async def rows(self, model: Any, *where: Any) -> list[Any]:
        async with self.app.database.transaction() as session:
            return list(await session.scalars(sa.select(model).where(*where).order_by(*sa.inspect(model).primary_key)))

    async def door(self, name: str = "青禾苑3幢") -> str:
        return next(place.door for place in await self.rows(Place) if place.name == name)

    async def bind(self, browser: Browser, code: str) -> None:
        """The browser's device is this person's from now on, as an invitation makes it."""
        device = device_of(browser.cookie)
        hashed = keyring.hash("user", "web", "main", device)
        async with self.app.database.transaction() as session:
            person = (await session.scalars(sa.select(Person).where(Person.code == code))).one()
            account = (await session.scalars(sa.select(ChatAccount).where(ChatAccount.user_hash == hashed))).one()
            account.person_id = person.id

    def later(self, **span: float) -> None:
        """Let the time go on."""
        clock = self.app.clock
        assert isinstance(clock, HandClock)
        clock.put(clock.now() + timedelta(**span))


def device_of(cookie: str) -> str:
    return keyring.hash("device", cookie.partition(".")[0])


@asynccontextmanager
async def running(url: str, folder: Path, **changes: Any) -> AsyncIterator[Site]:
    """The service on a filled database, until the block ends."""
    app = Application(settings_for(url, folder, **changes), clock=HandClock(NOW))
    await app.start()
    site = Site(app)
    try:
        yield site
    finally:
        for browser in site.browsers:
            await browser.close()
        await app.stop()
