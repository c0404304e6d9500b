"""Telegram: the adapter. `telegram_listener` hears, `telegram_updates` says what an update means, `telegram_speaker` speaks.

Of the library its `Bot`, the types and the errors are used. Its `Application`, its parsing of updates and its HTTP client are not: they
keep updates in memory, one malformed update stops a whole batch, and their errors do not say whether a message may have gone out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from bot.events import Event, FileRef
from bot.platforms.base import CAPABILITIES, Media, NotSent, Receive, Refused, SendError
from bot.platforms.telegram_listener import Commands, Listener, Sleep, webhook_path
from bot.platforms.telegram_speaker import Speaker, is_group, says
from bot.platforms.telegram_transport import MEDIA_READ_SECONDS, READ_SECONDS, BotApi, Transport
from bot.platforms.telegram_updates import DOWNLOAD_LIMIT, parse_update
from texts.render import Capabilities, Rendered

_CONNECTIONS: Final = 32
_DRAIN_SECONDS: Final = 10.0


class TelegramPlatform:
    """The Telegram adapter (`bot.platforms.base.Platform`).

    `webhook_url`: the service's public address (https://…) when Telegram shall call it, None to poll. `webhook_secret`:
    1 to 256 of A-Z a-z 0-9 _ -; while it is being changed "NEW,OLD": both are let in, the first is registered.
    `commands`, `group_commands`: the list behind the menu button of private chats, and of groups, by language; the first one is
    shown to everybody without an own one.
    `location_label`: the button that shares the sender's position. `sleep`: what it waits with.
    """

    name = "telegram"

    @property
    def polls(self) -> bool:
        """Whether this adapter asks for updates: then one process at a time may."""
        return not self._webhook_url

    def __init__(
        self,
        token: str,
        api_url: str = "https://api.telegram.org",
        webhook_url: str | None = None,
        webhook_secret: str = "",
        bot: str = "main",
        commands: Commands | None = None,
        group_commands: Commands | None = None,
        *,
        location_label: str = "📍 发送位置 Send location",
        poll_seconds: int = 50,
        read_seconds: float = READ_SECONDS,
        media_seconds: float = MEDIA_READ_SECONDS,
        start_seconds: float = 15.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.bot = bot
        self.webhook_path = webhook_path(token)
        self._webhook_url = webhook_url
        self._bot_id = int(identity) if (identity := token.partition(":")[0]).isdecimal() else 0
        self._transport = Transport(_CONNECTIONS, read_seconds, media_seconds)
        self._polling = Transport(1, read_seconds, media_seconds)
        self._api = BotApi(token, api_url, self._transport)
        self._listener = Listener(
            bot,
            BotApi(token, api_url, self._polling),
            webhook=webhook_url.rstrip("/") + self.webhook_path if webhook_url else "",
            secret=webhook_secret,
            commands={"all_private_chats": commands or {}, "all_group_chats": group_commands or {}},
            poll_seconds=poll_seconds,
            start_seconds=start_seconds,
            sleep=sleep,
        )
        self._speaker = Speaker(bot, token, api_url, self._transport, self.door, location_label=location_label, sleep=sleep)
        self._under_way, self._idle = 0, asyncio.Event()

    def __repr__(self) -> str:
        return f"TelegramPlatform(bot={self.bot!r}, username={self.username!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What Telegram can do."""
        return CAPABILITIES[self.name]

    @property
    def username(self) -> str:
        """The bot's name in addresses, "" before Telegram said it."""
        return self._listener.username

    @property
    def junk(self) -> int:
        """How many things that are no updates came in since the start."""
        return self._listener.junk

    def parse(self, raw: Any) -> Event | None:
        """The event in a stored update, or None when there is nothing for us in it. Never raises on junk."""
        return parse_update(raw, self._bot_id, self.username)

    def door(self, payload: str) -> str:
        """The address that opens a private chat and says /start PAYLOAD; "" before Telegram said the bot's name."""
        return f"https://t.me/{self.username}?start={payload}" if self.username else ""

    def rate_key(self, chat: str) -> tuple[str, bool]:
        """The chat without its topic (they share one limit), and whether it is a group."""
        return chat.partition("/")[0], is_group(chat)

    async def start(self, receive: Receive) -> None:
        """Begin to listen. Raises Refused for a wrong token. While Telegram cannot be reached this returns after
        `start_seconds`, and it goes on trying."""
        await self._listener.start(receive)

    async def stop(self) -> None:
        """Stop listening at once; what is being stored and sent is finished (10 s at most)."""
        await self._listener.stop()
        if self._under_way:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), _DRAIN_SECONDS)
        await self._polling.close()
        await self._transport.close()

    async def handle_webhook(self, request: web.Request) -> web.Response:
        """Store one update and only then answer 200; 503 while that cannot be done, 403 without one of the secrets."""
        return await self._listener.handle_webhook(request)

    def webhook_routes(self) -> list[web.RouteDef]:
        """The route that Telegram calls; none when it is polled."""
        return [web.post(self.webhook_path, self.handle_webhook)] if self._webhook_url else []

    async def send(self, chat: str, message: Rendered, *, media: tuple[Media, ...] = (), key: str = "") -> str:
        """Send to a chat or topic; the message id (of the message with the buttons). Raises SendError.

        One medium carries the text as its caption; a text too long for that goes before it; several media go before the
        text. A medium that Telegram refuses is left out: the words matter more. Telegram takes no idempotency `key`.
        """
        async with self._sending():
            return await self._speaker.send(chat, message, media)

    async def edit(self, chat: str, message_id: str, message: Rendered) -> None:
        """Make an earlier message read so (its caption, when it is a file). Identical content is a success.
        Raises SendError."""
        async with self._sending():
            await self._speaker.edit(chat, message_id, message)

    async def clear(self, chat: str, message_id: str) -> None:
        """Take the buttons off an earlier message; one that is gone has none. Raises SendError."""
        async with self._sending():
            await self._speaker.clear(chat, message_id)

    async def toast(self, chat: str, press_id: str, text: str, start: str = "") -> None:
        """Answer a press; one that is too old to be answered is left alone. Raises SendError.

        With a deep-link payload `start` the private chat opens there instead of the text; where that is refused, the text it is.
        """
        units = text.encode("utf-16-le", "replace")[: 2 * self.capabilities.toast_limit]
        async with self._sending():
            await self._speaker.toast(press_id, units.decode("utf-16-le", "ignore"), start)

    async def fetch(self, file: FileRef) -> bytes:
        """The file's bytes (at most 20 MB). Raises NotSent when it should be tried again, Refused when it never will
        be had."""
        if file.size > DOWNLOAD_LIMIT:
            raise Refused("the file is larger than a bot may download")
        async with self._sending():
            try:
                found = await self._api.call("getFile", {"file_id": file.id})
                path = found.get("file_path") if isinstance(found, dict) else None
                if not isinstance(path, str):
                    raise NotSent("Telegram did not say where the file is")
                answer = await self._api.download(path, DOWNLOAD_LIMIT)
            except Refused as error:
                if says(error, "temporarily unavailable"):
                    raise NotSent(str(error)) from None
                raise
            except SendError as error:
                raise NotSent(str(error)) from None
            if answer.status != 200:
                raise NotSent(f"the file could not be downloaded (HTTP {answer.status})")
            return answer.body

    @contextlib.asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
        """Something is going out: `stop` waits for it."""
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()


async def bot_name(token: str, api_url: str) -> str:
    """The bot's user name, or "" when Telegram cannot be asked now."""
    transport = Transport(1, 10.0, 10.0)
    try:
        me = await BotApi(token, api_url, transport).call("getMe", {})
    except SendError:
        return ""
    finally:
        await transport.close()
    return str(me.get("username", ""))
