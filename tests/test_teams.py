"""Teams: who sets one up, who is in it, and claiming together by the rules of a single claim."""

import asyncio
from contextlib import suppress

import pytest
import sqlalchemy as sa
from test_claim_race import add_crowd
from work_stage import SATURDAY, staged

from models import Claim, Enrollment, Person, StateLog, Task, Team, TeamMember
from services import claims, tasks, team_claims
from services.context import Refusal

TEAM = "建队 急救突击队 突击队 队长 何晚晴"


async def with_a_team(world, *members):
    """The team of M03 (何晚晴) with these members besides."""
    assert (await world.person("ST02").says(TEAM)).shows("已建队：急救突击队", "队长：何晚晴")
    for code in members:
        assert (await world.person(code).says("入队 急救突击队")).shows("您已加入急救突击队")


async def code_ids(world):
    return {person.code: person.id for person in await world.rows(Person, Person.code.is_not(None))}


# -- the teams ----------------------------------------------------------------------------------------------------------
async def test_a_team_from_setting_up_to_dissolving(world):
    coordinator, leader, member = world.person("ST02"), world.person("M03"), world.person("M04")
    assert (await coordinator.says("建队 急救队")).shows("建队这样写")
    assert (await coordinator.says("建队 急救队 队长 何晚晴")).shows("还缺“急救队”的类别", "突击队")
    assert (await coordinator.says("建队 急救突击队 突击队 队长 卢采薇")).shows("还没有在本社区报到")
    await with_a_team(world)
    assert "您是急救突击队的队长" in leader.last.message.text
    assert (await coordinator.says(TEAM)).shows("已经有“急救突击队”了")
    assert (await world.person("M01").says(TEAM)).text
    assert len(await world.rows(Team, Team.name == "急救突击队")) == 1

    assert (await leader.says("加队员 急救突击队 罗启明")).shows("本人同意后就入队")
    assert (await leader.says("加队员 急救突击队 罗启明")).shows("今天已经邀请过")
    assert "何晚晴 邀请您加入急救突击队" in member.last.message.text
    assert (await member.presses("同意入队")).shows("您已加入急救突击队，现有2人")
    assert "罗启明 加入了急救突击队" in leader.last.message.text
    assert (await leader.says("我的队伍")).shows("队员：何晚晴、罗启明")
    assert "队员：" not in (await member.says("我的队伍")).text
    listed = await world.person("R101").says("队伍")
    assert listed.shows("急救突击队", "2人")
    assert "何晚晴" not in listed.text
    assert listed.buttons == []

    assert (await member.says("退队")).shows("您已退出急救突击队")
    assert "罗启明 退出了" in leader.last.message.text
    assert (await member.says("入队 急救突击队")).shows("现有2人"), "somebody may come back"
    assert (await leader.says("移出队员 急救突击队 罗启明")).shows("已移出")
    assert (await coordinator.says("换队长 急救突击队 罗启明")).shows("队长现在是罗启明")
    assert (await leader.says("加队员 急救突击队 陈书禾")).shows("只有急救突击队的队长")
    assert (await leader.says("解散 急救突击队")).text
    assert (await coordinator.says("解散 急救突击队")).shows("已解散")
    assert "已解散" in member.last.message.text
    assert "急救突击队" not in (await member.says("队伍")).text
    assert (await coordinator.says(TEAM)).shows("已建队"), "the name may be used again"


async def test_only_active_members_join_and_forged_buttons_do_nothing(world_sqlite):
    world = world_sqlite
    await with_a_team(world)
    team = (await world.rows(Team, Team.name == "急救突击队"))[0].id
    for nobody in ("R101", "M24", "ST02"):
        assert (await world.person(nobody).presses_action(f"join_team:{team}")).shows("双报到")
        assert (await world.person(nobody).presses_action(f"leave_team:{team}")).shows("不在这支队伍")
        assert (await world.person(nobody).presses_action(f"team_claim_ask:31:{team}")).shows("没有带队")
        assert (await world.person(nobody).presses_action(f"team_claim:31:{team}:1")).shows("没有带队")
    assert (await world.person("M03").presses_action(f"team_claim:31:{team}:many")).text
    assert (await world.person("M03").presses_action("team_claim:31:nobody:1")).shows("没有带队")
    assert len(await world.rows(TeamMember, TeamMember.team_id == team)) == 1
    assert await world.rows(Claim, Claim.task_id == (await world.rows(Task, Task.short_no == 31))[0].id) == []


async def test_a_leader_who_leaves_is_missed(world_sqlite):
    world = world_sqlite
    await with_a_team(world)
    await world.person("M03").says("退队")
    assert "请安排新队长" in world.person("ST02").last.message.text
    assert (await world.person("M03").says("带队接单 32 2人")).shows("没有带队")


