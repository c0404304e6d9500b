"""The alarm clock (design.md §6): every due time happens once, at its own time, in order, whoever ticks and whatever dies."""

import asyncio
import random
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from faults import NOW, Crash, echo, machines, time_by_hand, until

from models import Chat, Counter, Occurrence, OutboxMessage
from scheduler import clock as clock_module
from scheduler.clock import ATTEMPTS, LEASE_SECONDS, Alarms
from scheduler.jobs import Job
from services import post, workdays
from services.alarms import drop_alarms, set_alarm
from services.clock import HandClock
from services.context import SCHEDULER, Context, ground
from services.workdays import ZONE


class Bench:
    """Jobs of the test's own and what they did: `count` in the database, by the same transaction as the occurrence's `done`."""

    def __init__(self, machine) -> None:
        self.machine, self.clock, self.database = machine, HandClock(NOW), machine.database
        self.ran: list[tuple[str, str, datetime]] = []
        self.fail = None
        self.jobs = {
            job.name: job
            for job in (
                Job("daily", "30 8 * * *", self.do), Job("hourly", "0 * * * *", self.do, late="every"),
                Job("monday", "0 9 * * 0", self.do), Job("alarm", "", self.do), Job("second", "", self.do),
            )
        }  # fmt: skip

    async def do(self, context: Context, subject: str) -> str:
        name = f"ran:{context.cause}"
        row = await context.session.get(Counter, name) or Counter(name=name)
        row.value += 1
        context.session.add(row)
        await context.session.flush()
        if self.fail is not None:
            await self.fail(context, subject)
        self.ran.append((context.cause, subject, context.now))
        return "ok"

    def alarms(self) -> Alarms:
        """Another process's alarm clock."""
        return Alarms(self.database, self.clock, jobs=self.jobs)

    async def set(self, job: str, subject: str, due: datetime) -> None:
        async with self.database.transaction() as session:
            await set_alarm(Context(session, self.clock.now(), SCHEDULER, await ground(session), "t"), job, subject, due)

    async def occurrences(self):
        async with self.database.transaction() as session:
            return list(await session.scalars(sa.select(Occurrence).order_by(Occurrence.due, Occurrence.id)))

    async def counts(self) -> list[int]:
        """How often each occurrence's effect was committed."""
        async with self.database.transaction() as session:
            return list(await session.scalars(sa.select(Counter.value).where(Counter.name.like("ran:%"))))


@pytest.fixture
def bench(machine):
    return Bench(machine)


@pytest.fixture
async def bench_sqlite(machine_sqlite):
    return Bench(machine_sqlite)


@pytest.fixture
def seconds(monkeypatch):
    return time_by_hand(monkeypatch, clock_module)


async def test_a_time_table_starts_now_and_not_in_the_past(bench_sqlite):
    bench = bench_sqlite
    assert await bench.alarms().tick() == 0
    assert await bench.occurrences() == []


async def test_what_was_missed_is_made_up_once_or_every_time_as_the_job_says(bench):
    alarms = bench.alarms()
    await alarms.tick()
    bench.clock.put(NOW + timedelta(days=3, minutes=5))
    await alarms.tick()
    made = await bench.occurrences()
    daily = [row.due.astimezone(ZONE) for row in made if row.job == "daily"]
    assert daily == [datetime(2026, 11, 26, 8, 30, tzinfo=ZONE)]
    hourly = [row.due for row in made if row.job == "hourly"]
    assert hourly == [NOW + timedelta(hours=hour) for hour in range(1, 73)]
    assert {row.state for row in made} == {"done"}
    assert await alarms.tick() == 0
    assert await bench.alarms().tick() == 0  # nor after a restart
    assert set(await bench.counts()) == {1}


async def test_monday_is_day_zero_of_a_time_table(bench_sqlite):
    bench = bench_sqlite
    await bench.alarms().tick()
    bench.clock.put(NOW + timedelta(days=8))
    await bench.alarms().tick()
    monday = [row.due.astimezone(ZONE) for row in await bench.occurrences() if row.job == "monday"]
    assert monday == [datetime(2026, 11, 30, 9, 0, tzinfo=ZONE)]
    assert monday[0].strftime("%A") == "Monday"


async def test_three_tickers_make_each_alarm_happen_once(bench):
    tickers = [bench.alarms() for _ in range(3)]
    await asyncio.gather(*(ticker.tick() for ticker in tickers))
    for number in range(40):
        await bench.set("alarm", f"s{number}", NOW + timedelta(seconds=number % 7))
    bench.clock.put(NOW + timedelta(hours=3, minutes=1))
    while sum(await asyncio.gather(*(ticker.tick() for ticker in tickers))):
        pass
    assert sorted(subject for _, subject, _ in bench.ran if subject) == sorted(f"s{number}" for number in range(40))
    assert await bench.counts() == [1] * (40 + 3)


