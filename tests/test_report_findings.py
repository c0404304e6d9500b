"""What people tripped over in reporting, each once."""

import io

import pytest
import sqlalchemy as sa
from PIL import Image
from sqlmodel import col

from models import ChatAccount, Person, Problem
from services.places import Gazetteer, NamedPlace
from services.understanding import understand

STREET = "ST10"


def picture() -> bytes:
    """A JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (90, 90, 90)).save(out, "JPEG")
    return out.getvalue()


async def _problem(world, code="WT-20261123-0001"):
    (found,) = await world.rows(Problem, Problem.code == code)
    return found


async def test_an_urgent_one_without_a_place_is_at_home(world_sqlite):
    await world_sqlite.person("R121").says("楼下煤气味很重")
    problem = await _problem(world_sqlite)
    assert (problem.grid_code, problem.place_name) == ("G3", "溪畔花园8幢")
    assert len(world_sqlite.pushes("ST06")) == 1


async def test_another_large_estate_is_asked_for_and_never_becomes_the_home(world_sqlite):
    resident = world_sqlite.person("R101")  # at home in 青禾苑4幢
    assert (await resident.says("梧桐新村里的路灯不亮")).shows("在哪里")
    assert (await resident.says("5幢")).shows("梧桐新村5幢", "梧桐新村网格")
    await resident.presses("提交")
    assert (await _problem(world_sqlite)).place_name == "梧桐新村5幢"


async def test_an_alarm_in_another_large_estate_does_not_go_home(world_sqlite):
    await world_sqlite.person("R101").says("梧桐新村有人被困电梯")
    assert (await _problem(world_sqlite)).grid_code is None


async def test_a_stranger_says_after_the_alarm_where_it_is(world_sqlite):
    stranger = world_sqlite.person("a stranger")
    assert (await stranger.says("着火了救命")).shows("WT-20261123-0001", "在哪里")
    assert (await stranger.says("青禾苑6幢三楼")).shows("已转给处理的人")
    problem = await _problem(world_sqlite)
    assert (problem.grid_code, problem.place_name) == ("G1", "青禾苑6幢")
    assert any("WT-20261123-0001" in text for text in world_sqlite.pushes("ST04"))


async def test_a_location_after_the_alarm_belongs_to_it(world_sqlite):
    stranger = world_sqlite.person("a stranger")
    await stranger.says("着火了救命")
    await stranger.sends_location(31.2016, 120.1519)
    assert (await _problem(world_sqlite)).grid_code == "G1"


async def test_the_same_alarm_again_is_no_new_case(world_sqlite):
    resident = world_sqlite.person("R106")
    await resident.says("5幢着火了")
    await resident.says("快来人啊着火了")
    await resident.says("火越来越大了")
    assert len(await world_sqlite.rows(Problem, Problem.code.like("WT-20261123-%"))) == 1
    assert "火越来越大" in world_sqlite.pushes("ST04")[-1]


async def test_another_matter_after_the_alarm_is_a_report_of_its_own(world_sqlite):
    resident = world_sqlite.person("R106")
    await resident.says("5幢着火了")
    await world_sqlite.at("2026-11-23T09:00")
    assert (await resident.says("8幢门口路灯不亮")).shows("请核对", "青禾苑8幢")


async def test_a_typed_word_of_the_grammar_is_not_the_button(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    await resident.presses("提交")
    await world_sqlite.person("ST04").says("办结 WT-20261123-0001 路灯已经换好,今晚会亮", many=True)
    await resident.says("满意", many=True)
    assert (await _problem(world_sqlite)).state == "CLOSED"


async def test_a_correction_on_the_card_moves_the_place(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("3幢门口路灯不亮")
    card = await resident.says("不对,是5号楼")
    assert card.shows("青禾苑5幢")
    assert "青禾苑3幢" not in card


@pytest.mark.parametrize("said", ["算了不报了", "不要提交", "算了", "取消"])
async def test_ways_to_give_up(world_sqlite, said):
    resident = world_sqlite.person("R101")
    await resident.says("3幢门口路灯不亮")
    assert (await resident.says(said, many=True)).shows("取消")


async def test_the_estate_alone_chooses_among_the_offered(world_sqlite):
    stranger = world_sqlite.person("a stranger")
    await stranger.says("9幢电梯坏了")
    assert (await stranger.says("青禾苑的")).shows("青禾苑9幢")


async def test_an_anonymous_report_does_not_take_the_home(world_sqlite):
    assert (await world_sqlite.person("R101").says("匿名报:路灯不亮")).shows("在哪里")


@pytest.mark.parametrize("said", ["我的积分", "最近的驿站", "许愿：一台轮椅"])
async def test_what_is_not_built_yet_is_said_so(world_sqlite, said):
    answer = await world_sqlite.person("R101").says(said)
    assert "转人工" in answer.buttons


@pytest.mark.parametrize("more", ["words", "point", "picture"])
async def test_a_reply_to_passed_on_is_about_the_urgent_one(world_sqlite, more):
    resident = world_sqlite.person("R106")
    await resident.says("5幢着火了")
    if more == "words":
        await resident.says("三楼,楼道里有烟")
    elif more == "point":
        await resident.sends_location(31.2016, 120.1519)
    else:
        await resident.sends_photo(picture())
    passed = resident.last
    assert "已转给处理的人" in passed.message.text
    await world_sqlite.at("2026-11-23T09:30")  # the half hour in which everything belongs to it is over
    assert (await resident.says("楼道路灯也不亮了", reply_to=passed.id)).shows("已转给WT-20261123-0001的办理人")


async def test_a_reply_to_already_submitted_is_about_that_problem(world_sqlite):
    resident = world_sqlite.person("R106")
    card = await resident.says("5幢门口路灯不亮")
    submit = next(button.action for row in card.shown[0].message.buttons for button in row if button.label == "提交")
    await resident.presses("提交")
    await resident.does("press", "", many=True, action=submit, message_id="", press_id="")  # typed twice
    assert "已经提交过了" in resident.last.message.text
    assert (await resident.says("灯罩也掉下来了", reply_to=resident.last.id)).shows("已转给WT-20261123-0001的办理人")


async def test_the_street_is_told_that_it_has_no_line(world_sqlite):
    street, before = world_sqlite.person(STREET), len(await world_sqlite.rows(Problem))
    await world_sqlite.person("R106").says("5幢门口路灯不亮")
    await world_sqlite.person("R106").presses("提交")
    coordinator = world_sqlite.person("ST02")
    await coordinator.says("受理 WT-20261123-0001", many=True)
    for _ in range(2):
        await coordinator.says("上报母墙 WT-20261123-0001 需要供电公司配合", many=True)
    ticket = street.last
    assert "WT-20261123-0001" in ticket.message.text
    assert (await street.says("请尽快处理路灯不亮的问题", reply_to=ticket.id)).shows("WT-20261123-0001", "街道这里不能直接回复")
    assert (await street.sends_photo(picture(), reply_to=ticket.id)).shows("街道这里不能直接回复")
    assert len(await world_sqlite.rows(Problem)) == before + 1
    assert "请尽快处理" not in "".join(world_sqlite.pushes("R106"))


def test_the_name_of_an_estate_says_nothing_about_the_matter():
    estate = Gazetteer([NamedPlace("柳溪苑4幢", "G1", 31.2, 120.15, "building")])
    said = "柳溪苑4幢后面有人倒建筑垃圾，堆了半人高"
    assert not understand(said).confident
    assert understand(estate.without_estates(said)).best.code == "B03"
    assert estate.without_estates("柳溪苑的柳树倒了") == "柳溪苑的柳树倒了"


async def test_whichever_way_a_problem_comes_its_ticket_has_the_button_to_accept_it(world_sqlite):
    world, leader = world_sqlite, world_sqlite.person("ST04")
    await world.person("R103").says("青禾苑2幢楼道灯坏了")
    await world.person("R103").presses("提交")
    await leader.says("青禾苑3幢门口路灯不亮", many=True)
    await leader.presses("提交")
    await world.person("R104").says("匿名报：青禾苑8幢有人高空抛物")
    await world.person("R104").presses("匿名提交")
    await world.person("R105").says("青禾苑1幢着火了", many=True)
    await world.person("ST02").says("代录：张叔 13800000009 青禾苑5幢电梯坏了", many=True)
    tickets = [shown.message for shown in leader.messages if shown not in world.standing and "·待受理\n" in shown.message.text]
    assert len({ticket.text[:24] for ticket in tickets}) == 5
    assert all("受理" in [button.label for row in ticket.buttons for button in row] for ticket in tickets)


async def test_a_ticket_that_reaches_no_leader_goes_to_whoever_else_can_accept_it(world_sqlite):
    world = world_sqlite
    async with world.app.database.transaction() as session:
        leader = (await session.scalars(sa.select(Person).where(col(Person.code) == "ST04"))).one()
        await session.execute(sa.delete(ChatAccount).where(col(ChatAccount.person_id) == leader.id))
    await world.person("R103").says("青禾苑2幢楼道灯坏了")
    await world.person("R103").presses("提交")
    assert world.person("ST02").last.message.text.startswith("【P2较急】WT-")
    assert "受理" in [button.label for row in world.person("ST02").last.message.buttons for button in row]


async def test_the_word_for_everything_else_stands_once(world_sqlite):
    asked = await world_sqlite.person("ST02").says("让何晚晴当网格长")
    assert asked.buttons.count("其他") == 1


async def test_a_report_in_three_pieces_keeps_where_it_is(world_sqlite):
    resident = world_sqlite.person("R111")  # at home in 青禾苑13幢
    await resident.says("9幢")
    await resident.says("门口")
    assert (await resident.says("路灯不亮")).shows("9幢\n门口\n路灯不亮", "青禾苑9幢（青禾苑二区网格）")
    await resident.presses("取消")
    await resident.says("9幢")
    await world_sqlite.at("2026-11-23T08:30")
    assert (await resident.says("路灯不亮")).shows("青禾苑13幢")  # half an hour later it is another matter


async def test_a_building_said_first_is_asked_about_when_the_matter_is_known(world_sqlite):
    stranger = world_sqlite.person("somebody new")
    await stranger.says("我要报问题")
    await stranger.says("3幢")
    assert (await stranger.says("路灯坏了")).buttons == ["青禾苑3幢", "溪畔花园3幢", "梧桐新村3幢"]
    assert (await stranger.says("好的")).buttons == ["青禾苑3幢", "溪畔花园3幢", "梧桐新村3幢"]  # that is no place
    assert (await stranger.says("青禾苑的")).shows("青禾苑3幢")


async def test_a_building_of_another_estate_is_not_asked_for_ever(world_sqlite):
    stranger = world_sqlite.person("somebody new")
    assert (await stranger.says("望湖小区3幢路灯坏了")).buttons[0] == "青禾苑3幢"
    assert (await stranger.says("望湖小区3幢")).shows("在哪里")
    assert (await stranger.says("望湖小区3幢")).shows("位置：望湖小区3幢（由社区协调员分派）")


async def test_another_danger_right_after_the_first_is_a_report_of_its_own(world_sqlite):
    resident = world_sqlite.person("R113")
    await resident.says("9幢3单元张奶奶摔倒了没人管")
    assert (await resident.says("她头上在流血")).shows("已转给", "WT-20261123-0001")
    assert (await resident.says("我家燃气味很大")).shows("WT-20261123-0002", "燃气")
    assert len(await world_sqlite.rows(Problem, Problem.code.like("WT-20261123-%"), Problem.sla == "P1")) == 2
