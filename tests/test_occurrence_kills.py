"""Three processes on one time table, killed again and again: every occurrence happens once and has one recorded outcome."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from faults import NOW

from models import Community, Occurrence
from models.database import Database

TICKER = Path(__file__).parent / "ticker.py"
PROCESSES = 3


@dataclass
class Aftermath:
    """What stands in the database when all is over."""

    effects: Counter[str]
    rows: list[Occurrence]

    @property
    def doubled(self) -> int:
        return sum(count - 1 for count in self.effects.values())

    @property
    def missing(self) -> int:
        return sum(f"occurrence:{row.id}" not in self.effects for row in self.rows)

    @property
    def interrupted(self) -> int:
        return sum(row.attempts > 1 for row in self.rows)


async def slaughter(url: str, occurrences: int, kills: int, *mutant: str) -> Aftermath:
    """Let three processes work on half alarms, half times of a time table, kill one of them at a time, and let the last lives finish."""
    alarms = minutes = occurrences // 2
    now, chance = NOW + timedelta(minutes=minutes), random.Random(kills)
    database = Database(url)
    async with database.transaction() as session:
        session.add(Community(name="青禾里社区"))
    async with database.connection() as connection:
        await connection.execute(sa.text("CREATE TABLE effect (cause TEXT NOT NULL, pid INTEGER NOT NULL)"))
        await connection.execute(
            sa.insert(Occurrence.__table__),
            [
                {"job": "alarm", "subject": f"s{number}", "due": NOW + timedelta(seconds=number % 60), "state": "due", "lease_token": "",
                 "lease_until": 0.0, "attempts": 0, "outcome": ""}
                for number in range(alarms)
            ],
        )  # fmt: skip
        planned = sa.text("INSERT INTO setting (name, value) VALUES ('job:minutely', :value)")
        await connection.execute(planned, {"value": f'{{"planned": "{NOW.isoformat()}"}}'})
    command = [sys.executable, str(TICKER), url, now.isoformat(), *mutant]
    forks = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)

    async def live() -> int:
        forks.stdin.write(b"start\n")
        return int(await asyncio.wait_for(forks.stdout.readline(), 60))

    async def unfinished() -> int:
        async with database.connection() as connection:
            done = sa.select(sa.func.count()).where(Occurrence.state.in_(("done", "failed")))
            return alarms + minutes - (await connection.execute(done)).scalar()

    lives = [await live() for _ in range(PROCESSES)]
    killed = 0
    try:
        while left := await unfinished():
            await asyncio.sleep(chance.uniform(0.0, 0.02))
            if killed < 1.2 * kills * (1 - left / occurrences):  # in step with the work, so that none comes when all is done
                place = chance.randrange(PROCESSES)
                os.kill(lives[place], signal.SIGKILL)
                lives[place] = await live()
                killed += 1
    finally:
        forks.stdin.close()
        forks.kill()
        await forks.wait()
    async with database.transaction() as session:
        effects = Counter((await session.execute(sa.text("SELECT cause FROM effect"))).scalars())
        rows = list(await session.scalars(sa.select(Occurrence)))
    await database.close()
    assert killed >= kills, f"only {killed} kills before all was done"
    return Aftermath(effects, rows)


def judge(after: Aftermath, occurrences: int) -> None:
    assert (after.doubled, after.missing) == (0, 0)
    assert len(after.rows) == len(after.effects) == occurrences
    assert {row.state for row in after.rows} == {"done"}
    assert all(row.outcome.startswith("done by ") and row.finished_at for row in after.rows)


async def test_eight_kills(database_url):
    judge(await slaughter(database_url, 200, 8), 200)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_hundred_kills_of_three_processes_on_five_thousand_occurrences(database_url):
    after = await slaughter(database_url, 5000, 200)
    judge(after, 5000)
    assert after.interrupted > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_with_the_effect_in_a_commit_of_its_own_some_are_doubled(database_url):
    """The negative control."""
    assert (await slaughter(database_url, 1000, 100, "in_two_commits")).doubled > 0