# -- claiming together ----------------------------------------------------------------------------------------------------
async def test_a_team_claims_within_the_places(world):
    """Task 32: two places, no skill. The card is edited once, each is told in private, the leader reads who not and why."""
    leader = world.person("M03")
    await with_a_team(world, "M04", "M01", "M21")
    card = next(shown for shown in world.messages("party") if "#32" in shown.message.text)
    edits = card.edits
    asked = await leader.says("带队接单 32")
    assert asked.shows("还能接2人", "能去的：何晚晴、罗启明、汪以宁", "陈书禾：那段时间已有任务")
    assert asked.buttons == ["接2人", "接1人"]
    done = await leader.says("带队接单 32 罗启明 陈书禾 汪以宁 何晚晴 谁也不是", chat="party", many=True)
    assert done.shows("已接2人")
    assert "罗启明" not in done.text
    assert card.edits == edits + 1
    told = leader.last.message.text
    assert all(
        word in told
        for word in ("急救突击队已接单 #32", "已接：罗启明、汪以宁", "陈书禾：那段时间已有任务", "何晚晴：名额已满", "谁也不是：不在队里")
    )
    for code in ("M04", "M21"):
        assert "何晚晴 带急救突击队接了这单" in world.person(code).last.message.text
    assert not [text for text in world.pushes("M01") if "接了这单" in text]
    people = await code_ids(world)
    logs = await world.rows(StateLog, StateLog.object_kind == "claim", StateLog.event == "claim", StateLog.actor_id == people["M03"])
    assert len(logs) == 2, "the history names the leader, who acted"
    assert (await world.person("M04").presses("退单")).shows("#32")
    assert card.message.text.count("已接1人") == 1


async def test_a_press_claims_for_so_many_leader_first(world_sqlite):
    world = world_sqlite
    leader = world.person("M03")
    await with_a_team(world, "M04", "M21")
    await leader.says("任务 32")
    await leader.presses("带队接单（急救突击队）")
    assert (await leader.presses("接2人")).shows("已接：何晚晴、罗启明")
    assert (await leader.says("带队接单 32 1人")).shows("没有接上", "汪以宁：名额已满", "何晚晴：已经接了这单")


async def test_skill_and_exemption(world_sqlite):
    """Who is exempt comes by own wish: the leader is told so, and nothing about health."""
    world = world_sqlite
    leader = world.person("M03")
    await with_a_team(world, "M04", "M21", "M32")
    asked = await leader.says("带队接单 31")
    assert asked.shows("罗启明：没有登记所需技能", "傅玉珍：请本人自己接单")
    assert "健康" not in asked.text
    assert "免" not in asked.text
    assert (await world.person("M32").says("接单 32")).shows("接单成功")


async def test_everybody_in_the_team_may_have_left(world_sqlite):
    world = world_sqlite
    await with_a_team(world, "M04")
    people = await code_ids(world)
    async with world.app.database.transaction() as session:
        await session.execute(sa.update(Enrollment).where(Enrollment.person_id == people["M04"]).values(state="WITHDRAWN"))
    assert (await world.person("M03").says("带队接单 32 罗启明")).shows("没有接上", "罗启明：还没有报到")
    async with world.app.database.transaction() as session:
        await session.execute(sa.update(Enrollment).where(Enrollment.person_id == people["M03"]).values(state="WITHDRAWN"))
    assert (await world.person("M03").says("带队接单 32 1人")).shows("没有带队")


# -- the race -------------------------------------------------------------------------------------------------------------
async def raced(url):
    """A team of six and six others claim two places in the same moment; who has one."""
    async with staged(url) as stage:
        await add_crowd(stage)
        task = await stage.task(capacity=2, start_at=SATURDAY)
        async with stage.turn("X0") as context:
            team = Team(community_id=context.ground.community_id, name="t", leader_id=context.actor.id)
            context.session.add(team)
            await context.session.flush()
            crowd = await context.session.scalars(sa.select(Person).where(Person.code.in_([f"X{n}" for n in range(6)])))
            context.session.add_all(TeamMember(team_id=team.id, person_id=person.id, joined_at=context.now) for person in crowd)

        async def together():
            with suppress(Refusal):
                async with stage.turn("X0") as context:
                    await team_claims.claim(context, task, team.id, 6)

        async def alone(code):
            with suppress(Refusal):
                async with stage.turn(code) as context:
                    await claims.claim(context, task)

        await asyncio.gather(together(), *(alone(f"X{number}") for number in range(6, 12)))
        return [state for state in (await stage.states(task)).values() if state == "ACTIVE"]


async def test_a_team_and_others_never_take_more_than_the_places(database_url):
    assert len(await raced(database_url)) == 2


@pytest.mark.postgres
async def test_without_the_lock_there_are_too_many(databases, monkeypatch):
    """The negative control: the places are counted without holding the task."""
    find = tasks.find
    together = asyncio.Barrier(7)

    async def without_the_lock(context, number, lock=False):
        found = await find(context, number)
        with suppress(TimeoutError, asyncio.BrokenBarrierError):
            await asyncio.wait_for(together.wait(), 1)
        return found

    monkeypatch.setattr(tasks, "find", without_the_lock)
    with databases.fresh("postgresql") as url:
        assert len(await raced(url)) > 2


async def test_a_member_cannot_be_in_two_tasks_by_two_leaders(database_url):
    """Two leaders take the same member to two tasks at the same hour: one gets them."""
    async with staged(database_url) as stage:
        numbers = [await stage.task(capacity=1), await stage.task(capacity=1)]
        teams = []
        for leader in ("M01", "M02"):
            async with stage.turn(leader) as context:
                team = Team(community_id=context.ground.community_id, name=leader, leader_id=context.actor.id)
                context.session.add(team)
                await context.session.flush()
                member = await context.session.scalar(sa.select(Person.id).where(Person.code == "M04"))
                context.session.add(TeamMember(team_id=team.id, person_id=member, joined_at=context.now))
                teams.append(team.id)

        async def take(leader, number, team):
            with suppress(Refusal):
                async with stage.turn(leader) as context:
                    await team_claims.claim(context, number, team, 1)

        await asyncio.gather(*(take(*one) for one in zip(("M01", "M02"), numbers, teams, strict=True)))
        assert [len(await stage.claims(number)) for number in numbers].count(1) == 1
