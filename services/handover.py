"""Handing over everything open of one person to another, in one transaction (domain.md §5; when somebody leaves).

Problems led, tasks led or made, decisions to carry out, shifts, posts, units and teams change hands with a line in their history; the new
owner gets one list and the tickets, the reporters hear nothing. The roles of the one who leaves stay, or end with it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import DutyShift, Person, Problem, RoleAssignment
from services import audit, drafts, moves, open_work, people, post, roles, tickets
from services.context import Context, Refusal
from services.identity import roles_of
from services.open_work import Work
from texts import administration_screens as screens
from texts.actions import Do
from texts.administration import tables
from texts.screen import Button, Key, Screen, Value

DRAFT, NAME_DRAFT = "handover", "handover_name"
ENTITLED = ("coordinator", "community_clerk", "community_secretary")
TICKETS = 20
SIDES = ("giver", "taker")


def require(context: Context) -> None:
    """Raises Refusal unless the actor may hand over somebody's work."""
    if not context.actor.has(*ENTITLED):
        raise Refusal("refused.only.coordinator")


# -- asking ---------------------------------------------------------------------------------------------------------
async def ask_to(context: Context, person_id: str) -> Screen:
    """Ask to whom this person's work goes; the name is awaited. Raises Refusal."""
    require(context)
    person = await context.session.get(Person, person_id)
    if person is None or person.deleted_at is not None:
        raise Refusal("dialog.gone")
    drafts.keep(context, NAME_DRAFT, giver=person.id)
    return Screen("handover.ask_to", {"name": person.display_name})


async def ask_whose(context: Context, name: str) -> Screen:
    """The same for the one person of this name. Raises Refusal: nobody, or several."""
    require(context)
    return await ask_to(context, (await people.one_named(context, name)).id)


async def answer_to(context: Context, name: str) -> Screen:
    """The name that `ask_to` waited for. Raises Refusal."""
    giver = drafts.kept(context, NAME_DRAFT).get("giver", "")
    return await _begin(context, [giver], [one.id for one in await _known(context, name)], "")


async def ask(context: Context, giver: str, taker: str, grid: str = "") -> Screen:
    """The card with what would be handed over; of several persons of a name it is asked which. Raises Refusal."""
    require(context)
    if grid and grid.upper() not in context.ground.grids:
        raise Refusal("role.scope_unknown", scope=grid)
    givers, takers = await _known(context, giver), await _known(context, taker)
    return await _begin(context, [one.id for one in givers], [one.id for one in takers], grid.upper())


async def _known(context: Context, name: str) -> list[Person]:
    found = await people.named(context, name)
    if not found:
        raise Refusal("people.nobody", name=name)
    return found


async def _begin(context: Context, givers: list[str], takers: list[str], grid: str) -> Screen:
    require(context)
    draft = await drafts.beside(context, DRAFT, giver=givers, taker=takers, grid=grid, end_roles=False)
    return await _next(context, draft.id, draft.data)


async def pick(context: Context, draft_id: str, side: str, person_id: str) -> Screen:
    """The one who was meant. Raises Refusal: the button was forged or is old."""
    require(context)
    draft = await drafts.opened(context, DRAFT, draft_id)
    if side not in SIDES or person_id not in draft.data[side]:
        raise Refusal("dialog.gone")
    await drafts.put(context, draft, **{side: [person_id]})
    return await _next(context, draft.id, draft.data)


async def toggle_roles(context: Context, draft_id: str) -> Screen:
    """Let the roles end with it, or stay after all."""
    require(context)
    draft = await drafts.opened(context, DRAFT, draft_id)
    await drafts.put(context, draft, end_roles=not draft.data["end_roles"])
    return await _next(context, draft.id, draft.data)


async def _next(context: Context, draft_id: str, data: dict[str, Any]) -> Screen:
    for side in SIDES:
        if len(data[side]) > 1:
            found = [await context.session.get(Person, one) for one in data[side]]
            options = [(await people.describe(context, one), Do.hand_over_pick(draft_id, side, one.id)) for one in found if one is not None]
            return screens.pick("people.which", {"name": found[0].display_name if found[0] else ""}, options)
    giver, taker = await _both(context, data)
    work = await open_work.of(context, giver.id, data["grid"])
    ending = await _ending(context, giver.id, data["grid"])
    if not work and not ending:
        raise Refusal("handover.nothing", name=giver.display_name)
    missing = await _missing(context, taker, work)
    values = _named(context, giver, taker, data["grid"]) | {
        "counts": Key("handover.counts", work.counts()) if work else Key("handover.no_work"),
        "grants": [context.ground.grid_name(code) for code in sorted(missing)],
        "roles": [screens.role(row.role, context.ground.grid_name(row.grid_code), row.unit_code or "") for row in ending]
        if data["end_roles"] else None,
    }  # fmt: skip
    return screens.hand_over_card(draft_id, values, ends_roles=data["end_roles"] if ending else None)


def _named(context: Context, giver: Person, taker: Person, grid: str) -> dict[str, Value]:
    return {"giver": giver.display_name, "taker": taker.display_name, "grid": context.ground.grid_name(grid or None)}


