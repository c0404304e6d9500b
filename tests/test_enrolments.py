"""双报到 of members as they meet it in chat: consent, form, confirmation, moving, leaving, coming back (domain.md §5, §8)."""

import asyncio
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from models import AuditLog, ConsentRecord, Draft, Enrollment, Occurrence, PartyMember, Person, RoleAssignment, StateLog
from models.membership import TeamMember
from services import enrolments, targets
from services.context import SCHEDULER, Actor, Context, Refusal, ground
from services.identity import roles_of
from services.service_record import Served

ONE = "双报到 何晚晴 U05 青禾苑9幢 护理 周六"


async def applied(world, who="N1", said=ONE):
    """Somebody new has applied with one message."""
    person = world.person(who)
    await person.says(said)
    await person.presses("同意")
    return person, await person.presses("提交")


async def latest(world, who):
    """The latest enrolment of the person whose chat this is, and the person."""
    async with world.app.database.transaction() as session:
        account = sa.select(Person.id).where(Person.id.in_(sa.select(Enrollment.person_id)))
        found = [
            one for one in await session.scalars(sa.select(Person).where(Person.id.in_(account))) if who in (one.code, one.display_name)
        ]
        rows = await session.scalars(sa.select(Enrollment).order_by(Enrollment.applied_at, Enrollment.id))
        people = {one.id: one for one in found}
        last = [row for row in rows if row.person_id in people][-1]
        return last, people[last.person_id]


# -- applying -----------------------------------------------------------------------------------------------------------
async def test_one_message_answers_everything_and_the_receipt_says_who_confirms_by_when(world):
    member = world.person("N1")
    asked = await member.says(ONE)
    assert asked.buttons == ["同意", "不同意"]
    assert asked.shows("记什么", "做什么用", "谁看得到", "怎么退出")
    assert await world.rows(ConsentRecord, ConsentRecord.notice_version == 2) == []
    (shown,) = [one for one in (await member.presses("同意")).shown if "请核对" in one.message.text]
    for line in (
        "姓名：何晚晴",
        "类别：在职党员",
        "单位：澄湖市第四人民医院栖桐院区党总支",
        "住处：青禾苑9幢（青禾苑二区网格）",
        "特长：护理",
        "时间：周六",
    ):
        assert line in shown.message.text
    receipt = await member.presses("提交")
    assert receipt.shows("青禾苑二区网格", "青禾苑二区网格党支部", "网格长（钱语桐）在11月25日17:30前确认", "今年应参加1次、5小时")
    assert len(await world.rows(ConsentRecord, ConsentRecord.notice_version == 2)) == 1
    assert [text for text in world.pushes("ST05") if "待确认报到" in text] == [world.pushes("ST05")[-1]]
    assert "今年应参加" not in world.pushes("ST05")[-1]
    assert not any("何晚晴" in text for code in ("ST04", "ST02") for text in world.pushes(code))
    await world.person("ST05").presses("确认")
    enrolment, person = await latest(world, "何晚晴")
    assert (enrolment.state, enrolment.grid_code, enrolment.kind, enrolment.source) == ("ACTIVE", "G2", "member", "bot")
    assert (person.building, person.home_grid, person.person_kind) == ("青禾苑9幢", "G2", "member")
    (member_row,) = await world.rows(PartyMember, PartyMember.person_id == person.id)
    assert (member_row.kind, member_row.unit_code, member_row.skills, member_row.availability) == ("in_service", "U05", ["护理"], ["周六"])
    (role,) = await world.rows(RoleAssignment, RoleAssignment.person_id == person.id)
    assert (role.role, role.valid_to) == ("party_member", None)
    assert role.granted_by == enrolment.confirmed_by
    assert "党员群请联系网格长（钱语桐）" in world.pushes("N1")[-1]
    assert "任务列表" in world.pushes("N1")[-1]
    assert await world.rows(Draft) == []
    # the message at the grid leader has no buttons any more
    assert not [one for one in world.person("ST05").messages if any(b.label == "确认" for row in one.message.buttons for b in row)]


