"""What the bot shows, before any platform: a screen is a key of the catalogue, values for its holes, and buttons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Union

from texts.actions import check_action

Value = Union[str, int, float, datetime, date, "Key", "Sequence[Value]", None]


@dataclass(frozen=True, slots=True)
class Key:
    """A word of the catalogue used as a value (`Key("category.B03")`), with values for its own holes."""

    name: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Button:
    """A button: `label` is a catalogue key (or Key with values); exactly one of `action` (≤ 64 bytes) and `start` is set.

    `start` is a deep-link payload (≤ 64 of A-Za-z0-9_-) that opens the private chat with the bot; the platform makes the address.
    """

    label: str | Key
    action: str = ""
    start: str = ""

    def __post_init__(self) -> None:
        if bool(self.action) == bool(self.start):
            raise ValueError(f"button {self.label!r}: give either an action or a start payload")
        check_action(self.action or self.start)


Rows = tuple[tuple[Button, ...], ...]


def rows(buttons: Iterable[Button], width: int = 2) -> Rows:
    """The buttons in rows of at most `width`."""
    every = tuple(buttons)
    return tuple(every[start : start + width] for start in range(0, len(every), width))


@dataclass(frozen=True, slots=True)
class Screen:
    """One message: catalogue `key`, `values` for its holes, rows of `buttons`; `media` are ids of stored files sent with it.

    `ask_location`: offer the platform's location button where there is one.
    """

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)
    buttons: Rows = ()
    media: tuple[str, ...] = ()
    ask_location: bool = False

    def to_json(self) -> dict[str, Any]:
        """The screen as JSON for the outbox; `Screen.from_json` gives it back."""
        return {
            "key": self.key,
            "values": {name: _encode(value) for name, value in self.values.items()},
            "buttons": [[{"label": _encode(b.label), "action": b.action, "start": b.start} for b in row] for row in self.buttons],
            "media": list(self.media),
            "ask_location": self.ask_location,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Screen:
        """The screen that `to_json` wrote."""
        return cls(
            data["key"],
            {name: _decode(value) for name, value in data["values"].items()},
            tuple(tuple(Button(_decode(b["label"]), b["action"], b["start"]) for b in row) for row in data["buttons"]),
            tuple(data["media"]),
            data["ask_location"],
        )


def screen(key: str, *buttons: Iterable[Button], **values: Value) -> Screen:
    """A screen in one line: `screen("report.receipt", [Button(...)], code="WT-…")`; each positional is one row of buttons."""
    return Screen(key, values, tuple(tuple(row) for row in buttons if row))


def _encode(value: Any) -> Any:
    if isinstance(value, Key):
        return {"key": value.name, "values": {name: _encode(inner) for name, inner in value.values.items()}}
    if isinstance(value, datetime):
        return {"at": value.astimezone(UTC).isoformat()}
    if isinstance(value, date):
        return {"on": value.isoformat()}
    if isinstance(value, list | tuple):
        return [_encode(inner) for inner in value]
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if "at" in value:
            return datetime.fromisoformat(value["at"])
        if "on" in value:
            return date.fromisoformat(value["on"])
        return Key(value["key"], {name: _decode(inner) for name, inner in value["values"].items()})
    if isinstance(value, list):
        return tuple(_decode(inner) for inner in value)
    return value
