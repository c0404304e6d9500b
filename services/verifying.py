"""After the work: verifying hours, and the two ratings of an order, the resident's and the organisation's (domain.md §5, 组织评单)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlmodel import col, func, select

from models import CheckIn, Claim, Evaluation, Order, Problem, Task
from services import hours, post, tasks, tickets
from services.context import Actor, Context, Refusal
from services.identity import persons_with
from services.moves import allowed, move, relations, remark
from services.tasks import TAKEN, card_of, program
from texts.actions import Do
from texts.problem_screens import GRADES
from texts.screen import Button, Key, Screen, rows
from texts.work_screens import STARS, absence, ask_organisation, ask_resident

EXPLAIN_WORKDAYS = 3


@dataclass(frozen=True, slots=True)
class Verified:
    """A claim that was verified, and the claimer's name."""

    task: Task
    claim: Claim
    name: str


async def to_verify(context: Context, number: str) -> Screen:
    """The claimers of a task and how far each is, with a button for each whose hours wait to be verified."""
    task = await tasks.find(context, number)
    if not await tasks.may_lead(context, task):
        raise Refusal("refused.permission")
    claims = await tasks.claims_of(context, task, *TAKEN)
    named = await tasks.names(context, claims)
    people = [
        Key("task.claimer_hours", {"name": named[c.person_id], "state": Key(f"state.claim.{c.state}"), "hours": c.hours}) for c in claims
    ]
    done = [claim for claim in claims if claim.state == "DONE"]
    buttons = rows(Button(Key("verify.button", {"name": named[c.person_id]}), Do.verify(c.id)) for c in done)
    key = "verify.list" if done else "verify.nothing"
    return Screen(key, (await tasks.view(context, task)).values | {"people": people}, buttons)


async def verify_named(context: Context, number: str, name: str) -> Verified:
    """Verify the hours of the claimer with this name. Raises Refusal: not the actor's to do, or nobody of that name waits for it."""
    task = await tasks.find(context, number)
    if not await tasks.may_lead(context, task):
        raise Refusal("refused.permission")
    claim, _ = await tasks.named(context, task, name, *TAKEN, "NO_SHOW")
    return await verify(context, claim.id)


async def verify(context: Context, claim_id: str) -> Verified:
    """Verify a claim: its hours count from now on, and when it was the last the ratings begin.

    Who did not check in but was there counts with the planned hours, within three workdays.
    Raises Refusal: not checked out yet, verified already, not the actor's to do; nobody verifies themselves but a coordinator.
    """
    task, claim = await _locked(context, claim_id)
    related = await relations(context, task)
    if claim.person_id == context.actor.id and "coordinator" not in related and "scheduler" not in related:
        raise Refusal("verify.own")
    name = (await tasks.names(context, [claim])).get(claim.person_id, "")
    if claim.state in ("ACTIVE", "CHECKED_IN") and await tasks.may_lead(context, task):
        raise Refusal("verify.not_out", name=name, number=task.short_no)
    if claim.state == "NO_SHOW":
        if not _in_time(context, task):
            raise Refusal("claim.absence_late", number=task.short_no)
        planned = hours.counted(task.start_at, task.end_at, task.planned_hours)
        await move(context, claim, "came", hours=planned, checked_in_at=task.start_at, checked_out_at=task.end_at, flagged=True)
    await move(context, claim, "verify", verified_by=context.actor.id, verified_at=context.now)
    values = (await tasks.view(context, task)).values | {"hours": claim.hours}
    await post.to_person(context, claim.person_id, Screen("verify.told", values), subject=card_of(task))
    await finish(context, task)
    return Verified(task, claim, name)


async def _locked(context: Context, claim_id: str) -> tuple[Task, Claim]:
    claim = await context.session.get(Claim, claim_id)
    if claim is None:
        raise Refusal("claim.unknown")
    task = await tasks.find(context, claim.task_id, lock=True)
    await context.session.refresh(claim)
    return task, claim


def _in_time(context: Context, task: Task) -> bool:
    """Whether an absence may still be explained: three workdays after the task (domain.md §5, NO_SHOW)."""
    return context.now <= context.calendar.due(task.end_at, EXPLAIN_WORKDAYS)


