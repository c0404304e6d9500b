"""Screens about orders and tasks that several places show: the group's card, the private sheets, lists (domain.md §11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from texts.actions import Do
from texts.problem_screens import GRADES
from texts.render import ZONE
from texts.screen import Button, Key, Rows, Screen, Value, rows

STARS = (1, 2, 3, 4, 5)
REASONS = ("sick", "emergency", "busy", "other")


@dataclass(frozen=True, slots=True)
class TaskView:
    """What everybody may see of a task. `phase`: open, full, started, over or cancelled; `waiting` counts offers too."""

    id: str
    number: int
    code: str
    title: str
    start: datetime
    end: datetime
    place: str
    skill: str
    capacity: int
    taken: int
    waiting: int
    phase: str
    state: str
    offered: int = 0

    @property
    def values(self) -> dict[str, Value]:
        """The holes of the texts about this task."""
        return {
            "number": self.number, "code": self.code, "title": self.title, "start": self.start, "end": _end(self.start, self.end),
            "place": self.place or Key("task.place_unsaid"), "skill": self.skill, "capacity": self.capacity,
            "taken": self.taken, "waiting": self.waiting,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrivateHalf:
    """What claimers, the leader and coordinators see besides; `pin` and `people` are for the leader and coordinators alone."""

    contact: str = ""
    place: str = ""
    text: str = ""
    pin: str = ""
    people: Sequence[Value] = ()

    @property
    def values(self) -> dict[str, Value]:
        """The holes of the texts about this half."""
        return {
            "contact": self.contact,
            "place_private": self.place,
            "text": self.text,
            "pin": self.pin,
            "people": self.people,
        }


def _end(start: datetime, end: datetime) -> Value:
    start, end = start.astimezone(ZONE), end.astimezone(ZONE)
    return f"{end:%H:%M}" if start.date() == end.date() else end


def stack(lines: Iterable[Key]) -> Key | None:
    """The lines under each other as one value of a screen; None for no line."""
    chain: Key | None = None
    for line in reversed(list(lines)):
        chain = Key("work.stack", {"line": line, "rest": chain})
    return chain


def entry(task: str) -> str:
    """The deep-link payload that opens a task in the private chat; `task` is its short number."""
    return f"task-{task}"


def task_card(view: TaskView) -> Screen:
    """The group's living card: template 接单卡, with buttons as long as something can be done (domain.md §11)."""
    sign = Button("task.button.check_in", start=entry(str(view.number)))
    buttons: Rows = ()
    if view.phase in ("open", "full"):
        buttons = ((Button("task.button.claim" if view.phase == "open" else "task.button.wait", Do.claim(view.id)), sign),)
    elif view.phase == "started":
        buttons = ((sign,),)
    note = None if view.phase == "open" else Key(f"task.note.{view.phase}")
    if view.phase == "full" and view.offered:
        note = Key("task.note.offered", {"offered": view.offered})
    return Screen("task.card", view.values | {"note": note}, buttons)


def widened(view: TaskView, audience: str) -> Screen:
    """The living card as a wider circle (community, units) first sees it: nobody has claimed the task yet."""
    card = task_card(view)
    return replace(card, values={**card.values, "note": Key(f"task.note.widened.{audience}")})


def task_line(view: TaskView, mine: str = "") -> Key:
    """One line of a list; `mine` is the state of the reader's own claim."""
    state = Key(f"state.claim.{mine}") if mine else Key(f"task.phase.{view.phase}")
    return Key("task.line", view.values | {"state": state})


def numbers(views: Iterable[TaskView]) -> Rows:
    """A button for each task of a list, four in a row."""
    return rows((Button(Key("task.number", {"number": view.number}), Do.show_task(view.id)) for view in views), 4)


