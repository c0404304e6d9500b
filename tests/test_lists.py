"""What a community chooses for itself: its lists, by chat, and what follows from them (domain.md §3)."""

from models import Community
from texts.administration import tables
from texts.membership import data, is_name, kind_said, rule, rules, times_said
from texts.render import catalogue


async def test_a_coordinator_changes_a_list_and_others_do_not(world_sqlite):
    world = world_sqlite
    coordinator = world.person("ST02")
    assert (await coordinator.says("清单")).shows("团队类别：志愿服务队、突击队、联防队、先锋队", "双队伍三报到四服务")
    assert (await coordinator.says("清单 团队类别 加 夜巡队")).shows("先锋队、夜巡队")
    assert "联防队" not in (await coordinator.says("清单 团队类别 删 联防队")).text
    assert (await coordinator.says("清单 团队类别 改 夜巡队 为 夜间巡逻队")).shows("夜间巡逻队")
    assert (await coordinator.says("清单 团队类别 删 联防队")).shows("清单里没有“联防队”")
    assert (await coordinator.says("清单 没有的")).shows("没有这个清单", "团队类别")
    for nobody in ("ST04", "M01", "R101", "L05"):
        assert (await world.person(nobody).says("清单 团队类别 加 甲队")).shows("只有社区协调员")
    (community,) = await world.rows(Community)
    assert community.config["lists"]["teams"] == ["志愿服务队", "突击队", "先锋队", "夜间巡逻队"]
    assert community.config["street"] == "栖桐街道"


async def test_a_preset_changes_the_lists_it_names(world_sqlite):
    coordinator = world_sqlite.person("ST02")
    shown = await coordinator.says("清单 预设 双队伍三报到四服务")
    preset = data()["presets"]["双队伍三报到四服务"]
    assert (len(preset["teams"]), len(preset["enrolments"]), len(preset["services"])) == (2, 3, 4)
    assert shown.shows("党员先锋队、志愿服务队", "单位报到、党员报到、青年报到", "岗位类别：政策宣传岗")
    assert (await coordinator.says("清单 预设 没有的")).shows("没有这个预设")


async def test_the_form_offers_the_kinds_of_the_list(world_sqlite):
    coordinator, member = world_sqlite.person("ST02"), world_sqlite.person("N1")
    await coordinator.says("清单 党员类别 删 离退休党员")
    await coordinator.says("清单 党员类别 改 社区在册党员 为 社区党员")
    assert (await coordinator.says("清单 党员类别 加 外星党员")).shows("只能从这些里选")
    await member.says("双报到 刘小川 青禾苑9幢 摄影 周六")
    asked = await member.presses("同意")
    assert asked.buttons == ["在职党员", "社区党员", "流入党员", "新就业群体党员"]
    await member.presses("社区党员")
    await member.presses("提交")
    assert (await member.says("我的报到")).shows("类别：社区党员")


async def test_the_last_entry_stays(world_sqlite):
    coordinator = world_sqlite.person("ST02")
    for entry in ("志愿服务队", "突击队", "联防队"):
        await coordinator.says(f"清单 团队类别 删 {entry}")
    assert (await coordinator.says("清单 团队类别 删 先锋队")).shows("不能删")


def test_every_kind_has_its_rule_and_its_words():
    assert set(rules()) == {"in_service", "community_registered", "retired", "floating_in", "floating_out", "new_employment"}
    names = [word for rule in rules().values() for word in rule.words]
    assert len(names) == len(set(names))
    assert rule("new_employment").roles == ("party_member", "rider_reporter")
    assert not rule("floating_out").self
    assert rule("nobody").kind == "in_service"
    assert all(kind_said(word) == kind for kind in rules() for word in rule(kind).words)
    assert all(catalogue("zh_CN")[f"member.kind.{kind}"] == rule(kind).words[0] for kind in rules())
    assert all(catalogue("zh_CN")[f"role.{role}"] == words[0] for role, words in tables()["roles"].items())


def test_what_people_write_of_their_times():
    assert times_said("周六") == ["周六"]
    assert times_said("周末和节假日都可以") == ["周六", "周日", "节假日"]
    assert times_said("工作日晚上") == ["工作日晚"]
    assert times_said("随时") == ["工作日晚", "周六", "周日", "节假日"]
    assert times_said("周六路小学") == []


def test_what_can_be_a_name():
    assert is_name("何晚晴", alone=False)
    assert not is_name("护理", alone=False)
    assert is_name("阿卜杜拉·买买提", alone=True)
    assert is_name("Anna Li", alone=True)
    assert not is_name("9幢", alone=True)
