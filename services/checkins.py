"""Check-in and check-out: by location, by code, by the leader's word; nobody is tracked (domain.md §5 Task/Claim, §0.1)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, func, select

from models import CheckIn, Claim, Person, Task
from services import claims, hours, post, tasks
from services.alarms import set_alarm
from services.context import Context, Refusal
from services.geography import distance_m
from services.identity import persons_with
from services.moves import move, relations
from services.tasks import card_of, program
from texts.actions import Do
from texts.screen import Button, Screen
from texts.work_screens import to_verify

MAX_ACCURACY_M = 100
MAX_TRIES = 5
VERIFY_ALONE = "verify_alone"
VERIFY_ALONE_WORKDAYS = 5
LAST_CHECK_OUT = timedelta(hours=1)
SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Position:
    """A shared location in degrees (WGS84); `accuracy` in metres where known; `forwarded`: not the sender's own."""

    lat: float
    lon: float
    accuracy: float | None = None
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a check-in went: `record.verdict` is VALID, PENDING (the leader decides) or REJECTED; `tries_left` after a wrong code."""

    task: Task
    record: CheckIn
    tries_left: int = 0


@dataclass(frozen=True, slots=True)
class Departure:
    """A check-out with its counted hours."""

    task: Task
    claim: Claim


async def ready(context: Context, number: str) -> tuple[Task, Claim]:
    """The task and the actor's place in it, when they may check in now.

    Raises Refusal: no place, checked in already, too early (with the hour from which it works), or over.
    """
    task = await tasks.find(context, number)
    mine = await tasks.own_claim(context, task)
    if mine is None or mine.state in ("WAITLISTED", "OFFERED"):
        raise Refusal("check_in.no_claim", number=task.short_no)
    if mine.state != "ACTIVE":
        raise Refusal("check_in.already", number=task.short_no)
    _check_window(context, task)
    return task, mine


def _check_window(context: Context, task: Task) -> None:
    if context.now < task.start_at - hours.CHECK_IN_BEFORE:
        raise Refusal("check_in.early", number=task.short_no, opens=task.start_at - hours.CHECK_IN_BEFORE)
    if context.now > task.end_at:
        raise Refusal("check_in.over", number=task.short_no)


async def in_window(context: Context) -> Task | None:
    """The one task the actor may check in to now; None when there is none, or more than one."""
    query = select(Task).join(Claim, col(Claim.task_id) == col(Task.id)).where(
        col(Claim.person_id) == context.actor.id, col(Claim.state) == "ACTIVE",
        col(Task.start_at) <= context.now + hours.CHECK_IN_BEFORE, col(Task.end_at) >= context.now,
    )  # fmt: skip
    found = (await context.session.scalars(query.limit(2))).all()
    return found[0] if len(found) == 1 else None


async def at_work(context: Context) -> Task | None:
    """The one task the actor is checked in to; None when there is none, or more than one."""
    query = select(Task).join(Claim, col(Claim.task_id) == col(Task.id)).where(
        col(Claim.person_id) == context.actor.id, col(Claim.state) == "CHECKED_IN"
    )  # fmt: skip
    found = (await context.session.scalars(query.limit(2))).all()
    return found[0] if len(found) == 1 else None


async def by_location(context: Context, number: str, position: Position) -> Arrival:
    """Check in by a shared location: VALID within the radius, REJECTED beyond it, PENDING when it is too rough or forwarded.

    The position is kept encrypted for 30 days. Where the task has no place on the map the leader decides.
    """
    task, mine = await ready(context, number)
    record = CheckIn(
        claim_id=mine.id, kind="in", method="location", at=context.now, verdict="VALID", by_id=context.actor.id,
        accuracy_m=None if position.accuracy is None else round(position.accuracy), coords=f"{position.lat:.6f},{position.lon:.6f}",
    )  # fmt: skip
    if task.lat is None or task.lon is None:
        record.verdict = "PENDING"
    else:
        record.distance_m = round(distance_m(task.lat, task.lon, position.lat, position.lon))
        rough = position.forwarded or (position.accuracy is not None and position.accuracy > MAX_ACCURACY_M)
        record.verdict = "PENDING" if rough else "VALID" if record.distance_m <= task.radius_m else "REJECTED"
    context.session.add(record)
    await context.session.flush()
    if record.verdict == "VALID":
        await _arrive(context, task, mine, context.now)
    elif record.verdict == "PENDING":
        await _ask_leader(context, task, mine, record)
    return Arrival(task, record)


async def by_code(context: Context, number: str, pin: str) -> Arrival:
    """Check in by the code that the leader shows on the spot; a wrong one is counted, and five are the end of codes for this claim.

    Raises Refusal after the fifth wrong one: the location or the leader remain.
    """
    task, mine = await ready(context, number)
    query = select(func.count()).select_from(CheckIn).where(
        col(CheckIn.claim_id) == mine.id, col(CheckIn.method) == "code", col(CheckIn.verdict) == "REJECTED"
    )  # fmt: skip
    wrong = (await context.session.scalars(query)).one()
    if wrong >= MAX_TRIES:
        raise Refusal("check_in.no_tries", number=task.short_no)
    right = bool(task.check_in_code) and hmac.compare_digest(pin.encode(), task.check_in_code.encode())
    record = CheckIn(
        claim_id=mine.id,
        kind="in",
        method="code",
        at=context.now,
        verdict="VALID" if right else "REJECTED",
        by_id=context.actor.id,
    )
    context.session.add(record)
    await context.session.flush()
    if right:
        await _arrive(context, task, mine, context.now)
    return Arrival(task, record, MAX_TRIES - wrong - 1)


async def by_proxy(context: Context, number: str, name: str) -> Arrival:
    """The leader, the grid leader or a coordinator checks a claimer in by name; only a coordinator themselves. Raises Refusal."""
    task, claimer, _ = await _led(context, number, name, "ACTIVE")
    _check_window(context, task)
    record = CheckIn(claim_id=claimer.id, kind="in", method="proxy", at=context.now, verdict="VALID", by_id=context.actor.id)
    context.session.add(record)
    await _arrive(context, task, claimer, context.now)
    screen = Screen("check_in.by_proxy", (await tasks.view(context, task)).values)
    await post.to_person(context, claimer.person_id, screen, subject=card_of(task))
    return Arrival(task, record)


async def _led(context: Context, number: str, name: str, *states: str) -> tuple[Task, Claim, str]:
    task = await tasks.find(context, number)
    if not await tasks.may_lead(context, task):
        raise Refusal("refused.permission")
    claimer, known = await tasks.named(context, task, name, *states)
    if claimer.person_id == context.actor.id and "coordinator" not in await relations(context, task):
        raise Refusal("check_in.own")
    return task, claimer, known


async def _arrive(context: Context, task: Task, claimer: Claim, at: datetime) -> None:
    await move(context, claimer, "check_in", checked_in_at=at)
    await tasks.refresh(context, task)


async def _ask_leader(context: Context, task: Task, claimer: Claim, record: CheckIn) -> None:
    person = await context.session.get(Person, claimer.person_id)
    buttons = tuple(Button(f"check_in.button.{answer}", Do.approve_check_in(record.id, answer)) for answer in ("yes", "no"))
    values = (await tasks.view(context, task)).values | {
        "name": person.display_name if person else "",
        "distance": record.distance_m,
    }
    screen = Screen("check_in.ask_leader", values, (buttons,))
    await post.to_person(context, task.leader_id, screen, subject=card_of(task), urgent=True)


async def decide(context: Context, check_in_id: str, answer: str) -> Arrival:
    """The leader's word on a check-in that could not be judged: MANUAL_OK from the moment it was made, or REJECTED.

    Raises Refusal: not theirs to decide, or decided already.
    """
    record = await context.session.get(CheckIn, check_in_id)
    claimer = await context.session.get(Claim, record.claim_id) if record else None
    if record is None or claimer is None:
        raise Refusal("claim.unknown")
    task = await tasks.find(context, claimer.task_id, lock=True)
    await context.session.refresh(claimer)
    await context.session.refresh(record)
    if not await tasks.may_lead(context, task):
        raise Refusal("refused.permission")
    if claimer.person_id == context.actor.id and "coordinator" not in await relations(context, task):
        raise Refusal("check_in.own")
    if record.verdict != "PENDING" or claimer.state != "ACTIVE":
        raise Refusal("check_in.decided", number=task.short_no)
    record.verdict = "MANUAL_OK" if answer == "yes" else "REJECTED"
    record.reason = f"by:{context.actor.id}"
    if record.verdict == "MANUAL_OK":
        await _arrive(context, task, claimer, record.at)
    elif context.now >= task.end_at:
        await claims.end_of_task(context, task.id)
    key = "check_in.approved" if record.verdict == "MANUAL_OK" else "check_in.not_approved"
    await post.to_person(context, claimer.person_id, Screen(key, (await tasks.view(context, task)).values), subject=card_of(task))
    return Arrival(task, record)


async def check_out(context: Context, number: str, name: str = "") -> Departure:
    """Leave: the hours are counted and wait to be verified. With `name` the leader, grid leader or coordinator does it for a claimer.

    Raises Refusal: not checked in, not the actor's to do, or no minute of the task's own time has passed.
    """
    if name:
        task, claimer, _ = await _led(context, number, name, "CHECKED_IN")
    else:
        task = await tasks.find(context, number)
        mine = await tasks.own_claim(context, task)
        if mine is None or mine.state != "CHECKED_IN":
            raise Refusal("check_out.not_in" if mine is None or mine.state == "ACTIVE" else "check_out.done_already", number=task.short_no)
        claimer = mine
    if context.now < _counts_from(task, claimer) + SHORTEST:
        key = "check_out.early" if context.now < task.start_at else "check_out.at_once"
        raise Refusal(key, number=task.short_no, start=task.start_at)
    method = "proxy" if name else "manual"
    context.session.add(CheckIn(claim_id=claimer.id, kind="out", method=method, at=context.now, verdict="VALID", by_id=context.actor.id))
    await _leave(context, task, claimer, context.now, flagged=False)
    if name:
        screen = Screen("check_out.by_proxy", (await tasks.view(context, task)).values | {"hours": claimer.hours})
        await post.to_person(context, claimer.person_id, screen, subject=card_of(task))
    return Departure(task, claimer)


def _counts_from(task: Task, claimer: Claim) -> datetime:
    """From when the claimer's time counts: the start, or the check-in when that was later."""
    return max(claimer.checked_in_at or task.start_at, task.start_at)