def task_sheet(view: TaskView, half: PrivateHalf, mine: str, buttons: Iterable[Button], waitlist_position: int | None = None) -> Screen:
    """A task as one person sees it in private: the public half, the reader's own claim, and the private half where it is theirs."""
    yours = Key(f"claim.yours.{mine}", {"position": waitlist_position}) if mine else None
    values = view.values | half.values | {"state": Key(f"state.task.{view.state}"), "yours": yours}
    return Screen("task.sheet", values, rows(buttons))


def claim_receipt(view: TaskView, half: PrivateHalf) -> Screen:
    """To the claimer alone: the place is theirs, with everything they need to go there (domain.md §0.6)."""
    return Screen("claim.receipt", view.values | half.values, (claimer_buttons(view),))


def waitlist_receipt(view: TaskView, position: int) -> Screen:
    """To the claimer alone: the place in the queue."""
    leave = Button("claim.button.leave_queue", Do.withdraw_claim(view.id))
    return Screen("claim.waiting", view.values | {"position": position}, ((leave,),))


def claimer_buttons(view: TaskView) -> tuple[Button, ...]:
    """What somebody with a place may do before the task."""
    return Button("task.button.check_in", Do.check_in(view.id)), Button("claim.button.withdraw", Do.withdraw_claim(view.id))


def offer(view: TaskView, claim_id: str, until: datetime) -> Screen:
    """To the first of the queue: a place is free, kept until `until`."""
    buttons = (
        Button("claim.button.accept", Do.accept_offer(claim_id)),
        Button("claim.button.decline", Do.decline_offer(claim_id)),
    )
    return Screen("claim.offer", view.values | {"until": until}, (buttons,))


def no_show(view: TaskView) -> Screen:
    """To a claimer who did not check in: it may be explained."""
    return Screen("claim.no_show", view.values, ((Button("claim.button.explain", Do.explain_absence(view.id)),),))


def absence(view: TaskView, claim_id: str, name: str, reason: str) -> Screen:
    """To the leader and the coordinators: why somebody did not come, to excuse or not."""
    buttons = tuple(Button(f"claim.button.excuse_{answer}", Do.excuse(claim_id, answer)) for answer in ("yes", "no"))
    return Screen("claim.explained", view.values | {"name": name, "reason": reason}, (buttons,))


def to_verify(view: TaskView, claim_id: str, name: str, hours: float | None) -> Screen:
    """To the leader: somebody's hours wait to be verified."""
    verify = Button("verify.press", Do.verify(claim_id))
    return Screen("check_out.to_verify", view.values | {"name": name, "hours": hours}, ((verify,),))


def withdrawal_reasons(view: TaskView) -> Screen:
    """Asks why somebody leaves less than a day before; each reason is a button."""
    buttons = (Button(f"claim.reason.{reason}", Do.confirm_withdraw(view.id, reason)) for reason in REASONS)
    keep = (Button("claim.button.stay", Do.show_task(view.id)),)
    return Screen("claim.ask_reason", view.values, (*rows(buttons), keep))


def ask_resident(view: TaskView) -> Screen:
    """To the resident: how was it?"""
    return Screen("rating.ask_resident", view.values, (tuple(Button(f"grade.{g}", Do.rate_task(view.id, g)) for g in GRADES),))


def ask_organisation(view: TaskView) -> Screen:
    """To the leader or coordinator: 组织评单 1–5."""
    stars = tuple(Button(Key("rating.star", {"grade": n}), Do.rate_organisation(view.id, n)) for n in STARS)
    return Screen("rating.ask_organisation", view.values, (stars,))


def order_card(order: str, code: str, values: Mapping[str, Value], in_group: bool) -> Screen:
    """A new order for the coordinators: in private with what only they may see, in their group masked and with deep links."""
    if in_group:
        send, refuse = (
            Button("order.button.dispatch", start=f"dispatch-{code}"),
            Button("order.button.reject", start=f"refuse-{code}"),
        )
    else:
        send, refuse = (
            Button("order.button.dispatch", Do.dispatch_order(order)),
            Button("order.button.reject", Do.reject_order(order)),
        )
    return Screen("order.card", {"code": code, **values}, ((send, refuse),))
