"""The morning's digest: its exact words on the demo, once a day whatever happens, to whom, and what stands first."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from problem_stage import report, shown, to
from work_stage import Stage, staged
from world import made_world

from models import ChatAccount, DigestRun, Occurrence, OutboxMessage, Person, Task
from models.governance import Attendance, Meeting, Minutes
from models.types import new_id
from scheduler.clock import Alarms
from services import digests, ledgers
from services.workdays import ZONE

pytestmark = pytest.mark.digests

MONDAY = (
    "11月23日 青禾里社区简报|新增5件(无效1件)|待受理3件|办理中7件|逾期2件:WT-20261112-0002、WT-20261117-0001|待评价4件|挂账1件|今日须联系3件|今日到期1件"
    "|热点2处:青禾苑3幢 暴露垃圾(3次/60天)、望溪商街12号 占道经营(3次/60天)|任务:待接3个"
)
LAST = "|第四季度联席会议待安排|双报到达标28/39"


def plain(said: str) -> str:
    return unicodedata.normalize("NFKC", said)


def summary(said: str) -> str:
    """The digest proper, without what to do first: as domain.md §11 writes it."""
    return plain(said).partition("\n\n")[0].replace("\n", "")


def digests_of(world, who: str) -> list:
    return [one for one in world.messages(f"private:{who}") if "简报" in one.message.text.split("\n")[0]]


# -- the demo's Monday
async def test_the_mondays_digest_word_for_word(world):
    await world.at("2026-11-23T08:29")
    assert digests_of(world, "ST02") == []
    await world.at("2026-11-23T08:30")
    (sent,) = digests_of(world, "ST02")
    said = summary(sent.message.text)
    assert said.startswith(MONDAY)
    assert said.endswith(LAST)
    assert len(digests_of(world, "ST01")) == 1
    assert digests_of(world, "ST03") == []
    (picture,) = sent.media
    assert picture.mime == "image/png"
    assert "11月16日至11月22日一周:新增9件,办结6件" in plain(sent.message.text)
    (run,) = await world.rows(DigestRun, DigestRun.kind == "daily", DigestRun.period_key == "2026-11-23")
    assert (run.facts["new"], run.facts["invalid"], run.facts["overdue"]) == (5, 1, ["WT-20261112-0002", "WT-20261117-0001"])
    assert run.covers_from == datetime(2026, 11, 20, 8, 30, tzinfo=ZONE)


async def test_what_to_do_first_stands_first_with_a_button(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-23T08:30")
    (sent,) = digests_of(world, "ST02")
    first = sent.message.text.partition("先办：\n")[2].split("\n")
    assert first[:3] == [
        "① 逾期：桐荫公寓C座 停电跳闸",
        "② 逾期1个工作日：青禾苑10幢 道路破损",
        "③ 今日须联系：桐荫公寓A座 飞线充电/电动车进楼",
    ]
    labels = [button.label for row in sent.message.buttons for button in row]
    assert labels[0] == "逾期·停电跳闸·桐荫公寓C座"
    assert len(labels) == 5
    assert (await world.person("ST02").presses(labels[0], message=sent)).shows("WT-20261117-0001")


async def test_the_next_day_tells_only_what_is_new_and_has_no_picture(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-23T10:00")
    await world.person("R101").says("匿名报:青禾苑9幢门口路灯不亮")
    await world.person("R101").presses("匿名提交")
    await world.at("2026-11-24T08:30")
    first, second = digests_of(world, "ST02")
    assert "新增1件" in second.message.text
    assert "无效" not in second.message.text
    assert "一周" not in second.message.text
    assert first.media
    assert not second.media


async def test_the_meeting_and_the_tasks_of_today(world_sqlite):
    world = world_sqlite
    async with world.app.database.transaction() as session:
        for model in (Attendance, Minutes, Meeting):
            await session.execute(sa.delete(model))
        person = (await session.scalars(sa.select(Person).where(Person.code == "ST02"))).one()
        session.add(Meeting(community_id=person.community_id, quarter="2026Q4", created_at=world.clock.now()))
        task = (await session.scalars(sa.select(Task).where(Task.short_no == 31))).one()
        task.start_at, task.end_at, task.state = world.clock.now() + timedelta(hours=3), world.clock.now() + timedelta(hours=4), "CLAIMED"
    said = summary((await world.person("ST02").says("今日简报")).text)
    assert "|任务:待接2个,今日1个|第四季度联席会议待安排|双报到达标28/39" in said
    async with world.app.database.transaction() as session:
        meeting = (await session.scalars(sa.select(Meeting))).one()
        meeting.state, meeting.planned_at = "NOTICED", datetime(2026, 12, 17, 14, 30, tzinfo=ZONE)
    assert "|第四季度联席会议已通知(12月17日14:30)|" in summary((await world.person("ST02").says("简报")).text)


# -- once
async def test_a_restart_before_and_after_leaves_exactly_one(world):
    world.clock.put(datetime(2026, 11, 23, 8, 29, 50, tzinfo=ZONE))
    await Alarms(world.app.database, world.clock).tick()
    world.clock.put(datetime(2026, 11, 23, 8, 31, tzinfo=ZONE))
    for _ in range(2):
        others = [Alarms(world.app.database, world.clock) for _ in range(2)]
        for alarms in (*others, world.app.alarms):
            await alarms.tick()
    await world.app.drain()
    assert len(digests_of(world, "ST02")) == len(digests_of(world, "ST01")) == len(digests_of(world, "ST04")) == 1


async def test_down_from_eight_twenty_to_eleven_there_is_one_at_eleven(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-23T08:20")
    world.clock.put(datetime(2026, 11, 23, 11, 0, tzinfo=ZONE))
    await world.app.alarms.tick()
    await world.app.drain()
    assert len(digests_of(world, "ST02")) == 1
    rows = await world.rows(OutboxMessage, OutboxMessage.dedupe_key.startswith("digest:daily:2026-11-23:"))
    assert {row.send_after for row in rows} == {datetime(2026, 11, 23, 11, 0, tzinfo=ZONE)}
    await world.at("2026-11-24T08:30")
    assert len(digests_of(world, "ST02")) == 2
    (run,) = await world.rows(DigestRun, DigestRun.period_key == "2026-11-24", DigestRun.kind == "daily")
    assert run.covers_from == datetime(2026, 11, 23, 11, 0, tzinfo=ZONE)


async def test_a_run_that_is_asked_for_again_sends_nothing(world_sqlite):
    """Even a second occurrence on the same day (a replayed time table) finds the run of today."""
    world = world_sqlite
    await world.at("2026-11-23T08:30")
    async with world.app.database.transaction() as session:
        for job in ("daily_digest", "grid_digest"):
            session.add(Occurrence(job=job, subject="again", due=world.clock.now()))
    await world.app.alarms.tick()
    await world.app.drain()
    assert len(digests_of(world, "ST02")) == len(digests_of(world, "ST05")) == 1
    outcomes = {row.job: row.outcome for row in await world.rows(Occurrence, Occurrence.subject == "again")}
    assert outcomes == {"daily_digest": "already", "grid_digest": "already"}


async def test_not_on_days_off_and_not_at_night(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-27T12:00")
    assert len(digests_of(world, "ST02")) == 5
    await world.at("2026-11-29T12:00")
    assert len(digests_of(world, "ST02")) == 5
    await world.at("2026-11-30T08:20")
    world.clock.put(datetime(2026, 11, 30, 22, 0, tzinfo=ZONE))  # down all day
    await world.app.alarms.tick()
    await world.at("2026-12-01T08:29")
    assert len(digests_of(world, "ST02")) == 5
    await world.at("2026-12-01T08:30")
    assert len(digests_of(world, "ST02")) == 6
    skipped = await world.rows(Occurrence, Occurrence.job == "daily_digest", Occurrence.outcome == "not a workday")
    assert len(skipped) == 2


async def test_a_saturday_that_is_a_workday_has_its_digest(databases, tmp_path: Path):
    with databases.fresh("sqlite") as url:
        async with made_world(url, tmp_path, now="2026-02-27T18:00:00+08:00", digests=True) as world:
            await world.at("2026-02-28T08:30")
            assert [run.period_key for run in await world.rows(DigestRun, DigestRun.kind == "daily")] == ["2026-02-27", "2026-02-28"]


# -- to whom
async def test_grid_leaders_get_their_own_grid_alone(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-23T08:30")
    (own,) = digests_of(world, "ST05")
    assert own.message.text.startswith("11月23日 青禾苑二区网格简报")
    assert "WT-20261112-0002" in own.message.text
    assert "WT-20261117-0001" not in own.message.text
    assert "联席会议" not in own.message.text
    (quiet,) = digests_of(world, "ST09")
    assert "逾期" not in quiet.message.text
    assert digests_of(world, "R101") == digests_of(world, "M01") == digests_of(world, "ST10") == []


async def test_who_cannot_be_reached_is_counted_not_dropped_in_silence(world_sqlite):
    world = world_sqlite
    async with world.app.database.transaction() as session:
        person = (await session.scalars(sa.select(Person).where(Person.code == "ST01"))).one()
        await session.execute(sa.delete(ChatAccount).where(ChatAccount.person_id == person.id))
    await world.at("2026-11-23T08:30")
    (row,) = await world.rows(Occurrence, Occurrence.job == "daily_digest")
    assert row.outcome == "sent to 1, 1 cannot be reached"


async def test_on_request_it_is_the_same_and_does_not_count(world_sqlite):
    world = world_sqlite
    asked = await world.person("ST02").says("今日简报")
    assert summary(asked.text).startswith(MONDAY)
    assert (await world.person("ST02").presses_action("digest")).text == asked.text
    week = await world.person("ST02").says("本周简报")
    assert week.shown[-1].media
    await world.at("2026-11-23T08:30")
    (sent,) = [one for one in digests_of(world, "ST02") if "11月16日至" in one.message.text]
    assert summary(sent.message.text).startswith(MONDAY)
    assert (await world.person("ST04").says("今日简报")).shows("青禾苑一区网格简报")
    street = await world.person("ST10").says("今日简报")
    assert street.shows("青禾里社区简报")
    assert street.buttons == []
    for nobody in ("R101", "M01"):
        assert (await world.person(nobody).says("今日简报")).shows("给社区工作人员看")
        assert "WT-" not in (await world.person(nobody).presses_action("digest_cases:0")).text


# -- small and large
@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = datetime(2026, 11, 24, 8, 30, tzinfo=ZONE)
        yield made


async def _run(stage: Stage, job=digests.daily) -> str:
    async with stage.turn(None) as context:
        return str(await job(context, ""))


async def test_one_line_when_there_is_nothing(stage):
    await report(stage, state="IN_PROGRESS", submitted_at=stage.now - timedelta(days=3), first_contact_at=stage.now, resolve_due=stage.now + timedelta(days=9),
                 original_resolve_due=stage.now + timedelta(days=9))  # fmt: skip
    assert await _run(stage) == "sent to 2"
    (row,) = await to(stage, "ST02")
    assert shown(row).text == "上次简报以来无新增，办理中1件，无逾期。"
    assert row.dedupe_key.startswith("digest:daily:2026-11-24:")


async def test_a_great_many_stay_one_message_with_a_screenful_of_buttons(stage):
    for _ in range(60):
        late = stage.now - timedelta(days=5)
        await report(
            stage,
            submitted_at=late - timedelta(days=5),
            contact_due=late,
            resolve_due=late,
            original_resolve_due=late,
            place_name="很长的地名" * 8,
        )
    await _run(stage)
    (row,) = await to(stage, "ST02")
    message = shown(row)
    assert "逾期60件：" in message.text
    assert "另有50件" in message.text or "等，另有50" in message.text
    assert len(message.text) < 1024  # also as the caption of a picture
    labels = [button.label for line in message.buttons for button in line]
    assert len(labels) == 7
    assert labels[-1] == "还有54件"
    async with stage.turn("ST02") as context:
        more = await digests.cases(context, "6")
        assert len(more.buttons) == 5
        assert more.buttons[-1][0].action == "digest_cases:14"
        assert (await digests.cases(context, "900")).key == "digest.no_cases"
        assert (await digests.cases(context, "x")).values["total"] == 60


async def test_the_order_of_urgency(stage):
    now = stage.now
    week = {"contact_due": now + timedelta(days=3), "resolve_due": now + timedelta(days=5), "original_resolve_due": now + timedelta(days=5)}
    spoken = {"state": "IN_PROGRESS", "first_contact_at": now}
    codes = [
        await report(stage, **week),
        await report(stage, **week | spoken | {"resolve_due": now + timedelta(hours=9)}),
        await report(stage, **week | {"contact_due": now + timedelta(hours=9)}),
        await report(stage, **week | {"contact_due": now - timedelta(hours=1)}),
        await report(stage, **week | spoken | {"original_resolve_due": now - timedelta(days=4)}),  # escalated: still overdue
        await report(stage, sla="P1", **week),
    ]
    await report(stage, **week | spoken)  # nothing to do today
    await report(stage, **week | {"state": "SUSPENDED", "original_resolve_due": now - timedelta(days=9)})
    async with stage.turn(None) as context:
        facts = await digests.gather(context, now, None)
    assert [case.code for case in facts.cases] == codes[::-1]
    assert facts.numbers["overdue"] == [codes[4]]
    assert (facts.numbers["contact"], facts.numbers["due"]) == (2, 1) or facts.numbers["contact"] >= 2


async def test_a_coordinator_who_leads_a_grid_hears_once(stage):
    async with stage.turn(None) as context:
        from models import RoleAssignment

        for role, grid in (("coordinator", None), ("grid_leader", "G2")):
            person = (await context.session.scalars(sa.select(Person).where(Person.code == "ST04"))).one()
            context.session.add(RoleAssignment(id=new_id(), person_id=person.id, role=role, grid_code=grid))
    await report(stage)
    await _run(stage)
    await _run(stage, digests.grids)
    assert len(await to(stage, "ST04")) == 1
    assert len(await to(stage, "ST05")) == 1


# -- the month
async def test_the_months_ledger_on_its_first_workday_to_the_clerk(world_sqlite):
    world = world_sqlite
    await world.at("2026-12-01T08:59")
    assert [one for one in world.messages("private:ST03") if "台账" in one.message.text] == []
    await world.at("2026-12-03T12:00")
    (sent,) = [one for one in world.messages("private:ST03") if "台账" in one.message.text]
    assert "2026年11月台账" in sent.message.text
    (file,) = sent.media
    assert file.name.startswith("问题墙台账-2026-11")
    assert [one for one in world.messages("private:ST02") if "月台账" in one.message.text] == []


async def test_the_month_begins_with_its_first_workday_and_a_downtime_only_delays_it(stage):
    stage.now = datetime(2026, 10, 8, 9, 0, tzinfo=ZONE)
    first = datetime(2026, 10, 8, 9, 0, tzinfo=ZONE)
    async with stage.turn(None) as context:
        assert context.calendar.next_workday(datetime(2026, 10, 1, tzinfo=ZONE).date()) == first.date()
    for moment, outcome in (
        (datetime(2026, 10, 7, 9, 0, tzinfo=ZONE), "not now"), (first - timedelta(minutes=1), "not now"),
        (datetime(2026, 10, 9, 11, 0, tzinfo=ZONE), "sent to 1"), (datetime(2026, 10, 10, 9, 0, tzinfo=ZONE), "already"),
    ):  # fmt: skip
        stage.now = moment
        assert await _run(stage, ledgers.monthly) == outcome, moment
