"""What must hold after a simulated life, asked of the database itself: every broken rule in a sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bench.years.town import Town
from models import (
    AnonymousToken,
    CheckIn,
    Claim,
    DigestRun,
    Draft,
    InboxMessage,
    Meeting,
    Occurrence,
    OutboxMessage,
    Problem,
    StateLog,
    Task,
)  # fmt: skip
from services.context import SCHEDULER, Context, ground
from services.periods import Quarter
from services.post import Urgency
from services.replay import problems_at
from services.workdays import local, quiet

AFRESH = ("escalate", "return", "extend", "resume", "reopen", "recount")
WORKDAY_KEYS = ("digest:", "echo_wall:", "deadline_nag:", "meeting", "minutes", "commitment_reminder", "action:")
PUNCTUAL = timedelta(minutes=1)


async def broken_rules(town: Town, begin: datetime) -> list[str]:
    """What went wrong between `begin` and now; with what was noted on the way. Empty when all is well."""
    found = list(town.broken)
    async with town.app.database.transaction() as session:
        for state, where in (("failed", Occurrence.state == "failed"), ("late", (Occurrence.state == "due") & (Occurrence.due < town.now))):
            rows = await session.scalars(sa.select(Occurrence).where(where))
            found += [f"{local(row.due):%Y-%m-%d %H:%M} {row.job} {state}: {row.outcome}" for row in rows]
        late = sa.select(Occurrence).where(Occurrence.state == "done", Occurrence.due >= begin)
        for row in await session.scalars(late):
            if row.finished_at is not None and row.finished_at - row.due > PUNCTUAL:
                found.append(f"{local(row.due):%Y-%m-%d %H:%M} {row.job} happened only at {local(row.finished_at):%m-%d %H:%M}")
        for row in await session.scalars(sa.select(InboxMessage).where(InboxMessage.state != "done")):
            found.append(f"inbox row {row.id} is {row.state}: {row.error}")
        found += await _messages(session, town)
        found += await _digests(session, town, begin)
        found += await _reminders(session)
        found += await _days_off(session, town)
        found += await _lives(session, town, begin)
        found += await _privacy(session, town)
    return found


async def _messages(session: Any, town: Town) -> list[str]:
    """Nothing dead, nothing doubled, nothing but danger and answers at night."""
    found, keys = [], Counter[str]()
    urgent = {row.id for row in await session.scalars(sa.select(Problem).where(Problem.sla == "P1"))}
    for row in await session.scalars(sa.select(OutboxMessage)):
        keys[row.dedupe_key] += 1
        if row.cause == "demo":
            continue
        if row.state == "dead" or (row.state in ("pending", "sending") and row.send_after < town.now):
            found.append(f"message {row.dedupe_key} is {row.state}: {row.error}")
        pushed = row.kind == "send" and row.cause.startswith("occurrence:")
        if pushed and row.sent_at is not None and quiet(row.sent_at):
            problem = row.subject.removeprefix("problem:")
            if row.urgency != Urgency.URGENT or problem not in urgent:
                found.append(f"{local(row.sent_at):%Y-%m-%d %H:%M} pushed at night: {row.dedupe_key}")
    return found + [f"two messages with the key {key}" for key, count in keys.items() if count > 1]


async def _digests(session: Any, town: Town, begin: datetime) -> list[str]:
    """One digest each workday, none on a day off."""
    runs = set(await session.scalars(sa.select(DigestRun.period_key).where(DigestRun.kind == "daily")))
    day, wrong = begin.date() + timedelta(days=1), []
    while day < town.now.date():
        if town.calendar.is_workday(day) != (day.isoformat() in runs):
            wrong.append(f"{day} digest: {'missing' if town.calendar.is_workday(day) else 'on a day off'}")
        day += timedelta(days=1)
    return wrong


async def _reminders(session: Any) -> list[str]:
    """At most two reminders of one deadline (domain.md §0.1)."""
    counts: dict[str, int] = defaultdict(int)
    wrong = []
    where = (StateLog.object_kind == "problem", StateLog.event.in_(("reminded", *AFRESH)))
    for row in await session.scalars(sa.select(StateLog).where(*where).order_by(StateLog.id)):
        counts[row.object_id] = counts[row.object_id] + 1 if row.event == "reminded" else 0
        if counts[row.object_id] > 2:
            wrong.append(f"{local(row.at):%Y-%m-%d %H:%M} a third reminder of one deadline: problem {row.object_id}")
    return wrong


async def _days_off(session: Any, town: Town) -> list[str]:
    """What the program does on workdays alone, it did on workdays: reminders, escalations, meetings, digests, the wall."""
    wrong = []
    urgent = {row.id for row in await session.scalars(sa.select(Problem).where(Problem.sla == "P1"))}
    sent = sa.select(OutboxMessage).where(
        sa.or_(*(OutboxMessage.dedupe_key.startswith(name) for name in WORKDAY_KEYS)), OutboxMessage.sent_at.is_not(None)
    )  # fmt: skip
    wrong += [
        f"{local(row.sent_at):%Y-%m-%d %H:%M} sent on a day off: {row.dedupe_key}"
        for row in await session.scalars(sent)
        if not town.calendar.is_workday(row.sent_at) and row.subject.removeprefix("problem:") not in urgent
    ]
    up = sa.select(StateLog).where(StateLog.event == "escalate", StateLog.actor_role == "scheduler", StateLog.object_id.not_in(urgent))
    wrong += [
        f"{local(row.at):%Y-%m-%d %H:%M} escalated at the wrong time: problem {row.object_id}"
        for row in await session.scalars(up)
        if not town.calendar.is_workday(row.at) or f"{local(row.at):%H:%M}" != "17:35"
    ]
    held = sa.select(Meeting).where(Meeting.planned_at.is_not(None), Meeting.kind == "joint_quarterly")
    wrong += [
        f"{local(row.planned_at):%Y-%m-%d} a meeting on a day off: {row.code}"
        for row in await session.scalars(held)
        if not town.calendar.is_workday(row.planned_at)
    ]
    return wrong


async def _lives(session: Any, town: Town, begin: datetime) -> list[str]:
    """Nothing is left behind by the clock, codes have no holes, and the history tells what is."""
    wrong, numbers = [], defaultdict(list)
    context = Context(session, town.clock.now(), SCHEDULER, await ground(session), "checks")
    for standing in await problems_at(context, town.now):
        problem = standing.problem
        told = (standing.state, standing.level, standing.reopened)
        if told != (problem.state, problem.level, problem.reopen_count):
            wrong.append(f"{problem.code} is {(problem.state, problem.level, problem.reopen_count)}, its history says {told}")
        if problem.state == "RESOLVED" and town.calendar.due(problem.resolved_at, 5) < town.now:
            wrong.append(f"{problem.code} waits for a rating since {local(problem.resolved_at):%Y-%m-%d}")
        _, day, number = problem.code.split("-")
        numbers[day].append(int(number))
    wrong += [
        f"the codes of {day} have holes: {found}" for day, found in numbers.items() if sorted(found) != list(range(1, len(found) + 1))
    ]
    seats: Counter[str] = Counter()
    for claim, task in await session.execute(sa.select(Claim, Task).join(Task, Task.id == Claim.task_id)):
        seats[task.id] += claim.state in ("ACTIVE", "CHECKED_IN", "DONE", "VERIFIED")
        if seats[task.id] > task.capacity:
            wrong.append(f"{task.code} has {seats[task.id]} of {task.capacity}")
        if claim.state in ("ACTIVE", "CHECKED_IN", "WAITLISTED", "OFFERED") and task.end_at + timedelta(days=1) < town.now:
            wrong.append(f"{task.code} is over, and a claim is {claim.state}")
        if claim.state == "VERIFIED" and not 0.5 <= (claim.hours or 0) <= task.planned_hours + 1:
            wrong.append(f"{task.code} gives {claim.hours} hours of {task.planned_hours} planned")
    for meeting in await session.scalars(sa.select(Meeting).where(Meeting.kind == "joint_quarterly", Meeting.makes_up_for.is_(None))):
        if meeting.ended_at is not None and str(Quarter.of(local(meeting.ended_at).date()).code) != meeting.quarter:
            wrong.append(f"{meeting.code} was held {local(meeting.ended_at):%Y-%m-%d} for {meeting.quarter}")
    return wrong


async def _privacy(session: Any, town: Town) -> list[str]:
    """What is over its time is gone (domain.md §6 privacy purge), and an anonymous report names nobody."""
    day, wrong = timedelta(days=1), []
    for name, query in {
        "a draft of more than 7 days": sa.select(Draft.id).where(Draft.updated_at < town.now - 8 * day),
        "coordinates of more than 30 days": sa.select(CheckIn.id).where(CheckIn.coords.is_not(None), CheckIn.at < town.now - 31 * day),
        "an anonymous address": sa.select(AnonymousToken.id).where(
            AnonymousToken.purge_at < town.now - day, AnonymousToken.return_address.is_not(None)
        ),
        "an anonymous report with a reporter": sa.select(Problem.id).where(Problem.anonymous, Problem.reporter_id.is_not(None)),
        "the body of a message that is sent": sa.select(OutboxMessage.id).where(
            OutboxMessage.state == "sent", OutboxMessage.body.is_not(None), OutboxMessage.cause != "demo"
        ),
    }.items():
        count = len(list(await session.scalars(query)))
        if count:
            wrong.append(f"{count} × {name} is still there")
    return wrong
