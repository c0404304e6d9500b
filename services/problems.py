"""What staff do to a problem after intake: the moves of domain.md §5 Problem that grid leaders and the community make.

Each verb checks who may first (Refusal `refused.only.*`), then the state, then its guards; it moves, tells whom the
table names, brings the tickets up to date, and returns the history row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Person, Problem, ProblemSupporter, StateLog
from models.lifecycle import PROBLEM
from services import codes, due_alarms, moves, post, reviews, tickets
from services.alarms import set_alarm
from services.context import Context, Refusal
from services.geography import round_point
from services.identity import persons_with
from services.public_words import public
from services.workdays import DAY_END, SERVICE_LEVELS, ZONE, local
from texts import problem_screens
from texts.actions import Do
from texts.answers import meanings
from texts.screen import Button, Key, Value, screen

RESULT_CHARACTERS = 10
EXTENSION_WORKDAYS = 15
SUSPENSION_MONTHS = 6
EXPLAINED_AFTER = 2
REMIND_AFTER_WORKDAYS, EXPIRE_AFTER_WORKDAYS = 2, 5
REVIEW_AT = time(9)
_NEXT_LEVEL = {"grid": "community", "community": "street"}
_RANKS = ("grid_leader", "coordinator", "secretary", "reporter", "scheduler")


# -- finding one ----------------------------------------------------------------------------------------------------
async def find(context: Context, code: str, *, lock: bool = False) -> Problem:
    """The problem with this code, however it was typed, locked for the turn with `lock`.

    The last digits alone mean today's number, or the only such problem that is the actor's own or in their charge.
    Raises Refusal with the person's own last three codes (domain.md §10).
    """
    code = await _whole(context, code) or code
    query = sa.select(Problem).where(col(Problem.code) == codes.tidy(code, "WT"))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found: Problem | None = await context.session.scalar(query)
    if found is None:
        raise Refusal("refused.unknown_code", last=await _last_codes(context))
    return found


async def _whole(context: Context, said: str) -> str | None:
    """The one code that ends in these digits: today's, else the only open one, else the only one; None when several do."""
    digits = codes.short(said)
    if not digits:
        return None
    theirs = col(Problem.reporter_id) == context.actor.id
    mine = sa.or_(theirs, in_charge(context)) if context.actor.staff else theirs
    query = sa.select(col(Problem.code), col(Problem.state)).where(col(Problem.code).endswith(f"-{digits}"), mine)
    found = {code: state in PROBLEM.open for code, state in await context.session.execute(query)}
    today = f"WT-{local(context.now):%Y%m%d}-{digits}"
    unfinished = [code for code, is_open in found.items() if is_open]
    possible = [today] if today in found else unfinished or list(found)
    return possible[0] if len(possible) == 1 else None


async def get(context: Context, problem_id: str) -> Problem:
    """The problem with this id, locked for the turn. Raises Refusal when there is none."""
    found = await context.session.get(Problem, problem_id, with_for_update=True)
    if found is None:
        raise Refusal("refused.unknown_code", last=await _last_codes(context))
    return found


async def _last_codes(context: Context) -> list[str]:
    query = sa.select(col(Problem.code)).order_by(col(Problem.submitted_at).desc(), col(Problem.code).desc()).limit(3)
    own = list(await context.session.scalars(query.where(col(Problem.reporter_id) == context.actor.id)))
    if own or not context.actor.staff:
        return own
    return list(await context.session.scalars(query.where(in_charge(context))))


def in_charge(context: Context) -> sa.ColumnElement[bool]:
    """The problems that the actor answers for: a coordinator all, a grid leader those of the own grids."""
    if context.actor.has("coordinator", "community_clerk", "community_secretary"):
        return sa.true()
    grants = [grant.grid for grant in context.actor.grants if grant.role == "grid_leader"]
    return sa.true() if None in grants else col(Problem.grid_code).in_([grid for grid in grants if grid])


