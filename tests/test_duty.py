"""The roster: pasted, confirmed, asked for by anybody, swapped; and who an urgent problem goes to."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from models import AuditLog, DutyShift, OutboxMessage, Person, Problem
from services.workdays import ZONE

START = datetime(2026, 11, 23, 8, tzinfo=ZONE)


async def _days(world):
    people = {person.id: person.code for person in await world.rows(Person)}
    found = {}
    for shift in sorted(await world.rows(DutyShift), key=lambda one: (one.day, one.position)):
        found.setdefault(shift.day, []).append(people[shift.person_id])
    return found


async def _set(world, lines, who="ST02"):
    card = await world.person(who).says(f"排班 {lines}")
    assert card.buttons, card
    await world.person(who).presses("确定")


async def test_without_a_roster_it_says_who_can_be_reached(world_sqlite):
    answer = await world_sqlite.person("R101").says("今天谁值班")
    assert answer.shows("还没有排班", "顾明溪", "110")
    assert (await world_sqlite.person("R101").says("值班表")).shows("还没有排班")


async def test_a_pasted_roster_is_confirmed_and_anybody_may_ask(world):
    coordinator = world.person("ST02")
    card = await coordinator.says("排班\n11月23日 顾明溪\n11月24日：周禾生、吴小满\n12月1日-7日 钱语桐")
    assert card.shows("11月24日周二：周禾生、吴小满", "12月7日周一：钱语桐")
    assert await _days(world) == {}
    assert (await coordinator.presses("确定")).shows("9天")
    days = await _days(world)
    assert days[date(2026, 11, 24)] == ["ST04", "ST08"]
    assert len(days) == 9
    assert days[date(2026, 12, 7)] == ["ST05"]
    assert (await world.person("R101").says("今天谁值班？")).shows("今天（11月23日）值班：顾明溪", "工作日")
    assert (await world.person("R101").says("今天谁值班", chat="grid-G1")).shows("顾明溪")
    assert (await world.person("R101").says("值班表")).shows("11月24日周二：周禾生、吴小满")
    assert any("12月1日、12月2日" in text for text in world.pushes("ST05"))
    await world.at("2026-11-24T08:05")
    assert (await world.person("M01").says("谁值班")).shows("周禾生、吴小满")


async def test_what_stood_there_is_replaced_and_named(world_sqlite):
    world = world_sqlite
    await _set(world, "11月24日 顾明溪")
    card = await world.person("ST03").says("排班 11月24日 周禾生 11月25日 周禾生")
    assert card.shows("会被替换：11月24日")
    assert "替换：11月24日、11月25日" not in card.text
    await world.person("ST03").presses("确定")
    assert await _days(world) == {date(2026, 11, 24): ["ST04"], date(2026, 11, 25): ["ST04"]}


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("11月24日 某某人", "没有找到“某某人”"), ("顾明溪 11月24日", "前面要有日期"), ("2月30日 顾明溪", "2月30日"), ("11月20日 顾明溪", "11月20日"),
        ("11月24日 11月25日 顾明溪", "没有姓名"), ("2026年11月24日-2027年11月24日 顾明溪", "太长"),
    ],
)  # fmt: skip
async def test_every_fault_is_named_and_nothing_is_kept(world_sqlite, said, fault):
    answer = await world_sqlite.person("ST02").says(f"排班 11月26日 周禾生 {said}" if said[0] == "1" else f"排班 {said}")
    assert answer.shows("没有保存", fault)
    assert answer.buttons == []
    assert await _days(world_sqlite) == {}


@pytest.mark.parametrize("who", ["R101", "M01", "ST04", "ST10"])
async def test_only_those_who_coordinate_write_the_roster(world_sqlite, who):
    assert (await world_sqlite.person(who).says("排班 11月24日 周禾生")).shows("协调员")
    card = await world_sqlite.person("ST02").says("排班 11月24日 周禾生")
    await world_sqlite.person(who).presses_action(card.shown[-1].message.buttons[0][0].action)
    assert await _days(world_sqlite) == {}


async def test_hotline_and_hours_are_the_communitys_own(world_sqlite):
    world = world_sqlite
    assert (await world.person("R101").says("服务热线")).shows("还没有登记")
    assert (await world.person("R101").says("设置热线 0512-65001234")).shows("协调员")
    assert (await world.person("ST02").says("设置热线 没有号码")).shows("电话号码")
    await world.person("ST02").says("设置热线 0512-65001234")
    await world.person("ST03").says("设置值班时间 每天8:30到20:00")
    assert (await world.person("R101").says("服务热线")).shows("0512-65001234", "每天8:30到20:00")
    assert (await world.person("R101").says("今天谁值班", chat="public")).shows("0512-65001234")
    assert [log.action for log in await world.rows(AuditLog)] == ["setting.changed", "setting.changed"]


async def test_an_urgent_problem_goes_to_the_one_on_duty_with_contact_and_without_buttons(world):
    await _set(world, "11月23日 冯知秋 11月24日 林一舟")
    await world.person("R101").says("桐荫公寓A座电梯困人了，快来")
    on_duty = world.person("ST10")
    assert "困人" in on_duty.last.message.text
    assert "王桂英" in on_duty.last.message.text
    assert on_duty.last.message.buttons == ()
    assert not any("困人" in text for text in world.pushes("M02"))
    looks = await world.rows(
        AuditLog, AuditLog.action == "contact.seen", AuditLog.actor_id == (await world.rows(Person, Person.code == "ST10"))[0].id
    )
    assert len(looks) >= 1


async def test_a_ticket_of_yesterdays_duty_ends(world_sqlite):
    world = world_sqlite
    await _set(world, "11月23日 林一舟")
    await world.person("R101").says("桐荫公寓A座电梯困人了，快来")
    assert "王桂英" in world.person("M02").last.message.text
    await world.at("2026-11-25T09:00")
    [problem] = await world.rows(Problem, Problem.sla == "P1", Problem.grid_code == "G4", Problem.submitted_at >= START)
    await world.person("ST07").says(f"受理 {problem.code}")
    assert "不再更新" in world.person("M02").last.message.text
    assert "王桂英" not in world.person("M02").last.message.text
    rows = await world.rows(OutboxMessage, OutboxMessage.card.endswith(":d"))
    assert rows == []


async def test_a_coordinator_swaps_two_shifts(world_sqlite):
    world = world_sqlite
    await _set(world, "11月24日 顾明溪 11月26日 周禾生")
    assert (await world.person("ST03").says("换班 11月24日 顾明溪 11月26日 周禾生")).shows("11月24日由周禾生值班")
    assert await _days(world) == {date(2026, 11, 24): ["ST04"], date(2026, 11, 26): ["ST02"]}
    assert any("已换班" in text for text in world.pushes("ST04"))


async def test_who_is_on_duty_asks_and_the_other_decides(world):
    await _set(world, "11月24日 周禾生")
    assert (await world.person("ST05").says("换班 11月24日 吴小满")).shows("只能换自己的班")
    assert (await world.person("ST04").says("换班 11月24日 吴小满")).shows("同意后生效")
    assert await _days(world) == {date(2026, 11, 24): ["ST04"]}
    asked = world.person("ST08").last
    assert "周禾生请您代11月24日的班" in asked.message.text
    action = asked.message.buttons[0][0].action
    await world.person("ST05").presses_action(action)  # not the one who was asked
    assert await _days(world) == {date(2026, 11, 24): ["ST04"]}
    await world.person("ST08").presses("同意")
    assert await _days(world) == {date(2026, 11, 24): ["ST08"]}
    assert any("已换班" in text for text in world.pushes("ST04"))
    assert any("已换班" in text for text in world.pushes("ST02"))


async def test_a_swap_that_was_declined_changes_nothing(world_sqlite):
    world = world_sqlite
    await _set(world, "11月24日 周禾生")
    await world.person("ST04").says("换班 11月24日 吴小满")
    await world.person("ST08").presses("不方便")
    assert await _days(world) == {date(2026, 11, 24): ["ST04"]}
    assert any("请再问别人" in text for text in world.pushes("ST04"))
