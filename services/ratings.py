"""What the reporter says of a result: how satisfied they are, and whether it is solved (domain.md §5, RESOLVED)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import AnonymousToken, Claim, Evaluation, Problem, ProblemSupporter, StateLog, Task, keyring
from services import moves, post, problems, tickets
from services.alarms import set_alarm
from services.context import Context, Refusal
from services.workdays import SERVICE_LEVELS
from texts import problem_screens
from texts.actions import Do
from texts.screen import Button, Key, Screen, Value, screen

SECRETARY_AT, MEETING_AT = 2, 3
REMIND_BEFORE = timedelta(hours=2)


# -- one's own problems, also the anonymous ones of this chat -------------------------------------------------------
async def own(context: Context, states: Iterable[str]) -> list[Problem]:
    """The actor's problems in these states, latest first; in a private chat also those reported from it anonymously."""
    wanted = tuple(states)
    query = sa.select(Problem).where(col(Problem.state).in_(wanted)).order_by(col(Problem.submitted_at).desc(), col(Problem.code).desc())
    found: list[Problem] = []
    if context.actor.id is not None:
        found += await context.session.scalars(query.where(col(Problem.reporter_id) == context.actor.id))
    if context.chat is not None and context.private:
        sealed = await context.session.execute(
            query.join(AnonymousToken, col(AnonymousToken.id) == col(Problem.token_id))
            .where(col(Problem.reporter_id).is_(None))
            .add_columns(col(AnonymousToken.salt), col(AnonymousToken.chat_hash))
        )
        chat = context.chat
        found += [one for one, salt, hashed in sealed if hashed == keyring.hash(salt, chat.platform, chat.address)]
    return sorted(found, key=lambda one: (one.submitted_at, one.code), reverse=True)


# -- the answers ----------------------------------------------------------------------------------------------------
async def rate(context: Context, problem: Problem, grade: str, text: str = "", *, spoken: bool = False) -> Screen:
    """Take the reporter's grade (good, fair, poor); what to show next. Spoken, 满意 means solved too (domain.md §5)."""
    if grade not in problem_screens.GRADES:
        raise Refusal("rate.unknown")
    solved = True if spoken and grade == "good" else problem.solved
    return await _answer(context, problem, grade, solved, text, spoken)


async def say_solved(context: Context, problem: Problem, solved: bool, text: str = "", *, spoken: bool = False) -> Screen:
    """Take the reporter's word whether it is solved; what to show next."""
    return await _answer(context, problem, problem.rating, solved, text, spoken)


async def _answer(context: Context, problem: Problem, grade: str | None, solved: bool | None, text: str, spoken: bool) -> Screen:
    await _may_rate(context, problem)
    await tickets.seal(context, problem)
    fields: dict[str, Any] = {"rating": grade, "solved": solved, "rated_at": context.now}
    await _record(context, problem, grade, solved, text)
    if grade == "poor" or solved is False:
        shown = await _reopen(context, problem, fields, text)
    elif grade is not None and solved is not None:
        await moves.move(context, problem, "answer", **fields)
        shown = await _close(context, problem, text)
    else:
        await moves.move(context, problem, "answer", **fields)
        await set_alarm(context, "rating_expiry", problem.id, context.calendar.due(context.now, problems.EXPIRE_AFTER_WORKDAYS))
        shown = problem_screens.echo(problem.id, problem.code, problem.result, grade, solved)
    if problem.reporter_id is not None:
        pressed_here = context.chat.id if context.chat is not None and not spoken else None
        # What was typed is answered below: the echo above only loses its buttons, it does not say the same again.
        stands = problem_screens.answered(problem.code, problem.result, grade) if spoken else shown
        await post.edit_card(context, f"echo:{problem.id}", stands, besides=pressed_here)
    return shown


