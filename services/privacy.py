"""What is kept about a person, and its end: 我的数据, 删除我的数据, 撤回同意 (domain.md §9 no. 19, §10 privacy).

Deleting empties the person and everything in their own words; numbers and history stay, with nobody behind them. What is still going
on ends first: own problems go on without a reporter, claims are given back, offices and what the person leads must be handed over,
and of a decision that loses its owner the desk hears.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import ActionItem, Claim, ConsentRecord, DeletionRequest, Enrollment, Order, Person, Problem, RoleAssignment, Task
from models.lifecycle import PROBLEM
from services import audit, claims, forgetting, moves, open_work, orders, personal_data, post, tickets
from services.alarms import set_alarm
from services.context import Actor, Context, Refusal
from services.identity import persons_with, roles_of
from texts import administration_screens as screens
from texts.administration import tables
from texts.screen import Key, Screen, Value

ANSWERED_WORKDAYS = 15
WITHDRAWN = -1
FORGET_CHAT = "forget_chat"
CHAT_KEPT = timedelta(minutes=30)
RESPONSIBLE = ("community_secretary", "admin")


@dataclass
class Standing:
    """What a person still has to do with: what ends with the data, and what must end before."""

    offices: list[Key] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    claims: list[tuple[Claim, Task]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    at_work: list[Task] = field(default_factory=list)
    dispatched: list[Order] = field(default_factory=list)
    led: list[Task | Problem] = field(default_factory=list)
    decided: list[ActionItem] = field(default_factory=list)

    @property
    def free(self) -> bool:
        """Whether nothing is in the way."""
        return not (self.offices or self.at_work or self.dispatched or self.led)

    def values(self) -> dict[str, Value]:
        """For the texts, None for what there is none of."""
        return {
            "offices": self.offices, "problems": [one.code for one in self.problems],
            "claims": [Key("task.number", {"number": task.short_no}) for _, task in self.claims],
            "orders": [one.code for one in self.orders], "dispatched": [one.code for one in self.dispatched],
            "at_work": [Key("task.number", {"number": task.short_no}) for task in self.at_work],
            "led": [one.code if isinstance(one, Problem) else Key("task.number", {"number": one.short_no}) for one in self.led],
        }  # fmt: skip


async def standing(context: Context, person_id: str) -> Standing:
    """What the person still has to do with, read anew and held until the commit."""
    offices = tables()["offices"]["roles"]
    grants = [grant for grant in await roles_of(context.session, person_id, context.now) if grant.role in offices]
    found = Standing([screens.role(grant.role, context.ground.grid_name(grant.grid), grant.unit or "") for grant in grants])
    own = sa.select(Problem).where(col(Problem.reporter_id) == person_id, col(Problem.state).in_(PROBLEM.open))
    found.problems = list(await context.session.scalars(own.order_by(col(Problem.submitted_at)).with_for_update()))
    held = sa.select(Claim, Task).join(Task, col(Task.id) == col(Claim.task_id)).where(col(Claim.person_id) == person_id)
    for claim, task in await context.session.execute(held.where(col(Claim.state).in_(("ACTIVE", "WAITLISTED", "OFFERED", "CHECKED_IN")))):
        if claim.state == "CHECKED_IN" or context.now >= task.end_at:
            found.at_work.append(task)
        else:
            found.claims.append((claim, task))
    asked = sa.select(Order).where(col(Order.resident_id) == person_id, col(Order.state).in_(("SUBMITTED", "DISPATCHED")))
    for order in await context.session.scalars(asked.with_for_update()):
        (found.orders if order.state == "SUBMITTED" else found.dispatched).append(order)
    work = await open_work.of(context, person_id)
    found.led, found.decided = [*work.problems, *work.tasks], work.actions
    return found


def _person(context: Context) -> Person:
    if context.actor.person is None or context.account is None or not context.private:
        raise Refusal("refused.permission")
    return context.actor.person


# -- 我的数据 --------------------------------------------------------------------------------------------------------
async def my_data(context: Context) -> Screen:
    """Everything that is kept about the actor, as a document, and who looked at it. What was reported anonymously is not in it."""
    person = _person(context)
    made, counts = await personal_data.document(context, person)
    rows, total = await audit.of_person(context, person.id, 5)
    looks = screens.listed(await audit.lines(context, rows), "audit.line")
    return Screen("privacy.my_data", {**counts, "looks": looks, "looked": total or None, "days": 7}, media=(made.media_id,))


# -- 删除我的数据 ----------------------------------------------------------------------------------------------------
async def explain_deletion(context: Context) -> Screen:
    """What deleting means for the actor now, and what must be done before it can be."""
    found = await standing(context, _person(context).id)
    if not found.free:
        return screens.obstacles("privacy.delete_blocked", found.values(), "delete", may=True)
    member = Key("privacy.member_ends") if context.actor.member_state == "ACTIVE" else None
    return screens.obstacles("privacy.delete", found.values() | {"member": member}, "delete", may=True)


async def delete(context: Context) -> Screen:
    """The actor's confirmed wish: done at once where nothing is in the way; else it is kept, is due in 15 workdays, and is done by
    itself when what is in the way has ended. Asking again changes nothing."""
    person = _person(context)
    pending: DeletionRequest | None = await context.session.scalar(
        sa.select(DeletionRequest)
        .where(col(DeletionRequest.person_id) == person.id, col(DeletionRequest.done_at).is_(None))
        .with_for_update()
    )
    request = pending or DeletionRequest(
        person_id=person.id, asked_at=context.now, due=context.calendar.due(context.now, ANSWERED_WORKDAYS)
    )  # fmt: skip
    context.session.add(request)
    await context.session.flush()
    found = await standing(context, person.id)
    if not found.free:
        if pending is None:
            told = _to_hand_over("privacy.asked", person, request, found)
            for one in await persons_with(context, *RESPONSIBLE):
                if one.id != person.id:
                    await post.to_person(context, one.id, told)
        return Screen("privacy.waits", {**found.values(), "due": request.due})
    chat = context.chat.id if context.chat else ""
    await _carry_out(context, request, person, found)
    return Screen("privacy.deleted", {**found.values(), "chat": Key("privacy.chat_goes") if chat else None})


def _to_hand_over(key: str, person: Person, request: DeletionRequest, found: Standing) -> Screen:
    """What those who can hand it over are told."""
    known = found.values()
    return Screen(key, {"name": person.display_name, "due": request.due, "offices": known["offices"], "led": known["led"]})


async def _carry_out(context: Context, request: DeletionRequest, person: Person, found: Standing) -> None:
    own = await forgetting.own_problems(context, person.id)
    await let_go(context, found)
    for decision in found.decided:
        told = Screen("action.ownerless", {"code": decision.code, "due": decision.due})
        for one in await persons_with(context, "coordinator", "community_clerk"):
            await post.to_person(context, one.id, told)
    outcome = await forgetting.forget(context, person, own)
    for chat_id in await forgetting.chats_of(context, person):
        await set_alarm(context, FORGET_CHAT, f"{chat_id}:{context.now.isoformat()}", context.now + CHAT_KEPT)
    await forgetting.cut_off(context, person)
    request.done_at, request.done_by, request.outcome = context.now, context.actor.id, outcome
    audit.changed(context, "person.deleted", person.id, f"person:{person.id}")
    await context.session.flush()


async def let_go(context: Context, found: Standing) -> None:
    """End what goes on: problems go on without their reporter, claims and orders are taken back by their own rules."""
    for problem in found.problems:
        if await moves.allowed(context, problem, "detach"):
            await moves.move(context, problem, "detach", reporter_id=None)
        else:
            moves.remark(context, problem, "detach")
            problem.reporter_id, problem.version = None, problem.version + 1
            await context.session.flush()
        told = Screen("ticket.detached", {"code": problem.code, "category": tickets.category(problem)})
        await tickets.tell_handlers(context, problem, told)
        await tickets.refresh(context, problem)
    for _, task in found.claims:
        await claims.withdraw(context, task.id, "", "other")
    for order in found.orders:
        await orders.withdraw(context, order.id)


async def finish_pending(context: Context, _subject: str = "") -> int:
    """Nightly: carry out the deletions that nothing is in the way of any more, and name those that are overdue; how many were done."""
    done = 0
    rows = await context.session.scalars(
        sa.select(DeletionRequest).where(col(DeletionRequest.done_at).is_(None)).order_by(col(DeletionRequest.due))
    )
    for request in rows.all():
        person = await context.session.get(Person, request.person_id)
        if person is None or person.deleted_at is not None:
            request.done_at = context.now
            continue
        found = await standing(context, person.id)
        if found.free:
            await _carry_out(_as(context, person), request, person, found)
            done += 1
        elif request.due <= context.now:
            told = _to_hand_over("privacy.overdue", person, request, found)
            for one in await persons_with(context, *RESPONSIBLE):
                await post.to_person(context, one.id, told, key=f"deletion:{request.id}:{context.now:%Y%m%d}:{one.id}")
    return done


def _as(context: Context, person: Person) -> Context:
    """The same turn with the person as the actor: it is their own wish that is carried out."""
    return Context(
        context.session, context.now, Actor(person), context.ground, context.cause, posted=context.posted, facts=context.facts
    )  # fmt: skip


async def forget_chat(context: Context, subject: str) -> str:
    """The alarm half an hour after a deletion, when its last answer has arrived: the private chat is forgotten too."""
    chat_id, _, at = subject.partition(":")
    return await forgetting.forget_chat(context, chat_id, datetime.fromisoformat(at))


# -- 撤回同意 --------------------------------------------------------------------------------------------------------
async def explain_withdrawal(context: Context) -> Screen:
    """What taking the consent back means for the actor now. Raises Refusal: there is none, or it is taken back already."""
    person = _person(context)
    if person.consent_version == WITHDRAWN:
        raise Refusal("privacy.consent_gone")
    found = await standing(context, person.id)
    member = context.actor.member_state == "ACTIVE"
    values = found.values() | {"member": Key("privacy.member_ends") if member else None}
    return screens.obstacles("privacy.consent" if found.free else "privacy.consent_blocked", values, "consent", may=found.free)


async def withdraw_consent(context: Context) -> Screen:
    """Take the consent back: no pushes any more, own problems go on without a reporter, the enrolment ends. 提交 gives it again.

    Raises Refusal: an office must be handed over first, or work is under way.
    """
    person = _person(context)
    found = await standing(context, person.id)
    if person.consent_version == WITHDRAWN:
        raise Refusal("privacy.consent_gone")
    if not found.free:
        raise Refusal("privacy.consent_blocked", **found.values(), member=None)
    await let_go(context, found)
    await end_enrollment(context, person)
    await context.session.execute(
        sa.update(ConsentRecord)
        .where(col(ConsentRecord.person_id) == person.id, col(ConsentRecord.withdrawn_at).is_(None))
        .values(withdrawn_at=context.now)
    )
    person.consent_version, person.consent_at = WITHDRAWN, None
    audit.changed(context, "consent.withdrawn", person.id, f"person:{person.id}")
    return Screen("privacy.consent_withdrawn", found.values())


async def end_enrollment(context: Context, person: Person) -> None:
    """The person's 双报到 ends by the person's own wish, with the roles that came with it; its history stays."""
    live = sa.select(Enrollment).where(col(Enrollment.person_id) == person.id, col(Enrollment.state).in_(("INVITED", "APPLIED", "ACTIVE")))
    enrollment: Enrollment | None = await context.session.scalar(live.with_for_update())
    if enrollment is not None:
        await moves.move(context, enrollment, "withdraw" if enrollment.state == "ACTIVE" else "cancel", ended_at=context.now)
    await context.session.execute(
        sa.update(RoleAssignment)
        .where(
            col(RoleAssignment.person_id) == person.id, col(RoleAssignment.role).in_(("party_member", "volunteer", "rider_reporter")),
            sa.or_(col(RoleAssignment.valid_to).is_(None), col(RoleAssignment.valid_to) > context.now),
        )
        .values(valid_to=context.now)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
