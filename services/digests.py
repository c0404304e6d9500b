"""Digests (domain.md §6, §11 简报): what the community's coordinators, its secretary and the grid leaders should know in the morning.

Each is made once a day whatever happens (DigestRun), covers what came in since the one before, and is not sent on days off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import DigestRun, Person, Problem
from models.lifecycle import PROBLEM
from services import duties, figures, hotspots, metrics_people, post, tickets
from services.context import Context
from services.identity import persons_with, roles_of
from services.periods import Quarter
from services.replay import IN_WORK, Standing, problems_at
from services.spans import Span, midnight
from services.workdays import QUIET_FROM, ZONE, local
from texts import digest_screens as screens
from texts.digest_screens import Case
from texts.screen import Key, Screen, Value

DAILY, GRID = "daily", "grid"
AUDIENCE = ("coordinator", "community_secretary")
AT = time(8, 30)
REJECTED = ("REJECTED", "WITHDRAWN")
LISTED = 8


# -- by the clock ------------------------------------------------------------------------------------------------------
async def daily(context: Context, _subject: str) -> str:
    """The digest of the whole community to coordinators and secretary, once a workday from 08:30 on; how many got it.

    On the first workday of a week with the week before and a picture. After a downtime that lasted into the quiet hours it is left to
    the next morning.
    """
    if (reason := _not_now(context)) is not None:
        return reason
    run = await _begin(context, DAILY)
    return "already" if run is None else await _send(context, run, await persons_with(context, *AUDIENCE), None)


async def grids(context: Context, _subject: str) -> str:
    """The digest of each grid to its leaders, once a workday from 08:30 on, unless they get that of the community; how many got it."""
    if (reason := _not_now(context)) is not None:
        return reason
    told = {person.id for person in await persons_with(context, *AUDIENCE)}
    outcomes = []
    for grid in context.ground.grids:
        leaders = [one for one in await persons_with(context, "grid_leader", grid=grid) if one.id not in told]
        leaders = [one for one in leaders if await _leads(context, one, grid)]
        if leaders and (run := await _begin(context, f"{GRID}:{grid}")) is not None:
            outcomes.append(f"{grid}: {await _send(context, run, leaders, grid)}")
    return "; ".join(outcomes) or "already"


async def _leads(context: Context, person: Person, grid: str) -> bool:
    return any(grant.role == "grid_leader" and grant.grid == grid for grant in await roles_of(context.session, person.id, context.now))


def _not_now(context: Context) -> str | None:
    """Why no digest is made at this moment, or None."""
    now = local(context.now)
    if not context.calendar.is_workday(now.date()):
        return "not a workday"
    return None if AT <= now.time() < QUIET_FROM else "left to the next morning"


async def _begin(context: Context, kind: str) -> DigestRun | None:
    """The run of today, begun now; None when there is one."""
    today = local(context.now).date().isoformat()
    known = await context.session.scalar(
        sa.select(col(DigestRun.id)).where(col(DigestRun.kind) == kind, col(DigestRun.period_key) == today)
    )
    if known is not None:
        return None
    run = DigestRun(kind=kind, period_key=today, covers_from=await covered(context, kind), covers_to=context.now)
    context.session.add(run)
    await context.session.flush()
    return run


async def covered(context: Context, kind: str) -> datetime:
    """Until when the runs before today covered this kind; where there was none the community's, else 08:30 of the workday before."""
    today = local(context.now).date()
    for known in dict.fromkeys((kind, DAILY)):
        query = sa.select(col(DigestRun.covers_to)).where(col(DigestRun.kind) == known, col(DigestRun.period_key) < today.isoformat())
        last: datetime | None = await context.session.scalar(query.order_by(col(DigestRun.covers_to).desc()).limit(1))
        if last is not None:
            return last
    return datetime.combine(context.calendar.add(today, -1), AT, ZONE)