async def _may_rate(context: Context, problem: Problem) -> None:
    if not await moves.is_reporter(context, problem):
        supports = await context.session.get(ProblemSupporter, (problem.id, context.actor.id)) if context.actor.id else None
        raise Refusal("rate.supporter" if supports else "rate.only_reporter", code=problem.code)
    if problem.state == "CLOSED":
        raise Refusal("rate.closed", code=problem.code)
    if problem.state != "RESOLVED":
        raise Refusal("rate.not_yet", code=problem.code, state=tickets.state_word(problem))


async def _record(context: Context, problem: Problem, grade: str | None, solved: bool | None, text: str) -> None:
    earlier = await context.session.scalar(
        sa.select(sa.func.count())
        .select_from(Evaluation)
        .where(col(Evaluation.target) == "problem", col(Evaluation.target_id) == problem.id)
    )
    context.session.add(
        Evaluation(
            target="problem", target_id=problem.id, rater_id=problem.reporter_id, rater_kind="resident", grade=grade,
            solved=solved, text=text.strip(), at=context.now, revision=(earlier or 0) + 1,
        )
    )  # fmt: skip


def _said(problem: Problem, text: str) -> dict[str, Value]:
    return problems.named(
        problem, grade=Key(f"grade.{problem.rating}") if problem.rating else None,
        solved=Key("solved.yes" if problem.solved else "solved.no") if problem.solved is not None else None,
        text=text.strip(),
    )  # fmt: skip


async def _close(context: Context, problem: Problem, text: str) -> Screen:
    await moves.move(context, problem, "close", close_reason="rated", **problems.closing(context, problem))
    await tickets.keep_addresses(context, problem)
    await tickets.tell_handlers(context, problem, screen("rating.told_closed", **_said(problem, text)))
    if problem.rating in ("good", "fair"):
        await _thank_members(context, problem)
    await tickets.refresh(context, problem)
    return screen("rating.thanks", code=problem.code, grade=Key(f"grade.{problem.rating}"))


async def _thank_members(context: Context, problem: Problem) -> None:
    """Whoever worked on a task of the problem hears the thanks."""
    helpers = await context.session.scalars(
        sa.select(col(Claim.person_id))
        .join(Task, col(Task.id) == col(Claim.task_id))
        .where(col(Task.source) == "problem", col(Task.source_id) == problem.id, col(Claim.state).in_(("DONE", "VERIFIED")))
        .order_by(col(Claim.claimed_at))
    )
    thanks = screen("rating.thanks_member", **problems.named(problem, grade=Key(f"grade.{problem.rating}")))
    for person_id in dict.fromkeys(helpers.all()):
        await post.to_person(context, person_id, thanks)


async def _reopen(context: Context, problem: Problem, fields: dict[str, Any], text: str) -> Screen:
    due = SERVICE_LEVELS[problem.sla].reopen.due(context.calendar, context.now)
    count = problem.reopen_count + 1
    await moves.move(context, problem, "reopen", text.strip(), resolve_due=due, reopen_count=count, **fields)
    provisional = tickets.provisional(context, due)
    on_agenda = count >= MEETING_AT
    values = _said(problem, text) | {
        "due": due, "count": count, "provisional": provisional, "meeting": Key("rating.on_agenda") if on_agenda else None,
    }  # fmt: skip
    look = [Button("button.show", Do.show(problem.id))]
    urgent = problem.sla == "P1"
    others = [person.id for person in await tickets.coordinators(context)]
    await tickets.tell_handlers(context, problem, screen("rating.told_reopened", look, **values), urgent=urgent, besides=others)
    bosses = list(await problems.secretaries(context))
    if count == SECRETARY_AT:
        contact = contact_by(context, context.now)
        await set_alarm(context, "secretary_contact", problem.id, contact - REMIND_BEFORE)
        note = tickets.provisional(context, contact)
        shown = screen("rating.told_secretary", look, **values, contact=contact, contact_note=note)
        await tickets.tell(context, problem, bosses, shown)
    if on_agenda:
        moves.remark(context, problem, "joint_meeting", str(count))
        told = {*await tickets.handlers(context, problem), *others}
        await tickets.tell(context, problem, [one for one in bosses if one not in told], screen("rating.told_meeting", look, **values))
    await tickets.refresh(context, problem)
    ask = Key("rating.what_is_wrong" if problem.reporter_id else "rating.what_is_wrong_anonymous")
    return screen("rating.reopened", tickets.talk_button(problem), code=problem.code, due=due, provisional=provisional, ask=ask)


