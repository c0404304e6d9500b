"""What somebody who used the bot for the first time stumbled over: problems, tickets, ratings, the line (domain.md §0, §5, §10)."""

import pytest
import sqlalchemy as sa

from models import Person, Problem, ProblemMessage, ProblemSupporter
from services import tickets
from services.context import SCHEDULER, Context, ground
from services.masking import private_matter
from services.workdays import local

ONE = "WT-20261123-0001"
RESULT = "已经换了新灯泡,今晚会亮"


RUBBLE = "4幢后面有人倒建筑垃圾,堆了半人高"


async def reported(world, text="4幢门口路灯不亮", who="R101"):
    await world.at("2026-11-23T10:05")
    resident = world.person(who)
    await resident.says(text)
    await resident.presses("提交")
    return resident


async def resolved(world, **options):
    resident = await reported(world, **options)
    await world.person("ST04").says(f"受理 {ONE}", many=True)
    await world.person("ST04").says(f"办结 {ONE} {RESULT}", many=True)
    return resident


async def stored(world, code=ONE):
    (problem,) = await world.rows(Problem, Problem.code == code)
    return problem


# -- replies to the bot's own answers
@pytest.mark.parametrize("how", ["受理 {}", "已联系 {}", "查进度 {}", "待办"])
async def test_a_reply_to_the_bots_own_answer_reaches_the_reporter(world_sqlite, how):
    resident, leader = await reported(world_sqlite), world_sqlite.person("ST04")
    if how == "待办":
        for code in (await leader.says("待办")).buttons:
            if code != ONE:
                await leader.says(f"办结 {code} 已到现场处理完毕,恢复原样", many=True)
    await leader.says(how.format(ONE), many=True)
    await leader.says("下午三点来换灯泡", reply_to=leader.last.id)
    assert "下午三点来换灯泡" in world_sqlite.pushes("R101")[-1]
    assert resident.last.message.text.startswith("【回复】")


async def test_a_reply_to_an_answer_about_a_rating_reaches_the_handler(world_sqlite):
    resident = await resolved(world_sqlite)
    await resident.says("没解决", many=True)
    await resident.says("/help", many=True)
    reopened = next(one for one in reversed(resident.messages) if "退回重办" in one.message.text)
    await resident.says("灯只亮了一秒", reply_to=reopened.id)
    assert "灯只亮了一秒" in world_sqlite.pushes("ST04")[-1]


# -- where it is
async def test_a_shared_location_shows_its_nearest_place_to_staff(world_sqlite):
    await world_sqlite.at("2026-11-23T10:05")
    resident = world_sqlite.person("R104")
    await resident.sends_location(31.2023, 120.1528)
    await resident.says("垃圾桶旁边到处都是垃圾")
    await resident.presses("提交")
    problem = await stored(world_sqlite)
    assert problem.place_name == "", "the test wants a point without a place"
    ticket = next(text for text in world_sqlite.pushes("ST04") + world_sqlite.pushes("ST05") + world_sqlite.pushes("ST02") if ONE in text)
    assert "附近：" in ticket
    assert "（31.2023，120.1528）" in ticket
    assert "米" in ticket
    assert "附近：" in (await resident.says(f"查进度 {ONE}"))


# -- the public wall
async def test_the_wall_quotes_nobodys_hardship(world_sqlite):
    resident = world_sqlite.person("R101")
    await world_sqlite.at("2026-11-23T10:05")
    await resident.says("家里老人瘫痪没人照看,低保也断了,想申请困难帮扶")
    await resident.presses("提交")
    leader = world_sqlite.person("ST04")
    await leader.says(f"办结 {ONE} 已为瘫痪老人联系上门护理", many=True)
    await world_sqlite.at("2026-11-23T17:30")
    wall = world_sqlite.messages("public")[-1].message.text
    assert "困难帮扶" in wall
    assert "瘫痪" not in wall
    assert "低保" not in wall
    assert "反映" not in wall
    assert "瘫痪" in resident.last.message.text


async def test_the_wall_has_one_post_for_one_problem(world_sqlite):
    resident = await resolved(world_sqlite)
    before = len(world_sqlite.messages("public"))
    await world_sqlite.at("2026-11-23T17:29")
    assert len(world_sqlite.messages("public")) == before
    await world_sqlite.at("2026-11-23T17:31")
    assert len(world_sqlite.messages("public")) == before + 1
    await resident.says("没解决", many=True)
    await world_sqlite.person("ST04").says(f"办结 {ONE} 又换了一次灯座,已经亮了", many=True)
    await world_sqlite.at("2026-11-24T17:31")
    assert len(world_sqlite.messages("public")) == before + 1, "said once, and no empty post on the next day"


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("我妈刚做完手术下不了楼", True), ("独居老人没人照看", True), ("家里有残疾人", True), ("楼上家暴", True),
        ("lost my job, cannot pay", True), ("5幢2单元楼道全是纸箱,走路都困难", False), ("路灯坏了", False),
        ("绿化带病虫害", False), ("电梯老毛病又犯了", False), ("停车困难", False),
    ],
)  # fmt: skip
def test_private_words_are_known(text, private):
    assert private_matter(text) is private


