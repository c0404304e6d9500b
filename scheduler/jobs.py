"""The one table of jobs: what happens by the clock. A job without a time table happens when an alarm was set for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from services import claims, problems, purge, upkeep
from services.context import Context


@dataclass(frozen=True, slots=True)
class Job:
    """`run(context, subject)` happens at each due time; `crontab` (Asia/Shanghai, 0 = Monday) or "" for alarms that services set.

    `late`: after a downtime run "once" for the latest missed time, or "every" missed time. Returns what is recorded as the outcome.
    """

    name: str
    crontab: str
    run: Callable[[Context, str], Awaitable[object]]
    late: Literal["once", "every"] = "once"


_TABLE = (
    # fmt: off
    Job("privacy_purge",   "0 3 * * *",  purge.nightly),
    Job("dead_letters",    "",           upkeep.report_dead_letters),
    Job("expire_offer",    "",           claims.expire_offer),
    Job("resume_problem",  "",           problems.resume_due),
    # fmt: on
)

JOBS: dict[str, Job] = {job.name: job for job in _TABLE}
