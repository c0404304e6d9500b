"""Tasks: finding and locking them, their card and sheets, and lists (domain.md §5 Task/Claim, §7, §11)."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from models import Claim, Order, Person, Problem, Task
from models.lifecycle import CLAIM, TASK
from services import audit, post
from services.context import SCHEDULER, Context, Refusal
from services.hours import collide
from services.moves import allowed, may_claim, move, relations
from services.team_rolls import led
from texts.actions import Do
from texts.screen import Button, Key, Screen
from texts.work_screens import PrivateHalf, TaskView, task_card, task_sheet

TAKEN = ("ACTIVE", "CHECKED_IN", "DONE", "VERIFIED")
HELD = (*TAKEN, "OFFERED")
QUEUED = ("WAITLISTED", "OFFERED")
LIVE = (*CLAIM.open, "VERIFIED")
UNSETTLED = ("OPEN", "CLAIMED", "UNFILLED")
LIST_LENGTH = 8
RECENT = timedelta(days=14)


def program(context: Context) -> Context:
    """The same turn with the program itself as the actor: for moves that follow from a person's act."""
    return replace(context, actor=SCHEDULER)


def card_of(task: Task) -> str:
    """The name of the task's living card in the outbox."""
    return f"task:{task.id}"


async def find(context: Context, number: str, lock: bool = False) -> Task:
    """The task by short number (31, #31) or id; with `lock`, its row is held until the commit and read anew.

    Raises Refusal task.unknown, in a private chat with the open tasks beside it.
    """
    number = number.strip().lstrip("#")
    query = select(Task).where(col(Task.community_id) == context.ground.community_id)
    query = query.where(col(Task.short_no) == int(number) if number.isdecimal() and len(number) <= 6 else col(Task.id) == number)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    task = (await context.session.scalars(query)).first()
    if task is None:
        known = [Key("task.number", {"number": each.number}) for each in await upcoming(context)] if context.private else []
        raise Refusal("task.unknown", number=number if number.isdecimal() else "", known=known[:3])
    return task


async def claims_of(context: Context, task: Task, *states: str) -> list[Claim]:
    """The task's claims in these states, in the order they were made."""
    query = select(Claim).where(col(Claim.task_id) == task.id, col(Claim.state).in_(states))
    query = query.order_by(col(Claim.claimed_at), col(Claim.id)).execution_options(populate_existing=True)
    return list((await context.session.scalars(query)).all())


async def own_claim(context: Context, task: Task) -> Claim | None:
    """The actor's live claim of the task."""
    query = select(Claim).where(col(Claim.task_id) == task.id, col(Claim.person_id) == context.actor.id, col(Claim.state).in_(LIVE))
    return (await context.session.scalars(query.execution_options(populate_existing=True))).first()


async def names(context: Context, claims: list[Claim]) -> dict[str, str]:
    """The claimers' names by person id."""
    query = select(Person).where(col(Person.id).in_([claim.person_id for claim in claims]))
    return {person.id: person.display_name for person in (await context.session.scalars(query)).all()}


async def named(context: Context, task: Task, name: str, *states: str) -> tuple[Claim, str]:
    """The claim of the claimer with this name, and the name. Raises Refusal: nobody, or several, of that name in one of `states`."""
    claims = await claims_of(context, task, *states)
    known = await names(context, claims)
    wanted = _plain(name)
    found = [claim for claim in claims if _plain(known.get(claim.person_id, "")) == wanted]
    if len(found) != 1:
        raise Refusal("task.several_named" if found else "task.nobody_named", name=name, number=task.short_no)
    return found[0], known[found[0].person_id]


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split())


async def busy_at(context: Context, task: Task) -> bool:
    """Whether the actor holds a place in another task less than 30 minutes apart from this one (domain.md §5)."""
    query = select(Task).join(Claim, col(Claim.task_id) == col(Task.id)).where(
        col(Claim.person_id) == context.actor.id,
        col(Claim.state).in_(("ACTIVE", "OFFERED", "CHECKED_IN", "DONE")),
        col(Task.id) != task.id,
    )  # fmt: skip
    others = (await context.session.scalars(query)).all()
    return any(collide(task.start_at, task.end_at, other.start_at, other.end_at) for other in others)


async def view(context: Context, task: Task) -> TaskView:
    """What everybody may see of the task now."""
    counts = await _counts(context, [task.id])
    return _view(context, task, counts.get(task.id, {}))


async def _counts(context: Context, ids: list[str]) -> dict[str, dict[str, int]]:
    found = await context.session.execute(
        sa.select(Claim.task_id, Claim.state, sa.func.count())  # type: ignore[call-overload]
        .where(col(Claim.task_id).in_(ids))
        .group_by(Claim.task_id, Claim.state)
    )
    counts: dict[str, dict[str, int]] = {}
    for task_id, state, count in found:
        counts.setdefault(task_id, {})[state] = count
    return counts


def _view(context: Context, task: Task, counts: dict[str, int]) -> TaskView:
    def total(states: tuple[str, ...]) -> int:
        return sum(counts.get(state, 0) for state in states)

    if task.state == "CANCELLED":
        phase = "cancelled"
    elif task.state not in UNSETTLED or context.now >= task.end_at:
        phase = "over"
    elif context.now >= task.start_at:
        phase = "started"
    else:
        phase = "full" if total(HELD) >= task.capacity else "open"
    return TaskView(
        task.id, task.short_no, task.code, task.title, task.start_at, task.end_at, task.place_name, task.skill,
        task.capacity, total(TAKEN), total(QUEUED), phase, task.state, total(("OFFERED",)),
    )  # fmt: skip


async def refresh(context: Context, task: Task) -> TaskView:
    """Make the group's card, and every shown copy of it, say how things stand; what it says."""
    shown = await view(context, task)
    await post.edit_card(context, card_of(task), task_card(shown))
    return shown