async def test_question_by_question_with_corrections_and_other_things_between(world_sqlite):
    world = world_sqlite
    member = world.person("N2")
    await member.says("我要报到")
    assert (await member.presses("同意")).shows("请问姓名")
    asked = await member.says("刘小川")
    assert asked.buttons == ["在职党员", "社区在册党员", "离退休党员", "流入党员", "新就业群体党员"]
    assert (await member.presses("在职党员")).shows("在哪个单位")
    offered = await member.says("党支部")
    assert len(offered.buttons) > 3
    assert offered.buttons[-1] == "就填“党支部”"
    assert (await member.presses("望溪供电所党支部")).shows("住在哪一幢")
    assert "青禾苑9幢" in (await member.says("9幢")).buttons
    await member.says("查进度")  # something else in between: the form stays
    assert (await member.says("/baodao")).shows("住在哪一幢")
    assert (await member.presses("青禾苑9幢")).shows("什么特长")
    assert (await member.says("书法 摄影")).shows("什么时候有空")
    for day in ("周六", "周日", "周六"):
        await member.presses(
            next(label for label in member.last.message.buttons[0] + member.last.message.buttons[1] if day in label.label).label
        )
    card = await member.presses("完成")
    assert card.shows("特长：书法、摄影", "时间：周日", "单位：望溪供电所党支部")
    await member.presses("改时间")
    assert (await member.says("工作日晚上和节假日")).shows("时间：工作日晚、节假日")
    await member.presses("改类别")
    assert "单位：" not in (await member.presses("社区在册党员")).shown[-1].message.text
    await member.presses("提交")
    enrolment, person = await latest(world, "刘小川")
    assert enrolment.state == "APPLIED"
    (row,) = await world.rows(PartyMember, PartyMember.person_id == person.id)
    assert (row.kind, row.unit_code, row.home_org) == ("community_registered", None, "")


async def test_a_unit_nobody_knows_is_kept_as_it_was_said(world_sqlite):
    member = world_sqlite.person("N2")
    await member.says("双报到 刘小川 在职 青禾苑9幢 摄影 周六")
    await member.presses("同意")
    asked = await member.says("远山设计院")
    assert asked.buttons == ["就填“远山设计院”"]
    assert (await member.presses("就填“远山设计院”")).shows("单位：远山设计院")
    await member.presses("提交")
    _, person = await latest(world_sqlite, "刘小川")
    (row,) = await world_sqlite.rows(PartyMember, PartyMember.person_id == person.id)
    assert (row.unit_code, row.home_org) == (None, "远山设计院")


async def test_a_location_gives_grid_and_building_and_outside_goes_to_the_coordinators(world_sqlite):
    world = world_sqlite
    member = world.person("N2")
    await member.says("双报到 刘小川 U09 摄影 周六")
    await member.presses("同意")
    assert (await member.sends_location(31.20042, 120.1515)).shows("住处：青禾苑2幢（青禾苑一区网格）")
    await member.presses("改住处")
    assert (await member.sends_location(31.30, 120.30)).shows("住处：您发的位置（社区）", "不在青禾里社区的网格范围")
    assert (await member.presses("提交")).shows("社区协调员（顾明溪）", "青禾里社区")
    assert "待确认报到" in world.pushes("ST02")[-1]
    enrolment, _ = await latest(world, "刘小川")
    assert (enrolment.grid_code, enrolment.branch) == (None, "")
    assert not any("刘小川" in text for number in range(4, 10) for text in world.pushes(f"ST0{number}"))


async def test_without_consent_nothing_is_kept(world_sqlite):
    world = world_sqlite
    before = len(await world.rows(Enrollment))
    member = world.person("N1")
    await member.says(ONE)
    assert (await member.presses("不同意")).shows("没有报到，内容没有保存")
    assert await world.rows(Draft) == []
    assert len(await world.rows(Enrollment)) == before
    assert await world.rows(ConsentRecord, ConsentRecord.notice_version == 2) == []