# -- who may, and when ----------------------------------------------------------------------------------------------
async def require(context: Context, problem: Problem, event: str) -> frozenset[str]:
    """What the actor is to the problem, when the table lets them do `event` now.

    Raises Refusal: not theirs to do, or not in this state.
    """
    who = await moves.relations(context, problem)
    by = {role for move in PROBLEM.moves if move.event == event for role in move.by}
    if not who & by:
        raise Refusal(f"refused.only.{next(role for role in _RANKS if role in by)}")
    row = PROBLEM.find(event, problem.state)
    if row is None or not who & set(row.by):
        raise Refusal("refused.state", code=problem.code, state=tickets.state_word(problem))
    return who


def _reason(said: str) -> str:
    if not said.strip():
        raise Refusal("refused.reason")
    return said.strip()


def term(context: Context, problem: Problem) -> datetime:
    """A fresh working deadline: the class's time to resolve, counted from now (domain.md §1)."""
    return SERVICE_LEVELS[problem.sla].resolve.due(context.calendar, context.now)


def closing(context: Context, problem: Problem) -> dict[str, Any]:
    """What every end of a problem sets: when it closed, and the position coarsened (domain.md §3)."""
    fields: dict[str, Any] = {"closed_at": context.now}
    if problem.lat is not None and problem.lon is not None:
        fields["lat"], fields["lon"] = round_point(problem.lat, problem.lon)
    return fields


def named(problem: Problem, **values: Value) -> dict[str, Value]:
    """The values that nearly every text about a problem has."""
    return {"code": problem.code, "category": tickets.category(problem), **values}


# -- taking it up ---------------------------------------------------------------------------------------------------
async def accept(context: Context, problem: Problem) -> StateLog:
    """Take the problem up: the actor leads it, the reporter is told. This is no first contact (domain.md §1)."""
    await require(context, problem, "accept")
    log = await moves.move(context, problem, "accept", accepted_at=context.now, lead_handler_id=context.actor.id)
    due = problem.contact_due if problem.first_contact_at is None and problem.contact_due > context.now else None
    told = screen("problem.told.accepted", tickets.talk_button(problem), **named(problem, contact_due=due))
    await tickets.tell_reporter(context, problem, told)
    await tickets.refresh(context, problem)
    return log


async def contacted(context: Context, problem: Problem, note: str = "") -> StateLog:
    """Write down that the reporter was spoken to; the first time counts as first contact."""
    await require(context, problem, "contact")
    fields = {} if problem.first_contact_at else {"first_contact_at": context.now}
    log = await moves.move(context, problem, "contact", note.strip(), **fields)
    await tickets.refresh(context, problem)
    return log


async def assign(context: Context, problem: Problem) -> StateLog:
    """Begin the work (办理, or a task was dispatched for it)."""
    await require(context, problem, "assign")
    log = await moves.move(context, problem, "assign", lead_handler_id=problem.lead_handler_id or context.actor.id)
    await tickets.refresh(context, problem)
    return log


# -- up and down the levels -----------------------------------------------------------------------------------------
async def escalate(context: Context, problem: Problem, reason: str, *, street: bool = False) -> StateLog:
    """Take the problem one level up (`street`: up to the street at once) with a fresh deadline, never an earlier one; the original stays.

    Reporter, new and previous owner are told once. The scheduler needs no reason.
    """
    who = await require(context, problem, "escalate")
    by_itself = "scheduler" in who
    higher = _NEXT_LEVEL.get(problem.level)
    if higher is None:
        raise Refusal("escalate.top", code=problem.code)
    if problem.level != "grid" and not who & {"coordinator", "scheduler"}:
        raise Refusal("refused.only.coordinator")
    reason = reason.strip() if by_itself else _reason(reason)
    before = [*await tickets.handlers(context, problem), *(person.id for person in await tickets.owners(context, problem))]
    due = max(term(context, problem), problem.resolve_due)
    if street and higher != "street":
        before += [person.id for person in await tickets.coordinators(context)]
        await moves.move(context, problem, "escalate", reason, level=higher)
        higher = "street"
    log = await moves.move(context, problem, "escalate", reason, level=higher, resolve_due=due)
    level, urgent = Key(f"level.{higher}"), problem.sla == "P1"
    values = named(problem, level=level, due=problem.resolve_due, provisional=tickets.provisional(context, problem.resolve_due))
    await tickets.tell_reporter(context, problem, screen("problem.told.escalated", tickets.talk_button(problem), **values))
    after = [person.id for person in await tickets.owners(context, problem)]
    why: Value = reason or Key("escalate.overdue")
    told = screen("ticket.escalated", [Button("button.show", Do.show(problem.id))], reason=why, **values)
    await tickets.tell(context, problem, [one for one in before if one not in after], told, urgent=urgent)
    await tickets.give_ticket(context, problem, [one for one in after if one != context.actor.id], urgent=urgent)
    await tickets.refresh(context, problem)
    return log


