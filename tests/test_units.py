"""单位报到: a unit reports in through its liaison, a clerk, or somebody who becomes its liaison; resources and needs (domain.md §5)."""

from datetime import timedelta

import sqlalchemy as sa

from models import ActionItem, Attendance, Draft, Enrollment, Meeting, Occurrence, PartnerUnit, Person, ResourceItem, RoleAssignment


async def unreported(world, *codes):
    """These units of the demo have not reported in yet."""
    async with world.app.database.transaction() as session:
        await session.execute(sa.delete(Enrollment).where(Enrollment.unit_code.in_(codes), Enrollment.person_id.is_(None)))


async def filled(world, who="L05"):
    """The liaison has filled in everything but 提交."""
    liaison = world.person(who)
    assert (await liaison.says("单位报到")).shows("单位地址")
    assert (await liaison.says("望溪路8号")).shows("党组织书记")
    assert (await liaison.says("书记 王建国")).shows("联络员电话")
    assert (await liaison.says("1380000555")).shows("没看懂", "联络员电话")
    assert (await liaison.says("13800005555")).shows("至少写一项")
    return liaison, await liaison.says("资源：周末义诊\n需求：志愿者引导；会议室")


async def test_a_liaison_reports_the_unit_in_and_the_coordinator_confirms(world):
    await unreported(world, "U05")
    liaison, card = await filled(world)
    assert card.shows(
        "澄湖市第四人民医院栖桐院区党总支", "事业单位", "望溪路8号", "书记：王建国", "胡向阳，13800005555", "· 周末义诊", "· 志愿者引导"
    )
    assert (await liaison.presses("提交")).shows("社区协调员（顾明溪）在11月25日17:30前确认")
    assert "待确认单位报到" in world.pushes("ST02")[-1]
    for nobody in ("ST04", "ST05", "L05", "M01", "R101", "ST10"):
        (row,) = await world.rows(Enrollment, Enrollment.state == "APPLIED", Enrollment.person_id.is_(None))
        assert (await world.person(nobody).presses_action(f"enrolment_answer:{row.id}:yes")).shows("没有权限")
    await world.person("ST02").presses("确认")
    (row,) = await world.rows(Enrollment, Enrollment.unit_code == "U05", Enrollment.person_id.is_(None))
    assert (row.state, row.kind) == ("ACTIVE", "unit")
    (unit,) = await world.rows(PartnerUnit, PartnerUnit.code == "U05")
    assert (unit.address, unit.secretary_name) == ("望溪路8号", "王建国")
    items = await world.rows(ResourceItem, ResourceItem.unit_code == "U05")
    assert {(item.side, item.text) for item in items} == {("resource", "周末义诊"), ("need", "志愿者引导"), ("resource", "会议室")}
    assert "已确认" in world.pushes("L05")[-1]
    held = await world.rows(RoleAssignment, RoleAssignment.role == "unit_liaison", RoleAssignment.unit_code == "U05")
    assert len(held) == 1
    assert (await liaison.says("单位报到")).shows("已报到", "2026年11月23日")
    assert (await liaison.says("资源清单")).shows("周末义诊")
    assert (await liaison.says("登记资源：健康讲座")).shows("健康讲座")
    assert (await world.person("ST02").says("需求清单")).shows("志愿者引导")
    assert (await world.person("R101").says("资源清单")).shows("给单位联络员和工作人员看")


async def test_at_least_one_resource_or_need(world_sqlite):
    world = world_sqlite
    await unreported(world, "U05")
    liaison, _ = await filled(world)
    await liaison.presses("改资源需求")
    assert (await liaison.says("没有")).shows("没看懂", "至少写一项")
    assert await world.rows(Enrollment, Enrollment.state == "APPLIED", Enrollment.person_id.is_(None)) == []


async def test_the_second_answers_the_date_of_the_first(world_sqlite):
    assert (await world_sqlite.person("L06").says("单位报到")).shows("栖桐实验小学党支部已报到", "2026年1月5日")


