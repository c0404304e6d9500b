"""The screens of 双报到: the questions of the form, its card, the confirmation, one's own record, one's own hours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from texts.actions import Do
from texts.render import ZONE
from texts.screen import Button, Key, Rows, Screen, Value, rows, screen
from texts.work_screens import stack

MOST = 10


def full_date(moment: datetime) -> Key:
    """A date with its year."""
    day = moment.astimezone(ZONE)
    return Key("date.full", {"year": str(day.year), "month": str(day.month), "day": str(day.day)})


# -- the form ---------------------------------------------------------------------------------------------------------
def consent(draft: str, community: str) -> Screen:
    """What is kept, why, who sees it, how to withdraw; before anything is asked."""
    buttons = (Button("enrolment.agree", Do.enrol_agree(draft, "yes")), Button("enrolment.disagree", Do.enrol_agree(draft, "no")))
    return Screen("enrolment.consent", {"community": community}, (buttons,))


def ask(draft: str, field: str, again: bool) -> Screen:
    """A question that is answered in words: name, phone, skills. `again`: the last answer was not understood."""
    none = [Button(f"enrolment.none_{field}", Do.enrol_pick(draft, field, "-"))] if field in ("skills", "phone") else []
    return screen(f"enrolment.ask_{field}", none, again=_again(again))


def words_only() -> Screen:
    """A photo, a recording or a sticker in the middle of a form: only words are taken, and the way to a report."""
    return screen("enrolment.words_only", [Button("menu.report", Do.report())])


def _again(again: bool) -> Key | None:
    return Key("enrolment.again") if again else None


def choose_kind(draft: str, kinds: Sequence[tuple[str, Value]], again: bool) -> Screen:
    """Which kind of member: one button each."""
    buttons = [Button(_label(shown), Do.enrol_pick(draft, "kind", kind)) for kind, shown in kinds]
    return Screen("enrolment.ask_kind", {"again": _again(again)}, rows(buttons))


def _label(shown: Value) -> Key:
    return shown if isinstance(shown, Key) else Key("report.name", {"name": str(shown)})


def ask_unit(draft: str, units: Sequence[tuple[str, str]], said: str) -> Screen:
    """Which unit: those that were found by what was typed, and the typed words themselves."""
    buttons = [Button(_label(name), Do.enrol_pick(draft, "unit", code)) for code, name in units]
    if said:
        buttons.append(Button(Key("enrolment.other_unit", {"said": said}), Do.enrol_pick(draft, "unit", "-")))
    key = "ask_unit" if not said else "which_unit" if units else "no_such_unit"
    return Screen(f"enrolment.{key}", {"said": said or None}, rows(buttons, 1))


def ask_home(draft: str, places: Sequence[tuple[str, str]], unknown: str) -> Screen:
    """Which building: words, a location, or one of those offered."""
    buttons = [Button(_label(name), Do.enrol_pick(draft, "home", number)) for number, name in places]
    buttons.append(Button("enrolment.elsewhere", Do.enrol_pick(draft, "home", "-")))
    shown = {"unknown": Key("enrolment.unknown_home", {"words": unknown}) if unknown else None}
    return Screen("enrolment.ask_home", shown, rows(buttons), ask_location=True)


def ask_times(draft: str, words: Sequence[str], chosen: Sequence[str], again: bool) -> Screen:
    """When: several may be chosen, then 完成."""
    buttons = [
        Button(Key("enrolment.chosen" if word in chosen else "report.name", {"name": word}), Do.enrol_pick(draft, "times", number))
        for number, word in enumerate(words)
    ]
    done = Button("enrolment.times_done", Do.enrol_pick(draft, "times", "-"))
    return Screen("enrolment.ask_times", {"again": _again(again)}, (*rows(buttons), (done,)))


_CHANGES = {
    "apply": ("name", "kind", "unit", "home", "skills", "times"),
    "behalf": ("name", "phone", "kind", "unit", "home", "skills", "times"),
    "move": ("home",),
}


def confirm(draft: str, mode: str, values: Mapping[str, Value], *, unit: bool = True) -> Screen:
    """The card that is checked before 提交, with a button for each correction."""
    changes = [Button(f"enrolment.change_{field}", Do.enrol_change(draft, field)) for field in _CHANGES[mode] if unit or field != "unit"]
    buttons: Rows = (
        (Button("report.submit", Do.enrol_submit(draft)),),
        *rows(changes, 3),
        (Button("report.discard", Do.enrol_discard(draft)),),
    )
    shown = dict(values) | {
        "guessed": Key("enrolment.guessed") if values.get("guessed") else None,
        "home": values.get("home") or (Key("enrolment.home_point") if values.get("point") else Key("enrolment.elsewhere")),
        "outside": Key("enrolment.outside", {"community": values["outside"]}) if values.get("outside") else None,
        "grid": values.get("grid") or Key("enrolment.no_grid"),
        "namesake": Key("enrolment.namesake", {"name": values.get("name")}) if values.get("namesake") else None,
        "skills": values.get("skills") or Key("enrolment.none_said"), "times": values.get("times") or Key("enrolment.none_said"),
    }  # fmt: skip
    return Screen(f"enrolment.confirm_{mode}", shown, buttons)


def receipt(values: Mapping[str, Value]) -> Screen:
    """The answer to an application: grid, branch, who confirms and by when, the yearly target."""
    return Screen("enrolment.receipt", _placed(values), ((Button("menu.my_enrolment", Do.my_enrolment()),),))


def _placed(values: Mapping[str, Value]) -> dict[str, Value]:
    outside = values.get("outside")
    return dict(values) | {"outside": Key("enrolment.outside", {"community": outside}) if outside else None}


def moved(values: Mapping[str, Value]) -> Screen:
    """The answer to a move from building to building."""
    return Screen("enrolment.moved", _placed(values))


# -- confirming -------------------------------------------------------------------------------------------------------
def to_confirm(enrolment: str, values: Mapping[str, Value], key: str = "enrolment.to_confirm") -> Screen:
    """The application as those who confirm it see it."""
    answers = (("enrolment.confirm", "yes"), ("enrolment.decline", "no"))
    buttons = tuple(Button(label, Do.enrolment_answer(enrolment, answer)) for label, answer in answers)
    return Screen(key, dict(values), (buttons,))


def confirmed(values: Mapping[str, Value], tasks: bool) -> Screen:
    """The member is told, with the way into the party group."""
    shown = dict(values) | {"tasks": Key("enrolment.confirmed_tasks") if tasks else None}
    return Screen("enrolment.confirmed", shown, ((Button("menu.my_enrolment", Do.my_enrolment()),),))


def pending(lines: Sequence[Key], options: Sequence[tuple[str, str]], total: int) -> Screen:
    """The applications that wait, a button each."""
    buttons = [Button(_label(name), Do.enrolment_show(number)) for name, number in options]
    more = total - len(lines)
    return Screen("enrolment.pending", {"total": total, "lines": stack(lines), "more": more or None}, rows(buttons))


# -- one's own ----------------------------------------------------------------------------------------------------------
def not_enrolled() -> Screen:
    """No enrolment yet: the way to it."""
    return screen("enrolment.none", [Button("menu.enrol", Do.enrol())])


def record(values: Mapping[str, Value], state: str, fields: Sequence[str], switches: Sequence[str]) -> Screen:
    """One's own enrolment; what may be changed without a new one has a button."""
    buttons: list[Button] = []
    if state in ("APPLIED", "ACTIVE"):
        buttons += [Button(f"enrolment.change_{field}", Do.enrolment_edit(field)) for field in fields]
        buttons += [Button(Key(f"member.switch_{name}", {"state": values[name]}), Do.enrolment_switch(name)) for name in switches]
    if state == "ACTIVE":
        buttons += [Button("enrolment.move", Do.enrolment_leave("move")), Button("enrolment.leave", Do.enrolment_leave("withdraw"))]
        buttons.append(Button("menu.my_hours", Do.my_hours()))
    elif state == "APPLIED":
        buttons.append(Button("enrolment.cancel", Do.enrolment_leave("cancel")))
    elif state != "WITHDRAWN":
        buttons.append(Button("menu.enrol", Do.enrol()))
    return Screen("enrolment.record", dict(values), rows(buttons))


