"""What problems, enrolments and claims were at a moment, read from the history and not from what they are now (domain.md §9).

The rows of StateLog say when something moved and to where; deadlines that a later move changed are put back from what that move
remembers. So a number asked for again as of an earlier moment is the number of then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Evaluation, Problem, StateLog
from models.lifecycle import NEW
from services.context import Context
from services.workdays import SERVICE_LEVELS, Calendar

UNCOUNTED = ("MERGED", "REJECTED", "WITHDRAWN")
IN_WORK = ("ACCEPTED", "IN_PROGRESS")
FINISHED = ("RESOLVED", "CLOSED")
_UP = {"grid": "community", "community": "street"}
_RENEWED = ("escalate", "extend", "resume", "reopen", "recount")
_DUES = ("contact_due", "resolve_due", "original_resolve_due")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """A problem as it stood at a moment; of `problem` itself only what never changes may be read (code, grid, place, category …).

    `due`: the deadline that counts for 按时办结率, the original or the one extended in time; `working_due`: the one that is worked by.
    `promised`: when it is overdue: `due`, or the fresh deadline that a reopening or a resumption gave; an escalation gives none.
    `grade` and `solved` are the reporter's last answers.
    """

    problem: Problem
    state: str = "SUBMITTED"
    level: str = "grid"
    contact_at: datetime | None = None
    resolved_at: datetime | None = None
    reopened: int = 0
    renewed: datetime | None = None
    contact_due: datetime | None = None
    working_due: datetime | None = None
    due: datetime | None = None
    grade: str | None = None
    solved: bool | None = None

    @property
    def valid(self) -> bool:
        """Whether it belongs to the valid cohort (domain.md §8)."""
        return self.state not in UNCOUNTED

    @property
    def finished(self) -> bool:
        """Whether it is resolved, rated or not."""
        return self.state in FINISHED

    @property
    def waits(self) -> bool:
        """Whether somebody still has to do something for it."""
        return self.state in ("SUBMITTED", *IN_WORK)

    @property
    def promised(self) -> datetime:
        """The moment after which it is overdue."""
        assert self.due is not None
        return max(self.due, self.renewed) if self.renewed else self.due

    def overdue(self, now: datetime) -> bool:
        """Whether it is in work past the time that was promised."""
        return self.waits and self.promised <= now


async def problems_at(context: Context, at: datetime, *where: Any) -> list[Standing]:
    """The problems submitted by `at` that fulfil `where`, as they stood then, in the order of submission."""
    query = sa.select(Problem).where(
        col(Problem.community_id) == context.ground.community_id, col(Problem.submitted_at) <= at, *where
    )  # fmt: skip
    found = list(await context.session.scalars(query.order_by(col(Problem.submitted_at), col(Problem.code))))
    ids = [problem.id for problem in found]
    history = await _history(context, "problem", ids)
    answers = await _answers(context, ids, at)
    changed = await _later_dues(context, ids, at)
    standing = []
    for problem in found:
        dues = {name: getattr(problem, name) for name in _DUES} | changed.get(problem.id, {})
        first = Standing(
            problem, state=_first_state(history[problem.id], at, problem.state), level="grid" if problem.grid_code else "community",
            contact_due=dues["contact_due"], working_due=dues["resolve_due"], due=dues["original_resolve_due"],
        )  # fmt: skip
        grade, solved = answers.get(problem.id, (None, None))
        steps = [row for row in history[problem.id] if row.at <= at]
        standing.append(replace(_fold(first, steps, context.calendar), grade=grade, solved=solved))
    return standing


async def states_at(context: Context, kind: str, current: dict[str, str], at: datetime) -> dict[str, str]:
    """The state at `at` of the objects of this kind, by id; `current`: what they are now. What came into its life later is left out."""
    history = await _history(context, kind, list(current))
    found = {}
    for thing, now in current.items():
        rows = history[thing]
        last = next((row for row in reversed(rows) if row.at <= at), None)
        if last is not None:
            found[thing] = last.target
        elif not rows:
            found[thing] = now
        elif rows[0].source != NEW:
            found[thing] = rows[0].source
    return found


def _first_state(rows: Sequence[Any], at: datetime, now: str) -> str:
    """The state before the first move that is known."""
    if not rows:
        return now
    return "SUBMITTED" if rows[0].source == NEW else str(rows[0].source)


def _fold(standing: Standing, rows: Sequence[Any], calendar: Calendar) -> Standing:
    before: list[Standing] = []
    for row in rows:
        if row.event == "undo" and before:
            standing = before.pop()
            continue
        if row.undone:
            before.append(standing)
        standing = _step(replace(standing, state=row.target), row, calendar)
    return standing


def _step(standing: Standing, row: Any, calendar: Calendar) -> Standing:
    level = SERVICE_LEVELS[standing.problem.sla]
    contacted = standing.contact_at or row.at
    match row.event:
        case "contact":
            return replace(standing, contact_at=contacted)
        case "resolve":
            return replace(standing, contact_at=contacted, resolved_at=row.at)
        case "reopen":
            return replace(standing, reopened=standing.reopened + 1, renewed=level.reopen.due(calendar, row.at))
        case "resume":
            return replace(standing, renewed=level.resolve.due(calendar, row.at))
        case "escalate":
            return replace(standing, level=_UP.get(standing.level, standing.level))
        case "return":
            return replace(standing, level="grid")
    return standing


async def _history(context: Context, kind: str, ids: Sequence[str]) -> defaultdict[str, list[Any]]:
    """Every move of these objects in order; the columns that are not encrypted."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for part in _parts(ids):
        query = sa.select(
            col(StateLog.object_id), col(StateLog.event), col(StateLog.source), col(StateLog.target), col(StateLog.at), col(StateLog.undone)
        ).where(col(StateLog.object_kind) == kind, col(StateLog.object_id).in_(part))
        for row in await context.session.execute(query.order_by(col(StateLog.at), col(StateLog.id))):
            found[row.object_id].append(row)
    return found


