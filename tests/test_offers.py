"""Private offers: to whom a new task is shown first, how often, in what order, and never a word too much (domain.md §0.1, §0.6)."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from test_claim_race import add_crowd
from work_stage import NOW, SATURDAY, Stage, staged

from models import Claim, Enrollment, OutboxMessage, PartyMember, Person, Task, TaskOffer
from services import offers, tasks
from services.offers import MOST_PEOPLE, has_time
from services.workdays import ZONE, Calendar

CALENDAR = Calendar()


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("words", "start", "fits"),
    [
        ((), "2026-11-25T10:00", True), (("周六",), "2026-11-28T09:30", True), (("周六",), "2026-11-29T09:30", False),
        (("周日",), "2026-11-29T09:30", True), (("工作日晚",), "2026-11-25T18:30", True), (("工作日晚",), "2026-11-25T10:00", False),
        (("工作日晚",), "2026-11-28T18:30", False), (("工作日晚", "周日"), "2026-11-29T09:30", True),
        # 28 February 2026 is a Saturday on which people work; 26 September 2026 is a holiday on a Saturday, and 25 September a Friday.
        (("周六",), "2026-02-28T09:30", False), (("工作日晚",), "2026-02-28T18:30", True), (("节假日",), "2026-02-28T09:30", False),
        (("节假日",), "2026-09-25T09:30", True), (("节假日",), "2026-11-28T09:30", False), (("工作日晚",), "2026-09-25T19:00", False),
        (("自己的词",), "2026-11-25T10:00", True),
    ],
)  # fmt: skip
def test_the_words_of_time_against_the_calendar(words, start, fits):
    assert has_time(words, at(start), CALENDAR) is fits


async def offered(stage: Stage, number: str) -> list[str]:
    """Offer the task; the codes of those asked, in the order they were asked."""
    async with stage.turn("ST05") as context:
        asked = await offers.offer(context, await tasks.find(context, number))
        codes = dict((await context.session.execute(sa.select(Person.id, Person.code))).all())
    return [codes[person] for person in asked]


async def changed(stage: Stage, code: str, **fields) -> None:
    """Set fields of a member's record; `building` and `home_grid` of the person, `state` of the enrolment."""
    async with stage.turn(None) as context:
        person = (await context.session.scalars(sa.select(Person).where(Person.code == code))).one()
        member = await context.session.get(PartyMember, person.id)
        enrolment = await context.session.scalar(sa.select(Enrollment).where(Enrollment.person_id == person.id))
        for name, value in fields.items():
            setattr(person if name in ("building", "home_grid", "deleted_at") else enrolment if name == "state" else member, name, value)


async def test_whom_a_task_fits(database_url):
    async with staged(database_url) as stage:
        assert sorted(await offered(stage, await stage.task(grid_code="G1"))) == ["M01", "M02", "M03", "M04"]
        assert await offered(stage, await stage.task(grid_code="G1", skill="护理")) == ["M02"]


@pytest.mark.parametrize(
    "fields",
    [
        {"offers": False}, {"health_exempt": True}, {"under_18": True}, {"kind": "floating_out"}, {"state": "WITHDRAWN"}, {"state": "APPLIED"},
        {"availability": ["周日"]}, {"skills": ["驾驶"]}, {"deleted_at": NOW},
    ],
)  # fmt: skip
async def test_who_is_never_asked(databases, fields):
    with databases.fresh("sqlite") as url:
        async with staged(url) as stage:
            assert await offered(stage, await stage.task(skill="护理")) == ["M02"]
            await changed(stage, "M02", **fields)
            assert await offered(stage, await stage.task(skill="护理", start_at=SATURDAY + timedelta(days=7))) == []


async def test_who_is_busy_leads_or_cannot_be_reached(database_url):
    async with staged(database_url) as stage:
        busy, number = await stage.task(), await stage.task(leader="ST05", start_at=SATURDAY + timedelta(hours=2, minutes=20))
        async with stage.turn("M01") as context:
            task = await tasks.find(context, busy)
            context.session.add(Claim(task_id=task.id, person_id=context.actor.id, claimed_at=context.now))
        async with stage.turn("M03") as context:
            context.account.blocked = True
        async with stage.turn(None) as context:
            task = await tasks.find(context, number)
            task.leader_id = await context.session.scalar(sa.select(Person.id).where(Person.code == "M04"))
        assert await offered(stage, number) == ["M02"], "M01 is busy, M03 has blocked us, M04 leads it"


async def test_the_own_grid_then_the_nearest_then_who_has_served_less(database_url):
    async with staged(database_url) as stage:
        await changed(stage, "M01", home_grid="G2")
        await changed(stage, "M02", home_grid="G1", building="青禾苑9幢")
        await changed(stage, "M03", home_grid="G1", building="青禾苑4幢")
        await changed(stage, "M04", home_grid="G1", building="青禾苑9幢")
        done = await stage.task(start_at=NOW - timedelta(days=7))
        async with stage.turn(None) as context:
            task = await tasks.find(context, done)
            nurse = await context.session.scalar(sa.select(Person.id).where(Person.code == "M02"))
            context.session.add(Claim(task_id=task.id, person_id=nurse, claimed_at=NOW, state="VERIFIED", hours=2.0))
        number = await stage.task(grid_code="G1", lat=31.2006, lon=120.1515)
        # 青禾苑4幢 is some twenty metres from 9幢: as near. M02 has served this quarter, M03 and M04 have not.
        assert await offered(stage, number) in (["M03", "M04", "M02", "M01"], ["M04", "M03", "M02", "M01"])
        far = await stage.task(grid_code="G1", lat=31.2040, lon=120.1515)
        assert (await offered(stage, far))[-1] == "M01"