# -- appeals
async def test_after_an_appeal_only_the_secretary_refuses(world_sqlite):
    resident = await reported(world_sqlite)
    coordinator, secretary = world_sqlite.person("ST02"), world_sqlite.person("ST01")
    await coordinator.says(f"不受理 {ONE} 内容无效", many=True)
    assert "可以申诉一次" in resident.last.message.text
    await resident.says(f"申诉 {ONE} 就在4幢门口", many=True)
    assert (await coordinator.says(f"不受理 {ONE} 内容无效", many=True)).shows("只有社区书记")
    assert (await stored(world_sqlite)).state == "SUBMITTED"
    await secretary.says(f"不受理 {ONE} 内容无效", many=True)
    assert (await stored(world_sqlite)).state == "REJECTED"
    assert "申诉一次" not in resident.last.message.text
    assert "申诉一次" not in (await resident.says(f"查进度 {ONE}")).text


# -- reopening
async def test_the_third_reopening_is_one_push_to_the_coordinator(world_sqlite):
    resident, leader = await resolved(world_sqlite), world_sqlite.person("ST04")
    for _ in range(2):
        await resident.says("没解决", many=True)
        await leader.says(f"办结 {ONE} {RESULT}", many=True)
    before = len(world_sqlite.pushes("ST02"))
    await resident.says("没解决", many=True)
    told = world_sqlite.pushes("ST02")[before:]
    assert len(told) == 1
    assert "联席会议" in told[0]
    assert "第3次" in told[0]


async def test_what_is_still_wrong_is_taken_without_a_reply(world_sqlite):
    resident = await resolved(world_sqlite)
    await resident.says("没解决", many=True)
    assert (await resident.says("灯还是一闪一闪的")).shows("已转给")
    assert "灯还是一闪一闪的" in world_sqlite.pushes("ST04")[-1]
    assert "提交" in (await resident.says(RUBBLE)).buttons


async def test_danger_is_a_report_even_then(world_sqlite):
    resident = await resolved(world_sqlite)
    await resident.says("没解决", many=True)
    await resident.says("4幢着火了!", many=True)
    assert [one.sla for one in await world_sqlite.rows(Problem, Problem.code == "WT-20261123-0002")] == ["P1"]


async def test_the_question_is_forgotten_after_a_day(world_sqlite):
    resident = await resolved(world_sqlite)
    await resident.says("没解决", many=True)
    await world_sqlite.at("2026-11-25T10:00")
    assert "提交" in (await resident.says(RUBBLE)).buttons


# -- what people say of a result
@pytest.mark.parametrize(
    ("said", "rating", "state"),
    [
        ("很满意，谢谢！", "good", "CLOSED"), ("满意谢谢", "good", "CLOSED"), ("satisfied", "good", "CLOSED"),
        ("好多了", "fair", "RESOLVED"), ("还可以", "fair", "RESOLVED"), ("修好了，谢谢", None, "RESOLVED"),
        ("not satisfied", "poor", "IN_PROGRESS"), ("not solved", None, "IN_PROGRESS"), ("没修好", None, "IN_PROGRESS"),
    ],
)  # fmt: skip
async def test_everyday_words_rate(world_sqlite, said, rating, state):
    resident = await resolved(world_sqlite)
    await resident.says(said, many=True)
    problem = await stored(world_sqlite)
    assert (problem.rating, problem.state) == (rating, state)


async def test_everyday_words_mean_nothing_when_no_rating_is_awaited(world_sqlite):
    resident = world_sqlite.person("somebody new")
    assert "评价" not in (await resident.says("好多了"))


async def test_a_typed_rating_is_one_new_message_and_the_echo_says_something_else(world_sqlite):
    resident = await resolved(world_sqlite)
    answer = await resident.says("基本满意", many=True)
    texts = [one.message.text for one in answer.shown]
    assert len(texts) == len(set(texts)) == 2
    assert [one.message.buttons for one in answer.shown[:1]] == [()]


# -- codes
@pytest.mark.parametrize("code", ["WT-20261123-1", "20261123-0001", "0001", "wt202611230001"])
async def test_a_code_may_be_short(world_sqlite, code):
    await reported(world_sqlite)
    assert (await world_sqlite.person("ST04").says(f"受理 {code}")).shows(f"已受理{ONE}")


async def test_a_short_code_that_nothing_has_gives_the_last_three(world_sqlite):
    resident = await reported(world_sqlite)
    assert (await resident.says("撤回 0777")).shows("没找到这个编号", ONE)
    assert (await world_sqlite.person("ST04").says("受理 WT-20261123-777")).shows("没找到这个编号", "WT-")


