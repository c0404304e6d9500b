"""Roles by chat: who may give what, the term, the last of them, the record, and taking back."""

from __future__ import annotations

from datetime import datetime

import pytest

from models import AuditLog, Person, RoleAssignment
from services.workdays import ZONE
from texts.administration import role_of, tables
from texts.utterances import intents, recognise


async def _person(world, code):
    return (await world.rows(Person, Person.code == code))[0]


async def _roles(world, code, role):
    person = await _person(world, code)
    return await world.rows(RoleAssignment, RoleAssignment.person_id == person.id, RoleAssignment.role == role)


async def _change(world, rows, **fields):
    async with world.app.database.transaction() as session:
        for row in rows:
            stored = await session.get(type(row), row.id)
            for name, value in fields.items():
                setattr(stored, name, value)


async def test_a_secretary_makes_a_member_grid_leader_until_a_day(world):
    secretary, member = world.person("ST01"), world.person("M03")
    card = await secretary.says("授权 何晚晴 网格长 G2 到2027年12月31日")
    assert card.shows("何晚晴", "网格长（青禾苑二区网格）", "2027年12月31日", "钱语桐")
    assert "13" not in card.text.replace("2027年12月31日", "")  # no telephone number
    assert await _roles(world, "M03", "grid_leader") == []
    done = await secretary.presses("授权")
    assert done.shows("已授权：何晚晴任网格长")
    [row] = await _roles(world, "M03", "grid_leader")
    assert (row.grid_code, row.valid_from, row.granted_by) == ("G2", world.clock.now(), (await _person(world, "ST01")).id)
    assert row.valid_to == datetime(2028, 1, 1, tzinfo=ZONE)
    assert any("沈砚秋给您授权：网格长" in text for text in world.pushes("M03"))
    assert [log.action for log in await world.rows(AuditLog, AuditLog.person_id == row.person_id)] == ["role.granted"]
    assert "权限" not in (await member.says("待办")).text
    assert (await secretary.says("角色 何晚晴")).shows("网格长（青禾苑二区网格）：2026年11月23日至2027年12月31日")


async def test_a_term_ends_by_itself(world_sqlite):
    world = world_sqlite
    await world.person("ST01").says("授权 何晚晴 协调员 到11月25日")
    await world.person("ST01").presses("授权")
    await world.at("2026-11-25T23:50")
    assert (await world.person("M03").says("角色 钱语桐")).shows("网格长")
    await world.at("2026-11-26T00:00")
    assert (await world.person("M03").says("角色 钱语桐")).shows("没有权限")


@pytest.mark.parametrize(
    ("who", "said", "refused"),
    [
        ("ST02", "授权 何晚晴 社区书记", "不归您"), ("ST02", "授权 何晚晴 协调员", "不归您"), ("ST03", "收回 周禾生 支部书记 G1", None),
        ("ST04", "授权 何晚晴 网格员 G1", "权限"), ("R101", "授权 何晚晴 网格员 G1", "权限"), ("M01", "收回 周禾生 网格长 G1", "权限"),
        ("ST01", "授权 何晚晴 街道组织员", "不归您"), ("ST01", "授权 沈砚秋 管理员", None), ("ST10", "授权 何晚晴 志愿者", "权限"),
    ],
)  # fmt: skip
async def test_who_may_give_what(world_sqlite, who, said, refused):
    answer = await world_sqlite.person(who).says(said)
    assert (refused in answer.text) if refused else answer.buttons, answer


async def test_every_giver_gives_as_the_table_says(world_sqlite):
    """The table itself: coordinators nothing above a grid leader, a secretary nothing of the street."""
    grants = tables()["grants"]
    above = {"community_secretary", "coordinator", "community_clerk", "admin", "street_organizer", "branch_secretary"}
    assert set(grants) == {"admin", "community_secretary", "coordinator", "community_clerk"}
    assert not above & set(grants["coordinator"])
    assert not above & set(grants["community_clerk"])
    assert "street_organizer" not in grants["community_secretary"]
    assert set(grants["admin"]) == set(tables()["roles"])
    secretary = world_sqlite.person("ST01")
    for role, words in tables()["roles"].items():
        scope = " G1" if role in tables()["scopes"]["grid"] else " U06" if role in tables()["scopes"]["unit"] else ""
        answer = await secretary.says(f"授权 何晚晴 {words[0]}{scope}")
        assert bool(answer.buttons) == (role in grants["community_secretary"]), role


async def test_nobody_grants_themselves_and_a_forged_button_does_nothing(world_sqlite):
    world = world_sqlite
    secretary, member = world.person("ST01"), world.person("M03")
    await secretary.says("授权 沈砚秋 管理员")
    assert (await secretary.presses("授权")).shows("不能给自己授权")
    card = await secretary.says("授权 林一舟 协调员")
    action = card.shown[-1].message.buttons[0][0].action
    for who in (member, world.person("ST03")):  # nobody else's card, whatever they may do themselves
        await who.presses_action(action)
    assert await _roles(world, "M02", "coordinator") == []
    assert await _roles(world, "ST01", "admin") == []


