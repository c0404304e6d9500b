"""Meetings as people speak of them: answers in other words, the code alone, another place, and what nobody opened."""

from __future__ import annotations

import unicodedata
from datetime import datetime

import pytest
from meeting_stage import meetings_at

from models import Attendance, Meeting
from services import meeting_times
from services.meeting_lines import read_place, split_place
from services.workdays import Calendar
from texts.utterances import intents, normalise, recognise

CODE = "HY-20260910-0001"


@pytest.fixture
async def autumn(databases, tmp_path):
    """The demo community as it stood on Thursday 10 September 2026 at 09:30."""
    async with meetings_at(databases, tmp_path) as world:
        yield world


def told(world, who: str, words: str) -> list[str]:
    return [said for said in (unicodedata.normalize("NFKC", one) for one in world.pushes(who)) if words in said]


async def meeting(world, code: str = CODE) -> Meeting:
    (found,) = await world.rows(Meeting, Meeting.code == code)
    return found


async def replies(world) -> dict[str, tuple[str, str | None]]:
    ours = Attendance.meeting_id == (await meeting(world)).id
    rows = await world.rows(Attendance, ours, Attendance.unit_code.is_not(None), Attendance.reply != "")
    return {row.unit_code: (row.reply, row.leave_reason) for row in rows}


# -- the answers ----------------------------------------------------------------------------------------------------------
JOIN = "参加。|参加！|好的 参加|收到，参加|我单位准时参加|我们所派小王参加|可以参加！谢谢"
LEAVE = {
    "请假": "", "请假 临时有手术": "临时有手术", "请假，那天家长会": "那天家长会", "来不了，孩子病了": "孩子病了",
    "我们单位不能参加，要开职代会": "要开职代会", "请假因为停电检修": "因为停电检修",
}  # fmt: skip
NEITHER = (
    "参加什么会？|可以参加吗|怎么参加|没人参加|我们所没派人参加|派出所参加|我们所派谁参加|请假怎么请？|请假 怎么办|请假 31|请假 可以吗"
    "|电梯坏了来不了|垃圾车来不了"
)


def test_which_words_answer_a_notice():
    join, leave = intents()["join_loosely"], intents()["leave_loosely"]
    assert [said for said in JOIN.split("|") if join.match(normalise(said)) is None] == []
    assert {said: (leave.match(normalise(said)) or {}).get("reason") for said in LEAVE} == LEAVE
    assert [
        said for said in NEITHER.split("|") if join.match(normalise(said)) is not None or leave.match(normalise(said)) is not None
    ] == []
    assert recognise("参加") is None, "a label, or an answer in a dialog, comes first"


async def test_a_notice_is_answered_in_its_own_words(autumn):
    world = autumn
    third, fifth, sixth, second, resident = (world.person(code) for code in ("L03", "L05", "L06", "L02", "R101"))
    await world.person("ST02").says("开会 党建联席会议 9月24日14:30 党群中心二楼")
    before = await third.says("参加！", many=True)
    assert "已记下" not in before, "no notice waits yet"
    await world.at("2026-09-21T09:00")
    assert (await third.says("我们所派小王参加")).shows("已记下：参加")
    assert (await fifth.says("请假 临时有手术")).shows("已记下：请假", "临时有手术")
    assert (await sixth.says("请假，那天家长会")).shows("已记下：请假", "那天家长会")
    assert (await second.says("来不了")).shows("请假的原因")
    assert (await second.says("来不了，要参加市里的会")).shows("已记下：请假"), "what the reason's question waits for"
    assert "已记下" not in await resident.says("参加！"), "who is not invited"
    assert (await replies(world)) == {
        "U03": ("yes", None), "U05": ("leave", "临时有手术"), "U06": ("leave", "那天家长会"), "U02": ("leave", "来不了，要参加市里的会"),
    }  # fmt: skip
    assert (await third.says("请假 小王病了")).shows("已记下：请假"), "it can be changed"
    # two notices wait: which?
    await world.person("ST02").says("开会 大党委会 9月24日10:00 三楼会议室")
    await world.at("2026-09-21T09:05")
    assert (await world.person("L08").says("好的 参加")).shows("参加哪一个", CODE, "HY-20260921-0001")
    assert (await world.person("L08").presses(CODE)).shows("已记下：参加")
    assert (await replies(world))["U08"] == ("yes", None)
    assert (await world.person("L08").says("好的 参加")).shows("三楼会议室"), "the one that is still open"