def sure(how: str, values: Mapping[str, Value]) -> Screen:
    """Whether somebody who leaves is sure; `how`: away or withdraw (then the reason is asked)."""
    if how == "withdraw":
        return Screen("enrolment.ask_withdraw", dict(values))
    return Screen("enrolment.ask_away", dict(values), ((Button("enrolment.away_sure", Do.enrolment_leave("away_sure")),),))


def my_hours(
    values: Mapping[str, Value], target: Mapping[str, Value] | None, missing: tuple[int, float] | None, *, enrolled: bool, exempt: bool
) -> Screen:  # fmt: skip
    """One's own hours and target."""
    left = None
    if missing is not None:
        left = Key("hours.left", {"times": missing[0], "hours": missing[1]}) if any(missing) else Key("hours.met")
    shown = dict(values) | {
        "target": Key("enrolment.target", target) if target else None, "left": left,
        "exempt": Key("member.exempt") if exempt else None, "none": None if enrolled else Key("hours.not_enrolled"),
    }  # fmt: skip
    buttons = [] if enrolled else [Button("menu.enrol", Do.enrol())]
    return screen("hours.mine", buttons, **shown)


def kinds(lines: Iterable[Key]) -> Screen:
    """The kinds of members with their rules."""
    return screen("member.kinds", lines=stack(lines))


