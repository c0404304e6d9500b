"""What must hold after a simulated life, asked of the database itself: every broken rule in a sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import sqlalchemy as sa

from bench.years.town import Town
from models import DigestRun, InboxMessage, Occurrence, OutboxMessage, Problem, StateLog
from services.post import Urgency
from services.workdays import local, quiet

AFRESH = ("escalate", "return", "extend", "resume", "reopen", "recount")
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
    return found


async def _messages(session: object, town: Town) -> list[str]:
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


async def _digests(session: object, town: Town, begin: datetime) -> list[str]:
    """One digest each workday, none on a day off."""
    runs = set(await session.scalars(sa.select(DigestRun.period_key).where(DigestRun.kind == "daily")))
    day, wrong = begin.date() + timedelta(days=1), []
    while day < town.now.date():
        if town.calendar.is_workday(day) != (day.isoformat() in runs):
            wrong.append(f"{day} digest: {'missing' if town.calendar.is_workday(day) else 'on a day off'}")
        day += timedelta(days=1)
    return wrong


async def _reminders(session: object) -> list[str]:
    """At most two reminders of one deadline (domain.md §0.1)."""
    counts: dict[str, int] = defaultdict(int)
    wrong = []
    where = (StateLog.object_kind == "problem", StateLog.event.in_(("reminded", *AFRESH)))
    for row in await session.scalars(sa.select(StateLog).where(*where).order_by(StateLog.id)):
        counts[row.object_id] = counts[row.object_id] + 1 if row.event == "reminded" else 0
        if counts[row.object_id] > 2:
            wrong.append(f"{local(row.at):%Y-%m-%d %H:%M} a third reminder of one deadline: problem {row.object_id}")
    return wrong