async def test_without_the_unique_occurrence_two_planners_plan_twice(databases):
    """The negative control: look first, write then."""
    with databases.fresh("postgresql") as url:
        async with machines(url) as (machine,):
            bench, everybody = Bench(machine), asyncio.Barrier(2)
            async with machine.database.connection() as connection:
                await connection.execute(sa.text("ALTER TABLE occurrence DROP CONSTRAINT occurrence_job_subject_due_key"))
            bench.jobs = {"daily": bench.jobs["daily"]}
            tickers = [bench.alarms() for _ in range(2)]
            await tickers[0].tick()
            bench.clock.put(NOW + timedelta(days=1))
            plans = [ticker.plan for ticker in tickers]

            async def together(plan, now):
                await everybody.wait()
                await plan(now)

            for _ in range(20):
                await asyncio.gather(*(together(plan, bench.clock.now()) for plan in plans))
                if len(await bench.occurrences()) > 1:
                    return
                async with machine.database.connection() as connection:
                    await connection.execute(sa.text("DELETE FROM occurrence"))
                    await connection.execute(
                        sa.text("UPDATE setting SET value = :value WHERE name = 'job:daily'"),
                        {"value": f'{{"planned": "{NOW.isoformat()}"}}'},
                    )
            pytest.fail("the test above would pass without the constraint")


async def test_an_alarm_set_twice_happens_once_and_a_dropped_one_never(bench):
    for _ in range(3):
        await bench.set("alarm", "s", NOW + timedelta(minutes=1))
    await bench.set("alarm", "other", NOW + timedelta(minutes=1))
    async with bench.database.transaction() as session:
        await drop_alarms(Context(session, NOW, SCHEDULER, await ground(session), "t"), "alarm", "other")
    bench.clock.put(NOW + timedelta(minutes=2))
    await bench.alarms().tick()
    assert [subject for _, subject, _ in bench.ran if subject] == ["s"]


async def test_what_is_due_happens_in_order(bench):
    for number in (5, 1, 4, 2, 3):
        await bench.set("alarm", f"s{number}", NOW + timedelta(minutes=number))
    bench.clock.put(NOW + timedelta(minutes=10))
    await bench.alarms().tick()
    assert [subject for _, subject, _ in bench.ran] == ["s1", "s2", "s3", "s4", "s5"]


async def test_a_crash_between_the_effect_and_its_done_leaves_neither(bench, seconds):
    await bench.set("alarm", "s", NOW)

    async def die(context, subject):
        raise Crash

    bench.fail = die
    with pytest.raises(Crash):
        await bench.alarms().tick()
    assert await bench.counts() == []
    bench.fail = None
    next_life = bench.alarms()
    assert await next_life.tick() == 0  # it may be running elsewhere
    seconds.now += LEASE_SECONDS + 1
    assert await next_life.tick() == 1
    assert await bench.counts() == [1]


async def test_a_job_in_which_the_process_dies_each_time_is_given_up_and_does_not_stop_the_others(bench_sqlite, seconds):
    bench = bench_sqlite
    await bench.set("alarm", "deadly", NOW)
    await bench.set("second", "good", NOW)

    async def die(context, subject):
        if subject == "deadly":
            raise Crash

    bench.fail = die
    for _ in range(ATTEMPTS):
        with pytest.raises(Crash):
            await bench.alarms().tick()
        seconds.now += LEASE_SECONDS + 1
    assert await bench.alarms().tick() == 2
    assert [(row.job, row.state) for row in await bench.occurrences()] == [("alarm", "failed"), ("second", "done")]
    assert "died" in (await bench.occurrences())[0].outcome


async def test_what_a_dead_process_of_this_host_was_running_is_free_at_once(bench_sqlite):
    bench = bench_sqlite
    await bench.set("alarm", "s", NOW)
    alarms = bench.alarms()
    row = await alarms._claim()
    host, _, boot, _ = row.lease_token.split("|")
    await bench.machine.change(Occurrence, lease_token=f"{host}|{2**22 + 1}|{boot}|x")
    assert await bench.alarms().tick() == 1


async def test_a_zombies_effect_is_not_committed(bench, seconds):
    """A process that slept past its lease comes second."""
    await bench.set("alarm", "s", NOW)
    zombie, other = bench.alarms(), bench.alarms()
    row = await zombie._claim()
    seconds.now += LEASE_SECONDS + 1
    assert await other.tick() == 1
    await zombie._run(row)
    assert await bench.counts() == [1]
    assert [(each.state, each.attempts) for each in await bench.occurrences()] == [("done", 2)]