async def _send(context: Context, run: DigestRun, readers: Iterable[Person], grid: str | None) -> str:
    facts = await gather(context, run.covers_from, grid)
    week = await of_week(context, _week_before(context), grid)
    run.facts = facts.numbers
    people = list(readers)
    pictures: dict[str, str] = {}
    sent = 0
    for person in people:
        shown = screens.digest(facts.values, facts.cases, week)
        if week is not None and facts.values["busy"]:
            if person.language not in pictures:
                span = Span.quarter(Quarter.of(local(context.now).date()))
                pictures[person.language] = await figures.picture(context, span, context.now, grid, person.language)
            shown = screens.with_media(shown, pictures[person.language])
        key = f"digest:{run.kind}:{run.period_key}:{person.id}"
        sent += await post.to_person(context, person.id, shown, key=key) is not None
    return f"sent to {sent}" + (f", {len(people) - sent} cannot be reached" if sent < len(people) else "")


def _week_before(context: Context) -> Span | None:
    """Last week, on the first workday of a week."""
    today = local(context.now).date()
    this = Span.week(today)
    earlier = (local(this.begin).date() + timedelta(days=number) for number in range(today.weekday()))
    return None if any(context.calendar.is_workday(day) for day in earlier) else this.before


# -- on request --------------------------------------------------------------------------------------------------------
async def today(context: Context) -> Screen:
    """今日简报: as the morning's, up to now, since the one before today; it does not count as one. Raises Refusal: not theirs."""
    grid = figures.own_grid(context)
    facts = await gather(context, await covered(context, DAILY if grid is None else f"{GRID}:{grid}"), grid)
    return screens.digest(facts.values, _for(context, facts.cases), None)


async def this_week(context: Context) -> Screen:
    """本周简报: this week so far, with the picture. Raises Refusal: not theirs."""
    grid = figures.own_grid(context)
    week = Span.week(local(context.now).date())
    facts = await gather(context, week.begin, grid)
    shown = screens.digest(facts.values, _for(context, facts.cases), await of_week(context, week, grid))
    return screens.with_media(shown, await figures.picture(context, week, context.now, grid))


async def cases(context: Context, said: str) -> Screen:
    """What waits, the most urgent first, from the n-th on (`said`); a screenful. Raises Refusal: not theirs."""
    grid = figures.own_grid(context)
    found = _for(context, (await gather(context, context.now, grid)).cases)
    return screens.cases(found, int(said) if said.isdecimal() and len(said) < 6 else 0, LISTED)


async def overdue(context: Context) -> Screen:
    """What is overdue, a button for each, at most a screenful. Raises Refusal: not theirs."""
    grid = figures.own_grid(context)
    facts = await gather(context, context.now, grid)
    late = set(facts.numbers["overdue"])
    return screens.overdue([one for one in _for(context, facts.cases) if one.code in late], LISTED)


def _for(context: Context, found: list[Case]) -> list[Case]:
    """The street is shown numbers alone (domain.md §4, aggregated)."""
    return found if context.actor.has(*AUDIENCE, "community_clerk", "grid_leader") else []


# -- counting ----------------------------------------------------------------------------------------------------------
class Facts:
    """What a digest says: `values` for its screen, `numbers` for the record, `cases` with the most urgent first."""

    def __init__(self, values: dict[str, Value], numbers: dict[str, Any], cases: list[Case]) -> None:
        self.values, self.numbers, self.cases = values, numbers, cases


