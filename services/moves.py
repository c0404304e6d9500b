"""The only writer of a state: looks up the row in the lifecycle table, checks who, moves, and writes the history (design.md §5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from models import (
    ActionItem,
    AnonymousToken,
    Claim,
    Commitment,
    Enrollment,
    Meeting,
    Order,
    Post,
    PostClaim,
    Problem,
    StateLog,
    Task,
    Team,
    TeamMember,
    keyring,
)
from models.lifecycle import LIVES, NEW, Life
from services import due_alarms
from services.context import Context, Refusal
from texts.screen import Key

KINDS: dict[type[SQLModel], str] = {
    Problem: "problem", Order: "order", Task: "task", Claim: "claim", Enrollment: "enrollment", PostClaim: "post_claim",
    Meeting: "meeting", ActionItem: "action_item", Commitment: "commitment",
}  # fmt: skip
UNDO_WINDOW = timedelta(seconds=60)
LOG_DIGITS = 18  # of a 64-bit number


class Living(Protocol):
    """An object with a life: a row of one of KINDS."""

    id: str
    state: str
    version: int


def life_of(thing: Living) -> Life:
    """The lifecycle table of an object."""
    return LIVES[KINDS[type(thing)]]  # type: ignore[index]


async def relations(context: Context, thing: Any) -> frozenset[str]:
    """What the actor is to the object, in the words of models.lifecycle (domain.md §4)."""
    actor, found = context.actor, set()
    if actor.has("scheduler"):
        return frozenset({"scheduler"})
    if actor.has("coordinator", "community_clerk", "community_secretary"):
        found |= {"coordinator", "grid_leader"}
    if actor.has("community_secretary"):
        found.add("secretary")
    task = await _whole(context, thing)
    grid = getattr(task, "grid_code", None)
    if grid is not None and actor.has("grid_leader", grid=grid):
        found.add("grid_leader")
    if isinstance(thing, Problem) and await is_reporter(context, thing):
        found.add("reporter")
    if isinstance(thing, Order) and thing.resident_id == actor.id:
        found.add("resident")
    if isinstance(thing, Claim | PostClaim) and thing.person_id == actor.id:
        found.add("claimer")
    if isinstance(thing, Claim) and await leads_team_of(context, thing.person_id):
        found.add("team_leader")
    if isinstance(thing, Enrollment) and await is_applicant(context, thing):
        found.add("applicant")
    if isinstance(thing, Meeting) and actor.has("street_organizer"):
        found.add("street")
    if isinstance(thing, ActionItem) and (thing.owner_id == actor.id or await is_liaison(context, thing.unit_code)):
        found.add("owner")
    if isinstance(thing, Commitment):
        found |= await _promised(context, thing)
    if isinstance(task, Post) and actor.member_state == "ACTIVE":
        found.add("member")
    if isinstance(task, Task):
        if task.leader_id == actor.id:
            found.add("leader")
        if task.creator_id == actor.id:
            found.add("creator")
        if await is_resident_of(context, task):
            found.add("resident")
        if may_claim(context, task):
            found.add("member")
    return frozenset(found)


async def _whole(context: Context, thing: Any) -> Any:
    """What the object is a part of: the task of a claim, the post of its claim, else the object itself."""
    if isinstance(thing, Claim):
        return await context.session.get(Task, thing.task_id)
    return await context.session.get(Post, thing.post_id) if isinstance(thing, PostClaim) else thing


async def leads_team_of(context: Context, person_id: str) -> bool:
    """Whether the actor, an ACTIVE member, leads a team that this other person is in."""
    if context.actor.member_state != "ACTIVE" or person_id == context.actor.id:
        return False
    query = sa.select(Team.id).join(TeamMember, col(TeamMember.team_id) == Team.id)  # type: ignore[call-overload]
    query = query.where(col(Team.leader_id) == context.actor.id, col(Team.closed_at).is_(None))
    here = query.where(col(TeamMember.person_id) == person_id, col(TeamMember.left_at).is_(None))
    return await context.session.scalar(here.limit(1)) is not None


async def is_applicant(context: Context, enrollment: Enrollment) -> bool:
    """Whether the enrolment is the actor's own, or that of the unit the actor is liaison of."""
    if context.actor.id is None or enrollment.person_id is not None:
        return context.actor.id is not None and enrollment.person_id == context.actor.id
    if enrollment.applicant_id == context.actor.id:
        return True
    return await is_liaison(context, enrollment.unit_code)