async def test_an_unknown_unit_becomes_known_and_its_applicant_its_liaison(world):
    person = world.person("N1")
    await person.says("单位报到 云上社区食堂")
    await person.presses("两新组织")
    await person.says("没有")
    await person.says("没有")
    await person.says("张敏 13800007777")
    assert (await person.says("能提供老人午餐")).shows("· 老人午餐")
    assert await world.rows(PartnerUnit, PartnerUnit.name == "云上社区食堂") == []
    await person.presses("提交")
    assert await world.rows(PartnerUnit, PartnerUnit.name == "云上社区食堂") == []
    assert "新单位" in world.pushes("ST02")[-1]
    assert (await world.person("N2").says("单位报到 云上社区食堂")).shows("云上社区食堂已报到", "待确认")
    await world.person("ST02").presses("确认")
    (unit,) = await world.rows(PartnerUnit, PartnerUnit.name == "云上社区食堂")
    assert unit.code == "U13"
    (role,) = await world.rows(RoleAssignment, RoleAssignment.unit_code == "U13")
    assert (role.role, role.person_id) == ("unit_liaison", unit.liaison_id)
    (liaison,) = await world.rows(Person, Person.id == unit.liaison_id)
    assert (liaison.display_name, liaison.phone, liaison.person_kind) == ("张敏", "13800007777", "liaison")
    (coordinator,) = await world.rows(Person, Person.code == "ST02")
    assert role.granted_by == coordinator.id
    assert (await person.says("需求清单")).shows("还没有单位登记需求")


async def test_nobody_speaks_for_the_unit_of_another_liaison(world_sqlite):
    world = world_sqlite
    await unreported(world, "U05", "U08")
    person = world.person("N2")
    assert (await person.says("单位报到 溪畔物业服务有限公司党支部")).shows("已有联络员")
    offered = await person.says("单位报到 第四人民医院")
    assert offered.buttons == ["澄湖市第四人民医院栖桐院区党总支", "新单位：第四人民医院"]
    assert (await person.presses("澄湖市第四人民医院栖桐院区党总支")).shows("已有联络员")
    assert (await world.person("L05").presses_action(person.last.message.buttons[0][0].action)).shows("这份表已经提交或取消了")
    assert await world.rows(Enrollment, Enrollment.state == "APPLIED", Enrollment.person_id.is_(None)) == []


async def test_a_clerk_reports_a_unit_in_for_a_new_liaison(world_sqlite):
    world = world_sqlite
    await unreported(world, "U05")
    clerk = world.person("ST03")
    await clerk.says("单位报到 U05")
    await clerk.says("望溪路8号")
    await clerk.says("王建国")
    assert (await clerk.says("胡小阳 13800009999")).shows("至少写一项")
    await clerk.says("义诊")
    await clerk.presses("提交")
    await world.person("ST02").presses("确认")
    (unit,) = await world.rows(PartnerUnit, PartnerUnit.code == "U05")
    (liaison,) = await world.rows(Person, Person.id == unit.liaison_id)
    assert (liaison.display_name, liaison.phone) == ("胡小阳", "13800009999")
    held = {role.person_id: role.valid_to for role in await world.rows(RoleAssignment, RoleAssignment.unit_code == "U05")}
    assert held.pop(liaison.id) is None
    assert all(until is not None for until in held.values())
    assert (await world.person("L05").says("登记资源：会议室")).shows("请先办“单位报到”")


async def test_declined_with_a_reason_and_reminded_once(world_sqlite):
    world = world_sqlite
    await unreported(world, "U05")
    liaison, _ = await filled(world)
    await liaison.presses("提交")
    await world.at("2026-11-25T10:00")
    assert sum("【提醒】单位报到" in text for text in world.pushes("ST02")) == 1
    assert (await world.person("ST02").says("不通过报到 澄湖市第四人民医院栖桐院区党总支 地址不对", many=True)).shows("已退回")
    assert "地址不对" in world.pushes("L05")[-1]
    assert "due" not in {row.state for row in await world.rows(Occurrence, Occurrence.job == "enrolment_due") if row.due.day == 25}
    assert (await liaison.says("单位报到")).shows("单位地址")


