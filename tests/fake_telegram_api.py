"""The methods of a fake Bot API, with the refusals that Telegram gives in its own words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fake_telegram_people import Chat, People
from judge import units


@dataclass
class Call:
    """One call of the bot, and how it ended: the HTTP status, 0 when no answer was given."""

    method: str
    parameters: dict[str, Any]
    files: dict[str, bytes]
    status: int = 0


class ApiError(Exception):
    """A refusal of the Bot API."""

    def __init__(self, status: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


class Methods(People):
    """Every method the bot may call is `_its_name(call)` and gives the result or raises ApiError."""

    def __init__(self, token: str, username: str, privacy_mode: bool) -> None:
        super().__init__(int(token.partition(":")[0]), username)
        self.token, self.privacy_mode = token, privacy_mode
        self.calls: list[Call] = []
        self.toasts: list[tuple[str, str]] = []  # (id of the press, text)
        self.opened: list[tuple[str, str]] = []  # (id of the press, the deep link's payload)
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}  # by (scope, language)
        self.webhook: dict[str, Any] = {}

    def spinning(self) -> set[str]:
        """The presses that nobody answered yet."""
        return self.pressed - {press for press, _ in self.toasts}

    # --- methods: the bot itself

    def _get_me(self, _: Call) -> Any:
        return self.bot | {
            "can_join_groups": True,
            "can_read_all_group_messages": not self.privacy_mode,
            "supports_inline_queries": False,
        }

    def _set_my_commands(self, call: Call) -> bool:
        scope = _json(call, "scope", {"type": "default"})["type"]
        self.commands[scope, call.parameters.get("language_code", "")] = _json(call, "commands", [])
        return True

    def _set_webhook(self, call: Call) -> bool:
        url = call.parameters.get("url", "")
        if not url.startswith(("https://", "http://127.0.0.1")):
            raise ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        self.webhook = dict(call.parameters)
        self.wake()
        return True

    def _delete_webhook(self, call: Call) -> bool:
        self.webhook = {}
        if call.parameters.get("drop_pending_updates"):
            self.updates.clear()
        return True

    def _get_webhook_info(self, _: Call) -> Any:
        return {
            "url": self.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": len(self.updates),
        }

    def _get_file(self, call: Call) -> Any:
        data = self.files.get(call.parameters["file_id"])
        if data is None:
            raise ApiError(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(data) > 20_000_000:
            raise ApiError(400, "Bad Request: file is too big")
        name = call.parameters["file_id"]
        return {"file_id": name, "file_unique_id": f"u{name}", "file_size": len(data), "file_path": f"files/{name}"}

    def _answer_callback_query(self, call: Call) -> bool:
        press = call.parameters["callback_query_id"]
        if press not in self.spinning():
            raise ApiError(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )  # fmt: skip
        url = call.parameters.get("url", "")
        if url and not url.startswith(f"https://t.me/{self.username}?start="):
            raise ApiError(400, "Bad Request: URL_INVALID")
        if url:  # the client opens it, and shows no text
            self.opened.append((press, url.partition("?start=")[2]))
        self.toasts.append((press, "" if url else call.parameters.get("text", "")))
        return True

    # --- methods: messages

    def _send_message(self, call: Call) -> Any:
        text = call.parameters.get("text", "")
        if not text.strip():
            raise ApiError(400, "Bad Request: message text is empty")
        if units(text) > 4096:
            raise ApiError(400, "Bad Request: message is too long")
        return self._post(call, text=text)

    def _send_photo(self, call: Call) -> Any:
        return self._post_file(call, "photo")

    def _send_voice(self, call: Call) -> Any:
        return self._post_file(call, "voice")

    def _send_audio(self, call: Call) -> Any:
        return self._post_file(call, "audio")

    def _send_document(self, call: Call) -> Any:
        return self._post_file(call, "document")

    def _post_file(self, call: Call, kind: str) -> Any:
        caption = call.parameters.get("caption", "")
        if units(caption) > 1024:
            raise ApiError(400, "Bad Request: message caption is too long")
        (data,) = call.files.values()
        return self._post(call, **self.medium(kind, data), **({"caption": caption} if caption else {}))

    def _send_media_group(self, call: Call) -> Any:
        parts = _json(call, "media", [])
        album = f"album{len(self.calls)}"
        return [
            self._post(call, **self.medium("photo", call.files[part["media"].removeprefix("attach://")]), media_group_id=album)
            for part in parts
        ]

    def _post(self, call: Call, **content: Any) -> dict[str, Any]:
        chat = self._target(call)
        thread = call.parameters.get("message_thread_id")
        if thread is not None and int(thread) not in chat.topics:
            raise ApiError(400, "Bad Request: message thread not found")
        if reply := _json(call, "reply_parameters", None):
            original = chat.messages.get(reply["message_id"])
            if original is not None:
                content["reply_to_message"] = {k: v for k, v in original.items() if k != "reply_to_message"}
            elif not reply.get("allow_sending_without_reply"):
                raise ApiError(400, "Bad Request: message to be replied not found")
        markup = _json(call, "reply_markup", None)
        if markup and "inline_keyboard" in markup:
            _check_buttons(markup)
            content["reply_markup"] = markup
        topic = int(thread) if thread is not None else None
        return self.post(chat, self.bot, topic=topic, keyboard=markup, **content)

    def _target(self, call: Call) -> Chat:
        chat = self.chats.get(int(call.parameters["chat_id"]))
        if chat is None:
            raise ApiError(400, "Bad Request: chat not found")
        if chat.moved_to:
            raise ApiError(
                400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.moved_to
            )  # fmt: skip
        if not chat.bot_inside:
            said = "bot was blocked by the user" if chat.kind == "private" else "bot was kicked from the group chat"
            raise ApiError(403, f"Forbidden: {said}")
        return chat

    def _edited(self, call: Call) -> dict[str, Any]:
        message = self._target(call).messages.get(int(call.parameters["message_id"]))
        if message is None:
            raise ApiError(400, "Bad Request: message to edit not found")
        if message["from"]["id"] != self.bot_id:
            raise ApiError(400, "Bad Request: message can't be edited")
        return message

    def _delete_message(self, call: Call) -> bool:
        if self._target(call).messages.pop(int(call.parameters["message_id"]), None) is None:
            raise ApiError(400, "Bad Request: message to delete not found")
        return True

    def _edit(self, call: Call, **content: Any) -> Any:
        message = self._edited(call)
        markup = _json(call, "reply_markup", None)
        if markup:
            _check_buttons(markup)
            content["reply_markup"] = markup
        changed = {k: v for k, v in message.items() if k not in ("reply_markup", "edit_date")} | content
        if changed == {k: v for k, v in message.items() if k != "edit_date"}:
            raise ApiError(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
                "same as a current content and reply markup of the message",
            )
        message.clear()
        message.update(changed, edit_date=self.now())
        return message

    def _edit_message_text(self, call: Call) -> Any:
        if "text" not in self._edited(call):
            raise ApiError(400, "Bad Request: there is no text in the message to edit")
        if units(call.parameters["text"]) > 4096:
            raise ApiError(400, "Bad Request: MESSAGE_TOO_LONG")
        return self._edit(call, text=call.parameters["text"])

    def _edit_message_caption(self, call: Call) -> Any:
        return self._edit(call, caption=call.parameters.get("caption", ""))

    def _edit_message_reply_markup(self, call: Call) -> Any:
        return self._edit(call)


def _json(call: Call, name: str, default: Any) -> Any:
    value = call.parameters.get(name, default)
    return json.loads(value) if isinstance(value, str) else value


def _check_buttons(markup: dict[str, Any]) -> None:
    for row in markup["inline_keyboard"]:
        for button in row:
            if not button.get("text"):
                raise ApiError(400, "Bad Request: can't parse inline keyboard button: Text buttons are not allowed")
            if not 1 <= len(button.get("callback_data", "x").encode()) <= 64:
                raise ApiError(400, "Bad Request: BUTTON_DATA_INVALID")
