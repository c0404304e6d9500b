"""A task that nobody claims is offered further: first its grid and who fits, then the community, then the units (domain.md §5, widen)."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import Chat, Enrollment, PartnerUnit, Problem, StateLog, Task
from services import post, tasks
from services.alarms import set_alarm
from services.context import Context
from services.moves import move
from services.workdays import after_quiet
from texts.screen import Screen
from texts.work_screens import widened

# How wide a task is known: as it is published, then after each push; so there are at most two.
AUDIENCES = ("members", "community", "units")
EVERY, EVERY_URGENT = timedelta(hours=24), timedelta(hours=4)
URGENT = ("P1", "P2")


async def expect(context: Context, task: Task) -> None:
    """Set the two alarms at which the task is offered further while nobody has claimed it: after 24 and 48 hours, P2 after 4 and 8."""
    for number in (1, 2):
        due = task.created_at + number * await _every(context, task)
        if context.now < due < task.start_at:
            await set_alarm(context, "widen_task", task.id, due)


async def _every(context: Context, task: Task) -> timedelta:
    if task.source != "problem" or task.source_id is None:
        return EVERY
    sla = await context.session.scalar(sa.select(col(Problem.sla)).where(col(Problem.id) == task.source_id))
    return EVERY_URGENT if sla in URGENT else EVERY


async def widen(context: Context, task_id: str) -> str:
    """Offer the task to the next wider circle, unless somebody has claimed it, it has begun, or both pushes are made."""
    task = await tasks.find(context, task_id, lock=True)
    if task.state != "OPEN" or context.now >= task.start_at:
        return "nothing: not open"
    if await tasks.claims_of(context, task, *tasks.HELD):
        return "nothing: claimed"
    if task.audience not in AUDIENCES[:-1]:
        return "nothing: as wide as can be"
    pushes = sa.select(sa.func.max(col(StateLog.at))).where(
        col(StateLog.object_kind) == "task", col(StateLog.object_id) == task.id, col(StateLog.event) == "widen"
    )  # fmt: skip
    last = await context.session.scalar(pushes)
    if last is not None and last >= context.facts.get("due", context.now):
        return "nothing: pushed just now"
    if after_quiet(context.now) >= task.start_at:
        return "nothing: it would be read too late"
    wider = AUDIENCES[AUDIENCES.index(task.audience) + 1]
    await move(context, task, "widen", note=wider, audience=wider)
    shown, key, card = widened(await tasks.view(context, task), wider), f"widen_task:{task.id}:{wider}", tasks.card_of(task)
    if wider == "units":
        reached = 0
        for person_id in await _liaisons(context):
            told = await post.to_person(context, person_id, shown, subject=card, card=card, key=f"{key}:{person_id}")
            reached += told is not None
    else:
        groups = ["party", *(f"grid:{grid}" for grid in context.ground.grids)]
        chats = list(await context.session.scalars(sa.select(col(Chat.id)).where(col(Chat.purpose).in_(groups))))
        # One living card a group: the earlier one only points to it.
        await post.retire_card(context, card, Screen("task.card_below", {"number": task.short_no}), only=chats)
        posted = [row for group in groups for row in await post.to_purpose(context, group, shown, card=card, key=key)]
        reached = len(posted)
    return f"{wider}: {reached}"


async def _liaisons(context: Context) -> list[str]:
    """The liaisons of the units that have reported in."""
    query = (
        sa.select(col(PartnerUnit.liaison_id))
        .join(Enrollment, col(Enrollment.unit_code) == col(PartnerUnit.code))
        .where(col(Enrollment.state) == "ACTIVE", col(Enrollment.person_id).is_(None), col(PartnerUnit.liaison_id).is_not(None))
        .order_by(col(PartnerUnit.code))
    )
    return list(dict.fromkeys(filter(None, await context.session.scalars(query))))
