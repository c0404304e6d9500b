"""What a 开会 line says: which kind of meeting, when, where, and whether it is held late for a missed quarter."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from services.context import Refusal
from services.hours import pattern, plain_numbers, read_when
from texts.screen import Key

LONGEST_TITLE, LONGEST_PLACE = 40, 60


@cache
def words() -> dict[str, Any]:
    """The data of texts/meetings.toml."""
    return tomllib.loads((Path(__file__).parents[1] / "texts" / "meetings.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of meeting: whose liaisons are invited (`units`: "*", kinds of units, or none), which `roles` in person."""

    name: str
    units: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    quarterly: bool = False


@cache
def kinds() -> dict[str, Kind]:
    """Every kind by name."""
    return {data["kind"]: Kind(data["kind"], tuple(data["units"]), tuple(data["roles"]), data["quarterly"]) for data in words()["kinds"]}


def kind_of(title: str) -> str:
    """The kind whose words stand in a title; "" for none."""
    return next((data["kind"] for data in words()["kinds"] if pattern(data["names"]).search(title)), "")


@dataclass(frozen=True, slots=True)
class MeetingLine:
    """A 开会 line as far as it was understood; "" and None are missing."""

    kind: str = ""
    title: str = ""
    at: datetime | None = None
    place: str = ""
    late: bool = False
    day_alone: bool = False

    def to_data(self) -> dict[str, Any]:
        """The line as it is kept in a draft; `from_data` gives it back."""
        return {"meeting": self.kind, "title": self.title, "at": self.at.isoformat() if self.at else "", "place": self.place}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> MeetingLine:
        """The line that `to_data` wrote."""
        return cls(data["meeting"], data["title"], datetime.fromisoformat(data["at"]) if data["at"] else None, data["place"])

    @property
    def missing(self) -> list[Key]:
        """What is still wanted, each as a text that says exactly what."""
        found = []
        if not self.kind:
            found.append(Key("meeting.need.kind"))
        if self.at is None:
            found.append(Key("meeting.need.hour" if self.day_alone else "meeting.need.date"))
        if not self.place:
            found.append(Key("meeting.need.place"))
        return found


def whole(said: str, most: int) -> str:
    """What people wrote, in full. Raises Refusal rather than to keep a part of it: longer than `most` signs."""
    said = said.strip()
    if len(said) > most:
        raise Refusal("meeting.too_long", most=most, length=len(said))
    return said


def read_line(said: str, now: datetime) -> MeetingLine:
    """The line's parts: what stands before the time is the title, what stands behind it the place."""
    data = words()
    late = pattern(data["late"]).search(said) is not None
    said = _dated(pattern(data["late"]).sub(" ", said))
    when = read_when(said, now)
    if when is None:
        bare = pattern(data["bare"]).search(said)
        before, behind = (said[: bare.start()], said[bare.end() :]) if bare else _split(said)
    else:
        bare, before, behind = None, said[: when.span[0]], said[when.span[1] :]
    title, place = before.strip(data["edges"]), behind.strip(data["edges"]).removeprefix(data["at"]).strip()
    return MeetingLine(kind_of(title), title[:LONGEST_TITLE], when.start if when else None, place[:LONGEST_PLACE], late, bare is not None)


def read_change(said: str, now: datetime) -> tuple[datetime | None, str]:
    """The new time in a 改期 line, None when it has none, and the words around it: the reason."""
    said = _dated(said)
    when = read_when(said, now)
    if when is None:
        return None, said.strip(words()["edges"])
    return when.start, f"{said[: when.span[0]]} {said[when.span[1] :]}".strip(words()["edges"])


def split_place(said: str, before: str) -> tuple[str, str]:
    """The new place that a line begins with and the words behind it; "" for a line that begins with none, or with the place `before`."""
    data = words()
    found: list[str] = []
    rest = said.strip(data["edges"])
    while rest:
        first, *others = re.split(f"[{data['edges']}]+", rest, maxsplit=1)
        place = pattern(data["place"]).fullmatch(first)
        if place is None:
            break
        found, rest = [*found, place["place"]], others[0] if others else ""
    place_said = " ".join(found)
    if not found or place_said in before or pattern(data["taken"]).match(rest):
        return "", said.strip(data["edges"])
    return place_said, rest.strip(data["edges"])


def read_place(said: str, before: str) -> tuple[str, str]:
    """The place of a line that is about it alone, and the reason behind it: what is no known kind of place is its first words."""
    place, reason = split_place(said, before)
    if not place:
        first, *others = re.split(f"[{words()['edges']}]+", said.strip(words()["edges"]), maxsplit=1)
        place, reason = first, others[0] if others else ""
    return place, reason


def _dated(said: str) -> str:
    return plain_numbers(re.sub(words()["iso"], lambda found: str(words()["written"]).format(**found.groupdict()), said))


def _split(said: str) -> tuple[str, str]:
    title, _, rest = said.strip().partition(" ")
    return title, rest
