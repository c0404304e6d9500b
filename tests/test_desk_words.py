"""Staff at the desk in everyday words: an open question and what ends it, questions about the work, and codes inside a sentence."""

from __future__ import annotations

from models import Problem
from texts.utterances import recognise

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


async def test_questions_of_staff_open_what_exists_and_no_report(world_sqlite):
    world = world_sqlite
    reported = len(await world.rows(Problem))
    coordinator, secretary, resident = (world.person(name) for name in ("ST02", "ST01", "R104"))
    todo = (await coordinator.says("待办")).text
    for said in ("还有哪些没办", "问题墙", "先看停电那个", "C座停电那个已经修好了"):
        assert (await coordinator.says(said)).text == todo, said
    assert (await coordinator.says("逾期的是哪几个")).text == (await coordinator.says("逾期")).text
    assert "逾期" in await coordinator.says("逾期")
    assert (await coordinator.says("今天有什么事")).shows("简报")
    meetings = (await secretary.says("会议")).text
    for said in ("下周有什么会", "会议改到9月23号下午3点，领导有别的安排"):
        assert (await secretary.says(said)).text == meetings, said

    liaison = world.person("L02")
    decisions = (await liaison.says("议定事项")).text
    assert (await liaison.says("完成了 外墙都查过了")).text == decisions

    # a code inside a sentence is that ticket, with its buttons and what was said; the command begins with its button's word too
    shown = await coordinator.says(f"{CODE} 这个我看还是请供电所来吧")
    assert shown.shows(CODE, "“WT-20261117-0001 这个我看还是请供电所来吧”") and "办结" in shown.buttons
    assert (await secretary.says(f"{CODE} 延到12月18号吧 物业账目要核对")).shows(CODE) and "在哪里" not in secretary.last.message.text
    assert (await coordinator.says(f"上报 {CODE} 要供电所来")).shows(CODE, "街道")
    assert (await resident.says(f"{CODE}是不是在修了，我想知道")).shows(CODE)
    assert "报事人：" not in resident.last.message.text and "开头" not in resident.last.message.text
    assert (await resident.says("WT-20261117-9999是我报的吗")).shows("没找到这个编号")
    assert len(await world.rows(Problem)) == reported

    assert "没看懂" not in await coordinator.says(f"{CODE} 是什么情况？")

    # a danger is reported whatever else is said, and a resident's words stay what they were
    assert (await resident.says(f"{CODE}那里着火了，快来人")).shows("119")
    for said in ("还有哪些没办", "今天有什么事", "电梯那个修好了"):
        assert "网格长" not in await world.person("R105").says(said, many=True), said
    await coordinator.says("9幢门口那个路灯又不亮了")
    assert coordinator.last.message.text != todo  # staff report too


def test_a_verb_behind_the_code_and_the_word_of_the_button():
    intent, slots = recognise("WT-20261120-0003 延到12月18号吧 物业账目要核对")
    assert (intent.name, slots["day"], slots["reason"]) == ("extend", "12月18号", "物业账目要核对")
    intent, slots = recognise(f"上报{CODE} 要供电所来")
    assert (intent.name, slots["code"], slots["reason"]) == ("escalate", CODE, "要供电所来")
    for said in (
        "上报3号楼着火了",
        "上报 3 号楼有人养鸡",
        "3号楼修好了的灯那个又坏了",
        "逾期不交物业费怎么办",
        "今天有什么活动吗，老人能参加的",
        "楼下会所天天开会吵得很",
    ):
        assert recognise(said) is None, said