async def test_the_code_on_the_screen_signs_in_by_itself(autumn):
    world = autumn
    coordinator, second, third, fifth, resident = (world.person(code) for code in ("ST02", "L02", "L03", "L05", "R101"))
    await coordinator.says("开会 党建联席会议 9月11日14:30 党群中心二楼")
    await world.at("2026-09-11T14:25")
    await coordinator.says(f"开始会议 {CODE}")
    pin = (await meeting(world)).sign_in_code
    wrong = f"{(int(pin) + 1) % 10000:04d}"
    assert (await second.says(wrong)).shows("口令不对")
    assert (await second.says("会议签到 ٣٦٧٠")).shows("口令不对"), "figures of another script"
    assert (await second.says(pin)).shows("签到成功")
    assert (await second.says(pin)).shows("已经签到过")
    assert (await third.says(f"签到 {wrong}")).shows("口令不对")
    assert (await third.says(f"签到 {pin}")).shows("签到成功")
    assert "签到" not in await resident.says(pin), "who is not invited says a number like any other"
    assert (await resident.says(f"签到 {pin}")).shows("没找到任务")
    await coordinator.says(f"散会 {CODE}")
    assert (await fifth.says(f"签到 {pin}")).shows("没找到任务"), "nothing is in session"


# -- another place --------------------------------------------------------------------------------------------------------
def test_a_place_is_told_from_a_reason():
    old = "党群中心二楼"
    assert split_place("三楼会议室 二楼漏水", old) == ("三楼会议室", "二楼漏水")
    assert split_place("，改到社区议事厅，人多坐不下", old) == ("社区议事厅", "人多坐不下")
    for reason in ("二楼漏水", "区里有会", "党群中心二楼 漏水", "三楼会议室 被占用", "书记去区行政中心", "领导要去党群中心 改天"):
        assert split_place(reason, old) == ("", reason)
    assert read_place("河边凉亭 天气好", old) == ("河边凉亭", "天气好")


async def test_the_place_changes_and_everybody_invited_is_told(autumn):
    world = autumn
    secretary, coordinator, clerk, liaison = (world.person(code) for code in ("ST01", "ST02", "ST03", "L08"))
    await coordinator.says("开会 党建联席会议 9月24日14:30 党群中心二楼")
    assert (await liaison.says("会议", many=True)).shows(CODE), "whom it will invite"
    await world.at("2026-09-21T09:00")
    await liaison.presses("参加")
    # a place without a code: the sentence is given, nobody is told
    assert (await clerk.says("换地方 三楼会议室 二楼漏水")).shows(f"改地点 {CODE} 三楼会议室 二楼漏水")
    assert (await clerk.says(f"改地点 {CODE}")).shows("请把新地点写在后面")
    assert (await liaison.says(f"改地点 {CODE} 三楼会议室")).shows("只有社区协调员")
    assert (await liaison.says(f"改期 {CODE} 三楼会议室 二楼漏水")).shows("只有社区协调员")
    assert "改地点" not in await liaison.says("换地方 三楼会议室", many=True)
    assert (await meeting(world)).place == "党群中心二楼"
    changed = await clerk.says(f"改地点 {CODE} 三楼会议室 二楼漏水")
    assert changed.shows("三楼会议室", "原定党群中心二楼", "二楼漏水")
    for code in ("L08", "L05", "ST01", "ST02"):
        assert len(told(world, code, "改为三楼会议室")) == 1, code
    assert (await clerk.says(f"改地点 {CODE} 三楼会议室")).shows("本来就是")
    assert (await replies(world))["U08"] == ("yes", None), "who has answered has answered"
    await world.at("2026-09-24T12:30")
    assert len(told(world, "L08", "今天开会")) == 1
    assert "三楼会议室" in told(world, "L08", "今天开会")[0]
    # with 改期: the same date is the place alone, another date both
    assert (await clerk.says(f"改期 {CODE} 9月24日14:30 一楼大厅 三楼停电", many=True)).shows("一楼大厅")
    assert len(told(world, "L08", "改为一楼大厅")) == 1
    assert (await secretary.says(f"改期 {CODE} 9月28日14:30 三楼会议室 区里有会", many=True)).shows("9月28日14:30", "三楼会议室")
    (said,) = told(world, "L08", "改期")
    assert "地点:三楼会议室" in said
    assert "原因:区里有会" in said
    assert (await liaison.says("会议", many=True)).shows(CODE, "三楼会议室"), "before the notice of the new date too"
    assert "改地点" not in await world.person("R101").says("换地方 三楼会议室", many=True)


