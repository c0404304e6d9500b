"""A fork server of tickers: for every line `start` forks a process that ticks one alarm clock until it is killed.

`python tests/ticker.py DATABASE_URL NOW [in_two_commits]` prints the pid of each. The mutant takes the guard away that makes an effect and its
`done` one commit: the negative control of tests/test_occurrence_kills.py.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import sqlalchemy as sa  # noqa: E402
import structlog  # noqa: E402

from models.database import Database, session_on  # noqa: E402
from scheduler import clock  # noqa: E402
from scheduler.clock import Alarms  # noqa: E402
from scheduler.jobs import Job  # noqa: E402
from services.clock import HandClock  # noqa: E402
from services.context import SCHEDULER, Context, ground  # noqa: E402

EFFECT = sa.text("INSERT INTO effect (cause, pid) VALUES (:cause, :pid)")
MINUTELY = "* * * * *"


async def leave_a_mark(context: Context, subject: str) -> str:
    """The effect of an occurrence: a row that no key keeps from being written twice."""
    await context.session.execute(EFFECT, {"cause": context.cause, "pid": os.getpid()})
    return f"done by {os.getpid()}"


JOBS = {"alarm": Job("alarm", "", leave_a_mark), "minutely": Job("minutely", MINUTELY, leave_a_mark, late="every")}


async def in_two_commits(self: Alarms, row: Any) -> None:
    """The effect first, and then, in a commit of its own, that it happened."""
    async with self.database.connection() as connection, session_on(connection) as session:
        await self.jobs[row.job].run(
            Context(session, self.clock.now(), SCHEDULER, await ground(session), f"occurrence:{row.id}"), row.subject
        )
    await self._finish(row, "done", "done")


async def tick(url: str, now: datetime) -> None:
    """Tick until killed."""
    alarms = Alarms(Database(url), HandClock(now), jobs=JOBS)
    while True:
        await alarms.tick()
        await asyncio.sleep(0.01)


def main() -> None:
    """Fork a ticker for every line."""
    url, now = sys.argv[1], datetime.fromisoformat(sys.argv[2])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if sys.argv[3:]:
        Alarms._run = in_two_commits  # type: ignore[method-assign]
    clock.LOOK_SECONDS = 0.2  # nobody waits long for what a dead one held
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # dies with the fork server
            asyncio.run(tick(url, now))
        os.write(1, f"{child}\n".encode())


if __name__ == "__main__":
    main()
