"""The screens of the report conversation: each shows a draft as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from texts.actions import Do
from texts.screen import Button, Key, Screen, rows, screen

COMMON = ("B01", "B02", "E01", "A04", "A02", "D01", "F01", "C01")
OTHER = "J09"  # where nothing else fits: the button of that name stands for it
GROUPS = ("A", "B", "C", "D", "E", "F", "G", "H", "I", "J")


def confirm(draft_id: str, data: Mapping[str, Any], grid: str, community: str) -> Screen:
    """The card that is checked before 提交: what, which category, where, photos; with the privacy notice."""
    anonymous = bool(data.get("anonymous"))
    buttons = [Button("report.submit_anonymous", Do.anonymous(draft_id))] if anonymous else [Button("report.submit", Do.submit(draft_id))]
    buttons += [
        Button("report.change_category", Do.change_category(draft_id)), Button("report.change_place", Do.change_place(draft_id)),
        Button("report.add_photo", Do.add_photo(draft_id)),
    ]  # fmt: skip
    if not anonymous:
        buttons.append(Button("report.submit_anonymous", Do.anonymous(draft_id)))
    buttons.append(Button("report.discard", Do.discard(draft_id)))
    return Screen(
        "report.confirm_anonymous" if anonymous else "report.confirm",
        {
            "text": data.get("text") or Key("report.recording"), "category": Key(f"category.{data['category']}"),
            "place": _place(data), "grid": grid or Key("report.no_grid"), "photos": data.get("photos") or None,
            "outside": _outside(data, community),
        },
        rows(buttons),
    )  # fmt: skip


def _place(data: Mapping[str, Any]) -> Any:
    if data.get("place"):
        return f"{data['place']}{data.get('detail', '')}"
    return data.get("detail") or (Key("report.shared_point") if data.get("lat") is not None else Key("report.no_place"))


def _outside(data: Mapping[str, Any], community: str) -> Key | None:
    return Key("report.outside", {"community": community}) if data.get("outside") else None


def place_kept(data: Mapping[str, Any], grid: str, community: str) -> Screen:
    """A location came first: where it is; what is it about?"""
    values = {
        "place": data.get("place") or Key("report.shared_point"),
        "grid": grid or Key("report.no_grid"),
        "outside": _outside(data, community),
    }
    return Screen("report.place_kept", values)


def choose_category(draft_id: str, codes: Sequence[str], key: str = "report.choose_category") -> Screen:
    """Choose a category: the likeliest ones (or the common ones), and 其他 for all the others, which stands there once."""
    likely = [code for code in codes if code != OTHER] or COMMON
    shown = [Button(f"category.{code}", Do.pick_category(draft_id, code)) for code in likely]
    return Screen(key, {}, rows([*shown, Button("report.other_category", Do.more_categories(draft_id, "-"))]))


def choose_group(draft_id: str) -> Screen:
    """Choose a group of categories."""
    return Screen("report.choose_group", {}, rows(Button(f"group.{group}", Do.more_categories(draft_id, group)) for group in GROUPS))


def choose_in_group(draft_id: str, codes: Sequence[str]) -> Screen:
    """Choose a category of a group."""
    shown = [Button(f"category.{code}", Do.pick_category(draft_id, code)) for code in codes]
    return Screen("report.choose_category", {}, rows([*shown, Button("report.back", Do.more_categories(draft_id, "-"))]))


def choose_place(draft_id: str, places: Sequence[tuple[str, str]]) -> Screen:
    """Several places have that name or number: which one? `places`: (id, name)."""
    return Screen(
        "report.which_place",
        {},
        rows(Button(Key("report.name", {"name": name}), Do.pick_place(draft_id, number)) for number, name in places),
    )


def ask_where(data: Mapping[str, Any]) -> Screen:
    """Where is it? A location or words."""
    if data.get("unknown_building"):
        return Screen("report.unknown_building", {"words": data["unknown_building"]}, ask_location=True)
    return Screen("report.ask_where", {}, ask_location=True)


def same(draft_id: str, problem_id: str, values: Mapping[str, Any]) -> Screen:
    """Somebody reported what seems to be the same: 同一件, or a new one."""
    return Screen(
        "report.same", values,
        ((Button("report.same_yes", Do.same(draft_id, problem_id)), Button("report.same_no", Do.different(draft_id))),),
    )  # fmt: skip


def receipt(values: Mapping[str, Any], problem_id: str, sla: str, category: str, anonymous: bool, located: bool = True) -> Screen:
    """The receipt (domain.md §11 回执); a P1 one begins with safety and numbers, and can be called a false alarm."""
    if sla == "P1":
        button = Button("report.false_alarm", Do.false_alarm(problem_id))
        known = {
            "safety": Key(f"safety.{category}" if category in SAFETY else "safety.other"),
            "where": None if located else Key("urgent.where"),
        }
        return Screen("report.receipt_urgent", {**values, **known}, ((button,),), ask_location=not located)
    return screen("report.receipt_anonymous" if anonymous else "report.receipt", **values)


SAFETY = ("A04", "A05", "A06", "A07")
