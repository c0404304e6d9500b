"""The contract between the house and a messaging platform, and the table of what each platform can do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bot.events import Event, FileRef
from texts.render import Capabilities, Rendered

#: What each platform can do. A handler never asks for a platform's name: it asks here.
CAPABILITIES: dict[str, Capabilities] = {
    "local": Capabilities(),
    "web": Capabilities(),
    "telegram": Capabilities(
        location_button=True, answer_presses=True,
        overall_per_second=29.5, chat_per_second=1.0, group_per_minute=20.0,
    ),
    "memory": Capabilities(),
    "memory-plain": Capabilities(buttons=False, edits=False, toasts=False, deep_links=False),
    "memory-no-edits": Capabilities(edits=False),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrival:
    """One update as it came. `lane`: who wrote (the platform's user id), whose messages run in order; `raw` is JSON."""

    event_id: str
    lane: str
    raw: Any


@dataclass(frozen=True, slots=True)
class Media:
    """A stored file to send."""

    data: bytes
    mime: str
    name: str = ""


class SendError(Exception):
    """A message did not go out; the subclass says what to do."""


class RetryAfter(SendError):
    """The platform asks this chat (or, `everywhere`, all chats) to wait `seconds`."""

    def __init__(self, seconds: float, everywhere: bool = False) -> None:
        super().__init__(f"retry after {seconds} s")
        self.seconds, self.everywhere = seconds, everywhere


class NotSent(SendError):
    """Certainly not delivered (connection refused, 5xx before processing): send again later."""


class Uncertain(SendError):
    """No answer: it may have been delivered. The message's own policy decides."""


class Blocked(SendError):
    """The person blocked the bot, or never started it: mark the account."""


class ChatMoved(SendError):
    """The group got a new address."""

    def __init__(self, new_chat_id: str) -> None:
        super().__init__("the group has a new address")
        self.new_chat_id = new_chat_id


class MessageGone(SendError):
    """The message to edit is not there any more (or cannot be edited): send a new one."""


class Refused(SendError):
    """The platform will never take this message; it becomes a dead letter."""


Receive = Callable[[Arrival], Awaitable[None]]
"""Stores one arrival durably; returns after the commit. Raises `StorageDown` when the platform should come again."""


class StorageDown(Exception):
    """The database cannot take the update now: answer 503 with Retry-After, or do not move the polling offset."""


class Platform(Protocol):
    """What an adapter gives. `name` is its row in CAPABILITIES; `bot` tells several bots of one platform apart."""

    name: str
    bot: str

    @property
    def capabilities(self) -> Capabilities: ...

    def parse(self, raw: Any) -> Event | None:
        """The event in a stored update, or None when there is nothing for us in it. Pure. Never raises on junk."""

    async def fetch(self, file: FileRef) -> bytes:
        """The file's bytes (at most 20 MB). Raises NotSent when it should be tried again, Refused when it never will be had."""

    async def send(self, chat: str, message: Rendered, *, media: tuple[Media, ...] = (), key: str = "") -> str:
        """Send to the platform's chat address; the message id. `key` names this very message: a platform that takes idempotency
        keys sends it once only, the others ignore it. Raises SendError."""

    async def edit(self, chat: str, message_id: str, message: Rendered) -> None:
        """Make an earlier message read so. Identical content is a success. Raises SendError."""

    async def clear(self, chat: str, message_id: str) -> None:
        """Take the buttons off an earlier message. Raises SendError."""

    async def toast(self, chat: str, press_id: str, text: str, start: str = "") -> None:
        """The short answer to a press ("" just stops the waiting sign). Raises SendError.

        `start`: the deep-link payload of the private chat that is to open; a platform that cannot do both shows what it can.
        """

    def rate_key(self, chat: str) -> tuple[str, bool]:
        """(the chat whose sending limit counts, whether it is a group)."""

    async def start(self, receive: Receive) -> None:
        """Begin to listen."""

    async def stop(self) -> None:
        """Stop listening; in-flight sends finish."""
