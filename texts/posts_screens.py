"""Screens about posts, teams, private offers and record cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from texts.actions import Do
from texts.screen import Button, Key, Screen, Value, rows
from texts.work_screens import TaskView, stack


def day(when: date | None) -> Key | None:
    """A date with its year, as a value of a text; None stays None."""
    return Key("post.day", {"year": when.year, "month": when.month, "day": when.day}) if when else None


# -- posts ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PostView:
    """What everybody may see of a post. `until` is the last day; `taken` counts who has applied too. `phase`: open, full or closed."""

    id: str
    number: int
    name: str
    post_class: str
    place: Value
    duties: str
    begins: date
    until: date
    capacity: int
    taken: int
    phase: str

    @property
    def values(self) -> dict[str, Value]:
        """The holes of the texts about this post."""
        return {
            "number": self.number, "name": self.name, "post_class": self.post_class, "place": self.place, "duties": self.duties,
            "begins": day(self.begins), "until": day(self.until), "capacity": self.capacity, "taken": self.taken,
        }  # fmt: skip


def last_day(term_to: date) -> date:
    """The last day of a half-open term."""
    return term_to - timedelta(days=1)


def post_card(view: PostView) -> Screen:
    """The group's living card of a post: places and how many are taken, never who."""
    claim = ((Button("post.button.claim", Do.claim_post(view.id)),),) if view.phase == "open" else ()
    note = None if view.phase == "open" else Key(f"post.note.{view.phase}")
    return Screen("post.card", view.values | {"note": note}, claim)


def post_list(views: Sequence[PostView], mine: bool) -> Screen:
    """The open posts, with [认岗] for each that has a place, where the reader may claim."""
    lines = stack(
        Key("post.line", view.values | {"note": Key(f"post.note.{view.phase}") if view.phase != "open" else None}) for view in views
    )
    buttons = (
        Button(Key("post.button.claim_this", view.values), Do.claim_post(view.id)) for view in views if mine and view.phase == "open"
    )
    return Screen("post.list" if mine else "post.list_members", {"lines": lines}, rows(buttons))


def my_posts(views: Sequence[tuple[PostView, str, str]]) -> Screen:
    """The reader's own posts as (post, state of the claim, id of the claim), each with its way out."""
    lines = stack(Key("post.my_line", view.values | {"state": Key(f"state.post_claim.{state}")}) for view, state, _ in views)
    buttons = [Button(Key(f"post.button.leave_{state}", view.values), Do.leave_post(claim)) for view, state, claim in views]
    return Screen("post.mine", {"lines": lines}, rows(buttons))


def post_receipt(view: PostView, claim: str) -> Screen:
    """To the claimer alone: the application is with whoever confirms."""
    return Screen("post.applied", view.values, ((Button("post.button.take_back", Do.leave_post(claim)),),))


def post_to_confirm(view: PostView, claim: str, name: str) -> Screen:
    """To whoever confirms: who applies for what."""
    buttons = (Button("post.button.confirm", Do.confirm_post(claim)), Button("post.button.decline", Do.decline_post(claim)))
    return Screen("post.to_confirm", view.values | {"person": name}, (buttons,))


def post_confirmed(view: PostView, claim: str) -> Screen:
    """To the claimer: the post is theirs."""
    return Screen("post.confirmed", view.values, ((Button("post.button.leave", Do.leave_post(claim)),),))


def sure_to_leave(view: PostView, claim: str) -> Screen:
    """Asks once more before a post is given up."""
    buttons = (Button("post.button.leave_surely", Do.confirm_leave_post(claim)), Button("post.button.stay", Do.my_posts()))
    return Screen("post.sure", view.values, (buttons,))


# -- teams ----------------------------------------------------------------------------------------------------------
def invitation(team: str, values: dict[str, Value]) -> Screen:
    """To a member whom the leader would like in the team."""
    return Screen(
        "team.invited", values, ((Button("team.button.join", Do.join_team(team)), Button("team.button.no", Do.refuse_team(team))),)
    )


def team_claim_ask(view: TaskView, team: str, name: str, fit: Sequence[str], unfit: Sequence[Key], places: int) -> Screen:
    """To the leader: who of the team could come, and with how many to claim."""
    most = min(len(fit), places)
    counts = (Button(Key("team.button.claim", {"people": n}), Do.team_claim(view.id, team, n)) for n in range(most, max(0, most - 6), -1))
    values = view.values | {"team": name, "fit": list(fit), "free": places, "unfit": stack(unfit)}
    return Screen("team.claim_ask" if most else "team.claim_nobody", values, rows(counts, 3))


# -- offers ---------------------------------------------------------------------------------------------------------
def private_offer(view: TaskView) -> Screen:
    """A new task to a member whom it fits: nothing in it that a group may not read."""
    buttons = (Button("task.button.claim", Do.claim(view.id)), Button("offers.button.stop", Do.stop_offers()))
    return Screen("offers.task", view.values, (buttons,))


# -- record cards ---------------------------------------------------------------------------------------------------
def units_to_choose(period: str, shown: Value, units: Iterable[tuple[str, str]]) -> Screen:
    """To a coordinator: of which unit? `units`: (code, name)."""
    buttons = (Button(Key("record.button.unit", {"unit": name}), Do.record_card(code, period)) for code, name in units)
    return Screen("record.which_unit", {"period": shown}, rows(buttons, 1))
