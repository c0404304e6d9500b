"""Claims: taking a task, leaving it, the queue and its offers, who did not come, and calling a task off (domain.md §5 Task/Claim)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlmodel import col, select

from models import CheckIn, Claim, Person, Task
from services import hours, orders, post, tasks, verifying
from services.alarms import drop_alarms, set_alarm
from services.context import Actor, Context, Refusal
from services.identity import persons_with
from services.moves import begin, may_claim, move, relations
from services.tasks import HELD, TAKEN, card_of, program
from services.workdays import after_quiet
from texts.actions import Do
from texts.screen import Button, Key, Screen, Value
from texts.work_screens import REASONS, claim_receipt, no_show, offer, stack, waitlist_receipt, withdrawal_reasons

EXPIRE_OFFER = "expire_offer"
LAST_CALL = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Claimed:
    """How a claim went. `state`: ACTIVE or WAITLISTED; `sheet`: what the claimer alone may read; `told`: it reached them in private."""

    task: Task
    claim: Claim
    sheet: Screen
    told: bool

    @property
    def values(self) -> dict[str, int | None]:
        """The holes of the texts that everybody may read."""
        return {"number": self.task.short_no, "position": self.claim.waitlist_pos}


async def claim(context: Context, number: str) -> Claimed:
    """Take a place in the task, or the next one in its queue when every place is held; an offered place is accepted.

    Of any number who claim at the same time exactly `capacity` get a place: the task's row is held from the count to the commit.
    The claimer's own sheet goes to them in private when the claim was made elsewhere.
    Raises Refusal: the task is over, begun or called off, the actor may not claim, lacks the skill, is busy, or has claimed already.
    """
    await _hold_person(context)
    task = await tasks.find(context, number, lock=True)
    mine = await tasks.own_claim(context, task)
    if mine is not None and mine.state == "OFFERED":
        return await accept_offer(context, mine.id)
    if mine is not None:
        key = "claim.already_waiting" if mine.state == "WAITLISTED" else "claim.already"
        raise Refusal(key, number=task.short_no, position=mine.waitlist_pos)
    check_time(context, task)
    await check_claimer(context, task, context.actor)
    made = Claim(task_id=task.id, person_id=str(context.actor.id), claimed_at=context.now)
    if len(await tasks.claims_of(context, task, *HELD)) < task.capacity:
        await begin(context, made, "claim")
    else:
        made.waitlist_pos = len(await tasks.claims_of(context, task, "WAITLISTED")) + 1
        await begin(context, made, "queue")
    await settle(context, task)
    return await _tell_claimer(context, task, made)


async def whisper(context: Context, screen: Screen) -> bool:
    """Tell the actor in private what a group must not read; whether they have a private chat (domain.md §7, claim/withdraw)."""
    return await post.to_person(context, context.actor.id, screen, answer=True) is not None


async def tell_resident(context: Context, task: Task, key: str) -> None:
    """Tell whoever ordered it how their order stands; nobody where no order stands behind the task."""
    order = await verifying.order_of(context, task)
    if order is not None:
        screen = Screen(key, orders.shown(order) | {"start": task.start_at})
        await post.to_person(context, order.resident_id, screen, subject=f"order:{order.id}")


async def _tell_claimer(context: Context, task: Task, made: Claim) -> Claimed:
    shown = await tasks.view(context, task)
    if made.state == "ACTIVE" and shown.taken == 1:
        await tell_resident(context, task, "order.claimed")
    if made.state == "ACTIVE":
        screen = claim_receipt(shown, await tasks.private_half(context, task))
    else:
        screen = waitlist_receipt(shown, made.waitlist_pos or 0)
    told = context.private
    if not told:
        sent = await post.to_person(context, made.person_id, screen, subject=card_of(task), answer=True)
        told = sent is not None
    return Claimed(task, made, screen, told)


async def _hold_person(context: Context) -> None:
    # One person may write from two accounts at once; holding the person makes the look for other tasks of theirs exact.
    if context.actor.id is None:
        raise Refusal("refused.permission")
    await hold_persons(context, [context.actor.id])


async def hold_persons(context: Context, person_ids: list[str]) -> None:
    """Hold these persons' rows until the commit, always in one order: before a task's row, so that nobody waits for each other."""
    query = select(Person.id).where(col(Person.id).in_(person_ids)).order_by(col(Person.id)).with_for_update(key_share=True)
    await context.session.scalars(query)


def check_time(context: Context, task: Task) -> None:
    """Raises Refusal for a task that is called off, over, or has begun."""
    if task.state == "CANCELLED":
        raise Refusal("claim.cancelled", number=task.short_no)
    if task.state not in tasks.UNSETTLED or context.now >= task.end_at:
        raise Refusal("claim.over", number=task.short_no)
    if context.now >= task.start_at:
        raise Refusal("claim.started", number=task.short_no)


async def check_claimer(context: Context, task: Task, claimer: Actor) -> None:
    """Raises Refusal unless this person may claim, has the skill, and is free half an hour around the task (domain.md §5)."""
    theirs = replace(context, actor=claimer)
    if not may_claim(theirs, task):
        raise Refusal("claim.not_member")
    if not claimer.skilled(task.skill):
        raise Refusal("claim.skill", skill=task.skill, number=task.short_no)
    if await tasks.busy_at(theirs, task):
        raise Refusal("claim.busy", number=task.short_no)


async def has_claimed(context: Context, task: Task, claimer: Actor) -> bool:
    """Whether this person has a live claim of the task."""
    return await tasks.own_claim(replace(context, actor=claimer), task) is not None


async def take_for(context: Context, task: Task, claimer: Actor) -> Claim:
    """A place for a member of a team that the actor leads; the caller holds the task's row and has checked the member."""
    made = Claim(task_id=task.id, person_id=str(claimer.id), claimed_at=context.now)
    await begin(context, made, "claim")
    return made