async def test_the_second_answers_the_date_of_the_first(world):
    assert (await world.person("M01").says("双报到")).shows("您已报到", "2026年1月12日")
    member, _ = await applied(world)
    await world.at("2026-11-24T10:00")
    assert (await member.says(ONE)).shows("您已报到", "2026年11月23日")
    assert (await member.says("双报到")).shows("您已报到", "2026年11月23日")
    own = [row for row in await world.rows(Enrollment, Enrollment.state == "APPLIED") if row.source == "bot"]
    assert len(own) == 1


async def test_a_form_that_was_open_twice_makes_one_enrolment(world_sqlite):
    world = world_sqlite
    member = world.person("N1")
    await member.says(ONE)
    first = await member.presses("同意")
    button = first.shown[-1]
    await member.says(ONE)
    await member.presses("同意")
    await member.presses("提交")
    assert (await member.presses("提交", message=button)).shows("您已报到")
    assert len([row for row in await world.rows(Enrollment) if row.source == "bot"]) == 1


async def test_nobody_submits_the_form_of_another(world_sqlite):
    world = world_sqlite
    await world.person("N1").says(ONE)
    await world.person("N1").presses("同意")
    (draft,) = await world.rows(Draft)
    for forged in (
        f"enrol_submit:{draft.id}",
        f"enrol_pick:{draft.id}:kind:retired",
        f"enrol_change:{draft.id}:name",
        f"enrol_discard:{draft.id}",
    ):
        assert (await world.person("N2").presses_action(forged)).shows("这份表已经提交或取消了")
    assert (await world.person("N1").presses_action(f"enrol_pick:{draft.id}:kind:floating_out")).shows("由社区党务专干代为报到")
    assert [row.source for row in await world.rows(Enrollment) if row.source == "bot"] == []


# -- confirming -----------------------------------------------------------------------------------------------------------
async def test_only_the_own_grids_leader_and_the_desk_may_confirm(world):
    await applied(world)
    enrolment, _ = await latest(world, "何晚晴")
    for nobody in ("ST04", "M01", "R101", "L05", "ST10", "N1", "N9"):
        for answer in ("yes", "no"):
            assert (await world.person(nobody).presses_action(f"enrolment_answer:{enrolment.id}:{answer}")).shows("没有权限")
    assert (await world.person("ST04").says("确认报到 何晚晴")).shows("没有找到")
    assert (await latest(world, "何晚晴"))[0].state == "APPLIED"
    assert (await world.person("ST03").says("确认报到 何晚晴")).shows("已确认：何晚晴")
    assert (await latest(world, "何晚晴"))[0].state == "ACTIVE"
    assert (await world.person("ST05").presses_action(f"enrolment_answer:{enrolment.id}:yes")).shows("已报到")


async def test_declined_with_a_reason_that_the_person_reads_and_once_more(world_sqlite):
    world = world_sqlite
    member, _ = await applied(world)
    leader = world.person("ST05")
    assert (await leader.presses("不通过")).shows("为什么不通过")
    await leader.says("单位里没有这个人", many=True)
    assert "单位里没有这个人" in world.pushes("N1")[-1]
    enrolment, person = await latest(world, "何晚晴")
    assert (enrolment.state, enrolment.reason) == ("DECLINED", "单位里没有这个人")
    assert await world.rows(RoleAssignment, RoleAssignment.person_id == person.id) == []
    await applied(world)
    assert (await latest(world, "何晚晴"))[0].state == "APPLIED"


async def test_the_confirmer_is_reminded_once_at_nine_of_the_due_day(world_sqlite):
    world = world_sqlite
    await applied(world)
    await world.at("2026-11-25T08:59")
    assert not any("提醒" in text for text in world.pushes("ST05"))
    await world.at("2026-11-25T09:01")
    assert sum("【提醒】何晚晴" in text for text in world.pushes("ST05")) == 1
    await world.at("2026-11-27T18:00")
    assert sum("【提醒】何晚晴" in text for text in world.pushes("ST05")) == 1


