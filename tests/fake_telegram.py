"""A Bot API server over real HTTP: chats, updates by polling or webhook, Telegram's limits, and faults on demand.

    async with FakeTelegram() as telegram:
        platform = TelegramPlatform(telegram.token, telegram.base_url)
        await platform.start(receive)
        resident = telegram.user("王阿姨")
        telegram.user_says(resident, "我要报问题")
        answer = await telegram.next_message(resident)
        telegram.presses(resident, answer, "提交")

Every call of the bot is judged (`judge.objections`); leaving the block raises when one was wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web
from fake_telegram_api import ApiError, Call, Methods
from fake_telegram_people import Chat, User
from judge import objections

__all__ = ["Call", "Chat", "FakeTelegram", "Fault", "Shown", "User"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong. `commit`: whether the call had its effect all the same."""

    kind: str  # refuse, html, hang, reset, truncate
    status: int = 400
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    commit: bool = False

    @classmethod
    def too_many(cls, seconds: int | None = 3) -> Fault:
        """429; None leaves the parameters out, as gateways do."""
        parameters = {} if seconds is None else {"retry_after": seconds}
        return cls("refuse", 429, f"Too Many Requests: retry after {seconds}", parameters)

    @classmethod
    def server_error(cls) -> Fault:
        """A 500 of the Bot API itself."""
        return cls("refuse", 500, "Internal Server Error")

    @classmethod
    def bad_gateway(cls, status: int = 502, commit: bool = False) -> Fault:
        """A page of the gateway before it."""
        return cls("html", status, commit=commit)

    @classmethod
    def hang(cls, commit: bool = False) -> Fault:
        """No answer, ever."""
        return cls("hang", commit=commit)

    @classmethod
    def reset(cls, commit: bool = False) -> Fault:
        """The connection breaks off before the answer."""
        return cls("reset", commit=commit)

    @classmethod
    def truncated(cls) -> Fault:
        """Done, but the answer's JSON ends in the middle."""
        return cls("truncate", 200, commit=True)

    @classmethod
    def refuse(cls, description: str, status: int = 400, **parameters: Any) -> Fault:
        """Any refusal of the Bot API."""
        return cls("refuse", status, description, parameters)

    @classmethod
    def blocked(cls) -> Fault:
        """403, the person blocked the bot."""
        return cls("refuse", 403, "Forbidden: bot was blocked by the user")