async def receipt_for(context: Context, task: Task, claimer: Actor) -> Screen:
    """What somebody with a place is told in private: everything they need to go there."""
    return claim_receipt(await tasks.view(context, task), await tasks.private_half(replace(context, actor=claimer), task))


async def settle(context: Context, task: Task) -> None:
    """After a change of claims: offer what became free, close the ranks of the queue, set the task's state, edit its card."""
    await _offer_free_places(context, task)
    for position, waiting in enumerate(await _queue(context, task), 1):
        waiting.waitlist_pos = position
    await context.session.flush()
    await tasks.mark_full(context, task)
    await tasks.refresh(context, task)


async def _queue(context: Context, task: Task) -> list[Claim]:
    waiting = await tasks.claims_of(context, task, "WAITLISTED")
    return sorted(waiting, key=lambda each: each.waitlist_pos or 0)


async def _offer_free_places(context: Context, task: Task) -> None:
    if task.state not in tasks.UNSETTLED or context.now >= task.start_at:
        return
    free = task.capacity - len(await tasks.claims_of(context, task, *HELD))
    for waiting in (await _queue(context, task))[: max(0, free)]:
        until = hours.offered_until(task.start_at, context.now)
        await move(program(context), waiting, "offer", offered_until=until, waitlist_pos=None)
        await set_alarm(context, EXPIRE_OFFER, waiting.id, until)
        # Somebody who would read it at 08:00, after the task has begun, is woken.
        urgent = after_quiet(context.now) >= task.start_at
        screen = offer(await tasks.view(context, task), waiting.id, until)
        await post.to_person(context, waiting.person_id, screen, subject=card_of(task), urgent=urgent)


async def _locked(context: Context, claim_id: str) -> tuple[Task, Claim]:
    """The claim with its task's row held, both read anew. Raises Refusal for an unknown id."""
    known = await context.session.get(Claim, claim_id)
    if known is None:
        raise Refusal("claim.unknown")
    task = await tasks.find(context, known.task_id, lock=True)
    await context.session.refresh(known)
    return task, known