async def test_nobody_is_reminded_of_what_is_confirmed(world_sqlite):
    world = world_sqlite
    await applied(world)
    await world.person("ST05").presses("确认")
    await world.at("2026-11-25T10:00")
    assert not any("提醒" in text for text in world.pushes("ST05"))
    assert {row.state for row in await world.rows(Occurrence, Occurrence.job == "enrolment_due")} == {"dropped", "done"}


async def test_three_who_confirm_at_once_confirm_once(world):
    enrolment, person = await latest(world, "卢采薇")

    async def confirms(code):
        async with world.app.database.transaction() as session:
            clerk = await session.scalar(sa.select(Person).where(Person.code == code))
            actor = Actor(clerk, tuple(await roles_of(session, clerk.id, world.clock.now())))
            await enrolments.confirm(Context(session, world.clock.now(), actor, await ground(session), f"by {code}"), enrolment.id)

    done = await asyncio.gather(*(confirms(code) for code in ("ST02", "ST03", "ST04")), return_exceptions=True)
    assert sorted(one.key if isinstance(one, Refusal) else "confirmed" for one in done) == ["confirmed", "refused.state", "refused.state"]
    confirmed = [row for row in await world.rows(StateLog, StateLog.object_id == enrolment.id) if row.event == "confirm"]
    granted = await world.rows(RoleAssignment, RoleAssignment.person_id == person.id, RoleAssignment.role == "party_member")
    assert (len(confirmed), len(granted)) == (1, 1)


async def test_an_alarm_that_was_set_before_finds_nothing_to_say(world_sqlite):
    """Besides dropping the alarm: a reminder that rings all the same looks at the state."""
    world = world_sqlite
    async with world.app.database.transaction() as session:
        enrolment = await session.scalar(
            sa.select(Enrollment).where(Enrollment.state == "ACTIVE", Enrollment.person_id.is_not(None)).limit(1)
        )
        context = Context(session, world.clock.now(), SCHEDULER, await ground(session), "test")
        assert await enrolments.remind_due(context, enrolment.id) == "nothing"
        assert await enrolments.remind_due(context, "gone") == "nothing"
        assert context.posted == []


async def test_the_demos_application_stands_with_its_leader(world_sqlite):
    world = world_sqlite
    leader = world.person("ST04")
    assert (await leader.says("待确认报到")).shows("待确认报到1份", "卢采薇", "11月24日17:30前")
    await leader.presses("确认")  # the card that was delivered on the day of the application
    enrolment, _ = await latest(world, "卢采薇")
    assert enrolment.state == "ACTIVE"
    assert "已确认" in world.pushes("M24")[-1]
    assert (await leader.says("待确认报到")).shows("没有待确认的报到")


async def test_not_found_names_the_last_three_that_wait(world_sqlite):
    assert (await world_sqlite.person("ST04").says("确认报到 张三")).shows("没有找到“张三”", "卢采薇")
    assert (await world_sqlite.person("R101").says("待确认报到")).shows("只有网格长和社区工作人员")


# -- one's own record -----------------------------------------------------------------------------------------------------
async def test_what_may_be_changed_later(world_sqlite):
    world = world_sqlite
    member = world.person("M03")
    assert (await member.says("我的报到")).shows("2026年1月9日", "在职党员", "任务推荐：开", "应急集结：关", "今年应参加4次、20小时")
    await member.presses("改特长")
    assert (await member.says("护理 书法")).shows("特长：护理、书法")
    await member.presses("改时间")
    assert (await member.says("周末")).shows("时间：周六、周日")
    await member.presses("改单位")
    assert (await member.says("U09")).shows("单位：望溪供电所党支部")
    await member.presses("任务推荐：开")
    await member.presses("应急集结：关")
    _, person = await latest(world, "M03")
    (row,) = await world.rows(PartyMember, PartyMember.person_id == person.id)
    assert (row.skills, row.availability, row.unit_code) == (["护理", "书法"], ["周六", "周日"], "U09")
    assert (row.offers, row.emergency_opt_in) == (False, True)
    assert len(await world.rows(Enrollment, Enrollment.person_id == person.id)) == 1
    assert (await world.person("R101").says("我的报到")).shows("您还没有报到")
    assert (await world.person("R101").presses_action("enrolment_edit:skills")).shows("您还没有报到")
    assert (await member.presses_action("enrolment_edit:kind")).shows("这个选项已经没有了")
    assert (await member.presses_action("enrolment_switch:backbone")).shows("这个选项已经没有了")