async def to_explain(context: Context, number: str) -> tuple[Task, Claim]:
    """The actor's absence from the task, when it may still be explained. Raises Refusal."""
    task = await tasks.find(context, number, lock=True)
    query = select(Claim).where(
        col(Claim.task_id) == task.id, col(Claim.person_id) == context.actor.id, col(Claim.state) == "NO_SHOW"
    )  # fmt: skip
    missing = (await context.session.scalars(query.execution_options(populate_existing=True))).first()
    if missing is None:
        raise Refusal("claim.nothing_to_explain", number=task.short_no)
    if not _in_time(context, task):
        raise Refusal("claim.explain_late", number=task.short_no)
    return task, missing


async def explain(context: Context, number: str, reason: str) -> Task:
    """Why the actor did not come goes to the leader and the coordinators, who excuse it or not. Raises Refusal."""
    task, missing = await to_explain(context, number)
    missing.withdraw_reason = reason
    context.session.add(missing)
    remark(context, missing, "explain", reason)
    name = context.actor.person.display_name if context.actor.person else ""
    screen = absence(await tasks.view(context, task), missing.id, name, reason)
    people = {person.id for person in await persons_with(context, "coordinator", "community_clerk")} | {task.leader_id}
    for person_id in sorted(filter(None, people - {context.actor.id})):
        await post.to_person(context, person_id, screen, subject=card_of(task))
    return task


async def decide_absence(context: Context, claim_id: str, answer: str) -> Verified:
    """The leader's or a coordinator's word on an explained absence: EXCUSED, so that it does not count, or it stays.

    Raises Refusal: not theirs to decide, their own, not explained, or excused already.
    """
    task, claim = await _locked(context, claim_id)
    related = await relations(context, task)
    if not await tasks.may_lead(context, task):
        raise Refusal("refused.permission")
    if claim.person_id == context.actor.id and "coordinator" not in related:
        raise Refusal("check_in.own")
    if claim.state != "NO_SHOW" or not claim.withdraw_reason:
        raise Refusal("claim.absence_decided", number=task.short_no)
    if answer == "yes":
        await move(context, claim, "excuse", excused=True)
    else:
        remark(context, claim, "not_excused")
    key = "claim.absence_excused" if answer == "yes" else "claim.absence_stays"
    await post.to_person(context, claim.person_id, Screen(key, (await tasks.view(context, task)).values), subject=card_of(task))
    return Verified(task, claim, (await tasks.names(context, [claim])).get(claim.person_id, ""))


async def verify_alone(context: Context, claim_id: str) -> None:
    """The alarm 5 workdays after a check-out whose check-in a location or the code proved: nobody objected, so it is verified."""
    claim = await context.session.get(Claim, claim_id)
    query = select(CheckIn.id).where(
        col(CheckIn.claim_id) == claim_id, col(CheckIn.kind) == "in", col(CheckIn.verdict) == "VALID",
        col(CheckIn.method).in_(("location", "code")),
    )  # fmt: skip
    proved = (await context.session.scalars(query)).first() is not None
    if claim is not None and claim.state == "DONE" and not claim.flagged and proved:
        await verify(context, claim_id)


async def finish(context: Context, task: Task) -> None:
    """Begin the ratings when nobody is left to verify, and the time is over or every place was filled (domain.md §5)."""
    if task.state not in tasks.UNSETTLED or await tasks.claims_of(context, task, "ACTIVE", "OFFERED", "CHECKED_IN", "DONE"):
        return
    done = await tasks.claims_of(context, task, "VERIFIED")
    if not done or (context.now < task.end_at and len(done) < task.capacity):
        return
    await tasks.close_queue(context, task)
    await move(program(context), task, "verified")
    shown = await tasks.refresh(context, task)
    problem = await _problem(context, task)
    if problem is not None and problem.reporter_id is None and problem.token_id is not None:
        await post.to_token(context, problem.token_id, ask_resident(shown), subject=card_of(task))
    elif (resident := await _resident(context, task)) is not None:
        await post.to_person(context, resident, ask_resident(shown), subject=card_of(task))
    people = {task.leader_id} if task.leader_id else {each.id for each in await persons_with(context, "coordinator")}
    for person_id in sorted(filter(None, people)):
        await post.to_person(context, person_id, ask_organisation(shown), subject=card_of(task))