async def accept_offer(context: Context, claim_id: str) -> Claimed:
    """The one it was offered to takes the free place. Raises Refusal: not theirs, too late, or busy by now."""
    await _hold_person(context)
    task, offered = await _locked(context, claim_id)
    if offered.state == "OFFERED" and offered.offered_until is not None and context.now >= offered.offered_until:
        raise Refusal("claim.offer_late", number=task.short_no)
    if offered.person_id == context.actor.id and await tasks.busy_at(context, task):
        raise Refusal("claim.busy", number=task.short_no)
    await move(context, offered, "accept", offered_until=None)
    await drop_alarms(context, EXPIRE_OFFER, offered.id)
    await settle(context, task)
    return await _tell_claimer(context, task, offered)


async def decline_offer(context: Context, claim_id: str) -> Task:
    """The one it was offered to passes: the place is offered to the next."""
    task, offered = await _locked(context, claim_id)
    await move(context, offered, "decline", offered_until=None, waitlist_pos=None, withdrawn_at=context.now)
    await drop_alarms(context, EXPIRE_OFFER, offered.id)
    await settle(context, task)
    return task


async def expire_offer(context: Context, claim_id: str) -> None:
    """The alarm at the end of an offer: unless it was answered, the place goes to the next in the queue."""
    task, offered = await _locked(context, claim_id)
    if offered.state != "OFFERED" or offered.offered_until is None or context.now < offered.offered_until:
        return
    await move(program(context), offered, "expire")
    passed_on = bool(await _queue(context, task))
    await settle(context, task)
    shown = await tasks.view(context, task)
    screen = Screen("claim.offer_expired", shown.values)
    if not passed_on:
        claim_it = Button("task.button.claim", Do.claim(task.id))
        screen = Screen("claim.offer_free", shown.values, ((claim_it,),) if shown.phase == "open" else ())
    await post.to_person(context, offered.person_id, screen, subject=card_of(task))


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """How a withdrawal went: done, or `ask` holds the question why. `late`: less than 24 h before; `excused`: it does not count."""

    task: Task
    late: bool = False
    excused: bool = False
    ask: Screen | None = None


async def ask_withdrawal(context: Context, number: str) -> Withdrawal:
    """What 退单 without a reason leads to: in time it is done; less than 24 h before, the reason is asked for first (domain.md §5)."""
    task = await tasks.find(context, number)
    mine = await tasks.own_claim(context, task)
    if mine is not None and mine.state == "ACTIVE" and context.now < task.end_at and hours.is_late(task.start_at, context.now):
        return Withdrawal(task, ask=withdrawal_reasons(await tasks.view(context, task)))
    return await withdraw(context, number, "")


async def withdraw(context: Context, number: str, reason: str, choice: str = "") -> Withdrawal:
    """Leave the task or its queue: in time without a trace; less than 24 h before it is LATE, unless the reason excuses (domain.md §5).

    `choice` is the reason as a button named it. Coordinators hear of a late one. The freed place is offered to the queue.
    Raises Refusal: no claim, checked in already, the task is over, or no such choice.
    """
    if choice and choice not in REASONS:
        raise Refusal("button.unknown")
    task = await tasks.find(context, number, lock=True)
    mine = await tasks.own_claim(context, task)
    if mine is None:
        raise Refusal("claim.none", number=task.short_no)
    if mine.state not in ("ACTIVE", "WAITLISTED", "OFFERED"):
        raise Refusal("claim.at_work", number=task.short_no)
    fields = {"withdrawn_at": context.now, "withdraw_reason": reason or choice}
    late = excused = False
    had_place = mine.state == "ACTIVE"
    if mine.state != "ACTIVE":
        await move(context, mine, "decline", note=reason, waitlist_pos=None, offered_until=None, **fields)
        await drop_alarms(context, EXPIRE_OFFER, mine.id)
    elif context.now >= task.end_at:
        raise Refusal("claim.over", number=task.short_no)
    elif hours.is_late(task.start_at, context.now):
        late, excused = True, is_excuse(reason, choice)
        await move(context, mine, "late", note=reason, excused=excused, **fields)
        await _tell_coordinators(context, task, Key(f"claim.reason.{choice}") if choice else reason, excused)
    else:
        await move(context, mine, "withdraw", note=reason, **fields)
    await settle(context, task)
    if had_place and not await tasks.claims_of(context, task, *TAKEN):
        await tell_resident(context, task, "order.claimer_left")
    return Withdrawal(task, late, excused)


