"""HTTP to the Bot API: one exchange, and what each answer means for a message (sent, not sent, nobody knows).

An address of the Bot API holds the bot's token, and so do some errors of the HTTP client: no text of theirs leaves
this file.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import aiohttp

from bot.platforms.base import Blocked, ChatMoved, MessageGone, NotSent, Refused, RetryAfter, SendError, Uncertain
from bot.platforms.telegram_updates import decode

READ_SECONDS: Final = 60.0
MEDIA_READ_SECONDS: Final = 120.0
_CONNECT_SECONDS: Final = 10.0
_NEVER_STARTED: Final = ("chat not found", "peer_id_invalid", "user not found")
_GONE: Final = ("message to edit not found", "message can't be edited", "message_id_invalid")


class WrongToken(Refused):
    """The Bot API does not know the token."""


class Conflict(Refused):
    """Another program polls with the same token, or a webhook is set."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status and the whole body."""

    status: int
    body: bytes


class Transport:
    """Connections to one server. Proxies of the environment are not used; redirects are not followed.

    `connections`: how many requests run at once; one more waits for at most 10 s and is then NotSent. `read_seconds`,
    `media_seconds`: how long an answer may take, and that to an upload or a download.
    """

    def __init__(self, connections: int, read_seconds: float = READ_SECONDS, media_seconds: float = MEDIA_READ_SECONDS) -> None:
        self._connections, self.read_seconds, self.media_seconds = connections, read_seconds, media_seconds
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        data: bytes | aiohttp.FormData | None = None,
        mime: str = "",
        read_seconds: float | None = None,
        limit: int = 50_000_000,
    ) -> Answer:
        """The answer to one request. Raises NotSent when nothing was written, Uncertain when no whole answer came, and
        Refused for a body of more than `limit` bytes."""
        wait = read_seconds or self.read_seconds
        written = SimpleNamespace(begun=False)
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS, sock_read=wait)
        headers = {"Content-Type": mime} if mime else None
        body = bytearray()
        try:
            async with (
                asyncio.timeout(_CONNECT_SECONDS + 2 * wait),
                self._open().request(
                    method,
                    url,
                    data=data,
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                    trace_request_ctx=written,
                ) as response,
            ):
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > limit:
                        raise Refused(f"more than {limit} bytes")
                return Answer(response.status, bytes(body))
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            reason = type(error).__name__
        raise (Uncertain(f"no answer from Telegram ({reason})") if written.begun else NotSent(f"no connection ({reason})"))

    async def close(self) -> None:
        """Close every connection; later requests are NotSent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise NotSent("the connection to Telegram is closed")
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_mark_written)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, limit_per_host=self._connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[trace],
                trust_env=False,
            )
        return self._session


class BotApi:
    """One bot's methods over one transport. It alone knows the token, and never shows it."""

    def __init__(self, token: str, url: str, transport: Transport) -> None:
        self._token, self._url, self.transport = token, url.rstrip("/"), transport

    async def call(self, method: str, parameters: dict[str, Any], read_seconds: float | None = None) -> Any:
        """The `result` of a method. Raises SendError."""
        body, mime = json_body(parameters)
        url = f"{self._url}/bot{self._token}/{method}"
        return result(await self.transport.exchange("POST", url, data=body, mime=mime, read_seconds=read_seconds))

    async def download(self, path: str, limit: int) -> Answer:
        """The file at a `file_path`. Raises SendError; Refused when it has more than `limit` bytes."""
        url = f"{self._url}/file/bot{self._token}/{path.lstrip('/')}"
        return await self.transport.exchange("GET", url, read_seconds=self.transport.media_seconds, limit=limit)


async def _mark_written(_session: Any, context: SimpleNamespace, _parameters: Any) -> None:
    """Called just before the first byte goes out: an error from here on may be the error of a request that was done."""
    context.trace_request_ctx.begun = True


def json_body(parameters: dict[str, Any]) -> tuple[bytes, str]:
    """The body of a request without files, and its type. Half a surrogate pair becomes a question mark."""
    return json.dumps(parameters, ensure_ascii=False).encode("utf-8", "replace"), "application/json"


def result(answer: Answer) -> Any:
    """What the Bot API answered. Raises the SendError that its refusal, or an answer that is not its own, means."""
    value = _bot_api_answer(answer)
    if value is None:
        raise _foreign(answer.status)
    if value["ok"]:
        if 200 <= answer.status < 300 and "result" in value:
            return value["result"]
        raise Uncertain(f"an answer that contradicts itself (HTTP {answer.status})")
    raise _refusal(answer.status, value)


def _bot_api_answer(answer: Answer) -> dict[str, Any] | None:
    try:
        value = decode(answer.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("ok"), bool) else None


def _foreign(status: int) -> SendError:
    """An answer that the Bot API did not write: of a proxy on the way, or cut off in the middle."""
    if status == 429:
        return RetryAfter(1.0)
    if status in (401, 404):
        return _wrong_token(status)
    if status == 413:
        return Refused("too large for the way to Telegram (HTTP 413)")
    if 300 <= status < 500 and status != 408:
        return NotSent(f"HTTP {status} from something that is not the Bot API: check TELEGRAM_API_URL")
    return Uncertain(f"HTTP {status} without an answer of the Bot API")


def _refusal(status: int, value: dict[str, Any]) -> SendError:
    code = value.get("error_code")
    status = code if isinstance(code, int) else status
    parameters = value.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    description = str(value.get("description") or f"HTTP {status}")
    known = description.lower()
    if moved := parameters.get("migrate_to_chat_id"):
        return ChatMoved(str(moved))
    if status == 429:
        seconds = parameters.get("retry_after")
        return RetryAfter(float(seconds) if isinstance(seconds, int | float) and seconds > 0 else 1.0)
    if status in (401, 404):
        return _wrong_token(status)
    if status == 409:
        return Conflict(description)
    if status == 403 or any(words in known for words in _NEVER_STARTED):
        return Blocked(description)
    if any(words in known for words in _GONE):
        return MessageGone(description)
    return NotSent(description) if status >= 500 else Refused(description)


def _wrong_token(status: int) -> WrongToken:
    return WrongToken(f"Telegram does not know this bot token (HTTP {status}): check TELEGRAM_BOT_TOKEN and TELEGRAM_API_URL")