# -- units ----------------------------------------------------------------------------------------------------------------
UNIT_FIELDS = ("name", "kind", "address", "secretary", "liaison", "phone", "items")


def unit_question(draft: str, field: str, again: bool) -> Screen:
    """A question about the unit that is answered in words."""
    none = [Button("unit.none", Do.unit_pick(draft, field, "-"))] if field in ("address", "secretary") else []
    return screen(f"unit.ask_{field}", none, again=_again(again))


def choose_unit(draft: str, units: Sequence[tuple[str, str]], said: str) -> Screen:
    """Which unit: those meant by what was typed, or a new one of that name."""
    buttons = [Button(_label(name), Do.unit_pick(draft, "name", code)) for code, name in units]
    if said:
        buttons.append(Button(Key("unit.new", {"said": said}), Do.unit_pick(draft, "name", "-")))
    return Screen("unit.which", {}, rows(buttons, 1))


def choose_unit_kind(draft: str, kinds_of_unit: Sequence[str], again: bool) -> Screen:
    """The unit's kind: one button each."""
    shown = {"again": _again(again)}
    return Screen(
        "unit.ask_kind", shown, rows(Button(_label(kind), Do.unit_pick(draft, "kind", n)) for n, kind in enumerate(kinds_of_unit))
    )


def unit_confirm(draft: str, values: Mapping[str, Value]) -> Screen:
    """The unit's card before 提交."""
    changes = [Button(f"unit.change_{field}", Do.unit_change(draft, field)) for field in UNIT_FIELDS]
    buttons: Rows = (
        (Button("report.submit", Do.unit_submit(draft)),), *rows(changes, 3), (Button("report.discard", Do.unit_discard(draft)),),
    )  # fmt: skip
    return Screen("unit.confirm", dict(values), buttons)


def unit_leaves(draft: str, event: str, values: Mapping[str, Value]) -> Screen:
    """What is about to end, and with it: with 确认 and 取消. `event`: withdraw or transfer."""
    buttons = (Button("enrolment.confirm", Do.unit_leave(draft)), Button("admin.button.cancel", Do.drop_card(draft)))
    return Screen(f"unit.ask_{event}", dict(values), (buttons,))


def items(side: str, entries: Iterable[str]) -> Value:
    """Resources (or needs) under each other behind their word; None for none."""
    listed = stack(Key("unit.item", {"text": text}) for text in entries)
    return Key(f"unit.{side}", {"items": listed}) if listed else None


def item_list(side: str, lines: Iterable[Key]) -> Screen:
    """What units give (resource) or wish for (need)."""
    return screen(f"unit.list_{side}", lines=stack(lines))