async def refresh_card(context: Context, task_id: str) -> None:
    """The alarm at a task's start: its card takes no more claims."""
    await refresh(context, await find(context, task_id))


async def mark_full(context: Context, task: Task) -> None:
    """Bring the task's state in line with its claims: CLAIMED when every place is held, OPEN when one is free again."""
    held = len(await claims_of(context, task, *HELD))
    if held >= task.capacity and task.state in ("OPEN", "UNFILLED"):
        await move(program(context), task, "fill")
    elif held < task.capacity and task.state == "CLAIMED":
        await move(program(context), task, "free")


async def close_queue(context: Context, task: Task) -> None:
    """Nobody can come up any more: who waits, or was offered a place and has not answered, hears that the queue is over."""
    screen = Screen("claim.queue_closed", (await view(context, task)).values)
    for waiting in await claims_of(context, task, *QUEUED):
        await move(program(context), waiting, "expire" if waiting.state == "OFFERED" else "cancel", waitlist_pos=None)
        await post.to_person(context, waiting.person_id, screen, subject=card_of(task))


async def private_half(context: Context, task: Task) -> PrivateHalf:
    """What the actor may see besides: all of it for claimers with a place, the leader and coordinators, until the task is closed."""
    related = await relations(context, task)
    in_charge = bool(related & {"leader", "coordinator"})
    mine = await own_claim(context, task)
    if task.state not in TASK.open or not (in_charge or (mine and mine.state in TAKEN)):
        return PrivateHalf()
    text = ""
    if task.source == "order" and task.source_id and (order := await context.session.get(Order, task.source_id)):
        text = order.text
        audit.looked(context, order.resident_id, "contact", card_of(task))
    elif task.source == "problem" and task.source_id and (problem := await context.session.get(Problem, task.source_id)):
        text = problem.text_public
        if task.contact or task.place_private:
            audit.looked(context, problem.reporter_id, "contact", card_of(task))
    if not in_charge:
        return PrivateHalf(task.contact, task.place_private, text)
    claims = await claims_of(context, task, *CLAIM.open, "VERIFIED")
    named = await names(context, claims)
    people = [Key("task.claimer", {"name": named[c.person_id], "state": Key(f"state.claim.{c.state}")}) for c in claims]
    return PrivateHalf(task.contact, task.place_private, text, task.check_in_code, people)


async def sheet(context: Context, number: str) -> Screen:
    """The task as the actor may see it, with the buttons that are theirs to press."""
    task = await find(context, number)
    shown, mine = await view(context, task), await own_claim(context, task)
    state = mine.state if mine else ""
    buttons: list[Button] = []
    welcome = may_claim(context, task) and context.actor.skilled(task.skill)
    if not mine and welcome and shown.phase in ("open", "full"):
        buttons.append(Button("task.button.claim" if shown.phase == "open" else "task.button.wait", Do.claim(task.id)))
    teams = await led(context) if shown.phase == "open" else ()
    buttons += [Button(Key("team.button.lead", {"team": team.name}), Do.team_claim_ask(task.id, team.id)) for team in teams]
    if mine and state == "OFFERED":
        buttons += [
            Button("claim.button.accept", Do.accept_offer(mine.id)),
            Button("claim.button.decline", Do.decline_offer(mine.id)),
        ]
    if state == "ACTIVE":
        buttons.append(Button("task.button.check_in", Do.check_in(task.id)))
    if state in ("ACTIVE", "WAITLISTED"):
        buttons.append(Button("claim.button.withdraw", Do.withdraw_claim(task.id)))
    if state == "CHECKED_IN":
        buttons.append(Button("task.button.check_out", Do.check_out(task.id)))
    if await allowed(context, task, "cancel") and not await claims_of(context, task, "DONE", "VERIFIED"):
        buttons.append(Button("task.button.cancel", Do.cancel_task(task.id)))
    half = await private_half(context, task)
    return task_sheet(shown, half, state, buttons, mine.waitlist_pos if mine else None)


async def upcoming(context: Context) -> list[TaskView]:
    """The tasks that may still be claimed, the next one first."""
    tasks = await _to_come(context)
    counts = await _counts(context, [task.id for task in tasks])
    return [_view(context, task, counts.get(task.id, {})) for task in tasks]


async def _to_come(context: Context) -> list[Task]:
    query = select(Task).where(
        col(Task.community_id) == context.ground.community_id,
        col(Task.state).in_(UNSETTLED),
        col(Task.start_at) > context.now,
    )
    return list((await context.session.scalars(query.order_by(col(Task.start_at)).limit(LIST_LENGTH))).all())


async def invited(context: Context) -> bool:
    """Whether the actor may claim any of the tasks to come."""
    return any(may_claim(context, task) for task in await _to_come(context))


async def mine(context: Context) -> list[tuple[TaskView, str]]:
    """The actor's tasks of the last two weeks and to come, with the state of each claim; the next one first."""
    query = select(Claim, Task).join(Task, col(Task.id) == col(Claim.task_id)).where(
        col(Claim.person_id) == context.actor.id, col(Claim.state).in_(LIVE), col(Task.end_at) > context.now - RECENT
    )  # fmt: skip
    found = (await context.session.execute(query.order_by(col(Task.start_at).desc()).limit(LIST_LENGTH))).all()
    counts = await _counts(context, [task.id for _, task in found])
    return [(_view(context, task, counts.get(task.id, {})), claim.state) for claim, task in reversed(found)]


async def may_lead(context: Context, task: Task) -> bool:
    """Whether the actor leads the task, its grid, or coordinates."""
    return bool(await relations(context, task) & {"leader", "grid_leader", "coordinator"})
