"""Long lists, a page at a time: whatever does not fit is one button away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from texts.screen import Button, Key, Rows

One = TypeVar("One")


def offset_in(said: str) -> int:
    """The offset that a button carries; 0 for what is none."""
    return int(said) if said.isdecimal() and len(said) < 7 else 0


def part(found: Sequence[One], offset: int, size: int) -> Sequence[One]:
    """The page that begins at `offset`; the first one where so many are not there (any more)."""
    start = _start(len(found), offset)
    return found[start : start + size]


def rest(total: int, offset: int, size: int) -> Key | None:
    """The line that says how many follow this page, where any do."""
    left = total - _start(total, offset) - size
    return Key("list.rest", {"count": left}) if left > 0 else None


def onward(total: int, offset: int, size: int, action: Callable[[int], str]) -> Rows:
    """The button to the next page, where there is one."""
    following = _start(total, offset) + size
    return ((Button("button.next_page", action(following)),),) if following < total else ()


def _start(total: int, offset: int) -> int:
    return offset if 0 <= offset < total else 0
