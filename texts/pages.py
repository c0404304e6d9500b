"""Long lists, a page at a time: whatever does not fit is one button away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from texts.screen import Button, Rows

One = TypeVar("One")


def offset_in(said: str) -> int:
    """The offset that a button carries; 0 for what is none."""
    return int(said) if said.isdecimal() and len(said) < 7 else 0


def part(found: Sequence[One], offset: int, size: int) -> Sequence[One]:
    """The page that begins at `offset`; the first one where so many are not there (any more)."""
    start = offset if 0 <= offset < len(found) else 0
    return found[start : start + size]


def onward(total: int, offset: int, size: int, action: Callable[[int], str]) -> Rows:
    """The button to the next page, where there is one."""
    following = (offset if 0 <= offset < total else 0) + size
    return ((Button("button.next_page", action(following)),),) if following < total else ()