def is_excuse(reason: str, choice: str = "") -> bool:
    """Whether a late withdrawal for this reason does not count: illness, an emergency (domain.md §5)."""
    known = hours.words()["withdrawal"]
    return choice in known["excused_choices"] or any(word in reason.lower() for word in known["excused"])


async def _tell_coordinators(context: Context, task: Task, reason: str | Key, excused: bool) -> None:
    shown = await tasks.view(context, task)
    values = shown.values | {
        "name": context.actor.person.display_name if context.actor.person else "", "reason": reason,
        "excused": Key("claim.excused_note") if excused else None,
    }  # fmt: skip
    await _tell_staff(context, task, Screen("claim.late_notice", values))


async def end_of_task(context: Context, task_id: str) -> None:
    """The alarm at a task's end: whoever never came is NO_SHOW (to be explained in 3 workdays), the queue goes home, the card closes.

    Where everybody's hours are verified already, the ratings begin.
    """
    task = await tasks.find(context, task_id, lock=True)
    if task.state not in tasks.UNSETTLED or context.now < task.end_at:
        return
    system, shown = program(context), await tasks.view(context, task)
    await tasks.close_queue(context, task)
    absent = [each for each in await tasks.claims_of(context, task, "ACTIVE") if not await _awaits_leader(context, each)]
    for missing in absent:
        await move(system, missing, "no_show")
        await post.to_person(context, missing.person_id, no_show(shown), subject=card_of(task))
    if absent:
        names = list((await tasks.names(context, absent)).values())
        await _tell_staff(context, task, Screen("claim.no_show_notice", shown.values | {"name": names}))
    await tasks.mark_full(context, task)
    if not await tasks.claims_of(context, task, *TAKEN) and not await _give_back(context, task, "unserved") and task.state == "OPEN":
        await move(system, task, "unfilled")
    await tasks.refresh(context, task)
    await verifying.finish(context, task)


async def _give_back(context: Context, task: Task, why: str) -> bool:
    """End a task that nobody does, so that its order waits again; False where no order stands behind it (models.lifecycle, lapse)."""
    order = await verifying.order_of(context, task)
    if order is None or order.state != "DISPATCHED":
        return False
    await move(program(context), task, "lapse")
    await orders.reoffer(context, order, task, why)
    return True


async def _tell_staff(context: Context, task: Task, screen: Screen) -> None:
    """Tell the leader and the coordinators, each once."""
    people = {person.id for person in await persons_with(context, "coordinator", "community_clerk")} | {task.leader_id}
    for person_id in sorted(filter(None, people - {context.actor.id})):
        await post.to_person(context, person_id, screen, subject=card_of(task))


async def _awaits_leader(context: Context, missing: Claim) -> bool:
    query = select(CheckIn.id).where(col(CheckIn.claim_id) == missing.id, col(CheckIn.verdict) == "PENDING")
    return (await context.session.scalars(query)).first() is not None


