"""An alarm clock and nothing more: APScheduler ticks, occurrences live in the database, each happens once (design.md §6)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.dialects import postgresql, sqlite

from models import Occurrence, OutboxMessage, Setting
from models.database import STORAGE_ERRORS, Database, describe, session_on
from scheduler.jobs import JOBS, Job
from services.clock import Clock, machine_seconds
from services.context import SCHEDULER, Context, ground
from services.owners import is_dead, new_owner
from services.workdays import ZONE

LEASE_SECONDS = 60.0
ATTEMPTS = 5
TICK_SECONDS = 1.0
LOOK_SECONDS = 5.0
# No change of clocks is longer than this.
_CHANGE = timedelta(hours=3)

log = structlog.get_logger("scheduler")
_TABLE: sa.Table = Occurrence.__table__  # type: ignore[attr-defined]
# The states stand in these as the index on open rows says them, so that a tick does not read the history.
_OPEN = sa.text("occurrence.state IN ('due','running')")
_HELD = sa.select(_TABLE.c.lease_token).where(_OPEN, _TABLE.c.state == "running").distinct()
_NEXT = (
    sa.select(_TABLE.c.id)
    .where(_OPEN, _TABLE.c.due <= sa.bindparam("moment"), _TABLE.c.lease_until < sa.bindparam("now"))
    .order_by(_TABLE.c.due, _TABLE.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)


@dataclass
class Alarms:
    """Plans the jobs with a time table, and runs every occurrence that is due. Any number of processes may tick."""

    database: Database
    clock: Clock
    on_posted: Callable[[Sequence[OutboxMessage]], None] = lambda rows: None
    jobs: dict[str, Job] = field(default_factory=lambda: JOBS)
    zone: ZoneInfo = ZONE

    def __post_init__(self) -> None:
        self._ticker: AsyncIOScheduler | None = None
        self._ticking = asyncio.Lock()
        self.owner = new_owner()
        self._next_look = 0.0
        self._tables = {name: _TimeTable(job.crontab, self.zone) for name, job in self.jobs.items() if job.crontab}

    def start(self) -> None:
        """Tick once a second until `stop`."""
        self._ticker = AsyncIOScheduler(timezone=self.zone)
        self._ticker.add_job(self.tick, "interval", seconds=TICK_SECONDS, max_instances=1, coalesce=True, misfire_grace_time=None)
        self._ticker.start()

    async def stop(self) -> None:
        """Tick no more; the running occurrence finishes."""
        if self._ticker is not None:
            self._ticker.shutdown(wait=False)
        async with self._ticking:
            return

    async def tick(self) -> int:
        """Plan, then run all that is due now, in order; how many ran. A database that is down only costs this tick."""
        async with self._ticking:
            try:
                await self._free_the_dead()
                await self.plan(self.clock.now())
                done = 0
                while row := await self._claim():
                    await self._run(row)
                    done += 1
            except STORAGE_ERRORS as error:
                log.warning("scheduler.unreachable", error=describe(error))
                return 0
            return done

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Nothing rings during the block."""
        async with self._ticking:
            yield

    # -- the time table ---------------------------------------------------------------------------------------
    async def plan(self, now: datetime) -> None:
        """Write an occurrence for every time of the time table since the last plan; what was missed follows the job's own rule."""
        dialect = sqlite if self.database.sqlite else postgresql
        async with self.database.connection() as connection:
            settings: sa.Table = Setting.__table__  # type: ignore[attr-defined]
            stored = await connection.execute(sa.select(settings.c.name, settings.c.value).where(settings.c.name.like("job:%")))
            planned = {name.removeprefix("job:"): value for name, value in stored}
            for name, table in self._tables.items():
                row = planned.get(name)
                if row is None:
                    value = {"planned": now.isoformat()}
                    await connection.execute(dialect.insert(settings).values(name=f"job:{name}", value=value).on_conflict_do_nothing())
                    continue
                since = datetime.fromisoformat(row["planned"])
                if (following := table.after(since)) is None or following > now:
                    continue
                times = table.between(since, now)
                latest = times[-1]
                for due in times if self.jobs[name].late == "every" else [latest]:
                    insert = dialect.insert(_TABLE).values(
                        job=name, subject="", due=due, state="due", lease_token="", lease_until=0.0, attempts=0, outcome=""
                    )
                    await connection.execute(insert.on_conflict_do_nothing())
                await connection.execute(
                    sa.update(settings).where(settings.c.name == f"job:{name}").values(value={"planned": latest.isoformat()})
                )

    async def next_due(self, until: datetime) -> datetime | None:
        """The earliest moment up to `until` at which something will be due, or None."""
        async with self.database.connection() as connection:
            first = (await connection.execute(sa.select(sa.func.min(_TABLE.c.due)).where(_OPEN))).scalar()
        now = self.clock.now()
        moments = [first, *(table.after(now) for table in self._tables.values())]
        return min((moment for moment in moments if moment is not None and moment <= until), default=None)

    async def take_as_done(self, now: datetime) -> None:
        """Whatever was due before `now` is taken as done (a fresh demo)."""
        async with self.database.connection() as connection:
            settings: sa.Table = Setting.__table__  # type: ignore[attr-defined]
            await connection.execute(sa.delete(settings).where(settings.c.name.like("job:%")))
        await self.plan(now)

    async def _free_the_dead(self) -> None:
        """What a dead process of this host was running may be run again at once."""
        if (moment := time.monotonic()) < self._next_look:
            return
        self._next_look = moment + LOOK_SECONDS
        async with self.database.connection() as connection:
            dead = [token for token in (await connection.execute(_HELD)).scalars() if is_dead(token)]
            if dead:
                await connection.execute(
                    sa.update(_TABLE).where(_TABLE.c.state == "running", _TABLE.c.lease_token.in_(dead)).values(lease_until=0.0)
                )

    # -- one occurrence ---------------------------------------------------------------------------------------
    async def _claim(self) -> Any:
        now, token = machine_seconds(), f"{self.owner}|{secrets.token_hex(4)}"
        async with self.database.connection() as connection:
            number = (await connection.execute(_NEXT, {"now": now, "moment": self.clock.now()})).scalar()
            if number is None:
                return None
            return (
                await connection.execute(
                    sa.update(_TABLE)
                    .where(_TABLE.c.id == number, _TABLE.c.state.in_(("due", "running")), _TABLE.c.lease_until < now)
                    .values(state="running", lease_token=token, lease_until=now + LEASE_SECONDS, attempts=_TABLE.c.attempts + 1)
                    .returning(_TABLE.c.id, _TABLE.c.job, _TABLE.c.subject, _TABLE.c.due, _TABLE.c.attempts, _TABLE.c.lease_token)
                )
            ).one_or_none()

    async def _run(self, row: Any) -> None:
        """The effect and its `done` in one transaction, fenced by the lease token."""
        job = self.jobs.get(row.job)
        if job is None:
            await self._finish(row, "failed", f"scheduler/jobs.py has no job {row.job!r}")
            return
        if row.attempts > ATTEMPTS:
            await self._finish(row, "failed", "the process died in this job, each time")
            return
        try:
            async with self.database.connection() as connection, session_on(connection) as session:
                context = Context(session, self.clock.now(), SCHEDULER, await ground(session), f"occurrence:{row.id}")
                context.facts["due"] = row.due
                outcome = await job.run(context, row.subject) or "done"
                finished = await session.execute(
                    sa.update(Occurrence)
                    .where(Occurrence.id == row.id, Occurrence.lease_token == row.lease_token, Occurrence.state == "running")  # type: ignore[arg-type]
                    .values(state="done", outcome=str(outcome)[:200], finished_at=context.now)
                    .execution_options(synchronize_session=False)
                )
                if finished.rowcount != 1:  # type: ignore[attr-defined]
                    raise RuntimeError(f"occurrence {row.id} was taken over by another process")
                await session.flush()
        except Exception as error:
            log.error(
                "job.failed",
                job=row.job,
                attempt=row.attempts,
                error=describe(error),
                exc_info=not isinstance(error, sa.exc.SQLAlchemyError),
            )
            if row.attempts >= ATTEMPTS:
                await self._finish(row, "failed", describe(error))
            else:
                await self._finish(row, "due", describe(error), pause=2.0**row.attempts)
            return
        self.on_posted(context.posted)

    async def _finish(self, row: Any, state: str, outcome: str, pause: float = 0.0) -> None:
        async with self.database.connection() as connection:
            await connection.execute(
                sa.update(_TABLE)
                .where(_TABLE.c.id == row.id, _TABLE.c.lease_token == row.lease_token)
                .values(state=state, outcome=outcome[:200], lease_until=machine_seconds() + pause if pause else 0.0)
            )


