"""复发: the same thing at the same place again within 30 days after it was closed (domain.md §5, CLOSED)."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import Problem, ProblemLink
from models.lifecycle import PROBLEM
from services import hotspots, tickets
from services.alarms import set_alarm
from services.context import Context
from texts.actions import Do
from texts.screen import Button, screen

LINK = "recurrence"
WITHIN = timedelta(days=30)


async def expect(context: Context, problem: Problem) -> None:
    """See to it that the new problem is compared with what was closed; by the clock, so that the reporter does not wait for it."""
    await set_alarm(context, "recurrence", problem.id, context.now)


async def find(context: Context, problem_id: str) -> str:
    """Link the new problem to the latest one closed at this spot, and tell the coordinators; once."""
    problem = await context.session.get(Problem, problem_id, with_for_update=True)
    if problem is None or problem.state not in PROBLEM.open:
        return "nothing: over"
    earlier = await _closed_here(context, problem)
    if earlier is None:
        return "nothing: the first"
    if await context.session.get(ProblemLink, (problem.id, earlier.id)) is not None:
        return "nothing: linked already"
    context.session.add(ProblemLink(problem_id=problem.id, other_id=earlier.id, kind=LINK))
    await context.session.flush()
    spot = await hotspots.around(context, problem)
    told = screen(
        "ticket.recurred", [Button("button.show", Do.show(problem.id))],
        code=problem.code, category=tickets.category(problem), place=problem.place_name, earlier=earlier.code, closed=earlier.closed_at,
        hotspot=spot.shown if spot is not None else None,
    )  # fmt: skip
    await tickets.tell(context, problem, [person.id for person in await tickets.coordinators(context)], told, urgent=problem.sla == "P1")
    return f"again after {earlier.code}"


async def _closed_here(context: Context, problem: Problem) -> Problem | None:
    """The latest problem of this category that was closed at this spot in the 30 days before this one came."""
    query = sa.select(Problem).where(
        col(Problem.category) == problem.category, col(Problem.state) == "CLOSED", col(Problem.id) != problem.id,
        col(Problem.closed_at) >= problem.submitted_at - WITHIN, col(Problem.closed_at) <= problem.submitted_at,
    )  # fmt: skip
    if problem.grid_code is not None:
        query = query.where(col(Problem.grid_code) == problem.grid_code)
    rows = await context.session.scalars(query.order_by(col(Problem.closed_at).desc(), col(Problem.code).desc()))
    return next((one for one in rows if hotspots.together(problem, one)), None)
