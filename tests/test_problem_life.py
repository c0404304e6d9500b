"""The life of a problem after intake: who may, what is asked, who is told (domain.md §5 Problem, §7)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from problem_stage import (
    MORNING,
    NIGHT,
    RESULT,
    deliver,
    drawn,
    find,
    group,
    history,
    labels,
    report,
    sealed,
    shown,
    support,
    text,
    to,
)
from work_stage import Stage, staged

from models import AnonymousToken, Chat, Person, Problem, RoleAssignment
from models.lifecycle import PROBLEM
from services import desk, dialogs, echo_wall, mine, problems, ratings, relay, tickets
from services.context import Refusal
from services.workdays import ZONE
from texts.problem_screens import TICKET_BUTTONS
from texts.render import catalogue
from texts.utterances import recognise


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = MORNING
        async with made.turn(None) as context:
            context.session.add(Chat(platform="memory", bot="main", key_hash="wall", address="wall", kind="group", purpose="public"))
        yield made


async def perform(stage: Stage, who: str, verb: str, code: str, words: str = "", day: str = "") -> desk.Answer:
    async with stage.turn(who) as context:
        return await desk.perform(context, verb, await problems.find(context, code, lock=True), words, day)


async def refused(stage: Stage, who: str, verb: str, code: str, words: str = "", day: str = "") -> str:
    with pytest.raises(Refusal) as refusal:
        await perform(stage, who, verb, code, words, day)
    return refusal.value.key


# -- the ticket -----------------------------------------------------------------------------------------------------
async def test_the_grid_leader_gets_one_ticket_with_everything_and_nobody_else_does(stage):
    code = await report(stage, announce=True)
    (ticket,) = await to(stage, "ST04")
    said = shown(ticket)
    for word in (code, "路灯", "P3", "青禾苑9幢", "13800001234", "王桂英", "11月24日17:30", "11月30日17:30"):
        assert word in said.text
    assert labels(said) == ["受理", "办结"]
    problem = await find(stage, code)
    assert (ticket.subject, ticket.card) == (f"problem:{problem.id}", f"ticket:{problem.id}")
    for other in ("ST05", "ST02", "ST01", "R101"):
        assert await to(stage, other) == []


async def test_an_anonymous_ticket_names_nobody(stage):
    await report(stage, anonymous="R102", announce=True, text="有人飞线充电")
    said = shown((await to(stage, "ST04"))[0]).text
    assert "匿名" in said
    assert "罗可欣" not in said
    assert "138" not in said


async def test_a_problem_without_a_grid_goes_to_the_coordinator(stage):
    await report(stage, grid_code=None, announce=True)
    assert await to(stage, "ST04") == []
    assert labels(shown((await to(stage, "ST02"))[0])) == ["受理", "办结", "不受理"]


async def test_a_leader_whose_term_is_over_gets_nothing(stage):
    async with stage.turn(None) as context:
        await context.session.execute(
            sa.update(RoleAssignment).where(RoleAssignment.grid_code == "G1").values(valid_to=stage.now - timedelta(days=1))
        )
    await report(stage, announce=True)
    assert await to(stage, "ST04") == []
    assert len(await to(stage, "ST02")) == 1


@pytest.mark.parametrize(("sla", "held"), [("P1", False), ("P3", True)])
async def test_quiet_hours_hold_everything_but_danger(stage, sla, held):
    stage.now = NIGHT
    await report(stage, sla=sla, announce=True)
    (ticket,) = await to(stage, "ST04")
    assert (ticket.send_after > stage.now) is held
    assert len(await to(stage, "ST02")) == (0 if held else 1)


async def test_the_ticket_follows_the_problem_in_place(stage):
    code = await report(stage, announce=True)
    await deliver(stage)
    await perform(stage, "ST04", "accept", code)
    (edit,) = await to(stage, "ST04", kind="edit")
    assert "已受理" in shown(edit).text
    assert labels(shown(edit)) == ["已联系", "办结", "派单", "上报"]


# -- taking it up ---------------------------------------------------------------------------------------------------
async def test_accepting_tells_the_reporter_and_is_no_contact(stage):
    code = await report(stage)
    answer = await perform(stage, "ST04", "accept", code)
    assert text(answer.screen).startswith(f"已受理{code}")
    problem = await find(stage, code)
    assert (problem.state, problem.accepted_at, problem.first_contact_at) == ("ACCEPTED", stage.now, None)
    assert "已受理" in shown((await to(stage, "R101"))[0]).text
    await perform(stage, "ST04", "contacted", code, "电话说明天来修")
    assert (await find(stage, code)).first_contact_at == stage.now
    assert (await history(stage, code))[-1].note == "电话说明天来修"


async def test_who_may_not_is_told_who_may(stage):
    code = await report(stage)
    assert await refused(stage, "R101", "accept", code) == "refused.only.grid_leader"
    assert await refused(stage, "ST05", "accept", code) == "refused.only.grid_leader"
    assert await refused(stage, "ST04", "suspend", code, "等资金", "12月31日") == "refused.only.secretary"
    assert (await find(stage, code)).state == "SUBMITTED"


async def test_an_unknown_code_lists_the_last_three(stage):
    codes = [await report(stage, submitted_at=stage.now + timedelta(minutes=n)) for n in range(4)]
    async with stage.turn("R101") as context:
        with pytest.raises(Refusal) as refusal:
            await problems.find(context, "wt20261124-9")
    assert refusal.value.key == "refused.unknown_code"
    assert refusal.value.values["last"] == codes[:0:-1]


# -- up, down, aside ------------------------------------------------------------------------------------------------
async def test_escalating_gives_a_fresh_deadline_and_keeps_the_original(stage):
    code = await report(stage, sla="P2", announce=True)
    original = (await find(stage, code)).resolve_due
    await perform(stage, "ST04", "accept", code)
    stage.now += timedelta(days=2)
    assert (await perform(stage, "ST04", "escalate", code)).waiting
    await perform(stage, "ST04", "escalate", code, "要多个部门一起办")
    problem = await find(stage, code)
    assert (problem.level, problem.original_resolve_due) == ("community", original)
    assert problem.resolve_due == datetime(2026, 11, 30, 17, 30, tzinfo=ZONE)
    assert "社区" in shown((await to(stage, "R101"))[-1]).text
    assert labels(shown((await to(stage, "ST02"))[-1])) == ["已联系", "办结", "派单", "上报", "退回网格"]
    assert await refused(stage, "ST04", "escalate", code, "再往上") == "refused.only.coordinator"
    await perform(stage, "ST02", "return", code, "网格能办")
    assert await find(stage, code) is not None
    assert "网格能办" in shown((await to(stage, "ST04"))[-1]).text
    await perform(stage, "ST04", "escalate", code, "还是办不了")
    assert await refused(stage, "ST02", "return", code, "再退") == "return.once"
    await perform(stage, "ST02", "escalate", code, "街道协调")
    assert await refused(stage, "ST02", "escalate", code, "再上") == "escalate.top"


@pytest.mark.parametrize(
    ("sla", "day", "key"),
    [
        ("P2", "11月27日", "extend.class"),
        ("P3", "11月30日", "extend.range"),
        ("P3", "12月22日", "extend.range"),
        ("P3", "99月1日", "refused.date"),
    ],
)
async def test_an_extension_has_its_limits(stage, sla, day, key):
    code = await report(stage, sla=sla)
    await perform(stage, "ST04", "accept", code)
    await perform(stage, "ST04", "assign", code)
    assert await refused(stage, "ST01", "extend", code, "等配件", day) == key
    assert await refused(stage, "ST02", "extend", code, "等配件", "12月4日") == "refused.only.secretary"


async def test_an_extension_before_the_due_counts_and_only_once(stage):
    code = await report(stage)
    await perform(stage, "ST04", "accept", code)
    await perform(stage, "ST04", "assign", code)
    await perform(stage, "ST01", "extend", code, "等配件", "12月21日")
    problem = await find(stage, code)
    assert problem.resolve_due == problem.original_resolve_due == datetime(2026, 12, 21, 17, 30, tzinfo=ZONE)
    assert await refused(stage, "ST01", "extend", code, "还等", "12月22日") == "extend.once"


async def test_what_is_overdue_is_not_extended(stage):
    code = await report(stage)
    await perform(stage, "ST04", "accept", code)
    await perform(stage, "ST04", "assign", code)
    stage.now = datetime(2026, 11, 30, 17, 31, tzinfo=ZONE)
    assert await refused(stage, "ST01", "extend", code, "等配件", "12月4日") == "extend.late"


async def test_suspending_sets_an_alarm_that_resumes(stage):
    code = await report(stage)
    assert await refused(stage, "ST01", "suspend", code, "等资金", "2027年5月24日") == "suspend.range"
    await perform(stage, "ST01", "suspend", code, "等维修资金到位", "12月31日")
    problem = await find(stage, code)
    until = datetime(2026, 12, 31, 9, 0, tzinfo=ZONE)
    assert ("resume_problem", problem.id, until) in await stage.alarms()
    async with stage.turn(None) as context:
        assert await problems.resume_due(context, problem.id) == "nothing"
    stage.now = until
    async with stage.turn(None) as context:
        assert await problems.resume_due(context, problem.id) == "resumed"
    resumed = await find(stage, code)
    assert (resumed.state, resumed.resolve_due) == ("IN_PROGRESS", datetime(2027, 1, 8, 17, 30, tzinfo=ZONE))
    assert "恢复办理" in shown((await to(stage, "R101"))[-1]).text


# -- ends -----------------------------------------------------------------------------------------------------------
async def test_a_short_result_loses_nothing(stage):
    code = await report(stage)
    async with stage.turn("ST04") as context:
        answer = await desk.perform(context, "resolve", await problems.find(context, code), "灯修好了")
        assert answer.waiting
        assert text(answer.screen) == f"{code} 还差6个字，写过的已记下：“灯修好了”。请接着写。"
        answer = await desk.more_words(context, "换了新灯泡")
        assert not answer.waiting
    problem = await find(stage, code)
    assert (problem.state, problem.result) == ("RESOLVED", "灯修好了 换了新灯泡")
    assert problem.accepted_at == problem.first_contact_at == stage.now


async def test_a_result_reaches_reporter_supporters_and_wall(stage):
    code = await report(stage)
    await support(stage, code, "R102")
    await perform(stage, "ST04", "resolve", code, "王桂英家门口13800001234的灯已经换好")
    echo = shown((await to(stage, "R101"))[-1])
    assert echo.text.startswith(f"{code} 已办理：")
    assert labels(echo) == ["满意", "基本满意", "不满意", "解决", "未解决"]
    assert labels(shown((await to(stage, "R102"))[-1])) == []
    assert await group(stage, "public") == []
    async with stage.turn(None) as context:
        assert await echo_wall.daily(context, "") == "1 in 1 groups"
        assert await echo_wall.daily(context, "") == "already"
    (wall,) = await group(stage, "public")
    said = shown(wall).text
    assert said.startswith("【回音壁】")
    assert "王桂英" not in said
    assert "13800001234" not in said


async def test_merging_moves_everybody_over(stage):
    parent = await report(stage, "R102", sla="P4")
    child = await report(stage, "R101", sla="P2")
    hidden = await report(stage, anonymous="M01")
    await support(stage, child, "M02")
    async with stage.turn("ST04") as context:
        for code in (child, hidden):
            await desk.merge(context, await problems.find(context, code), await problems.find(context, parent))
    merged, kept = await find(stage, child), await find(stage, parent)
    assert (merged.state, merged.merged_into_id) == ("MERGED", kept.id)
    assert kept.resolve_due == merged.resolve_due
    assert "并案" in shown((await to(stage, "R101"))[-1]).text
    await perform(stage, "ST04", "resolve", parent, RESULT)
    for follower in ("R101", "M02"):
        assert "已办理" in shown((await to(stage, follower))[-1]).text
    last = (await sealed(stage))[-1]
    assert last.chat_id is None
    assert "已办理" in shown(last).text
    async with stage.turn("ST04") as context:
        one = await problems.find(context, parent)
        with pytest.raises(Refusal, match="refused"):
            await problems.merge(context, one, one)


async def test_only_listed_reasons_refuse_and_the_appeal_is_once(stage):
    code = await report(stage)
    async with stage.turn("ST02") as context:
        offered = await desk.reject(context, await problems.find(context, code), "我不想办")
        assert labels(drawn(offered)) == ["内容无效", "非本社区", "违法线索转110", "涉法涉诉"]
        await desk.reject(context, await problems.find(context, code), "非本社区,在隔壁")
    told = shown((await to(stage, "R101"))[-1])
    assert "非本社区" in told.text
    assert labels(told) == ["申诉"]
    async with stage.turn("R101") as context:
        assert (await mine.appeal(context, await problems.find(context, code))).waiting
        assert not (await mine.appeal_because(context, "就在9幢门口")).waiting
    assert (await find(stage, code)).state == "SUBMITTED"
    assert "就在9幢门口" in shown((await to(stage, "ST01"))[-1]).text
    async with stage.turn("ST01") as context:
        await desk.reject(context, await problems.find(context, code), "elsewhere")
    async with stage.turn("R101") as context:
        with pytest.raises(Refusal) as refusal:
            await mine.appeal(context, await problems.find(context, code), "还是不服")
    assert refusal.value.key == "appeal.once"


async def test_closing_an_anonymous_problem_sets_the_day_its_address_is_destroyed(stage):
    code = await report(stage, anonymous="R102")
    async with stage.turn("ST02") as context:
        await desk.reject(context, await problems.find(context, code), "内容无效")
    problem = await find(stage, code)
    assert (problem.lat, problem.lon) == (31.2006, 120.1515)
    async with stage.turn(None) as context:
        token = await context.session.get(AnonymousToken, problem.token_id)
        assert token is not None
        assert token.purge_at == stage.now + timedelta(days=30)


# -- the reporter takes it back -------------------------------------------------------------------------------------
async def test_withdrawing_tells_the_handler_and_ends_early(stage):
    code = await report(stage)
    async with stage.turn("R102") as context:
        with pytest.raises(Refusal) as refusal:
            await mine.withdraw(context, await problems.find(context, code))
        assert refusal.value.key == "refused.only.reporter"
    async with stage.turn("R101") as context:
        await mine.withdraw(context, await problems.find(context, code))
    assert (await find(stage, code)).state == "WITHDRAWN"
    assert "撤回" in shown((await to(stage, "ST04"))[-1]).text


@pytest.mark.parametrize(("minutes", "state"), [(10, "WITHDRAWN"), (11, "SUBMITTED")])
async def test_a_false_alarm_is_withdrawn_within_ten_minutes_only(stage, minutes, state):
    code = await report(stage, sla="P1")
    stage.now += timedelta(minutes=minutes)
    async with stage.turn("R101") as context:
        await mine.false_alarm(context, await problems.find(context, code))
    problem = await find(stage, code)
    assert problem.state == state
    assert (problem.reporter_id is None) == (state == "SUBMITTED")


async def test_withdrawing_danger_only_lets_the_reporter_go(stage):
    code = await report(stage, sla="P1", anonymous="R102")
    async with stage.turn("R102") as context:
        await mine.withdraw(context, await problems.find(context, code))
        assert context.facts["sealed"]
    problem = await find(stage, code)
    assert (problem.state, problem.token_id) == ("SUBMITTED", None)
    assert (await history(stage, code))[-1].actor_id is None


# -- undoing --------------------------------------------------------------------------------------------------------
async def test_by_day_the_reporter_knows_and_nothing_is_undone(stage):
    code = await report(stage)
    answer = await perform(stage, "ST04", "accept", code)
    assert labels(drawn(answer.screen)) == []
    async with stage.turn("ST04") as context:
        with pytest.raises(Refusal) as refusal:
            await desk.undo(context)
    assert refusal.value.key == "undo.told"


async def test_by_night_a_minute_remains_and_the_held_messages_go(stage):
    stage.now = NIGHT
    code = await report(stage, announce=True)
    before = await find(stage, code)
    await deliver(stage)
    answer = await perform(stage, "ST04", "resolve", code, RESULT)
    assert labels(drawn(answer.screen)) == ["撤销"]
    stage.now += timedelta(seconds=59)
    async with stage.turn("ST04") as context:
        await desk.undo(context)
    after = await find(stage, code)
    assert (after.state, after.accepted_at, after.result, after.lead_handler_id) == ("SUBMITTED", None, "", None)
    assert after.resolve_due == before.resolve_due
    assert await to(stage, "R101") == []
    assert len(await to(stage, "R101", state="cancelled")) == 1
    assert await group(stage, "public") == []


async def test_after_a_minute_it_stays(stage):
    stage.now = NIGHT
    code = await report(stage)
    await perform(stage, "ST04", "accept", code)
    stage.now += timedelta(seconds=61)
    async with stage.turn("ST04") as context:
        with pytest.raises(Refusal) as refusal:
            await desk.undo(context)
    assert refusal.value.key == "undo.late"


async def test_undoing_a_merge_gives_the_parent_back_what_was_its_own(stage):
    stage.now = NIGHT
    parent, child = await report(stage, "R102", sla="P4"), await report(stage, "R101", sla="P2")
    before = await find(stage, parent)
    async with stage.turn("ST04") as context:
        await desk.merge(context, await problems.find(context, child), await problems.find(context, parent))
    assert (await find(stage, parent)).resolve_due < before.resolve_due
    async with stage.turn("ST04") as context:
        await desk.undo(context)
    assert (await find(stage, parent)).resolve_due == before.resolve_due
    assert (await find(stage, child)).state == "SUBMITTED"
    stage.now = MORNING + timedelta(days=1)
    await perform(stage, "ST04", "resolve", parent, RESULT)
    assert [shown(row).text for row in await to(stage, "R101") if "已办理" in shown(row).text] == []


async def test_nobody_undoes_what_another_did(stage):
    stage.now = NIGHT
    code = await report(stage)
    await perform(stage, "ST04", "accept", code)
    log = (await history(stage, code))[-1]
    async with stage.turn("ST02") as context:
        with pytest.raises(Refusal) as refusal:
            await desk.undo(context, str(log.id))
    assert refusal.value.key == "undo.gone"


# -- looking --------------------------------------------------------------------------------------------------------
async def test_everybody_sees_what_is_theirs_to_see(stage):
    code = await report(stage)
    hidden = await report(stage, anonymous="R102")
    seen = {}
    for who in ("R101", "R102", "ST04", "ST05"):
        async with stage.turn(who) as context:
            seen[who] = text((await mine.look(context, await problems.find(context, code))).screen)
    assert "13800001234" in seen["R101"]
    assert "王桂英" in seen["ST04"]
    for other in ("R102", "ST05"):
        assert "待受理" in seen[other]
        assert "138" not in seen[other]
        assert "王桂英" not in seen[other]
        assert "9幢" not in seen[other]
    async with stage.turn("R102") as context:
        by_code = await mine.look(context, await problems.find(context, hidden))
    assert "138" not in text(by_code.screen)
    assert "撤回" in labels(drawn(by_code.screen))


async def test_the_overview_has_five_and_no_anonymous_one(stage):
    codes = [await report(stage, submitted_at=stage.now + timedelta(minutes=n)) for n in range(6)]
    hidden = await report(stage, anonymous="R101")
    async with stage.turn("R101") as context:
        listed = drawn((await mine.overview(context)).screen)
    assert labels(listed) == codes[:0:-1]
    assert hidden not in listed.text


async def test_the_list_of_work_is_the_own_grid_only(stage):
    late = await report(stage, resolve_due=stage.now + timedelta(days=9), state="ACCEPTED")
    soon = await report(stage, resolve_due=stage.now + timedelta(days=1), state="IN_PROGRESS")
    fresh = await report(stage, resolve_due=stage.now + timedelta(days=5))
    foreign = await report(stage, grid_code="G2")
    async with stage.turn("ST04") as context:
        assert labels(drawn((await desk.todo(context)).screen)) == [fresh, soon, late]
    async with stage.turn("ST02") as context:
        assert foreign in labels(drawn((await desk.todo(context)).screen))
    async with stage.turn("R101") as context:
        with pytest.raises(Refusal):
            await desk.todo(context)


# -- taking down for somebody ---------------------------------------------------------------------------------------
async def test_a_phone_call_is_taken_down_and_the_caller_known_again(stage):
    for _ in range(2):
        async with stage.turn("ST04") as context:
            answer = await desk.on_behalf(context, "王阿姨", "13912345678", "青禾苑9幢门口路灯不亮")
            assert "代录" in text(answer.screen)
    async with stage.turn(None) as context:
        made = list(await context.session.scalars(sa.select(Problem)))
        assert {(one.channel, one.category, one.grid_code, one.place_name) for one in made} == {("phone", "E01", "G1", "青禾苑9幢")}
        assert len({one.reporter_id for one in made}) == 1
        callers = [one for one in await context.session.scalars(sa.select(Person)) if one.display_name == "王阿姨"]
        assert len(callers) == 1
        assert await context.session.scalar(sa.select(sa.func.count()).select_from(Problem)) == 2
    async with stage.turn("ST05") as context:
        with pytest.raises(Refusal) as refusal:
            await desk.on_behalf(context, "王阿姨", "13912345678", "青禾苑9幢门口路灯不亮")
    assert refusal.value.key == "on_behalf.other_grid"
    code = made[0].code
    answer = await perform(stage, "ST04", "accept", code)
    assert "请打电话" in text(answer.screen)
    assert labels(drawn(answer.screen)) == ["撤销"]


def test_every_ticket_button_is_a_move_of_the_table():
    assert {event for event, _, _ in TICKET_BUTTONS} <= set(PROBLEM.events())


def test_every_refusal_and_answer_has_its_words():
    """Every key that the services of a problem name is in the catalogue, short enough for the answer to a press."""
    sources = [Path(module.__file__).read_text("utf-8") for module in (desk, dialogs, mine, problems, ratings, relay, tickets)]
    named = {key for source in sources for key in re.findall(r'(?:Refusal|screen|Key|Screen)\(\s*"([a-z_]+\.[a-z_.]+)"', source)}
    asked = {verb.ask for verb in desk.VERBS.values() if verb.ask} | {f"done.{name}" for name in desk.VERBS}
    assert len(named) > 40
    for key in named | asked:
        assert key in catalogue("zh_CN"), key
    for key in (key for source in sources for key in re.findall(r'Refusal\(\s*"([a-z_.]+)"', source)):
        assert len(catalogue("zh_CN")[key]) <= 150


# -- what is said ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "intent", "slots"),
    [
        ("不受理 WT-20261123-0002", "reject", {"code": "WT-20261123-0002", "reason": ""}),
        ("不受理WT-20261123-0002 非本社区", "reject", {"code": "WT-20261123-0002", "reason": "非本社区"}),
        ("上报母墙 WT-20261123-0002", "escalate", {"code": "WT-20261123-0002", "reason": ""}),
        ("办结 WT-20261123-0002", "resolve", {"code": "WT-20261123-0002", "result": ""}),
        ("办结 WT-20261123-0002：已修好", "resolve", {"code": "WT-20261123-0002", "result": "已修好"}),
        ("延期 WT-20261123-0002 12月4日", "extend", {"code": "WT-20261123-0002", "day": "12月4日", "reason": ""}),
        ("挂账 WT-20261123-0002 12月31日 等资金", "suspend", {"code": "WT-20261123-0002", "day": "12月31日", "reason": "等资金"}),
        ("并案 WT-20261123-0002 到 WT-20261123-0001", "merge", {"code": "WT-20261123-0002", "parent": "WT-20261123-0001"}),
        ("评价 WT-20261123-0002 基本满意 慢了点", "rate", {"code": "WT-20261123-0002", "grade": "基本满意", "reason": "慢了点"}),
        ("评价 WT-20261123-0002 不满意", "rate", {"code": "WT-20261123-0002", "grade": "不满意", "reason": ""}),
        ("满意", "rate_last", {"grade": "满意"}),
        ("还是没解决", "solved_last", {"answer": "没解决"}),
        ("误报", "false_alarm", {"code": ""}),
        ("代录：王阿姨 13800000000 9幢路灯不亮", "on_behalf", {"name": "王阿姨", "phone": "13800000000", "text": "9幢路灯不亮"}),
        ("撤销", "undo", {}),
    ],
)
def test_a_sentence_is_read_with_its_parts(said, intent, slots):
    found = recognise(said)
    assert found is not None
    assert (found[0].name, found[1]) == (intent, slots)
