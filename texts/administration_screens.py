"""Screens of administration: roles, roster, announcements, handing over, who looked, one's own data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from texts.actions import Do
from texts.administration import tables
from texts.screen import Button, Key, Rows, Screen, Value, rows
from texts.work_screens import stack

# What can be looked at: the words of services.audit.looked, each with its key audit.look.WORD.
LOOKS = ("contact", "name", "phone", "home", "member", "record", "export", "records", "other")


def role(code: str, grid: str = "", unit: str = "") -> Key:
    """A role's name with the grid or unit it is for."""
    scope = grid or unit
    return Key("role.scoped", {"role": Key(f"role.{code}"), "scope": scope}) if scope else Key(f"role.{code}")


def listed(lines: Iterable[Mapping[str, Value]], key: str) -> Key | None:
    """Lines under each other, each the text `key` with its values; None for none."""
    return stack(Key(key, line) for line in lines)


def _decide(draft: str, yes: str, action: str) -> Rows:
    return ((Button(yes, action), Button("admin.button.cancel", Do.drop_card(draft))),)


# -- roles ----------------------------------------------------------------------------------------------------------
def pick(key: str, values: Mapping[str, Value], options: Sequence[tuple[Key, str]]) -> Screen:
    """Which one is meant: a button for each (label, action)."""
    return Screen(key, dict(values), rows((Button(label, action) for label, action in options), 1))


def grant_card(draft: str, values: Mapping[str, Value]) -> Screen:
    """What is about to be granted, with 授权 and 取消."""
    return Screen("role.confirm_grant", dict(values), _decide(draft, "role.button.grant", Do.role_confirm(draft)))


def take_card(draft: str, person: str, values: Mapping[str, Value], *, work: bool) -> Screen:
    """What is about to be taken, with 收回, 交接 where work is open, and 取消."""
    extra: Rows = ((Button("handover.button.begin", Do.hand_over(person)),),) if work else ()
    return Screen("role.confirm_take", dict(values), (*extra, *_decide(draft, "role.button.take", Do.role_confirm(draft))))


def done(key: str, values: Mapping[str, Value], undo: str = "") -> Screen:
    """It is done; `undo` is what takes it back."""
    return Screen(key, dict(values), ((Button("button.undo", undo),),) if undo else ())


# -- handing over ---------------------------------------------------------------------------------------------------
def hand_over_card(draft: str, values: Mapping[str, Value], *, ends_roles: bool | None) -> Screen:
    """What is about to be handed over; `ends_roles`: whether the roles end with it, None where there are none to end."""
    toggle: Rows = ()
    if ends_roles is not None:
        toggle = ((Button("handover.button.roles_stay" if ends_roles else "handover.button.roles_end", Do.hand_over_roles(draft)),),)
    return Screen("handover.confirm", dict(values), (*toggle, *_decide(draft, "handover.button.confirm", Do.hand_over_confirm(draft))))


# -- the roster -----------------------------------------------------------------------------------------------------
def roster_card(draft: str, lines: Iterable[Mapping[str, Value]], values: Mapping[str, Value]) -> Screen:
    """The roster as it was understood, with 确定 and 取消."""
    shown = dict(values) | {"lines": listed(lines, "duty.line")}
    return Screen("duty.confirm", shown, _decide(draft, "duty.button.confirm", Do.roster_confirm(draft)))


def swap_request(draft: str, values: Mapping[str, Value]) -> Screen:
    """To the one asked to take a shift: yes or no."""
    answers = (Button("duty.button.yes", Do.swap_answer(draft, "yes")), Button("duty.button.no", Do.swap_answer(draft, "no")))
    return Screen("duty.swap_asked", dict(values), (answers,))


# -- announcements --------------------------------------------------------------------------------------------------
def announcement_card(draft: str, values: Mapping[str, Value], audiences: Sequence[str], data: Mapping[str, Any]) -> Screen:
    """The announcement as it will read, with its audience, pin and term as buttons, and the two ways to publish it."""

    def choice(what: str, value: str, label: str | Key) -> Button:
        chosen = str(data.get(what, "")) == value
        return Button(Key("announcement.chosen", {"what": _as_key(label)}) if chosen else label, Do.announcement_set(draft, what, value))

    days = [choice("days", str(number), Key("announcement.days", {"days": number})) for number in tables()["announcements"]["days"]]
    pinned = Button("announcement.unpin" if data.get("pinned") else "announcement.pin", Do.announcement_set(draft, "pinned", "toggle"))
    mask = [Button("announcement.button.mask", Do.announcement_set(draft, "masked", "yes"))] if values.get("warning") else []
    publish = [Button("announcement.button.push", Do.announcement_publish(draft, "push")),
               Button("announcement.button.hang", Do.announcement_publish(draft, "hang"))]  # fmt: skip
    who = rows((choice("audience", code.replace(":", "."), audience(code)) for code in audiences), 3)
    cancel = Button("admin.button.cancel", Do.drop_card(draft))
    lines: list[list[Button]] = [[*days, choice("days", "0", Key("announcement.for_ever"))], [pinned, *mask], publish, [cancel]]
    return Screen("announcement.preview", dict(values), (*who, *(tuple(line) for line in lines)))


def _as_key(label: str | Key) -> Key:
    return label if isinstance(label, Key) else Key(label)


def audience(code: str) -> Key:
    """For whom: all, members, staff or grid:G1."""
    return Key("announcement.to.grid", {"grid": code[5:]}) if code.startswith("grid:") else Key(f"announcement.to.{code}")


# -- looking --------------------------------------------------------------------------------------------------------
def records_sheet(name: str, looks: Sequence[Mapping[str, Value]], total: int) -> Screen:
    """Who looked at somebody's data."""
    if not looks:
        return Screen("audit.none", {"name": name})
    more = total - len(looks)
    return Screen("audit.sheet", {"name": name, "total": total, "lines": listed(looks, "audit.line"), "more": more or None})


# -- one's own data -------------------------------------------------------------------------------------------------
def obstacles(key: str, values: Mapping[str, Value], kind: str, *, may: bool) -> Screen:
    """What deleting (kind "delete") or taking the consent back ("consent") means now, with what can be pressed (`may`)."""
    action = Do.delete_data if kind == "delete" else Do.withdraw_consent
    yes = (Button(f"privacy.button.{kind}", action("yes")), Button("admin.button.cancel", Do.cancel())) if may else ()
    return Screen(key, dict(values), (yes,) if yes else ())
