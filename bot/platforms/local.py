"""The web chat, a messaging platform of our own: history in the database, people on WebSockets (its protocol is in docs/webchat.md)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from aiohttp import WSMsgType, web

from bot.events import ChatRef, Event, FileRef, Location, Photo, Press, Scan, Sender, Sticker, Text, Voice
from bot.platforms.base import CAPABILITIES, Arrival, Media, Receive, Refused, StorageDown
from models import Chat, LocalMessage, keyring
from models.database import STORAGE_ERRORS, Database
from services import photos
from services.clock import Clock
from services.geography import valid_point
from services.media import store
from services.personas import Persona, personas
from services.workdays import local
from texts.render import Capabilities, Rendered

MOST_BYTES = 28 * 1024 * 1024
MOST_TEXT = 4096
READ_ONLY = ("public",)

log = structlog.get_logger("local")
_TABLE: sa.Table = LocalMessage.__table__  # type: ignore[attr-defined]


class BadFrame(Exception):
    """A frame that cannot be taken; the sentence is for the one who sent it."""


class LocalPlatform:
    """The web chat. `settle(inbox_id)` waits until a turn is over and all it sent is delivered."""

    name = "local"
    bot = "main"
    sends_once = True  # `send` keeps a message once per key

    def __init__(self, database: Database, clock: Clock, settle: Callable[[int], Awaitable[None]]) -> None:
        self.database, self.clock, self.settle = database, clock, settle
        self.people: dict[str, Persona] = {}
        self._sockets: dict[str, set[web.WebSocketResponse]] = {}
        self._receive_one: Callable[[Arrival], Awaitable[int]] | None = None
        self._turns: set[asyncio.Task[None]] = set()

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

    def _viewers(self, address: str) -> list[str]:
        if address.startswith("private:"):
            return [address.removeprefix("private:")]
        return [
            name for name in self._sockets
            if ((persona := self.people.get(name)) and address in persona.chats) or (name.startswith("new:") and address == "public")
        ]  # fmt: skip

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
        sender = Sender(who, raw.get("name", ""))
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
            case "location":
                return Location(**base, lat=raw["lat"], lon=raw["lon"], accuracy=raw["accuracy"], forwarded=raw["forwarded"])
            case "photo":
                return Photo(**base, file=FileRef(raw["file"]), caption=raw["caption"], album=raw["album"])
            case "voice":
                return Voice(**base, file=FileRef(raw["file"]))
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
        body = _body(message)
        for file in media:
            sha256 = await asyncio.to_thread(store.write, file.data)
            url = f"/demo/media/{sha256}"
            if file.mime.startswith("image/"):
                body.setdefault("photo", url)
                body.setdefault("photos", []).append(url)
            else:
                body["document"] = {"name": file.name, "url": url, "mime": file.mime}
        number, _ = await self._keep(chat, None, body, key or None)
        await self._show(chat, {"type": "message", **await self._frame(number, chat)})
        return f"m{number}"

    async def edit(self, chat: str, message_id: str, message: Rendered) -> None:
        """Change a message in the history and on the screens."""
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, _number(message_id))
            if row is None:
                return
            body = {**row.body, **_body(message)}
            body["_menu"] = {**row.body.get("_menu", {}), **body["_menu"]}
            row.body = body
        await self._show(chat, {"type": "edit", **await self._frame(_number(message_id), chat)})

    async def clear(self, chat: str, message_id: str) -> None:
        """Take the buttons off a message."""
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, _number(message_id))
            if row is None or not row.body.get("buttons"):
                return
            row.body = {**row.body, "buttons": []}
        await self._show(chat, {"type": "edit", **await self._frame(_number(message_id), chat)})

    async def toast(self, chat: str, press_id: str, text: str) -> None:
        """The short answer, on the sockets of the one who pressed."""
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
            rows = await session.scalars(sa.select(LocalMessage).where(_TABLE.c.chat == _chat_key(address)).order_by(_TABLE.c.id))
            return [self._as_frame(row, chat) for row in rows]

    async def _keep(self, address: str, sender: str | None, body: dict[str, Any], key: str | None) -> tuple[int, bool]:
        """Store a message, once per key: (its number, whether it is new)."""
        async with self.database.transaction() as session:
            if key is not None:
                known = await session.scalar(sa.select(_TABLE.c.id).where(_TABLE.c.key == key))
                if known is not None:
                    return int(known), False
            row = LocalMessage(chat=_chat_key(address), key=key, sender=sender, body=body, at=self.clock.now())
            session.add(row)
            await session.flush()
            assert row.id is not None
            return row.id, True

    async def _frame(self, number: int, address: str) -> dict[str, Any]:
        async with self.database.transaction() as session:
            row = await session.get(LocalMessage, number)
            assert row is not None
            return self._as_frame(row, "private" if address.startswith("private:") else address)

    def _as_frame(self, row: LocalMessage, chat: str) -> dict[str, Any]:
        frame: dict[str, Any] = {"chat": chat, "message": f"m{row.id}", "at": local(row.at).isoformat(timespec="seconds")}
        if row.sender is not None:
            known = self.people.get(row.sender)
            frame |= {"from": row.sender, "from_name": known.name if known else row.sender.removeprefix("new:")}
        return frame | {name: value for name, value in row.body.items() if not name.startswith("_")}

    # -- sockets ----------------------------------------------------------------------------------------------
    async def _show(self, address: str, frame: dict[str, Any], besides: web.WebSocketResponse | None = None) -> None:
        for viewer in self._viewers(address):
            await self._push(viewer, frame, besides)

    async def _push(self, viewer: str, frame: dict[str, Any], besides: web.WebSocketResponse | None = None) -> None:
        for socket in list(self._sockets.get(viewer, ())):
            if socket is not besides:
                await _write(socket, frame)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /demo/ws?persona=…"""
        persona = await self.persona(request.query.get("persona", ""))
        if persona is None:
            raise web.HTTPNotFound(text="unknown persona")
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
            frame = _parsed(data)
            client_id = {"id": frame["id"]}
            _check(frame)
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
        address = self._address(persona, frame["chat"])
        if frame["chat"] in READ_ONLY and frame["type"] != "press":
            raise BadFrame(f"chat {frame['chat']!r} is read only")
        raw: dict[str, Any] = {
            "id": frame["id"], "type": frame["type"], "persona": persona.id, "name": persona.name, "address": address,
            "reply_to": frame.get("reply_to", ""),
        }  # fmt: skip
        key = keyring.hash("frame", persona.id, frame["id"])
        shown: dict[str, Any] = {}
        match frame["type"]:
            case "text":
                raw["text"] = shown["text"] = _text(frame)
            case "press":
                raw |= await self._pressed(address, frame)
            case "location":
                raw |= _location(frame)
                shown = {"text": "", "location": {name: raw[name] for name in ("lat", "lon", "accuracy", "forwarded")}}
            case "photo" | "voice":
                raw["file"], shown = await _file(frame)
                raw |= {"caption": str(frame.get("caption", ""))[:MOST_TEXT], "album": str(frame.get("album", ""))}
            case "sticker":
                shown = {"text": "", "sticker": True}
            case other:
                raise BadFrame(f"unknown type {other!r}: text, press, location, photo, voice or sticker")
        if raw["reply_to"]:
            shown["reply_to"] = raw["reply_to"]
        if frame["type"] != "press":
            number, fresh = await self._keep(address, persona.id, shown, key)
            raw["message"] = f"m{number}"
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
            row = await session.get(LocalMessage, _number(message))
        if row is None or row.chat != _chat_key(address):
            raise BadFrame(f"no message {message!r} in this chat")
        menu: dict[str, str] = row.body.get("_menu", {})
        shown = {b["label"]: b["action"] for line in row.body.get("buttons", []) for b in line if "action" in b}
        action = shown.get(button) or menu.get(button) or (button if button in {*menu.values(), *shown.values()} else None)
        if action is None:
            raise BadFrame(f"message {message} has no button {button!r}")
        return {"message": message, "action": action}


