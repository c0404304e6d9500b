"""Telegram's updates (plain JSON) become events: pure functions that give None for junk and never raise.

They read dictionaries, not the library's types: one malformed field of a message makes those types fail as a whole.
Source of the shapes: the Bot API, "Getting updates" and "Available types".
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, Literal

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
from bot.platforms.base import Arrival

#: The kinds asked for, by name: left to its default, Telegram would keep whatever an earlier program had set.
ALLOWED_UPDATES: Final = ("message", "edited_message", "callback_query", "my_chat_member")
#: The most bytes the Bot API lets a bot download.
DOWNLOAD_LIMIT: Final = 20_000_000
#: Messages that a person sends and that carry no words for us. What is not listed is a service message.
_WORDLESS: Final = (
    "animation", "checklist", "contact", "dice", "game", "giveaway", "live_photo", "paid_media", "poll",
    "sticker", "story", "video", "video_note",
)  # fmt: skip
_KINDS: Final[dict[str, Literal["private", "group", "channel"]]] = {
    "private": "private", "group": "group", "supergroup": "group", "channel": "channel",
}  # fmt: skip
_START = re.compile(r"/start(?:@\w+)?(?:\s+(.*))?", re.DOTALL)
_ADDRESSED = re.compile(r"/\w+@(\w+)")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def decode(body: bytes) -> Any:
    """The JSON value of a body. Raises ValueError for anything else: NaN and bottomless nesting too."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def arrival(raw: Any) -> Arrival | None:
    """The update as the inbox takes it, or None when it has no integer `update_id` and so cannot be an update."""
    number = _integer(_object(raw).get("update_id"))
    if number is None:
        return None
    try:
        return Arrival(str(number), _lane(raw) or f"update:{number}", _storable(raw))
    except RecursionError:
        return None


def parse_update(raw: Any, bot_id: int = 0, username: str = "") -> Event | None:
    """The event in an update, or None when there is nothing for us in it.

    Messages of channels, of other bots, and those sent through this bot's own inline mode (`bot_id`) are nothing for
    us, and neither are commands that name another bot than `username`.
    """
    update = _object(raw)
    if "message" in update:
        return _message(_object(update["message"]), bot_id, username)
    if "edited_message" in update:
        return _edited(_object(update["edited_message"]), bot_id)
    if "callback_query" in update:
        return _press(_object(update["callback_query"]))
    if "my_chat_member" in update:
        return _membership(_object(update["my_chat_member"]))
    return None


def utf16_length(text: str) -> int:
    """The length as Telegram counts it, in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _message(message: dict[str, Any], bot_id: int, username: str) -> Event | None:
    if moved := _moved(message):
        return moved
    head = _head(message, bot_id)
    if head is None:
        return None
    if said := _string(message.get("text")):
        return _said(said, head, username)
    album, caption = _string(message.get("media_group_id")), _string(message.get("caption"))
    if photo := _largest(message.get("photo")):
        return Photo(**head, file=photo, caption=caption, album=album)
    document = _object(message.get("document"))
    if "animation" not in message and _string(document.get("mime_type")).startswith("image/") and (file := _file(document)):
        return Photo(**head, file=file, caption=caption, album=album)
    if "animation" not in message and (file := _file(document)):
        return Document(**head, file=file, name=_string(document.get("file_name")), caption=caption)
    for kind in ("voice", "audio"):
        recording = _object(message.get(kind))
        if file := _file(recording):
            return Voice(**head, file=file, seconds=max(0, _integer(recording.get("duration")) or 0))
    if "location" in message or "venue" in message:
        return _location(message, head)
    if any(kind in message for kind in _WORDLESS):
        return Sticker(**head)
    return None


def _said(said: str, head: dict[str, Any], username: str) -> Event | None:
    addressed = _ADDRESSED.match(said)
    if addressed and username and addressed[1].lower() != username.lower():
        return None
    if head["chat"].kind == "private" and (start := _START.fullmatch(said)):
        return Scan(**head, payload=(start[1] or "").strip())
    return Text(**head, text=said)


def _edited(message: dict[str, Any], bot_id: int) -> Event | None:
    # A live location arrives as an edit every few seconds: it has no text, so it ends here.
    head = _head(message, bot_id)
    said = _string(message.get("text")) or _string(message.get("caption"))
    return Edited(**head, text=said) if head and said else None


def _location(message: dict[str, Any], head: dict[str, Any]) -> Event | None:
    venue = _object(message.get("venue"))
    place = _object(message.get("location")) or _object(venue.get("location"))
    lat, lon = _number(place.get("latitude")), _number(place.get("longitude"))
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return None
    accuracy = _number(place.get("horizontal_accuracy"))
    # A venue is picked from a list: wherever it is, it says nothing about where its sender stands.
    elsewhere = bool(venue) or "forward_origin" in message or "forward_date" in message
    return Location(**head, lat=lat, lon=lon, accuracy=accuracy, forwarded=elsewhere)


def _press(query: dict[str, Any]) -> Event | None:
    # The pressed message may be too old to be shown to bots (date 0); its chat and id are there all the same.
    message = _object(query.get("message"))
    sender, chat, number = _person(query.get("from")), _chat(message), _integer(message.get("message_id"))
    action, press_id = _string(query.get("data")), _string(query.get("id"))
    if sender is None or chat is None or number is None or not action or not press_id:
        return None
    return Press(sender=sender, chat=chat, message_id=str(number), action=action, press_id=press_id)


def _membership(change: dict[str, Any]) -> Event | None:
    chat = _chat(change)
    before, now = _present(change.get("old_chat_member")), _present(change.get("new_chat_member"))
    if chat is None or before is None or now is None or before == now:
        return None
    # An administrator who adds the bot anonymously has a bot's name here; the bot has joined all the same.
    sender = _person(change.get("from")) or Sender(f"chat:{chat.id}", anonymous=True)
    return Joined(sender=sender, chat=chat) if now else Left(sender=sender, chat=chat)


def _present(member: Any) -> bool | None:
    status = _string(_object(member).get("status"))
    if status == "restricted":
        return _object(member).get("is_member") is True
    return status not in ("left", "kicked") if status else None


def _moved(message: dict[str, Any]) -> Moved | None:
    """A group became a supergroup: said in the old chat and in the new one, in any order; both give the same event."""
    here = _integer(_object(message.get("chat")).get("id"))
    to, come_from = _integer(message.get("migrate_to_chat_id")), _integer(message.get("migrate_from_chat_id"))
    old, new = (here, to) if to is not None else (come_from, here)
    if old is None or new is None:
        return None
    title = _string(_object(message.get("chat")).get("title"))
    sender = _person(message.get("from")) or Sender(f"chat:{old}", anonymous=True)
    return Moved(sender=sender, chat=ChatRef(str(old), "group", title), new_chat_id=str(new))


def _head(message: dict[str, Any], bot_id: int) -> dict[str, Any] | None:
    """What every event of a message has, or None when it is not a person's message."""
    chat, number = _chat(message), _integer(message.get("message_id"))
    if chat is None or number is None or chat.kind == "channel":
        return None
    sender = _person(message.get("from"))
    if "sender_chat" in message:
        # An administrator who stays anonymous speaks as the group itself; any other chat is a channel that speaks.
        itself = _integer(_object(message["sender_chat"]).get("id"))
        if itself is None or itself != _integer(message["chat"].get("id")):
            return None
        sender = Sender(f"chat:{itself}", _string(message.get("author_signature")), anonymous=True)
    if sender is None or (bot_id and _integer(_object(message.get("via_bot")).get("id")) == bot_id):
        return None
    return {"sender": sender, "chat": chat, "message_id": str(number), "reply_to": _reply_to(message)}


