"""Screens about promises (承诺践诺): writing, approving, the public list, votes, the proposed result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from texts import pages
from texts.actions import Action, Do
from texts.render import text
from texts.screen import Button, Key, Rows, Screen, Value, rows
from texts.work_screens import stack

PARTS = ("what", "for_whom", "measure", "due")
GRADES = ("kept", "partly", "not")
NAMES, CHOSEN = 60, 20


def item(number: int, said: Mapping[str, Any], note: Key | None, reason: Value) -> Key:
    """One item of a promise: what, for whom, how much, by when; what is not there reads 未写."""
    due = said.get("due")
    values: dict[str, Value] = {part: said.get(part) or Key("promise.blank") for part in PARTS[:3]}
    day = date.fromisoformat(due) if due else Key("promise.blank")
    return Key("promise.item", {"number": Key(f"promise.number.{number}"), **values, "due": day, "note": note, "reason": _because(reason)})


def _because(reason: Value) -> Key | None:
    return Key("promise.because", {"reason": reason}) if reason else None


# -- writing ----------------------------------------------------------------------------------------------------------
def which_side(draft: str, sides: Sequence[Value]) -> Screen:
    """For whom: a button for each side the writer speaks for."""
    buttons = [Button(Key("promise.button.side", {"side": side}), Do.promise_for(draft, place)) for place, side in enumerate(sides)]
    return Screen("promise.which_side", {}, rows(buttons, 1))


def ask_items(draft: str, values: Mapping[str, Value]) -> Screen:
    """How to write one."""
    return Screen("promise.ask", values, ((Button("promise.button.drop", Do.promise_drop(draft)),),))


def incomplete(draft: str, values: Mapping[str, Value], gaps: Sequence[tuple[int, Sequence[str]]]) -> Screen:
    """Exactly what is missing, item by item, and the question for the first of them."""
    lines = stack(
        Key("promise.gap", {"number": number, "parts": [Key(f"promise.part.{part}") for part in parts]}) for number, parts in gaps
    )
    number, parts = gaps[0]
    hints = stack(Key(f"promise.hint.{part}") for part in parts)
    return Screen(
        "promise.missing",
        {**values, "gaps": lines, "hints": hints, "number": number},
        ((Button("promise.button.drop", Do.promise_drop(draft)),),),
    )


def complete(draft: str, values: Mapping[str, Value], count: int, most: int) -> Screen:
    """The whole promise before it is handed in."""
    more = [Button("promise.button.add", Do.promise_add(draft))] if count < most else []
    again = [Button(Key("promise.button.redo", {"number": number}), Do.promise_redo(draft, number)) for number in range(1, count + 1)]
    first = (Button("promise.button.submit", Do.promise_submit(draft)), *more)
    return Screen(
        "promise.draft", {**values, "most": most}, (first, *rows(again, 3), (Button("promise.button.drop", Do.promise_drop(draft)),))
    )


def submitted(promise: str, values: Mapping[str, Value]) -> Screen:
    """The receipt."""
    return Screen("promise.submitted", values, ((Button("promise.button.take_back", Do.promise_take_back(promise)),),))


# -- approving --------------------------------------------------------------------------------------------------------
def to_review(promise: str, values: Mapping[str, Value], how: str = "to_review") -> Screen:
    """To whoever reviews: approve or return. `how`: to_review or remind."""
    buttons = (Button("promise.button.approve", Do.promise_approve(promise)), Button("promise.button.return", Do.promise_return(promise)))
    return Screen(f"promise.{how}", values, (buttons,))


def what_lacks(promise: str, values: Mapping[str, Value]) -> Screen:
    """What is missing: one of the four by button, or in words."""
    return Screen("promise.return_what", values, rows(Button(f"promise.lacks.{part}", Do.promise_lacks(promise, part)) for part in PARTS))


def lacks(part: str, language: str) -> str:
    """What the button of a missing part says."""
    return text(f"promise.lacks.{part}", {}, language)


def returned(values: Mapping[str, Value]) -> Screen:
    """To the owner: what is missing, and the way on."""
    return Screen("promise.returned", values, ((Button("promise.button.write", Do.promise()),),))


def waiting(found: Sequence[tuple[str, str, str]], offset: int) -> Screen:
    """What waits for approval: a button each, a page of them from `offset` on."""
    return _chosen("promise.waiting" if found else "promise.none_waiting", found, offset, Do.promise_show, Do.promises_waiting)


def to_confirm(found: Sequence[tuple[str, str, str]], offset: int) -> Screen:
    """What waits for a confirmed result: a button each, a page of them from `offset` on."""
    return _chosen(
        "promise.confirm_list" if found else "promise.none_to_confirm", found, offset, Do.promise_confirm, Do.promises_to_confirm
    )


def _chosen(key: str, found: Sequence[tuple[str, str, str]], offset: int, one: Action, following: Action) -> Screen:
    part = pages.part(found, offset, CHOSEN)
    buttons = [Button(Key("promise.button.one", {"code": code, "owner": owner}), one(promise)) for promise, code, owner in part]
    return Screen(key, {"count": len(found)}, rows(buttons, 1) + pages.onward(len(found), offset, CHOSEN, following))


# -- reading ----------------------------------------------------------------------------------------------------------
def sheet(values: Mapping[str, Value], promise: str, state: str, own: bool) -> Screen:
    """One promise; its reviewer and its owner have their buttons."""
    if state == "SUBMITTED" and not own:
        return to_review(promise, {**values, "due": None, "provisional": None})
    return Screen("promise.sheet", values, _own_buttons(promise, state) if own else ())


def _own_buttons(promise: str, state: str) -> Rows:
    match state:
        case "DRAFT" | "WITHDRAWN":
            return ((Button("promise.button.write", Do.promise()),),)
        case "SUBMITTED":
            return ((Button("promise.button.take_back", Do.promise_take_back(promise)),),)
        case "REVIEW_OPEN" | "SELF_REPORTED":
            return ((Button("promise.button.report", Do.promise_report(promise)),),)
    return ()


def mine(found: Sequence[tuple[str, str, Mapping[str, Value]]], may_write: bool) -> Screen:
    """The reader's own promises."""
    write: Rows = ((Button("promise.button.write", Do.promise()),),) if may_write else ()
    if not found:
        return Screen("promise.none_mine" if may_write else "promise.none_mine_closed", {}, write)
    buttons = tuple(row for promise, state, _ in found for row in _own_buttons(promise, state))
    return Screen("promise.mine", {"entries": stack(Key("promise.own_entry", values) for *_, values in found)}, buttons)