@dataclass(frozen=True)
class Shown:
    """A message of the bot as a person sees it now."""

    chat: int
    message_id: int
    text: str
    buttons: tuple[tuple[str, ...], ...]
    raw: dict[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every button's label."""
        return tuple(label for row in self.buttons for label in row)


class FakeTelegram(Methods):
    """The server. `limits`: refuse with 429 beyond 30 calls a second, 1 a chat (bursts of 3), 20 a minute a group.
    `clock` counts seconds for that; `sleep` is what the webhook's deliverer waits with."""

    def __init__(
        self,
        token: str = "123456789:AAtokenCanaryNeverInAnyLog_x7Q",
        username: str = "linshao_test_bot",
        *,
        privacy_mode: bool = True,
        limits: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        judged: bool = True,
    ) -> None:
        super().__init__(token, username, privacy_mode)
        self.limits, self.judged = limits, judged
        self.base_url = ""
        self.objections: list[str] = []
        self.webhook_statuses: list[int] = []
        self._clock, self._sleep = clock, sleep
        self._faults: list[list[Any]] = []  # [fault, method, chat, times]
        self._sent_at: dict[int, list[float]] = defaultdict(list)
        self._poller: asyncio.Event | None = None
        self._closing = asyncio.Event()
        self._changed = asyncio.Event()
        self._deliverers: dict[str, asyncio.Task[None]] = {}
        self._seen: dict[int, int] = defaultdict(int)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/bot{token}/{method}", self._handle)
        app.router.add_get("/file/bot{token}/{path:.+}", self._handle_file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._closing.set()
        self._notify()
        for task in self._deliverers.values():
            task.cancel()
        await asyncio.gather(*self._deliverers.values(), return_exceptions=True)
        assert self._runner is not None
        await self._runner.cleanup()
        if self.judged and kind is None:
            assert not self.objections, "\n".join(self.objections)

    # --- what a test looks at

    def fail(self, method: str, fault: Fault, *, times: int = 1, chat: int | Chat | User | None = None) -> None:
        """Let the next `times` calls of a method ("*" for any), to one chat when given, go wrong."""
        number = None if chat is None else self.number(chat)
        self._faults.append([fault, method, number, times])

    def called(self, method: str) -> list[Call]:
        """Every call of a method so far."""
        return [call for call in self.calls if call.method == method]

    def shown(self, chat: int | Chat | User) -> list[Shown]:
        """The bot's messages in a chat, oldest first, as they read now."""
        return [self._show(message) for message in self._messages(chat).values() if message["from"]["id"] == self.bot_id]

    async def next_message(self, chat: int | Chat | User, seconds: float = 5.0) -> Shown:
        """The bot's next message in a chat that this has not given yet. Raises TimeoutError."""
        number = self.number(chat)
        await self.until(lambda: len(self.shown(number)) > self._seen[number], seconds)
        self._seen[number] += 1
        return self.shown(number)[self._seen[number] - 1]

    async def until(self, condition: Callable[[], Any], seconds: float = 5.0) -> None:
        """Wait until the condition holds; it is looked at after every call and every delivery. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self._changed.wait()

    async def delivered(self, seconds: float = 5.0) -> None:
        """Wait until the bot has taken every update."""
        await self.until(lambda: not self.updates, seconds)

    # --- updates

    def wake(self) -> None:
        """Something is in the queue: tell pollers, or start to deliver it."""
        if self.webhook:
            for queue in {queue for queue, _ in self.updates}:
                if queue not in self._deliverers or self._deliverers[queue].done():
                    self._deliverers[queue] = asyncio.create_task(self._deliver(queue))
        self._notify()

    def _notify(self) -> None:
        """Whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _deliver(self, queue: str) -> None:
        """One queue to the webhook: in order, the next only after the last was taken, other queues at the same time."""
        pause = 0.0
        async with aiohttp.ClientSession(trust_env=False) as session:
            while entry := next((entry for entry in self.updates if entry[0] == queue), None):
                headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.get("secret_token", "")}
                retry_after = ""
                try:
                    async with session.post(self.webhook["url"], json=entry[1], headers=headers) as answer:
                        self.webhook_statuses.append(answer.status)
                        taken, retry_after = answer.status < 300, answer.headers.get("Retry-After", "")
                except aiohttp.ClientError:
                    taken = False
                if taken:
                    self.updates.remove(entry)
                    pause = 0.0
                    self._notify()
                else:
                    await self._sleep(float(retry_after) if retry_after else pause)
                    pause = min(60.0, 2 * pause or 2.0)
        if not self._closing.is_set() and any(entry[0] == queue for entry in self.updates):  # it came while the session was closed
            self._deliverers[queue] = asyncio.create_task(self._deliver(queue))

    async def _get_updates(self, call: Call) -> Any:
        if self.webhook:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        if self._poller is not None:
            self._poller.set()
        mine = self._poller = asyncio.Event()
        offset, timeout = int(call.parameters.get("offset", 0)), float(call.parameters.get("timeout", 0))
        if offset > 0:
            self.updates[:] = [entry for entry in self.updates if entry[1]["update_id"] >= offset]
        self._notify()
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: self.updates or mine.is_set() or self._closing.is_set(), timeout)
        if mine.is_set():
            raise ApiError(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
        self._poller = None
        return [update for _, update in self.updates[: int(call.parameters.get("limit", 100))]]

    # --- HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = await _read(request)
        self.calls.append(call)
        self._notify()
        try:
            answer = await self._answer(request, call)
        except ApiError as error:
            body: dict[str, Any] = {"ok": False, "error_code": error.status, "description": error.description}
            headers = {}
            if error.parameters:
                body["parameters"] = error.parameters
                if retry_after := error.parameters.get("retry_after"):
                    headers["Retry-After"] = str(retry_after)
            answer = web.json_response(body, status=error.status, headers=headers)
        call.status = answer.status if request.transport is not None and not request.transport.is_closing() else 0
        self._notify()
        return answer

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        if request.match_info["token"] != self.token:
            raise ApiError(401, "Unauthorized")
        if self.judged:
            found = objections(call.method, call.parameters, {name: len(data) for name, data in call.files.items()})
            self.objections += [f"{call.method}: {objection}" for objection in found]
        fault = self._fault(call)
        value = await self._do(call) if fault is None or fault.commit else None
        return await self._spoil(request, fault, value) if fault else web.json_response({"ok": True, "result": value})

    def _fault(self, call: Call) -> Fault | None:
        chat = call.parameters.get("chat_id")
        for entry in self._faults:
            fault, method, number, times = entry
            if times and method in ("*", call.method) and (number is None or str(chat) == str(number)):
                entry[3] -= 1
                return fault  # type: ignore[no-any-return]
        return None

    async def _spoil(self, request: web.Request, fault: Fault, value: Any) -> web.StreamResponse:
        if fault.kind == "refuse":
            raise ApiError(fault.status, fault.description, **fault.parameters)
        if fault.kind == "html":
            return web.Response(status=fault.status, text="<html><h1>nginx</h1></html>", content_type="text/html")
        if fault.kind == "truncate":
            whole = json.dumps({"ok": True, "result": value})
            return web.Response(text=whole[: len(whole) // 2], content_type="application/json")
        if fault.kind == "hang":
            self._notify()
            await self._closing.wait()
        if request.transport is not None:  # the bot may have hung up first
            request.transport.abort()
        return web.Response()

    async def _handle_file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.token:
            return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
        fault = self._fault(Call("download", {}, {}))
        if fault is not None:
            return web.Response(status=fault.status)
        data = self.files.get(request.match_info["path"].removeprefix("files/"))
        return web.Response(body=data) if data is not None else web.Response(status=404)

    async def _do(self, call: Call) -> Any:
        if call.method == "getUpdates":
            return await self._get_updates(call)
        if call.method.startswith(("send", "edit")):
            self._check_flood(call)
        name = re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), call.method)
        act: Callable[[Call], Any] | None = getattr(self, f"_{name}", None)
        if act is None:
            raise ApiError(404, "Not Found")
        return act(call)

    def _check_flood(self, call: Call) -> None:
        if not self.limits:
            return
        chat, now = int(call.parameters["chat_id"]), self._clock()
        rules = [(0, 1.0, 30), (chat, 3.0, 3)] + ([(chat, 60.0, 20)] if chat < 0 else [])
        for number, seconds, most in rules:
            recent = [at for at in self._sent_at[number] if at > now - seconds]
            if len(recent) >= most:
                wait = max(1, round(recent[-most] + seconds - now))
                raise ApiError(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        self._sent_at[0].append(now)
        self._sent_at[chat].append(now)

    def _messages(self, chat: int | Chat | User) -> dict[int, dict[str, Any]]:
        return self.chats[self.number(chat)].messages

    def _show(self, message: dict[str, Any]) -> Shown:
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        labels = tuple(tuple(button["text"] for button in row) for row in rows)
        text = message.get("text", message.get("caption", ""))
        return Shown(message["chat"]["id"], message["message_id"], text, labels, message)


async def _read(request: web.Request) -> Call:
    method = request.match_info["method"]
    if request.content_type == "application/json":
        return Call(method, await request.json(), {})
    parameters: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = value.file.read()
        else:
            parameters[name] = value
    return Call(method, parameters, files)
