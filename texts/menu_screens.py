"""Menus: the welcome, the help sheet for a role, the three best guesses, the way to the private chat."""

from __future__ import annotations

from collections.abc import Sequence

from texts.actions import Do
from texts.screen import Button, Key, Rows, Screen, Value, rows

# What somebody can be, each with a sheet of its own words: texts help.on.GROUP.
GROUPS = ("member", "unit", "tickets", "office")


def _menu(hats: Sequence[str]) -> Rows:
    buttons = [
        Button("menu.report", Do.report()), Button("menu.progress", Do.progress()), Button("menu.order", Do.order()),
    ]  # fmt: skip
    if {"member", "tickets"} & set(hats):
        buttons.append(Button("menu.my_tasks", Do.my_tasks()))
    if "tickets" in hats:
        buttons.append(Button("menu.digest", Do.digest()))
    if not hats:
        buttons.append(Button("menu.enrol", Do.enrol()))
    return rows([*buttons, Button("menu.help", Do.help()), Button("menu.human", Do.human())])


def welcome(community: str, hats: Sequence[str]) -> Screen:
    """The first screen: who I am, and that one sentence is enough."""
    return Screen("welcome", {"community": community}, _menu(hats))


def help_sheet(hats: Sequence[str]) -> Screen:
    """What everybody can say, and for each of the actor's `hats` (of GROUPS) a line and a button to more."""
    values: dict[str, Value] = {group: Key(f"help.{group}") if group in hats else None for group in GROUPS}
    more = rows(Button(f"help.more.{group}", Do.help_on(group)) for group in GROUPS if group in hats)
    return Screen("help", values | {"enrol": None if "member" in hats else Key("help.enrol")}, (*more, *_menu(hats)))


def help_on(group: str, hats: Sequence[str]) -> Screen:
    """Everything that can be said in one of the actor's hats; for any other group the general sheet."""
    if group not in hats:
        return help_sheet(hats)
    return Screen(f"help.on.{group}", {}, rows([Button("menu.help", Do.help()), Button("menu.human", Do.human())]))


def help_in_group() -> Screen:
    """What works in a group, and the way to the rest."""
    return Screen("help.group", {}, ((Button("button.private_chat", start="hello"),),))


def guesses(key: str, draft_id: str = "") -> Screen:
    """Not understood: the three best guesses."""
    first = Button("menu.report_this", Do.resume_draft(draft_id)) if draft_id else Button("menu.report", Do.report())
    return Screen(key, {}, rows([first, Button("menu.progress", Do.progress()), Button("menu.help", Do.help())], 3))


def to_private() -> Screen:
    """This belongs into the private chat: the deep link."""
    return Screen("group.to_private", {}, ((Button("button.private_chat", start="hello"),),))


def not_yet(key: str) -> Screen:
    """What this release cannot do by itself, and who can."""
    return Screen(key, {}, ((Button("menu.human", Do.human()), Button("menu.help", Do.help())),))
