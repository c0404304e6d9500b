"""What a simulated life came to, as Markdown: quarter by quarter, and what the clock did."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from bench.years.town import Town
from models import Claim, Commitment, DigestRun, Meeting, Occurrence, Order, OutboxMessage, Problem, StateLog, Task
from services import metrics
from services.context import SCHEDULER, Context, ground
from services.metrics import Ratio
from services.periods import Quarter
from services.spans import Span
from services.workdays import ZONE, local

COMMAND = "python3 dev.py bench two_years --write docs/two-years.md"
ASSERTED = """Asserted (`bench/years/checks.py`):

* no job failed, waited or rang late; no update put aside, no dead letter, no two messages with one dedupe key;
* nothing pushed between 21:00 and 08:00 but danger; reminders, digests, the wall and meetings on workdays only, escalation at 17:35 of one;
* one digest each workday and none on a day off; at most two reminders of one deadline; no message over 4,096 characters;
* the history of every problem tells the state, level and reopenings it has; codes without holes; no result waits for a rating longer than
  five workdays; no task over its capacity, no claim left behind by its task, no hours beyond the plan;
* no meeting on a day off or counted for another quarter;
* no resident's name in a group; drafts, coordinates, anonymous addresses and delivered bodies gone when their time is over;
* everybody who writes in private is answered."""
LOOKED_AT = ("problem", "state_log", "outbox", "inbox", "occurrence", "task", "claim", "evaluation", "meeting", "commitment", "audit_log")
# A code, a date or a number.
_NUMBERS = re.compile(r"[A-Z]{0,3}\d[\w-]*")


async def markdown(town: Town, begin: datetime, seconds: float, processor: float, broken: list[str]) -> str:
    """The summary of all that happened since `begin`, which took so many seconds, and so many of the processor."""
    async with town.app.database.transaction() as session:
        context = Context(session, town.clock.now(), SCHEDULER, await ground(session), "summary")
        spans = _quarters(begin, town.now)
        quarters = [await _quarter(context, span, town) for span in spans]
        years = [await _promises(session, year) for year in range(begin.year, town.now.year + 1)]
        parts = [
            _head(town, begin, seconds, processor, broken),
            "## Quarter by quarter\n\n"
            + _table(["", *(span.code for span in spans)], [[name, *(q[name] for q in quarters)] for name in quarters[0]]),
            "## Promises\n\n" + _table(list(years[0]), [list(year.values()) for year in years]),
            "## What the clock did\n\n" + await _jobs(session),
            "## What is kept\n\n" + await _kept(session, town),
        ]
    if town.refusals:
        lines = "\n".join(f"* {count} × {what}" for what, count in sorted(town.refusals.items(), key=lambda pair: -pair[1])[:25])
        parts.append(f"## Answers that said no\n\nPeople are not perfect either; what they tried is counted, not asserted.\n\n{lines}")
    return "\n\n".join(parts) + "\n"


def _quarters(begin: datetime, end: datetime) -> list[Span]:
    found, day = [], begin.date()
    while day < end.date():
        found.append(Span.quarter(Quarter.of(day)))
        day = local(found[-1].end).date()
    return found


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [" | ".join(map(str, head)), " | ".join("---" for _ in head), *(" | ".join(map(str, row)) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _head(town: Town, begin: datetime, seconds: float, processor: float, broken: list[str]) -> str:
    counts = town.counts
    verdict = "every invariant held" if not broken else f"**{len(broken)} broken**, the first: {broken[0]}"
    lived = (
        f"From {begin:%Y-%m-%d} to {town.now:%Y-%m-%d} in {seconds:.0f} s ({processor:.0f} s of the processor) on SQLite: "
        f"{counts['spoken']} things said or pressed, {town.street.count} messages sent, the longest of {town.street.longest} "
        f"characters, {town.ticks} moments at which the clock rang; {verdict}."
    )
    return (
        f"# Two years of the demo community\n\n`{COMMAND}` ({platform.python_version()}, {os.cpu_count()} cores).\n\n{lived}\n\n{ASSERTED}"
    )


def _shown(ratio: Ratio) -> str:
    return "—" if ratio.percent is None else f"{ratio.percent} ({float(ratio.part):g}/{float(ratio.whole):g})"


async def _quarter(context: Context, span: Span, town: Town) -> dict[str, Any]:
    """The numbers of one quarter by name."""
    session, at = context.session, min(context.now, span.end + timedelta(days=30))
    found = await metrics.cohort(context, span, at)
    fair = (await metrics.weights(context))["fair"]
    began = datetime.combine(town.begin, datetime.min.time(), ZONE)
    within = lambda column: (column >= span.begin, column < span.end)  # noqa: E731

    async def count(column: Any, *where: Any) -> int:
        return int(await session.scalar(sa.select(sa.func.count()).select_from(column.class_).where(*within(column), *where)) or 0)

    def moved(*events: str) -> Any:
        return count(StateLog.at, StateLog.object_kind == "problem", StateLog.event.in_(events), StateLog.undone.is_(False))

    hours = (
        sa.select(sa.func.sum(Claim.hours)).join(Task, Task.id == Claim.task_id).where(Claim.state == "VERIFIED", *within(Task.start_at))
    )
    states = Counter(row.state for row in await session.scalars(sa.select(Meeting).where(Meeting.quarter == span.code)))
    daily = (
        sa.select(sa.func.count())
        .select_from(OutboxMessage)
        .where(OutboxMessage.dedupe_key.like("digest:daily:%"), *within(OutboxMessage.sent_at))
    )
    walls = (
        sa.select(sa.func.count())
        .select_from(OutboxMessage)
        .where(OutboxMessage.dedupe_key.like("echo_wall:%"), *within(OutboxMessage.sent_at))
    )
    return {
        "problems submitted": len(found.every), "merged, rejected, withdrawn": len(found.every) - len(found.valid),
        "办结率": _shown(found.finished()), "按时办结率": _shown(found.in_time()), "响应率": _shown(found.answered()),
        "解决率": _shown(found.solved()), "满意率": _shown(found.satisfied(fair)), "参评率": _shown(found.rated()),
        "网格内办结率": _shown(found.in_grid()), "resolved": await moved("resolve"), "escalated": await moved("escalate"),
        "reopened": await moved("reopen"), "closed in silence": await moved("expire"), "reminders of deadlines": await moved("reminded"),
        "orders": await count(Order.submitted_at), "tasks": await count(Task.created_at),
        "claims verified": await count(Claim.verified_at, Claim.state == "VERIFIED"),
        "hours verified": f"{await session.scalar(hours) or 0:g}",
        "workdays": _workdays(town, span, context.now),
        "digests": await count(DigestRun.covers_to, DigestRun.kind == "daily", DigestRun.covers_to > began),
        "digest messages": await session.scalar(daily), "echo wall posts": await session.scalar(walls),
        "joint meeting": ", ".join(f"{state}{'' if number == 1 else f' × {number}'}" for state, number in sorted(states.items())) or "—",
    }  # fmt: skip


def _workdays(town: Town, span: Span, now: datetime) -> int:
    first, last = max(local(span.begin).date(), town.begin), min(local(span.end), local(now)).date()
    days = (first + timedelta(days=number) for number in range((last - first).days))
    return sum(town.calendar.is_workday(day) for day in days)


async def _promises(session: Any, year: int) -> dict[str, Any]:
    rows = list(await session.scalars(sa.select(Commitment).where(Commitment.year == year)))
    states, results = Counter(row.state for row in rows), Counter(row.result for row in rows if row.result)
    items = [item for row in rows for item in row.items]
    marks = Counter(item.get("result") for item in items)
    return {
        "year": year, "promises": len(rows), "returned": sum(row.returned for row in rows),
        "states": ", ".join(f"{state} {count}" for state, count in sorted(states.items())) or "—",
        "results": ", ".join(f"{result} {count}" for result, count in sorted(results.items())) or "—",
        "items kept": f"{marks['kept']} of {len(items)}", "partly": marks["partly"], "not": marks["not"], "excused": marks["excused"],
    }  # fmt: skip


async def _jobs(session: Any) -> str:
    """Occurrences by job and state; outcomes by their words, with … for codes and numbers."""
    rows = await session.execute(
        sa.select(Occurrence.job, Occurrence.state, Occurrence.outcome, sa.func.count()).group_by(
            Occurrence.job, Occurrence.state, Occurrence.outcome
        )
    )
    states: dict[str, Counter[str]] = defaultdict(Counter)
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for job, state, outcome, count in rows:
        states[job][state] += count
        if state == "done":
            outcomes[job][_NUMBERS.sub("…", outcome.split(";")[0])] += count
    lines = []
    for job in sorted(states):
        said = ", ".join(f"{what or 'done'} {count}" for what, count in outcomes[job].most_common(5))
        lines.append([job, *(states[job][state] or "" for state in ("done", "dropped", "due", "failed")), said])
    totals = [sum(states[job][state] for job in states) for state in ("done", "dropped", "due", "failed")]
    return _table(["job", "done", "dropped", "still to come", "failed", "outcomes"], [*lines, ["**all**", *totals, ""]])


async def _kept(session: Any, town: Town) -> str:
    tables = {table.name: table for table in SQLModel.metadata.sorted_tables}
    counts = {name: await session.scalar(sa.select(sa.func.count()).select_from(tables[name])) for name in LOOKED_AT if name in tables}
    file = Path(str(town.app.database.url).partition(":///")[2])
    size = sum(each.stat().st_size for each in file.parent.glob(file.name + "*")) / 1e6
    states = await session.execute(sa.select(Problem.state, sa.func.count()).group_by(Problem.state))
    left = ", ".join(f"{state} {count}" for state, count in sorted(states.all()))
    return f"{_table(['table', 'rows'], [list(pair) for pair in counts.items()])}\n\nThe file: {size:.1f} MB. Problems at the end: {left}."