async def _both(context: Context, data: dict[str, Any]) -> tuple[Person, Person]:
    giver, taker = await context.session.get(Person, data["giver"][0]), await context.session.get(Person, data["taker"][0])
    if giver is None or taker is None or taker.deleted_at is not None:
        raise Refusal("dialog.gone")
    if giver.id == taker.id:
        raise Refusal("handover.same")
    above = {grant.role for grant in await roles_of(context.session, giver.id, context.now)} & {"community_secretary", "admin"}
    if above and not context.actor.has("community_secretary", "admin"):
        raise Refusal("refused.only.secretary")
    return giver, taker


async def _missing(context: Context, taker: Person, work: Work) -> set[str]:
    """The grids whose problems the taker could not handle: they become the taker's too. Raises Refusal: not the actor's to give."""
    grants = await roles_of(context.session, taker.id, context.now)
    if any(grant.role in ENTITLED for grant in grants):
        return set()
    led = {grant.grid for grant in grants if grant.role == "grid_leader"}
    if work.problems and any(problem.grid_code is None or problem.level != "grid" for problem in work.problems) and not led:
        raise Refusal("handover.no_office", name=taker.display_name)
    missing = set() if None in led else work.grids() - {code for code in led if code}
    if missing:
        roles.require_giving(context, "grid_leader")
    return missing


async def _ending(context: Context, person_id: str, grid: str) -> list[RoleAssignment]:
    """The offices that could end with it: all of the person's, or those for this grid."""
    offices = tables()["offices"]["roles"]
    rows = await context.session.scalars(
        sa.select(RoleAssignment).where(col(RoleAssignment.person_id) == person_id, col(RoleAssignment.role).in_(offices)).with_for_update()
    )
    now = context.now
    return [
        row for row in rows
        if (row.valid_to is None or row.valid_to > now) and (not grid or row.grid_code == grid)
    ]  # fmt: skip


# -- doing it -------------------------------------------------------------------------------------------------------
async def confirm(context: Context, draft_id: str) -> Screen:
    """Hand it over as the card says: all or nothing. Raises Refusal: not the actor's to do, or nothing is left."""
    require(context)
    draft = await drafts.opened(context, DRAFT, draft_id)
    data = dict(draft.data)
    if any(len(data[side]) != 1 for side in SIDES):
        raise Refusal("dialog.gone")
    giver, taker = await _both(context, data)
    work = await open_work.of(context, giver.id, data["grid"])
    ending = await _ending(context, giver.id, data["grid"]) if data["end_roles"] else []
    if not work and not ending:
        raise Refusal("handover.nothing", name=giver.display_name)
    await context.session.delete(draft)
    for code in sorted(await _missing(context, taker, work)):
        await roles.grant(context, taker, roles.Asked("grid_leader", grid=code))
    await _pass_on(context, work, giver, taker)
    for code in [unit.code for unit in work.units]:
        await roles.grant(context, taker, roles.Asked("unit_liaison", unit=code))
    for row in ending:
        await roles.take(context, row)
    audit.changed(context, "work.handed_over", giver.id, f"person:{taker.id}")
    await context.session.flush()
    values = _named(context, giver, taker, data["grid"]) | {
        "counts": Key("handover.counts", work.counts()) if work else Key("handover.no_work")
    }
    await _tell(context, work, giver, taker, values)
    return Screen("handover.done", values)


async def _pass_on(context: Context, work: Work, giver: Person, taker: Person) -> None:
    note = f"{giver.id}>{taker.id}"
    for problem in work.problems:
        problem.lead_handler_id, problem.version = taker.id, problem.version + 1
        moves.remark(context, problem, "hand_over", note)
    for task in work.tasks:
        task.leader_id = taker.id if task.leader_id == giver.id else task.leader_id
        task.creator_id = taker.id if task.creator_id == giver.id else task.creator_id
        task.version += 1
        moves.remark(context, task, "hand_over", note)
    for action in work.actions:
        action.owner_id, action.version = taker.id, action.version + 1
        moves.remark(context, action, "hand_over", note)
    for made in work.posts:
        made.creator_id = taker.id
    for unit in work.units:
        unit.liaison_id = taker.id
    for team in work.teams:
        team.leader_id = taker.id
    theirs = set(await context.session.scalars(sa.select(col(DutyShift.day)).where(col(DutyShift.person_id) == taker.id)))
    for shift in work.shifts:
        if shift.day in theirs:
            await context.session.delete(shift)
        else:
            shift.person_id = taker.id
    await context.session.flush()


async def _tell(context: Context, work: Work, giver: Person, taker: Person, values: dict[str, Value]) -> None:
    """One list to the new owner, and the tickets as living cards; what the old owner may no longer see goes from their chat."""
    held: list[Problem] = [*work.problems, *work.waiting]
    codes = [one.code for one in held] + [f"#{one.short_no}" for one in work.tasks] + [one.code for one in work.actions]
    told = values | {"codes": codes, "days": [shift.day for shift in work.shifts]}
    buttons = tuple((Button(Key("button.code", {"code": f"#{one.short_no}"}), Do.show_task(one.id)),) for one in work.tasks[:5])
    await post.to_person(context, taker.id, Screen("handover.told", told, buttons))
    for problem in held[:TICKETS]:
        await tickets.give_ticket(context, problem, [taker.id])
    for problem in held:
        await tickets.refresh(context, problem)
    if giver.id != context.actor.id:
        await post.to_person(context, giver.id, Screen("handover.told_giver", values))