@pytest.mark.parametrize("verb", ["延期", "挂账"])
async def test_without_a_date_the_date_is_asked(world_sqlite, verb):
    await reported(world_sqlite, RUBBLE)
    leader, secretary = world_sqlite.person("ST04"), world_sqlite.person("ST01")
    await leader.says(f"受理 {ONE}", many=True)
    await leader.says(f"办理 {ONE}", many=True)
    assert (await secretary.says(f"{verb} {ONE}")).shows("12月4日")
    assert (await secretary.says("等配件")).shows("12月4日")
    await secretary.says("12月4日", many=True)
    problem = await stored(world_sqlite)
    moment = problem.resolve_due if verb == "延期" else problem.suspended_until
    assert local(moment).date().isoformat() == "2026-12-04"
    assert "等配件" in world_sqlite.pushes("R101")[-1]


# -- the line
async def test_the_streets_ticket_promises_no_reply(world_sqlite):
    await reported(world_sqlite)
    async with world_sqlite.app.database.transaction() as session:
        context = Context(session, world_sqlite.clock.now(), SCHEDULER, await ground(session), "test")
        (problem,) = await session.scalars(sa.select(Problem).where(Problem.code == ONE))
        shown = {view: await tickets.ticket(context, problem, view) for view in (tickets.LEADER, tickets.STREET)}
    assert shown[tickets.LEADER].values["line"] is not None
    assert shown[tickets.STREET].values["line"] is None


async def test_a_reporter_who_left_is_not_to_be_contacted(world_sqlite):
    await world_sqlite.at("2026-11-23T10:05")
    resident, leader = world_sqlite.person("R102"), world_sqlite.person("ST04")
    await resident.says("2幢电梯困人了,快来人!", many=True)
    await resident.says(f"撤回 {ONE}", many=True)
    assert "联系报事人" not in (await leader.says(f"受理 {ONE}", many=True))
    assert (await leader.says("还好吗", reply_to=leader.last.id)).shows("报事人已退出")
    ticket = await leader.says(f"查进度 {ONE}", many=True)
    assert "直接回复本条" not in ticket


async def test_after_contact_nothing_promises_it_again(world_sqlite):
    await world_sqlite.at("2026-11-23T10:05")
    resident = await reported(world_sqlite)
    leader = world_sqlite.person("ST04")
    await leader.says("马上到", reply_to=leader.last.id)
    assert "与您联系" not in (await resident.says(f"查进度 {ONE}"))
    await leader.says(f"受理 {ONE}", many=True)
    assert "与您联系" not in resident.last.message.text
    assert "会联系" not in (await resident.says(f"查进度 {ONE}"))


async def test_a_contact_that_is_late_is_said_to_be_late(world_sqlite):
    await reported(world_sqlite)
    await world_sqlite.at("2026-11-27T10:00")
    answer = await world_sqlite.person("ST04").says(f"受理 {ONE}", many=True)
    assert answer.shows("联系报事人的期限11月24日10:05已过")
    assert "前联系报事人" not in answer


# -- the same problem
async def test_a_supporter_is_heard_and_finds_the_problem(world_sqlite):
    await reported(world_sqlite)
    neighbour = world_sqlite.person("R102")
    problem = await stored(world_sqlite)
    (person,) = await world_sqlite.rows(Person, Person.code == "R102")
    async with world_sqlite.app.database.transaction() as session:
        session.add(ProblemSupporter(problem_id=problem.id, person_id=person.id, at=world_sqlite.clock.now()))
    sheet = await neighbour.says("查进度")
    assert ONE in sheet
    await neighbour.says(f"查进度 {ONE}")
    assert (await neighbour.says("整条路都黑的", reply_to=neighbour.last.id)).shows("已转给")
    assert "整条路都黑的" in world_sqlite.pushes("ST04")[-1]
    assert "整条路都黑的" not in "".join(world_sqlite.pushes("R101"))
    (kept,) = await world_sqlite.rows(ProblemMessage)
    assert (kept.direction, kept.body) == ("supporter", "整条路都黑的")


# -- escalation
async def test_escalation_keeps_the_longer_time(world_sqlite):
    await reported(world_sqlite, RUBBLE)
    leader = world_sqlite.person("ST04")
    await leader.says(f"受理 {ONE}", many=True)
    await leader.says(f"办理 {ONE}", many=True)
    await world_sqlite.person("ST01").says(f"延期 {ONE} 12月10日 等配件", many=True)
    extended = (await stored(world_sqlite)).resolve_due
    await leader.says(f"上报母墙 {ONE} 要几家一起办", many=True)
    problem = await stored(world_sqlite)
    assert (problem.level, problem.resolve_due) == ("community", extended)


# -- the demo
async def test_the_demos_results_can_be_read(world_sqlite):
    waiting = await world_sqlite.rows(Problem, Problem.state == "RESOLVED")
    assert waiting
    for problem in waiting:
        assert len(problem.result) >= 10, problem.code
