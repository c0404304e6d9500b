"""The platform of the tests: what is sent stays in memory, and anything can be made to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.events import (
    ChatRef,
    Document,
    Edited,
    Event,
    FileRef,
    Joined,
    Left,
    Location,
    Moved,
    Photo,
    Press,
    Scan,
    Sender,
    Sticker,
    Text,
    Voice,
)
from bot.platforms.base import CAPABILITIES, Arrival, Media, MessageGone, Receive, Refused
from texts.render import Capabilities, Rendered


@dataclass
class Shown:
    """A message as it stands in a chat."""

    id: str
    chat: str
    message: Rendered
    media: tuple[Media, ...] = ()
    edits: int = 0


@dataclass
class MemoryPlatform:
    """Keeps chats in memory. `fail` is asked before every call and may raise a SendError: (method, chat) → None."""

    name: str = "memory"
    bot: str = "main"
    messages: list[Shown] = field(default_factory=list)
    toasts: list[tuple[str, str, str]] = field(default_factory=list)
    opened: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    fail: Callable[[str, str], None] = lambda method, chat: None
    calls: list[tuple[str, str]] = field(default_factory=list)
    _next: int = 0

    @property
    def capabilities(self) -> Capabilities:
        """The row of this platform's name."""
        return CAPABILITIES[self.name]

    def arrival(self, event_id: str, kind: str, sender: str, chat: str, **fields: Any) -> Arrival:
        """An update as this platform would deliver it."""
        return Arrival(event_id, sender, {"kind": kind, "sender": sender, "chat": chat, **fields})

    def parse(self, raw: Any) -> Event | None:
        """The event in an update; "boom" raises nothing and is nothing."""
        kinds: dict[str, Callable[..., Event]] = {
            "text": Text, "press": Press, "photo": Photo, "voice": Voice, "location": Location, "sticker": Sticker, "scan": Scan,
            "joined": Joined, "left": Left, "edited": Edited, "moved": Moved, "document": Document,
        }  # fmt: skip
        if not isinstance(raw, dict) or raw.get("kind") not in kinds:
            return None
        fields = {name: value for name, value in raw.items() if name not in ("kind", "sender", "chat", "name", "language", "title")}
        if "file" in fields:
            fields["file"] = FileRef(fields["file"], size=fields.pop("size", 0))
        if "file_name" in fields:
            fields["name"] = fields.pop("file_name")
        chat = raw["chat"]
        kind: Any = "private" if chat.startswith("private:") else "group"
        sender = Sender(raw["sender"], str(raw.get("name") or raw["sender"]), raw.get("language", ""))
        return kinds[raw["kind"]](sender=sender, chat=ChatRef(chat, kind, raw.get("title", "")), **fields)

    async def fetch(self, file: FileRef) -> bytes:
        """The file's bytes."""
        self.fail("fetch", file.id)
        if file.id not in self.files:
            raise Refused("no such file")
        return self.files[file.id]

    async def send(self, chat: str, message: Rendered, *, media: tuple[Media, ...] = (), key: str = "") -> str:
        """Keep the message; its id."""
        self.calls.append(("send", chat))
        self.fail("send", chat)
        self._next += 1
        self.messages.append(Shown(str(self._next), chat, message, media))
        return str(self._next)

    async def edit(self, chat: str, message_id: str, message: Rendered) -> None:
        """Change a kept message."""
        self.calls.append(("edit", chat))
        self.fail("edit", chat)
        shown = self.message(message_id)
        shown.message, shown.edits = message, shown.edits + 1

    async def clear(self, chat: str, message_id: str) -> None:
        """Take a message's buttons off."""
        self.calls.append(("clear", chat))
        self.fail("clear", chat)
        shown = self.message(message_id)
        shown.message = Rendered(shown.message.text, (), shown.message.media)

    async def toast(self, chat: str, press_id: str, text: str, start: str = "") -> None:
        """Keep the answer to a press, and where it leads."""
        self.calls.append(("toast", chat))
        self.fail("toast", chat)
        self.toasts.append((chat, press_id, text))
        if start:
            self.opened.append((press_id, start))

    def message(self, message_id: str) -> Shown:
        """The message with this id. Raises MessageGone."""
        found = next((shown for shown in self.messages if shown.id == message_id), None)
        if found is None:
            raise MessageGone(message_id)
        return found

    def door(self, payload: str) -> str:
        """The address that opens a chat with the bot and says /start PAYLOAD."""
        return f"https://memory.example/?start={payload}"

    def rate_key(self, chat: str) -> tuple[str, bool]:
        """Every chat for itself."""
        return chat, not chat.startswith("private:")

    async def start(self, receive: Receive) -> None:
        """Nothing to listen to: tests call the inbox."""

    async def stop(self) -> None:
        """Nothing to stop."""