async def _problem(context: Context, task: Task) -> Problem | None:
    return await context.session.get(Problem, task.source_id) if task.source == "problem" and task.source_id else None


async def order_of(context: Context, task: Task) -> Order | None:
    """The order that stands behind the task."""
    return await context.session.get(Order, task.source_id) if task.source == "order" and task.source_id else None


async def _resident(context: Context, task: Task) -> str | None:
    if (order := await order_of(context, task)) is not None:
        return order.resident_id
    problem = await _problem(context, task)
    return problem.reporter_id if problem is not None else None


async def _has_resident(context: Context, task: Task) -> bool:
    problem = await _problem(context, task)
    return await _resident(context, task) is not None or (problem is not None and problem.token_id is not None)


async def rate(context: Context, number: str, grade: str) -> Task:
    """The resident's rating of a task (good, fair, poor); it may be changed until the organisation has rated too.

    A poor one is told to the leader and the coordinators. Raises Refusal: not the resident, or not the time for it.
    """
    task = await tasks.find(context, number, lock=True)
    if grade not in GRADES or "resident" not in await relations(context, task):
        raise Refusal("refused.permission")
    problem = await _problem(context, task)
    anonymous = problem is not None and problem.reporter_id is None
    if problem is not None and anonymous:
        # The history must not name whoever the sealed address knows (domain.md §0.5).
        await tickets.seal(context, problem)
        context = replace(context, actor=Actor(None))
    await move(context, task, "rate", note=grade, resident_rating=grade)
    await _keep(context, task, "resident", grade, context.actor.id)
    if grade == "poor":
        values = (await tasks.view(context, task)).values
        people = {each.id for each in await persons_with(context, "coordinator")} | {task.leader_id}
        for person_id in sorted(filter(None, people)):
            await post.to_person(context, person_id, Screen("rating.dissatisfied", values), subject=card_of(task))
    await _close(context, task)
    return task


async def rate_organisation(context: Context, number: str, grade: str) -> Task:
    """组织评单: the organisation's rating, 1 to 5. Raises Refusal: not the actor's to give, or hours are still to be verified."""
    task = await tasks.find(context, number, lock=True)
    related = await relations(context, task)
    if not grade.isdecimal() or int(grade) not in STARS or not related & {"coordinator", "grid_leader"}:
        raise Refusal("refused.permission")
    mine = await tasks.own_claim(context, task)
    if mine is not None and "coordinator" not in related:
        raise Refusal("rating.own")
    if not await allowed(context, task, "rate"):
        raise Refusal("rating.not_yet" if task.state in tasks.UNSETTLED else "rating.over", number=task.short_no)
    await move(context, task, "rate", note=grade, organisation_rating=int(grade))
    await _keep(context, task, "organisation", grade, context.actor.id)
    await _close(context, task)
    return task


async def _keep(context: Context, task: Task, kind: str, grade: str, rater_id: str | None) -> None:
    query = select(func.count()).select_from(Evaluation).where(
        col(Evaluation.target) == "task", col(Evaluation.target_id) == task.id, col(Evaluation.rater_kind) == kind
    )  # fmt: skip
    revision = (await context.session.scalars(query)).one() + 1
    context.session.add(
        Evaluation(
            target="task",
            target_id=task.id,
            rater_id=rater_id,
            rater_kind=kind,
            grade=grade,
            at=context.now,
            revision=revision,
        )
    )


async def _close(context: Context, task: Task) -> None:
    """With both ratings in (one, where no resident stands behind the task) the task is rated and closed, and its order done."""
    if task.organisation_rating is None or (task.resident_rating is None and await _has_resident(context, task)):
        return
    system = program(context)
    await move(system, task, "rated")
    await move(system, task, "close")
    if (order := await order_of(context, task)) is not None:
        await move(system, order, "finish")
    grade = Key(f"grade.{task.resident_rating}") if task.resident_rating else None
    values = (await tasks.refresh(context, task)).values | {"grade": grade, "stars": task.organisation_rating}
    for done in await tasks.claims_of(context, task, "VERIFIED"):
        await post.to_person(context, done.person_id, Screen("work.thanks", values), subject=card_of(task))
