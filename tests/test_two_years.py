"""The simulated life of bench/two_years.py, in little: a week of the demo community, and that what breaks is seen."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa

from bench.two_years import plans
from bench.years import checks, summary
from bench.years.town import town
from bot.calendar import works_on
from models import Occurrence, OutboxMessage
from scheduler.jobs import JOBS
from services.workdays import ZONE, local

NOT_TODAY = ("not a workday", "not now")
# What only grows: a statement of every day that reads one of these from end to end is slower each year.
GROWING = ("outbox", "inbox", "occurrence", "state_log", "audit_log", "problem", "evaluation", "media", "chat_account")


@contextmanager
def statements(database):
    """Every different statement with the values it was first given."""
    found = {}

    def remember(connection, cursor, statement, values, context, many):
        if not many and statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            found.setdefault(statement, values)

    engine = database.engine
    sa.event.listen(engine, "before_cursor_execute", remember)
    yield found
    sa.event.remove(engine, "before_cursor_execute", remember)


async def reading_all(database, found):
    """The statements for which SQLite plans to read a growing table from end to end."""
    slow = []
    async with database.connection() as connection:
        for statement, values in found.items():
            plan = [row[3] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            if any(re.fullmatch(rf"SCAN ({'|'.join(GROWING)})( AS \w+)?", step) for step in plan):
                slow.append(" ".join(statement.split()))
    return slow


async def test_a_week_holds_every_invariant_and_a_broken_one_is_seen():
    begin = datetime(2026, 1, 8, 8, tzinfo=ZONE)  # a Thursday
    async with town(begin, 1) as made:
        each_day = plans(made)
        each_day(begin.date())
        with statements(made.app.database) as found:
            await made.live(begin + timedelta(days=7), each_day)
        assert "\n".join(await reading_all(made.app.database, found)) == ""
        assert await checks.broken_rules(made, begin) == []
        assert made.counts["reported"] >= 7
        assert sum(made.refusals.values()) <= 2, made.refusals
        text = await summary.markdown(made, begin, 1.0, 1.0, [])
        assert "| 办结率 |" in text and "| daily_digest |" in text

        # the calendar on the command line knows on which days the jobs find that it is not their day
        rows = await made.rows(Occurrence, Occurrence.state == "done")
        timed = [(row, works_on(row.job, made.calendar, local(row.due).date())) for row in rows if JOBS[row.job].crontab]
        assert len({row.job for row, _ in timed}) >= 8
        for row, works in timed:
            assert row.outcome not in NOT_TODAY if works else row.outcome in (*NOT_TODAY, "already"), (row.job, row.due, row.outcome)

        # what goes wrong is named
        async with made.app.database.transaction() as session:
            await session.execute(sa.update(Occurrence).where(Occurrence.job == "echo_wall").values(state="failed"))
            night = made.now.replace(hour=2)
            await session.execute(
                sa.update(OutboxMessage).where(OutboxMessage.cause.like("occurrence:%")).values(sent_at=night, state="dead")
            )
        said = "\n".join(await checks.broken_rules(made, begin))
        for words in ("echo_wall failed", "pushed at night", "is dead"):
            assert words in said
