"""What people tripped over in reporting, each once."""

import pytest

from models import Problem


async def _problem(world, code="WT-20261123-0001"):
    (found,) = await world.rows(Problem, Problem.code == code)
    return found


async def test_an_urgent_one_without_a_place_is_at_home(world_sqlite):
    await world_sqlite.person("R121").says("楼下煤气味很重")
    problem = await _problem(world_sqlite)
    assert (problem.grid_code, problem.place_name) == ("G3", "溪畔花园8幢")
    assert len(world_sqlite.pushes("ST06")) == 1


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


@pytest.mark.parametrize("said", ["双报到", "我的积分", "今天谁值班", "删除我的数据", "撤回同意"])
async def test_what_is_not_built_yet_is_said_so(world_sqlite, said):
    answer = await world_sqlite.person("R101").says(said)
    assert "转人工" in answer.buttons