async def _write(socket: web.WebSocketResponse, frame: Mapping[str, Any]) -> None:
    if not socket.closed:
        try:
            await socket.send_str(json.dumps(frame, ensure_ascii=False))
        except (ConnectionError, RuntimeError):
            return


def _chat_key(address: str) -> str:
    return keyring.hash("local", address) if address.startswith("private:") else address


def _number(message_id: str) -> int:
    return int(message_id[1:]) if message_id[:1] == "m" and message_id[1:].isdecimal() and len(message_id) < 18 else 0


def _body(message: Rendered) -> dict[str, Any]:
    buttons = [
        [{"label": b.label, "action": b.action} if b.action else {"label": b.label, "url": f"/?start={b.start}"} for b in row]
        for row in message.buttons
    ]
    body: dict[str, Any] = {"text": message.text, "buttons": buttons, "_menu": dict(message.menu)}
    if message.ask_location:
        body["ask_location"] = True
    return body


def _parsed(data: str) -> dict[str, Any]:
    try:
        frame = json.loads(data)
        if "\\ud" in data.lower():  # halves of surrogate pairs, which no UTF-8 can hold
            frame = json.loads(json.dumps(frame, ensure_ascii=False).encode(errors="replace"))
    except ValueError as error:
        raise BadFrame(f"not JSON: {error}") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("id"), str) or not 0 < len(frame["id"]) <= 100:
        raise BadFrame("a frame is a JSON object with a string id of 1 to 100 characters")
    return frame


def _check(frame: Mapping[str, Any]) -> None:
    if not isinstance(frame.get("type"), str) or not isinstance(frame.get("reply_to", ""), str):
        raise BadFrame("type and reply_to are strings")


def _text(frame: Mapping[str, Any]) -> str:
    text = frame.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadFrame("text is empty")
    if len(text) > MOST_TEXT:
        raise BadFrame(f"text is longer than {MOST_TEXT} characters")
    return text.replace("\x00", "")


def _location(frame: Mapping[str, Any]) -> dict[str, Any]:
    lat, lon, accuracy = frame.get("lat"), frame.get("lon"), frame.get("accuracy")
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (lat, lon))
    if not numbers or not valid_point(float(lat), float(lon)):  # type: ignore[arg-type]
        raise BadFrame("lat and lon are degrees (WGS84)")
    if accuracy is not None and (isinstance(accuracy, bool) or not isinstance(accuracy, int | float) or not accuracy >= 0):
        raise BadFrame("accuracy is in metres")
    return {"lat": lat, "lon": lon, "accuracy": accuracy, "forwarded": frame.get("forwarded") is True}


async def _file(frame: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    try:
        data = base64.b64decode(frame.get("data", ""), validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadFrame("data is not base64") from error
    if not data:
        raise BadFrame("data is empty")
    sha256 = await asyncio.to_thread(store.write, data)
    if frame["type"] == "voice":
        return sha256, {"text": "", "voice": f"/demo/media/{sha256}"}
    shown: dict[str, Any] = {"text": str(frame.get("caption", ""))}
    if frame.get("album"):
        shown["album"] = str(frame["album"])
    try:
        clean = await asyncio.to_thread(photos.clean, data)
        shown["photo"] = f"/demo/media/{await asyncio.to_thread(store.write, clean.data)}"
    except photos.UnusablePhoto:
        shown["text"] = shown["text"] or "🖼"
    return sha256, shown
