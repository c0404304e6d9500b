"""Posts (认岗领责): set up step by step, claimed within their places, confirmed, left, closed, and over when their term is."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime

import pytest
import sqlalchemy as sa
from work_stage import staged

from models import Enrollment, Occurrence, OutboxMessage, Person, Post, PostClaim
from services import posts
from services.context import Refusal
from services.post_lines import PostLine, meant, read_line
from services.workdays import ZONE

LINE = "楼道长 青禾苑9幢 2人 2026年12月1日到2027年11月30日 职责：每周巡楼道，清理堆物"
TODAY = date(2026, 11, 23)
CLASSES = ("政策宣传岗", "民情收集岗", "环境整治岗")


# -- what a line says -------------------------------------------------------------------------------------------------
class NoPlaces:
    grids = {}

    class gazetteer:  # noqa: N801
        @staticmethod
        def find(said):
            return type("Match", (), {"kind": "none", "places": (), "words": ""})


def said(line, known=None):
    return read_line(line, TODAY, known or PostLine(), NoPlaces, CLASSES)


@pytest.mark.parametrize(
    ("line", "begins", "until"),
    [
        ("2026年12月1日到2027年11月30日", date(2026, 12, 1), date(2027, 11, 30)), ("12月1日至11月30日", date(2026, 12, 1), date(2027, 11, 30)),
        ("从12月1日起一年", date(2026, 12, 1), date(2027, 11, 30)), ("12月1日起 半年", date(2026, 12, 1), date(2027, 5, 31)),
        ("任期两年", TODAY, date(2028, 11, 22)), ("到12月31日", TODAY, date(2026, 12, 31)), ("8月31日起6个月", date(2027, 8, 31), date(2028, 2, 28)),
        ("2026年2月30日到2027年1月1日", None, None),
    ],
)  # fmt: skip
def test_the_term_of_a_line(line, begins, until):
    assert (said(line).begins, said(line).until) == (begins, until)


def test_pieces_come_in_any_order_and_one_after_the_other():
    first = said("楼道长 2人")
    assert (first.name, first.people, first.post_class) == ("楼道长", 2, "民情收集岗")
    second = said("每周巡楼道一次", first)
    assert second.duties == "每周巡楼道一次"
    third = said("全社区 12月1日起一年", second)
    assert (third.name, third.people, third.duties, third.everywhere) == ("楼道长", 2, "每周巡楼道一次", True)
    assert third.missing(TODAY, CLASSES) == []
    assert PostLine.from_data(third.to_data()) == third


def test_an_unknown_class_is_asked_for_and_taken():
    line = said("花草员 1人 全社区 一年 职责：浇花")
    assert [key.name for key in line.missing(TODAY, CLASSES)] == ["post.need.class"]
    assert said("环境整治岗", line).missing(TODAY, CLASSES) == []
    assert said("环境", line).post_class == "环境整治岗"
    assert meant(("绿化岗",), "绿化员") == "绿化岗"


# -- the conversations --------------------------------------------------------------------------------------------------
async def own(world):
    """The claims of the tests' own posts: the demo community has two others."""
    return await world.rows(PostClaim, PostClaim.post_id.in_(sa.select(Post.id).where(Post.number > 2)))


