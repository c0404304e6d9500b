"""Everything open that one person holds: what must go to somebody when they leave (domain.md §5; handing over)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from models import ActionItem, CheckIn, Claim, DutyShift, Enrollment, PartnerUnit, Post, PostClaim, Problem, Task, Team
from models.lifecycle import PROBLEM
from services.context import Context
from services.identity import roles_of
from services.workdays import local
from texts.screen import Value

TO_LEAD = ("OPEN", "CLAIMED", "UNFILLED", "VERIFIED", "RATED")
KINDS = ("problems", "waiting", "tasks", "check_ins", "actions", "shifts", "posts", "applications", "enrollments", "units", "teams")


@dataclass
class Work:
    """What is open, by kind. `waiting`: problems of the person's grids that nobody has taken up yet; they come with the role."""

    problems: list[Problem] = field(default_factory=list)
    waiting: list[Problem] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    check_ins: list[CheckIn] = field(default_factory=list)
    actions: list[ActionItem] = field(default_factory=list)
    shifts: list[DutyShift] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    applications: list[PostClaim] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    units: list[PartnerUnit] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)

    def counts(self) -> dict[str, Value]:
        """How many of each kind, None for none (its line is left out)."""
        return {kind: len(getattr(self, kind)) or None for kind in KINDS}

    def __bool__(self) -> bool:
        return any(getattr(self, kind) for kind in KINDS)

    def grids(self) -> set[str]:
        """The grids of the problems in it."""
        return {problem.grid_code for problem in (*self.problems, *self.waiting) if problem.grid_code}


async def of(context: Context, person_id: str, grid: str = "") -> Work:
    """What is open in the person's hands, in the order it is due.

    With `grid`, of that grid alone (decisions, shifts, units and teams are of none).
    """
    today = local(context.now).date()

    async def every(model: type[SQLModel], order: Any, *where: Any) -> list[Any]:
        scoped = (*where, col(model.grid_code) == grid) if grid and hasattr(model, "grid_code") else where
        rows = await context.session.scalars(sa.select(model).where(*scoped).order_by(order).with_for_update())
        return list(rows)

    work = Work()
    work.problems = await every(
        Problem, col(Problem.resolve_due), col(Problem.lead_handler_id) == person_id, col(Problem.state).in_(PROBLEM.open)
    )
    owned = await _grids(context, person_id)
    if owned:
        work.waiting = await every(
            Problem, col(Problem.resolve_due), col(Problem.grid_code).in_(owned), col(Problem.level) == "grid",
            col(Problem.lead_handler_id).is_(None), col(Problem.state) == "SUBMITTED",
        )  # fmt: skip
        work.enrollments = await every(
            Enrollment, col(Enrollment.applied_at), col(Enrollment.grid_code).in_(owned), col(Enrollment.state) == "APPLIED"
        )
    leads = sa.or_(col(Task.leader_id) == person_id, col(Task.creator_id) == person_id)
    work.tasks = await every(Task, col(Task.start_at), leads, col(Task.state).in_(TO_LEAD))
    claims = sa.select(col(Claim.id)).where(col(Claim.task_id).in_([task.id for task in work.tasks if task.leader_id == person_id]))
    work.check_ins = await every(CheckIn, col(CheckIn.at), col(CheckIn.claim_id).in_(claims), col(CheckIn.verdict) == "PENDING")
    work.posts = await every(
        Post, col(Post.number), col(Post.creator_id) == person_id, col(Post.closed_at).is_(None), col(Post.term_to) >= today
    )
    posts = [post.id for post in work.posts]
    work.applications = await every(
        PostClaim, col(PostClaim.applied_at), col(PostClaim.post_id).in_(posts), col(PostClaim.state) == "APPLIED"
    )
    if not grid:
        work.actions = await every(ActionItem, col(ActionItem.due), col(ActionItem.owner_id) == person_id, col(ActionItem.state) == "OPEN")
        work.shifts = await every(DutyShift, col(DutyShift.day), col(DutyShift.person_id) == person_id, col(DutyShift.day) >= today)
        work.units = await every(PartnerUnit, col(PartnerUnit.code), col(PartnerUnit.liaison_id) == person_id)
        work.teams = await every(Team, col(Team.name), col(Team.leader_id) == person_id, col(Team.closed_at).is_(None))
    return work


async def _grids(context: Context, person_id: str) -> list[str]:
    """The grids that the person leads now."""
    grants = await roles_of(context.session, person_id, context.now)
    return sorted({grant.grid for grant in grants if grant.role == "grid_leader" and grant.grid})