async def return_to_grid(context: Context, problem: Problem, reason: str) -> StateLog:
    """Give the problem back to its grid, once, with a reason; its owner is told."""
    await require(context, problem, "return")
    if problem.level == "grid" or problem.grid_code is None:
        raise Refusal("return.no_grid", code=problem.code)
    if problem.returned_at is not None:
        raise Refusal("return.once", code=problem.code)
    reason = _reason(reason)
    log = await moves.move(context, problem, "return", reason, level="grid", returned_at=context.now)
    values = named(problem, reason=reason, due=problem.resolve_due, provisional=tickets.provisional(context, problem.resolve_due))
    told = screen("ticket.returned", [Button("button.show", Do.show(problem.id))], **values)
    await tickets.tell(context, problem, [one.id for one in await tickets.owners(context, problem)], told, urgent=problem.sla == "P1")
    await tickets.refresh(context, problem)
    return log


# -- ends other than a result ---------------------------------------------------------------------------------------
async def merge(context: Context, problem: Problem, parent: Problem) -> StateLog:
    """Make the problem part of an open one, which keeps the earliest deadlines; its followers follow that one now."""
    await require(context, problem, "merge")
    if parent.id == problem.id:
        raise Refusal("merge.itself")
    if parent.state not in PROBLEM.open:
        raise Refusal("merge.parent_closed", parent=parent.code, state=tickets.state_word(parent))
    if "grid_leader" not in await moves.relations(context, parent):
        raise Refusal("merge.other_grid", parent=parent.code)
    dues = ("contact_due", "resolve_due", "original_resolve_due")
    kept = {name: getattr(parent, name) for name in dues}
    log = await moves.move(context, problem, "merge", parent.code, merged_into_id=parent.id, **closing(context, problem))
    for name in dues:
        setattr(parent, name, min(kept[name], getattr(problem, name)))
    followers = await _follow(context, problem, parent)
    await context.session.flush()
    await due_alarms.keep(context, parent)
    put_back = {name: {"at": moment.isoformat()} for name, moment in kept.items()}
    log.before = (log.before or {}) | {"parent": parent.id, "parent_fields": put_back, "followers": followers}
    told = screen("problem.told.merged", **named(problem, parent=parent.code))
    for person_id in dict.fromkeys((problem.reporter_id, *followers)):
        if person_id is not None and person_id != context.actor.id:
            await post.to_person(context, person_id, told, subject=tickets.subject(parent))
    for one in (problem, *await tickets.merged_children(context, problem)):
        if one.token_id is not None:
            await post.to_token(context, one.token_id, told, subject=tickets.subject(one))
    await tickets.refresh(context, problem)
    await tickets.refresh(context, parent)
    return log


async def _follow(context: Context, problem: Problem, parent: Problem) -> list[str]:
    """Make the reporter and supporters of `problem` supporters of `parent`; the ids of those who were not already."""
    rows = sa.select(col(ProblemSupporter.person_id))
    coming = (await context.session.scalars(rows.where(col(ProblemSupporter.problem_id) == problem.id))).all()
    there = set((await context.session.scalars(rows.where(col(ProblemSupporter.problem_id) == parent.id))).all())
    fresh = [
        person_id for person_id in dict.fromkeys((problem.reporter_id, *coming))
        if person_id is not None and person_id not in there and person_id != parent.reporter_id
    ]  # fmt: skip
    context.session.add_all(ProblemSupporter(problem_id=parent.id, person_id=one, at=context.now) for one in fresh)
    return fresh


