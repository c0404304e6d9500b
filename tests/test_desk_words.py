"""Staff at the desk in everyday words: an open question and what ends it, questions about the work, and codes inside a sentence."""

from __future__ import annotations

from models import Problem

CODE = "WT-20261117-0001"


async def the_ticket(world, code=CODE):
    (found,) = await world.rows(Problem, Problem.code == code)
    return found


async def test_an_unfinished_result_takes_nothing_of_another_matter(world_sqlite):
    world = world_sqlite
    coordinator = world.person("ST02")
    before = (await the_ticket(world)).state

    # the prompt names its ticket and has a way out
    asked = await coordinator.says(f"办结 {CODE} 好了")
    assert asked.shows(CODE, "还差8个字", "“好了”") and asked.buttons == ["取消"]
    await coordinator.presses("取消")
    await coordinator.says("打电话给刘佳音了，她说住3单元502，晚上去看", many=True)
    assert (await the_ticket(world)).state == before
    await coordinator.says("取消")

    # a command about something else ends it, one about the same ticket does not
    await coordinator.says(f"办结 {CODE} 好了")
    await coordinator.says("今日简报")
    await coordinator.says("打电话给刘佳音了，她说住3单元502，晚上去看", many=True)
    assert (await the_ticket(world)).state == before
    await coordinator.says("取消")

    # what comes an hour later is asked about first
    await coordinator.says(f"办结 {CODE} 好了")
    await coordinator.says(f"查进度 {CODE}")
    await world.at("2026-11-23T12:30")
    assert (await coordinator.says("换了新的空气开关")).shows(CODE, "“换了新的空气开关”", "再发一遍")
    assert (await the_ticket(world)).state == before
    assert (await coordinator.says("换了新的空气开关")).shows("已办结")
    assert (await the_ticket(world)).result == "好了 换了新的空气开关"