async def test_name_and_home_are_corrected_until_they_are_confirmed(world_sqlite):
    world = world_sqlite
    member, _ = await applied(world)
    await member.says("我的报到")
    await member.presses("改姓名")
    assert (await member.says("何晓晴")).shows("【我的报到】何晓晴：待确认")
    assert "【待确认报到】何晓晴" in world.person("ST05").last.message.text
    await member.presses("改住处")
    assert (await member.says("青禾苑4幢")).shows("住处：青禾苑4幢", "青禾苑一区网格", "11月25日17:30")
    assert world.person("ST05").last.message.text == "【报到】何晓晴的住处改在别的网格了，由那里确认。"
    assert world.person("ST05").last.message.buttons == ()
    enrolment, person = await latest(world, "何晓晴")
    assert (enrolment.grid_code, enrolment.branch, person.home_grid, person.building) == ("G1", "青禾苑一区网格党支部", "G1", "青禾苑4幢")
    assert (await world.person("ST05").presses_action(f"enrolment_answer:{enrolment.id}:yes")).shows("没有权限")
    assert (await member.says("搬家到青禾苑3幢")).shows("住处：青禾苑3幢")
    assert "青禾苑3幢" in world.person("ST04").last.message.text
    await member.says("我的报到")
    await member.presses("改住处")
    await world.person("ST04").presses("确认")
    assert (await member.says("青禾苑9幢")).shows("已经确认", "搬家")
    assert (await member.presses_action("enrolment_edit:name")).shows("已经确认")
    enrolment, person = await latest(world, "何晓晴")
    assert (enrolment.state, person.building) == ("ACTIVE", "青禾苑3幢")
    assert (await member.says("我的报到")).buttons[:2] == ["改特长", "改时间"]


async def test_hours_are_shown_to_the_person_alone(world_sqlite):
    world = world_sqlite
    assert (await world.person("M03").says("我的时长")).shows("2026年：8次、34小时", "今年应参加4次、20小时", "已经达到")
    assert (await world.person("M17").says("我的时长")).shows("今年应参加2次、10小时")
    assert (await world.person("M36").says("我的时长")).shows("今年应参加1次、5小时")
    exempt = await world.person("M32").says("我的时长")
    assert exempt.shows("健康豁免")
    assert "应参加1" not in exempt.text
    in_group = await world.person("M03").says("我的时长", chat="party")
    assert "34" not in in_group.text
    (button,) = [button for shown in in_group.shown for row in shown.message.buttons for button in row]
    assert button.start


@pytest.mark.parametrize(
    ("enrolled", "year", "quarters"),
    [
        (date(2026, 1, 1), 2026, 4), (date(2026, 3, 31), 2026, 4), (date(2026, 4, 1), 2026, 3), (date(2026, 9, 30), 2026, 2),
        (date(2026, 10, 1), 2026, 1), (date(2026, 12, 31), 2026, 1), (date(2026, 10, 1), 2027, 4), (date(2027, 1, 1), 2026, 0),
    ],
)  # fmt: skip
def test_quarters_from_the_enrolments_to_the_fourth(enrolled, year, quarters):
    assert targets.quarters(enrolled, year) == quarters


def test_a_target_is_met_by_times_and_hours_both():
    target = targets.Target(2026, 2, 2, 10.0)
    assert target.met(Served(2, 10.0))
    assert not target.met(Served(1, 30.0))
    assert not target.met(Served(9, 9.5))


