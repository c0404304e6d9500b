"""The web chat for real people: whoever is there is known by a device cookie (docs/webchat.md, second half)."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.platforms.base import Receive
from bot.platforms.local import LocalPlatform
from bot.platforms.local_frames import FILES, BadFrame
from bot.platforms.web_signals import Signals
from models import ChatAccount, LocalMessage, Person, keyring
from models.database import Database
from services import abuse, building_doors, understanding, web_history
from services.clock import Clock
from services.context import ground
from services.personas import Persona, chats_of
from services.workdays import local
from texts.render import text

DAYS = 400
MOST_SHOWN = 300
MOST_SOCKETS = 8
VISITOR_CHATS = ("private", "public")


class WebPlatform(LocalPlatform):
    """The web chat for real people. `public_url` is the address their browsers know; `proxies` whose X-Forwarded-For is believed."""

    name = "web"
    media = "/chat/media/"
    most_shown = MOST_SHOWN

    def __init__(
        self, database: Database, clock: Clock, settle: Callable[[int], Awaitable[None]], *,
        public_url: str | None = None, proxies: Sequence[str] = (), limits: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(database, clock, settle)
        self.public_url = public_url or ""
        self.guard = abuse.Guard(limits)
        self.signals = Signals(database, self._heard, self._missed)
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._ground = 0

    # -- the device -------------------------------------------------------------------------------------------
    @property
    def origin(self) -> str:
        """The site that people's browsers know, as they name it in Origin."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def secure(self) -> bool:
        """Whether people come over https."""
        return self.public_url.startswith("https:")

    @property
    def cookie(self) -> str:
        """The cookie's name; with __Host- no other host can set it."""
        return "__Host-linshao" if self.secure else "linshao"

    def device(self, request: web.Request) -> str:
        """The platform's user id of whoever asks: a keyed hash of the cookie's 256 random bits; "" without a cookie that we gave."""
        value = request.cookies.get(self.cookie, "")
        token, _, seal = value.partition(".")
        if len(token) != 43 or not hmac.compare_digest(seal.encode(), _seal(token).encode()):
            return ""
        return keyring.hash("device", token)

    def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give whoever asks a cookie, or the one there is for another 400 days."""
        value = request.cookies.get(self.cookie, "") if self.device(request) else ""
        if not value:
            token = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            value = f"{token}.{_seal(token)}"
        response.set_cookie(
            self.cookie, value, max_age=DAYS * 86400, path="/", httponly=True, secure=self.secure, samesite="Lax"
        )  # fmt: skip

    def may_enter(self, request: web.Request, word: str = "") -> bool:
        """Whether a browser without a cookie gets one now: so many an hour from one address, and through one door."""
        if self.device(request):
            return True
        now, address = self.clock.now(), self.address(request)
        here = not address or self.guard.take("address_devices_an_hour", address, now)
        return here and (not word or self.guard.take("door_devices_an_hour", word, now))

    def address(self, request: web.Request) -> str:
        """The address in the network that a request comes from; "" where only a proxy that is not set up is seen."""
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        told = [part.strip() for value in request.headers.getall("X-Forwarded-For", ()) for part in value.split(",")]
        while told and self._believed(address):
            address = told.pop()
        return "" if not _valid(address) or ipaddress.ip_address(address).is_loopback else address

    def _believed(self, address: str) -> bool:
        return not address or (_valid(address) and any(ipaddress.ip_address(address) in proxy for proxy in self._proxies))

    # -- who is there, and what they see ----------------------------------------------------------------------
    async def start(self, receive: Receive) -> None:
        """Take frames from now on."""
        await super().start(receive)
        abuse.watch(self.name, self.guard)
        building_doors.opened.address = self.public_url
        self.signals.start()

    async def stop(self) -> None:
        """Close every socket."""
        abuse.watch(self.name, None)
        building_doors.opened.address = ""
        await self.signals.stop()
        await super().stop()

    async def refresh(self) -> None:
        """Make the community's groups where they are not there yet."""
        with suppress(LookupError, sa.exc.IntegrityError):  # there is no community yet; another process makes them at this moment
            async with self.database.transaction() as session:
                land = await ground(session)
                if land.version != self._ground:
                    await building_doors.open_groups(session, self.name, self.bot, land)
                    self._ground = land.version

    async def here(self, request: web.Request) -> Persona:
        """The device that asks, with its person's chats."""
        device = self.device(request)
        if not device:
            raise web.HTTPUnauthorized(text="no device cookie")
        sockets = self._sockets.get(device, set())
        while len(sockets) >= MOST_SOCKETS:
            await sockets.pop().close(code=1008)
        language = "en" if request.query.get("language") == "en" else ""
        return await self.anew(Persona(device, "", [], [], language))

    async def anew(self, persona: Persona) -> Persona:
        """The same device with the chats that its person may see at this very moment."""
        return Persona(persona.id, "", [], (await self._chats({persona.id}))[persona.id], persona.language)

    async def titles(self, persona: Persona) -> list[dict[str, Any]]:
        """The chats a device sees, with their titles."""
        await self.refresh()
        return await super().titles(persona)

    async def speaker(self, persona: Persona) -> str:
        """The id under which others see what this device says."""
        return (await self.speakers({persona.id}))[persona.id][0]

    async def viewers(self, address: str) -> list[str]:
        """Those with an open socket here whose person may see the chat at this moment."""
        if address.startswith("private:"):
            return [device for device in (address.removeprefix("private:"),) if device in self._sockets]
        return [device for device, chats in (await self._chats(set(self._sockets))).items() if address in chats]

    async def speakers(self, senders: set[str]) -> dict[str, tuple[str, str]]:
        """The persons behind devices, under a name that leads nowhere, with their display names."""
        people = await self._people(senders)
        named = {}
        for sender in senders:
            person = people.get(sender)
            named[sender] = (keyring.hash("speaker", person.id if person else sender)[:12], person.display_name if person else "")
        return named

    async def _chats(self, devices: set[str]) -> dict[str, list[str]]:
        people, visitor = await self._people(devices), list(VISITOR_CHATS)
        async with self.database.transaction() as session:
            seen = await chats_of(session, {person.id for person in people.values()}, self.clock.now())
        return {device: seen.get(people[device].id, visitor) if device in people else visitor for device in devices}

    async def _people(self, devices: set[str]) -> dict[str, Person]:
        hashes = {keyring.hash("user", self.name, self.bot, device): device for device in devices}
        here = ChatAccount.platform == self.name, ChatAccount.bot == self.bot, ChatAccount.user_hash.in_(list(hashes))  # type: ignore[attr-defined]
        async with self.database.transaction() as session:
            found = await session.execute(
                sa.select(ChatAccount.user_hash, Person).join(Person, Person.id == ChatAccount.person_id).where(*here)  # type: ignore[call-overload]
            )
            return {hashes[hashed]: person for hashed, person in found}

    # -- what comes in ----------------------------------------------------------------------------------------
    def admit(self, persona: Persona, frame: Mapping[str, Any]) -> None:
        """Let the frame in. Raises BadFrame for a device that sends too much; words of danger always come in."""
        said = frame.get("text", frame.get("caption", ""))
        if isinstance(said, str) and said and understanding.understand(said[:500]).urgent:
            return
        now = self.clock.now()
        if not self.guard.take("messages_a_minute", persona.id, now):
            raise BadFrame(text("door.too_fast", {}, "en" if persona.language == "en" else "zh_CN"))
        if frame["type"] in FILES and not self.guard.take("files_an_hour", persona.id, now):
            raise BadFrame(text("door.too_many_files", {}, "en" if persona.language == "en" else "zh_CN"))

    async def media_of(self, persona: Persona, message: str, sha256: str) -> bool:
        """Whether the message shows this file, and stands in a chat that the device's person may see now."""
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, web_history.message_number(message))
        if row is None or f"{self.media}{sha256}" not in _addresses(row.body):
            return False
        seen = await self.anew(persona)
        return row.chat in {self.chat_key(self._address(seen, chat)) for chat in seen.chats}

    # -- how chats and messages are known ---------------------------------------------------------------------
    def chat_key(self, address: str) -> str:
        """The name under which the history keeps a chat."""
        return web_history.chat_key(address)

    def message_name(self, number: int) -> str:
        """What the message with this row number is called outside."""
        return web_history.message_name(number)

    def message_number(self, name: str) -> int:
        """The row number of a message; 0 for a name that is none."""
        return web_history.message_number(name)

    def dated(self, address: str, body: dict[str, Any]) -> LocalMessage:
        """A new row; of a private chat the column tells the day alone: to the second it would tell which problem was reported in it."""
        now = local(self.clock.now())
        if not address.startswith("private:"):
            return LocalMessage(chat=self.chat_key(address), body=body, at=now)
        body = {**body, "_at": now.isoformat(timespec="seconds")}
        return LocalMessage(chat=self.chat_key(address), body=body, at=now.replace(hour=0, minute=0, second=0, microsecond=0))

    async def _keep(self, address: str, sender: str | None, body: dict[str, Any], key: str | None) -> tuple[int, bool]:
        return await super()._keep(address, sender, body, keyring.hash("kept", key) if key else None)

    def _as_frame(self, row: LocalMessage, chat: str, speakers: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
        """The frame, whose files are addressed by the message that shows them."""
        frame = super()._as_frame(row, chat, speakers)
        for name in ("photo", "voice"):
            if name in frame:
                frame[name] = f"{frame[name]}?message={frame['message']}"
        if "photos" in frame:
            frame["photos"] = [f"{url}?message={frame['message']}" for url in frame["photos"]]
        if "document" in frame:
            frame["document"] = frame["document"] | {"url": f"{frame['document']['url']}?message={frame['message']}"}
        return frame

    # -- several processes ------------------------------------------------------------------------------------
    async def announced(self, session: AsyncSession, address: str, number: int, kind: str) -> None:
        """Tell the processes that hold other sockets, with the commit."""
        await self.signals.tell(session, address=address, number=number, kind=kind)

    async def toast(self, chat: str, press_id: str, text: str, start: str = "") -> None:
        """The short answer, on the sockets of the one who pressed, whichever process holds them."""
        await super().toast(chat, press_id, text, start)
        if text and not self.database.sqlite:
            async with self.database.transaction() as session:
                await self.signals.tell(session, kind="toast", address=press_id, text=text)

    async def _heard(self, words: dict[str, Any]) -> None:
        if words["kind"] == "toast":
            await super().toast("", words["address"], words["text"])
        elif await self.viewers(words["address"]):
            await self._show(words["address"], {"type": words["kind"], **await self._frame(words["number"], words["address"])})

    async def _missed(self) -> None:
        """Let every page connect anew: it reads the history then."""
        for sockets in list(self._sockets.values()):
            for socket in list(sockets):
                await socket.close(code=1012)


def _seal(token: str) -> str:
    return keyring.hash("device cookie", token)


def _addresses(body: Mapping[str, Any]) -> set[str]:
    return {body.get("photo", ""), body.get("voice", ""), *body.get("photos", ()), body.get("document", {}).get("url", "")}


def _valid(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
