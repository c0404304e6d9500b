"""Meetings that owe nothing to a quarter, the every-Thursday talk, and what is counted when several speak at once."""

from __future__ import annotations

import asyncio
import unicodedata
from datetime import date, datetime, time, timedelta

import pytest
import sqlalchemy as sa
from meeting_stage import alone, meetings_at

from models import ActionItem, AgendaItem, Attendance, Community, Meeting, Person, Problem
from services import meeting_agenda, meeting_times
from services.meeting_lines import kind_of, read_change, read_line
from services.periods import Quarter
from services.workdays import ZONE, Calendar

NOW = datetime(2026, 9, 10, 9, 30, tzinfo=ZONE)


def plain(said: str) -> str:
    return unicodedata.normalize("NFKC", said)


def told(world, who: str, words: str) -> list[str]:
    return [said for said in map(plain, world.pushes(who)) if words in said]


# -- what a line says ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "kind", "at", "place"),
    [
        ("党建联席会议 9月28日14:30 党群中心二楼", "joint_quarterly", datetime(2026, 9, 28, 14, 30, tzinfo=ZONE), "党群中心二楼"),
        ("物业联席会议9月28日下午2点半在物业会议室", "property_joint", datetime(2026, 9, 28, 14, 30, tzinfo=ZONE), "物业会议室"),
        ("联席会议 2026-10-09 14:30 三楼", "joint_quarterly", datetime(2026, 10, 9, 14, 30, tzinfo=ZONE), "三楼"),
        ("联席会议 2026/10/9 9:00", "joint_quarterly", datetime(2026, 10, 9, 9, 0, tzinfo=ZONE), ""),
        ("联席会议 9月28日 三楼", "joint_quarterly", None, "三楼"),
        ("聚餐 9月28日14:30 三楼", "", datetime(2026, 9, 28, 14, 30, tzinfo=ZONE), "三楼"),
    ],
)
def test_a_line(said, kind, at, place):
    line = read_line(said, NOW)
    assert (line.kind, line.at, line.place) == (kind, at, place)


def test_what_a_line_lacks_is_said():
    assert [key.name for key in read_line("联席会议 9月28日", NOW).missing] == ["meeting.need.hour", "meeting.need.place"]
    assert [key.name for key in read_line("党建联席会议", NOW).missing] == ["meeting.need.date", "meeting.need.place"]
    assert read_line("党建联席会议（补开） 9月28日14:30 三楼", NOW).late
    assert kind_of("大党委会") == "big_committee"
    assert read_change("9月29日14:30 区里有会", NOW) == (datetime(2026, 9, 29, 14, 30, tzinfo=ZONE), "区里有会")


# -- counted in workdays ------------------------------------------------------------------------------------------------
def test_the_days_of_a_quarter():
    calendar = Calendar()
    days = [moment.strftime("%m-%d %H:%M") for moment in meeting_times.to_schedule(calendar, Quarter(2026, 4))]
    assert days == ["11-02 09:00", "12-03 09:00", "12-17 09:00", "12-28 09:00"]
    times = meeting_times.of_meeting(calendar, datetime(2026, 9, 28, 14, 30, tzinfo=ZONE))
    assert [moment.strftime("%m-%d %H:%M") for moment in (times.topics, times.agenda, times.notice, times.second_ask, times.day_of)] == [
        "09-11 09:00", "09-21 17:30", "09-22 09:00", "09-24 09:00", "09-28 12:30",
    ]  # fmt: skip
    third, today = Quarter(2026, 3), date(2026, 9, 10)
    assert meeting_times.alternatives(calendar, date(2026, 9, 25), third, today) == (date(2026, 9, 24), date(2026, 9, 28))
    assert meeting_times.alternatives(calendar, date(2026, 10, 1), third, today) == (date(2026, 9, 30),)
    assert meeting_times.alternatives(calendar, date(2026, 10, 1), Quarter(2026, 4), today) == (date(2026, 10, 8),)
    assert meeting_times.alternatives(calendar, date(2026, 9, 25), third, date(2026, 9, 25)) == (date(2026, 9, 28),)
    assert meeting_times.missed_at(calendar, third) == datetime(2026, 10, 8, 9, 0, tzinfo=ZONE)