async def test_a_community_sets_its_own_target(world_sqlite):
    world = world_sqlite
    async with world.app.database.transaction() as session:
        await session.execute(sa.text("""UPDATE community SET config = '{"target": {"times": 2, "hours": 6.5}}'"""))
    assert (await world.person("M17").says("我的时长")).shows("今年应参加4次、13小时")


# -- moving, leaving, coming back -------------------------------------------------------------------------------------------
async def test_moving_within_the_community_keeps_the_history_and_the_first_date(world):
    member = world.person("M02")
    assert (await member.says("搬家到青禾苑9幢")).shows("新住处：青禾苑9幢（青禾苑二区网格）")
    assert (await member.presses("提交")).shows("网格长（钱语桐）在11月25日17:30前确认", "2026年2月3日")
    enrolment, person = await latest(world, "M02")
    rows = sorted(await world.rows(Enrollment, Enrollment.person_id == person.id), key=lambda row: row.applied_at)
    assert [(row.state, row.grid_code) for row in rows] == [("TRANSFERRED", "G1"), ("APPLIED", "G2")]
    await world.person("ST05").presses("确认")
    assert (await member.says("我的时长")).shows("今年应参加4次、20小时")
    assert (await member.says("双报到")).shows("您已报到", "2026年2月3日")
    assert (await member.says("搬家到青禾苑9幢")).shows("请核对搬家")
    assert (await member.presses("提交")).shows("不用再报")
    assert (await latest(world, "M02"))[0].id == enrolment.id


async def test_leaving_waits_for_what_is_open(world_sqlite):
    world = world_sqlite
    member = world.person("M01")  # has claimed #33
    for said in ("转出", "注销报到", "注销报到 工作调动"):
        assert (await member.says(said)).shows("#33", "退单")
    assert (await member.presses_action("enrolment_leave:away_sure")).shows("#33")
    assert (await latest(world, "M01"))[0].state == "ACTIVE"
    await member.says("退单 33 家里有事", many=True)
    assert (await member.says("注销报到 工作调动")).shows("报到已注销")
    enrolment, person = await latest(world, "M01")
    assert (enrolment.state, enrolment.reason) == ("WITHDRAWN", "工作调动")
    assert [role.valid_to is not None for role in await world.rows(RoleAssignment, RoleAssignment.person_id == person.id)] == [True]
    assert "已注销报到" in world.pushes("ST04")[-1]


async def test_who_withdrew_comes_back_by_a_clerk_alone(world):
    member = world.person("M03")
    assert (await member.says("注销报到")).shows("为什么要注销")
    await member.says("家里有事")
    assert (await member.says(ONE)).shows("已于2026年11月23日注销", "取消注销")
    assert (await member.says("接单 31")).shows("由已报到的党员接单")
    assert (await world.person("ST04").says("取消注销 何晚晴")).shows("只有社区协调员")
    assert (await world.person("ST03").says("取消注销 没有这人")).shows("没有找到")
    assert (await world.person("ST03").says("取消注销 何晚晴")).shows("已恢复：何晚晴")
    enrolment, person = await latest(world, "M03")
    assert (enrolment.state, enrolment.ended_at, enrolment.reason) == ("ACTIVE", None, "")
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert [
        role
        for role in await world.rows(RoleAssignment, RoleAssignment.person_id == person.id)
        if role.valid_to is None or role.valid_to > now
    ]
    assert "已恢复" in world.pushes("M03")[-1]


async def test_moving_away_ends_it_and_one_may_enrol_again(world_sqlite):
    world = world_sqlite
    member = world.person("M03")
    await member.says("转出")
    assert (await member.presses("确认转出")).shows("已从青禾里社区转出")
    assert (await latest(world, "M03"))[0].state == "TRANSFERRED"
    assert (await member.says("我的任务")).text
    await member.says("双报到")
    await member.presses("同意")
    assert "何晚晴" in member.last.message.text or "住在哪一幢" in member.last.message.text
    await member.says("青禾苑9幢")
    await member.says("护理")
    assert (await member.says("周六")).shows("什么时候有空")  # the label of a button, typed, presses it
    assert (await member.presses("完成")).shows("姓名：何晚晴", "时间：周六")
    assert (await member.presses("提交")).shows("今年应参加1次、5小时")  # away and back: it begins anew


