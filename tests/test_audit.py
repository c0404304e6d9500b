"""Every look at somebody's personal data leaves a line, and an anonymous reporter is never named in one."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from models import AuditLog, ChatAccount, Order, OutboxMessage, Person, Problem


async def _id(world, code):
    return (await world.rows(Person, Person.code == code))[0].id


async def _looks(world, code):
    """(who looked, at what) at this person's data."""
    names = {person.id: person.code for person in await world.rows(Person)}
    return {(names[log.actor_id], log.action) for log in await world.rows(AuditLog, AuditLog.person_id == await _id(world, code))}


async def _report(world, who="R101", text="青禾苑9幢门口路灯不亮"):
    resident = world.person(who)
    await resident.says(text)
    await resident.presses("提交")
    return (await world.rows(Problem, Problem.reporter_id == await _id(world, who)))[-1]


async def test_whoever_gets_the_ticket_has_looked(world):
    problem = await _report(world, text="青禾苑3幢东侧垃圾没人收，臭")
    assert await _looks(world, "R101") == {("ST04", "contact.seen")}
    await world.person("ST02").says(f"查进度 {problem.code}")
    assert await _looks(world, "R101") == {("ST04", "contact.seen"), ("ST02", "contact.seen")}
    before = len(await world.rows(AuditLog))
    await world.person("ST04").says(f"受理 {problem.code}")
    assert len(await world.rows(AuditLog)) == before + 2  # both living tickets were edited: once each
    await world.person("R101").says("查进度")
    assert len(await world.rows(AuditLog)) == before + 2  # one's own data


async def test_nobody_looks_at_themselves(world_sqlite):
    await _report(world_sqlite, "ST04", "青禾苑3幢东侧垃圾没人收，臭")
    assert await _looks(world_sqlite, "ST04") == set()


async def test_what_the_street_and_the_public_see_is_no_look(world_sqlite):
    world = world_sqlite
    problem = await _report(world, text="青禾苑3幢东侧垃圾没人收，臭")
    before = await world.rows(AuditLog)
    await world.person("R111").says(f"查进度 {problem.code}")
    await world.person("ST10").says(f"查进度 {problem.code}")
    assert len(await world.rows(AuditLog)) == len(before)


async def test_an_anonymous_report_leaves_no_look_at_anybody(world):
    resident = world.person("R101")
    await resident.says("匿名报：青禾苑3幢东侧垃圾没人收，臭")
    await resident.presses("匿名提交")
    [problem] = [one for one in await world.rows(Problem, Problem.anonymous) if one.token_id]
    await world.person("ST04").says(f"受理 {problem.code}")
    await world.person("ST02").says(f"查进度 {problem.code}")
    assert await world.rows(AuditLog) == []


async def test_a_relayed_word_shows_the_writers_name(world_sqlite):
    world = world_sqlite
    problem = await _report(world, text="青禾苑3幢东侧垃圾没人收，臭")
    await world.person("ST04").says(f"受理 {problem.code}")
    [row] = [
        one for one in await world.rows(OutboxMessage, OutboxMessage.subject == f"problem:{problem.id}")
        if world.person("R101").messages and one.message_id == world.person("R101").messages[-1].id
    ]  # fmt: skip
    await world.person("R101").says("还有两袋在路边", reply_to=row.message_id)
    assert ("ST04", "name.seen") in await _looks(world, "R101")


async def test_orders_and_their_claimers(world):
    resident = world.person("R101")
    await resident.says("我要点单：请人来量血压，周六上午")
    await resident.presses("提交")
    looks = await _looks(world, "R101")
    assert {("ST02", "contact.seen"), ("ST03", "contact.seen")} <= looks
    [order] = await world.rows(Order, Order.resident_id == await _id(world, "R101"))
    await world.person("ST02").says(f"派单 {order.code} 1人 11月28日15:00")
    assert ("M01", "contact.seen") not in await _looks(world, "R101")
    await world.person("M01").says("接单 34")
    assert ("M01", "contact.seen") in await _looks(world, "R101")
    assert ("M02", "contact.seen") not in await _looks(world, "R101")


async def test_the_record_is_for_administrator_and_secretary_and_the_asking_is_recorded(world_sqlite):
    world = world_sqlite
    problem = await _report(world, text="青禾苑3幢东侧垃圾没人收，臭")
    for who in ("ST02", "ST04", "R101", "M01", "ST10"):
        assert (await world.person(who).says("查看记录 王桂英")).shows("权限")
    shown = await world.person("ST01").says("查看记录 王桂英")
    assert shown.shows("被查看1次", "周禾生", "：联系方式", problem.code, "11月23日08:00")
    assert ("ST01", "records.seen") in await _looks(world, "R101")
    assert (await world.person("ST03").says("查看记录 R102")).shows("没有人查看过罗可欣")


async def test_a_living_ticket_ends_for_whoever_lost_the_role(world_sqlite):
    world = world_sqlite
    problem = await _report(world, text="青禾苑3幢东侧垃圾没人收，臭")
    assert "王桂英" in world.person("ST04").last.message.text
    await world.person("ST01").says("收回 周禾生 网格长 G1")
    await world.person("ST01").presses("收回")
    looks = len(await world.rows(AuditLog, AuditLog.action == "contact.seen"))
    await world.person("ST02").says(f"受理 {problem.code}")
    assert not any("王桂英" in text for text in world.pushes("ST04"))
    assert any("不再更新" in text for text in world.pushes("ST04"))
    assert len(await world.rows(AuditLog, AuditLog.action == "contact.seen")) == looks


async def test_an_export_a_list_of_links_and_an_application_are_looks(world_sqlite):
    world = world_sqlite
    await world.person("ST03").says("导出 社区资料")
    assert ("ST03", "export.seen") in await _looks(world, "M03")
    assert ("ST03", "export.seen") in await _looks(world, "ST05")
    assert await _looks(world, "R101") == set()  # residents are in no sheet
    await world.person("ST02").says("角色 何晚晴")
    assert ("ST02", "member.seen") in await _looks(world, "M03")
    await world.person("M05").says("认岗 2")
    assert ("ST09", "member.seen") in await _looks(world, "M05")
    await world.person("M04").says("注销报到：身体不好")
    assert ("ST05", "member.seen") in await _looks(world, "M04")
    unbound = await _id(world, "M07")
    async with world.app.database.transaction() as session:
        await session.execute(sa.delete(ChatAccount).where(col(ChatAccount.person_id) == unbound))
    await world.person("ST03").says("邀请 全部党员")
    assert ("ST03", "name.seen") in await _looks(world, "M07")