async def test_a_post_from_setting_up_to_leaving(world):
    coordinator, leader, member = world.person("ST02"), world.person("ST05"), world.person("M03")
    asked = await coordinator.says("设岗 楼道长 青禾苑9幢 2人")
    assert asked.shows("还缺任期", "还缺职责", "已记下", "岗位：楼道长", "类别：民情收集岗")
    done = await coordinator.says("2026年12月1日到2027年11月30日 职责：每周巡楼道，清理堆物")
    assert done.shows("已设岗 3号 楼道长", "青禾苑9幢", "2026年12月1日至2027年11月30日", "每周巡楼道，清理堆物")
    cards = [shown for shown in world.messages("party") if "【认岗】" in shown.message.text and "3号" in shown.message.text]
    assert len(cards) == 1
    assert "需2人 已认0人" in cards[0].message.text

    pressed = await member.presses("认岗", chat="party", message=cards[0])
    assert pressed.shows("已认1人", "已申请3号岗位")
    assert "已申请3号岗位：楼道长" in member.last.message.text
    assert leader.last.message.text.startswith("何晚晴 申请认岗：3号 楼道长")
    assert not [text for text in world.pushes("ST04") if "申请认岗" in text]
    assert (await member.presses("认岗", chat="party", message=cards[0])).shows("不用再点")

    assert (await leader.presses("确认")).shows("已确认：何晚晴 认岗3号")
    assert "您已认岗：3号 楼道长" in member.last.message.text
    assert (await member.says("我的岗位")).shows("3号 楼道长", "在岗")
    assert (await member.says("岗位")).shows("需2人 已认1人")
    assert (await member.presses("卸岗 3号")).shows("确定不再担任")
    assert (await member.presses("确定卸岗")).shows("已卸岗：3号 楼道长")
    assert "何晚晴 已卸岗" in leader.last.message.text
    assert "已认0人" in cards[0].message.text
    assert len([shown for shown in world.messages("party") if "【认岗】3号" in shown.message.text]) == 1, (
        "the card is edited, never reposted"
    )


async def test_an_application_that_is_declined_frees_its_place(world_sqlite):
    world = world_sqlite
    leader, member = world.person("ST05"), world.person("M03")
    assert (await leader.says(f"设岗 {LINE.replace('2人', '1人')}")).shows("已设岗")
    await member.says("认岗 3")
    assert (await world.person("M04").says("认岗 3")).shows("已认满")
    await leader.presses("不通过")
    assert (await leader.says("这栋已经有人了")).shows("未通过")
    assert "原因：这栋已经有人了" in member.last.message.text
    assert (await world.person("M04").says("认岗 3")).shows("已申请3号岗位")
    assert (await world.person("M04").says("卸岗 3")).shows("已取消")


async def test_who_may_set_up_close_and_claim(world_sqlite):
    world = world_sqlite
    assert (await world.person("M03").says(f"设岗 {LINE}")).shows("网格长")
    assert (await world.person("ST04").says(f"设岗 {LINE}")).shows("自己的网格")
    assert (await world.person("ST04").says("设岗 楼道长 2人 全社区 一年 职责：巡楼")).shows("自己的网格")
    own = await world.person("ST04").says("设岗 楼道长 2人 一年 职责：巡楼")
    assert own.shows("已设岗", "青禾苑一区网格")
    await world.person("ST02").says(f"设岗 {LINE}")
    for nobody in ("R101", "ST02", "M24", "stranger"):
        assert (await world.person(nobody).says("认岗 4")).shows("双报到")
    assert (await world.person("ST04").says("撤岗 4 不要了")).shows("没有权限")
    await world.person("M03").says("认岗 4")
    assert (await world.person("ST05").says("撤岗 4 调整安排")).shows("已撤岗 4号", "1人")
    assert "原因：调整安排" in world.person("M03").last.message.text
    assert (await world.person("M03").says("认岗 4")).shows("已经结束")


async def test_forged_buttons_do_nothing(world_sqlite):
    world = world_sqlite
    await world.person("ST02").says(f"设岗 {LINE}")
    await world.person("M03").says("认岗 3")
    claim = (await own(world))[0]
    for somebody in ("M03", "M04", "ST04", "R101"):
        for action in (f"confirm_post:{claim.id}", f"decline_post:{claim.id}"):
            assert (await world.person(somebody).presses_action(action)).text
    for somebody in ("M04", "ST05"):
        for action in (f"leave_post:{claim.id}", f"confirm_leave_post:{claim.id}"):
            assert (await world.person(somebody).presses_action(action)).shows("没有认这个岗位")
    assert [one.state for one in await own(world)] == ["APPLIED"]
    for action in ("confirm_post:nobody", "claim_post:nobody", "leave_post:nobody"):
        assert (await world.person("M03").presses_action(action)).text


