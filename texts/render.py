"""A screen becomes text and buttons: a pure function of the screen, the language and what the platform can do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

from babel.messages.pofile import read_po

from texts.screen import Button, Key, Screen, Value

LANGUAGES = ("zh_CN", "en")
ZONE = ZoneInfo("Asia/Shanghai")
_FORMATTER = Formatter()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do; one row a platform stands in `bot.platforms.base`.

    `text_limit`: UTF-16 units a message. `overall_per_second`, `chat_per_second`, `group_per_minute`: sending limits, 0 = none.
    `answer_presses`: a press must be answered even when there is nothing to say.
    """

    buttons: bool = True
    edits: bool = True
    toasts: bool = True
    groups: bool = True
    deep_links: bool = True
    location_button: bool = False
    answer_presses: bool = False
    text_limit: int = 4096
    toast_limit: int = 200
    overall_per_second: float = 0.0
    chat_per_second: float = 0.0
    group_per_minute: float = 0.0


@dataclass(frozen=True, slots=True)
class RenderedButton:
    """A button as the platform shows it: `action` data or a deep-link `start` payload."""

    label: str
    action: str = ""
    start: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message ready for a platform. `menu`: (label, action) of every action button, for typed labels and numbers."""

    text: str
    buttons: tuple[tuple[RenderedButton, ...], ...] = ()
    media: tuple[str, ...] = ()
    ask_location: bool = False
    menu: tuple[tuple[str, str], ...] = ()


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Every text of a language by key, from `texts/LANGUAGE/*.po`. Raises ValueError for a key written twice."""
    words: dict[str, str] = {}
    for path in sorted((Path(__file__).parent / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                if not message.id:
                    continue
                key = str(message.id)
                if key in words:
                    raise ValueError(f"{path}: key {key!r} is in two catalogues of {language}")
                words[key] = str(message.string)
    return words


@cache
def holes(language: str, key: str) -> frozenset[str]:
    """The names of the holes in a text."""
    return frozenset(name for _, name, _, _ in _FORMATTER.parse(catalogue(language)[key]) if name)


def render(screen: Screen, language: str, capabilities: Capabilities) -> Rendered:
    """The screen in `language` for a platform: where it has no buttons they become a numbered menu under the text.

    Raises KeyError for an unknown catalogue key or a hole without a value: both are faults of the code.
    """
    body = text(screen.key, screen.values, language)
    shown = tuple(tuple(RenderedButton(_label(button, language), button.action, button.start) for button in row) for row in screen.buttons)
    menu = tuple((button.label, button.action) for row in shown for button in row if button.action)
    if not capabilities.buttons:
        if menu:
            lines = [f"{number}. {label}" for number, (label, _) in enumerate(menu, 1)]
            body = "\n".join([body, *lines, text("menu.hint", {}, language)])
        shown = ()
    return Rendered(_clip(body, capabilities.text_limit), shown, screen.media, screen.ask_location, menu)


def text(key: str, values: Mapping[str, Value], language: str) -> str:
    """The catalogue text with its holes filled. A line whose holes are all empty is left out."""
    template = catalogue(language).get(key)
    if template is None:
        raise KeyError(f"no text {key!r} in texts/{language}/*.po")
    lines = []
    for line in template.split("\n"):
        names = [name for _, name, _, _ in _FORMATTER.parse(line) if name]
        shown = {name: show(values[name], language) for name in names}
        if names and not any(shown.values()):
            continue
        lines.append(_FORMATTER.vformat(line, (), shown).rstrip(" "))
    return "\n".join(lines).strip("\n")


def show(value: Value, language: str) -> str:
    """One value as a person reads it: times as 11月24日17:30, keys translated, lists joined, user text stripped of control signs."""
    if value is None:
        return ""
    if isinstance(value, Key):
        return text(value.name, value.values, language)
    if isinstance(value, datetime):
        value = value.astimezone(ZONE)
        if language == "zh_CN":
            return f"{value.month}月{value.day}日{value:%H:%M}"
        return f"{value:%b} {value.day}, {value:%H:%M}"
    if isinstance(value, date):
        return f"{value.month}月{value.day}日" if language == "zh_CN" else f"{value:%b} {value.day}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ("、" if language == "zh_CN" else ", ").join(filter(None, (show(inner, language) for inner in value)))
    return plain(str(value))


_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def plain(value: str) -> str:
    """User text without control, bidirectional and zero-width signs; line breaks stay."""
    value = _UNSEEN.sub("", value)
    return "".join(sign for sign in value if sign == "\n" or unicodedata.category(sign) != "Cc")


def _label(button: Button, language: str) -> str:
    return show(button.label if isinstance(button.label, Key) else Key(button.label), language)


def _clip(body: str, limit: int) -> str:
    if len(body.encode("utf-16-le")) // 2 <= limit:
        return body
    return body.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore") + "…"
