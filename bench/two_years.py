"""Two years of the demo community in simulated time: `python3 dev.py bench two_years`.

The demo community as it stood on 2026-01-05 lives on SQLite until 2028-01-05: the real application with its own store, turns, outbox and
alarms, a hand clock, and seeded people who talk to it. Residents report, rate and order; grid leaders, coordinator and secretary take up,
resolve, forget, extend and reject; members report in, claim, come or do not come. At the end the invariants are asked of the database
(bench/years/checks.py); what broke is said with its moment, and the exit code is 1.

`--days N` lives shorter, `--seed N` others, `--write FILE` writes the summary there, `--profile FILE` a cProfile.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path

import uvloop

from bench.years import checks, summary
from bench.years.governance import Governance
from bench.years.problems import Problems
from bench.years.town import Town, town
from bench.years.work import Work
from services.workdays import ZONE

BEGIN = datetime(2026, 1, 5, 9, tzinfo=ZONE)
DAYS = 730


async def live(begin: datetime, days: int, seed: int) -> tuple[str, list[str]]:
    """So many days of the community from `begin` on: the summary as Markdown, and what broke."""
    started, busy = time.perf_counter(), time.process_time()
    async with town(begin, seed) as made:
        each_day = plans(made)
        each_day(begin.date())
        await made.live(begin + timedelta(days=days), each_day)
        broken = await checks.broken_rules(made, begin)
        return await summary.markdown(made, begin, time.perf_counter() - started, time.process_time() - busy, broken), broken


def plans(made: Town) -> Callable[[date], None]:
    """What each day brings; on the first of a month how far it is, on standard error."""
    problems, work, started = Problems(made), Work(made), time.perf_counter()
    governance = Governance(made, work)

    def plan(day: date) -> None:
        if day.day == 1:
            print(f"{day:%Y-%m} {time.perf_counter() - started:.0f} s, {len(made.broken)} broken", file=sys.stderr, flush=True)
        workday = made.calendar.is_workday(day)
        problems.plan(datetime.combine(day, clock(), ZONE), workday)
        if workday:
            work.plan(day)
            governance.plan(day)

    return plan


def main() -> int:
    """Live, print the summary, and say whether anything broke."""
    parser = argparse.ArgumentParser(prog="bench two_years", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--profile", type=Path)
    chosen = parser.parse_args()
    profile = cProfile.Profile() if chosen.profile else None
    if profile:
        profile.enable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        text, broken = runner.run(live(BEGIN, chosen.days, chosen.seed))
    if profile:
        profile.disable()
        profile.dump_stats(chosen.profile)
    print(text)
    if chosen.write:
        chosen.write.write_text(text, "utf-8")
    for what in broken[:200]:
        print(what, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