async def test_without_the_fence_a_zombie_does_it_again(bench, seconds):
    """The negative control: with the token of the one who took over, and its row running again."""
    await bench.set("alarm", "s", NOW)
    zombie, other = bench.alarms(), bench.alarms()
    row = await zombie._claim()
    seconds.now += LEASE_SECONDS + 1
    assert await other.tick() == 1
    await bench.machine.change(Occurrence, lease_token=row.lease_token, state="running")
    await zombie._run(row)
    assert await bench.counts() == [2]


async def test_a_job_that_fails_is_tried_again_later_and_then_recorded_as_failed(bench_sqlite, seconds):
    bench = bench_sqlite
    await bench.set("alarm", "bad", NOW)
    await bench.set("second", "good", NOW + timedelta(seconds=1))
    bench.clock.put(NOW + timedelta(minutes=1))

    async def fail(context, subject):
        if subject == "bad":
            raise ValueError("a fault")

    bench.fail = fail
    alarms = bench.alarms()
    assert await alarms.tick() == 2
    assert [subject for _, subject, _ in bench.ran] == ["good"]
    assert await alarms.tick() == 0  # not at once
    for _ in range(ATTEMPTS):
        seconds.now += 2.0**ATTEMPTS + 1
        await alarms.tick()
    bad = next(row for row in await bench.occurrences() if row.subject == "bad")
    assert (bad.state, bad.attempts) == ("failed", ATTEMPTS)
    assert "ValueError at tests/test_clock.py:" in bad.outcome
    assert await bench.counts() == [1]


async def test_an_alarm_of_a_job_that_is_gone_is_recorded_and_stops_nothing(bench_sqlite):
    bench = bench_sqlite
    await bench.set("removed", "s", NOW)
    await bench.set("alarm", "s", NOW)
    await bench.alarms().tick()
    assert {row.job: row.state for row in await bench.occurrences()} == {"removed": "failed", "alarm": "done"}


async def test_what_a_job_posts_is_posted_once_and_the_relay_is_told(bench):
    told = []

    async def say(context, subject):
        chat = (await context.session.scalars(sa.select(Chat))).first()
        post.to_chat(context, chat, echo("叮"))

    async with bench.database.transaction() as session:
        session.add(Chat(platform="memory", bot="main", key_hash="x", address="private:ann"))
    await bench.set("alarm", "s", NOW)
    bench.fail = say
    alarms = bench.alarms()
    alarms.on_posted = told.extend
    await alarms.tick()
    await alarms.tick()
    async with bench.database.transaction() as session:
        assert len(list(await session.scalars(sa.select(OutboxMessage)))) == len(told) == 1


async def test_a_tick_outlives_a_database_that_is_down(bench_sqlite, monkeypatch):
    bench = bench_sqlite
    alarms = bench.alarms()

    def down():
        raise OSError("no disk")

    with monkeypatch.context() as broken:
        broken.setattr(bench.database, "connection", down)
        assert await alarms.tick() == 0
    await bench.set("alarm", "s", NOW)
    assert await alarms.tick() == 1


async def test_the_next_due_time_is_found(bench_sqlite):
    bench = bench_sqlite
    alarms = bench.alarms()
    await alarms.tick()
    assert await alarms.next_due(NOW + timedelta(minutes=30)) is None
    assert await alarms.next_due(NOW + timedelta(hours=2)) == NOW + timedelta(hours=1)
    await bench.set("alarm", "s", NOW + timedelta(minutes=20))
    assert await alarms.next_due(NOW + timedelta(hours=2)) == NOW + timedelta(minutes=20)


async def test_the_ticker_ticks_by_itself(bench_sqlite, monkeypatch):
    bench = bench_sqlite
    monkeypatch.setattr(clock_module, "TICK_SECONDS", 0.01)
    await bench.set("alarm", "s", NOW)
    alarms = bench.alarms()
    alarms.start()
    await until(lambda: bench.ran)
    await alarms.stop()


async def test_a_move_of_the_demo_clock_runs_each_at_its_own_time(world_sqlite):
    """What falls due on the way happens in order, and `now` in it is its own due time (the web chat's protocol)."""
    from services.clock import HandClock as Hand

    world = world_sqlite
    seen = []

    async def look(context, subject):
        seen.append((subject, context.now))

    world.app.alarms.jobs = {**world.app.alarms.jobs, "look": Job("look", "", look)}
    dues = {f"s{minutes}": world.clock.now() + timedelta(minutes=minutes) for minutes in (50, 7, 1441)}
    async with world.app.database.transaction() as session:
        for subject, due in dues.items():
            await set_alarm(Context(session, world.clock.now(), SCHEDULER, await ground(session), "t"), "look", subject, due)
    from bot.demo import Backward, DemoDesk

    desk = DemoDesk(world.app)
    assert isinstance(desk.clock, Hand)
    target = world.clock.now() + timedelta(days=2)
    await desk.move(target, None)
    assert seen == [(subject, dues[subject]) for subject in ("s7", "s50", "s1441")]
    assert world.clock.now() == target
    with pytest.raises(Backward):
        await desk.move(target - timedelta(seconds=1), None)


