"""A new task is first offered in private to at most five members whom it fits, before the group reads of it (domain.md §0.1, §3).

It fits who is asked for tasks at all (the rule of the kind of member), has the skill, has said to have time then, and is free. Nearest
first: the task's own grid, then by distance; among equals who has served less this quarter. Nobody gets more than two in seven days,
and 不再推荐 ends it. Who is exempt or under 18 is never asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from models import Claim, Community, Enrollment, Order, PartyMember, Person, Task, TaskOffer
from services import post, tasks
from services.context import Context, Refusal
from services.geography import distance_m
from services.hours import collide
from services.post_lines import words
from services.targets import first_moment, quarter
from services.workdays import Calendar, after_quiet, local
from texts.membership import rule
from texts.posts_screens import private_offer
from texts.screen import Screen, screen

MOST_PEOPLE = 5
MOST_A_WEEK = 2
WEEK = timedelta(days=7)
# Who lives this much nearer lives no nearer in a walk's sense: then who has served less goes first.
STEP_M = 100.0
BUSY = ("ACTIVE", "OFFERED", "CHECKED_IN", "DONE")


@dataclass(frozen=True, slots=True)
class _Fitting:
    person: Person
    elsewhere: bool
    steps: int
    served: int

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        return self.elsewhere, self.steps, self.served, self.person.id


def has_time(availability: Iterable[str], start: datetime, calendar: Calendar) -> bool:
    """Whether one of the words the member said covers the start; who said nothing, or only own words, is asked at any time."""
    known: dict[str, dict[str, Any]] = words()["availability"]
    said = [known[word] for word in availability if word in known]
    return not said or any(_covers(meaning, start, calendar) for meaning in said)


def _covers(meaning: dict[str, Any], start: datetime, calendar: Calendar) -> bool:
    begins = local(start)
    day = calendar.day(begins.date())
    if day.is_workday is not meaning["workday"]:
        return False
    if "from" in meaning and begins.time() < time.fromisoformat(meaning["from"]):
        return False
    if "weekday" in meaning and begins.weekday() != meaning["weekday"]:
        return False
    return bool(day.name) if meaning.get("holiday") else True


async def offer(context: Context, task: Task) -> list[str]:
    """Offer the new task to whom it fits; the ids of the persons asked. Nobody when they would read of it after its start."""
    if after_quiet(context.now) >= task.start_at:
        return []
    await _hold(context, task)
    asked: list[str] = []
    shown = private_offer(await tasks.view(context, task))
    for fitting in sorted(await _fitting(context, task), key=lambda one: one.rank):
        if len(asked) == MOST_PEOPLE:
            break
        if await post.to_person(context, fitting.person.id, shown, subject=tasks.card_of(task)) is None:
            continue
        context.session.add(TaskOffer(task_id=task.id, person_id=fitting.person.id, offered_at=context.now))
        asked.append(fitting.person.id)
    await context.session.flush()
    return asked


async def _hold(context: Context, task: Task) -> None:
    # Two tasks published at once count each other's messages: one at a time for a community, until the commit.
    await context.session.scalars(select(Community.id).where(col(Community.id) == task.community_id).with_for_update(key_share=True))


async def _fitting(context: Context, task: Task) -> list[_Fitting]:
    """Everybody to whom the task may be offered, with what orders them."""
    query = (
        sa.select(Person, PartyMember, col(Enrollment.grid_code))
        .join(PartyMember, col(PartyMember.person_id) == col(Person.id))
        .join(Enrollment, sa.and_(col(Enrollment.person_id) == col(Person.id), col(Enrollment.state) == "ACTIVE"))
        .where(
            col(Person.community_id) == task.community_id, col(Person.deleted_at).is_(None), col(PartyMember.offers).is_(True),
            col(PartyMember.health_exempt).is_(False), col(PartyMember.under_18).is_(False),
        )
    )  # fmt: skip
    unwanted = await _unwanted(context, task)
    served = await _served(context)
    found = []
    for person, member, grid in (await context.session.execute(query)).all():
        skilled = not task.skill or any(task.skill in skill for skill in member.skills)
        asked = rule(member.kind).tasks and skilled and has_time(member.availability, task.start_at, context.calendar)
        if person.id not in unwanted and asked:
            home = person.home_grid or grid
            found.append(_Fitting(person, home != task.grid_code, _steps(context, task, person, home), served.get(person.id, 0)))
    return found


async def _unwanted(context: Context, task: Task) -> set[str]:
    """Who is not to be asked: the one who ordered it or leads it, who is busy then, and who had two offers in seven days."""
    busy = sa.select(col(Claim.person_id), col(Task.start_at), col(Task.end_at)).join(Task, col(Task.id) == col(Claim.task_id))
    near = busy.where(col(Claim.state).in_(BUSY), col(Task.end_at) > context.now)
    found = {row.person_id for row in await context.session.execute(near) if collide(task.start_at, task.end_at, row.start_at, row.end_at)}
    lately = sa.select(col(TaskOffer.person_id)).where(col(TaskOffer.offered_at) > context.now - WEEK)
    full = lately.group_by(col(TaskOffer.person_id)).having(sa.func.count() >= MOST_A_WEEK)
    found |= set(await context.session.scalars(full)) | set(filter(None, (task.leader_id, task.creator_id)))
    order = await context.session.get(Order, task.source_id) if task.source == "order" and task.source_id else None
    return found | ({order.resident_id} if order else set())


async def _served(context: Context) -> dict[str, int]:
    """How many verified services each person has in this quarter."""
    today = local(context.now).date()
    begin = first_moment(today.year, quarter(today))
    query = sa.select(col(Claim.person_id), sa.func.count()).join(Task, col(Task.id) == col(Claim.task_id))
    query = query.where(col(Claim.state) == "VERIFIED", col(Task.end_at) >= begin).group_by(col(Claim.person_id))
    return {person: int(count) for person, count in (await context.session.execute(query)).all()}


def _steps(context: Context, task: Task, person: Person, grid: str | None) -> int:
    """How far the member lives from the task, in steps of a hundred metres; the middle of the home grid where no building is known."""
    if task.lat is None or task.lon is None:
        return 0
    match = context.ground.gazetteer.find(person.building) if person.building else None
    if match is not None and match.kind == "place":
        home = (match.places[0].lat, match.places[0].lon)
    else:
        corners = next((shape.polygon for shape in context.ground.shapes if shape.code == grid and shape.polygon), None)
        if corners is None:
            return 10**6
        home = (sum(lat for lat, _ in corners) / len(corners), sum(lon for _, lon in corners) / len(corners))
    return int(distance_m(task.lat, task.lon, *home) // STEP_M)


async def choose(context: Context, *, wanted: bool) -> Screen:
    """The member wants to be asked in private, or not any more. Raises Refusal: no member's record."""
    member = await context.session.get(PartyMember, context.actor.id) if context.actor.id else None
    if member is None:
        raise Refusal("offers.members_only")
    member.offers = wanted
    return screen("offers.resumed" if wanted else "offers.stopped")