async def is_liaison(context: Context, unit_code: str | None) -> bool:
    """Whether the actor is the liaison of the unit now: by the role, which ends; the name on the unit's card is whom one writes to."""
    return unit_code is not None and any(grant.role == "unit_liaison" and grant.unit == unit_code for grant in context.actor.grants)


async def _promised(context: Context, commitment: Commitment) -> set[str]:
    """What the actor is to a commitment: its owner, or the one who reviews it; nobody reviews their own."""
    actor, kind, own = context.actor, commitment.owner_kind, False
    match kind:
        case "member":
            own = actor.id is not None and commitment.owner == actor.id
        case "unit":
            own = await is_liaison(context, commitment.owner)
        case "org":
            own = actor.has("branch_secretary", grid=commitment.owner)
        case "community":
            own = actor.has("community_secretary", "coordinator", "community_clerk")
    if own and kind != "community":
        return {"owner"}
    found = {"owner"} if own else set()
    if actor.has("community_secretary"):
        found.add("reviewer")
    if kind == "member":
        grid = await context.session.scalar(
            sa.select(col(Enrollment.grid_code)).where(col(Enrollment.person_id) == commitment.owner, col(Enrollment.state) == "ACTIVE")
        )
        if grid is not None and actor.has("branch_secretary", grid=grid):
            found.add("reviewer")
    return found


async def is_reporter(context: Context, problem: Problem) -> bool:
    """Whether the actor reported the problem; an anonymous reporter is known by the sealed address of the chat alone."""
    if problem.reporter_id is not None:
        return problem.reporter_id == context.actor.id
    if problem.token_id is None or context.chat is None or not context.private:
        return False
    token = await context.session.get(AnonymousToken, problem.token_id)
    return token is not None and token.chat_hash == keyring.hash(token.salt, context.chat.platform, context.chat.address)


async def is_resident_of(context: Context, task: Task) -> bool:
    """Whether the actor is the resident whom the task serves."""
    if task.source == "order" and task.source_id:
        order = await context.session.get(Order, task.source_id)
        return order is not None and order.resident_id == context.actor.id
    if task.source == "problem" and task.source_id:
        problem = await context.session.get(Problem, task.source_id)
        return problem is not None and await is_reporter(context, problem)
    return False


def may_claim(context: Context, task: Task) -> bool:
    """Whether the actor may claim at all: ACTIVE members, staff, liaisons and riders; residents only volunteer tasks."""
    actor = context.actor
    return (
        actor.member_state == "ACTIVE"
        or actor.staff
        or actor.has("rider_reporter", "unit_liaison", "party_member", "volunteer", "branch_secretary")
        or (task.audience == "volunteers" and actor.person is not None and not actor.has("street_organizer"))
    )


async def allowed(context: Context, thing: Any, event: str) -> bool:
    """Whether the table lets the actor do `event` to the object as it stands (guards in `needs` apart)."""
    row = life_of(thing).find(event, thing.state)
    return row is not None and bool(set(row.by) & await relations(context, thing))


async def begin(context: Context, thing: Any, event: str, note: str = "") -> None:
    """Bring a new object into its life. Raises Refusal when the actor may not."""
    life = life_of(thing)
    row = life.find(event, NEW)
    if row is None:
        raise LookupError(f"models/lifecycle.py has no row for a new {life.kind} by {event!r}")
    if not set(row.by) & await relations(context, thing):
        raise Refusal("refused.permission")
    thing.state = row.target
    context.session.add(thing)
    await context.session.flush()
    _record(context, life.kind, thing, event, NEW, row.target, note, None)
    if isinstance(thing, Problem):
        await due_alarms.keep(context, thing, fresh=True)