# -- nobody opened it -----------------------------------------------------------------------------------------------------
def test_when_it_is_asked_about():
    calendar = Calendar()
    for planned, asked in (
        ("2026-09-24T14:30", "2026-09-24T17:30"), ("2026-09-24T16:30", "2026-09-24T17:30"), ("2026-09-24T17:00", "2026-09-28T09:00"),
        ("2026-09-24T19:00", "2026-09-28T09:00"), ("2026-09-30T16:00", "2026-09-30T17:30"), ("2026-09-30T17:00", "2026-09-30T18:00"),
    ):  # fmt: skip
        moment = datetime.fromisoformat(f"{planned}:00+08:00")
        assert meeting_times.unopened_at(calendar, moment) == datetime.fromisoformat(f"{asked}:00+08:00"), planned
    held = intents()["held_already"]
    for said in ("9月24号的会开过了，忘了签到", "会已经开完了", "昨天的联席会议开过了", "今天下午的会开了"):
        assert held.match(normalise(said)) is not None, said
    for said in ("会开了吗", "9月24号的会开过了吗？", "业主大会开过了，没人管电梯", "会开了，还是不行吗？", "下水道开了", "会不会开了"):
        assert held.match(normalise(said)) is None, said


async def test_a_meeting_that_nobody_opened_is_asked_about_and_can_be_entered(autumn):
    world = autumn
    secretary, coordinator, clerk = (world.person(code) for code in ("ST01", "ST02", "ST03"))
    await coordinator.says("开会 党建联席会议 9月24日14:30 党群中心二楼")
    await world.at("2026-09-24T14:00")
    assert "会开了吗" not in await clerk.says("9月24号的会开过了，忘了签到", many=True), "its time has not come"
    await world.at("2026-09-24T17:29")
    assert not told(world, "ST03", "会开了吗")
    await world.at("2026-09-24T17:30")
    for code in ("ST01", "ST02", "ST03"):
        assert len(told(world, code, "会开了吗")) == 1, code
    assert CODE in told(world, "ST03", "最晚9月30日补记")[0]
    assert (await secretary.presses(f"没有开，改期 {CODE}")).shows(f"改期 {CODE}")
    await world.at("2026-09-29T10:00")
    assert len(told(world, "ST03", "会开了吗")) == 1
    asked = await clerk.says("9月24号的会开过了，忘了签到")
    assert asked.shows("会开了吗", CODE)
    assert "会开了吗" not in await world.person("R101").says("9月24号的会开过了，忘了签到", many=True)
    opened = await clerk.presses(f"开过了，补记签到 {CODE}")
    assert opened.shows("补记会议", "勾选到会")
    assert "口令" not in opened
    assert (await world.person("L02").says("会议签到 0000")).shows("口令不对"), "afterwards there is the list alone"
    await clerk.says(f"点名 {CODE}")
    await clerk.presses("已到：望溪供电所党支部")
    assert (await clerk.says(f"散会 {CODE}")).shows("出席单位1个", "按期召开")
    assert (await meeting(world)).state == "HELD"
    await world.at("2026-10-08T09:01")
    assert (await meeting(world)).state == "HELD"
    # one that was opened is not asked about
    await coordinator.says("开会 物业联席会议 10月9日14:30 物业会议室")
    await world.at("2026-10-09T14:30")
    await coordinator.says("开始会议 HY-20261008-0001")
    await world.at("2026-10-09T18:00")
    assert not [said for said in told(world, "ST03", "会开了吗") if "HY-20261008-0001" in said]