def public_list(how: str, community: str, year: int, groups: Sequence[tuple[str, Sequence[Value]]]) -> Screen:
    """The one list in the groups: who promised what kind, or what became of it; the texts are a press away."""
    lines = stack(
        Key(
            "promise.group",
            {"kind": Key(f"promise.kind.{kind}"), "count": len(names), "names": list(names[:NAMES]), "more": _more(len(names))},
        )
        for kind, names in groups
    )
    values: dict[str, Value] = {"community": community, "year": str(year), "count": sum(len(names) for _, names in groups), "groups": lines}
    return Screen(f"promise.list_{how}", values, ((Button("promise.button.read", start=f"promises-{year}"),),))


def _more(count: int) -> Key | None:
    return Key("promise.and_more", {"count": count}) if count > NAMES else None


def browse(community: str, year: int, entries: Sequence[Key], total: int, offset: int, page: int) -> Screen:
    """A page of what is published."""
    if not entries:
        return Screen("promise.none_public", {"community": community})
    values: dict[str, Value] = {"community": community, "year": str(year), "total": total, "entries": stack(entries)}
    return Screen("promise.page", values, pages.onward(total, offset, page, lambda following: Do.promises(following, year)))


# -- by the clock -----------------------------------------------------------------------------------------------------
def window_opens(values: Mapping[str, Value], *, in_group: bool = False) -> Screen:
    """The window is open."""
    button = Button("promise.button.write", start="promise") if in_group else Button("promise.button.write", Do.promise())
    return Screen("promise.window_opens", values, ((button,),))