async def require_rejecting(context: Context, problem: Problem) -> None:
    """Raises Refusal unless the actor may refuse the problem; after an appeal only the secretary may (domain.md §5)."""
    who = await require(context, problem, "reject")
    if problem.appealed_at is not None and "secretary" not in who:
        raise Refusal("refused.only.secretary")


async def reject(context: Context, problem: Problem, reason: str, note: str = "") -> StateLog:
    """Refuse the problem for a listed reason (a name of texts/answers.toml [reject]); the reporter may appeal once."""
    await require_rejecting(context, problem)
    if reason not in meanings("reject"):
        raise Refusal("reject.unlisted", code=problem.code)
    log = await moves.move(context, problem, "reject", note or reason, close_reason=reason, **closing(context, problem))
    await tickets.keep_addresses(context, problem)
    first = problem.appealed_at is None
    values = named(problem, reason=Key(f"reject.{reason}"), advice=Key(f"reject.{reason}.advice"))
    buttons = [Button("button.appeal", Do.appeal(problem.id))] if first else []
    appeal = Key("reject.may_appeal") if first else Key("reject.final")
    await tickets.tell_reporter(context, problem, screen("problem.told.rejected", buttons, **values, appeal=appeal))
    await tickets.tell_supporters(context, problem, screen("problem.told.rejected", **values, appeal=None))
    await tickets.refresh(context, problem)
    return log


# -- more time ------------------------------------------------------------------------------------------------------
def parse_day(said: str, today: date) -> date | None:
    """The date in 12月4日 or 2026年12月4日; without a year the next such date from `today` on. None: no such date."""
    numbers = [int(number) for number in re.findall(r"\d+", said)]
    try:
        if len(numbers) == 3:
            return date(numbers[0], numbers[1], numbers[2])
        day = date(today.year, numbers[0], numbers[1])
        return day if day >= today else day.replace(year=today.year + 1)
    except (ValueError, IndexError):
        return None


async def extend(context: Context, problem: Problem, day: date, reason: str) -> StateLog:
    """Give a P3 or P4 more time, once, before it is due, by at most 15 workdays; the time ends at 17:30 of a workday.

    Granted before the original deadline it becomes the one that counts for 按时办结率 (domain.md §5, §8).
    """
    await require(context, problem, "extend")
    if not SERVICE_LEVELS[problem.sla].extendable:
        raise Refusal("extend.class", code=problem.code, sla=Key(f"sla.{problem.sla}"))
    if problem.extended_at is not None:
        raise Refusal("extend.once", code=problem.code)
    if context.now > problem.resolve_due:
        raise Refusal("extend.late", code=problem.code, due=problem.resolve_due)
    reason = _reason(reason)
    old, latest = problem.resolve_due, context.calendar.due(problem.resolve_due, EXTENSION_WORKDAYS)
    due = datetime.combine(context.calendar.previous_workday(day), DAY_END, ZONE)
    if not old < due <= latest:
        raise Refusal("extend.range", code=problem.code, due=old, latest=latest)
    counts = context.now <= problem.original_resolve_due
    log = await moves.move(
        context, problem, "extend", reason, resolve_due=due, extended_at=context.now,
        original_resolve_due=due if counts else problem.original_resolve_due,
    )  # fmt: skip
    values = named(problem, due=due, reason=reason, provisional=tickets.provisional(context, due))
    await tickets.tell_reporter(context, problem, screen("problem.told.extended", tickets.talk_button(problem), **values))
    await tickets.refresh(context, problem)
    return log


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in range(day.day, 0, -1):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    raise ValueError(day)


async def suspend(context: Context, problem: Problem, day: date, reason: str) -> StateLog:
    """Put the problem aside until a review date at most six months away; it comes back by itself at 09:00 that day."""
    await require(context, problem, "suspend")
    today = local(context.now).date()
    latest = _months_later(today, SUSPENSION_MONTHS)
    if not today < day <= latest:
        raise Refusal("suspend.range", code=problem.code, latest=latest)
    reason = _reason(reason)
    until = datetime.combine(day, REVIEW_AT, ZONE)
    log = await moves.move(context, problem, "suspend", reason, suspended_until=until)
    await set_alarm(context, "resume_problem", problem.id, until)
    await reviews.expect(context, problem)
    told = screen("problem.told.suspended", tickets.talk_button(problem), **named(problem, day=day, reason=reason))
    await tickets.tell_reporter(context, problem, told)
    await tickets.refresh(context, problem)
    return log


