"""Which alarms the deadlines of a problem imply, and keeping them so: one alarm per (subject, due), no sweeps (domain.md §1, §6).

services.moves calls `keep` after every move, so that an alarm moves with its deadline; what rings checks everything anew
(services.deadlines). A problem out of work (suspended, resolved, ended) has none.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import Occurrence, Problem
from services.alarms import set_alarms
from services.context import Context
from services.workdays import SERVICE_LEVELS, ZONE, Calendar, local, quiet

NAG, ESCALATE, ACKNOWLEDGE = "deadline_nag", "escalate_overdue", "acknowledge_urgent"
JOBS = (NAG, ESCALATE, ACKNOWLEDGE)
IN_WORK = ("SUBMITTED", "ACCEPTED", "IN_PROGRESS")
# After how many overdue workdays a level hands its problem up (domain.md §1); what is not here stays where it is.
OVERDUE_WORKDAYS = {"grid": 1, "community": 2}
ESCALATION_AT, REMINDER_AT = time(17, 35), time(9)
BEFORE_DUE = timedelta(hours=2)
NEVER_ESCALATED = "P5"


def reminders(calendar: Calendar, due: datetime, urgent: bool) -> list[datetime]:
    """When a deadline is reminded of: at 09:00 of its day and two hours before.

    One that would land on a day off or in quiet hours goes to 09:00 of the previous workday, unless the problem is urgent (natural hours).
    """
    day = local(due).date()
    wanted = (_at(day, REMINDER_AT), local(due) - BEFORE_DUE)
    if not urgent:
        wanted = tuple(_in_hours(calendar, one, due) for one in wanted)  # type: ignore[assignment]
    return sorted({one for one in wanted if one < due})


def _in_hours(calendar: Calendar, moment: datetime, due: datetime) -> datetime:
    day = calendar.previous_workday(moment.date())
    if day == moment.date() and not quiet(moment) and moment < due:
        return moment
    shifted = _at(day, REMINDER_AT)
    return shifted if shifted < due else _at(calendar.add(day, -1), REMINDER_AT)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, ZONE)


def to_contact(problem: Problem) -> bool:
    """Whether somebody still waits to be spoken to."""
    return problem.first_contact_at is None and (problem.reporter_id is not None or problem.token_id is not None)


def pending(problem: Problem) -> dict[str, datetime]:
    """The deadlines that still bind somebody, by name (contact, resolve); {} when the problem is not in work."""
    if problem.state not in IN_WORK:
        return {}
    contact = {"contact": problem.contact_due} if to_contact(problem) else {}
    return contact | {"resolve": problem.resolve_due}


def escalates_at(problem: Problem, calendar: Calendar, now: datetime) -> datetime | None:
    """When the problem goes up by itself, after `now`: 17:35 of a workday, an urgent one when its 24 hours are over; None for never."""
    if problem.state not in IN_WORK or problem.sla == NEVER_ESCALATED or problem.level not in OVERDUE_WORKDAYS:
        return None
    due = local(problem.resolve_due)
    if problem.sla == "P1" and due > now:
        return due
    first = calendar.add(due, OVERDUE_WORKDAYS[problem.level]) if problem.sla != "P1" else due.date()
    day = calendar.next_workday(max(first, local(now).date()))
    at = _at(day, ESCALATION_AT)
    return at if at > now else _at(calendar.add(day, 1), ESCALATION_AT)


def acknowledged_by(problem: Problem) -> datetime | None:
    """By when staff must have taken an urgent problem up; None where nobody need, or somebody has."""
    within = SERVICE_LEVELS[problem.sla].acknowledge
    taken = problem.state != "SUBMITTED" or problem.accepted_at is not None or problem.first_contact_at is not None
    return None if within is None or taken else problem.submitted_at + within


def implied(problem: Problem, calendar: Calendar, now: datetime) -> set[tuple[str, datetime]]:
    """Every alarm after `now` that the problem's state asks for, as (job, due)."""
    urgent = problem.sla == "P1"
    found = {(NAG, at) for due in pending(problem).values() for at in reminders(calendar, due, urgent)}
    if (at := escalates_at(problem, calendar, now)) is not None:
        found.add((ESCALATE, at))
    if (at := acknowledged_by(problem)) is not None:
        found.add((ACKNOWLEDGE, at))
    return {(job, at) for job, at in found if at > now}


async def keep(context: Context, problem: Problem, *, fresh: bool = False) -> None:
    """Make the alarms to come those that the problem's state implies. `fresh`: it has none yet.

    What is due already is left to ring: it will find out for itself.
    """
    wanted = implied(problem, context.calendar, context.now)
    if not fresh:
        rows = await context.session.execute(
            sa.select(col(Occurrence.id), col(Occurrence.job), col(Occurrence.due)).where(
                col(Occurrence.job).in_(JOBS), col(Occurrence.subject) == problem.id,
                col(Occurrence.state) == "due", col(Occurrence.due) > context.now,
            )
        )  # fmt: skip
        standing = {(job, due): number for number, job, due in rows}
        if gone := [number for alarm, number in standing.items() if alarm not in wanted]:
            await context.session.execute(
                sa.update(Occurrence)
                .where(col(Occurrence.id).in_(gone), col(Occurrence.state) == "due")
                .values(state="dropped", outcome="dropped")
                .execution_options(synchronize_session=False)
            )
        wanted -= standing.keys()
    await set_alarms(context, [(job, problem.id, at) for job, at in sorted(wanted)])
