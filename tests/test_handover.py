"""Handing over everything open of one person: in one transaction, with history, one list, the tickets, and no word to the reporters."""

from __future__ import annotations

from datetime import date

import pytest

from models import AuditLog, DutyShift, OutboxMessage, Person, Problem, RoleAssignment, StateLog, Task


async def _id(world, code):
    return (await world.rows(Person, Person.code == code))[0].id


async def _report(world, who="R101", text="青禾苑9幢门口路灯不亮"):
    resident = world.person(who)
    await resident.says(text)
    await resident.presses("提交")
    return (await world.rows(Problem, Problem.reporter_id == await _id(world, who)))[-1]


async def _led(world, code):
    return {one.code for one in await world.rows(Problem, Problem.lead_handler_id == await _id(world, code))}


async def test_everything_open_changes_hands_and_the_reporter_hears_nothing(world):
    problem = await _report(world, text="青禾苑3幢东侧垃圾没人收，臭")
    leader = world.person("ST04")
    await leader.says(f"受理 {problem.code}")
    await world.person("ST02").says("排班 11月24日 周禾生")
    await world.person("ST02").presses("确定")
    open_before = [
        one.code for one in await world.rows(Problem, Problem.lead_handler_id == await _id(world, "ST04")) if one.closed_at is None
    ]
    assert problem.code in open_before
    silent = len(world.pushes("R101"))
    card = await world.person("ST02").says("交接 周禾生 给 顾明溪")
    assert card.shows("周禾生 → 顾明溪", f"{len(open_before)}件在办", "1个任务", "1天值班", "居民不会收到消息")
    assert problem.code in await _led(world, "ST04")
    done = await world.person("ST02").presses("确认交接")
    assert done.shows("已交接")
    assert problem.code in await _led(world, "ST02")
    assert len(world.pushes("R101")) == silent
    taker = await _id(world, "ST02")
    assert {shift.person_id for shift in await world.rows(DutyShift, DutyShift.day == date(2026, 11, 24))} == {taker}
    assert {task.leader_id for task in await world.rows(Task, Task.short_no == 33)} == {taker}
    logs = await world.rows(StateLog, StateLog.object_id == problem.id, StateLog.event == "hand_over")
    assert [log.source == log.target for log in logs] == [True]
    assert "work.handed_over" in {log.action for log in await world.rows(AuditLog)}
    assert any("移交给顾明溪" in text for text in world.pushes("ST04"))
    assert any(problem.code in text and "在办" in text for text in world.pushes("ST02"))


async def test_the_new_owner_has_living_tickets_and_the_old_ones_end_with_the_role(world):
    problem = await _report(world, text="青禾苑3幢东侧垃圾没人收，臭")
    await world.person("ST04").says(f"受理 {problem.code}")
    await world.person("ST01").says("交接 周禾生 给 吴小满 G1")
    card = await world.person("ST01").presses("同时收回角色")
    assert card.shows("接手人网格长：青禾苑一区网格", "同时收回原来的角色：网格长（青禾苑一区网格）")
    await world.person("ST01").presses("确认交接")
    tickets = [text for text in world.pushes("ST08") if problem.code in text and "王桂英" in text]
    assert tickets
    old = [text for text in world.pushes("ST04") if problem.code in text]
    assert any("不再更新" in text for text in old)
    assert not any("王桂英" in text and "办理人" in text for text in old)
    ended = await world.rows(RoleAssignment, RoleAssignment.person_id == await _id(world, "ST04"), RoleAssignment.role == "grid_leader")
    assert [row.valid_to for row in ended] == [world.clock.now()]
    assert (await world.person("ST08").says(f"办结 {problem.code} 已经清运并冲洗干净了地面")).shows(problem.code)
    assert await world.rows(OutboxMessage, OutboxMessage.card == f"ticket:{problem.id}", OutboxMessage.state == "pending") == []


async def test_of_one_grid_only_that_grids_work_goes(world_sqlite):
    world = world_sqlite
    await world.person("ST02").says("排班 11月24日 周禾生")
    await world.person("ST02").presses("确定")
    before = {one.grid_code for one in await world.rows(Problem, Problem.lead_handler_id == await _id(world, "ST04"))}
    assert "G1" in before
    assert "天值班" not in (await world.person("ST02").says("交接 周禾生 给 顾明溪 G1")).text
    assert (await world.person("ST02").says("交接 周禾生 给 顾明溪 G9")).shows("没找到“G9”")


@pytest.mark.parametrize("who", ["ST04", "ST10", "R101", "M01", "ST11"])
async def test_others_hand_over_nothing(world_sqlite, who):
    world = world_sqlite
    assert (await world.person(who).says("交接 周禾生 给 顾明溪")).shows("协调员")
    card = await world.person("ST02").says("交接 周禾生 给 顾明溪")
    confirm = next(b.action for row in card.shown[-1].message.buttons for b in row if b.label == "确认交接")
    before = await _led(world, "ST04")
    await world.person(who).presses_action(confirm)
    assert await _led(world, "ST04") == before


async def test_a_coordinator_does_not_hand_over_the_secretarys_work(world_sqlite):
    assert (await world_sqlite.person("ST02").says("交接 沈砚秋 给 顾明溪")).shows("书记")


async def test_a_person_without_an_office_gets_the_grid_or_nothing(world_sqlite):
    world = world_sqlite
    card = await world.person("ST02").says("交接 周禾生 给 何晚晴 G1")
    assert card.shows("同时授予接手人网格长：青禾苑一区网格")
    await world.person("ST02").presses("确认交接")
    held = await world.rows(RoleAssignment, RoleAssignment.person_id == await _id(world, "M03"), RoleAssignment.role == "grid_leader")
    assert [row.grid_code for row in held] == ["G1"]


async def test_nothing_open_is_said(world_sqlite):
    world = world_sqlite
    assert (await world.person("ST02").says("交接 何晚晴 给 顾明溪")).shows("没有未完的工作")
    assert (await world.person("ST02").says("交接 周禾生 给 周禾生")).shows("不能交给本人")
    assert (await world.person("ST02").says("交接 周禾生 给 某某人")).shows("没有找到")


async def test_from_the_card_of_a_role_that_is_taken(world_sqlite):
    world = world_sqlite
    await world.person("ST01").says("收回 周禾生 网格长 G1")
    assert (await world.person("ST01").presses("交接")).shows("交给谁")
    card = await world.person("ST01").says("吴小满")
    assert card.shows("周禾生 → 吴小满")
    before = await _led(world, "ST04")
    assert before
    await world.person("ST01").presses("确认交接")
    open_led = {one.code for one in await world.rows(Problem, Problem.lead_handler_id == await _id(world, "ST04")) if one.closed_at is None}
    assert open_led == set()
