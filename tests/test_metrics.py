"""The numbers: every formula of domain.md §8 at its edges, on the demo, and as of a moment that is over."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from fractions import Fraction

import pytest
from problem_stage import find, person, report
from work_stage import Stage, staged

from models import (
    ActionItem,
    Attendance,
    Claim,
    Commitment,
    Enrollment,
    Evaluation,
    Meeting,
    Problem,
    ServiceRecord,
    StateLog,
    Task,
)
from services import desk, metrics, metrics_people, problems
from services.metrics import Cohort, Ratio, rounded
from services.periods import Quarter
from services.replay import Standing
from services.spans import Span, midnight, read_moment, read_span
from services.workdays import ZONE, Calendar

AT = datetime(2026, 11, 23, 8, 30, tzinfo=ZONE)
HOUR = timedelta(hours=1)
Q4 = Span.quarter(Quarter(2026, 4))


def plain(said: str) -> str:
    return unicodedata.normalize("NFKC", said)


def standing(state: str = "CLOSED", **fields) -> Standing:
    sla, submitted = fields.pop("sla", "P3"), fields.pop("submitted", AT - 48 * HOUR)
    problem = Problem(
        community_id="c",
        code="WT",
        category="E01",
        sla=sla,
        submitted_at=submitted,
        contact_due=AT,
        resolve_due=AT,
        original_resolve_due=AT,
    )
    return Standing(problem, state, **({"contact_due": AT, "due": AT, "working_due": AT} | fields))


def cohort(*every: Standing, at: datetime = AT) -> Cohort:
    return Cohort(every, at, Calendar())


# -- how numbers are shown
@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [(39, 50, "78.0%"), (36, 41, "87.8%"), (1, 16, "6.3%"), (3, 16, "18.8%"), (1, 2000, "0.1%"), (1, 2001, "0.0%"), (1, 1, "100.0%"), (0, 7, "0.0%"),
     (0, 0, None), (999, 2000, "50.0%"), (1999, 2000, "100.0%")],
)  # fmt: skip
def test_one_decimal_half_up_and_nothing_of_nothing(part, whole, percent):
    assert Ratio.of(part, whole).percent == percent


def test_nothing_of_nothing_is_a_dash():
    assert Ratio.of(0, 0).shown == metrics.NOTHING
    assert rounded(Fraction(5, 2), 0) == "3"


# -- the formulas
def test_the_valid_cohort_and_what_is_done():
    found = cohort(*[standing(state) for state in ("SUBMITTED", "RESOLVED", "CLOSED", "SUSPENDED", "MERGED", "REJECTED", "WITHDRAWN")])
    assert found.finished() == Ratio.of(2, 4)
    assert found.repeated == 1


@pytest.mark.parametrize(
    ("one", "ratio"),
    [
        (standing(resolved_at=AT), (1, 1)),  # at the very moment is in time
        (standing(resolved_at=AT + timedelta(seconds=1)), (0, 1)),
        (standing("IN_PROGRESS", due=AT), (0, 1)),
        (standing("IN_PROGRESS", due=AT + timedelta(seconds=1)), (0, 0)),  # not yet due: in neither
        (standing("SUSPENDED", due=AT - HOUR), (0, 0)),
        (standing("MERGED", due=AT - HOUR), (0, 0)),
        (standing("RESOLVED", resolved_at=AT - HOUR, due=AT + HOUR), (1, 1)),
        (standing("IN_PROGRESS", due=AT - HOUR, working_due=AT + HOUR), (0, 1)),  # escalated: the original counts
    ],
)  # fmt: skip
def test_in_time_by_the_original_deadline(one, ratio):
    assert cohort(one).in_time() == Ratio.of(*ratio)


@pytest.mark.parametrize(
    ("one", "ratio"),
    [
        (standing(contact_at=AT, contact_due=AT), (1, 1)),
        (standing(contact_at=AT + HOUR, contact_due=AT), (0, 1)),
        (standing("SUBMITTED", contact_due=AT), (0, 1)),
        (standing("SUBMITTED", contact_due=AT + HOUR), (0, 0)),
        (standing("REJECTED", contact_due=AT - HOUR), (0, 0)),
    ],
)
def test_answered_in_time(one, ratio):
    assert cohort(one).answered() == Ratio.of(*ratio)


def test_solved_satisfied_rated_and_combined():
    found = cohort(
        standing(grade="good", solved=True, contact_at=AT, resolved_at=AT),
        standing(grade="fair", solved=True, contact_at=AT, resolved_at=AT),
        standing(grade="poor", solved=False, contact_at=AT, resolved_at=AT),
        standing("RESOLVED", contact_at=AT, resolved_at=AT),
    )
    assert found.solved() == Ratio.of(2, 3)
    assert found.satisfied() == Ratio.of(2, 3)
    assert found.satisfied(0.5) == Ratio.of(Fraction(3, 2), 3)
    assert found.rated() == Ratio.of(3, 4)
    assert found.combined(metrics.DEFAULTS) == Fraction("0.2") + Fraction("0.8") * Fraction(2, 3)
    assert cohort(standing(contact_at=AT)).combined(metrics.DEFAULTS) is None


def test_grid_reopened_and_hours():
    friday = datetime(2026, 11, 20, 16, 30, tzinfo=ZONE)
    monday = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE)
    found = cohort(
        standing(submitted=friday, resolved_at=monday),  # an hour on Friday, an hour on Monday
        standing(submitted=friday, resolved_at=monday, sla="P1", level="community", reopened=1),
        standing("IN_PROGRESS", level="grid"),
    )
    assert found.in_grid() == Ratio.of(1, 2)
    assert found.reopened() == Ratio.of(1, 2)
    assert found.hours() == (2 + Fraction(131, 2)) / 2  # of a P1 every hour counts
    assert cohort().hours() is None


# -- the spans
@pytest.mark.parametrize(
    ("said", "code"),
    [("第四季度", "2026Q4"), ("2026年第三季度", "2026Q3"), ("本月", "2026-11"), ("上月", "2026-10"), ("2025年12月", "2025-12"), ("12月", "2025-12"),
     ("本周", "2026W48"), ("上周", "2026W47"), ("今年", "2026"), ("去年", "2025"), ("2025年", "2025"), ("", "2026Q4"), ("本季度", "2026Q4"), ("上季度", "2026Q3"),
     ("第一季度", "2026Q1"), ("2026Q2", "2026Q2")],
)  # fmt: skip
def test_which_span_is_meant(said, code):
    span, _ = read_span(said, date(2026, 11, 23))
    assert span.code == code
    assert Span.parse(code) == span
    assert span.before.end == span.begin


def test_spans_that_are_none():
    assert [Span.parse(code) for code in ("2026Q5", "2026-13", "2026W54", "x", "", "2026-1")] == [None] * 6


def test_until_a_day_is_its_end_and_never_to_come():
    assert read_moment("第四季度 截至11月20日", AT) == (midnight(date(2026, 11, 21)), "第四季度")
    assert read_moment("截至11月23日", AT)[0] == AT
    assert read_moment("截至12月1日", AT)[0] == midnight(date(2025, 12, 2))


# -- on the demo
QUARTER = (
    "受理数 50件", "重复诉求 2件", "办结率 78.0%(39/50)", "按时办结率 87.8%(36/41)", "响应率 97.9%(46/47)", "满意率 97.1%(34/35)", "参评率 89.7%(35/39)",
    "报到率 95.8%(23/24)", "达标率 71.8%(28/39)",
)  # fmt: skip


async def test_the_fourth_quarter_of_the_demo(world):
    await world.at("2026-11-23T08:30")
    answer = await world.person("ST02").says("第四季度指标")
    lines = plain(answer.text).split("\n")
    assert lines[0] == "青禾里社区2026年第四季度指标(截至11月23日08:30)"
    assert [line for line in QUARTER if line not in lines] == []
    (picture,) = answer.shown[-1].media
    assert picture.mime == "image/png"
    assert picture.data.startswith(b"\x89PNG")
    assert "导出问题墙台账" in answer.buttons
    assert (await world.person("ST02").presses("上一期")).shows("2026年第三季度指标")


def _numbers(said: str) -> str:
    return said.partition("\n")[2]


async def test_asked_again_for_an_earlier_moment_the_number_is_that_of_then(world):
    await world.at("2026-11-23T08:40")
    said = "第四季度指标 截至11月22日"
    coordinator, leader, secretary = world.person("ST02"), world.person("ST08"), world.person("ST01")
    before = await coordinator.says(said)
    await leader.says("受理 WT-20261122-0001")
    await leader.says("已联系 WT-20261122-0001 明天上门")
    await leader.says("办结 WT-20261122-0001 建筑垃圾已经清运完毕")
    await coordinator.says("不受理 WT-20261121-0001 内容无效")
    await secretary.says("挂账 WT-20261113-0002 12月31日 等维修资金审批")
    await secretary.says("延期 WT-20261118-0001 12月4日 等商户整改完成")
    await coordinator.says("恢复 WT-20261022-0001")
    await world.person("R103").says("评价 WT-20261119-0001 不满意 又满了")
    await coordinator.says("办结 WT-20261117-0001 线路已经检修恢复供电")
    await world.at("2026-11-24T18:00")
    now = {one.code[3:]: one for one in await world.rows(Problem)}
    assert [now[code].state for code in ("20261122-0001", "20261121-0001", "20261113-0002", "20261022-0001", "20261119-0001", "20261117-0001")] == [
        "RESOLVED", "REJECTED", "SUSPENDED", "IN_PROGRESS", "IN_PROGRESS", "RESOLVED",
    ]  # fmt: skip
    assert now["20261118-0001"].extended_at is not None
    assert _numbers((await coordinator.says(said)).text) == _numbers(before.text)
    after = await coordinator.says("第四季度指标")
    assert _numbers(after.text) != _numbers(before.text)
    assert "受理数 49件" in after.text


async def test_who_is_shown_which_numbers(world_sqlite):
    world = world_sqlite
    leader = await world.person("ST04").says("第四季度指标")
    assert leader.shows("青禾苑一区网格2026年第四季度指标")
    assert "出席率" not in leader.text
    assert "导出会议台账" not in leader.buttons
    assert (await world.person("ST04").says("第四季度指标 G2")).shows("自己网格")
    assert (await world.person("ST02").says("第四季度指标 G2")).shows("青禾苑二区网格")
    assert (await world.person("ST02").says("本月指标 G9")).shows("没有G9")
    street = await world.person("ST10").says("本月指标")
    assert street.shows("青禾里社区2026年11月指标")
    assert street.buttons == ["上一期"]
    for nobody in ("R101", "M01", "ST11"):
        assert (await world.person(nobody).says("第四季度指标")).shows("给社区工作人员看")
    assert "办结率" not in (await world.person("R101").presses_action("figures:2026Q4:-")).text
    assert (await world.person("ST02").presses_action("figures:2026Q9:-")).shows("哪段时间")
    assert (await world.person("ST02").says("2027年第一季度指标")).shows("还没有开始")


async def test_in_a_group_only_the_way_to_the_private_chat(world_sqlite):
    answer = await world_sqlite.person("ST02").says("第四季度指标", chat="coordinators")
    assert answer.shows("私聊")
    assert "办结率" not in answer.text


# -- the history
@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = datetime(2026, 11, 23, 9, 0, tzinfo=ZONE)
        yield made


async def _at(stage: Stage, moment: datetime, at: datetime | None = None) -> Cohort:
    stage.now = moment
    async with stage.turn(None) as context:
        return await metrics.cohort(context, Q4, at or moment)


def day(number: int, hour: int = 9) -> datetime:
    return datetime(2026, 11, number, hour, 0, tzinfo=ZONE)


async def test_the_span_is_half_open(stage):
    for moment in (Q4.begin, Q4.end - timedelta(seconds=1), Q4.end, Q4.begin - timedelta(seconds=1)):
        await report(stage, submitted_at=moment)
    assert len((await _at(stage, Q4.end + HOUR)).every) == 2
    assert len((await _at(stage, Q4.end + HOUR, Q4.begin)).every) == 1


async def test_a_merge_takes_its_earlier_deadline_along_but_not_back_in_time(stage):
    parent = await report(stage, original_resolve_due=day(30, 17), resolve_due=day(30, 17))
    child = await report(stage, original_resolve_due=day(24, 17), resolve_due=day(24, 17))
    before = await _at(stage, day(25))
    assert before.in_time() == Ratio.of(0, 1)
    stage.now = day(26)
    async with stage.turn("ST02") as context:
        await problems.merge(context, await problems.find(context, child), await problems.find(context, parent))
    assert (await _at(stage, day(26, 10))).in_time() == Ratio.of(0, 1)  # the parent alone, by the earlier deadline
    again = await _at(stage, day(26, 10), day(25))
    assert again.in_time() == before.in_time()
    assert [(one.state, one.due) for one in again.every] == [("SUBMITTED", day(30, 17)), ("SUBMITTED", day(24, 17))]


async def test_what_was_taken_back_did_not_happen(stage):
    code = await report(stage)
    stage.now = day(23, 10)
    async with stage.turn("ST04") as context:
        log = await problems.accept(context, await problems.find(context, code))
        log.before = (log.before or {}) | {"cause": context.cause}
    async with stage.turn("ST04") as context:
        await desk.undo(context)
    stage.now = day(23, 11)
    async with stage.turn("ST04") as context:
        await problems.escalate(context, (await _accepted(context, code)), "需要物业配合")
    (one,) = (await _at(stage, day(24))).every
    assert (one.state, one.level) == ("ACCEPTED", "community")
    (then,) = (await _at(stage, day(24), day(23, 10) + timedelta(minutes=30))).every
    assert (then.state, then.level) == ("SUBMITTED", "grid")
    assert (await find(stage, code)).level == "community"


async def _accepted(context, code):
    problem = await problems.find(context, code)
    await problems.accept(context, problem)
    return problem


async def test_the_last_answer_of_the_reporter_counts(stage):
    code = await report(stage)
    problem = await find(stage, code)
    async with stage.turn(None) as context:
        for revision, (when, grade, solved) in enumerate(
            [(day(24), "poor", None), (day(24, 10), "poor", False), (day(26), "good", True)], 1
        ):
            context.session.add(
                Evaluation(
                    target="problem", target_id=problem.id, rater_kind="resident", grade=grade, solved=solved, at=when, revision=revision
                )
            )
    assert (await _at(stage, day(27), day(25))).satisfied() == Ratio.of(0, 1)
    assert (await _at(stage, day(27), day(25))).solved() == Ratio.of(0, 1)
    assert (await _at(stage, day(27))).satisfied() == Ratio.of(1, 1)
    assert (await _at(stage, day(27), day(24, 9))).solved() == Ratio.of(0, 0)


# -- people, meetings, promises
async def test_members_who_reported_took_part_and_reached_the_target(stage):
    async with stage.turn(None) as context:
        session = context.session
        members = [await person(context, code) for code in ("M01", "M02", "M03", "M04")]
        for one, served in zip(members, ((1, 5.0), (1, 4.5), (4, 20.0), (0, 0.0)), strict=True):
            session.add(ServiceRecord(person_id=one.id, year=2026, times=served[0], hours=served[1]))
        rows = {row.person_id: row for row in await session.scalars(metrics_people.sa.select(Enrollment))}
        for one in members:
            rows[one.id].applied_at = rows[one.id].confirmed_at = datetime(2026, 10, 9, 9, tzinfo=ZONE)
        rows[members[2].id].applied_at = datetime(2025, 3, 1, 9, tzinfo=ZONE)
        rows[members[3].id].confirmed_at, rows[members[3].id].state = None, "APPLIED"
        task = Task(
            community_id=context.ground.community_id,
            code="RW",
            short_no=1,
            title="t",
            start_at=day(10),
            end_at=day(10, 11),
            created_at=day(1),
        )
        session.add(task)
        await session.flush()
        claim = Claim(task_id=task.id, person_id=members[0].id, claimed_at=day(2), state="VERIFIED", hours=2.0)
        session.add(claim)
        await session.flush()
        for event, source, target, at in (("claim", "-", "ACTIVE", day(2)), ("verify", "DONE", "VERIFIED", day(12))):
            session.add(StateLog(object_kind="claim", object_id=claim.id, event=event, source=source, target=target, at=at))
    stage.now = AT
    async with stage.turn(None) as context:
        assert await metrics_people.reported(context, AT) == Ratio.of(3, 4)
        assert await metrics_people.took_part(context, Q4, AT) == Ratio.of(1, 3)
        assert await metrics_people.took_part(context, Q4, day(11)) == Ratio.of(0, 3)  # not verified yet
        assert await metrics_people.on_target(context, Span.year(2026), AT) == Ratio.of(
            2, 3
        )  # enrolled in Q4: once, 5 hours; before: 4 times, 20
        assert await metrics_people.reported(context, datetime(2026, 10, 1, tzinfo=ZONE)) == Ratio.of(0, 1)


async def test_attendance_decisions_and_promises(stage):
    async with stage.turn(None) as context:
        session, here = context.session, context.ground.community_id
        meeting = Meeting(
            community_id=here,
            kind="joint_quarterly",
            quarter="2026Q4",
            state="HELD",
            planned_at=day(5),
            ended_at=day(5, 11),
            created_at=day(1),
        )
        other = Meeting(
            community_id=here, kind="joint_quarterly", quarter="2026Q3", state="HELD", ended_at=day(5) - 60 * 24 * HOUR, created_at=day(1)
        )
        session.add_all([meeting, other])
        await session.flush()
        for unit, reply, came in (
            ("U01", "yes", day(5)),
            ("U02", "leave", None),
            ("U03", "yes", None),
            ("U04", "", None),
            ("U05", "leave", day(5)),
        ):
            session.add(Attendance(meeting_id=meeting.id, unit_code=unit, reply=reply, attended_at=came))
        session.add(Attendance(meeting_id=other.id, unit_code="U01"))
        for number, (state, due, done) in enumerate(
            [
                ("DONE", day(10), day(9)),
                ("DONE", day(10), day(11)),
                ("OPEN", day(10), None),
                ("OPEN", day(30), None),
                ("TRANSFERRED", day(10), None),
            ],
            1,
        ):
            session.add(ActionItem(meeting_id=meeting.id, code=f"HY-{number}", number=number, text="t", due=due, state=state, done_at=done))
        items = [{"what": "a", "due": "2026-11-01", "result": result} for result in ("kept", "partly", "not", "excused", "")]
        session.add(
            Commitment(community_id=here, owner="x", year=2026, state="PUBLISHED", items=[*items, {"what": "later", "result": "kept"}])
        )
        session.add(Commitment(community_id=here, owner="y", year=2026, state="DRAFT", items=items))
    stage.now = AT
    async with stage.turn(None) as context:
        assert await metrics_people.attendance(context, Q4, AT) == (Ratio.of(2, 5), 2)
        assert await metrics_people.decisions(context, Q4, AT) == Ratio.of(1, 3)
        assert await metrics_people.promises(context, Q4, AT) == Ratio.of(Fraction(3, 2), 4)
        assert (await metrics_people.of_people(context, Q4, AT))["absent"] == 2


async def test_residents_who_did_something(stage):
    await report(stage, "R101", submitted_at=day(10))
    stage.now = AT
    async with stage.turn(None) as context:
        everybody = (await metrics_people.residents_active(context, Q4, AT)).whole
        assert everybody >= 2
        assert await metrics_people.residents_active(context, Q4, AT) == Ratio.of(1, everybody)
        assert await metrics_people.residents_active(context, Q4, day(9)) == Ratio.of(0, everybody)