async def test_the_desk_withdraws_a_unit_and_brings_it_back(world_sqlite):
    world, clerk, liaison = world_sqlite, world_sqlite.person("ST03"), world_sqlite.person("L06")
    await liaison.says("登记资源：操场")
    assert (await world.person("ST04").says("注销单位报到 U06 撤并")).shows("只有社区协调员")
    assert (await clerk.says("注销单位报到 栖桐实验小学")).shows("请把原因一起写上")
    assert (await clerk.says("注销单位报到 栖桐实验小学 撤并")).shows("栖桐实验小学党支部（U06）", "联络员：袁雨桐", "原因：撤并")
    draft = (await world.rows(Draft, Draft.kind == "unit_leave"))[0].id
    assert (await world.person("M01").presses_action(f"unit_leave:{draft}")).shows("只有社区协调员")
    assert (await clerk.presses("确认")).shows("已注销")
    assert liaison.last.message.text.startswith("栖桐实验小学党支部的单位报到已由社区注销")
    assert (await liaison.says("资源清单")).shows("给单位联络员和工作人员看")
    assert "操场" not in (await clerk.says("资源清单")).text
    await liaison.says("单位报到")
    assert (await liaison.says("U06")).shows("已于2026年11月23日注销", "党务专干")
    assert (await clerk.says("取消注销单位 U06")).shows("已恢复：栖桐实验小学党支部（U06）", "联络员：袁雨桐")
    assert (await liaison.says("资源清单")).shows("操场")
    assert (await clerk.says("取消注销单位 U06")).shows("不用恢复")


async def test_a_unit_that_leaves_is_not_invited_any_more_and_its_decisions_are_named(world_sqlite):
    world, clerk = world_sqlite, world_sqlite.person("ST03")
    meeting = (await world.rows(Meeting, Meeting.state == "CLOSED"))[0]
    async with world.app.database.transaction() as session:
        coming = Meeting(
            community_id=meeting.community_id, code="HY-20261210-0001", title="联席会议", kind="joint_quarterly", state="NOTICED",
            planned_at=world.clock.now() + timedelta(days=9), created_at=world.clock.now(),
        )  # fmt: skip
        session.add(coming)
        await session.flush()
        invited = Attendance(meeting_id=coming.id, unit_code="U06", reply="yes")
        session.add_all([
            invited, Attendance(meeting_id=coming.id, unit_code="U05"),
            ActionItem(meeting_id=meeting.id, code="HY-1-9", number=9, text="装灯", unit_code="U06", due=world.clock.now()),
        ])  # fmt: skip

    async def units(meeting_id):
        return {row.unit_code for row in await world.rows(Attendance, Attendance.meeting_id == meeting_id)}

    before = await units(meeting.id)
    await clerk.says("注销单位报到 U06 撤并")
    assert (await clerk.presses("确认")).shows("已注销", "请转办或另行安排：HY-1-9")
    assert await units(coming.id) == {"U05"}
    assert await units(meeting.id) == before
    assert (await world.person("L06").presses_action(f"meeting_reply:{invited.id}:yes")).text
    await clerk.says("取消注销单位 U06")
    assert await units(coming.id) == {"U05", "U06"}


async def test_a_unit_that_was_transferred_does_not_come_back_by_a_word(world_sqlite):
    clerk = world_sqlite.person("ST02")
    await clerk.says("转出单位 U12，搬走了")
    assert (await clerk.presses("确认")).shows("已转出")
    assert (await clerk.says("取消注销单位 U12")).shows("没有已注销的报到")
    (row,) = await world_sqlite.rows(Enrollment, Enrollment.unit_code == "U12")
    assert (row.state, row.reason) == ("TRANSFERRED", "搬走了")
