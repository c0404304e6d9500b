"""The people of a fake Telegram: what they do becomes the updates that Telegram itself would send."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from judge import update_objections

ANONYMOUS_ADMIN = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
CHANNEL_BOT = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}


@dataclass(frozen=True)
class User:
    """A person; `id` is also the number of the private chat with the bot."""

    id: int
    name: str
    language: str = "zh-hans"

    @property
    def json(self) -> dict[str, Any]:
        """The person as the Bot API says it."""
        return {"id": self.id, "is_bot": False, "first_name": self.name, "language_code": self.language}


@dataclass
class Chat:
    """A chat with its messages by id. `topics`: the threads of a forum by id (General has none)."""

    id: int
    kind: str
    title: str = ""
    forum: bool = False
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    topics: dict[int, str] = field(default_factory=dict)
    bot_inside: bool = True
    moved_to: int = 0

    @property
    def json(self) -> dict[str, Any]:
        """The chat as the Bot API says it."""
        value: dict[str, Any] = {"id": self.id, "type": self.kind}
        if self.title:
            value["first_name" if self.kind == "private" else "title"] = self.title
        return value | ({"is_forum": True} if self.forum else {})


class People:
    """Chats, messages and the queue of updates; `FakeTelegram` is the server around them."""

    def __init__(self, bot_id: int, username: str) -> None:
        self.bot_id, self.username = bot_id, username
        self.bot = {"id": bot_id, "is_bot": True, "first_name": "邻哨", "username": username}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, bytes] = {}
        self.updates: list[tuple[str, dict[str, Any]]] = []  # (the queue Telegram puts it in, the update)
        self.pressed: set[str] = set()
        self.keyboards: dict[int, dict[str, Any]] = {}  # the reply keyboard a chat shows
        self._update_ids, self._ids = itertools.count(700_000_001), itertools.count(5001)
        self._dates = itertools.count(1_795_392_000)

    def now(self) -> int:
        """The date of the next message; seconds go by one each."""
        return next(self._dates)

    def wake(self) -> None:
        """Something is in the queue."""
        raise NotImplementedError

    # --- who is there

    def user(self, name: str = "王阿姨", number: int | None = None, language: str = "zh-hans") -> User:
        """A person who can talk to the bot, and never has so far."""
        return User(number or next(self._ids), name, language)

    def group(self, title: str = "青禾里党员群", *, forum: bool = False, basic: bool = False) -> Chat:
        """A group that the bot is in: a supergroup, with topics when `forum`, or a basic one."""
        number = -next(self._ids) if basic else -1_000_000_000_000 - next(self._ids)
        chat = self.chats[number] = Chat(number, "group" if basic else "supergroup", title, forum)
        return chat

    def topic(self, chat: Chat, name: str = "接单") -> int:
        """A new topic of a forum; its id."""
        message = self.post(chat, self.bot, forum_topic_created={"name": name, "icon_color": 7322096})
        number: int = message["message_id"]
        message |= {"message_thread_id": number, "is_topic_message": True}
        chat.topics[number] = name
        return number

    def number(self, chat: int | Chat | User) -> int:
        """The chat's id; a person's is their private chat."""
        return chat if isinstance(chat, int) else chat.id

    # --- what they do; each gives the message (or the press's id) as Telegram has it

    def user_says(self, user: User, text: str, *, chat: Chat | None = None, **options: Any) -> dict[str, Any]:
        """Write a text. Options: `topic`, `reply_to` (a message id), `anonymous` (as the group), further fields."""
        return self._speak(user, chat, {"text": text, **_entities(text)}, **options)

    def opens_link(self, user: User, payload: str = "") -> dict[str, Any]:
        """Open the bot by a deep link, which is a private `/start PAYLOAD`."""
        return self.user_says(user, f"/start {payload}".strip())

    def sends_photo(
        self, user: User, data: bytes = b"\xff\xd8jpeg", *, caption: str = "", album: str = "", **options: Any
    ) -> dict[str, Any]:
        """Send a photo, as one of an album when that has a name."""
        content = self.medium("photo", data)
        content |= ({"caption": caption} if caption else {}) | ({"media_group_id": album} if album else {})
        return self._speak(user, options.pop("chat", None), content, **options)

    def sends_document(self, user: User, data: bytes, mime: str, name: str = "file", **options: Any) -> dict[str, Any]:
        """Send a file; a picture "without compression" is one too."""
        content = self.medium("document", data)
        content["document"] |= {"mime_type": mime, "file_name": name}
        return self._speak(user, options.pop("chat", None), content, **options)

    def sends_voice(self, user: User, data: bytes = b"OggS", seconds: int = 3, **options: Any) -> dict[str, Any]:
        """Send a voice message."""
        content = self.medium("voice", data)
        content["voice"]["duration"] = seconds
        return self._speak(user, options.pop("chat", None), content, **options)

    def sends_location(
        self,
        user: User,
        lat: float,
        lon: float,
        *,
        accuracy: float | None = None,
        forwarded: bool = False,
        **options: Any,
    ) -> dict[str, Any]:
        """Share a location."""
        location: dict[str, Any] = {"latitude": lat, "longitude": lon}
        if accuracy is not None:
            location["horizontal_accuracy"] = accuracy
        content: dict[str, Any] = {"location": location}
        if forwarded:
            content["forward_origin"] = {"type": "hidden_user", "sender_user_name": "somebody", "date": self.now()}
        return self._speak(user, options.pop("chat", None), content, **options)

    def sends_sticker(self, user: User, **options: Any) -> dict[str, Any]:
        """Send a sticker."""
        sticker = {
            "file_id": "sticker", "file_unique_id": "usticker", "type": "regular", "width": 512, "height": 512,
            "is_animated": False, "is_video": False,
        }  # fmt: skip
        return self._speak(user, options.pop("chat", None), {"sticker": sticker}, **options)

    def edits(self, user: User, message: Mapping[str, Any], text: str) -> dict[str, Any]:
        """Change an earlier message's text."""
        chat = self.chats[message["chat"]["id"]]
        edited = chat.messages[message["message_id"]]
        assert edited["from"]["id"] == user.id, "people change their own messages only"
        edited.update(text=text, edit_date=self.now())
        self.update("edited_message", dict(edited), f"chat{chat.id}")
        return edited

    def presses(self, user: User, message: Any, label: str, *, inaccessible: bool = False, stale: bool = False) -> str:
        """Press the button with this label on a message of the bot (a Shown or its JSON); the press's id.

        A deep link is opened ("" then). `stale`: the button of the message as it was given, gone since or not.
        `inaccessible`: the message is so old that Telegram only names it.
        """
        raw = getattr(message, "raw", message)
        chat = self.chats[raw["chat"]["id"]]
        current = raw if stale else chat.messages[raw["message_id"]]
        keyboard = current.get("reply_markup", {}).get("inline_keyboard", [])
        found = [button for row in keyboard for button in row if button["text"] == label]
        assert found, f"no button {label!r}, there are {[button['text'] for row in keyboard for button in row]}"
        if "url" in found[0]:
            address = urlsplit(found[0]["url"])
            assert address.path == f"/{self.username}", f"a link to another bot: {found[0]['url']}"
            self.opens_link(user, parse_qs(address.query)["start"][0])
            return ""
        return self.press_data(user, current, found[0]["callback_data"], inaccessible=inaccessible)

    def press_data(self, user: User, message: Mapping[str, Any], data: str, *, inaccessible: bool = False) -> str:
        """Press with any data, as somebody with a client of their own can; the press's id."""
        press = str(next(self._ids) * 7919)
        self.pressed.add(press)
        shown = dict(message)
        if inaccessible:
            shown = {"chat": message["chat"], "message_id": message["message_id"], "date": 0}
        query = {"id": press, "from": user.json, "message": shown, "chat_instance": "42", "data": data}
        self.update("callback_query", query, f"user{user.id}")
        return press

    def blocks_bot(self, user: User) -> None:
        """Block the bot: it is told, and can send nothing more."""
        self._membership(user, self.private(user), inside=False)

    def unblocks_bot(self, user: User) -> None:
        """Start the bot again after blocking it."""
        self._membership(user, self.private(user), inside=True)

    def removes_bot(self, user: User, chat: Chat) -> None:
        """Remove the bot from a group."""
        self._membership(user, chat, inside=False)

    def adds_bot(self, user: User, chat: Chat) -> None:
        """Add the bot to a group."""
        chat.bot_inside = False
        self._membership(user, chat, inside=True)

    def migrates(self, chat: Chat, user: User | None = None) -> Chat:
        """A basic group becomes a supergroup: a new chat, a service message in each; the old id takes nothing more."""
        new = self.group(chat.title)
        actor = user.json if user else ANONYMOUS_ADMIN
        old_message = self.post(chat, actor, migrate_to_chat_id=new.id)
        new_message = self.post(new, actor, migrate_from_chat_id=chat.id)
        chat.moved_to = new.id
        self.update("message", old_message, f"chat{chat.id}")
        self.update("message", new_message, f"chat{new.id}")
        return new

    def update(self, kind: str, payload: Any, queue: str = "other") -> dict[str, Any]:
        """Put any update into the queue. Raises AssertionError when Telegram could not have sent it."""
        update = {"update_id": next(self._update_ids), kind: payload}
        problems = update_objections(update)
        assert not problems, problems
        return self.raw_update(update, queue)

    def raw_update(self, update: dict[str, Any], queue: str = "other") -> dict[str, Any]:
        """Put anything at all into the queue."""
        self.updates.append((queue, update))
        self.wake()
        return update

    # --- how it is kept

    def private(self, user: User) -> Chat:
        """The person's chat with the bot."""
        return self.chats.setdefault(user.id, Chat(user.id, "private", user.name))

    def post(self, chat: Chat, author: Mapping[str, Any], topic: int | None = None, **content: Any) -> dict[str, Any]:
        """Put a message into a chat."""
        keyboard = content.pop("keyboard", None)
        if keyboard and "keyboard" in keyboard:
            self.keyboards[chat.id] = keyboard
        if keyboard and keyboard.get("remove_keyboard"):
            self.keyboards.pop(chat.id, None)
        number = max(chat.messages, default=0) + 1
        message = {"message_id": number, "from": dict(author), "chat": chat.json, "date": self.now()} | content
        if topic is not None:
            message |= {"message_thread_id": topic, "is_topic_message": True}
            # In a topic everything answers something: by default the message that opened it.
            opening = {name: value for name, value in chat.messages[topic].items() if name != "reply_to_message"}
            message.setdefault("reply_to_message", opening)
        chat.messages[number] = message
        return message

    def medium(self, kind: str, data: bytes) -> dict[str, Any]:
        """The content of a message with a stored file."""
        name = f"{kind}{next(self._ids)}"
        self.files[name] = data
        one = {"file_id": name, "file_unique_id": f"u{name}", "file_size": len(data)}
        if kind == "photo":
            small = one | {"file_id": f"{name}s", "file_unique_id": f"u{name}s", "width": 90, "height": 67}
            self.files[f"{name}s"] = data[:1]
            return {"photo": [small | {"file_size": 1}, one | {"width": 1280, "height": 960}]}
        if kind in ("voice", "audio"):
            return {kind: one | {"duration": 3, "mime_type": "audio/ogg" if kind == "voice" else "audio/mpeg"}}
        return {kind: one}

    def _speak(
        self,
        user: User,
        chat: Chat | None,
        content: dict[str, Any],
        *,
        topic: int | None = None,
        reply_to: int | None = None,
        anonymous: bool = False,
        **further: Any,
    ) -> dict[str, Any]:
        place = chat or self.private(user)
        content = content | further
        if anonymous:
            content["sender_chat"] = place.json
        if reply_to is not None:
            original = place.messages[reply_to]
            content["reply_to_message"] = {name: value for name, value in original.items() if name != "reply_to_message"}
        message = self.post(place, ANONYMOUS_ADMIN if anonymous else user.json, topic, **content)
        self.update("message", dict(message), f"chat{place.id}")
        return message

    def _membership(self, user: User, chat: Chat, *, inside: bool) -> None:
        before = self._member(chat, chat.bot_inside)
        chat.bot_inside = inside
        change = {
            "chat": chat.json, "from": user.json, "date": self.now(),
            "old_chat_member": before, "new_chat_member": self._member(chat, inside),
        }  # fmt: skip
        self.update("my_chat_member", change, f"chat{chat.id}")

    def _member(self, chat: Chat, inside: bool) -> dict[str, Any]:
        if inside:
            return {"user": self.bot, "status": "member"}
        if chat.kind == "private":
            return {"user": self.bot, "status": "kicked", "until_date": 0}
        return {"user": self.bot, "status": "left"}


def _entities(text: str) -> dict[str, Any]:
    if not text.startswith("/"):
        return {}
    return {"entities": [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]}
