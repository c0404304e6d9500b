"""The review of a suspended problem: coordinators and secretary hear of it five workdays before (domain.md §5, suspend)."""

from __future__ import annotations

from datetime import datetime, time

import sqlalchemy as sa
from sqlmodel import col

from models import Problem, StateLog
from services import tickets
from services.alarms import set_alarm
from services.context import Context
from services.identity import persons_with
from services.workdays import ZONE, local
from texts.actions import Do
from texts.screen import Button, screen

NOTICE_WORKDAYS = 5
NOTICE_AT = time(9)


async def expect(context: Context, problem: Problem) -> None:
    """See to it that the review is announced at 09:00 five workdays before; a nearer one needs no announcement.

    The alarm names the day of the review: one that was set for another day, before the problem was taken up again, finds nothing.
    """
    if problem.suspended_until is None:
        return
    day = local(problem.suspended_until).date()
    due = datetime.combine(context.calendar.add(day, -NOTICE_WORKDAYS), NOTICE_AT, ZONE)
    if due > context.now:
        await set_alarm(context, "review_reminder", f"{problem.id}:{day}", due)


async def remind_due(context: Context, subject: str) -> str:
    """The alarm before a review: tell the coordinators and the secretary, unless the problem is no longer suspended until that day."""
    problem_id, _, day = subject.partition(":")
    problem = await context.session.get(Problem, problem_id)
    if problem is None or problem.suspended_until is None:
        return "nothing"
    until = local(problem.suspended_until).date()
    if until.isoformat() != day:
        return "nothing"
    told = screen(
        "ticket.review_soon", [Button("button.show", Do.show(problem.id))],
        code=problem.code, category=tickets.category(problem), day=until, reason=await _reason(context, problem),
    )  # fmt: skip
    people = await persons_with(context, "coordinator", "community_secretary")
    await tickets.tell(context, problem, [person.id for person in people], told)
    return "reminded"


async def _reason(context: Context, problem: Problem) -> str:
    query = sa.select(col(StateLog.note)).where(
        col(StateLog.object_kind) == "problem", col(StateLog.object_id) == problem.id, col(StateLog.event) == "suspend",
        col(StateLog.undone).is_(False),
    )  # fmt: skip
    return await context.session.scalar(query.order_by(col(StateLog.id).desc()).limit(1)) or ""
