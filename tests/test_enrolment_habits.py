"""双报到 as people really write it: wordy answers, second thoughts, photos in between, a problem in the middle (domain.md §5, §10)."""

from __future__ import annotations

import pytest
from world import World

from models import Draft, Enrollment, PartyMember, Problem
from texts.membership import change_said, data, is_name, kind_in, without_introduction


async def test_an_old_member_answers_in_whole_sentences(world_sqlite: World):
    member = world_sqlite.person("li")
    await member.says("你好，我是退休的老党员了，想来报个到，行不行啊")
    assert (await member.says("好的")).shows("请问姓名")
    assert (await member.says("我姓李，叫李秀兰，今年七十二了")).shows("是哪一类党员")
    assert (await member.says("我以前是纺织厂的，退休好多年了")).shows("住在哪一幢")
    assert (await member.says("就住在青禾苑五号楼，三单元那边，靠着小花园")).shows("有什么特长")
    assert (await member.says("没啥特长，就是会做饭")).shows("什么时候有空")
    card = await member.says("白天都有空，晚上要看孙子")
    assert card.shows(
        "姓名：李秀兰", "类别：离退休党员", "住处：青禾苑5幢（青禾苑一区网格）", "特长：就是会做饭", "时间：周六、周日、节假日"
    )
    assert (await member.says("对的，提交吧")).shows("报到已提交：李秀兰")
    assert await world_sqlite.rows(Problem, Problem.submitted_at >= world_sqlite.clock.now()) == []


async def test_one_may_go_back_and_change_ones_mind(world_sqlite: World):
    member = world_sqlite.person("fo")
    await member.says("双报到")
    await member.says("同意")
    assert (await member.says("上一步")).shows("请问姓名")
    await member.says("高远方")
    assert (await member.says("流出党员")).shows("由社区党务专干代为报到")
    assert (await member.says("还是在职吧")).shows("在哪个单位")
    assert (await member.says("返回")).shows("是哪一类党员")
    assert (await member.says("在职")).shows("在哪个单位")
    assert (await member.says("云上科技")).shows("名册里没有“云上科技”")
    assert (await member.says("桐荫公寓1幢")).buttons == ["桐荫公寓A座", "桐荫公寓B座", "桐荫公寓C座", "不住在本社区"]
    assert (await member.says("改姓名")).shows("请问姓名")
    await member.says("高远")
    await member.presses("桐荫公寓A座")
    await member.says("无特长")
    assert (await member.says("周末")).shows("姓名：高远\n", "单位：云上科技", "住处：桐荫公寓A座", "特长：未填")


async def test_a_photo_is_no_answer_and_a_problem_is_a_problem(world_sqlite: World):
    member = world_sqlite.person("ww")
    await member.says("双报到")
    await member.says("同意")
    await member.says("王五")
    for kind in ("photo", "voice", "sticker"):
        fields = {} if kind == "sticker" else {"file": "f0"}
        world_sqlite.platform.files["f0"] = b"\xff\xd8\xff"
        assert (await member.does(kind, "", **fields)).shows("填表请写字或点按钮", "110、119、120")
    assert (await member.says("9幢门口路灯不亮")).buttons == ["青禾苑9幢", "梧桐新村9幢"]
    await member.presses("青禾苑9幢")
    await member.presses("提交")
    assert (await member.says("我要报到")).shows("是哪一类党员")
    (draft,) = await world_sqlite.rows(Draft, Draft.kind == "enrolment")
    assert draft.data["name"] == "王五"


async def test_a_unit_whose_name_sounds_like_a_problem(world_sqlite: World):
    liaison = world_sqlite.person("u1")
    assert (await liaison.says("我们单位要报到")).shows("请写单位名称或编号")
    assert (await liaison.says("栖桐幼儿园党支部")).shows("单位是什么性质")
    assert (await liaison.says("随便填")).shows("没看懂")
    await liaison.says("事业单位")
    assert (await liaison.says("上一步")).shows("单位是什么性质")
    await liaison.says("取消")
    whole = "单位报到：栖桐艺校党支部，事业单位，栖桐路18号，书记李园长，联络员张小敏 13800001235，可以提供操场，需要安全讲座"
    card = await liaison.says(whole)
    assert card.shows("性质：事业单位", "地址：栖桐路18号", "书记：李园长", "联络员：张小敏，13800001235", "· 操场", "· 安全讲座")
    assert (await liaison.says("好的")).shows("单位报到已提交")
    assert [row.state for row in await world_sqlite.rows(Enrollment, Enrollment.kind == "unit", Enrollment.source == "bot")] == ["APPLIED"]


@pytest.mark.parametrize("said", ["返回", "好的", "没有", "你好", "我姓李", "退休党员", "我是退休的", "在职"])
def test_what_is_no_name(said):
    assert not is_name(said, alone=True)


def test_what_is_read_out_of_a_sentence():
    assert without_introduction("我叫张伟民") == "张伟民"
    assert without_introduction("护理") == "护理"
    assert kind_in("我退休好多年了") == "retired"
    assert kind_in("不是在职是退休") is None
    assert change_said("我要改一下特长", data()["labels"]) == "skills"
    assert change_said("改天再说", data()["labels"]) == ""


async def test_no_member_is_made_without_consent(world_sqlite: World):
    member = world_sqlite.person("wang")
    await member.says("双报到：王小二，在职，栖桐实验小学，青禾苑9幢，无，周末")
    assert (await member.says("不行")).shows("没有报到", "没有保存")
    assert await world_sqlite.rows(Draft) == []
    assert [row for row in await world_sqlite.rows(PartyMember) if row.home_org] == []


async def test_the_desk_ends_an_enrolment_for_somebody_and_never_its_own_by_mistake(world_sqlite: World):
    clerk, member = world_sqlite.person("ST02"), world_sqlite.person("M03")
    assert (await clerk.says("注销报到 何晚晴 调离")).shows("请写“代注销 何晚晴 原因”")
    assert (await world_sqlite.person("ST04").says("代注销 何晚晴 调离")).shows("只有社区协调员")
    assert (await clerk.says("代注销 何晚晴 调离")).shows("已注销何晚晴的报到")
    assert member.last.message.text.startswith("您的双报到已由社区注销。\n原因：调离")
    assert (await member.says("双报到")).shows("已于2026年11月23日注销")