async def test_a_member_who_has_left_is_not_confirmed(world_sqlite):
    world = world_sqlite
    await world.person("ST02").says(f"设岗 {LINE}")
    await world.person("M03").says("认岗 3")
    async with world.app.database.transaction() as session:
        person = await session.scalar(sa.select(Person.id).where(Person.code == "M03"))
        await session.execute(sa.update(Enrollment).where(Enrollment.person_id == person).values(state="WITHDRAWN"))
    assert (await world.person("ST05").presses("确认")).shows("现在不在本社区报到")


async def test_the_term_ends_by_itself(world_sqlite):
    world = world_sqlite
    await world.person("ST02").says("设岗 楼道长 青禾苑9幢 2人 到2026年11月23日 职责：巡楼")
    await world.person("M03").says("认岗 3")
    await world.person("ST05").presses("确认")
    await world.person("M04").says("认岗 3")
    await world.at("2026-11-23T23:59")
    assert {claim.state for claim in await own(world)} == {"CONFIRMED", "APPLIED"}
    await world.at("2026-11-24T07:59")
    assert {claim.state for claim in await own(world)} == {"ENDED"}
    assert "任期已满" not in world.person("M03").last.message.text, "quiet hours"
    await world.at("2026-11-24T08:01")
    assert "任期已满" in world.person("M03").last.message.text
    assert "已结束" in next(shown.message.text for shown in world.messages("party") if "【认岗】3号" in shown.message.text)


# -- the places ---------------------------------------------------------------------------------------------------------
@asynccontextmanager
async def a_stage_with_a_post(url):
    async with staged(url) as stage:
        async with stage.turn("ST02") as context:
            made = PostLine("楼道长", "民情收集岗", 2, "G1", "", False, date(2026, 12, 1), date(2027, 11, 30), "巡楼")
            await posts.set_up(context, made)
        yield stage


async def claimed_together(stage):
    async def one(code):
        with suppress(Refusal):
            async with stage.turn(code) as context:
                await posts.claim(context, "1")

    await asyncio.gather(*(one(code) for code in ("M01", "M02", "M03", "M04")))
    async with stage.turn(None) as context:
        return list(await context.session.scalars(sa.select(PostClaim.state)))


async def test_never_more_than_there_are_places(database_url):
    async with a_stage_with_a_post(database_url) as stage:
        assert await claimed_together(stage) == ["APPLIED"] * 2


@pytest.mark.postgres
async def test_without_the_lock_there_are_too_many(databases, monkeypatch):
    """The negative control: the claims are counted without holding the post."""
    find = posts.find
    together = asyncio.Barrier(4)

    async def without_the_lock(context, number, lock=False):
        found = await find(context, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(together.wait(), 0.5)
        return found

    with databases.fresh("postgresql") as url:
        async with a_stage_with_a_post(url) as stage:
            monkeypatch.setattr(posts, "find", without_the_lock)
            assert len(await claimed_together(stage)) > 2


async def test_the_alarm_of_the_term_and_the_card(database_url):
    async with a_stage_with_a_post(database_url) as stage:
        async with stage.turn("M01") as context:
            await posts.claim(context, "1")
        async with stage.turn(None) as context:
            (due,) = await context.session.scalars(sa.select(Occurrence.due).where(Occurrence.job == "end_post_term"))
            assert due == datetime(2027, 12, 1, tzinfo=ZONE)
            post = (await context.session.scalars(sa.select(Post))).one()
            assert post.closed_at is None
            texts = await context.session.scalars(sa.select(OutboxMessage.card).where(OutboxMessage.card == f"post:{post.id}"))
            assert len(list(texts)) >= 1
