"""Screens of entering a year's holidays: what was understood as a calendar to confirm, what does not add up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from texts.actions import Do
from texts.screen import Button, Key, Screen, Value, screen

SHOWN_FAULTS, SHOWN_MOVES = 10, 30
# A festival: its name, the ranges off (both ends included), the weekends worked.
Line = tuple[str, Sequence[tuple[date, date]], Sequence[date]]


def _day(day: date) -> Key:
    return Key("holidays.day", {"date": day, "weekday": Key(f"weekday.{day.weekday()}")})


def _span(first: date, last: date) -> Key:
    return (
        _day(first) if first == last else Key("holidays.span", {"first": _day(first), "last": _day(last), "days": (last - first).days + 1})
    )


def _stack(lines: Sequence[Key]) -> Key | None:
    chain: Key | None = None
    for line in reversed(lines):
        chain = Key("work.stack", {"line": line, "rest": chain})
    return chain


def preview(year: int, festivals: Sequence[Line], draft_id: str) -> Screen:
    """The year as it was understood, festival by festival; to be confirmed where there is a draft."""
    lines = []
    for name, off, works in festivals:
        worked: Value = Key("holidays.worked", {"days": [_day(day) for day in works]}) if works else None
        lines.append(Key("holidays.line", {"name": name, "off": [_span(first, last) for first, last in off], "worked": worked}))
    days = sum((last - first).days + 1 for _, off, _ in festivals for first, last in off)
    buttons: list[Button] = []
    if draft_id:
        buttons = [Button("holidays.confirm", Do.holidays_confirm(draft_id)), Button("holidays.drop", Do.holidays_drop(draft_id))]
    count = sum(len(works) for _, _, works in festivals)
    return screen("holidays.preview", buttons, year=str(year), lines=_stack(lines), off=days, works=count)


def faulty(faults: Sequence[Key]) -> Screen:
    """What does not add up; nothing was entered."""
    more = len(faults) - SHOWN_FAULTS
    return screen("holidays.faulty", lines=_stack(faults[:SHOWN_FAULTS]), more=Key("holidays.more", {"count": more}) if more > 0 else None)


def moved(lines: Sequence[Key]) -> Screen:
    """To whoever is responsible: the dates of theirs that moved, in one message."""
    more = len(lines) - SHOWN_MOVES
    return screen("holidays.moved", lines=_stack(lines[:SHOWN_MOVES]), more=Key("holidays.more", {"count": more}) if more > 0 else None)


def entered(year: int, days: int, changed: int) -> Screen:
    """It is entered; how many dates were counted anew."""
    return screen("holidays.entered", year=str(year), days=days, changed=Key("holidays.changed", {"count": changed}) if changed else None)