async def report_unfilled(context: Context, task_id: str) -> None:
    """The alarms 48 h after publishing, for a task nobody claimed, 2 h before the start, for one with places still free, and at the start.

    The task is UNFILLED: the coordinators decide; it may still be claimed until it starts (domain.md §5). An order that nobody has
    claimed by then goes back to them, and the resident is told.
    """
    task = await tasks.find(context, task_id, lock=True)
    if task.state not in tasks.UNSETTLED or context.now >= task.end_at:
        return
    if context.now >= task.start_at:
        await tasks.close_queue(context, task)
        await tasks.mark_full(context, task)
    taken = await tasks.claims_of(context, task, *TAKEN)
    started = context.now >= task.start_at
    if started and not taken and await _give_back(context, task, "unclaimed"):
        await tasks.refresh(context, task)
    elif task.state == "OPEN" and not (taken and (started or context.now < task.start_at - LAST_CALL)):
        if started:
            await move(program(context), task, "unfilled")
            await _tell_staff(context, task, Screen("task.nobody", (await tasks.refresh(context, task)).values))
        else:
            await _tell_unfilled(context, task)


async def _tell_unfilled(context: Context, task: Task) -> None:
    """Tell the leader and the coordinators; of every task that begins at the same time in one message each."""
    short = [task]
    if context.now >= task.start_at - LAST_CALL:
        query = select(Task.id).where(col(Task.start_at) == task.start_at, col(Task.state) == "OPEN", col(Task.id) != task.id)
        others = (await context.session.scalars(query.order_by(col(Task.id)))).all()
        short += [await tasks.find(context, other, lock=True) for other in others]
    lines: dict[str, list[dict[str, Value]]] = {}
    coordinators = {person.id for person in await persons_with(context, "coordinator", "community_clerk")}
    for each in sorted(short, key=lambda one: one.short_no):
        await move(program(context), each, "unfilled")
        values = (await tasks.refresh(context, each)).values
        for person_id in filter(None, coordinators | {each.leader_id}):
            lines.setdefault(person_id, []).append(values)
    for person_id, found in sorted(lines.items()):
        screen = Screen("task.unfilled", found[0])
        if len(found) > 1:
            screen = Screen("task.unfilled_several", {"lines": stack(Key("task.unfilled_line", values) for values in found)})
        await post.to_person(context, person_id, screen, subject=card_of(task) if len(found) == 1 else "")


async def to_cancel(context: Context, number: str) -> Task:
    """The task, locked, when the actor may call it off now. Raises Refusal."""
    task = await tasks.find(context, number, lock=True)
    if not {"creator", "coordinator"} & await relations(context, task):
        raise Refusal("refused.permission")
    if task.state not in tasks.UNSETTLED:
        raise Refusal("task.settled", number=task.short_no, state=Key(f"state.task.{task.state}"))
    held = await tasks.claims_of(context, task, "DONE", "VERIFIED")
    if held or (context.now >= task.end_at and await tasks.claims_of(context, task, "CHECKED_IN")):
        raise Refusal("task.was_held", number=task.short_no)
    return task


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A task that was called off: how many claimers were told, and how many have no private chat."""

    task: Task
    told: int
    untold: int


async def cancel_task(context: Context, number: str, reason: str) -> Cancelled:
    """Call the task off: its claimers are freed and told, its order is open again (domain.md §5, any → cancel).

    Raises Refusal: no reason given, not the actor's to cancel, or somebody has served already.
    """
    task = await to_cancel(context, number)
    if not reason.strip():
        raise Refusal("task.cancel_why", number=task.short_no)
    await move(context, task, "cancel", note=reason, cancel_reason=reason)
    system = program(context)
    screen = Screen("task.cancelled_claimer", (await tasks.view(context, task)).values | {"reason": reason})
    told = untold = 0
    for claim in await tasks.claims_of(context, task, "ACTIVE", "WAITLISTED", "OFFERED", "CHECKED_IN"):
        await move(system, claim, "cancel")
        sent = await post.to_person(context, claim.person_id, screen, subject=card_of(task))
        told, untold = (told + 1, untold) if sent else (told, untold + 1)
    order = await verifying.order_of(context, task)
    if order is not None and order.state == "DISPATCHED":
        await orders.reoffer(context, order, task)
    await tasks.refresh(context, task)
    return Cancelled(task, told, untold)
