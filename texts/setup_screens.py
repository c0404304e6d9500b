"""Screens of setting a community up: what an import would change, what is wrong with a file, links to hand over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from texts.actions import Do
from texts.screen import Button, Key, Screen, Value, rows, screen
from texts.workbook import sheets

SHOWN_FAULTS = 10
Counts = Mapping[str, tuple[int, int, int]]


def _counted(counts: Counts) -> dict[str, Value]:
    """One line a sheet: new, changed, unchanged; a sheet without rows has none."""
    return {
        sheet.key: Key("setup.count", {"sheet": sheet.title, **dict(zip(("new", "changed", "same"), counts[sheet.key], strict=True))})
        if sheet.key in counts
        else None
        for sheet in sheets()
    }


def preview(name: str, counts: Counts, draft_id: str) -> Screen:
    """What the file would change, with the buttons to do it or not."""
    buttons = rows([Button("setup.import", Do.import_file(draft_id)), Button("setup.drop", Do.drop_file(draft_id))])
    return Screen("setup.preview", {"name": name, **_counted(counts)}, buttons)


def nothing_new(name: str, counts: Counts) -> Screen:
    """The file changes 0 rows."""
    return screen("setup.nothing_new", name=name, **_counted(counts))


def imported(name: str, counts: Counts) -> Screen:
    """What was changed, and what comes next."""
    return screen("setup.imported", name=name, **_counted(counts))


def faulty(name: str, faults: Sequence[Key]) -> Screen:
    """The first faults, each with its place, and how many more there are; nothing was changed."""
    lines: dict[str, Value] = {f"fault{number}": None for number in range(1, SHOWN_FAULTS + 1)}
    lines |= {f"fault{number}": fault for number, fault in enumerate(faults[:SHOWN_FAULTS], 1)}
    more = len(faults) - SHOWN_FAULTS
    return screen("setup.faulty", name=name, count=len(faults), more=more if more > 0 else None, **lines)


def document(key: str, media_id: str, **values: Value) -> Screen:
    """A file with its words."""
    return Screen(key, values, media=(media_id,))


def invitation(name: str, addresses: Sequence[str], asks_phone: bool, until: datetime) -> Screen:
    """One person's link, to be handed over."""
    values: dict[str, Value] = {f"address{number}": None for number in (1, 2, 3)}
    values |= {f"address{number}": address for number, address in enumerate(addresses[:3], 1)}
    how = Key("invite.asks_phone" if asks_phone else "invite.asks_nothing")
    return screen("invite.made", name=name, until=until, how=how, **values)


def choose_person(said: str, choices: Sequence[tuple[str, Key]]) -> Screen:
    """Several people of one name: which one?"""
    return Screen("invite.which", {"name": said}, rows([Button(words, Do.invite(person)) for person, words in choices], 1))


def bound(name: str, first: str) -> Screen:
    """The account is this person's now; `first`: what to do first (office, staff, liaison, invited, member), "" for nothing."""
    return screen("link.bound", name=name, next=Key(f"link.next.{first}") if first else None)