async def test_at_most_five_and_at_most_two_in_seven_days(database_url):
    async with staged(database_url) as stage:
        await add_crowd(stage)
        asked = await offered(stage, await stage.task())
        assert len(asked) == MOST_PEOPLE
        # 24 members and two messages each: eight times five, twice the four that are left, then nobody.
        counts = [len(await offered(stage, await stage.task(start_at=SATURDAY + timedelta(days=n)))) for n in range(1, 11)]
        assert counts == [5] * 7 + [4, 4, 0]
        stage.now += timedelta(days=7, minutes=-1)
        assert await offered(stage, await stage.task(start_at=SATURDAY + timedelta(days=20))) == []
        stage.now += timedelta(minutes=1)
        assert len(await offered(stage, await stage.task(start_at=SATURDAY + timedelta(days=21)))) == 5


async def test_quiet_hours_hold_an_offer_and_a_task_before_eight_has_none(database_url):
    async with staged(database_url) as stage:
        stage.now = at("2026-11-27T22:00")
        number = await stage.task()
        assert await offered(stage, number)
        async with stage.turn(None) as context:
            rows = await context.session.scalars(sa.select(OutboxMessage).where(OutboxMessage.cause == f"t{stage.turns - 2}"))
            assert {row.send_after for row in rows} <= {at("2026-11-28T08:00")}
        assert await offered(stage, await stage.task(start_at=at("2026-11-28T07:30"))) == []


# -- two tasks at once ------------------------------------------------------------------------------------------------------
async def raced(url):
    """Three tasks are published in the same moment; the most that anybody was offered."""
    async with staged(url) as stage:
        numbers = [await stage.task(start_at=SATURDAY + timedelta(days=n)) for n in range(4)]
        await asyncio.gather(*(offered_by(stage, number) for number in numbers))
        async with stage.turn(None) as context:
            return max(await context.session.scalars(sa.select(sa.func.count()).select_from(TaskOffer).group_by(TaskOffer.person_id)))


async def offered_by(stage, number):
    async with stage.turn("ST05") as context:
        await offers.offer(context, await tasks.find(context, number))


async def test_tasks_published_at_once_do_not_exceed_two_a_week(database_url):
    assert await raced(database_url) == 2


@pytest.mark.postgres
async def test_without_the_lock_they_do(databases, monkeypatch):
    """The negative control: nobody waits for the other's commit."""
    together, count = asyncio.Barrier(4), offers._fitting

    async def all_at_once(context, task):
        found = await count(context, task)
        with suppress(TimeoutError, asyncio.BrokenBarrierError):
            await asyncio.wait_for(together.wait(), 1)
        return found

    monkeypatch.setattr(offers, "_hold", nothing)
    monkeypatch.setattr(offers, "_fitting", all_at_once)
    with databases.fresh("postgresql") as url:
        assert await raced(url) > 2


async def nothing(context, task):
    pass


# -- the conversation ---------------------------------------------------------------------------------------------------------
async def dispatched(world, line="护理 1人 11月28日14点"):
    """The order of R101 as a task, dispatched by the coordinator; its number."""
    resident, coordinator = world.person("R101"), world.person("ST02")
    await resident.says("我要点单:给我妈量个血压,周六上午")
    await resident.presses("提交")
    await coordinator.presses("派单")
    await coordinator.says(line)
    return (await world.rows(Task, Task.source == "order"))[-1]


async def test_the_offer_comes_before_the_card_and_holds_nothing_private(world):
    task = await dispatched(world)
    nurse = world.person("M03")
    offer = nurse.last.message.text
    for word in ("先告诉您", f"#{task.short_no} 关爱服务·上门量血压", "11月28日14:00-16:00", "青禾苑4幢", "需1人", "护理"):
        assert word in offer
    for secret in ("王桂英", "我妈", "138", task.check_in_code):
        assert secret not in offer
    order = [shown.chat for shown in world.platform.messages if f"#{task.short_no}" in shown.message.text]
    assert order.index("private:M03") < order.index("party")
    assert (await nurse.presses("接单")).shows("接单成功", "王桂英")


async def test_opting_out_and_in_again(world_sqlite):
    world = world_sqlite
    await dispatched(world)
    nurse = world.person("M03")
    assert (await nurse.presses("不再推荐")).shows("不再私下推荐")
    before = len(world.pushes("M03"))
    await dispatched(world, "护理 1人 11月29日14点")
    assert len(world.pushes("M03")) == before
    assert (await nurse.says("恢复推荐")).shows("每周最多两条")
    before = len(world.pushes("M03"))
    await dispatched(world, "护理 1人 11月30日14点")
    assert len(world.pushes("M03")) == before + 1
    await dispatched(world, "护理 1人 12月1日14点")
    assert len(world.pushes("M03")) == before + 1, "a third one in seven days"
    for nobody in ("R101", "ST02"):
        assert (await world.person(nobody).says("不再推荐")).shows("双报到")


async def test_the_one_who_orders_is_not_asked(world_sqlite):
    world = world_sqlite
    member = world.person("M04")
    await member.says("我要点单:请电工修灯,青禾苑9幢,周六上午")
    await member.presses("提交")
    await world.person("ST02").presses("派单")
    await world.person("ST02").says("电工 1人 11月28日14点")
    asked = {offer.person_id for offer in await world.rows(TaskOffer)}
    people = {person.code: person.id for person in await world.rows(Person, Person.code.is_not(None))}
    assert asked == {people["M12"], people["M22"]}
