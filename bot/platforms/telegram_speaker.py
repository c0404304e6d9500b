"""What is said to Telegram, over the library's `Bot`: its methods and types, our own connections and errors."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import aiohttp
import structlog
import telegram
from telegram.error import TelegramError
from telegram.request import BaseRequest, RequestData

from bot.platforms.base import Media, MessageGone, NotSent, Refused, RetryAfter, SendError, Uncertain
from bot.platforms.telegram_listener import Sleep
from bot.platforms.telegram_transport import Transport, WrongToken, json_body, result
from bot.platforms.telegram_updates import utf16_length
from texts.render import Rendered, RenderedButton

log = structlog.get_logger(__name__)
Result = TypeVar("Result")
Keyboard = telegram.InlineKeyboardMarkup | telegram.ReplyKeyboardMarkup | telegram.ReplyKeyboardRemove | None

CAPTION_LIMIT: Final = 1024
PHOTO_LIMIT: Final = 10_000_000
_ALBUM: Final = 10
_PHOTOS: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
_MUSIC: Final = frozenset({"audio/mpeg", "audio/mp4", "audio/x-m4a"})
_NO_PREVIEW: Final = telegram.LinkPreviewOptions(is_disabled=True)
_SAME: Final = "message is not modified"
_TOO_OLD: Final = ("query is too old", "query id is invalid", "query_id_invalid")
_BROOM: Final = "⌨"


class Speaker:
    """Sends, edits and answers presses; every method raises SendError and nothing else.

    `door`: the address that opens a private chat with a payload, "" while nobody knows it. `location_label`: the button that shares
    the sender's position. `sleep`: what it waits with. `bot`: its name in the log.
    """

    def __init__(
        self, bot: str, token: str, api_url: str, transport: Transport, door: Callable[[str], str], *, location_label: str, sleep: Sleep
    ) -> None:
        request = _Request(transport)
        self._out = telegram.Bot(token, f"{api_url.rstrip('/')}/bot", request=request, get_updates_request=request)
        self.bot, self._door, self._location_label, self._sleep = bot, door, location_label, sleep
        self._asking: set[str] = set()  # the chats that show the location button
        logging.getLogger("telegram").setLevel(logging.WARNING)  # at DEBUG the library logs what people are sent

    async def send(self, chat: str, message: Rendered, media: tuple[Media, ...]) -> str:
        """Send to a chat or topic; the id of the message with the buttons. A medium that Telegram refuses is left out."""
        keyboard, where = self._keyboard(chat, message), _where(chat)
        number = await self._send(message, media, where, keyboard)
        await self._put_away(chat, where, keyboard)
        return number

    async def _send(self, message: Rendered, media: tuple[Media, ...], where: dict[str, Any], keyboard: Keyboard) -> str:
        if len(media) == 1 and utf16_length(message.text) > CAPTION_LIMIT:
            number = await self._send_text(message, where, keyboard)
            with contextlib.suppress(_FileRefused):
                await self._follow(partial(self._send_file, media[0], where))
            return number
        if len(media) == 1:
            with contextlib.suppress(_FileRefused):
                return await self._send_file(media[0], where, caption=message.text or None, reply_markup=keyboard)
        elif await self._send_files(media, where):
            return await self._follow(partial(self._send_text, message, where, keyboard))
        return await self._send_text(message, where, keyboard)

    async def edit(self, chat: str, message_id: str, message: Rendered) -> None:
        """Make an earlier message read so (its caption, when it is a file). Identical content is a success."""
        which, keyboard = _which(chat, message_id), self._inline(message)
        edit = self._out.edit_message_text(message.text, **which, reply_markup=keyboard, link_preview_options=_NO_PREVIEW)
        try:
            await self._unless((_SAME,), edit)
        except Refused as error:
            if not says(error, "there is no text in the message"):
                raise
            if utf16_length(message.text) > CAPTION_LIMIT:
                raise MessageGone("the text is too long for the caption of a file") from None
            edit = self._out.edit_message_caption(**which, caption=message.text, reply_markup=keyboard)
            await self._unless((_SAME,), edit)

    async def clear(self, chat: str, message_id: str) -> None:
        """Take the buttons off an earlier message; one that is gone has none."""
        with contextlib.suppress(MessageGone):
            await self._unless((_SAME,), self._out.edit_message_reply_markup(**_which(chat, message_id)))

    async def toast(self, press_id: str, text: str, start: str) -> None:
        """Answer a press, by opening the private chat with `start` where that can be; one that is too old is left alone."""
        if start and (link := self._door(start)):
            try:
                await self._unless(_TOO_OLD, self._out.answer_callback_query(press_id, url=link))
            except WrongToken:
                raise
            except Refused as error:
                log.warning("Telegram opens no link for a press; the text says it", bot=self.bot, reason=str(error))
            else:
                return
        await self._unless(_TOO_OLD, self._out.answer_callback_query(press_id, text or None))

    async def _call(self, request: Awaitable[Result]) -> Result:
        """One request of the library. Raises SendError and nothing else."""
        try:
            return await request
        except _CarriedError as carried:
            raise carried.error from None
        except Exception as error:  # the answer was good, and the library did not understand it
            raise Uncertain(f"an answer of Telegram that could not be read ({type(error).__name__})") from None

    async def _unless(self, harmless: tuple[str, ...], request: Awaitable[Any]) -> None:
        """One request, whose refusal in one of these words is a success."""
        try:
            await self._call(request)
        except Refused as error:
            if not says(error, *harmless):
                raise
            log.debug("Telegram had nothing to do", bot=self.bot, reason=str(error))

    async def _deliver(self, method: Callable[..., Awaitable[Result]], where: dict[str, Any], **values: Any) -> Result:
        """Send; into the group itself when the topic is gone, or topics were switched off."""
        try:
            return await self._call(method(**where, **values))
        except Refused as error:
            if "message_thread_id" not in where or not says(error, "message thread not found"):
                raise
            where = {name: value for name, value in where.items() if name != "message_thread_id"}
            return await self._call(method(**where, **values))

    async def _send_text(self, message: Rendered, where: dict[str, Any], keyboard: Keyboard) -> str:
        sent = await self._deliver(
            self._out.send_message,
            where,
            text=message.text,
            reply_markup=keyboard,
            link_preview_options=_NO_PREVIEW,
        )
        return str(sent.message_id)

    async def _send_files(self, media: Sequence[Media], where: dict[str, Any]) -> bool:
        """Send several media, photos as albums; whether any went out."""
        photos = [medium for medium in media if _is_photo(medium)]
        albums = [photos[start : start + _ALBUM] for start in range(0, len(photos), _ALBUM)]
        parts: list[Callable[[], Awaitable[Any]]] = [
            *(partial(self._send_album, album, where) for album in albums),
            *(partial(self._send_file, medium, where) for medium in media if not _is_photo(medium)),
        ]
        sent = False
        for part in parts:
            with contextlib.suppress(_FileRefused):
                await (self._follow(part) if sent else part())
                sent = True
        return sent

    async def _send_album(self, album: Sequence[Media], where: dict[str, Any]) -> None:
        if len(album) == 1:
            await self._send_file(album[0], where)
            return
        photos = [telegram.InputMediaPhoto(medium.data, filename=medium.name or None) for medium in album]
        await self._unless_refused(self._deliver(self._out.send_media_group, where, media=photos))

    async def _send_file(self, medium: Media, where: dict[str, Any], **values: Any) -> str:
        values["filename"] = medium.name or None
        sent: Awaitable[telegram.Message]
        if _is_photo(medium):
            sent = self._deliver(self._out.send_photo, where, photo=medium.data, **values)
        elif medium.mime == "audio/ogg":
            sent = self._deliver(self._out.send_voice, where, voice=medium.data, **values)
        elif medium.mime in _MUSIC:
            sent = self._deliver(self._out.send_audio, where, audio=medium.data, **values)
        else:
            sent = self._deliver(self._out.send_document, where, document=medium.data, **values)
        return str((await self._unless_refused(sent)).message_id)

    async def _unless_refused(self, sent: Awaitable[Result]) -> Result:
        try:
            return await sent
        except WrongToken:
            raise
        except Refused as error:
            log.warning("Telegram refused a file; the text goes without it", bot=self.bot, reason=str(error))
            raise _FileRefused(str(error)) from None

    async def _follow(self, part: Callable[[], Awaitable[Result]]) -> Result:
        """A later part of a message of which a part is out: tried again here, as the whole again would double that.

        Raises Uncertain when it does not get through in three tries with waits of at most 60 s.
        """
        for attempt in range(3):
            try:
                return await part()
            except (NotSent, RetryAfter) as error:
                seconds = error.seconds if isinstance(error, RetryAfter) else 2.0**attempt
                if attempt == 2 or seconds > 60:
                    raise Uncertain(f"only a part of the message went out: {error}") from None
                await self._sleep(seconds)
        raise AssertionError("unreachable")

    def _keyboard(self, chat: str, message: Rendered) -> Keyboard:
        if message.buttons:
            return self._inline(message)
        if message.ask_location and not is_group(chat):
            self._asking.add(chat)
            button = telegram.KeyboardButton(self._location_label, request_location=True)
            return telegram.ReplyKeyboardMarkup([[button]], resize_keyboard=True, one_time_keyboard=True)
        return telegram.ReplyKeyboardRemove() if chat in self._asking else None

    async def _put_away(self, chat: str, where: dict[str, Any], keyboard: Keyboard) -> None:
        """Take the location button away once something else is said: however the answer came, it would stay over the typing field.

        A message has buttons of its own or takes that one away, never both; then a silent one takes it away and goes itself.
        Which chats show it this process knows by itself: after a restart one stays until its next use.
        """
        if chat not in self._asking or isinstance(keyboard, telegram.ReplyKeyboardMarkup):
            return
        if keyboard is not None and not isinstance(keyboard, telegram.ReplyKeyboardRemove):
            try:
                broom = self._out.send_message(**where, text=_BROOM, reply_markup=telegram.ReplyKeyboardRemove(), disable_notification=True)
                sent = await self._call(broom)
                await self._call(self._out.delete_message(where["chat_id"], sent.message_id))
            except SendError as error:  # the message itself has arrived: that must not be doubled for a button
                log.info("the location button stays for now", bot=self.bot, reason=str(error))
                return
        self._asking.discard(chat)

    def _inline(self, message: Rendered) -> telegram.InlineKeyboardMarkup | None:
        if not message.buttons:
            return None
        return telegram.InlineKeyboardMarkup([[self._button(button) for button in row] for row in message.buttons])

    def _button(self, button: RenderedButton) -> telegram.InlineKeyboardButton:
        if button.action:
            return telegram.InlineKeyboardButton(button.label, callback_data=button.action)
        if not (link := self._door(button.start)):
            raise NotSent("the bot's own name is not known yet")
        return telegram.InlineKeyboardButton(button.label, link)


class _CarriedError(TelegramError):
    """Carries our own error through the library."""

    def __init__(self, error: SendError) -> None:
        super().__init__(str(error))
        self.error = error


class _FileRefused(Refused):
    """Telegram will never take this file."""


class _Request(BaseRequest):
    """The library's way to the network: our own connections, and errors that say what became of the message."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def read_timeout(self) -> float:
        return self._transport.read_seconds

    async def initialize(self) -> None:
        """Nothing: connections are made when they are needed."""

    async def shutdown(self) -> None:
        """Nothing: the platform closes its connections itself."""

    async def do_request(self, url: str, method: str, request_data: RequestData | None = None, *_: Any, **__: Any) -> tuple[int, bytes]:
        """Exchange, and raise what a refusal means, so that the library reads good answers only."""
        try:
            if request_data is not None and request_data.contains_files:
                form = aiohttp.FormData(request_data.json_parameters)
                for field, (name, content, mime) in request_data.multipart_data.items():
                    body = io.BytesIO(content) if isinstance(content, bytes) else content
                    form.add_field(field, body, filename=name, content_type=mime)
                answer = await self._transport.exchange(method, url, data=form, read_seconds=self._transport.media_seconds)
            else:
                text, mime = json_body(request_data.parameters if request_data else {})
                answer = await self._transport.exchange(method, url, data=text, mime=mime)
            result(answer)
        except SendError as error:
            raise _CarriedError(error) from None
        return answer.status, answer.body


def says(error: Exception, *words: str) -> bool:
    """Whether Telegram's reason has one of these in it."""
    said = str(error).lower()
    return any(part in said for part in words)


def is_group(chat: str) -> bool:
    """Whether the address is a group's or a channel's, or of a topic in one."""
    return chat.startswith(("-", "@"))


def _where(chat: str) -> dict[str, Any]:
    """The library's arguments for a chat address. Raises Refused for one that is not Telegram's."""
    group, _, thread = chat.partition("/")
    try:
        number: int | str = group if group.startswith("@") else int(group)
        return {"chat_id": number} | ({"message_thread_id": int(thread)} if thread else {})
    except ValueError:
        raise Refused(f"not a chat of Telegram: {chat!r}") from None


def _which(chat: str, message_id: str) -> dict[str, Any]:
    """The library's arguments for a message. Raises MessageGone for an id that is not Telegram's."""
    if not message_id.isdecimal():
        raise MessageGone(f"not a message of Telegram: {message_id!r}")
    return {"chat_id": _where(chat)["chat_id"], "message_id": int(message_id)}


def _is_photo(medium: Media) -> bool:
    return medium.mime in _PHOTOS and len(medium.data) <= PHOTO_LIMIT
