"""An independent judge of Bot API traffic: aiogram's types, generated of Telegram's own words, and its limits."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import aiogram.methods
from aiogram.methods.base import TelegramMethod
from aiogram.types import Update
from pydantic import BaseModel, ValidationError

_METHODS: Final[dict[str, type[TelegramMethod[Any]]]] = {
    kind.__api_method__: kind
    for kind in vars(aiogram.methods).values()
    if isinstance(kind, type) and issubclass(kind, TelegramMethod) and kind is not TelegramMethod
}
_ACTS: Final = frozenset(
    {
        "url", "callback_data", "web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat",
        "switch_inline_query_chosen_chat", "copy_text", "callback_game", "pay",
    }
)  # fmt: skip
_SIZES: Final = {"photo": 10_000_000}
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_START = re.compile(r"https://t\.me/[A-Za-z0-9_]{5,32}\?(start|startgroup)=[A-Za-z0-9_-]{1,64}")


def objections(method: str, parameters: Mapping[str, Any], files: Mapping[str, int] | None = None) -> list[str]:
    """What is wrong with a call, [] for a right one. `files`: the size of every uploaded part in bytes, by its name."""
    kind = _METHODS.get(method)
    if kind is None:
        return [f"there is no method {method}"]
    files = files or {}
    values = {name: _decoded(value) for name, value in parameters.items()}
    values |= {name: f"attach://{name}" for name in files if name in kind.model_fields}
    found = list(_unknown(kind, values))
    try:
        found += [f"unknown field {path}" for path in _extras(kind.model_validate(values))]
    except ValidationError as error:
        found += [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return found + list(_limits(method, values, files))


def update_objections(update: Mapping[str, Any]) -> list[str]:
    """What is wrong with an update as a fake makes it: [] when it is what Telegram could have sent."""
    try:
        return [f"unknown field {path}" for path in _extras(Update.model_validate(update))]
    except ValidationError as error:
        return [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]


def units(text: str) -> int:
    """The length in UTF-16 units, as Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _decoded(value: Any) -> Any:
    """A form's field: what looks like JSON is JSON there."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _unknown(kind: type[TelegramMethod[Any]], values: Mapping[str, Any]) -> Iterator[str]:
    for name in values:
        field = kind.model_fields.get(name)
        if field is None:
            yield f"unknown parameter {name}"
        elif isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("deprecated"):
            yield f"deprecated parameter {name}"


def _extras(model: Any, path: str = "") -> Iterator[str]:
    if isinstance(model, BaseModel):
        yield from (f"{path}.{name}" for name in model.model_extra or {} if path)
        for name in model.model_fields_set:
            yield from _extras(getattr(model, name), f"{path}.{name}".lstrip("."))
    elif isinstance(model, list | tuple):
        for inner in model:
            yield from _extras(inner, path)


def _limits(method: str, values: Mapping[str, Any], files: Mapping[str, int]) -> Iterator[str]:
    text, caption = values.get("text"), values.get("caption")
    if method in ("sendMessage", "editMessageText") and not 1 <= units(str(text)) <= 4096:
        yield f"a text has 1 to 4096 units, this one {units(str(text))}"
    if caption is not None and units(caption) > 1024:
        yield f"a caption has at most 1024 units, this one {units(caption)}"
    if method == "answerCallbackQuery" and units(text or "") > 200:
        yield "an answer to a press has at most 200 units"
    if method == "sendMediaGroup" and not 2 <= len(values.get("media") or ()) <= 10:
        yield "an album has 2 to 10 media"
    if method == "setMyCommands":
        yield from _command_limits(values.get("commands") or [])
    if method == "setWebhook" and not re.fullmatch("[A-Za-z0-9_-]{1,256}", str(values.get("secret_token", "-"))):
        yield "a secret has 1 to 256 of A-Za-z0-9_-"
    for name, size in files.items():
        if size > _SIZES.get(name, 50_000_000):
            yield f"{name} is too large: {size} bytes"
    referred = set(re.findall(r"attach://([\w.-]+)", json.dumps(dict(values))))
    if referred != set(files):
        yield f"attached files {sorted(files)}, referred to {sorted(referred)}"
    markup = values.get("reply_markup")
    if isinstance(markup, dict) and "inline_keyboard" in markup:
        yield from _keyboard_limits(markup["inline_keyboard"])


def _command_limits(commands: Collection[Mapping[str, str]]) -> Iterator[str]:
    if len(commands) > 100:
        yield "there are at most 100 commands"
    for command in commands:
        if not _COMMAND.fullmatch(command["command"]):
            yield f"not a command: {command['command']!r}"
        if not 1 <= units(command["description"]) <= 256:
            yield f"the description of {command['command']} has 1 to 256 units"


def _keyboard_limits(rows: list[list[dict[str, Any]]]) -> Iterator[str]:
    if sum(map(len, rows)) > 100:
        yield "a keyboard has at most 100 buttons"
    for row in rows:
        if not 1 <= len(row) <= 8:
            yield f"a row has 1 to 8 buttons, this one {len(row)}"
        for button in row:
            if not button.get("text"):
                yield "a button without a label"
            if len(_ACTS & button.keys()) != 1:
                yield f"a button does exactly one thing: {button}"
            data, url = button.get("callback_data"), button.get("url")
            if data is not None and not 1 <= len(data.encode()) <= 64:
                yield f"callback data has 1 to 64 bytes, this has {len(data.encode())}"
            if url is not None and url.startswith("https://t.me/") and not _START.fullmatch(url):
                yield f"not a deep link: {url}"