def test_talks_are_on_thursdays_that_are_workdays():
    calendar = Calendar()
    for now, day in (
        ("2026-09-10T19:59", date(2026, 9, 10)), ("2026-09-10T20:00", date(2026, 9, 17)),
        ("2026-09-25T09:00", date(2026, 10, 8)), ("2026-09-28T09:00", date(2026, 10, 8)),
    ):  # fmt: skip
        assert meeting_times.next_talk(calendar, datetime.fromisoformat(f"{now}:00+08:00")) == datetime.combine(day, time(20), ZONE)


# -- a property joint meeting -----------------------------------------------------------------------------------------------
async def test_a_property_joint_meeting_owes_nothing_to_a_quarter(databases, tmp_path):
    async with meetings_at(databases, tmp_path) as world:
        coordinator, secretary, clerk = world.person("ST02"), world.person("ST01"), world.person("ST03")
        assert (await coordinator.says("开会")).shows("例如")
        assert (await coordinator.says("开会 聚餐 9月28日14:30 三楼")).shows("是哪种会")
        assert (await coordinator.says("开会 物业联席会议 9月9日14:30 物业会议室")).shows("已经过了")
        shown = await coordinator.says("开会 物业联席会议 10月13日15:00 物业会议室")  # another quarter, and nobody minds
        assert shown.shows("HY-20260910-0001", "10月13日15:00")
        await world.at("2026-10-09T08:59")
        assert not told(world, "L08", "会议通知")
        await world.at("2026-10-09T09:00")  # three workdays before: 12, 10 (a working Saturday), 9
        assert len(told(world, "L08", "会议通知")) == 1
        assert not told(world, "L05", "会议通知")
        assert told(world, "ST04", "会议通知")
        assert (await world.person("ST04").presses("参加")).shows("已记下：参加")
        (meeting,) = await world.rows(Meeting, Meeting.kind == "property_joint")
        assert meeting.quarter == ""
        assert (await clerk.says(f"取消会议 {meeting.code} 改到下月")).shows("只有社区书记")
        assert (await secretary.says(f"取消会议 {meeting.code}")).shows("写明原因")
        assert (await secretary.says(f"取消会议 {meeting.code} 改到下月")).shows("已取消")
        assert told(world, "L08", "取消")
        pushed = len(world.pushes("L08"))
        await world.at("2026-10-13T16:00")
        assert len(world.pushes("L08")) == pushed
        assert (await secretary.says("会议")).shows("2026年第四季度", "待安排")
        assert (await world.person("R101").says("会议")).shows("给工作人员")


async def test_the_quarters_own_meeting_cannot_be_cancelled(world_sqlite):
    world = await alone(world_sqlite)
    secretary = world.person("ST01")
    assert (await secretary.says("开会 联席会议 12月1日14:30 党群中心二楼")).shows("HY-20261123-0001")
    assert (await secretary.says("取消会议 HY-20261123-0001 忙")).shows("不能取消")
    assert (await secretary.says("会议 HY-20261123-0009")).shows("没找到这个会议编号", "HY-20261123-0001")
    # walls: overdue problems and hotspots come on the agenda, by place and category alone
    await world.at("2026-11-25T17:30")
    (agenda,) = told(world, "ST03", "议程:")
    assert "逾期未办结" in agenda
    assert "热点:" in agenda
    texts = {problem.text for problem in await world.rows(Problem)}
    assert not [said for said in texts if plain(said) in agenda]


async def test_what_found_no_room_on_the_agenda_is_counted_and_the_third_reopening_always_finds_it(world_sqlite, monkeypatch):
    monkeypatch.setattr(meeting_agenda, "MOST_DRAFTED", 1)
    world = await alone(world_sqlite)
    clerk = world.person("ST03")
    async with world.app.database.transaction() as session:
        back = (await session.scalars(sa.select(Problem).where(Problem.state == "IN_PROGRESS").limit(2))).all()
        for problem in back:
            problem.reopen_count = 3
    await clerk.says("开会 联席会议 12月1日14:30 党群中心二楼")
    assert (await clerk.says(f"加议题 HY-20261123-0001 {'长' * 201}")).shows("最多200字", "201字")
    await world.at("2026-11-25T17:30")
    drafted = await world.rows(AgendaItem)
    assert sorted(item.problem_id for item in drafted) == sorted(problem.id for problem in back), "of one place, the two that came back"
    (agenda,) = told(world, "ST03", "议程:")
    assert "没有列入" in agenda
    # another date drafts anew, and what found no room before finds none now
    await world.person("ST02").says("改期 HY-20261123-0001 12月2日14:30 场地")
    await world.at("2026-11-26T17:30")
    assert len(await world.rows(AgendaItem)) == 2


