"""What comes in from Telegram: long polling or a webhook, and neither forgets an update before it is stored."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiohttp import web

from bot.platforms.base import Receive, Refused, RetryAfter, SendError, StorageDown
from bot.platforms.telegram_transport import BotApi, Conflict
from bot.platforms.telegram_updates import ALLOWED_UPDATES, arrival, decode

log = structlog.get_logger(__name__)

WEBHOOK_BODY_LIMIT: Final = 1 << 20
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 (its name, not a secret)
_LONGEST_PAUSE: Final = 30.0
_CONFLICT_PAUSE: Final = 5.0
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")

Commands = Mapping[str, Sequence[tuple[str, str]]]
Sleep = Callable[[float], Awaitable[None]]


def webhook_path(token: str) -> str:
    """The path that Telegram calls: nobody who does not know the token can guess it."""
    return "/telegram/" + hashlib.sha256(f"webhook path {token}".encode()).hexdigest()[:32]


class Listener:
    """Introduces the bot and hands every update to `receive`. `TelegramPlatform` says what the parameters mean.

    `commands`: by the name of a scope of the Bot API, then by language.
    """

    def __init__(
        self,
        bot: str,
        api: BotApi,
        *,
        webhook: str = "",
        secret: str = "",
        commands: Mapping[str, Commands] | None = None,
        poll_seconds: int = 50,
        start_seconds: float = 15.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        secrets = [part.strip() for part in secret.split(",")]
        if webhook and not all(map(_SECRET.fullmatch, secrets)):
            raise ValueError("a webhook needs a secret of 1 to 256 of A-Z a-z 0-9 _ - (NEW,OLD while it is changed)")
        self.username = ""
        self.junk = 0
        self._bot, self._api, self._webhook, self._secrets = bot, api, webhook, secrets
        self._commands = commands or {}
        self._poll_seconds, self._start_seconds, self._sleep = poll_seconds, start_seconds, sleep
        self._receive: Receive | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._alone = False  # nobody waits for the start any more: there is nobody to raise to

    async def start(self, receive: Receive) -> None:
        """Begin to listen. Raises Refused when Telegram refuses the bot. While Telegram cannot be reached this returns
        after `start_seconds`, and it goes on trying."""
        self._receive = receive
        self._task = asyncio.create_task(self._listen(receive), name=f"telegram {self._bot}")
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._task}, timeout=self._start_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._task.done():
            self._task.result()
        elif not self._ready.is_set():
            self._alone = True
            log.warning("Telegram cannot be reached yet: starting without it, trying on", bot=self._bot)

    async def stop(self) -> None:
        """Stop listening; what is just being stored is finished."""
        self._receive = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, SendError):
                await self._task

    async def handle_webhook(self, request: web.Request) -> web.Response:
        """Store one update and only then answer 200; 503 while that cannot be done, 403 without one of the secrets."""
        given = request.headers.getall(SECRET_HEADER, [])
        if len(given) != 1 or not self._webhook or not self._is_secret(given[0]):
            return web.Response(status=403)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        if request.content_type != "application/json":
            return web.Response(status=415)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > WEBHOOK_BODY_LIMIT:
                return web.Response(status=413)
        try:
            update = arrival(decode(bytes(body)))
        except ValueError:
            update = None
        if update is None:
            self._count_junk()
            return web.Response()  # anything else, and Telegram would send the same again for a day
        later = web.Response(status=503, headers={"Retry-After": "5"})
        if self._receive is None:
            return later
        try:
            await self._receive(update)
        except StorageDown:
            return later
        return web.Response()

    def _is_secret(self, given: str) -> bool:
        said = given.encode("utf-8", "surrogateescape")
        equal = [hmac.compare_digest(said, secret.encode()) for secret in self._secrets]  # all: the time tells nothing
        return any(equal)

    async def _listen(self, receive: Receive) -> None:
        me = await self._insist("getMe", {})
        self.username = str(me["username"])
        everything = me.get("can_read_all_group_messages") is True
        log.info("Telegram knows the bot", bot=self._bot, username=self.username, privacy_mode=not everything)
        await self._set_commands()
        if self._webhook:
            await self._insist(
                "setWebhook",
                {
                    "url": self._webhook,
                    "secret_token": self._secrets[0],
                    "allowed_updates": ALLOWED_UPDATES,
                    "drop_pending_updates": False,
                },
            )
            self._ready.set()
            return
        await self._insist("deleteWebhook", {"drop_pending_updates": False})
        self._ready.set()
        await self._poll(receive)

    async def _set_commands(self) -> None:
        for scope, by_language in self._commands.items():
            for index, (language, commands) in enumerate(by_language.items()):
                listed = [{"command": command, "description": description} for command, description in commands]
                parameters = {"commands": listed, "scope": {"type": scope}}
                if index:
                    parameters["language_code"] = language[:2]
                try:
                    await self._api.call("setMyCommands", parameters)
                except SendError as error:  # people can do without the list
                    log.warning("Telegram did not take the commands", bot=self._bot, language=language, reason=str(error))

    async def _poll(self, receive: Receive) -> None:
        offset, failures = 0, 0
        while True:
            parameters = {"offset": offset, "timeout": self._poll_seconds, "allowed_updates": ALLOWED_UPDATES}
            try:
                updates = await self._api.call("getUpdates", parameters, self._poll_seconds + 15)
            except SendError as error:
                failures += 1
                await self._pause(error, failures)
                continue
            # Asking for a higher offset is what makes Telegram forget, so it waits until everything is stored.
            storing = asyncio.ensure_future(self._store(updates, receive))
            try:
                following = await asyncio.shield(storing)
            except asyncio.CancelledError:
                await storing
                raise
            if following is None:
                failures += 1
                await self._sleep(min(_LONGEST_PAUSE, float(failures)))
            else:
                offset, failures = following or offset, 0

    async def _store(self, updates: Any, receive: Receive) -> int | None:
        """Store a batch; the offset after it (0 for an empty one), or None when Telegram must give the batch again."""
        found = [arrival(update) for update in updates] if isinstance(updates, list) else [None]
        arrivals = [update for update in found if update is not None]
        for _ in range(len(found) - len(arrivals)):
            self._count_junk()
        for outcome in await asyncio.gather(*map(receive, arrivals), return_exceptions=True):
            if isinstance(outcome, StorageDown):
                log.warning("the database takes no updates now; Telegram keeps them", bot=self._bot)
                return None
            if isinstance(outcome, BaseException):
                log.error("an update could not be stored; Telegram keeps it", bot=self._bot, exc_info=outcome)
                return None
        if found and not arrivals:
            return None
        return max((int(update.event_id) + 1 for update in arrivals), default=0)

    async def _insist(self, method: str, parameters: dict[str, Any]) -> Any:
        """Call until it is done. Raises Refused when the start gets that for its first answer; later refusals are outwaited."""
        failures = 0
        while True:
            try:
                return await self._api.call(method, parameters)
            except SendError as error:
                if isinstance(error, Refused) and not failures and not self._alone:
                    raise
                failures += 1
                await self._pause(error, failures)

    async def _pause(self, error: SendError, failures: int) -> None:
        """Wait as Telegram asks, or ever longer, up to 30 s; jitter keeps several processes apart."""
        seconds = min(_LONGEST_PAUSE, 2.0 ** min(failures - 1, 5)) * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)
        say, event = log.warning, "Telegram does not answer; trying again"
        if isinstance(error, RetryAfter):
            seconds = error.seconds
        elif isinstance(error, Conflict):
            seconds = _CONFLICT_PAUSE
            say, event = (
                log.error,
                "another program polls Telegram with this bot's token, but only one may; trying again",
            )
        elif isinstance(error, Refused):
            seconds = _LONGEST_PAUSE
            say, event = log.error, "Telegram refuses the bot; trying again"
        say(event, bot=self._bot, seconds=round(seconds, 1), reason=str(error))
        await self._sleep(seconds)

    def _count_junk(self) -> None:
        self.junk += 1
        log.warning("Telegram sent what is not an update; it is not stored", bot=self._bot, count=self.junk)