async def _answers(context: Context, ids: Sequence[str], at: datetime) -> dict[str, tuple[str | None, bool | None]]:
    """The last grade and the last word whether it is solved that each reporter had given by then."""
    found: dict[str, tuple[str | None, bool | None]] = {}
    for part in _parts(ids):
        query = sa.select(col(Evaluation.target_id), col(Evaluation.grade), col(Evaluation.solved)).where(
            col(Evaluation.target) == "problem", col(Evaluation.target_id).in_(part), col(Evaluation.at) <= at
        )
        for row in await context.session.execute(query.order_by(col(Evaluation.at), col(Evaluation.revision))):
            grade, solved = found.get(row.target_id, (None, None))
            found[row.target_id] = (row.grade or grade, solved if row.solved is None else row.solved)
    return found


async def _later_dues(context: Context, ids: Sequence[str], at: datetime) -> dict[str, dict[str, datetime]]:
    """The deadlines at `at` where a later move changed them: what the earliest such move found."""
    found: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
    for part in _parts(ids):
        later = (col(StateLog.object_kind) == "problem", col(StateLog.at) > at, col(StateLog.undone).is_(False))
        own = sa.select(StateLog).where(*later, col(StateLog.object_id).in_(part), col(StateLog.event).in_(_RENEWED))
        children = sa.select(col(Problem.id)).where(col(Problem.merged_into_id).in_(part))
        merged = sa.select(StateLog).where(*later, col(StateLog.object_id).in_(children), col(StateLog.event) == "merge")
        rows = [*await context.session.scalars(own), *await context.session.scalars(merged)]
        for row in sorted(rows, key=lambda one: (one.at, one.id or 0)):
            kept: dict[str, Any] = row.before or {}
            whose = kept.get("parent", "") if row.event == "merge" else row.object_id
            fields = kept.get("parent_fields" if row.event == "merge" else "fields", {})
            for name in _DUES:
                if isinstance(fields.get(name), dict):
                    found[whose].setdefault(name, datetime.fromisoformat(fields[name]["at"]))
    return found


def _parts(ids: Sequence[str]) -> Iterator[Iterable[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
