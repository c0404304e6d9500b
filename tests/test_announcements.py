"""Announcements: written by those who may, previewed, pushed or put up, asked for by those they are for, and taken back."""

from __future__ import annotations

from datetime import datetime

import pytest

from models import Announcement, Draft, OutboxMessage
from services import announcements
from services.context import Actor, Context, Grant, Refusal, ground
from services.workdays import ZONE

START = datetime(2026, 11, 23, 8, tzinfo=ZONE)


def _group(world, chat):
    return [shown.message.text for shown in world.messages(chat)]


async def _publish(world, who, text, *presses, how="推送"):
    author = world.person(who)
    await author.says(f"公告：{text}")
    for label in presses:
        await author.presses(label)
    return await author.presses(how)


async def test_an_announcement_is_previewed_and_pushed_to_the_bound_group(world):
    coordinator = world.person("ST02")
    card = await coordinator.says("公告：本周六上午9点停水，请提前储水。")
    assert card.shows("本周六上午9点停水，请提前储水。", "发给：全体", "有效到：12月23日")
    assert await world.rows(Announcement) == []
    before = {name: len(world.pushes(name)) for name in ("R101", "M01")}
    assert (await coordinator.presses("推送")).shows("公告1已挂出", "1个群")
    assert "【公告1】青禾里社区 11月23日\n本周六上午9点停水，请提前储水。" in _group(world, "public")[-1]
    assert {name: len(world.pushes(name)) for name in ("R101", "M01")} == before  # never one by one
    assert (await world.person("R101").says("公告")).shows("本周六上午9点停水")
    assert not hasattr(Announcement, "read_count")


async def test_for_members_alone_and_only_put_up(world_sqlite):
    world = world_sqlite
    groups = len(_group(world, "party"))
    assert (await _publish(world, "ST03", "周五下午主题党日", "党员", how="只挂出")).shows("发给：党员")
    assert len(_group(world, "party")) == groups
    assert (await world.person("M01").says("公告")).shows("主题党日")
    assert (await world.person("M01").says("公告", chat="party")).shows("主题党日")
    assert "主题党日" not in (await world.person("R101").says("公告")).text
    assert "主题党日" not in (await world.person("M01").says("公告", chat="public")).text  # whoever asks there
    assert "主题党日" not in (await world.person("M24").says("公告")).text  # not confirmed yet


async def test_pinned_first_then_the_newest_and_what_is_over_is_hidden(world_sqlite):
    world = world_sqlite
    await _publish(world, "ST02", "甲事", "置顶", how="只挂出")
    await _publish(world, "ST02", "乙事", "3天", how="只挂出")
    await world.at("2026-11-23T09:00")
    await _publish(world, "ST02", "丙事", how="只挂出")
    shown = (await world.person("R101").says("通知")).text
    assert shown.index("甲事") < shown.index("丙事") < shown.index("乙事")
    await world.at("2026-11-26T23:59")
    assert "乙事" in (await world.person("R101").says("公告")).text
    await world.at("2026-11-27T00:00")
    assert "乙事" not in (await world.person("R101").says("公告")).text


async def test_a_grid_leader_announces_to_the_own_grid_alone(world_sqlite):
    world = world_sqlite
    leader = world.person("ST04")
    card = await leader.says("公告：明晚楼道消杀。")
    assert card.shows("发给：G1网格")
    assert not {"全体", "✓全体", "党员"} & set(card.buttons)
    draft = card.shown[-1].message.buttons[0][0].action.split(":")[1]
    await leader.presses_action(f"announcement_set:{draft}:audience:all")
    await leader.presses("推送")
    assert "明晚楼道消杀" in _group(world, "grid-G1")[-1]
    [made] = await world.rows(Announcement)
    assert made.audience == "grid:G1"
    assert (await world.person("R101").says("公告")).shows("消杀")
    assert "消杀" not in (await world.person("R111").says("公告")).text
    assert (await world.person("ST05").says("撤回公告 1")).shows("权限")


@pytest.mark.parametrize("who", ["R101", "M01", "ST10", "ST11"])
async def test_others_may_not(world_sqlite, who):
    assert (await world_sqlite.person(who).says("公告：大家好")).shows("协调员")
    card = await world_sqlite.person("ST02").says("公告：大家好")
    push = next(b.action for row in card.shown[-1].message.buttons for b in row if b.label == "推送")
    await world_sqlite.person(who).presses_action(push)
    assert await world_sqlite.rows(Announcement) == []


async def test_quiet_hours_hold_it_to_eight(world):
    await world.at("2026-11-23T22:00")
    groups = len(_group(world, "public"))
    assert (await _publish(world, "ST02", "明早有雾")).shows("11月24日08:00送出")
    assert len(_group(world, "public")) == groups
    await world.at("2026-11-24T08:00")
    assert "明早有雾" in _group(world, "public")[-1]


async def test_taken_back_it_says_so_in_the_group(world):
    await _publish(world, "ST02", "周六停电")
    number = len(_group(world, "public"))
    assert (await world.person("ST03").says("撤回公告 1")).shows("已撤回")
    assert _group(world, "public")[-1] == "公告1已撤回。"
    assert len(_group(world, "public")) == number
    assert "周六停电" not in (await world.person("R101").says("公告")).text
    assert (await world.person("ST02").says("撤回公告 1")).shows("撤回过了")
    assert (await world.person("ST02").says("撤回公告 9")).shows("没有编号为9")


async def test_taken_back_in_the_night_it_is_never_sent(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-23T22:00")
    await _publish(world, "ST02", "写错了的公告")
    before = len(_group(world, "public"))
    await world.person("ST02").presses("撤回")
    await world.at("2026-11-24T08:30")
    assert len(_group(world, "public")) == before
    assert [row.body for row in await world.rows(OutboxMessage, OutboxMessage.state == "cancelled")] == [None]


async def test_private_numbers_are_warned_of_and_can_be_masked(world_sqlite):
    world = world_sqlite
    author = world.person("ST02")
    card = await author.says("公告：请联系王阿姨13800001234，5幢2单元301室。")
    assert card.shows("可能有个人电话")
    masked = await author.presses("改用打码的")
    assert "13800001234" not in masked.text
    await author.presses("推送")
    assert "13800001234" not in "".join(_group(world, "public"))
    plain = await author.says("公告：周六大扫除，欢迎参加。")
    assert "打码" not in plain.text


async def test_an_identity_number_is_refused_and_kept_nowhere(world_sqlite):
    world = world_sqlite
    answer = await world.person("ST02").says("公告：11010519491231002X 请来领证", many=True)
    assert "11010519491231002X" not in answer.text
    assert not any("11010519491231002X" in str(draft.data) for draft in await world.rows(Draft))


async def test_an_identity_number_that_came_another_way_is_refused(world_sqlite):
    async with world_sqlite.app.database.transaction() as session:
        context = Context(session, START, Actor(None, (Grant("coordinator"),)), await ground(session), "t1")
        with pytest.raises(Refusal) as refused:
            await announcements.begin(context, "11010519491231002X 请来领证")
        assert refused.value.key == "announcement.identity_number"


async def test_until_a_day_that_is_said(world_sqlite):
    card = await world_sqlite.person("ST02").says("公告到12月5日：图书角开放")
    assert card.shows("图书角开放", "有效到：12月5日")