async def test_a_right_lost_between_card_and_press_is_gone(world_sqlite):
    world = world_sqlite
    clerk = world.person("ST02")
    card = await clerk.says("授权 林一舟 志愿者")
    assert card.buttons
    await _change(world, await _roles(world, "ST02", "coordinator"), valid_to=world.clock.now())
    assert (await clerk.presses("授权")).shows("权限")
    assert await _roles(world, "M02", "volunteer") == []


async def test_the_last_admin_and_secretary_stay(world):
    admin = world.person("ST03")
    await admin.says("收回 沈砚秋 社区书记")
    assert (await admin.presses("收回")).shows("最后一位社区书记")
    secretary = world.person("ST01")
    await secretary.says("收回 许青岚 管理员")
    assert (await secretary.presses("收回")).shows("最后一位管理员")
    await secretary.says("授权 顾明溪 管理员")
    await secretary.presses("授权")
    await secretary.says("收回 许青岚 管理员")
    assert (await secretary.presses("收回")).shows("已收回")
    [row] = await _roles(world, "ST03", "admin")
    assert row.valid_to == world.clock.now()


async def test_two_of_one_name_are_told_apart_by_buttons(world_sqlite):
    world = world_sqlite
    await _change(world, [await _person(world, "M01")], display_name="何晚晴")
    asked = await world.person("ST01").says("授权 何晚晴 志愿者")
    assert asked.shows("哪一位")
    assert [label for label in asked.buttons if "青禾苑一区网格" in label] and [
        label for label in asked.buttons if "青禾苑二区网格" in label
    ]
    card = await world.person("ST01").presses(next(label for label in asked.buttons if "一区" in label))
    assert card.shows("青禾苑一区网格")
    await world.person("ST01").presses("授权")
    assert len(await _roles(world, "M01", "volunteer")) == 1
    assert await _roles(world, "M03", "volunteer") == []


async def test_a_nickname_is_nobody(world_sqlite):
    world = world_sqlite
    stranger = world.person("stranger")
    await stranger.says("你好")
    await _change(world, await world.rows(Person, Person.code.is_(None)), display_name="杜撰之")
    assert (await world.person("ST01").says("授权 杜撰之 协调员")).shows("没有找到")


async def test_a_role_is_taken_with_a_warning_and_the_person_is_told(world_sqlite):
    world = world_sqlite
    card = await world.person("ST01").says("收回 周禾生 网格长 G1")
    assert card.shows("手上还有")
    assert "交接" in card.buttons
    await world.person("ST01").presses("收回")
    [row] = await _roles(world, "ST04", "grid_leader")
    assert row.valid_to == world.clock.now()
    assert any("您的网格长" in text and "收回" in text for text in world.pushes("ST04"))
    assert "工单" not in (await world.person("ST04").says("待办")).text


async def test_taking_back_within_a_minute_alone(world_sqlite):
    world = world_sqlite
    secretary = world.person("ST01")
    await secretary.says("收回 周禾生 网格长 G1")
    await secretary.presses("收回")
    assert (await secretary.presses("撤销")).shows("已撤销")
    assert [row.valid_to for row in await _roles(world, "ST04", "grid_leader")] == [None]
    await secretary.says("授权 林一舟 志愿者")
    granted = await secretary.presses("授权")
    action = granted.shown[-1].message.buttons[0][0].action
    assert "没有" in (await world.person("ST03").presses_action(action)).text  # not the one who gave it
    await world.at("2026-11-23T08:02")
    assert (await secretary.presses("撤销")).shows("1分钟")
    assert [row.valid_to for row in await _roles(world, "M02", "volunteer")] == [None]


async def test_the_staff_list_records_whose_number_was_shown(world_sqlite):
    world = world_sqlite
    await _change(world, [await _person(world, "ST05")], phone="13800005555")
    assert "13800005555" not in (await world.person("ST04").says("工作人员")).text
    assert await world.rows(AuditLog) == []
    assert (await world.person("ST02").says("工作人员")).shows("钱语桐（G2） 13800005555", "· 社区书记：沈砚秋")
    looks = await world.rows(AuditLog)
    assert {(log.action, log.actor_id) for log in looks} == {("phone.seen", (await _person(world, "ST02")).id)}
    assert (await world.person("R101").says("工作人员")).shows("权限")


def test_the_words_of_roles_are_those_of_the_grammar():
    for role, words in tables()["roles"].items():
        for word in words:
            slots = intents()["grant"].match(f"授权 何晚晴 {word}")
            assert slots is not None and slots["worker"] == "何晚晴" and role_of(slots["role"]) == role, word


def test_spaces_may_be_left_out():
    slots = intents()["grant"].match("授权何晚晴网格支部书记G2到12月31日")
    assert slots == {"worker": "何晚晴", "role": "网格支部书记", "line": "G2到12月31日"}


def test_what_residents_say_is_no_administration():
    for said in ("收回押金不退怎么办", "通知下来了吗", "值班室的灯坏了", "公告栏的玻璃碎了", "角色扮演活动在哪"):
        found = recognise(said)
        assert found is None or found[0].name not in ("grant", "take_role", "announce", "duty_today", "roles_of", "announcements"), said