async def gather(context: Context, since: datetime, grid: str | None) -> Facts:
    """Everything at this moment; 新增 is what came in since `since`, 无效 of it what was refused or taken back."""
    own = [col(Problem.grid_code) == grid] if grid is not None else []
    now = context.now
    found = await problems_at(context, now, sa.or_(col(Problem.state).in_(PROBLEM.open), col(Problem.submitted_at) >= since), *own)
    new = [one for one in found if since <= one.problem.submitted_at < now]
    overdue = [one for one in found if one.overdue(now)]
    evening = midnight(local(now).date() + timedelta(days=1))
    contact = [one for one in found if _to_contact(one, evening)]
    due = [one for one in found if one.waits and not one.overdue(now) and one.working_due is not None and one.working_due < evening]
    due = [one for one in due if one.working_due is not None and one.working_due >= midnight(local(now).date())]
    spots = await hotspots.find(context, now, grid)
    open_tasks, todays = await duties.tasks(context, grid)
    numbers: dict[str, Any] = {
        "new": len(new), "invalid": sum(one.state in REJECTED for one in new), "waiting": _count(found, "SUBMITTED"),
        "work": _count(found, *IN_WORK), "overdue": sorted(one.problem.code for one in overdue), "unrated": _count(found, "RESOLVED"),
        "suspended": _count(found, "SUSPENDED"), "contact": len(contact), "due": len(due),
        "hotspots": [[spot.place, spot.category, spot.count] for spot in spots], "tasks": [open_tasks, todays],
    }  # fmt: skip
    year = Span.year(local(now).year)
    target = await metrics_people.on_target(context, year, now, grid)
    meeting = await duties.joint_meeting(context) if grid is None else None
    busy = bool(new or overdue or contact or due or numbers["waiting"] or todays)
    values: dict[str, Value] = {
        "date": local(now).date(), "who": context.ground.name if grid is None else context.ground.grid_name(grid), "busy": int(busy),
        "new": len(new) or None, "invalid": Key("digest.invalid", {"count": numbers["invalid"]}) if numbers["invalid"] else None,
        "waiting": numbers["waiting"] or None, "work": numbers["work"] or None, "overdue": len(overdue) or None,
        "codes": screens.shortened(numbers["overdue"]), "unrated": numbers["unrated"] or None, "suspended": numbers["suspended"] or None,
        "contact": len(contact) or None, "due": len(due) or None, "hotspots": len(spots) or None,
        "spots": screens.shortened([spot.shown for spot in spots]), "tasks": screens.tasks(open_tasks, todays), "meeting": meeting,
        "target": Key("digest.target", {"met": int(target.part), "members": int(target.whole)}) if target.whole else None,
    }  # fmt: skip
    return Facts(values, numbers | {"target": [int(target.part), int(target.whole)]}, _cases(context, found, evening))


def _count(found: Iterable[Standing], *states: str) -> int:
    return sum(one.state in states for one in found)


def _to_contact(one: Standing, evening: datetime) -> bool:
    """Whether its reporter must be spoken to today, or should have been."""
    promised = one.contact_due
    return one.waits and one.contact_at is None and promised is not None and promised < evening and tickets.reachable(one.problem)


def _cases(context: Context, found: Iterable[Standing], evening: datetime) -> list[Case]:
    """What waits with the reason to look at it, the most urgent first: danger, overdue, contact, due today, not taken up."""
    ranked = []
    for one in found:
        if one.waits and (why := _why(context, one, evening)) is not None:
            rank, reason = why
            problem = one.problem
            shown = Case(problem.id, problem.code, reason, tickets.category(problem), problem.place_name)
            ranked.append((rank, problem.sla, one.promised, problem.code, shown))
    return [shown for *_, shown in sorted(ranked, key=lambda each: each[:4])]


def _why(context: Context, one: Standing, evening: datetime) -> tuple[int, Key] | None:
    now = context.now
    if one.problem.sla == "P1":
        return 0, Key("digest.why.urgent")
    if one.overdue(now):
        days = context.calendar.overdue_workdays(one.promised, now)
        return 1, Key("digest.why.overdue_days", {"days": days}) if days else Key("digest.why.overdue")
    if _to_contact(one, evening):
        late = one.contact_due is not None and one.contact_due <= now
        return (2, Key("digest.why.contact_late")) if late else (3, Key("digest.why.contact"))
    if one.working_due is not None and one.working_due < evening:
        return 4, Key("digest.why.due")
    return (5, Key("digest.why.waiting")) if one.state == "SUBMITTED" else None


async def of_week(context: Context, week: Span | None, grid: str | None) -> Key | None:
    """What came in and was done in a week (None: no week), as some lines; None where nothing did."""
    if week is None:
        return None
    own = [col(Problem.grid_code) == grid] if grid is not None else []
    lately = sa.or_(col(Problem.submitted_at) >= week.begin, col(Problem.resolved_at) >= week.begin)
    found = await problems_at(context, context.now, lately, *own)
    new = [one for one in found if one.valid and week.begin <= one.problem.submitted_at < week.end]
    done = [one for one in found if one.finished and one.resolved_at is not None and week.begin <= one.resolved_at < week.end]
    if not new and not done:
        return None
    late = sum(one.resolved_at is not None and one.due is not None and one.resolved_at > one.due for one in done)
    most = Counter(one.problem.category for one in new).most_common(1)
    ends: tuple[date, date] = (local(week.begin).date(), local(week.end - timedelta(seconds=1)).date())
    return screens.week(ends, len(new), len(done), late, (most[0][0], most[0][1]) if most and most[0][1] > 1 else None)
