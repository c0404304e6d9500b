"""One message: the call to the platform, and what each of its answers means for the row (design.md §2, Out)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from bot.limits import Limits
from bot.platforms.base import Blocked, ChatMoved, Media, MessageGone, NotSent, Platform, Refused, RetryAfter, SendError, Uncertain
from models import AnonymousToken, Chat, ChatAccount, ExportFile, OutboxMessage
from models import Media as StoredMedia
from models.database import Database
from services import identity
from services.clock import Clock
from services.media import store
from texts.render import Rendered, render, text
from texts.screen import Screen

MOST_ATTEMPTS = 12
UNWANTED = timedelta(hours=24)
UNREACHABLE = 30.0

log = structlog.get_logger("outbox")
_OUT: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]


@dataclass(slots=True)
class Outgoing:
    """An outbox row on its way, with the address of its chat (None: of a token, or of a chat that is gone)."""

    platform: str
    bot: str
    kind: str
    chat_id: str | None
    address: str | None
    kind_of_chat: str | None
    send_after: datetime
    language: str
    dedupe_key: str = ""
    cause: str = ""
    token_id: str | None = None
    card: str = ""
    subject: str = ""
    urgency: int = 1
    policy: str = "resend"
    body: Any = None
    message_id: str = ""
    state: str = "pending"
    attempts: int = 0
    uncertain: bool = False
    id: int | None = None

    @property
    def lane(self) -> str:
        """What is sent one after another: the messages of a chat; answers to presses wait for nothing."""
        return lane_of(self)


@dataclass(slots=True)
class Outcome:
    """What became of one row."""

    row: Any
    state: str
    message_id: str = ""
    error: str = ""
    uncertain: bool | None = None
    menu: list[list[str]] | None = None
    extra: Callable[[Any], Awaitable[None]] | None = field(default=None)
    again_as: str = ""


class Delivery:
    """Calls one platform. What it waits with after a failure goes into `limits`."""

    def __init__(self, database: Database, clock: Clock, platform: Platform, limits: Limits) -> None:
        self.database, self.clock, self.platform, self.limits = database, clock, platform, limits

    @property
    def once(self) -> bool:
        """Whether the platform delivers a send with the same key once only: then sending again harms nobody and needs no mark."""
        return bool(getattr(self.platform, "sends_once", False))

    async def deliver(self, row: Any) -> Outcome:
        """Send one row; what became of it."""
        address = await self._address(row)
        if address is None:
            return Outcome(row, "dead", error="no address: the chat is gone, or the sealed address was destroyed")
        try:
            message_id, menu = await asyncio.shield(self._call(row, address))
        except RetryAfter as error:
            key = lane_of(row) if row.kind == "toast" else self.platform.rate_key(address)[0]
            self.limits.pause(key, time.monotonic() + error.seconds, error.everywhere)
            return Outcome(row, "pending", error=str(error))
        except (NotSent, Uncertain, Refused, MessageGone, Blocked) as error:
            if row.kind == "toast":  # the moment for it has passed, and nobody misses it
                return Outcome(row, "superseded", error=str(error))
            return self._failed(row, address, error)
        except ChatMoved as error:
            if row.attempts + 1 >= MOST_ATTEMPTS:
                return Outcome(row, "dead", error=str(error))
            given = self.platform.name, self.platform.bot, address.partition("/")[0], error.new_chat_id
            return Outcome(row, "pending", error=str(error), extra=lambda session: identity.move_chat(session, *given))
        return Outcome(row, "sent", message_id=message_id, menu=menu)

    def _failed(self, row: Any, address: str, failure: SendError) -> Outcome:
        """What becomes of a message that did not go out, or of which nobody knows whether it did."""
        match failure:
            case NotSent():
                # Surely not delivered, so sending it again doubles nothing: it is given up only when nobody would want it any more.
                if self.clock.now() - row.send_after >= UNWANTED:
                    return Outcome(row, "dead", error=str(failure))
                self._rest(address, 0.25 * 2 ** min(row.attempts, 10))
                return Outcome(row, "pending", error=str(failure))
            case Uncertain():
                again = row.policy == "resend" and (not row.uncertain or row.kind != "send" or self.once)
                if again and row.attempts + 1 < MOST_ATTEMPTS:
                    # What broke this answer off (a gateway that restarts) breaks the next one off too, and there is one more try alone.
                    self._rest(address, 2.0 * 2 ** min(row.attempts, 10))
                    return Outcome(row, "pending", error=str(failure), uncertain=True)
                return Outcome(row, "dead", error=f"unanswered: {failure}", uncertain=True)
            case Blocked():
                return Outcome(row, "dead", error=f"blocked: {failure}", extra=lambda session: _mark_blocked(session, row))
            case MessageGone() if row.kind == "edit":
                return Outcome(row, "pending", error=str(failure), again_as="send")
            case MessageGone():
                return Outcome(row, "superseded", error=str(failure))
        return Outcome(row, "dead", error=f"refused: {failure}")

    def _rest(self, address: str, seconds: float) -> None:
        key, _ = self.platform.rate_key(address)
        self.limits.pause(key, time.monotonic() + min(UNREACHABLE, seconds))

    async def _address(self, row: Any) -> str | None:
        if row.token_id is None:
            return str(row.address) if row.address else None
        async with self.database.transaction() as session:
            token = await session.get(AnonymousToken, row.token_id)
            return token.return_address.split("\n", 3)[2] if token and token.return_address else None

    async def _call(self, row: Any, address: str) -> tuple[str, list[list[str]] | None]:
        can = self.platform.capabilities
        if row.kind == "toast":
            shown = render(Screen.from_json(row.body["screen"]), row.language, can) if row.body["screen"] else Rendered("")
            start = next((button.start for line in shown.buttons for button in line if button.start), "")
            await self.platform.toast(address, row.body["press"], shown.text[: can.toast_limit], start)
            return "", None
        if row.kind == "clear":
            await self.platform.clear(address, row.message_id)
            return row.message_id, None
        screen = Screen.from_json(row.body)
        message = render(screen, row.language, can)
        if row.uncertain and row.kind == "send":
            message = _marked(message, text("outbox.again", {}, row.language))
        menu = [list(entry) for entry in message.menu] or (None if can.buttons else [])
        if row.kind == "edit":
            target = row.message_id or await self._card_message(row)
            if target and can.edits:
                await self.platform.edit(address, target, message)
                return target, menu if row.message_id else None
            if not row.message_id:
                return "", None
        media = await self._media(screen)
        return await self.platform.send(address, message, media=media, key=f"out:{row.id}"), menu

    async def _card_message(self, row: Any) -> str:
        async with self.database.connection() as connection:
            found = await connection.execute(
                sa.select(_OUT.c.message_id)
                .where(_OUT.c.chat_id == row.chat_id, _OUT.c.card == row.card, _OUT.c.state == "sent", _OUT.c.message_id != "")
                .order_by(_OUT.c.sent_at.desc(), _OUT.c.id.desc())
                .limit(1)
            )
            return found.scalar() or ""

    async def _media(self, screen: Screen) -> tuple[Media, ...]:
        if not screen.media:
            return ()
        async with self.database.transaction() as session:
            rows = list(await session.scalars(sa.select(StoredMedia).where(StoredMedia.id.in_(screen.media)).order_by(StoredMedia.id)))  # type: ignore[attr-defined]
            made = await session.execute(sa.select(ExportFile.media_id, ExportFile.name).where(ExportFile.media_id.in_(screen.media)))  # type: ignore[attr-defined,call-overload]
        names = {row.media_id: row.name for row in made}
        files = []
        for row in rows:
            try:
                name = names.get(row.id) or f"{row.id}.{row.mime.partition('/')[2]}"
                files.append(Media(await asyncio.to_thread(store.read, row.sha256), row.mime, name))
            except FileNotFoundError:
                log.warning("media.missing", media=row.id)
        return tuple(files)


def lane_of(row: Any) -> str:
    """What is sent one after another: the messages of a chat; answers to presses wait for nothing."""
    if row.kind == "toast":
        return f"toast:{row.dedupe_key}"
    return row.chat_id or f"token:{row.token_id}"


async def _mark_blocked(session: Any, row: Any) -> None:
    if row.chat_id is None:
        return
    await session.execute(sa.update(ChatAccount).where(ChatAccount.private_chat_id == row.chat_id).values(blocked=True))
    await session.execute(sa.update(Chat).where(Chat.id == row.chat_id, Chat.kind != "private").values(blocked=True))  # type: ignore[arg-type]


def _marked(message: Rendered, mark: str) -> Rendered:
    return Rendered(f"{message.text}\n{mark}", message.buttons, message.media, message.ask_location, message.menu)