def _reply_to(message: dict[str, Any]) -> str:
    original = _object(message.get("reply_to_message"))
    number = _integer(original.get("message_id"))
    # In a topic, whatever answers nobody answers the service message that opened the topic.
    if number is None or (message.get("is_topic_message") is True and number == message.get("message_thread_id")):
        return ""
    return str(number)


def _person(user: Any) -> Sender | None:
    user = _object(user)
    number = _integer(user.get("id"))
    if number is None or user.get("is_bot") is True:
        return None
    name = f"{_string(user.get('first_name'))} {_string(user.get('last_name'))}".strip()
    return Sender(str(number), name, _string(user.get("language_code")))


def _chat(message: dict[str, Any]) -> ChatRef | None:
    chat = _object(message.get("chat"))
    number, kind = _integer(chat.get("id")), _KINDS.get(_string(chat.get("type")))
    if number is None or kind is None:
        return None
    address, thread = str(number), _integer(message.get("message_thread_id"))
    # Outside topics a thread id is only a chain of replies, and sending to it fails.
    if kind == "group" and message.get("is_topic_message") is True and thread is not None:
        address = f"{number}/{thread}"
    return ChatRef(address, kind, _string(chat.get("title")))


def _largest(sizes: Any) -> FileRef | None:
    """The largest of a photo's sizes that can be downloaded."""
    found: list[tuple[int, FileRef]] = []
    for size in map(_object, sizes if isinstance(sizes, list) else ()):
        file = _file(size, "image/jpeg")
        if file and file.size <= DOWNLOAD_LIMIT:
            found.append(((_integer(size.get("width")) or 0) * (_integer(size.get("height")) or 0), file))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _file(data: dict[str, Any], mime: str = "") -> FileRef | None:
    identifier = _string(data.get("file_id"))
    if not identifier:
        return None
    return FileRef(identifier, _string(data.get("mime_type")) or mime, max(0, _integer(data.get("file_size")) or 0))


def _lane(raw: Any) -> str:
    """Who acts: the user, or `chat:ID` where no single user does."""
    for name, part in _object(raw).items():
        if name == "update_id" or not isinstance(part, dict):
            continue
        user, chat = _integer(_object(part.get("from")).get("id")), _integer(_object(part.get("chat")).get("id"))
        if user is not None and "sender_chat" not in part:
            return str(user)
        if chat is not None:
            return f"chat:{chat}"
    return ""


def _storable(value: Any) -> Any:
    """The value without what no database takes: NUL and halves of surrogate pairs."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str:
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
