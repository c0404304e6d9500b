"""Menus: the welcome, the help sheet for a role, the three best guesses, the way to the private chat."""

from __future__ import annotations

from texts.actions import Do
from texts.screen import Button, Key, Rows, Screen, rows


def _menu(member: bool, staff: bool) -> Rows:
    buttons = [
        Button("menu.report", Do.report()), Button("menu.progress", Do.progress()), Button("menu.order", Do.order()),
    ]  # fmt: skip
    if member or staff:
        buttons.append(Button("menu.my_tasks", Do.my_tasks()))
    if staff:
        buttons.append(Button("menu.digest", Do.digest()))
    if not (member or staff):
        buttons.append(Button("menu.enrol", Do.enrol()))
    return rows([*buttons, Button("menu.help", Do.help()), Button("menu.human", Do.human())])


def welcome(community: str, member: bool, staff: bool) -> Screen:
    """The first screen: who I am, and that one sentence is enough."""
    return Screen("welcome", {"community": community}, _menu(member, staff))


def help_sheet(member: bool, staff: bool) -> Screen:
    """What can be said, by role."""
    values = {
        "member": Key("help.member") if member or staff else None,
        "staff": Key("help.staff") if staff else None,
    }  # fmt: skip
    return Screen("help", values, _menu(member, staff))


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