@pytest.mark.parametrize(
    ("zone", "begin", "days", "change"),
    [
        ("America/New_York", "2026-03-06T00:00", 4, "02:30"),  # 8 March: 02:00 to 03:00 are left out
        ("America/New_York", "2026-10-30T00:00", 4, "01:30"),  # 1 November: 01:00 to 02:00 come twice
        ("Australia/Lord_Howe", "2026-10-02T00:00", 4, "02:15"),  # 4 October: half an hour is left out
        ("Australia/Lord_Howe", "2026-04-03T00:00", 4, "01:45"),  # 5 April: half an hour comes twice
        ("Asia/Shanghai", "2026-03-06T00:00", 4, "02:30"),
    ],
)
async def test_a_time_of_the_day_happens_once_a_day_whatever_the_clocks_do(bench_sqlite, zone, begin, days, change):
    bench, here = bench_sqlite, ZoneInfo(zone)
    hour, minute = change.split(":")
    jobs = {"night": Job("night", f"{int(minute)} {int(hour)} * * *", bench.do), "wall": Job("wall", "30 17 * * *", bench.do)}
    start = datetime.fromisoformat(begin).replace(tzinfo=here).astimezone(UTC)
    bench.clock.put(start)
    alarms = Alarms(bench.database, bench.clock, jobs=jobs, zone=here)
    await alarms.tick()
    end = start.astimezone(here) + timedelta(days=days)
    while bench.clock.now() < end:
        soon = bench.clock.now() + timedelta(minutes=20)
        bench.clock.put(min(await alarms.next_due(soon) or soon, soon))
        await alarms.tick()
    rows = [(row.job, row.due.astimezone(here)) for row in await bench.occurrences()]
    for name in jobs:
        assert [due.date() for job, due in rows if job == name] == [
            (start.astimezone(here) + timedelta(days=n)).date() for n in range(days)
        ]
    assert {due.time().isoformat("minutes") for job, due in rows if job == "wall"} == {"17:30"}
    assert await bench.counts() == [1] * (2 * days)


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"])
@pytest.mark.parametrize("crontab", ["*/25 1-3 * * *", "30 2 * * *", "15 0 1 * *"])
def test_a_time_table_that_remembers_says_what_one_without_a_past_says(zone, crontab):
    """Asked in any order, as after a reset of the demo to an earlier moment."""
    chance, here = random.Random(zone + crontab), ZoneInfo(zone)
    used, begin = clock_module._TimeTable(crontab, here), datetime(2026, 1, 1, tzinfo=UTC)
    all_of_it = used.between(begin, begin + timedelta(days=500))
    days = [begin + timedelta(days=number) for number in range(400)]
    changes = [day for day in days if day.astimezone(here).utcoffset() != (day + timedelta(days=1)).astimezone(here).utcoffset()]
    nights = [day + timedelta(minutes=minutes) for day in changes for minutes in range(0, 1440, 5)]
    for moment in nights + [chance.choice(days) + timedelta(minutes=chance.randrange(1440)) for _ in range(300)]:
        for later in (moment, moment + timedelta(minutes=chance.randrange(90)), moment):
            assert used.after(later) == all_of_it[bisect_right(all_of_it, later)]


def test_deadlines_where_the_clocks_change(monkeypatch):
    for zone, spring, autumn in (
        ("America/New_York", "2026-03-07T12:00", "2026-10-31T12:00"), ("Australia/Lord_Howe", "2026-10-03T12:00", "2026-04-04T12:00")
    ):  # fmt: skip
        here = ZoneInfo(zone)
        monkeypatch.setattr(workdays, "ZONE", here)
        for begin in (spring, autumn):
            start = datetime.fromisoformat(begin).replace(tzinfo=here)
            assert (workdays.due_hours(start, 24).astimezone(UTC) - start.astimezone(UTC)) == timedelta(hours=24)
            due = workdays.Calendar().due(start, 3)
            assert (due.hour, due.minute, due.utcoffset()) == (17, 30, here.utcoffset(due.replace(tzinfo=None)))
            assert workdays.Calendar().overdue_workdays(due, due) == 0