async def move(context: Context, thing: Any, event: str, note: str = "", **fields: Any) -> StateLog:
    """Move the object by `event` and set `fields` with it; the history row.

    One conditional UPDATE decides between rivals. Raises Refusal: the table has no such row for this state ("refused.state"), the
    actor may not ("refused.permission"), or somebody else moved it first ("refused.state").
    """
    life, source, code = life_of(thing), thing.state, getattr(thing, "code", "")
    row = life.find(event, source)
    who = await relations(context, thing)
    if row is None:
        by_anybody = any(set(other.by) & who for other in life.moves if other.event == event)
        raise Refusal("refused.state" if by_anybody else "refused.permission", code=code, state=Key(f"state.{life.kind}.{source}"))
    if not set(row.by) & who:
        raise Refusal("refused.permission")
    target = row.ends_in(source)
    before = {name: getattr(thing, name) for name in fields} | {"state": source}
    await context.session.flush()
    table = type(thing)
    result = await context.session.execute(
        sa.update(table)
        .where(table.id == thing.id, table.state == source)
        .values(state=target, version=table.version + 1, **fields)
        .execution_options(synchronize_session=False)
    )
    await context.session.refresh(thing)
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise Refusal("refused.state", code=code, state=Key(f"state.{life.kind}.{thing.state}"))
    if isinstance(thing, Problem):
        await due_alarms.keep(context, thing)
    return _record(context, life.kind, thing, event, source, target, note, before)


async def amend(context: Context, thing: Any, event: str, fields: Mapping[str, Any], note: str = "") -> StateLog:
    """Set fields that are no state, with a line in the history that keeps what they were."""
    before = {name: getattr(thing, name) for name in fields}
    for name, value in fields.items():
        setattr(thing, name, value)
    thing.version += 1
    await context.session.flush()
    return _record(context, life_of(thing).kind, thing, event, thing.state, thing.state, note, before)


def remark(context: Context, thing: Any, event: str, note: str = "") -> StateLog:
    """A line in the object's history that moves nothing."""
    return _record(context, life_of(thing).kind, thing, event, thing.state, thing.state, note, None)


async def logged(context: Context, log_id: str) -> StateLog | None:
    """The history row with this number as a button said it; None where there is none, or it is no number of ours."""
    known = log_id.isascii() and log_id.isdecimal() and len(log_id) <= LOG_DIGITS
    return await context.session.get(StateLog, int(log_id)) if known else None


async def undo(context: Context, log_id: str) -> tuple[Any, StateLog]:
    """Take back the actor's own last move within a minute; the object as it was, and the history row undone.

    Raises Refusal: not the actor's (any more), too late, something has happened since, or somebody outside has been told.
    """
    log = await logged(context, log_id)
    if log is None or log.actor_id != context.actor.id or log.before is None or log.undone:
        raise Refusal("undo.gone")
    if context.now - log.at > UNDO_WINDOW:
        raise Refusal("undo.late")
    table = next(model for model, kind in KINDS.items() if kind == log.object_kind)
    thing: Any = await context.session.get(table, log.object_id)
    if thing is None or thing.version != log.before["version"]:
        raise Refusal("undo.gone")
    row = life_of(thing).find(log.event, log.source)
    if row is None or not set(row.by) & await relations(context, thing):
        raise Refusal("refused.permission")
    for name, value in log.before["fields"].items():
        setattr(thing, name, datetime.fromisoformat(value["at"]) if isinstance(value, dict) and "at" in value else value)
    thing.version += 1
    log.undone = True
    _record(context, log.object_kind, thing, "undo", log.target, thing.state, log.event, None)
    await context.session.flush()
    if isinstance(thing, Problem):
        await due_alarms.keep(context, thing)
    return thing, log


def _record(
    context: Context, kind: str, thing: Any, event: str, source: str, target: str, note: str, before: dict[str, Any] | None
) -> StateLog:
    sealed = isinstance(thing, Problem) and thing.anonymous and (thing.reporter_id is None) and not context.actor.staff
    stored = None
    if before is not None:
        encoded = {k: {"at": v.isoformat()} if isinstance(v, datetime) else v for k, v in before.items()}
        stored = {"version": thing.version, "fields": encoded}
    role = next((grant.role for grant in context.actor.grants), "resident" if context.actor.person else "")
    log = StateLog(
        object_kind=kind, object_id=thing.id, event=event, source=source, target=target, note=note, at=context.now, before=stored,
        actor_id=None if sealed else context.actor.id, actor_role="anonymous" if sealed else role,
    )  # fmt: skip
    context.session.add(log)
    return log