async def _leave(context: Context, task: Task, claimer: Claim, at: datetime, flagged: bool) -> None:
    counted = hours.counted(_counts_from(task, claimer), at, task.planned_hours)
    await move(context, claimer, "check_out", checked_out_at=at, hours=counted, flagged=flagged)
    query = select(CheckIn.id).where(
        col(CheckIn.claim_id) == claimer.id, col(CheckIn.kind) == "in", col(CheckIn.verdict) == "VALID",
        col(CheckIn.method).in_(("location", "code")),
    )  # fmt: skip
    if (await context.session.scalars(query)).first() is not None:
        await set_alarm(context, VERIFY_ALONE, claimer.id, context.calendar.due(context.now, VERIFY_ALONE_WORKDAYS))
    await _ask_to_verify(context, task, claimer)


async def _ask_to_verify(context: Context, task: Task, claimer: Claim) -> None:
    """Tell the leader that hours wait, or the coordinators where nobody leads or they are the leader's; who acts reads it in the answer."""
    shown = await tasks.refresh(context, task)
    person = await context.session.get(Person, claimer.person_id)
    screen = to_verify(shown, claimer.id, person.display_name if person else "", claimer.hours)
    leader = task.leader_id if task.leader_id != claimer.person_id else None
    people = [leader] if leader else [each.id for each in await persons_with(context, "coordinator")]
    for person_id in people:
        if person_id not in (context.actor.id, claimer.person_id):
            await post.to_person(context, person_id, screen, subject=card_of(task))


async def check_out_rest(context: Context, task_id: str) -> None:
    """The alarm an hour after the end: who checked in and never out is out at the planned end, flagged (domain.md §5)."""
    task = await tasks.find(context, task_id, lock=True)
    if context.now < task.end_at + LAST_CHECK_OUT:
        return
    for claimer in await tasks.claims_of(context, task, "CHECKED_IN"):
        await _leave(program(context), task, claimer, task.end_at, flagged=True)
        screen = Screen("check_out.forgotten", (await tasks.view(context, task)).values | {"hours": claimer.hours})
        await post.to_person(context, claimer.person_id, screen, subject=card_of(task))