async def test_an_application_is_taken_back(world_sqlite):
    world = world_sqlite
    member, _ = await applied(world)
    assert (await member.says("注销报到")).shows("还没确认")
    assert (await member.says("搬家")).shows("住在哪一幢")
    assert (await member.says("取消报到")).shows("已取消")
    assert (await latest(world, "何晚晴"))[0].state == "CANCELLED"
    await world.at("2026-11-25T10:00")
    assert not any("提醒" in text for text in world.pushes("ST05"))


# -- at the desk --------------------------------------------------------------------------------------------------------------
async def test_a_clerk_enrols_from_paper_and_takes_it_back(world_sqlite):
    world = world_sqlite
    clerk = world.person("ST03")
    card = await clerk.says("代报到 郑小满 13900001111 退休党员 青禾苑4幢 太极 周末")
    assert card.shows("姓名：郑小满", "电话：13900001111", "类别：离退休党员", "时间：周六、周日", "签字同意")
    done = await clerk.presses("提交")
    assert done.shows("已确认：郑小满", "请转告")
    enrolment, person = await latest(world, "郑小满")
    assert (enrolment.state, enrolment.source, person.phone) == ("ACTIVE", "offline", "13900001111")
    assert len(await world.rows(ConsentRecord, ConsentRecord.person_id == person.id)) == 1
    assert (await clerk.says("代报到 郑小满 13900001111 退休党员 青禾苑4幢 太极 周末")).shows("请核对")
    assert (await clerk.presses("提交")).shows("您已报到")
    await clerk.presses_action(next(b.action for row in done.shown[-1].message.buttons for b in row if b.label == "撤销"))
    (role,) = await world.rows(RoleAssignment, RoleAssignment.person_id == person.id)
    assert role.valid_to is not None
    assert (await latest(world, "郑小满"))[0].state == "APPLIED"
    for nobody in ("ST04", "M01", "R101"):
        assert (await world.person(nobody).says("代报到 某某 13900001112")).shows("只有社区协调员")


async def test_exempt_for_health_with_a_reason_that_is_kept_encrypted(world_sqlite):
    world = world_sqlite
    assert (await world.person("ST03").says("健康豁免 林一舟")).shows("请把原因一起写上")
    await world.person("ST03").says("健康豁免 林一舟 术后休养")
    assert "应参加" in world.pushes("M02")[-1]
    assert "术后" not in world.pushes("M02")[-1]
    async with world.app.database.transaction() as session:
        stored = (
            (await session.execute(sa.text("SELECT exempt_reason FROM party_member WHERE health_exempt AND exempt_reason IS NOT NULL")))
            .scalars()
            .all()
        )
    assert stored
    assert all("术后".encode() not in bytes(value) for value in stored)
    assert "应参加4" not in (await world.person("M02").says("我的时长")).text
    await world.person("ST03").says("取消豁免 林一舟")
    assert (await world.person("M02").says("我的时长")).shows("今年应参加4次、20小时")
    assert (await world.person("ST04").says("健康豁免 林一舟 术后休养")).shows("只有社区协调员")


async def test_every_look_and_every_role_is_written_down(world_sqlite):
    world = world_sqlite
    await applied(world)
    await world.person("ST05").presses("确认")
    _, person = await latest(world, "何晚晴")
    rows = await world.rows(AuditLog, AuditLog.person_id == person.id)
    assert {row.action for row in rows} >= {"member.seen", "role.granted"}
    logs = await world.rows(StateLog, StateLog.object_kind == "enrollment")
    assert [(log.event, log.target) for log in logs] == [("apply", "APPLIED"), ("confirm", "ACTIVE")]
    assert await world.rows(TeamMember, TeamMember.person_id == person.id) == []
