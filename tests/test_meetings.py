"""The quarterly joint meeting from its placeholder to its last decision, as its people say it (domain.md §5 Meeting, §6, §11)."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime

import pytest
import sqlalchemy as sa
from import_stage import book
from meeting_stage import meetings_at

from models import ActionItem, AgendaItem, Attendance, ChatAccount, Community, HolidayDay, Meeting, Minutes, Occurrence, Person
from services import actions, meeting_alarms, meeting_jobs
from services.context import SCHEDULER, Context, ground


@pytest.fixture
async def autumn(databases, tmp_path):
    """The demo community as it stood on Thursday 10 September 2026 at 09:30."""
    async with meetings_at(databases, tmp_path) as world:
        yield world


def plain(said: str) -> str:
    return unicodedata.normalize("NFKC", said)


async def meeting_of(world, **where) -> Meeting:
    (found,) = await world.rows(Meeting, *(getattr(Meeting, name) == value for name, value in where.items()))
    return found


async def invited(world, **where) -> list[Attendance]:
    """Who is invited to the meeting that is not over."""
    (meeting,) = [one for one in await world.rows(Meeting) if one.state not in ("CLOSED", "MISSED")]
    return await world.rows(
        Attendance, Attendance.meeting_id == meeting.id, *(getattr(Attendance, name) == value for name, value in where.items())
    )


def told(world, who: str, words: str) -> list[str]:
    return [said for said in map(plain, world.pushes(who)) if words in said]


async def test_the_whole_life(autumn):
    world = autumn
    secretary, coordinator, clerk = (world.person(code) for code in ("ST01", "ST02", "ST03"))
    liaison, other = world.person("L08"), world.person("L05")
    # a date: another quarter is questioned, a day off refused with its neighbours
    asked = await coordinator.says("开会 党建联席会议 2026-10-09 14:30 党群中心二楼")
    assert asked.shows("2026年第三季度", "9月30日", "算不进")
    assert asked.buttons == ["仍定在10月9日14:30（算2026年第四季度）", "取消"]
    refused = await coordinator.says("开会 党建联席会议 9月25日14:30 党群中心二楼")
    assert refused.shows("9月25日是休息日")
    assert refused.buttons == ["9月24日", "9月28日"]
    assert (await meeting_of(world, quarter="2026Q3")).state == "PLACEHOLDER"
    done = await coordinator.presses("9月28日")
    assert done.shows(
        "HY-20260910-0001", "9月28日14:30", "党群中心二楼", "9月11日09:00", "9月21日17:30", "9月22日09:00", "9月24日09:00", "9月28日12:30"
    )
    assert told(world, "ST01", "会议已定")
    assert (await coordinator.says("开会 党建联席会议 9月29日14:30 党群中心二楼")).shows("改期 HY-20260910-0001")
    # topics
    await world.at("2026-09-11T08:59")
    assert not told(world, "L08", "征集议题")
    await world.at("2026-09-11T09:00")
    assert told(world, "L08", "提议题:内容")
    assert (await liaison.says("提议题：西门停车秩序，联系13812345678")).shows("西门停车秩序", "溪畔物业")
    assert (await world.person("R101").says("提议题：我家的事")).shows("联络员")
    await world.at("2026-09-21T17:29")
    assert (await meeting_of(world, quarter="2026Q3")).state == "TOPICS"
    await world.at("2026-09-21T17:30")
    assert (await other.says("提议题：晚了")).shows("没有在征集议题")
    (agenda,) = told(world, "ST03", "议程:")
    assert "西门停车秩序" in agenda
    assert "13812345678" not in agenda
    count = len(await world.rows(AgendaItem))
    assert (await clerk.says("加议题 HY-20260910-0001 冬季用电安全")).shows(f"{count + 1}. 冬季用电安全")
    assert "西门停车秩序" not in await clerk.presses("删第1项")
    assert (await liaison.says("加议题 HY-20260910-0001 x")).shows("只有社区协调员")
    # notice, replies
    await world.at("2026-09-22T08:59")
    assert not told(world, "L08", "会议通知")
    await world.at("2026-09-22T09:00")
    (notice,) = told(world, "L08", "会议通知")
    assert "冬季用电安全" in notice
    assert "9月23日17:30" in notice
    assert sum(row.unit_code is not None for row in await invited(world)) == 12
    assert (await liaison.presses("参加")).shows("已记下：参加", "溪畔物业")
    assert (await other.presses("请假")).shows("请假的原因")
    assert (await other.says("院内评审")).shows("已记下：请假", "院内评审")
    (theirs,) = await invited(world, unit_code="U08")
    forged = await other.presses_action(f"meeting_reply:{theirs.id}:leave")
    assert forged.shows("不在这次会议的受邀名单")
    assert (await world.person("R101").says("参加 HY-20260910-0001")).shows("受邀名单")
    assert (await invited(world, unit_code="U08"))[0].reply == "yes"
    assert (await coordinator.says("会议 HY-20260910-0001")).shows("参加1", "请假1", "未回复：", "院内评审")
    own = await other.says("会议 HY-20260910-0001")
    assert own.shows("您的回复：请假")
    assert "未回复" not in own
    # asked again on T-1, then two hours before; on days off nothing
    await world.at("2026-09-24T08:59")
    assert not told(world, "L02", "还没有收到您的回复")
    await world.at("2026-09-24T09:00")
    assert len(told(world, "L02", "还没有收到您的回复")) == 1
    assert not told(world, "L08", "还没有收到您的回复")
    assert not told(world, "L05", "还没有收到您的回复")
    before = {code: len(world.pushes(code)) for code in ("L02", "L05", "L08", "ST05")}
    await world.at("2026-09-28T12:29")
    assert {code: len(world.pushes(code)) for code in before} == before
    await world.at("2026-09-28T12:30")
    assert len(told(world, "L08", "今天开会")) == len(told(world, "L02", "今天开会")) == 1
    assert not told(world, "L05", "今天开会")
    groups = [shown.message.text for chat in ("party", "public", "coordinators") for shown in world.messages(chat)]
    assert not [said for said in groups if "未回复" in said or "收到您的回复" in said]
    # the day
    await world.at("2026-09-28T14:25")
    assert (await liaison.says("开始会议 HY-20260910-0001")).shows("只有社区协调员")
    assert (await clerk.says("开始会议 HY-20260910-0001")).shows("签到口令")
    pin = (await meeting_of(world, quarter="2026Q3")).sign_in_code
    wrong = f"{(int(pin) + 1) % 10000:04d}"
    assert (await liaison.says(f"会议签到 {wrong}")).shows("口令不对")
    assert (await liaison.says(f"会议签到 {pin}")).shows("签到成功", "溪畔物业")
    assert (await liaison.says(f"会议签到 {pin}")).shows("已经签到过")
    assert (await world.person("R101").says(f"会议签到 {pin}")).shows("受邀名单")
    assert (await clerk.says("点名 HY-20260910-0001")).shows("已到1")
    assert (await clerk.presses("已到：望溪供电所党支部")).shows("已到2")
    (forged_row,) = await invited(world, unit_code="U02")
    assert (await liaison.presses_action(f"meeting_sign:{forged_row.id}")).shows("只有社区协调员")
    assert (await liaison.says("请假 HY-20260910-0001 有事")).shows("不能再回复")
    assert (await clerk.says("议定 HY-20260910-0001 U08 10月20日前 更换9幢门禁")).shows("HY-20260910-0001-1", "溪畔物业", "10月20日17:30")
    assert told(world, "L08", "更换9幢门禁")
    assert (await clerk.says("议定 HY-20260910-0001 U99 10月20日前 x")).shows("U99")
    # the end: HELD, minutes from facts
    ended = await clerk.says("散会 HY-20260910-0001")
    assert ended.shows("出席单位2个，邀请12个", "按期召开", "前由书记确认")
    assert ended.shown[0].media[0].name.endswith(".docx")
    meeting = await meeting_of(world, quarter="2026Q3")
    assert meeting.state == "HELD"
    assert (await clerk.says("意见 HY-20260910-0001 物业：十月中旬完成")).shows("十月中旬完成")
    assert (await secretary.says("更正 HY-20260910-0001 x")).shows("参会单位的联络员")
    assert (await liaison.says("更正 HY-20260910-0001 x")).shows("还没有发各单位核对")
    await clerk.presses("发各单位核对")
    assert told(world, "L08", "纪要草稿,请核对")
    assert not told(world, "L05", "纪要草稿,请核对")
    assert (await liaison.says("更正 HY-20260910-0001 时限改为10月21日")).shows("收到更正")
    assert told(world, "ST03", "时限改为10月21日")
    assert (await clerk.says("确认纪要 HY-20260910-0001")).shows("只有社区书记")
    asked = await secretary.presses("确认纪要")
    assert asked.shows("更正期到9月30日", "时限改为10月21日")
    assert (await meeting_of(world, quarter="2026Q3")).state == "HELD"
    assert (await secretary.presses("现在就确认")).shows("已发12个单位")
    assert (await liaison.says("更正 HY-20260910-0001 我们来了两个人")).shows("已由书记确认", "没有记下")
    (kept,) = await world.rows(Minutes, Minutes.meeting_id == meeting.id)
    assert len(kept.facts["came"]) == 3
    assert kept.facts["chair"] in kept.facts["came"]
    assert kept.facts["chair"] not in kept.facts["absent"]
    assert len(kept.facts["leave"]) == 1
    assert kept.facts["decided"] == [["更换9幢门禁", "溪畔物业服务有限公司党支部", "2026-10-20"]]
    # the decision: T-3 workdays, the day, one day late; then nothing more
    for moment, words in (("2026-10-15", "还有3个工作日"), ("2026-10-20", "到期"), ("2026-10-21", "已过期")):
        await world.at(f"{moment}T08:59")
        before = len(world.pushes("L08"))
        await world.at(f"{moment}T09:00")
        assert len(world.pushes("L08")) == before + 1
        assert words in plain(world.pushes("L08")[-1])
    assert told(world, "ST02", "已过期")
    last = len(world.pushes("L08"))
    await world.at("2026-10-23T10:00")
    assert len(world.pushes("L08")) == last
    assert (await other.says("完成 HY-20260910-0001-1 换好了门禁")).shows("没有权限")
    assert (await liaison.says("完成 HY-20260910-0001-1")).shows("一句话写结果")
    assert (await liaison.says("9幢门禁已更换")).shows("会议办结")
    (item,) = await world.rows(ActionItem)
    assert (item.state, (await meeting_of(world, quarter="2026Q3")).state) == ("DONE", "CLOSED")
    async with world.app.database.transaction() as session:
        context = Context(session, world.clock.now(), SCHEDULER, await ground(session), "late alarm")
        assert await actions.remind(context, f"{item.id}:over:20261020") == "no longer"
    # the next one opens with what became of it
    await coordinator.says("开会 党建联席会议 10月30日14:30 党群中心二楼")
    await world.at("2026-10-30T14:20")
    assert (await clerk.says("开始会议 HY-20261023-0001")).shows("0.0%（0/1）")


async def test_a_quarter_without_a_meeting_is_missed_and_made_up_for(autumn):
    world = autumn
    coordinator, secretary = world.person("ST02"), world.person("ST01")
    for moment in ("2026-09-16T09:00", "2026-09-24T09:00"):
        before = len(told(world, "ST02", "还没有定日期"))
        await world.at(moment)
        assert len(told(world, "ST02", "还没有定日期")) == before + 1
    await world.at("2026-10-08T08:59")
    assert (await meeting_of(world, quarter="2026Q3")).state == "PLACEHOLDER"
    await world.at("2026-10-08T09:00")
    assert (await meeting_of(world, quarter="2026Q3")).state == "MISSED"
    assert told(world, "ST01", "没有按期召开")
    assert told(world, "ST10", "没有按期召开")
    asked = await coordinator.says("开会 党建联席会议 10月9日14:30 党群中心二楼")
    assert asked.buttons == ["2026年第四季度的会", "补开2026年第三季度的会", "取消"]
    assert (await coordinator.presses("补开2026年第三季度的会")).shows("（补开）")
    late = (await world.rows(Meeting, Meeting.makes_up_for.is_not(None)))[0]
    assert (late.state, (await meeting_of(world, quarter="2026Q4")).state) == ("SCHEDULED", "PLACEHOLDER")
    await world.at("2026-10-09T14:30")
    await secretary.says(f"开始会议 {late.code}")
    assert (await secretary.says(f"散会 {late.code}")).shows("还没有人签到")
    await secretary.says(f"点名 {late.code}")
    await secretary.presses("已到：望溪供电所党支部")
    await secretary.says(f"散会 {late.code}")
    states = {row.makes_up_for is None: row.state for row in await world.rows(Meeting, Meeting.quarter == "2026Q3")}
    assert states == {True: "MISSED", False: "HELD"}


async def test_postponing_is_the_secretarys_and_stays_in_the_quarter(autumn):
    world = autumn
    coordinator, secretary, street = (world.person(code) for code in ("ST02", "ST01", "ST10"))
    assert (await world.person("ST04").says("开会 党建联席会议 9月28日14:30 党群中心")).shows("只有社区协调员")
    assert (await street.says("开会 党建联席会议 9月22日14:30 街道会议室")).shows("由街道召集")
    code = "HY-20260910-0001"
    assert (await coordinator.says(f"开始会议 {code}")).shows("当天才能")
    assert (await coordinator.says(f"改期 {code} 9月23日10:00")).shows("9月23日10:00")
    await world.at("2026-09-20T09:00")
    assert (await meeting_of(world, code=code)).state == "NOTICED"
    assert (await coordinator.says(f"改期 {code} 9月24日14:30 有事")).shows("只有社区书记")
    assert (await secretary.says(f"改期 {code} 9月24日14:30")).shows("写明原因")
    assert (await secretary.says(f"改期 {code} 9月26日14:30 区里有会")).shows("休息日", "9月24日", "9月28日")
    assert (await secretary.says(f"改期 {code} 9月28日14:30 区里有会")).shows("9月28日14:30")
    assert told(world, "L08", "改期")
    assert await invited(world) == []
    liaison = world.person("L08")
    assert (await liaison.presses("参加")).shows("已经作废"), "the card of the first date"
    assert (await liaison.says(f"参加 {code}", many=True)).shows("正式通知9月22日09:00发给您")
    assert (await liaison.says(f"会议 {code}")).shows("正式通知9月22日09:00发给您")
    assert (await world.person("R101").says(f"参加 {code}")).shows("不在这次会议的受邀名单")
    await world.at("2026-09-22T09:00")
    assert len(told(world, "L08", "会议通知")) == 2
    asked = await secretary.says(f"改期 {code} 10月9日14:30 区里有会")
    assert asked.shows("算不进2026年第三季度", "9月30日")
    assert (await secretary.presses("推迟，待安排")).shows("待安排", "9月30日")
    meeting = await meeting_of(world, quarter="2026Q3")
    assert (meeting.state, meeting.planned_at) == ("PLACEHOLDER", None)
    assert told(world, "L08", "推迟召开")
    pushed = len(world.pushes("L08"))
    await world.at("2026-09-28T15:00")
    assert len(world.pushes("L08")) == pushed
    assert (await coordinator.says("开会 党建联席会议 9月29日14:30 党群中心")).shows("不足3个工作日")
    await world.at("2026-09-28T15:01")
    assert len(told(world, "L08", "会议通知")) == 3
    assert (await meeting_of(world, quarter="2026Q3")).code == code


async def _down_until(world, moment: str) -> None:
    """The program stood still until then; what it missed rings now, all at once."""
    world.clock.put(datetime.fromisoformat(f"{moment}:00+08:00"))
    while await world.app.alarms.tick():
        await world.app.drain()


async def test_after_a_downtime_everybody_hears_once_and_of_what_is_still_to_come(autumn):
    world, code = autumn, "HY-20260910-0001"
    coordinator, clerk, secretary = (world.person(name) for name in ("ST02", "ST03", "ST01"))
    await coordinator.says("开会 党建联席会议 9月24日14:30 党群中心二楼")
    await world.at("2026-09-18T10:00")
    before = len(world.pushes("L08"))
    await _down_until(world, "2026-09-25T10:00")  # over the whole of it: nothing is said of a meeting whose time is over
    assert world.pushes("L08")[before:] == []
    assert len(told(world, "ST02", "会议通知还没有发出")) == 1
    await coordinator.says(f"改期 {code} 9月30日14:30 停电", many=True)
    await _down_until(world, "2026-09-30T13:00")  # the notice, the second ask and today's reminder ring together
    assert [plain(said)[:6] for said in world.pushes("L08")[before:] if code in said] == ["【会议通知】"]
    assert not told(world, "L08", "还没有收到您的回复") + told(world, "L08", "今天开会")
    await world.at("2026-09-30T14:30")
    await clerk.says(f"开始会议 {code}", many=True)
    (meeting,) = await world.rows(Meeting, Meeting.code == code)
    await world.person("L08").says(f"会议签到 {meeting.sign_in_code}", many=True)
    await clerk.says(f"议定 {code} U08 10月14日前 更换9幢门禁", many=True)
    for day in ("10月30日", "10月14日", "10月30日", "10月14日"):
        assert (await secretary.says(f"延期 {code}-1 {day} 缺货", many=True)).shows(day)
    await _down_until(world, "2026-10-15T13:00")  # of three reminders the last says it all
    assert not told(world, "L08", "14日17:30到期")
    assert len(told(world, "L08", "已过期")) == 1
    # what was decided and is due stands on the next agenda, once, and stays off where the clerk took it off
    await coordinator.says("开会 联席会议 11月10日14:30 党群中心二楼", many=True)
    await world.at("2026-11-04T17:31")
    assert f"到期未完成的事项1项:{code}-1" in told(world, "ST03", "议程:")[-1]
    await clerk.says("删议题 HY-20261015-0001 1", many=True)
    await coordinator.says("改期 HY-20261015-0001 11月20日14:30 场地", many=True)
    await world.at("2026-11-16T17:31")
    assert "到期未完成" not in told(world, "ST03", "议程:")[-1]


async def test_reminders_of_a_quarter_that_ring_together_are_one(databases, tmp_path):
    async with meetings_at(databases, tmp_path, "2026-10-15T10:00:00+08:00") as world:
        await world.at("2026-10-16T10:00")
        await _down_until(world, "2026-12-28T18:00")
        assert len(told(world, "ST02", "还没有定日期")) == 1
        left = await world.rows(Occurrence, Occurrence.job == "meeting_unscheduled", Occurrence.state != "done")
        assert [row.outcome for row in left] == []


async def test_a_line_without_its_words_says_how_to_write_it(autumn):
    coordinator, liaison, code = autumn.person("ST02"), autumn.person("L08"), "HY-20260910-0001"
    await coordinator.says("开会 党建联席会议 9月23日10:00 党群中心")
    assert (await liaison.says("提议题：", many=True)).shows("请把议题写在后面", "9月23日10:00")
    for said, how in (("加议题", "冬季用电安全"), ("改议题", "冬季用电安全"), ("加议题 {}：", "冬季用电安全"), ("改议题 {} 1", "第几项")):
        assert (await coordinator.says(said.format(code) if "{}" in said else f"{said} {code}")).shows(how)
    await autumn.at("2026-09-23T10:00")
    await coordinator.says(f"开始会议 {code}")
    for said in ("U08 10月20日前", "U08 10月20日之前：", "U08 10月20日", "U08"):
        assert (await coordinator.says(f"议定 {code} {said}")).shows("请这样写")
    assert await autumn.rows(ActionItem) == []
    assert (await coordinator.says(f"议定 {code} U08 10月20日 更换门禁")).shows("事项：更换门禁")
    (meeting,) = await autumn.rows(Meeting, Meeting.code == code)
    await liaison.says(f"会议签到 {meeting.sign_in_code}")
    await coordinator.says(f"散会 {code}")
    assert (await coordinator.says(f"意见 {code}")).shows("请把意见写在后面")
    assert (await liaison.says(f"更正 {code}：")).shows("请写明哪里要更正")


async def test_a_meeting_of_the_last_day_cannot_be_opened_in_the_next_quarter(autumn):
    world = autumn
    coordinator = world.person("ST02")
    await coordinator.says("开会 联席会议 9月30日16:00 党群中心二楼")
    await world.at("2026-10-08T08:30")
    assert (await coordinator.says("开始会议 HY-20260910-0001")).shows("季度已经过了")
    await world.at("2026-10-08T09:00")
    assert (await meeting_of(world, quarter="2026Q3")).state == "MISSED"


async def test_workdays_entered_later_move_what_is_to_come(autumn):
    world = autumn
    await world.person("ST02").says("开会 联席会议 9月28日14:30 党群中心二楼")
    await world.at("2026-09-15T10:00")
    for _ in range(2):  # a day off is entered, and corrected: the desk is told once that the meeting's own day is one
        days = [{"day": "2026-09-28", "kind": "休息", "name": "台风"}, {"day": "2026-09-26", "kind": "上班", "name": ""}]
        seen = await world.person("ST03").sends_file(book(holidays=days), "节假日.xlsx")
        if "导入" in seen.buttons:
            await world.person("ST03").presses("导入")
    (said,) = told(world, "ST02", "那天是休息日")
    assert "9月26日" in said
    assert "9月29日" in said
    await world.person("ST03").sends_file(book(holidays=[one | {"kind": "上班"} for one in days]), "节假日.xlsx")
    await world.person("ST03").presses("导入")
    async with world.app.database.transaction() as session:
        session.add(HolidayDay(day=date(2026, 9, 22), is_workday=False, name="台风停工"))
        community = (await session.scalars(sa.select(Community))).one()
        community.version += 1
    for _ in range(2):
        async with world.app.database.transaction() as session:
            context = Context(session, world.clock.now(), SCHEDULER, await ground(session), "entered")
            assert await meeting_alarms.recount(context) == 1
            (meeting,) = await session.scalars(sa.select(Meeting).where(Meeting.code == "HY-20260910-0001"))
            assert await meeting_jobs.give_notice(context, f"{meeting.id}:1") == "no longer"  # an alarm of the date it had
    await world.at("2026-09-21T08:59")
    assert not told(world, "L08", "会议通知")
    await world.at("2026-09-21T09:00")
    await world.at("2026-09-28T15:00")
    assert len(told(world, "L08", "会议通知")) == len(told(world, "L08", "今天开会")) == 1
    assert len(told(world, "L02", "还没有收到您的回复")) == 1


async def test_workdays_entered_later_move_minutes_and_reminders_of_decisions(autumn):
    world, code = autumn, "HY-20260910-0001"
    coordinator, clerk = world.person("ST02"), world.person("ST03")
    await coordinator.says("开会 联席会议 9月23日10:00 党群中心二楼")
    await world.at("2026-09-23T10:00")
    await clerk.says(f"开始会议 {code}", many=True)
    (meeting,) = await world.rows(Meeting, Meeting.code == code)
    await world.person("L08").says(f"会议签到 {meeting.sign_in_code}", many=True)
    await clerk.says(f"议定 {code} U08 10月20日前 更换9幢门禁", many=True)
    assert (await world.person("ST10").says("议定事项")).buttons == [], "the street reads, the unit and the desk do"
    assert (await clerk.says("议定事项")).buttons == [f"完成 {code}-1"]
    (gone,) = await world.rows(Person, Person.code == "M02")
    await clerk.says(f"议定 {code} M02 10月20日前 发简报", many=True)
    async with world.app.database.transaction() as session:
        await session.execute(sa.update(ChatAccount).where(ChatAccount.person_id == gone.id).values(blocked=True))
    assert (await clerk.says(f"散会 {code}", many=True)).shows("9月29日17:30前发各单位核对")
    await clerk.sends_file(
        book(holidays=[{"day": day, "kind": "休息", "name": "停工"} for day in ("2026-09-28", "2026-10-16")]), "节假日.xlsx"
    )
    await clerk.presses("导入")
    await world.at("2026-09-30T08:59")
    assert not told(world, "ST03", "要发各单位核对")[1:]
    await world.at("2026-09-30T09:01")
    assert told(world, "ST03", "今天(9月30日17:30前)要发各单位核对")
    assert not told(world, "L08", "还有3个工作日到期(10月20日17:30)")
    await world.at("2026-10-14T09:01")  # three workdays before, with one workday less: a day earlier
    assert len(told(world, "L08", "还有3个工作日到期(10月20日17:30)")) == 1
    (unreached,) = told(world, "ST03", "没能提醒到")
    assert gone.display_name in unreached
    assert f"{code}-2" in unreached
    await world.at("2026-10-16T09:01")
    assert len(told(world, "L08", "还有3个工作日到期(10月20日17:30)")) == 1


async def test_the_fourth_quarter_is_reminded_of_and_missed(databases, tmp_path):
    async with meetings_at(databases, tmp_path, "2026-12-16T08:00:00+08:00") as world:
        for day in ("12-17", "12-28"):
            await world.at(f"2026-{day}T08:59")
            before = len(told(world, "ST02", "还没有定日期"))
            await world.at(f"2026-{day}T09:00")
            assert len(told(world, "ST02", "还没有定日期")) == before + 1, day
        assert len(told(world, "ST01", "还没有定日期")) == 2
        await world.at("2027-01-04T09:00")
        assert len(told(world, "ST02", "还没有定日期")) == 2
        assert (await meeting_of(world, quarter="2026Q4")).state == "MISSED"
        assert (await meeting_of(world, quarter="2027Q1")).state == "PLACEHOLDER"
        planned = await world.person("ST02").says("开会 联席会议 2月24日14:30 党群中心二楼")
        assert planned.buttons == ["2027年第一季度的会", "补开2026年第四季度的会", "取消"]
        assert (await world.person("ST02").presses("2027年第一季度的会")).shows("暂按法定节假日推算")


async def test_a_date_just_over_is_asked_about_and_another_year_is_said(databases, tmp_path):
    async with meetings_at(databases, tmp_path) as world:
        coordinator, clerk = world.person("ST02"), world.person("ST03")
        await coordinator.says("开会 党建联席会议 9月24日14:30 党群中心二楼")
        await world.at("2026-09-24T14:25")
        await clerk.says("开始会议 HY-20260910-0001")
        over = await clerk.says("议定 HY-20260910-0001 U02 9月10日前 把外墙查一遍")
        assert over.shows("今年的9月10日已经过了", "2027年9月10日")
        assert not await world.rows(ActionItem)
        assert (await clerk.says("议定 HY-20260910-0001 U02 2027年9月10日前 把外墙查一遍")).shows("9月10日17:30前（2027年）")
        assert "(2027年)" in told(world, "L02", "把外墙查一遍")[0]
        named = await clerk.says("议定 HY-20260910-0001 U08 10月20号前 修好地库照明")
        assert named.shows("事项：修好地库照明", "10月20日17:30前")
        assert "2026年" not in named
        for said in ("撤销议定 HY-20260910-0001-1 日期打错了", "延期 HY-20260910-0001-2 10月30号 配件没到"):
            assert (await clerk.says(said)).shows("只有社区书记可以办")
        assert (await world.person("ST01").says("延期 HY-20260910-0001-2 1月10号 配件没到")).shows("1月10日17:30（2027年）")
        assert (await world.person("ST01").says("延期 HY-20260910-0001-2 9月20号 配件没到")).shows("今年的9月20日已经过了")
