"""承诺践诺, a whole year as its people live it (domain.md §5 Commitment): written, returned, approved, published, reviewed, confirmed."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction

import pytest
import sqlalchemy as sa
from work_stage import staged
from world import made_world

from models import Chat, Commitment, CommitmentVote, OutboxMessage, Person
from scheduler.jobs import JOBS
from services import promise_calendar, promise_jobs, promise_votes, promise_year, promises
from services.context import Refusal
from services.promise_calendar import PromiseYear
from services.promise_lines import missing, names_another, read_items, read_marks
from services.workdays import ZONE, Calendar

OWN = "CN-20260228-0001"


@asynccontextmanager
async def world_at(databases, folder, now):
    with databases.fresh("sqlite") as url:
        async with made_world(url, folder, now=f"{now}:00+08:00") as made:
            for name in [name for name in made.app.alarms._tables if not name.startswith("commitment_")]:
                del made.app.alarms._tables[name]  # weeks go by: the other jobs of each day are not what is looked at
            yield made


async def the_promise(world, code=OWN):
    (found,) = await world.rows(Commitment, Commitment.code == code)
    return found


# -- words
@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        ("多做好事", "what for_whom measure due"), ("争当一名好党员", "what for_whom measure due"), ("全年做好本职工作", "what for_whom measure"),
        ("尽最大努力服务群众,发挥党员先锋模范作用", "what measure due"), ("为居民服务", "what measure due"), ("帮助独居老人", "what measure due"),
        ("为居民办义诊", "measure due"), ("为居民办义诊4场", "due"), ("为居民办义诊,不少于4场,尽快", "due"), ("办义诊4场,12月20日前", "for_whom"),
        ("帮老人修水电,每月1次,2月30日前", "due"), ("帮老人修水电,每月1次,1月3日前", "due"), ("帮老人修水电,12月20日前", "measure"),
        ("为独居老人上门理发,每月2次,12月20日前完成", ""), ("为9幢居民清扫楼道,每周一次,第三季度末前", ""), ("为老人义诊;4场;12月20日前", ""),
        ("事项:义诊,对象:青禾苑老人,标准:4场,时限:12月20日前", ""), ("结对帮助一户困难家庭,每月上门一次,年底前", ""),
    ],
)  # fmt: skip
def test_vague_promises_are_told_exactly_what_is_missing(said, lacks):
    (item,) = read_items(said, 2026, date(2026, 1, 20))
    assert " ".join(missing(item)) == lacks


def test_several_items_in_one_message():
    items = read_items("1.为老人义诊4场,12月20日前;2.为孩子讲故事6次,年底前\n③为居民修水电,每月1次,6月底前", 2026, date(2026, 1, 20))
    assert [item["due"] for item in items] == ["2026-12-20", "2026-12-31", "2026-06-30"]
    assert [missing(item) for item in items] == [(), (), ()]


@pytest.mark.parametrize(
    ("said", "what", "whom", "measure"),
    [
        ("给9幢独居老人量血压，每月两次，到年底", "给9幢独居老人量血压", "9幢独居老人", "每月两次"),
        ("帮楼里老人买菜，一个星期一次，全年50次，年底前", "帮楼里老人买菜", "楼里老人", "一个星期一次，50次"),
        ("到9幢给老人送餐、取药，每周一次，到12月底", "到9幢给老人送餐、取药", "老人", "每周一次"),
        ("12月底前为居民办展览2次，不少于3天，尽快", "12月底前为居民办展览2次", "居民", "2次，不少于3天"),
        ("再加一条 为孩子办一场讲座，20人参加，年底前", "为孩子办一场讲座", "孩子", "一场，20人"),
    ],
)
def test_a_members_words_are_kept_whole(said, what, whom, measure):
    (item,) = read_items(said, 2026, date(2026, 1, 20))
    assert item == {"what": what, "for_whom": whom, "measure": measure, "due": "2026-12-31"}


def test_a_call_for_help_is_no_promise():
    assert read_items("不知道写啥", 2026, date(2026, 1, 20)) == read_items("我还没想好写什么呢", 2026, date(2026, 1, 20)) == []
    assert read_items("教不会写字的老人写信，每月1次，年底前", 2026, date(2026, 1, 20))[0]["what"] == "教不会写字的老人写信"


def test_what_became_of_each_item():
    marks = read_marks("第1项完成,第二项部分完成,第3项未完成,原因:道路施工", 3)
    assert {number: (mark.result, mark.reason) for number, mark in marks.items()} == {
        1: ("kept", ""), 2: ("partly", ""), 3: ("not", "道路施工"),
    }  # fmt: skip
    assert {number: mark.result for number, mark in read_marks("全部完成", 2).items()} == {1: "kept", 2: "kept"}
    assert {number: mark.result for number, mark in read_marks("都做完了", 2).items()} == {1: "kept", 2: "kept"}
    assert {number: mark.result for number, mark in read_marks("全都没做完", 2).items()} == {1: "not", 2: "not"}
    assert read_marks("第4项完成", 3) == {}
    assert [names_another(said, 3) for said in ("第4项完成", "第3项完成", "第十项完成", "上门3次,帮了第9个家庭")] == [
        True,
        False,
        True,
        False,
    ]


# -- the calendar
def test_the_moments_of_2026():
    year = PromiseYear(Calendar(), 2026)
    at = [f"{moment:%m-%d %H:%M}" for moment in (year.opens, *year.reminders, year.closes, year.report_reminder, year.report_due)]
    assert at == ["01-04 09:00", "02-25 09:00", "02-27 09:00", "02-28 17:30", "12-10 09:00", "12-15 17:30"]
    assert [f"{moment:%m-%d}" for moment in (*year.nudges, year.proposals, year.confirm_due)] == [
        "05-15",
        "08-14",
        "11-13",
        "12-28",
        "12-29",
    ]
    assert set(year.alarms) <= set(JOBS)
    assert all(PromiseYear(Calendar(), year).opens for year in range(2024, 2140))  # nothing ever crashes for want of a list


# -- weights
@pytest.mark.parametrize(
    ("grades", "score", "used", "proposed"),
    [
        ({"peer": [100, 100, 50], "mass": [100, 50, 0], "org": [100, 100, 100]}, Fraction(80), "peer mass org", "kept"),
        # .3/.7 · 250/3 + .4/.7 · 100 = 650/7; the mass has two raters only
        ({"peer": [100, 100, 50], "mass": [0, 0], "org": [100, 100, 100]}, Fraction(650, 7), "peer org", "kept"),
        ({"peer": [0, 0, 50, 50], "org": [100, 100]}, Fraction(25), "peer", "not"),
        ({"mass": [50, 50, 50], "org": [100, 50, 50]}, Fraction(3, 7) * 50 + Fraction(4, 7) * Fraction(200, 3), "mass org", "partly"),
        ({"peer": [0, 0], "mass": [0, 0], "org": [0, 0]}, None, "", "partly"),
    ],
)  # fmt: skip
def test_votes_are_weighed_and_small_classes_left_out(grades, score, used, proposed):
    counted = promise_votes.weigh(grades, [{"said": "kept"}, {"said": "not"}])
    assert (counted.score, " ".join(counted.used), counted.proposed) == (score, used, proposed)
    assert (counted.values["scaled"] is None) == (len(counted.used) in (0, 3))


# -- January and February
async def test_from_a_vague_promise_to_the_public_list(databases, tmp_path):
    async with world_at(databases, tmp_path, "2026-02-24T08:00") as world:
        member, secretary = world.person("M01"), world.person("ST04")
        assert (await member.says("我要承诺：多做好事")).shows("第1项还缺：事项、服务对象、量化标准、时限")
        assert (await member.says("为独居老人上门理发，每月2次")).shows("第1项还缺：时限", "独居老人")
        assert (await member.says("不知道写啥")).shows("第1项还缺：时限")
        assert (await member.says("查进度")) is not None  # commands work in the middle, the draft is kept
        assert "12月20日前" not in (await member.says("尽快")).text.splitlines()[1]
        assert (await member.says("12月20日前")).shows("①为独居老人上门理发—独居老人—每月2次—12月20日", "最晚2月28日17:30")
        assert (await member.says("为居民办义诊4场，10月31日前；再做点好事")).shows("第3项还缺：事项、服务对象、量化标准、时限")
        assert (await member.says("为居民修水电，每月1次，6月底前")).shows("共3项")
        another = world.person("M04")
        assert (await another.says("我要承诺：给老人修水电，每月1次")).shows("第1项还缺：时限")
        shown = await another.says("再加一条 办一场讲座，20人参加，10月底前")
        assert shown.shows("①给老人修水电—老人—每月1次", "②办一场讲座", "第1项还缺：时限", "第2项还缺：服务对象")
        assert (await member.says("为老人读报2次，年底前；为孩子讲故事2次，年底前；为居民办展览2次，年底前")).shows("最多5项")
        await member.presses("重写第3项")
        receipt = await member.presses("提交")
        assert receipt.shows("已提交 CN-20260224-0001，共2项，由周禾生审核，2月27日17:30前答复")
        assert (await member.says("我要承诺")).shows("等书记审核")

        # another branch's secretary, and whoever forges the button, get nothing
        code = "CN-20260224-0001"
        promise = await the_promise(world, code)
        for forger in ("ST05", "M01", "M02", "ST02", "ST10", "R101"):
            answer = await world.person(forger).presses_action(f"promise_approve:{promise.id}")
            assert "公示" not in answer.text, (forger, answer)
        assert (await world.person("ST05").says(f"退回承诺 {code} 不好")).shows("没有权限")
        assert (await the_promise(world, code)).state == "SUBMITTED"

        await secretary.presses("退回")
        assert (await secretary.says("第2项缺地点")).shows("已退回")
        assert world.pushes("M01")[-1].startswith(f"您的承诺 {code} 退回补充：第2项缺地点")
        await member.presses("写承诺")
        assert (await member.presses("提交")).shows("已提交 CN-20260224-0001")
        assert (await secretary.says("待审承诺")).shows("1份")
        assert (await secretary.presses("通过")).shows("已公示")
        assert "【承诺书】" in world.pushes("M01")[-1]
        for group in ("party", "public"):
            (listed,) = [shown for shown in world.messages(group) if "承诺公示" in shown.message.text]
            assert "党员1份：陈书禾" in listed.message.text
        assert (await world.person("R101").says("承诺公示")).shows(code, "陈书禾", "为独居老人上门理发")

        # a unit, a branch and the community; each approval changes the one list
        assert (await world.person("L02").says("我要承诺：为居民办政策讲座，不少于2场，11月30日前")).shows("共1项")
        assert (await world.person("L02").presses("提交")).shows("由沈砚秋审核，2月27日17:30前答复")
        await world.person("ST01").presses("通过")
        assert (await world.person("ST05").says("支部承诺：走访独居老人，每季度不少于1次，年底前")).shows("青禾苑二区网格党支部")
        assert (await world.person("ST01").says("我要承诺：为驻区单位开放会议室，每月2次，年底前")).shows("青禾里社区")
        (listed,) = [shown for shown in world.messages("public") if "承诺公示" in shown.message.text]
        assert "单位1份" in listed.message.text

        # the last day is a Saturday: reminders at their minute, none to who promised
        assert not any("还没收到" in text for text in world.pushes("M03"))
        await world.at("2026-02-25T08:59")
        assert not any("还没收到" in text for text in world.pushes("M03"))
        await world.at("2026-02-25T09:00")
        assert sum("最晚2月28日17:30" in text for text in world.pushes("M03")) == 1
        await world.at("2026-02-27T09:00")
        assert sum("还没收到" in text for text in world.pushes("M03")) == 2
        await world.at("2026-02-28T17:29")
        assert sum("还没收到" in text for text in world.pushes("M03")) == 2
        assert not any("还没收到" in text for text in world.pushes("M01") + world.pushes("R101"))
        assert (await world.person("M03").says("我要承诺：为老人义诊4场，年底前")).shows("共1项")
        await world.person("M11").says("我要承诺：为居民办书画展2次，年底前")
        assert (await world.person("M11").presses("提交")).shows("2月28日17:30前答复")  # approved by the last day, too
        await world.at("2026-02-28T17:30")
        assert "共3份：党员2、支部0、单位1、社区0。\n其中1份待审核" in world.pushes("ST01")[-1]
        await world.at("2026-02-28T17:31")
        assert (await world.person("M03").presses("提交")).shows("已于2月28日17:30截止")


async def test_2027_without_its_list_is_marked_and_nothing_crashes(databases, tmp_path):
    async with world_at(databases, tmp_path, "2026-12-31T10:00") as world:
        await world.at("2027-01-04T09:00")
        (told,) = [text for text in world.pushes("L02") if "2027年承诺践诺开始了" in text]
        assert "暂按法定节假日推算" in told
        assert (await world.person("M01").says("我要承诺：为老人义诊4场，年底前")).shows("暂按法定节假日推算", "最晚2月26日17:30")
        (group,) = [shown for shown in world.messages("party") if "承诺践诺开始了" in shown.message.text]
        assert [button.start for row in group.message.buttons for button in row] == ["promise"]


# -- the year's end
async def test_december(databases, tmp_path):
    async with world_at(databases, tmp_path, "2026-11-30T08:00") as world:
        member, secretary = world.person("M01"), world.person("ST04")
        async with world.app.database.transaction() as session:  # three will do
            await session.execute(sa.delete(Commitment).where(Commitment.code.not_in([OWN, "CN-20260228-0002", "CN-20260228-0011"])))
        assert (await member.says("我的承诺")).shows(OWN, "践诺中", "（已完成）")
        assert (await member.says("我要承诺")).shows("已经公示，一年一份")
        assert (await world.person("M32").says("我要承诺")).shows("已于2月28日17:30截止")
        await world.person("M36").says("我要承诺：为老人义诊4场，年底前")  # reported in on 12 October
        assert (await world.person("M36").presses("提交")).shows("12月3日17:30前答复")
        assert (await member.says(f"践诺 {OWN} 第3项 已联系讲师")).shows("记下了")
        assert (await member.says(f"述诺 {OWN} 全部完成")).shows("践诺中")
        await world.at("2026-12-01T09:00")
        assert (await the_promise(world)).state == "REVIEW_OPEN"
        assert "请12月15日17:30前" in world.pushes("M01")[-1]
        assert (await member.says(f"述诺 {OWN} 尽力了")).shows("没看懂“尽力了”")
        assert (await member.says(f"述诺 {OWN} 第1项完成，第2项完成")).shows(
            "还差这几项没说：3"
        ) and "没看懂" not in member.last.message.text
        assert (await member.says("第3项未完成，原因：场地维修")).shows(
            "述诺已收到", "③为居民办一场环境整治讲座", "自述未完成），原因：场地维修"
        )
        assert (await world.person("M11").says("述诺 全部完成")).shows("述诺已收到")
        await world.at("2026-12-10T08:59")
        assert not any("还没收到" in text for text in world.pushes("M02"))
        await world.at("2026-12-10T09:00")
        assert sum("还没收到 CN-20260228-0002 的述诺" in text for text in world.pushes("M02")) == 1
        assert not any("还没收到" in text for text in world.pushes("M01"))
        await world.at("2026-12-15T17:30")
        assert (await the_promise(world, "CN-20260228-0002")).state == "NOT_REPORTED"
        assert "林一舟" in world.pushes("ST04")[-1] and "未述诺" in world.pushes("ST04")[-1]
        assert not any("未述诺" in shown.message.text for group in ("party", "public") for shown in world.messages(group))
        assert (await world.person("M02").says("述诺 CN-20260228-0002 全部完成")).shows("未述诺")

        await world.at("2026-12-15T18:00")
        assert (await world.person("M25").says("评诺")).shows("现在没有评诺")
        await world.at("2026-12-16T09:00")
        for group in ("party", "public"):
            assert sum("【评诺】" in shown.message.text for shown in world.messages(group)) == 1
        assert (await world.person("M25").says("评诺")).shows("共2份")
        await world.person("M25").presses(f"{OWN} 陈书禾")
        assert (await world.person("M25").presses("未兑现")).shows("已评", "未兑现")
        assert (await world.person("M25").says(f"评诺 {OWN} 兑现")).shows("：兑现")  # changed, still one
        for peer in ("M11", "M18"):
            await world.person(peer).says(f"评诺 {OWN} 兑现")
        for resident, grade in (("R101", "兑现"), ("R102", "部分兑现")):
            await world.person(resident).says(f"评诺 {OWN} {grade}")
        for staff in ("ST01", "ST03", "ST04"):
            await world.person(staff).says(f"评诺 {OWN} 部分兑现")
        assert (await member.says(f"评诺 {OWN} 兑现")).shows("自己的承诺不能自己评")
        for other in ("M03", "ST05", "ST02", "L02"):  # another branch, another secretary, the coordinator, a liaison
            assert (await world.person(other).says(f"评诺 {OWN} 兑现")).shows("由本支部党员、居民和组织来评")
        votes = await world.rows(CommitmentVote)
        assert sorted(vote.rater_kind for vote in votes) == ["mass"] * 2 + ["org"] * 3 + ["peer"] * 3

        await world.at("2026-12-25T23:00")
        assert (await secretary.says(f"评定 {OWN} 兑现")).shows("还在评诺")
        await world.at("2026-12-28T09:00")
        neighbour, unjudged = world.person("R101"), await world.person("R101").says(OWN)
        assert "2份等您确认结果，请12月29日17:30前" in world.pushes("ST04")[-1]
        assert (await world.person("R101").says(f"评诺 {OWN} 兑现")).shows("现在没有评诺")
        await secretary.presses("评定承诺")
        shown = await secretary.presses(f"{OWN} 陈书禾")
        # (.3·100 + .4·50) / .7 = 71.4
        assert shown.shows("党员互评：3人，均分100.0", "群众评：2人，不足3人，不计入", "按比例放大", "综合：71.4分", "建议：部分兑现")
        assert (await world.person("ST05").says(f"评定 {OWN} 兑现")).shows("没有权限")
        assert (await secretary.presses("第3项属客观原因")).shows("客观原因，不计入")
        assert (await neighbour.says(OWN)).text == unjudged.text  # others read of no verdict before it is published
        assert (await secretary.presses("确认部分兑现")).shows("部分兑现（客观原因：场地维修）", "1月5日17:30", "暂按法定节假日推算")
        promise = await the_promise(world)
        assert ([item["result"] for item in promise.items], round(promise.score, 1)) == (["kept", "kept", "excused"], 71.4)
        assert "先给您看" in world.pushes("M01")[-1]
        assert (await neighbour.says(OWN)).text == unjudged.text.replace("评诺中", "已评定")
        assert "评定：" not in await neighbour.says("承诺公示") and (await member.says(OWN)).shows("部分兑现")
        assert (await member.says("我有异议：讲座办过一次")).shows("由书记复核")
        assert "讲座办过一次" in world.pushes("ST04")[-1]
        assert "部分兑现" not in await neighbour.says(OWN) and "评定：" not in await neighbour.says("承诺公示")

        # 31 December: what is objected to waits, the rest is published without a ranking
        await secretary.says("评定 CN-20260228-0011 兑现")
        await world.at("2026-12-31T09:00")
        (listed,) = [shown for shown in world.messages("public") if "践诺结果" in shown.message.text]
        assert "党员1份" in listed.message.text and "不排名" in listed.message.text and "陈书禾" not in listed.message.text
        assert (await secretary.says(f"评定 {OWN} 未兑现，第1项未完成，第2项未完成")).shows("未兑现（客观原因：场地维修）")
        (listed,) = [shown for shown in world.messages("public") if "践诺结果" in shown.message.text]
        assert "陈书禾 未兑现（客观原因：场地维修）" in listed.message.text
        assert (await neighbour.says(OWN)).shows("未兑现（客观原因：场地维修）", "（客观原因，不计入）")
        assert (await the_promise(world)).state == "ARCHIVED"
        assert (await world.person("ST03").says("导出 承诺台账 2026年")).shows("承诺台账")
        await world.at("2027-01-05T17:31")
        assert (await world.person("M11").says("我有异议：不同意")).shows("异议期已于1月5日17:30结束")


async def test_a_nudge_a_quarter_to_who_noted_nothing(databases, tmp_path):
    async with world_at(databases, tmp_path, "2026-08-13T10:00") as world:
        member, before = world.person("M02"), await the_promise(world, "CN-20260228-0002")
        for said, answer in (("", "请说是第几项"), (" 第9项已完成", "没有您说的那一项"), (" 第六项已完成", "没有您说的那一项")):
            assert (await member.says(f"践诺 CN-20260228-0002{said}")).shows(answer)
        assert (await the_promise(world, "CN-20260228-0002")).version == before.version
        await member.says("践诺 CN-20260228-0002 第2项 本月已上门")
        await world.at("2026-08-14T09:01")
        assert sum("进展怎么样" in text for text in world.pushes("M01")) == 1
        assert not any("进展怎么样" in text for text in world.pushes("M02"))


async def test_after_a_downtime_nobody_is_asked_for_what_is_over(databases, tmp_path):
    async with world_at(databases, tmp_path, "2026-02-24T18:00") as world:
        world.clock.put(datetime(2026, 3, 2, 10, tzinfo=ZONE))
        while await world.app.alarms.tick():
            await world.app.drain()
        assert not any("还没收到您的" in text for who in ("M01", "ST04", "L08") for text in world.pushes(who))
        assert any("承诺" in text for text in world.pushes("ST01")), "how many promised is told late"


async def test_what_is_approved_in_december_is_reviewed_too(databases, tmp_path):
    async with world_at(databases, tmp_path, "2026-12-02T10:00") as world:
        async with world.app.database.transaction() as session:
            await session.execute(sa.update(Commitment).where(Commitment.code == OWN).values(state="SUBMITTED"))
        assert (await world.person("ST04").says(f"通过承诺 {OWN}")).shows("已通过")
        assert (await the_promise(world)).state == "REVIEW_OPEN"
        assert sum("述诺开始" in text for text in world.pushes("M01")) == 1
        assert (await world.person("M01").says(f"述诺 {OWN} 全部完成")).shows("述诺已收到")


# -- what locks and counts, on both databases
@pytest.fixture
async def stage(database_url):
    async with staged(database_url) as made:
        yield made


async def test_one_vote_a_rater_and_one_message_a_job(stage):
    stage.now = datetime(2026, 12, 16, 10, tzinfo=ZONE)
    async with stage.turn("M01") as context:
        promise = Commitment(
            community_id=context.ground.community_id, code=OWN, owner=context.actor.id, year=2026, state="IN_EVALUATION", items=[{"what": "a"}]
        )  # fmt: skip
        context.session.add(promise)

    async def cast(person, grade):
        async with stage.turn(person) as context:
            await promise_votes.vote(context, await promises.get(context, promise.id), grade)

    await asyncio.gather(*(cast("R101", grade) for grade in ("kept", "not", "partly", "kept")), cast("M02", "kept"))
    await cast("R101", "not")
    async with stage.turn("M01") as context:
        votes = {vote.rater_id: (vote.rater_kind, vote.grade) for vote in await context.session.scalars(sa.select(CommitmentVote))}
        people = {person.id: person.code for person in await context.session.scalars(sa.select(Person))}
        assert {people[rater]: cast for rater, cast in votes.items()} == {"R101": ("mass", 0), "M02": ("peer", 100)}
        with pytest.raises(Refusal, match="vote_own"):
            await promise_votes.vote(context, await promises.get(context, promise.id), "kept")
    stage.now = datetime(2026, 12, 26, tzinfo=ZONE)
    with pytest.raises(Refusal, match="no_ballot"):
        await cast("R101", "kept")
    with pytest.raises(Refusal, match="refused.permission"):
        async with stage.turn("M02") as context:
            await promise_year.judge(context, await promises.get(context, promise.id), "kept")

    # the alarms stand once however often they are planned, and move with the calendar
    for _ in range(2):
        async with stage.turn(None) as context:
            await promise_calendar.plan(context, "")
    alarms = await stage.alarms()
    assert len(alarms) == len(set(alarms))
    assert {job for job, subject, _ in alarms if subject == "2026"} == {
        "commitment_proposals",
        "commitment_confirm_reminder",
        "commitment_results",
    }
    assert sum(job == "commitment_nudge" for job, _, _ in alarms) == 3
    async with stage.turn(None) as context:
        assert await promise_jobs.send_proposals(context, "2026") == "1 to confirm"
        await context.session.flush()
        keys = list(await context.session.scalars(sa.select(OutboxMessage.dedupe_key).join(Chat, Chat.id == OutboxMessage.chat_id)))
        assert len([key for key in keys if key.startswith("commitment_proposals:2026:2026-12-26:")]) == 1
    async with stage.turn(None) as context:  # a second alarm of a downtime is not heard
        await promise_jobs.send_proposals(context, "2026")
    async with stage.turn(None) as context:  # 28 December becomes a day off
        context.ground = replace(context.ground, calendar=Calendar({date(2026, 12, 28): False}))
        await promise_calendar.plan(context, "")
    assert await _proposals(stage) == [29]
    async with stage.turn(None) as context:  # and a workday again
        await promise_calendar.plan(context, "")
    assert await _proposals(stage) == [28]


async def _proposals(stage):
    alarms = await stage.alarms()
    return [due.astimezone(ZONE).day for job, subject, due in alarms if (job, subject) == ("commitment_proposals", "2026")]


async def test_the_secretary_sees_first_what_nobody_else_is_asked_for_and_reaches_every_one(databases, tmp_path):
    async with world_at(databases, tmp_path, "2026-12-28T10:00") as world:
        listed = await _pages(world, "评定承诺", "IN_EVALUATION")
        units = len(await world.rows(Commitment, Commitment.owner_kind == "unit"))
        assert units > 5
        assert ["党支部" in label or "党总支" in label for label in listed[:20]] == [place < units for place in range(20)]
        await _pages(world, "待审承诺", "SUBMITTED")


async def _pages(world, said, state):
    """What the secretary is shown of everything in this state, 20 to a page; nothing is missing and nothing comes twice."""
    async with world.app.database.transaction() as session:
        await session.execute(sa.update(Commitment).where(Commitment.owner_kind.in_(("member", "unit"))).values(state=state))
    secretary = world.person("ST01")
    page, found = await secretary.says(said), []
    while "下一页" in page.buttons:
        assert len(page.buttons) == 21
        found += page.buttons[:-1]
        page = await secretary.presses("下一页")
    found += page.buttons
    assert found[20:], "one page is no test"
    codes = {label.split()[0] for label in found}
    assert len(codes) == len(found)
    assert codes == {one.code for one in await world.rows(Commitment, Commitment.state == state)}
    return found