async def test_a_guest_by_name_is_asked_as_all_others_are_and_again_for_another_date(world_sqlite):
    world, code = await alone(world_sqlite), "HY-20261123-0001"
    clerk, secretary, guest, late = (world.person(name) for name in ("ST03", "ST01", "R101", "M02"))
    names = {person.code: person.display_name for person in await world.rows(Person)}
    await clerk.says("开会 联席会议 12月1日14:30 党群中心二楼")
    assert (await clerk.says(f"加邀 {code}")).shows("请写明邀请谁")
    assert (await clerk.says(f"加邀 {code} {names['R101']}")).shows("到时和会议通知一起发")
    assert (await clerk.says(f"加邀 {code} {names['R101']}")).shows("已在")
    assert (await clerk.says(f"加邀 {code} U08")).shows("已在"), "whom its kind invites anyhow"
    assert (await guest.says(f"加邀 {code} {names['M02']}")).shows("只有社区协调员")
    assert (await guest.says(f"参加 {code}")).shows("正式通知")
    await clerk.says(f"改期 {code} 12月2日14:30 场地")
    assert not told(world, "R101", "改期")
    await world.at("2026-11-27T09:01")
    assert len(told(world, "R101", "会议通知")) == len(told(world, "L08", "会议通知")) == 1
    assert (await guest.presses("参加")).shows("已记下")
    assert (await clerk.says(f"加邀 {code} {names['M02']}")).shows("通知已发")
    assert len(told(world, "M02", "会议通知")) == 1
    assert (await clerk.says(f"撤邀 {code} {names['M02']}")).shows("已撤回")
    assert told(world, "M02", "不用您参加")
    assert (await late.says(f"参加 {code}")).shows("不在这次会议的受邀名单")
    await secretary.says(f"改期 {code} 12月8日14:30 停电", many=True)
    assert told(world, "R101", "改期")
    assert (await guest.says(f"参加 {code}")).shows("正式通知")
    await world.at("2026-12-08T12:31")
    assert len(told(world, "R101", "会议通知")) == 2
    assert len(told(world, "R101", "还没有收到您的回复")) == 1, "what was answered for the first date is no answer now"
    (row,) = [row for row in await world.rows(Attendance) if row.guest]
    assert row.reply == ""
    assert len(await world.rows(Attendance, Attendance.meeting_id == row.meeting_id)) == 20
    # opened before the notice: the kind's own are invited beside the guest
    at_once = "HY-20261208-0001"
    await clerk.says("开会 物业联席会议 12月8日16:00 三楼")
    await clerk.says(f"加邀 {at_once} {names['R101']}")
    await clerk.says(f"开始会议 {at_once}")
    (meeting,) = await world.rows(Meeting, Meeting.code == at_once)
    rows = await world.rows(Attendance, Attendance.meeting_id == meeting.id)
    assert sorted({row.guest for row in rows}) == [False, True]


async def test_long_lists_are_read_to_their_end(world_sqlite):
    """What does not fit on the first page is counted and a button away; others' meetings take nobody's place in a liaison's list."""
    world = await alone(world_sqlite)
    async with world.app.database.transaction() as session:
        community = await session.scalar(sa.select(Community))
        met = {
            "community_id": community.id,
            "kind": "property_joint",
            "state": "NOTICED",
            "planned_at": world.clock.now() + timedelta(days=9),
        }
        for number in range(20):
            made = Meeting(
                code=f"HY-20261123-{number:04d}", title="物业联席会议", created_at=world.clock.now() + timedelta(minutes=number), **met
            )  # fmt: skip
            session.add(made)
            await session.flush()
            if number < 9:
                session.add(Attendance(meeting_id=made.id, unit_code="U08"))
        for number in range(1, 15):
            due = world.clock.now() + timedelta(days=number)
            session.add(
                ActionItem(meeting_id=made.id, code=f"{made.code}-{number}", number=number, text="换门禁", unit_code="U08", due=due)
            )
    liaison = world.person("L08")
    first, rest = await liaison.says("会议"), await liaison.presses("下一页")
    assert plain(first.text).count("物业联席会议") == 8
    assert first.shows("后面还有1项")
    assert [f"HY-20261123-{number:04d}" in first.text + rest.text for number in range(10)] == [True] * 9 + [False]
    first, rest = await liaison.says("议定事项"), await liaison.presses("下一页")
    assert first.shows("后面还有2项")
    assert [f"HY-20261123-0019-{number}｜" in (first.text + rest.text).replace(" 换门禁", "") for number in range(1, 15)] == [True] * 14
    assert "下一页" not in rest.buttons