async def resume(context: Context, problem: Problem) -> StateLog:
    """Take a suspended problem up again with a fresh working deadline; the original stays."""
    who = await require(context, problem, "resume")
    log = await moves.move(context, problem, "resume", suspended_until=None, resolve_due=term(context, problem))
    values = named(problem, due=problem.resolve_due, provisional=tickets.provisional(context, problem.resolve_due))
    await tickets.tell_reporter(context, problem, screen("problem.told.resumed", tickets.talk_button(problem), **values))
    if "scheduler" in who:
        told = screen("ticket.resumed", [Button("button.show", Do.show(problem.id))], **values)
        await tickets.tell_handlers(context, problem, told)
    await tickets.refresh(context, problem)
    return log


async def resume_due(context: Context, problem_id: str) -> str:
    """The alarm of a suspension: resume the problem when it is still suspended and its review date has come."""
    problem = await context.session.get(Problem, problem_id, with_for_update=True)
    if problem is None or problem.state != "SUSPENDED" or problem.suspended_until is None or problem.suspended_until > context.now:
        return "nothing"
    await resume(context, problem)
    return "resumed"


# -- results --------------------------------------------------------------------------------------------------------
def missing_characters(result: str) -> int:
    """How many characters a result still needs (domain.md §5: at least ten)."""
    return max(0, RESULT_CHARACTERS - len(result.strip()))


async def resolve(context: Context, problem: Problem, result: str) -> StateLog:
    """Report the result: the reporter is asked both questions, supporters hear it; the public wall says it at 17:30 (services.echo_wall).

    From SUBMITTED it accepts at the same time (domain.md §5, 小微问题不出网格).
    """
    await require(context, problem, "resolve")
    result = result.strip()
    if missing := missing_characters(result):
        raise Refusal("resolve.short", missing=missing, text=result)
    log = await moves.move(
        context, problem, "resolve", result=result, resolved_at=context.now, rating=None, solved=None, rated_at=None,
        accepted_at=problem.accepted_at or context.now, first_contact_at=problem.first_contact_at or context.now,
        lead_handler_id=problem.lead_handler_id or context.actor.id,
    )  # fmt: skip
    shown = problem_screens.echo(problem.id, problem.code, result)
    await tickets.tell_reporter(context, problem, shown, card=f"echo:{problem.id}")
    reporter = await context.session.get(Person, problem.reporter_id) if problem.reporter_id else None
    told = await public(context, problem_screens.end_mark(result), [reporter])
    await tickets.tell_supporters(context, problem, screen("problem.echo_supporter", **named(problem, result=told)))
    await set_alarm(context, "rating_reminder", problem.id, context.calendar.due(context.now, REMIND_AFTER_WORKDAYS))
    await set_alarm(context, "rating_expiry", problem.id, context.calendar.due(context.now, EXPIRE_AFTER_WORKDAYS))
    await tickets.refresh(context, problem)
    return log


async def explain(context: Context, problem: Problem, reason: str) -> StateLog:
    """Close with an explanation what was reopened twice; it counts with its last rating (domain.md §5)."""
    await require(context, problem, "explain")
    if problem.reopen_count < EXPLAINED_AFTER:
        raise Refusal("explain.early", code=problem.code)
    reason = _reason(reason)
    log = await moves.move(context, problem, "explain", reason, close_reason="explained", **closing(context, problem))
    await tickets.keep_addresses(context, problem)
    await tickets.tell_reporter(context, problem, screen("problem.told.explained", **named(problem, reason=reason)))
    await tickets.refresh(context, problem)
    return log


async def secretaries(context: Context) -> Iterable[str]:
    """The ids of the community's secretaries."""
    return [person.id for person in await persons_with(context, "community_secretary")]