def window_reminder(values: Mapping[str, Value]) -> Screen:
    """The last day is near."""
    return Screen("promise.window_reminder", values, ((Button("promise.button.write", Do.promise()),),))


def nudge(promise: str, values: Mapping[str, Value]) -> Screen:
    """How is it going? Nobody must answer."""
    return Screen("promise.nudge", values, ((Button("promise.button.look", Do.promise_show(promise)),),))


def ask_report(key: str, promise: str, values: Mapping[str, Value]) -> Screen:
    """What became of it? `key`: when the round opens, or the reminder."""
    return Screen(key, values, ((Button("promise.button.report", Do.promise_report(promise)),),))


def votes_open(values: Mapping[str, Value]) -> Screen:
    """The votes are open: the way to one's own ballot."""
    return Screen("promise.votes_begin", values, ((Button("promise.button.ballot", start="ballot"),),))


def please_confirm(values: Mapping[str, Value]) -> Screen:
    """To whoever confirms: so many results wait."""
    return Screen("promise.please_confirm", values, ((Button("promise.button.confirm_all", Do.promises_to_confirm(0)),),))


# -- votes and results ------------------------------------------------------------------------------------------------
def ballot(found: Sequence[tuple[str, str, str, str | None]], offset: int, page: int, last: Value) -> Screen:
    """What the reader may vote on; what has the reader's vote says so."""
    part = pages.part(found, offset, page)
    if not part:
        return Screen("promise.ballot_empty")
    buttons = [Button(_on_ballot(code, owner, grade), Do.to_vote(one)) for one, code, owner, grade in part]
    values: dict[str, Value] = {"count": len(found), "given": sum(1 for *_, grade in found if grade), "last": last}
    return Screen("promise.ballot", values, rows(buttons, 1) + pages.onward(len(found), offset, page, Do.ballot))


def _on_ballot(code: str, owner: str, grade: str | None) -> Key:
    """The button of one promise on the ballot."""
    if grade is None:
        return Key("promise.button.one", {"code": code, "owner": owner})
    return Key("promise.button.voted", {"code": code, "owner": owner, "grade": Key(f"promise.grade.{grade}")})


def to_vote(promise: str, values: Mapping[str, Value]) -> Screen:
    """One promise and the three grades."""
    buttons = tuple(Button(f"promise.grade.{grade}", Do.promise_vote(promise, grade)) for grade in GRADES)
    return Screen("promise.to_vote", values, (buttons, (Button("promise.button.ballot", Do.ballot(0)),)))


def voted(values: Mapping[str, Value]) -> Screen:
    """The vote is kept; to the next one."""
    return Screen("promise.voted", values, ((Button("promise.button.next", Do.ballot(0)),),))


def proposal(promise: str, values: Mapping[str, Value], proposed: str, unfinished: Sequence[int], excused: Sequence[int]) -> Screen:
    """The proposal, the grades to confirm one of, and for every unfinished item whether an objective reason kept it from being done."""
    judge = tuple(
        Button(Key(f"promise.button.{how}", {"grade": Key(f"promise.grade.{grade}")}), Do.promise_judge(promise, grade))
        for grade, how in [(proposed, "confirm"), *((grade, "instead") for grade in GRADES if grade != proposed)]
    )
    words = {number: "promise.button.not_excused" if number in excused else "promise.button.excuse" for number in unfinished}
    excuse = [Button(Key(key, {"number": number}), Do.promise_excuse(promise, number)) for number, key in words.items()]
    return Screen("promise.proposal", values, (judge, *rows(excuse)))


def objected(promise: str, values: Mapping[str, Value]) -> Screen:
    """To whoever confirmed: the owner objects."""
    return Screen("promise.to_decide", values, ((Button("promise.button.decide", Do.promise_confirm(promise)),),))