# -- the talk -----------------------------------------------------------------------------------------------------------
async def test_every_thursday_talk(world_sqlite):
    world = await alone(world_sqlite)
    resident, other = world.person("R101"), world.person("R118")
    assert (await resident.says("预约说事")).shows("11月26日20:00", "想说什么事")
    assert (await resident.says("楼道里的电动车")).shows("第1号", "楼道里的电动车")
    assert (await other.says("预约说事：菜场太吵")).shows("第2号")
    assert (await other.says("预约说事：菜场早上太吵")).shows("第2号", "早上")
    await world.at("2026-11-25T16:59")
    assert not [one for one in world.messages("public") if "逢四说事" in one.message.text]
    await world.at("2026-11-25T17:00")
    (announced,) = [one for one in world.messages("public") if "逢四说事" in one.message.text]
    assert "电动车" not in announced.message.text
    assert (await other.says("取消说事")).shows("已取消")
    assert (await other.says("取消说事")).shows("没有预约")
    await world.at("2026-11-26T19:59")
    assert not told(world, "ST02", "逢四说事")
    await world.at("2026-11-26T20:00")
    await world.at("2026-11-27T08:00")
    (collected,) = told(world, "ST02", "逢四说事")
    assert "收到1件" in collected
    assert "楼道里的电动车" in collected
    assert "菜场" not in collected
    assert (await resident.says("预约说事：路灯")).shows("12月3日20:00", "第1号")


# -- several at once, on both databases -----------------------------------------------------------------------------------
async def test_replies_and_signing_in_at_once_count_once(world):
    world = await alone(world)
    secretary, clerk, liaison = world.person("ST01"), world.person("ST03"), world.person("L08")
    await secretary.says("开会 联席会议 11月24日14:30 党群中心二楼")
    await world.at("2026-11-23T08:01")
    assert len(told(world, "L08", "会议通知")) == 1
    async with world.app.database.transaction() as session:
        (meeting,) = await session.scalars(sa.select(Meeting).where(Meeting.code == "HY-20261123-0001"))
        rows = (await session.scalars(sa.select(Attendance).where(Attendance.meeting_id == meeting.id))).all()
        assert len({(row.unit_code, row.person_id) for row in rows}) == len(rows)
    # the notice of the same occurrence again does nothing
    for who in ("unit_code", "person_id"):
        with pytest.raises(sa.exc.IntegrityError):
            async with world.app.database.transaction() as session:
                twin = next(row for row in rows if getattr(row, who) is not None)
                session.add(Attendance(meeting_id=meeting.id, unit_code=twin.unit_code, person_id=twin.person_id))
    with pytest.raises(sa.exc.IntegrityError):
        async with world.app.database.transaction() as session:
            session.add(Meeting(community_id=meeting.community_id, quarter="2026Q4", created_at=world.clock.now()))
    await asyncio.gather(*(liaison.says("参加 HY-20261123-0001", many=True) for _ in range(3)))
    await world.at("2026-11-24T14:30")
    await clerk.says("开始会议 HY-20261123-0001")
    (meeting,) = await world.rows(Meeting, Meeting.code == "HY-20261123-0001")
    others = [world.person(code) for code in ("L02", "L03", "L04")]
    await asyncio.gather(*(one.says(f"会议签到 {meeting.sign_in_code}", many=True) for one in [*others, liaison, liaison]))
    rows = await world.rows(Attendance, Attendance.meeting_id == meeting.id, Attendance.attended_at.is_not(None))
    assert sorted(row.unit_code for row in rows) == ["U02", "U03", "U04", "U08"]
    await asyncio.gather(*(clerk.says("散会 HY-20261123-0001", many=True) for _ in range(2)))
    (meeting,) = await world.rows(Meeting, Meeting.code == "HY-20261123-0001")
    assert meeting.state == "HELD"
    bookings = [world.person(f"R1{number}") for number in ("01", "18", "22")]
    await asyncio.gather(*(one.says("预约说事：路灯", many=True) for one in bookings))
    items = await world.rows(AgendaItem, AgendaItem.source == "booking")
    assert sorted(item.number for item in items) == [1, 2, 3]
    assert len(await world.rows(Meeting, Meeting.kind == "thursday_talk")) == 1
