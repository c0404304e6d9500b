"""What residents do with their own problems: look, withdraw, call off a false alarm, appeal (domain.md §5 Problem)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import AnonymousToken, Problem, ProblemSupporter
from models.lifecycle import PROBLEM
from services import dialogs, moves, problems, ratings, relay, tickets
from services.context import Context, Refusal
from services.dialogs import Answer
from texts import problem_screens
from texts.actions import Do
from texts.screen import Button, Key, Screen, Value, screen

FALSE_ALARM = timedelta(minutes=10)
LISTED = 5
EARLY = ("SUBMITTED", "ACCEPTED")
UNDER_WAY = (*EARLY, "IN_PROGRESS")
DRAFT = "appeal"


@dataclass(frozen=True, slots=True)
class Shown:
    """A screen with the living message it is, and what a reply to it is about; both "" for none."""

    screen: Screen
    card: str = ""
    subject: str = ""


# -- looking --------------------------------------------------------------------------------------------------------
async def overview(context: Context) -> Shown:
    """The actor's own problems and those they support, latest first, at most five, a button for each.

    Anonymous ones are asked for by code.
    """
    found = [problem for problem in await ratings.own(context, PROBLEM.states) if problem.reporter_id is not None]
    supported = await _supported(context)
    found = sorted([*found, *supported], key=lambda one: (one.submitted_at, one.code), reverse=True)
    if not found:
        return Shown(screen("progress.none", [Button("button.report", Do.report())]))
    shown = found[:LISTED]
    lines = [
        tickets.line(context, one) | ({"state": Key("list.supported", {"state": tickets.state_word(one)})} if one in supported else {})
        for one in shown
    ]
    more = len(found) - len(shown)
    options = [(one.code, Do.show(one.id)) for one in shown]
    listed = problem_screens.listing("progress.list", lines, options, LISTED, more=more or None)
    return Shown(listed, subject=tickets.subject(found[0]) if len(found) == 1 else "")


async def _supported(context: Context) -> list[Problem]:
    """The problems of others that the actor has too."""
    if context.actor.id is None:
        return []
    query = sa.select(Problem).join(ProblemSupporter, col(ProblemSupporter.problem_id) == col(Problem.id))
    not_own = sa.or_(col(Problem.reporter_id).is_(None), col(Problem.reporter_id) != context.actor.id)
    return list(await context.session.scalars(query.where(col(ProblemSupporter.person_id) == context.actor.id, not_own)))


def _due(problem: Problem) -> Value:
    return problem.resolve_due if problem.state in ("SUBMITTED", "ACCEPTED", "IN_PROGRESS") else None


async def look(context: Context, problem: Problem) -> Shown:
    """The problem as the actor may see it: staff its ticket, the reporter the full sheet, others the public half."""
    who = await moves.relations(context, problem)
    if "grid_leader" in who and problem.reporter_id != context.actor.id:
        shown, card = await tickets.show(context, problem)
        return Shown(shown, card, tickets.subject(problem))
    await tickets.seal(context, problem)
    full = "reporter" in who and not problem.anonymous
    parent = await context.session.get(Problem, problem.merged_into_id) if problem.merged_into_id else None
    open_term = problem.state in ("SUBMITTED", "ACCEPTED", "IN_PROGRESS")
    promised = open_term and problem.first_contact_at is None and problem.contact_due > context.now
    values: dict[str, Value] = {
        "code": problem.code, "category": tickets.category(problem), "state": tickets.state_word(problem),
        "level": Key(f"level.{problem.level}"),
        "grid": context.ground.grid_name(problem.grid_code) or context.ground.name, "due": _due(problem),
        "provisional": tickets.provisional(context, problem.resolve_due) if open_term else None,
        "next": Key(
            f"progress.next.{_stage(problem)}",
            {"parent": parent.code if parent else "", "until": problem.suspended_until},
        ),
    }  # fmt: skip
    if full:
        values |= {
            "place": problem.place_name, "detail": problem.place_detail, "text": problem.text,
            "submitted": problem.submitted_at,
            "accepted": problem.accepted_at, "contacted": problem.first_contact_at, "resolved": problem.resolved_at,
            "contact_due": problem.contact_due if promised else None, "near": tickets.near(context, problem),
            "result": problem_screens.end_mark(problem.result), "closed": problem.closed_at,
            "reason": Key(f"reject.{problem.close_reason}") if problem.state == "REJECTED" else None,
            "grade": Key(f"grade.{problem.rating}") if problem.rating else None,
        }  # fmt: skip
    buttons = _buttons(context, problem) if "reporter" in who else []
    questions = problem_screens.rating_buttons(problem.id, problem.rating, problem.solved) if problem.state == "RESOLVED" else ()
    shown = problem_screens.sheet(values, buttons, public=not full, more=questions if "reporter" in who else ())
    heard = full or await tickets.is_supporter(context, problem)
    return Shown(shown, subject=tickets.subject(problem) if heard else "")


def _stage(problem: Problem) -> str:
    """What comes next: by state, but nobody is to be contacted twice or to appeal twice."""
    if problem.state == "ACCEPTED" and problem.first_contact_at is not None:
        return "CONTACTED"
    return "REFUSED" if problem.state == "REJECTED" and problem.appealed_at is not None else problem.state


def _buttons(context: Context, problem: Problem) -> list[Button]:
    """What the reporter may do now."""
    buttons = []
    if problem.state in PROBLEM.open:
        buttons += tickets.talk_button(problem)
    if problem.state in EARLY and problem.sla == "P1" and _may_call_off(context, problem):
        buttons.append(Button("button.false_alarm", Do.false_alarm(problem.id)))
    elif problem.state in EARLY:
        buttons.append(Button("button.withdraw", Do.withdraw(problem.id)))
    if problem.state == "REJECTED" and problem.appealed_at is None:
        buttons.append(Button("button.appeal", Do.appeal(problem.id)))
    return buttons


# -- which one is meant ---------------------------------------------------------------------------------------------
async def meant(
    context: Context,
    states: Sequence[str],
    none: str,
    which: Screen,
    action: Callable[[str], str],
    *,
    urgent: bool = False,
) -> Problem | Screen:
    """The one problem that a sentence without a code means: the one replied to, or the only one in these states.

    Of several, the question `which`, each button with the data that `action` makes of its id. Raises Refusal(`none`).
    """
    answered = await relay.about(context)
    if answered is not None and await moves.is_reporter(context, answered):
        return answered
    found = [one for one in await ratings.own(context, states) if not urgent or one.sla == "P1"]
    if not found:
        raise Refusal(none)
    if len(found) == 1:
        return found[0]
    return problem_screens.choice(which, [(one.code, action(one.id)) for one in found[:LISTED]])


# -- taking it back -------------------------------------------------------------------------------------------------
async def withdraw(context: Context, problem: Problem) -> Screen:
    """Take the problem back before it is worked on. A P1 stays open for safety, without its reporter (domain.md §5)."""
    if problem.sla == "P1":
        return await _detach(context, problem)
    if problem.state == "IN_PROGRESS" and await moves.is_reporter(context, problem):
        raise Refusal("withdraw.late", code=problem.code)
    await problems.require(context, problem, "withdraw")
    await tickets.seal(context, problem)
    await moves.move(context, problem, "withdraw", close_reason="withdrawn", **problems.closing(context, problem))
    return await _gone(context, problem, "withdraw.done", "ticket.withdrawn")


async def false_alarm(context: Context, problem: Problem) -> Screen:
    """Call off a P1 within ten minutes; later it stays open without its reporter. Another class is simply withdrawn."""
    if problem.sla != "P1":
        return await withdraw(context, problem)
    if problem.state not in EARLY or not _may_call_off(context, problem):
        return await _detach(context, problem)
    await problems.require(context, problem, "false_alarm")
    await tickets.seal(context, problem)
    await moves.move(context, problem, "false_alarm", close_reason="false_alarm", **problems.closing(context, problem))
    return await _gone(context, problem, "false_alarm.done", "ticket.false_alarm")


def _may_call_off(context: Context, problem: Problem) -> bool:
    return context.now - problem.submitted_at <= FALSE_ALARM


async def _gone(context: Context, problem: Problem, answer: str, told: str) -> Screen:
    await tickets.keep_addresses(context, problem)
    urgent = problem.sla == "P1"
    others = [one.id for one in await tickets.coordinators(context)] if urgent else []
    await tickets.tell_handlers(context, problem, screen(told, **problems.named(problem)), urgent=urgent, besides=others)
    await tickets.tell_supporters(context, problem, screen("problem.told.withdrawn", **problems.named(problem)))
    await tickets.refresh(context, problem)
    return screen(answer, code=problem.code)


async def _detach(context: Context, problem: Problem) -> Screen:
    """The danger is looked after all the same, but the reporter hears no more and is not asked."""
    await problems.require(context, problem, "detach")
    await tickets.seal(context, problem)
    token = await context.session.get(AnonymousToken, problem.token_id) if problem.token_id else None
    await moves.move(context, problem, "detach", reporter_id=None, token_id=None)
    if token is not None:
        token.purge_at = context.now
        context.session.add(token)
    await tickets.tell_handlers(context, problem, screen("ticket.detached", **problems.named(problem)), urgent=True)
    await tickets.refresh(context, problem)
    return screen("withdraw.detached", code=problem.code)


# -- appealing ------------------------------------------------------------------------------------------------------
async def appeal(context: Context, problem: Problem, reason: str = "") -> Answer:
    """Ask the secretary to look again, once, at what was not accepted; a reason is asked for.

    An anonymous reporter is not asked: a kept dialog would tie the account to the problem.
    """
    await problems.require(context, problem, "appeal")
    if problem.appealed_at is not None:
        raise Refusal("appeal.once", code=problem.code)
    if not reason.strip() and problem.reporter_id is not None:
        dialogs.wait(context, DRAFT, problem)
        return Answer(screen("appeal.ask", code=problem.code), waiting=True, subject=tickets.subject(problem))
    await tickets.seal(context, problem)
    await moves.move(context, problem, "appeal", reason.strip(), appealed_at=context.now, closed_at=None, close_reason="")
    await tickets.keep_addresses(context, problem)
    bosses = list(await problems.secretaries(context))
    look_at = [Button("button.show", Do.show(problem.id))]
    await tickets.tell(context, problem, bosses, screen("ticket.appealed", look_at, **problems.named(problem, reason=reason.strip())))
    await tickets.refresh(context, problem)
    return Answer(screen("appeal.done", code=problem.code), subject=tickets.subject(problem))


async def appeal_because(context: Context, reason: str) -> Answer:
    """The reason that an appeal waited for. Raises Refusal when none waits."""
    problem, _ = await dialogs.waited(context, DRAFT)
    return await appeal(context, problem, reason)