def contact_by(context: Context, reopened_at: datetime) -> datetime:
    """By when the secretary speaks with the reporter of what was sent back a second time: within one workday (domain.md §5)."""
    return context.calendar.due(reopened_at, 1)


async def remind_secretary(context: Context, problem_id: str) -> str:
    """Remind the secretaries once, two hours before, of the talk they owe, unless one of them has had it or the work is done."""
    problem = await context.session.get(Problem, problem_id, with_for_update=True)
    if problem is None or problem.state != "IN_PROGRESS" or problem.reopen_count != SECRETARY_AT:
        return "nothing: over"
    log = sa.select(col(StateLog.at), col(StateLog.actor_id), col(StateLog.event)).where(
        col(StateLog.object_kind) == "problem", col(StateLog.object_id) == problem.id, col(StateLog.undone).is_(False)
    )  # fmt: skip
    rows = (await context.session.execute(log.order_by(col(StateLog.id)))).all()
    since = max((row.at for row in rows if row.event == "reopen"), default=None)
    bosses = set(await problems.secretaries(context))
    if since is None or contact_by(context, since) - REMIND_BEFORE > context.now:
        return "nothing: moved"
    if any(row.event in ("contact", "relay") and row.actor_id in bosses and row.at >= since for row in rows):
        return "nothing: contacted"
    look, by = [Button("button.show", Do.show(problem.id))], contact_by(context, since)
    shown = screen(
        "rating.remind_secretary",
        look,
        **problems.named(problem, count=problem.reopen_count, contact=by, contact_note=tickets.provisional(context, by)),
    )
    await tickets.tell(context, problem, sorted(bosses), shown)
    return f"reminded {len(bosses)}"


# -- silence --------------------------------------------------------------------------------------------------------
async def remind_due(context: Context, problem_id: str) -> str:
    """Ask once more, two workdays after the result, whoever has not answered."""
    problem = await _silent(context, problem_id, problems.REMIND_AFTER_WORKDAYS)
    if problem is None:
        return "nothing"
    shown = problem_screens.echo(problem.id, problem.code, problem.result, problem.rating, problem.solved)
    await tickets.tell_reporter(context, problem, shown, card=f"echo:{problem.id}")
    return "reminded"


async def expire_due(context: Context, problem_id: str) -> str:
    """Close unrated after five workdays of silence (domain.md §5)."""
    problem = await _silent(context, problem_id, problems.EXPIRE_AFTER_WORKDAYS)
    if problem is None:
        return "nothing"
    await expire(context, problem)
    return "closed"


async def expire(context: Context, problem: Problem) -> StateLog:
    """Close a result that nobody answered; only the scheduler may."""
    await problems.require(context, problem, "expire")
    log = await moves.move(context, problem, "expire", close_reason="unrated", **problems.closing(context, problem))
    await tickets.keep_addresses(context, problem)
    await tickets.refresh(context, problem)
    return log


async def _silent(context: Context, problem_id: str, workdays: int) -> Problem | None:
    """The problem when it still waits for an answer this many workdays after the last word about its result."""
    problem = await context.session.get(Problem, problem_id, with_for_update=True)
    if problem is None or problem.state != "RESOLVED" or problem.resolved_at is None:
        return None
    since = max(problem.resolved_at, problem.rated_at or problem.resolved_at)
    return problem if context.calendar.due(since, workdays) <= context.now else None