class _TimeTable:
    """The moments at which a crontab fires: each local time once, whatever the clocks of the zone do.

    A local time that a change of the clocks leaves out fires when it would have been; of one that comes twice, the first counts.
    It is read on the wall clock: the trigger sees local times written as UTC, where no hour is missing and none comes twice.
    """

    def __init__(self, crontab: str, zone: ZoneInfo) -> None:
        self._trigger, self._zone = CronTrigger.from_crontab(crontab, timezone=UTC), zone
        self._known: tuple[datetime, datetime] | None = None

    def between(self, since: datetime, until: datetime) -> list[datetime]:
        """The moments in (since, until], in order."""
        wall, end = self._on_wall(since) - _CHANGE, self._on_wall(until) + _CHANGE
        times: set[datetime] = set()
        while (found := self._trigger.get_next_fire_time(None, wall)) is not None and found <= end:
            moment = found.replace(tzinfo=self._zone).astimezone(UTC)
            if since < moment <= until:
                times.add(moment)
            wall = found + timedelta(microseconds=1)
        return sorted(times)

    def after(self, since: datetime) -> datetime | None:
        """The first moment after `since`, remembered for whoever asks again before it has come; None: never again."""
        if self._known is not None and self._known[0] <= since < self._known[1]:
            return self._known[1]
        wall = self._on_wall(since) - _CHANGE
        while (found := self._trigger.get_next_fire_time(None, wall)) is not None:
            if (moment := found.replace(tzinfo=self._zone).astimezone(UTC)) > since:
                first = min(self.between(since, moment))
                self._known = (since, first)
                return first
            wall = found + timedelta(microseconds=1)
        return None

    def _on_wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=UTC)
