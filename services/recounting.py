"""When the calendar changes: every pending deadline and reminder that was counted through it is counted anew (domain.md §0.3, §1).

How a stored date was counted is found by trying: the start and the term that gave it on the calendar before. What nothing explains stays,
but never on a day off. What is over stays, and no deadline moves into the past.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from models import Claim, Enrollment, Occurrence, Problem, StateLog
from services import (
    actions,
    checkins,
    deadlines,
    due_alarms,
    enrolments,
    meeting_alarms,
    meeting_jobs,
    minutes,
    moves,
    post,
    problems,
    promise_calendar,
    promise_form,
    ratings,
    reviews,
    tickets,
)
from services.alarms import drop_alarms, set_alarm
from services.context import Context
from services.due_alarms import IN_WORK
from services.tasks import program
from services.workdays import DAY_END, SERVICE_LEVELS, ZONE, Calendar, Term, local
from texts import holiday_screens
from texts.screen import Key

# The alarms whose time is counted in workdays.
COUNTED = (
    due_alarms.NAG, due_alarms.ESCALATE, "rating_reminder", "rating_expiry", "review_reminder", "secretary_contact",
    enrolments.REMINDER, checkins.VERIFY_ALONE,
)  # fmt: skip
_RENEWALS = {"escalate": "resolve", "resume": "resolve", "reopen": "reopen"}


@dataclass(frozen=True, slots=True)
class Changed:
    """A date that moved: who is told (their ids), and the line that says it."""

    people: tuple[str, ...]
    line: Key


Recounter = Callable[[Context, Calendar], Awaitable[list[Changed]]]


async def recount(context: Context, before: Calendar) -> int:
    """Count anew everything that is pending, with the calendar of `context` instead of `before`; how many dates moved.

    Whoever is responsible is told of theirs in one message.
    """
    context = program(context)
    changed = [one for each in RECOUNTERS for one in await each(context, before)]
    lines: defaultdict[str, list[Key]] = defaultdict(list)
    for one in changed:
        for person_id in dict.fromkeys(one.people):
            lines[person_id].append(one.line)
    for person_id, theirs in sorted(lines.items()):
        await post.to_person(context, person_id, holiday_screens.moved(theirs))
    return len(changed)


def counted_anew(stored: datetime, starts: Iterable[tuple[datetime, Term]], before: Calendar, after: Calendar) -> datetime:
    """The date that `stored` would be on the calendar `after`."""
    for start, term in starts:
        if term.due(before, start) == stored:
            return term.due(after, start)
    there = local(stored)
    if there.time() == DAY_END and not after.is_workday(there.date()):
        return datetime.combine(after.previous_workday(there.date()), DAY_END, ZONE)
    return stored


# -- problems ----------------------------------------------------------------------------------------------------------
async def _problems(context: Context, before: Calendar) -> list[Changed]:
    query = sa.select(Problem).where(col(Problem.state).in_(IN_WORK)).order_by(col(Problem.code)).with_for_update()
    changed = []
    for problem in await context.session.scalars(query):
        fields = await _dues(context, problem, before)
        if fields:
            old = problem.resolve_due if "resolve_due" in fields else problem.contact_due
            await moves.amend(context, problem, "recount", fields)
            await tickets.refresh(context, problem)
            new = problem.resolve_due if "resolve_due" in fields else problem.contact_due
            values = problems.named(problem, old=old, new=new, provisional=tickets.provisional(context, new))
            changed.append(Changed(tuple(await deadlines.responsible(context, problem)), Key("holidays.moved_line", values)))
        await due_alarms.keep(context, problem)
    return changed


async def _dues(context: Context, problem: Problem, before: Calendar) -> dict[str, datetime]:
    """The deadlines of the problem that move."""
    level = SERVICE_LEVELS[problem.sla]
    begun = [problem, *await tickets.merged_children(context, problem)]
    first = [(one.submitted_at, SERVICE_LEVELS[one.sla].resolve) for one in begun]
    query = sa.select(col(StateLog.event), col(StateLog.at)).where(
        col(StateLog.object_kind) == "problem", col(StateLog.object_id) == problem.id, col(StateLog.undone).is_(False),
        col(StateLog.event).in_(_RENEWALS),
    )  # fmt: skip
    renewed = [
        (at, getattr(level, _RENEWALS[event])) for event, at in await context.session.execute(query.order_by(col(StateLog.id).desc()))
    ]
    starts = {
        "contact_due": [(one.submitted_at, SERVICE_LEVELS[one.sla].contact) for one in begun],
        "resolve_due": [*renewed, *first],
        "original_resolve_due": first,
    }
    moved = {}
    for name, counted in starts.items():
        stored: datetime = getattr(problem, name)
        if stored > context.now and (new := counted_anew(stored, counted, before, context.calendar)) != stored and new > context.now:
            moved[name] = new
    return moved


# -- reminders ---------------------------------------------------------------------------------------------------------
async def _answers(context: Context, before: Calendar) -> list[Changed]:
    """The reminder and the end of a result that nobody has rated, and the talk that the secretary owes."""
    for problem in await context.session.scalars(sa.select(Problem).where(col(Problem.state).in_(("RESOLVED", "IN_PROGRESS")))):
        if problem.state == "RESOLVED" and problem.resolved_at is not None:
            since = max(problem.resolved_at, problem.rated_at or problem.resolved_at)
            await _again(context, before, "rating_reminder", problem.id, problem.resolved_at, problems.REMIND_AFTER_WORKDAYS)
            await _again(context, before, "rating_expiry", problem.id, since, problems.EXPIRE_AFTER_WORKDAYS)
        elif problem.reopen_count == ratings.SECRETARY_AT and await _waits(context, "secretary_contact", problem.id):
            query = sa.select(sa.func.max(col(StateLog.at))).where(col(StateLog.object_id) == problem.id, col(StateLog.event) == "reopen")
            if (since_reopened := await context.session.scalar(query)) is not None:
                await drop_alarms(context, "secretary_contact", problem.id)
                due = ratings.contact_by(context, since_reopened) - ratings.REMIND_BEFORE
                await set_alarm(context, "secretary_contact", problem.id, max(due, context.now))
    return []


async def _reviews(context: Context, before: Calendar) -> list[Changed]:
    for problem in await context.session.scalars(sa.select(Problem).where(col(Problem.state) == "SUSPENDED")):
        if problem.suspended_until is not None:
            about = f"{problem.id}:{local(problem.suspended_until).date()}"
            if await _waits(context, "review_reminder", about):
                await drop_alarms(context, "review_reminder", about)
                await reviews.expect(context, problem)
    return []


async def _enrolments(context: Context, before: Calendar) -> list[Changed]:
    term = Term(enrolments.CONFIRM_WORKDAYS, "workdays")
    changed = []
    for enrolment in await context.session.scalars(sa.select(Enrollment).where(col(Enrollment.state) == "APPLIED")):
        due = enrolment.confirm_due
        if due is None or enrolment.applied_at is None or due <= context.now:
            continue
        new = counted_anew(due, [(enrolment.applied_at, term)], before, context.calendar)
        if new == due or new <= context.now:
            continue
        enrolment.confirm_due = new
        await context.session.flush()
        await drop_alarms(context, enrolments.REMINDER, enrolment.id)
        await set_alarm(context, enrolments.REMINDER, enrolment.id, max(enrolments.remind_at(new), context.now))
        await post.edit_card(context, enrolments.card(enrolment), await enrolments.application(context, enrolment))
        people = tuple(person.id for person in await enrolments.confirmers(context, enrolment))
        line = Key("holidays.moved_enrolment", {"old": due, "new": new, "provisional": tickets.provisional(context, new)})
        changed.append(Changed(people, line))
    return changed


async def _hours(context: Context, before: Calendar) -> list[Changed]:
    for claim in await context.session.scalars(sa.select(Claim).where(col(Claim.state) == "DONE", col(Claim.checked_out_at).is_not(None))):
        if claim.checked_out_at is not None:
            await _again(context, before, checkins.VERIFY_ALONE, claim.id, claim.checked_out_at, checkins.VERIFY_ALONE_WORKDAYS)
    return []


async def _again(context: Context, before: Calendar, job: str, subject: str, start: datetime, workdays: int) -> None:
    """Move an alarm that waits so many workdays after `start`."""
    new = context.calendar.due(start, workdays)
    if new != before.due(start, workdays) and await _waits(context, job, subject):
        await drop_alarms(context, job, subject)
        await set_alarm(context, job, subject, max(new, context.now))


async def _waits(context: Context, job: str, subject: str) -> bool:
    query = sa.select(col(Occurrence.id)).where(
        col(Occurrence.job) == job, col(Occurrence.subject) == subject, col(Occurrence.state) == "due", col(Occurrence.due) > context.now
    )  # fmt: skip
    return await context.session.scalar(query.limit(1)) is not None


async def _meetings(context: Context, before: Calendar) -> list[Changed]:
    """The alarms of meetings, minutes and decisions. The dates that people chose stay; the desk hears where one is a day off now."""
    await meeting_jobs.tell_of_days_off(context, before)
    await meeting_alarms.recount(context)
    await minutes.recount(context)
    await actions.recount(context)
    return []


async def _promises(context: Context, before: Calendar) -> list[Changed]:
    """The alarms of the year of promises, which nobody was told a date of yet, and of what waits for approval."""
    await promise_calendar.plan(context, "")
    await promise_form.recount(context)
    return []


# Who counts in workdays has a line here.
RECOUNTERS: tuple[Recounter, ...] = (_problems, _answers, _reviews, _enrolments, _hours, _meetings, _promises)
