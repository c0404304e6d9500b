"""The web chat, a messaging platform of our own: history in the database, people on WebSockets (its protocol is in docs/webchat.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from aiohttp import WSMsgType, web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.events import ChatRef, Document, Event, FileRef, Location, Photo, Press, Scan, Sender, Sticker, Text, Voice
from bot.platforms import local_frames as frames
from bot.platforms.base import CAPABILITIES, Arrival, Media, Receive, Refused, StorageDown
from bot.platforms.local_frames import MOST_BYTES, MOST_TEXT, BadFrame
from models import Chat, LocalMessage, keyring
from models.database import STORAGE_ERRORS, Database
from services import masking
from services.clock import Clock
from services.media import store
from services.personas import Persona, personas
from services.workdays import local
from texts.render import Capabilities, Rendered

READ_ONLY = ("public",)
WORDLESS = ("press", "start")

log = structlog.get_logger("local")
TABLE: sa.Table = LocalMessage.__table__  # type: ignore[attr-defined]


class LocalPlatform:
    """The web chat of demo mode. `settle(inbox_id)` waits until a turn is over and all it sent is delivered.

    What real people need instead (bot.platforms.web_chat) overrides the methods from `here` to `announced`: who is there, which chats
    they see, by which names chats and messages are known, and who else must hear of a change.
    """

    name = "local"
    bot = "main"
    media = "/demo/media/"
    public_url = ""
    most_shown: int | None = None
    sends_once = True  # `send` keeps a message once per key

    def __init__(self, database: Database, clock: Clock, settle: Callable[[int], Awaitable[None]]) -> None:
        self.database, self.clock, self.settle = database, clock, settle
        self.people: dict[str, Persona] = {}
        self._sockets: dict[str, set[web.WebSocketResponse]] = {}
        self._receive_one: Callable[[Arrival], Awaitable[int]] | None = None
        self._turns: set[asyncio.Task[None]] = set()

    def door(self, payload: str) -> str:
        """The address that opens the chat and says /start PAYLOAD; "" where no address is known."""
        return f"{self.public_url}/?start={payload}" if self.public_url else ""

    @property
    def capabilities(self) -> Capabilities:
        """What the web chat can do."""
        return CAPABILITIES[self.name]

    # -- people and chats -------------------------------------------------------------------------------------
    async def refresh(self) -> None:
        """Read anew who there is and which chats they see."""
        async with self.database.transaction() as session:
            self.people = {persona.id: persona for persona in await personas(session)}

    async def persona(self, name: str) -> Persona | None:
        """The persona of this id; `new:NAME` is a visitor; None when nobody is called so."""
        if name.startswith("new:") and 4 < len(name) <= 60:
            return Persona(name, name[4:], [], ["private", "public"])
        if name not in self.people:
            await self.refresh()
        return self.people.get(name)

    async def titles(self, persona: Persona) -> list[dict[str, Any]]:
        """The chats a persona sees, with their titles."""
        async with self.database.transaction() as session:
            rows = await session.scalars(sa.select(Chat).where(Chat.platform == self.name, Chat.kind != "private"))  # type: ignore[arg-type]
            titles = {row.address: row.title for row in rows}
        return [{"key": key, "title": titles.get(key, "邻哨"), "read_only": key in READ_ONLY} for key in persona.chats]

    # -- what differs where real people come ------------------------------------------------------------------
    async def here(self, request: web.Request) -> Persona:
        """Who asks. Raises an HTTP error for nobody."""
        persona = await self.persona(request.query.get("persona", ""))
        if persona is None:
            raise web.HTTPNotFound(text="unknown persona")
        return persona

    async def anew(self, persona: Persona) -> Persona:
        """The same persona with the chats of this very moment."""
        return persona

    async def viewers(self, address: str) -> list[str]:
        """Those with an open socket who may see the chat now."""
        if address.startswith("private:"):
            return [address.removeprefix("private:")]
        return [
            name for name in self._sockets
            if ((persona := self.people.get(name)) and address in persona.chats) or (name.startswith("new:") and address == "public")
        ]  # fmt: skip

    async def speakers(self, senders: set[str]) -> dict[str, tuple[str, str]]:
        """The senders of messages as others know them: (id, name)."""
        known = {sender: self.people.get(sender) for sender in senders}
        return {sender: (sender, persona.name if persona else sender.removeprefix("new:")) for sender, persona in known.items()}

    def admit(self, persona: Persona, frame: Mapping[str, Any]) -> None:
        """Let the frame in. Raises BadFrame for who sends too much."""

    def chat_key(self, address: str) -> str:
        """The name under which the history keeps a chat."""
        return keyring.hash("local", address) if address.startswith("private:") else address

    def message_name(self, number: int) -> str:
        """What the message with this row number is called outside."""
        return f"m{number}"

    def message_number(self, name: str) -> int:
        """The row number of a message; 0 for a name that is none."""
        return int(name[1:]) if name[:1] == "m" and name[1:].isdecimal() and len(name) < 18 else 0

    def dated(self, address: str, body: dict[str, Any]) -> LocalMessage:
        """A new row of the chat's history, at this moment."""
        return LocalMessage(chat=self.chat_key(address), body=body, at=self.clock.now())

    async def announced(self, session: AsyncSession, address: str, number: int, kind: str) -> None:
        """Let those hear of a change who hear of it nowhere else; in the transaction that makes it."""

    # -- the contract: in -------------------------------------------------------------------------------------
    async def start(self, receive: Receive) -> None:
        """Take frames from now on; `receive` gives back the inbox row's id."""
        self._receive_one = receive  # type: ignore[assignment]
        await self.refresh()

    async def stop(self) -> None:
        """Close every socket."""
        for sockets in list(self._sockets.values()):
            for socket in list(sockets):
                await socket.close(code=1001)
        for task in list(self._turns):
            task.cancel()

    def parse(self, raw: Any) -> Event | None:
        """The event in a stored frame."""
        who, address = raw["persona"], raw["address"]
        sender = Sender(who, raw.get("name", ""), raw.get("language", ""))
        chat = ChatRef(address, "private" if address.startswith("private:") else "group", raw.get("title", ""))
        base: dict[str, Any] = {"sender": sender, "chat": chat, "message_id": raw.get("message", ""), "reply_to": raw.get("reply_to", "")}
        match raw["type"]:
            case "text":
                said = raw["text"].strip()
                if said == "/start" or said.startswith("/start "):
                    return Scan(**base, payload=said.removeprefix("/start").strip())
                return Text(**base, text=raw["text"])
            case "press":
                return Press(**base, action=raw["action"], press_id=f"{who}|{raw['id']}")
            case "start":
                return Scan(**base, payload=raw["payload"])
            case "location":
                return Location(**base, lat=raw["lat"], lon=raw["lon"], accuracy=raw["accuracy"], forwarded=raw["forwarded"])
            case "photo":
                return Photo(**base, file=FileRef(raw["file"]), caption=raw["caption"], album=raw["album"])
            case "voice":
                return Voice(**base, file=FileRef(raw["file"]))
            case "file":
                return Document(**base, file=FileRef(raw["file"], size=raw["size"]), name=raw["name"], caption=raw["caption"])
            case "sticker":
                return Sticker(**base)
        return None

    async def fetch(self, file: FileRef) -> bytes:
        """The stored bytes of a photo or a recording."""
        try:
            return await asyncio.to_thread(store.read, file.id)
        except FileNotFoundError as error:
            raise Refused("the file is gone") from error

    # -- the contract: out ------------------------------------------------------------------------------------
    async def send(self, chat: str, message: Rendered, *, media: tuple[Media, ...] = (), key: str = "") -> str:
        """Keep the message in the chat's history (once per `key`) and show it on every open socket that may see it."""
        body = frames.body(message)
        for file in media:
            sha256 = await asyncio.to_thread(store.write, file.data)
            url = f"{self.media}{sha256}"
            if file.mime.startswith("image/"):
                body.setdefault("photo", url)
                body.setdefault("photos", []).append(url)
            else:
                body["document"] = {"name": file.name, "url": url, "mime": file.mime}
        number, _ = await self._keep(chat, None, body, key or None)
        await self._show(chat, {"type": "message", **await self._frame(number, chat)})
        return self.message_name(number)

    async def edit(self, chat: str, message_id: str, message: Rendered) -> None:
        """Change a message in the history and on the screens."""
        number = self.message_number(message_id)
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, number)
            if row is None:
                return
            body = {**row.body, **frames.body(message)}
            body["_menu"] = {**row.body.get("_menu", {}), **body["_menu"]}
            row.body = body
            await self.announced(session, chat, number, "edit")
        await self._show(chat, {"type": "edit", **await self._frame(number, chat)})

    async def clear(self, chat: str, message_id: str) -> None:
        """Take the buttons off a message."""
        number = self.message_number(message_id)
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, number)
            if row is None or not row.body.get("buttons"):
                return
            row.body = {**row.body, "buttons": []}
            await self.announced(session, chat, number, "edit")
        await self._show(chat, {"type": "edit", **await self._frame(number, chat)})

    async def toast(self, chat: str, press_id: str, text: str, start: str = "") -> None:
        """The short answer, on the sockets of the one who pressed. Every private chat is open here already: `start` opens nothing."""
        if text:
            await self._push(press_id.rpartition("|")[0], {"type": "toast", "text": text})

    def rate_key(self, chat: str) -> tuple[str, bool]:
        """Every chat for itself."""
        return chat, False

    # -- history ----------------------------------------------------------------------------------------------
    async def history(self, persona: Persona, chat: str) -> list[dict[str, Any]]:
        """The messages of a chat, oldest first, as frames. Raises BadFrame for a chat the persona is not in."""
        address = self._address(persona, chat)
        async with self.database.transaction() as session:
            newest = sa.select(LocalMessage).where(TABLE.c.chat == self.chat_key(address)).order_by(TABLE.c.id.desc())
            rows = list(await session.scalars(newest.limit(self.most_shown)))[::-1]
        speakers = await self.speakers({row.sender for row in rows if row.sender is not None})
        return [self._as_frame(row, chat, speakers) for row in rows]

    async def newest(self, address: str) -> str:
        """The name of the chat's last message, "" where nothing was said."""
        async with self.database.transaction() as session:
            number = await session.scalar(sa.select(sa.func.max(TABLE.c.id)).where(TABLE.c.chat == self.chat_key(address)))
        return self.message_name(number) if number else ""

    async def _keep(self, address: str, sender: str | None, body: dict[str, Any], key: str | None) -> tuple[int, bool]:
        """Store a message, once per key: (its number, whether it is new)."""
        async with self.database.transaction() as session:
            if key is not None:
                known = await session.scalar(sa.select(TABLE.c.id).where(TABLE.c.key == key))
                if known is not None:
                    return int(known), False
            row = self.dated(address, body)
            row.key, row.sender = key, sender
            session.add(row)
            await session.flush()
            assert row.id is not None
            await self.announced(session, address, row.id, "message")
            return row.id, True

    async def _frame(self, number: int, address: str) -> dict[str, Any]:
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, number)
        assert row is not None
        speakers = await self.speakers({row.sender}) if row.sender is not None else {}
        return self._as_frame(row, "private" if address.startswith("private:") else address, speakers)

    def _as_frame(self, row: LocalMessage, chat: str, speakers: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
        assert row.id is not None
        at = local(row.at).isoformat(timespec="seconds")
        frame: dict[str, Any] = {"chat": chat, "message": self.message_name(row.id), "at": row.body.get("_at", at)}
        if row.sender is not None:
            frame["from"], frame["from_name"] = speakers[row.sender]
        return frame | {name: value for name, value in row.body.items() if not name.startswith("_")}

    # -- sockets ----------------------------------------------------------------------------------------------
    async def _show(self, address: str, frame: dict[str, Any], besides: web.WebSocketResponse | None = None) -> None:
        for viewer in await self.viewers(address):
            await self._push(viewer, frame, besides)

    async def _push(self, viewer: str, frame: dict[str, Any], besides: web.WebSocketResponse | None = None) -> None:
        for socket in list(self._sockets.get(viewer, ())):
            if socket is not besides:
                await _write(socket, frame)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket of whoever is `here`."""
        persona = await self.here(request)
        socket = web.WebSocketResponse(max_msg_size=MOST_BYTES, heartbeat=30)
        await socket.prepare(request)
        self._sockets.setdefault(persona.id, set()).add(socket)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT and (taken := await self._take(socket, persona, message.data)):
                    task = asyncio.create_task(self._finish(socket, *taken))
                    self._turns.add(task)
                    task.add_done_callback(self._turns.discard)
        finally:
            self._sockets[persona.id].discard(socket)
            if not self._sockets[persona.id]:
                del self._sockets[persona.id]
        return socket

    async def _take(self, socket: web.WebSocketResponse, persona: Persona, data: str) -> tuple[str, int] | None:
        """Store one frame and acknowledge it: (its id, the inbox row). One after another, so that a person's order is kept."""
        client_id: dict[str, str] = {}
        try:
            frame = frames.parsed(data)
            client_id = {"id": frame["id"]}
            frames.check(frame)
            self.admit(persona, frame)
            number = await self._receive(socket, persona, frame)
        except BadFrame as error:
            await _write(socket, {"type": "error", **client_id, "text": str(error)})
        except (StorageDown, *STORAGE_ERRORS):
            await _write(socket, {"type": "error", **client_id, "text": "暂时存不下来,请稍后再发一次 / not stored, please send it again"})
        except Exception:
            log.exception("local.frame_failed")
            await _write(socket, {"type": "error", **client_id, "text": "出错了,请再发一次 / something went wrong, please send it again"})
        else:
            await _write(socket, {"type": "ack", **client_id})
            return frame["id"], number
        return None

    async def _finish(self, socket: web.WebSocketResponse, client_id: str, number: int) -> None:
        """Say done when the turn is over and all it sent is delivered."""
        await self.settle(number)
        await _write(socket, {"type": "done", "id": client_id})

    async def _receive(self, socket: web.WebSocketResponse, persona: Persona, frame: dict[str, Any]) -> int:
        assert self._receive_one is not None
        frame = masking.cut_from_update(frame)  # before it stands in the history
        persona = await self.anew(persona)
        address = self._address(persona, frame["chat"])
        if frame["chat"] in READ_ONLY and frame["type"] != "press":
            raise BadFrame(f"chat {frame['chat']!r} is read only")
        raw: dict[str, Any] = {
            "id": frame["id"], "type": frame["type"], "persona": persona.id, "name": persona.name, "address": address,
            "language": persona.language, "reply_to": frame.get("reply_to", ""),
        }  # fmt: skip
        key = keyring.hash("frame", persona.id, frame["id"])
        shown: dict[str, Any] = {}
        match frame["type"]:
            case "text":
                raw["text"] = shown["text"] = frames.words(frame)
            case "press":
                raw |= await self._pressed(address, frame)
            case "location":
                raw |= frames.point(frame)
                shown = {"text": "", "location": {name: raw[name] for name in ("lat", "lon", "accuracy", "forwarded")}}
            case "start":
                raw |= {"payload": frames.payload(frame), "message": await self.newest(address)}
            case "photo" | "voice" | "file":
                stored, shown = await frames.kept_file(frame, self.media)
                raw |= stored | {"caption": str(frame.get("caption", ""))[:MOST_TEXT], "album": str(frame.get("album", ""))}
            case "sticker":
                shown = {"text": "", "sticker": True}
            case other:
                raise BadFrame(f"unknown type {other!r}: text, press, location, photo, voice, file or sticker")
        if raw["reply_to"]:
            shown["reply_to"] = raw["reply_to"]
        if frame["type"] not in WORDLESS:
            number, fresh = await self._keep(address, persona.id, shown, key)
            raw["message"] = self.message_name(number)
            if fresh:
                await self._show(address, {"type": "message", **await self._frame(number, address)}, besides=socket)
        return await self._receive_one(Arrival(key, persona.id, raw))

    def _address(self, persona: Persona, chat: Any) -> str:
        if not isinstance(chat, str) or chat not in persona.chats:
            raise BadFrame(f"{persona.id} is not in chat {chat!r}; the chats are {', '.join(persona.chats)}")
        return f"private:{persona.id}" if chat == "private" else chat

    async def _pressed(self, address: str, frame: Mapping[str, Any]) -> dict[str, Any]:
        message, button = frame.get("message"), frame.get("button")
        if not isinstance(message, str) or not isinstance(button, str):
            raise BadFrame("a press needs message (m17) and button (its label or action)")
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, self.message_number(message))
        if row is None or row.chat != self.chat_key(address):
            raise BadFrame(f"no message {message!r} in this chat")
        action = frames.action_of(row.body, button)
        if action is None:
            raise BadFrame(f"message {message} has no button {button!r}")
        return {"message": message, "action": action}


async def _write(socket: web.WebSocketResponse, frame: Mapping[str, Any]) -> None:
    if not socket.closed:
        try:
            await socket.send_str(json.dumps(frame, ensure_ascii=False))
        except (ConnectionError, RuntimeError):
            return
