"""回音壁: on workdays at 17:30 one post to the public group with what was answered since the last one (domain.md §0, §6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import DigestRun, Person, Problem, StateLog
from services import moves, post, tickets
from services.context import Context
from services.masking import private_matter
from services.public_words import public
from services.workdays import DAY_END, ZONE, local
from texts import problem_screens
from texts.problem_screens import Echo
from texts.screen import Key

ECHO_WALL = "echo_wall"
ECHOED = "echoed"
LIVELIHOOD = "H"  # the group of domain.md §2 whose words never reach a group chat


async def daily(context: Context, _subject: str) -> str:
    """Post the day's answers, masked, each problem once in its life; nothing where there is nothing new, and on days off.

    One that reporters sent back is left out until it is answered again. A post that was missed is made late, of its own day.
    """
    due: datetime = context.facts.get("due", context.now)
    day = local(due).date()
    if not context.calendar.is_workday(day):
        return "not a workday"
    known = sa.select(col(DigestRun.id)).where(col(DigestRun.kind) == ECHO_WALL, col(DigestRun.period_key) == day.isoformat())
    if await context.session.scalar(known) is not None:
        return "already"
    since = await _covered(context, due)
    found = await _answers(context, since)
    if not found:
        return "nothing new"
    context.session.add(
        DigestRun(
            kind=ECHO_WALL, period_key=day.isoformat(), covers_from=since, covers_to=context.now,
            facts={"problems": [problem.code for problem in found]},
        )
    )  # fmt: skip
    await context.session.flush()
    shown = problem_screens.echo_wall(day, [await _echo(context, problem) for problem in found])
    for problem in found:
        moves.remark(context, problem, ECHOED)
    posted = await post.to_purpose(context, "public", shown, key=f"{ECHO_WALL}:{day}")
    return f"{len(found)} in {len(posted)} groups"


async def _covered(context: Context, due: datetime) -> datetime:
    last: datetime | None = await context.session.scalar(
        sa.select(sa.func.max(col(DigestRun.covers_to))).where(col(DigestRun.kind) == ECHO_WALL)
    )
    return last or datetime.combine(context.calendar.add(due, -1), DAY_END, ZONE)


async def _answers(context: Context, since: datetime) -> list[Problem]:
    """What was answered after `since`, still is, and was never on the wall, in the order of the answers."""
    told = sa.select(col(StateLog.object_id)).where(col(StateLog.object_kind) == "problem", col(StateLog.event) == ECHOED)
    query = sa.select(Problem).where(
        col(Problem.community_id) == context.ground.community_id, col(Problem.state).in_(("RESOLVED", "CLOSED")),
        col(Problem.resolved_at) > since, col(Problem.resolved_at) <= context.now, col(Problem.id).not_in(told),
    )  # fmt: skip
    return list(await context.session.scalars(query.order_by(col(Problem.resolved_at), col(Problem.code))))


async def _echo(context: Context, problem: Problem) -> Echo:
    """The public half: the resident's words only where they are nobody's health, hardship or family (domain.md §0.6)."""
    reporter = await context.session.get(Person, problem.reporter_id) if problem.reporter_id else None
    result = await public(context, problem_screens.end_mark(problem.result), [reporter])
    private = problem.category.startswith(LIVELIHOOD) or private_matter(problem.text)
    done: Any = Key("problem.done_private") if private_matter(result) else result
    where = context.ground.grid_name(problem.grid_code) or context.ground.name
    return Echo(
        where,
        tickets.category(problem),
        None if private else await public(context, problem_screens.end_mark(problem.text_public), [reporter]),
        done,
    )
