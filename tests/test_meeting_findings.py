"""Meetings as people speak of them: answers in other words, the code alone, another place, and what nobody opened."""

from __future__ import annotations

import unicodedata

import pytest
from meeting_stage import meetings_at

from models import Attendance, Meeting
from services.meeting_lines import read_place, split_place
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
