"""Votes on promises (评诺): who may vote as what, one vote a rater, and what the votes come to (domain.md §5 Commitment).

Peers count .3, the mass .3, the organisation .4; a class with fewer than three raters is left out and the weights of the others are scaled
to one, which the proposal says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from models import Commitment, CommitmentVote, Enrollment
from services import moves, promises
from services.context import Context, Refusal
from services.metrics import rounded
from services.promise_calendar import year_of
from services.promise_lines import read_grade, words
from services.workdays import local
from texts import promise_screens as screens
from texts.screen import Key, Screen, Value
from texts.work_screens import stack

CLASSES = ("peer", "mass", "org")
OPEN = "IN_EVALUATION"


# -- what they come to: pure ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Counted:
    """What the votes come to: the points from 0 to 100 (exact, None without a class), the class by class, and what is proposed."""

    score: Fraction | None
    classes: Mapping[str, tuple[int, Fraction | None]]
    used: tuple[str, ...]
    proposed: str

    @property
    def shown(self) -> str | None:
        """The points with one decimal, half up."""
        return None if self.score is None else rounded(self.score)

    @property
    def facts(self) -> dict[str, Any]:
        """For the record: raters and mean of each class, and which classes counted."""
        means = {kind: [number, None if mean is None else rounded(mean)] for kind, (number, mean) in self.classes.items()}
        return {"classes": means, "used": list(self.used), "proposed": self.proposed}

    @property
    def values(self) -> dict[str, Value]:
        """For a screen."""
        rows = [
            Key(f"promise.class_{'used' if kind in self.used else 'dropped'}", {
                "name": Key(f"promise.rater.{kind}"), "raters": number, "mean": None if mean is None else rounded(mean),
                "least": words()["votes"]["least"],
            })
            for kind, (number, mean) in self.classes.items()
        ]  # fmt: skip
        scaled = Key("promise.scaled") if self.used and len(self.used) < len(CLASSES) else None
        return {
            "classes": stack(rows), "scaled": scaled, "score": self.shown, "no_votes": None if self.used else Key("promise.no_votes"),
            "proposed": Key(f"promise.grade.{self.proposed}"),
        }  # fmt: skip


def weigh(grades: Mapping[str, Sequence[int]], items: Sequence[Mapping[str, Any]]) -> Counted:
    """The votes of each class (points 0 to 100) weighed; without a class that counts the self-reported items decide what is proposed."""
    data = words()["votes"]
    classes = {kind: (len(given := grades.get(kind, ())), Fraction(sum(given), len(given)) if given else None) for kind in CLASSES}
    used = tuple(kind for kind in CLASSES if classes[kind][0] >= data["least"])
    if not used:
        return Counted(None, classes, (), _of_items(items))
    weights = {kind: Fraction(data["weights"][kind]) for kind in used}
    score = sum(((classes[kind][1] or Fraction(0)) * weight for kind, weight in weights.items()), Fraction(0)) / sum(weights.values())
    proposed = "kept" if score >= data["kept_from"] else "partly" if score >= data["partly_from"] else "not"
    return Counted(score, classes, used, proposed)


def _of_items(items: Sequence[Mapping[str, Any]]) -> str:
    said = [item.get("said", "") for item in items if not item.get("excused")]
    if said and all(one == "kept" for one in said):
        return "kept"
    return "partly" if any(one in ("kept", "partly") for one in said) else "not"


async def count(context: Context, promise: Commitment) -> Counted:
    """What the votes for a promise come to."""
    grades: dict[str, list[int]] = {kind: [] for kind in CLASSES}
    query = sa.select(col(CommitmentVote.rater_kind), col(CommitmentVote.grade)).where(col(CommitmentVote.commitment_id) == promise.id)
    for kind, grade in await context.session.execute(query):
        grades[kind].append(grade)
    return weigh(grades, promise.items)


# -- who votes as what -----------------------------------------------------------------------------------------------------
async def rater_kind(context: Context, promise: Commitment) -> str | None:
    """As what the actor votes on a promise, None for its owner and for whom it does not concern.

    Organisation: the community's secretary and clerk, the branch secretary of a member, the street for branches, units and the community.
    Peers: members of the same branch (of a branch: its members), liaisons for other units and, of the community's promise, all liaisons.
    Mass: residents without an office.
    """
    actor = context.actor
    if actor.person is None or "owner" in await moves.relations(context, promise) or promise.writer_id == actor.id:
        return None
    branch = await promises.branch_of(context, promise)
    secretary = promise.owner_kind == "member" and branch is not None and actor.has("branch_secretary", grid=branch)
    street = promise.owner_kind != "member" and actor.has("street_organizer")
    if actor.has("community_secretary", "community_clerk") or secretary or street:
        return "org"
    if promise.owner_kind in ("member", "org"):
        if branch is not None and actor.member_state == "ACTIVE" and await _grid_of(context) == branch:
            return "peer"
    elif actor.has("unit_liaison"):
        return "peer"
    plain = actor.member_state != "ACTIVE" and not actor.staff and all(grant.role in ("resident", "volunteer") for grant in actor.grants)
    return "mass" if plain else None


async def _grid_of(context: Context) -> str | None:
    mine = sa.select(col(Enrollment.grid_code)).where(col(Enrollment.person_id) == context.actor.id, col(Enrollment.state) == "ACTIVE")
    grid: str | None = await context.session.scalar(mine.limit(1))
    return grid


# -- voting ------------------------------------------------------------------------------------------------------------
async def ballot(context: Context, offset: int = 0) -> Screen:
    """The promises that the actor may vote on, those without a vote first, one screen at a time. Raises Refusal: no votes now."""
    year = year_of(context)
    if not year.votes_open <= context.now < year.votes_end:
        raise Refusal("promise.no_ballot", first=year.votes_open, last=words()["year"]["votes_close"][1])
    found = [one for one in await promises.every(context, local(context.now).year, OPEN) if await rater_kind(context, one)]
    given = await _given(context)
    ordered = sorted(found, key=lambda one: one.id in given)
    known = await promises.names(context, found)
    rows = [(one.id, one.code or "", known[one.id], given.get(one.id)) for one in ordered]
    return screens.ballot(rows, offset, promises.PAGE, year.votes_end)


async def _given(context: Context) -> dict[str, str]:
    points = {value: grade for grade, value in words()["votes"]["points"].items()}
    query = sa.select(col(CommitmentVote.commitment_id), col(CommitmentVote.grade)).where(col(CommitmentVote.rater_id) == context.actor.id)
    return {promise: points[grade] for promise, grade in await context.session.execute(query)}


async def to_vote(context: Context, promise: Commitment) -> Screen:
    """One promise with what its owner reported, and the three grades. Raises Refusal."""
    await _require(context, promise)
    given = (await _given(context)).get(promise.id)
    shown = await promises.values(context, promise) | {"given": Key(f"promise.grade.{given}") if given else None}
    return screens.to_vote(promise.id, shown)


async def vote(context: Context, promise: Commitment, said: str) -> Screen:
    """Cast or change the actor's one vote. Raises Refusal: closed, one's own, not concerned, or not a grade."""
    kind, grade = await _require(context, promise), read_grade(said) or said
    points = words()["votes"]["points"]
    if grade not in points:
        raise Refusal("promise.which_result", code=promise.code)
    dialect = postgresql if context.session.get_bind().dialect.name == "postgresql" else sqlite
    given = {"rater_kind": kind, "grade": points[grade], "at": context.now}
    cast = dialect.insert(CommitmentVote).values(commitment_id=promise.id, rater_id=context.actor.id, text="", **given)
    await context.session.execute(cast.on_conflict_do_update(index_elements=["commitment_id", "rater_id"], set_=given))
    shown = {"code": promise.code, "grade": Key(f"promise.grade.{grade}"), "last": year_of(context, promise.year).votes_end}
    return screens.voted(shown)


async def _require(context: Context, promise: Commitment) -> str:
    """As what the actor votes now. Raises Refusal."""
    year = year_of(context, promise.year)
    if promise.state != OPEN or not year.votes_open <= context.now < year.votes_end:
        raise Refusal("promise.no_ballot", first=year.votes_open, last=words()["year"]["votes_close"][1])
    kind = await rater_kind(context, promise)
    if kind is None:
        own = "owner" in await moves.relations(context, promise) or promise.writer_id == context.actor.id
        raise Refusal("promise.vote_own" if own else "promise.vote_not_yours")
    return kind
