"""What comes in and what goes out, the same for every platform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from texts.actions import ACTIONS, Do
from texts.screen import Button, Key, Screen, rows, screen


@dataclass(frozen=True, slots=True)
class Sender:
    """Who did it, in the platform's own words. `anonymous`: a group's administrator without a name."""

    id: str
    name: str = ""
    language: str = ""
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class ChatRef:
    """Where it was done. `id` is the platform's address of the chat (with the topic, where there is one)."""

    id: str
    kind: Literal["private", "group", "channel"] = "private"
    title: str = ""


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file on the platform: `id` is what the adapter's `fetch` takes; `size` in bytes where known."""

    id: str
    mime: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. `message_id`: the message it is (or, for a press, the message that was pressed)."""

    sender: Sender
    chat: ChatRef
    message_id: str = ""
    reply_to: str = ""


@dataclass(frozen=True, kw_only=True)
class Text(Event):
    """Somebody wrote `text`."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Edited(Text):
    """Somebody changed an earlier message, which now reads `text`."""


@dataclass(frozen=True, kw_only=True)
class Photo(Event):
    """A photo; several of one `album` arrive one by one. `data` is filled (re-encoded JPEG) before a handler sees it, empty when
    the file cannot be used, and `problem` then says why (a services.photos reason, or "unavailable")."""

    file: FileRef
    caption: str = ""
    album: str = ""
    data: bytes = field(default=b"", repr=False)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Voice(Event):
    """A recorded message; `data` is filled before a handler sees it."""

    file: FileRef
    seconds: int = 0
    data: bytes = field(default=b"", repr=False)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Document(Event):
    """A file that is no photo and no recording. `data` is filled before a handler sees it, empty when the file cannot be had, and
    `problem` then says why: "too_large" or "unavailable"."""

    file: FileRef
    name: str = ""
    caption: str = ""
    data: bytes = field(default=b"", repr=False)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Location(Event):
    """A shared location (WGS84). `accuracy` in metres, None when unknown; `forwarded`: not the sender's own position."""

    lat: float
    lon: float
    accuracy: float | None = None
    forwarded: bool = False


@dataclass(frozen=True, kw_only=True)
class Sticker(Event):
    """A sticker, animation, poll or another kind of message that carries no words for us."""


@dataclass(frozen=True, kw_only=True)
class Press(Event):
    """A button was pressed (or its label or number typed). `press_id`: what the platform wants answered."""

    action: str
    press_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Scan(Event):
    """A deep link was opened: `/start PAYLOAD`; "" for a bare start."""

    payload: str = ""


@dataclass(frozen=True, kw_only=True)
class Joined(Event):
    """The bot came into a group, or a person unblocked it."""


@dataclass(frozen=True, kw_only=True)
class Left(Event):
    """The bot was removed from a group, or a person blocked it."""


@dataclass(frozen=True, kw_only=True)
class Moved(Event):
    """The group got a new address: `chat` is the old one."""

    new_chat_id: str


__all__ = [
    "ACTIONS", "Button", "ChatRef", "Do", "Document", "Edited", "Event", "FileRef", "Joined", "Key", "Left", "Location", "Moved", "Photo",
    "Press", "Scan", "Screen", "Sender", "Sticker", "Text", "Voice", "rows", "screen",
]  # fmt: skip
