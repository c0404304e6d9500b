"""Reminders, escalation, urgent ones nobody takes up, recurrence, the second reopening (domain.md §1, §5, §6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from problem_stage import MORNING, RESULT, deliver, find, report, shown, to
from test_problem_findings import ONE, reported, stored
from work_stage import Stage, staged

from models import Occurrence, ProblemLink, StateLog
from scheduler.jobs import JOBS
from services import claims, due_alarms, problems, tasks, widening
from services.alarms import drop_alarms, set_alarm
from services.workdays import ZONE, Calendar

NAG, ESCALATE = "deadline_nag", "escalate_overdue"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def nags(world, who: str) -> list[str]:
    return [said for said in world.pushes(who) if "到期提醒" in said and ONE in said]


async def outcomes(world, job: str) -> list[str]:
    rows = await world.rows(Occurrence, Occurrence.job == job, Occurrence.state == "done")
    return [row.outcome for row in sorted(rows, key=lambda row: row.due) if row.subject == (await stored(world)).id]


async def test_a_forgotten_problem_is_reminded_of_twice_and_goes_up_by_itself(world_sqlite):
    world = world_sqlite
    await reported(world, "4幢楼道好几天没人打扫")
    assert (await stored(world)).sla == "P3"
    await world.at("2026-11-24T09:01")
    assert len(nags(world, "ST04")) == 1
    await world.at("2026-12-01T17:34")
    assert len(nags(world, "ST04")) == 2, "contact and result together are one thing"
    before = {who: len(world.pushes(who)) for who in ("R101", "ST02", "ST04")}
    await world.at("2026-12-01T17:36")
    problem = await stored(world)
    assert (problem.level, problem.resolve_due.astimezone(ZONE)) == ("community", at("2026-12-08T17:30"))
    assert problem.original_resolve_due.astimezone(ZONE) == at("2026-11-30T17:30")
    assert {who: len(world.pushes(who)) - before[who] for who in before} == {"R101": 1, "ST02": 1, "ST04": 1}
    assert "超过办理期限" in world.pushes("ST04")[-1]
    assert (await outcomes(world, ESCALATE)) == ["escalated to community"]


async def test_what_is_done_or_moved_is_not_reminded_of(world_sqlite):
    world = world_sqlite
    await reported(world, "4幢楼道好几天没人打扫")
    leader = world.person("ST04")
    await world.at("2026-11-24T09:01")
    await leader.says(f"受理 {ONE}", many=True)
    await leader.says(f"已联系 {ONE} 说了下午去", many=True)
    await leader.says(f"派单 {ONE} 1人 11月28日09:30", many=True)
    await world.at("2026-11-30T09:01")
    assert len(nags(world, "ST04")) == 2
    await world.person("ST01").says(f"延期 {ONE} 12月4日 等保洁公司", many=True)
    assert [row.due.astimezone(ZONE) for row in await world.rows(Occurrence, Occurrence.job == NAG, Occurrence.state == "due")
            if row.subject == (await stored(world)).id] == [at("2026-12-04T09:00"), at("2026-12-04T15:30")]  # fmt: skip
    await world.at("2026-12-04T09:01")
    assert len(nags(world, "ST04")) == 3
    await leader.says(f"办结 {ONE} 已经全部打扫干净了,每天都会来", many=True)
    await world.at("2026-12-04T15:31")
    assert len(nags(world, "ST04")) == 3


async def test_an_urgent_one_by_night_wakes_the_secretary_and_reaches_the_street_in_a_day(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-28T23:10")
    await world.person("R101").says("4幢门口井盖没了,有人差点掉下去", many=True)
    assert (await stored(world, "WT-20261128-0001")).sla == "P1"
    before = {who: len(world.pushes(who)) for who in ("ST01", "ST02")}
    await world.at("2026-11-28T23:41")
    for who, count in before.items():
        assert len(world.pushes(who)) == count + 1
        assert "30分钟" in world.pushes(who)[-1]
    await world.at("2026-11-29T23:11")
    problem = await stored(world, "WT-20261128-0001")
    assert (problem.level, problem.reopen_count) == ("street", 0)
    assert problem.resolve_due.astimezone(ZONE) == at("2026-11-30T23:10")
    await world.at("2026-11-30T08:01")
    assert "已上报到街道" in world.pushes("R101")[-1]


@pytest.mark.parametrize(
    ("due", "urgent", "expected"),
    [
        ("2026-11-24T17:30", False, ["2026-11-24T09:00", "2026-11-24T15:30"]),
        ("2026-09-27T10:00", False, ["2026-09-24T09:00"]),  # a day off, the third of three
        ("2026-02-28T17:30", False, ["2026-02-28T09:00", "2026-02-28T15:30"]),  # a Saturday that is a workday
        ("2026-11-24T09:30", False, ["2026-11-24T09:00"]),  # two hours before is in quiet hours
        ("2026-11-24T02:00", False, ["2026-11-23T09:00"]),
        ("2026-11-28T23:30", True, ["2026-11-28T09:00", "2026-11-28T21:30"]),
    ],
)
def test_when_a_deadline_is_reminded_of(due, urgent, expected):
    assert due_alarms.reminders(Calendar(), at(due), urgent) == [at(one) for one in expected]


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = MORNING
        yield made


async def waiting(stage: Stage, code: str, job: str) -> list[datetime]:
    problem = await find(stage, code)
    return sorted(due.astimezone(ZONE) for one, about, due in await stage.alarms() if one == job and about == problem.id)


async def ring(stage: Stage, job: str, code: str, now: datetime, due: datetime | None = None) -> str:
    stage.now, problem = now, await find(stage, code)
    async with stage.turn(None) as context:
        context.facts["due"] = due or now
        return str(await JOBS[job].run(context, problem.id))


async def test_an_alarm_that_was_dropped_is_set_again_and_one_that_rang_is_not(stage):
    async with stage.turn(None) as context:
        for _ in range(2):
            await set_alarm(context, "recurrence", "one", MORNING + timedelta(hours=1))
            await drop_alarms(context, "recurrence", "one")
        await set_alarm(context, "recurrence", "one", MORNING + timedelta(hours=1))
    assert len(await stage.alarms()) == 1
    async with stage.turn(None) as context:
        await context.session.execute(sa.update(Occurrence).values(state="done"))
        await set_alarm(context, "recurrence", "one", MORNING + timedelta(hours=1))
    assert await stage.alarms() == []


async def test_alarms_go_with_the_deadline_aside_and_back(stage):
    code = await report(stage)
    async with stage.turn("ST04") as context:
        await problems.accept(context, await problems.find(context, code))
    usual = await waiting(stage, code, NAG), await waiting(stage, code, ESCALATE)
    assert usual == (
        [at("2026-11-24T09:00"), at("2026-11-24T15:30"), at("2026-11-30T09:00"), at("2026-11-30T15:30")], [at("2026-12-01T17:35")]
    )  # fmt: skip
    async with stage.turn("ST01") as context:
        await problems.suspend(context, await problems.find(context, code), date(2026, 12, 31), "等材料")
    assert (await waiting(stage, code, NAG), await waiting(stage, code, ESCALATE)) == ([], [])
    async with stage.turn("ST02") as context:
        await problems.resume(context, await problems.find(context, code))
    assert (await waiting(stage, code, NAG), await waiting(stage, code, ESCALATE)) == usual
    urgent = await report(stage, "R102", sla="P2", contact_due=at("2026-11-25T20:00"), resolve_due=at("2026-11-26T17:30"))
    async with stage.turn("ST04") as context:
        await problems.merge(context, await problems.find(context, urgent), await problems.find(context, code))
    assert at("2026-11-26T15:30") in await waiting(stage, code, NAG), "the parent keeps the earliest"
    assert await waiting(stage, urgent, NAG) == []


async def test_what_rings_late_says_it_once_and_escalates_only_what_is_overdue(stage):
    code = await report(stage)
    async with stage.turn("ST04") as context:
        await problems.accept(context, await problems.find(context, code))
    late = at("2026-11-24T16:00")
    assert await ring(stage, NAG, code, late, at("2026-11-24T09:00")) == "reminded 1 of 1"
    assert await ring(stage, NAG, code, late, at("2026-11-24T15:30")) == "nothing: reminded just now"
    assert await ring(stage, NAG, code, at("2026-11-24T17:31"), at("2026-11-24T15:31")) == "nothing: done, moved or over"
    assert await ring(stage, ESCALATE, code, at("2026-11-30T17:35")) == "nothing: not overdue"
    assert await ring(stage, ESCALATE, code, at("2026-12-02T08:00")) == "escalated to community"
    assert await ring(stage, ESCALATE, code, at("2026-12-02T08:00")) == "nothing: not overdue"
    assert await ring(stage, ESCALATE, code, at("2026-12-10T17:35")) == "nothing: not overdue"
    assert await ring(stage, ESCALATE, code, at("2026-12-12T17:35")) == "nothing: not overdue", "a Saturday"
    told = {who: len(await to(stage, who)) for who in ("ST02", "ST04", "R101")}
    assert await ring(stage, ESCALATE, code, at("2026-12-11T17:35")) == "escalated to street"
    assert {who: len(await to(stage, who)) - count for who, count in told.items()} == {"ST02": 1, "ST04": 1, "R101": 1}
    assert await ring(stage, ESCALATE, code, at("2027-01-08T17:35")) == "nothing: stays at its level"
    quiet = await report(stage, sla="P5")
    assert await ring(stage, ESCALATE, quiet, at("2026-12-10T17:35")) == "nothing: stays at its level"


async def test_the_same_again_within_thirty_days_is_linked_once_and_told(stage):
    first, *_ = [await report(stage, state="CLOSED", closed_at=MORNING - timedelta(days=days)) for days in (29, 31)]
    code = await report(stage)
    elsewhere = await report(stage, lat=31.21, lon=120.16)
    assert await ring(stage, "recurrence", code, MORNING) == f"again after {first}"
    assert await ring(stage, "recurrence", code, MORNING) == "nothing: linked already"
    assert await ring(stage, "recurrence", elsewhere, MORNING) == "nothing: the first"
    (told,) = await to(stage, "ST02")
    assert f"同一地点的{first}" in shown(told).text
    async with stage.turn(None) as context:
        (link,) = await context.session.scalars(sa.select(ProblemLink))
        assert (link.problem_id, link.kind) == ((await problems.find(context, code)).id, "recurrence")


async def test_the_secretary_is_reminded_once_of_the_talk_after_a_second_reopening(stage):
    codes = [await report(stage, state="IN_PROGRESS", reopen_count=2) for _ in range(2)]
    async with stage.turn(None) as context:
        for code in codes:
            found = await problems.find(context, code)
            context.session.add(
                StateLog(object_kind="problem", object_id=found.id, event="reopen", source="RESOLVED", target="IN_PROGRESS", at=MORNING)
            )
    async with stage.turn("ST01") as context:
        await problems.contacted(context, await problems.find(context, codes[0]), "谈过了")
    before = len(await to(stage, "ST01"))
    assert await ring(stage, "secretary_contact", codes[0], at("2026-11-24T15:30")) == "nothing: contacted"
    assert await ring(stage, "secretary_contact", codes[1], at("2026-11-24T15:30")) == "reminded 1"
    assert len(await to(stage, "ST01")) == before + 1
    async with stage.turn("ST04") as context:
        await problems.resolve(context, await problems.find(context, codes[1]), RESULT)
    assert await ring(stage, "secretary_contact", codes[1], at("2026-11-24T15:30")) == "nothing: over"


async def test_a_task_that_nobody_claims_is_offered_further_twice(stage):
    stage.now = at("2026-11-23T09:00")
    number = await stage.task()
    async with stage.turn(None) as context:
        task = await tasks.find(context, number)
        await widening.expect(context, task)
    assert [due.astimezone(ZONE) for job, _, due in await stage.alarms() if job == "widen_task"] == [
        at("2026-11-24T09:00"), at("2026-11-25T09:00")
    ]  # fmt: skip
    await deliver(stage)
    heard = []
    for day in ("2026-11-24T09:00", "2026-11-25T09:00", "2026-11-26T09:00"):
        stage.now = at(day)
        async with stage.turn(None) as context:
            heard.append(await widening.widen(context, task.id))
    assert heard == ["community: 1", "units: 0", "nothing: as wide as can be"]
    assert "还没有人接" in (await stage.posted(group="party"))[-1].text
    taken = await stage.task()
    async with stage.turn("M02") as context:
        await claims.claim(context, taken)
    async with stage.turn(None) as context:
        assert await widening.widen(context, (await tasks.find(context, taken)).id) in ("nothing: not open", "nothing: claimed")
