"""What the deadlines of a problem do by the clock: reminders, escalation, urgent ones nobody took up (domain.md §1, §5, §6).

Which alarms there are is told in services.due_alarms; here each is checked anew from the problem's state when it rings. Whatever rings
for nothing says why in its outcome.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from models import Problem, StateLog
from services import due_alarms, moves, post, problems, tickets
from services.context import Context
from services.due_alarms import ACKNOWLEDGE, IN_WORK, NAG, OVERDUE_WORKDAYS
from services.identity import persons_with
from texts.actions import Do
from texts.screen import Button, Key, Screen, screen

MOST_REMINDERS = 2
REMINDED = "reminded"
# What begins a deadline of its own, or gives it to somebody else: reminders are counted from there.
_AFRESH = ("escalate", "return", "extend", "resume", "reopen")


async def nag(context: Context, problem_id: str) -> str:
    """Remind whoever is responsible of the deadline of today, at most twice for one deadline; contact and result together are one."""
    problem = await context.session.get(Problem, problem_id, with_for_update=True)
    if problem is None or problem.state not in IN_WORK:
        return "nothing: not in work"
    rang: datetime = context.facts.get("due", context.now)
    open_ones = {name: due for name, due in due_alarms.pending(problem).items() if due > context.now}
    urgent = problem.sla == "P1"
    near = {name: due for name, due in open_ones.items() if rang in due_alarms.reminders(context.calendar, due, urgent)}
    if not near:
        return "nothing: done, moved or over"
    sent = await _reminded(context, problem)
    if len(sent) >= MOST_REMINDERS:
        return "nothing: reminded twice"
    if any(at >= rang for at in sent):
        return "nothing: reminded just now"
    people = await responsible(context, problem)
    shown = _reminder(context, problem, near)
    reached = 0
    for person_id in people:
        key = f"{NAG}:{problem.id}:{person_id}:{rang.isoformat()}"
        reached += await post.to_person(context, person_id, shown, subject=tickets.subject(problem), key=key, urgent=urgent) is not None
    moves.remark(context, problem, REMINDED, " ".join(near))
    return f"reminded {reached} of {len(people)}"


async def _reminded(context: Context, problem: Problem) -> list[datetime]:
    """When the present deadline was reminded of."""
    query = sa.select(col(StateLog.event), col(StateLog.at)).where(
        col(StateLog.object_kind) == "problem", col(StateLog.object_id) == problem.id,
        col(StateLog.event).in_((REMINDED, *_AFRESH)), col(StateLog.undone).is_(False),
    )  # fmt: skip
    found: list[datetime] = []
    for event, at in await context.session.execute(query.order_by(col(StateLog.id))):
        found = [*found, at] if event == REMINDED else []
    return found


def _reminder(context: Context, problem: Problem, near: dict[str, datetime]) -> Screen:
    lines = {
        name: Key(f"due.{name}", {"due": near[name], "provisional": tickets.provisional(context, near[name])}) if name in near else None
        for name in ("contact", "resolve")
    }
    return screen(
        "ticket.due", _look(problem), **problems.named(problem, place=problem.place_name, state=tickets.state_word(problem), **lines)
    )


def _look(problem: Problem) -> list[Button]:
    return [Button("button.show", Do.show(problem.id))]


async def responsible(context: Context, problem: Problem) -> list[str]:
    """The ids of those who answer for the deadline now: who took the problem up, as long as it is at their level, else its owners."""
    owners = [person.id for person in await tickets.owners(context, problem)]
    if problem.level == "grid" or problem.lead_handler_id in owners:
        return await tickets.handlers(context, problem)
    return owners


async def escalate_overdue(context: Context, problem_id: str) -> str:
    """Take a problem up that is overdue long enough for its level; an urgent one to the street when its 24 hours are over."""
    problem = await context.session.get(Problem, problem_id, with_for_update=True)
    if problem is None or problem.state not in IN_WORK:
        return "nothing: not in work"
    calendar, now = context.calendar, context.now
    if problem.level not in OVERDUE_WORKDAYS or problem.sla == due_alarms.NEVER_ESCALATED:
        return "nothing: stays at its level"
    if problem.sla == "P1":
        due = problem.resolve_due <= now
    else:
        due = calendar.is_workday(now) and calendar.overdue_workdays(problem.resolve_due, now) >= OVERDUE_WORKDAYS[problem.level]
    if not due:
        await due_alarms.keep(context, problem)
        return "nothing: not overdue"
    await problems.escalate(context, problem, "", street=problem.sla == "P1")
    return f"escalated to {problem.level}"


async def acknowledge_urgent(context: Context, problem_id: str) -> str:
    """Tell coordinators and secretary at once that nobody took an urgent problem up within half an hour, whatever the hour."""
    problem = await context.session.get(Problem, problem_id, with_for_update=True)
    by = due_alarms.acknowledged_by(problem) if problem is not None else None
    if problem is None or by is None or by > context.now:
        return "nothing: taken up"
    people = await persons_with(context, "coordinator", "community_secretary")
    told = screen("ticket.unacknowledged", _look(problem), **problems.named(problem, place=problem.place_name, since=problem.submitted_at))
    for person in people:
        key = f"{ACKNOWLEDGE}:{problem.id}:{person.id}:{by.isoformat()}"
        await post.to_person(context, person.id, told, subject=tickets.subject(problem), key=key, urgent=True)
    moves.remark(context, problem, "unacknowledged")
    return f"told {len(people)}"
