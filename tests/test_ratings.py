"""What the reporter says of a result: both questions, reopening, silence (domain.md §5 Problem, RESOLVED)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from problem_stage import (
    MORNING,
    RESULT,
    deliver,
    drawn,
    find,
    history,
    labels,
    person,
    report,
    sealed,
    shown,
    support,
    to,
)
from work_stage import Stage, staged

from models import Claim, Evaluation, Problem
from services import desk, mine, problems, ratings, tickets
from services.context import Refusal
from services.workdays import ZONE
from texts.actions import Do
from texts.answers import meaning
from texts.screen import Screen, screen


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = MORNING
        yield made


async def resolved(stage: Stage, **fields: Any) -> str:
    code = await report(stage, **fields)
    await resolve(stage, code)
    return code


async def resolve(stage: Stage, code: str) -> None:
    async with stage.turn("ST04") as context:
        await desk.perform(context, "resolve", await problems.find(context, code), RESULT)
    await deliver(stage)


async def rate(stage: Stage, code: str, grade: str, who: str = "R101", text: str = "", *, spoken: bool = False) -> Screen:
    async with stage.turn(who) as context:
        return await ratings.rate(context, await problems.find(context, code), grade, text, spoken=spoken)


async def solve(stage: Stage, code: str, solved: bool, who: str = "R101") -> Screen:
    async with stage.turn(who) as context:
        return await ratings.say_solved(context, await problems.find(context, code), solved)


async def evaluations(stage: Stage) -> list[tuple[Any, ...]]:
    async with stage.turn(None) as context:
        rows = await context.session.scalars(sa.select(Evaluation).order_by(Evaluation.revision))
        return [(row.revision, row.grade, row.solved) for row in rows]


async def test_by_button_both_questions_are_asked_apart(stage):
    code = await resolved(stage)
    shown_next = drawn(await rate(stage, code, "good"))
    assert labels(shown_next) == ["解决", "未解决"]
    assert (await find(stage, code)).state == "RESOLVED"
    thanks = drawn(await solve(stage, code, True))
    assert "已办结" in thanks.text
    problem = await find(stage, code)
    assert (problem.state, problem.rating, problem.solved, problem.closed_at) == ("CLOSED", "good", True, stage.now)
    assert "满意" in shown((await to(stage, "ST04"))[-1]).text


async def test_the_other_way_round_the_grade_is_asked(stage):
    code = await resolved(stage)
    assert labels(drawn(await solve(stage, code, True))) == ["满意", "基本满意", "不满意"]
    await rate(stage, code, "fair")
    assert (await find(stage, code)).state == "CLOSED"


@pytest.mark.parametrize(("grade", "state"), [("good", "CLOSED"), ("fair", "RESOLVED"), ("poor", "IN_PROGRESS")])
async def test_spoken_only_satisfied_means_solved_too(stage, grade, state):
    code = await resolved(stage)
    await rate(stage, code, grade, spoken=True)
    assert (await find(stage, code)).state == state
    edits = await to(stage, "R101", kind="edit")
    assert len(edits) == 1, "the echo with its buttons must change where it stands"


async def test_a_changed_mind_revises_until_it_is_closed(stage):
    code = await resolved(stage)
    await rate(stage, code, "good")
    await rate(stage, code, "fair")
    await solve(stage, code, True)
    assert await evaluations(stage) == [(1, "good", None), (2, "fair", None), (3, "fair", True)]
    with pytest.raises(Refusal) as refusal:
        await rate(stage, code, "poor")
    assert refusal.value.key == "rate.closed"
    assert len(await evaluations(stage)) == 3


async def test_not_solved_is_done_again_with_the_class_term(stage):
    code = await resolved(stage, sla="P4")
    original = (await find(stage, code)).original_resolve_due
    answer = drawn(await rate(stage, code, "poor", text="还是不亮"))
    assert "11月30日17:30" in answer.text
    problem = await find(stage, code)
    assert (problem.state, problem.reopen_count, problem.original_resolve_due) == ("IN_PROGRESS", 1, original)
    for who in ("ST04", "ST02"):
        assert "还是不亮" in shown((await to(stage, who))[-1]).text
    assert await to(stage, "ST01") == []


async def test_the_second_time_the_secretary_calls_the_third_the_meeting_hears(stage):
    code = await resolved(stage)
    for count in (1, 2, 3):
        await solve(stage, code, False)
        told = [shown(row).text for row in await to(stage, "ST01")]
        assert any("11月24日17:30" in one for one in told) == (count == 2)
        assert any("联席会议" in one for one in told) == (count == 3)
        await deliver(stage)
        assert [log.event for log in await history(stage, code)].count("joint_meeting") == int(count == 3)
        if count < 3:
            await resolve(stage, code)
            assert (await find(stage, code)).solved is None
    assert (await find(stage, code)).reopen_count == 3


async def test_explaining_waits_for_the_second_reopening_and_keeps_the_rating(stage):
    code = await resolved(stage)
    for count in (1, 2):
        await rate(stage, code, "poor")
        async with stage.turn("ST01") as context:
            one = await problems.find(context, code)
            if count == 1:
                with pytest.raises(Refusal) as refusal:
                    await problems.explain(context, one, "管线要整体改造")
                assert refusal.value.key == "explain.early"
                await problems.resolve(context, one, RESULT)
            else:
                await problems.explain(context, one, "管线要整体改造")
    problem = await find(stage, code)
    assert (problem.state, problem.rating, problem.close_reason) == ("CLOSED", "poor", "explained")


async def test_supporters_and_strangers_do_not_rate(stage):
    code = await resolved(stage)
    await support(stage, code, "R102")
    for who, key in (("R102", "rate.supporter"), ("M01", "rate.only_reporter"), ("ST04", "rate.only_reporter")):
        with pytest.raises(Refusal) as refusal:
            await rate(stage, code, "good", who)
        assert refusal.value.key == key
    assert await evaluations(stage) == []


async def test_an_anonymous_rating_names_nobody(stage):
    code = await resolved(stage, anonymous="R102")
    await rate(stage, code, "good", "R102")
    async with stage.turn("R102") as context:
        await ratings.say_solved(context, await problems.find(context, code), True)
        assert context.facts["sealed"]
    assert (await find(stage, code)).state == "CLOSED"
    assert {log.actor_id for log in await history(stage, code) if log.event in ("answer", "close")} == {None}
    async with stage.turn(None) as context:
        assert {row.rater_id for row in await context.session.scalars(sa.select(Evaluation))} == {None}
    assert all(row.chat_id is None for row in await sealed(stage))


async def test_a_bare_word_means_the_only_one_that_waits(stage):
    which = screen("rating.which_solved")

    async def meant() -> Any:
        async with stage.turn("R101") as context:
            return await mine.meant(context, ("RESOLVED",), "rate.none_waiting", which, lambda one: Do.rate(one, "good"))

    with pytest.raises(Refusal) as refusal:
        await meant()
    assert refusal.value.key == "rate.none_waiting"
    first = await resolved(stage)
    assert (await meant()).code == first
    second = await resolved(stage, submitted_at=stage.now + timedelta(minutes=1))
    assert labels(drawn(await meant())) == [second, first]
    hidden = await resolved(stage, anonymous="R102")
    async with stage.turn("R102") as context:
        found = await mine.meant(context, ("RESOLVED",), "rate.none_waiting", which, Do.withdraw)
        assert isinstance(found, Problem)
        assert found.code == hidden


async def test_those_who_worked_on_it_hear_the_thanks(stage):
    code = await resolved(stage)
    problem = await find(stage, code)
    number = await stage.task(source="problem", source_id=problem.id)
    async with stage.turn(None) as context:
        from services import tasks

        task = await tasks.find(context, number)
        for who, state in (("M01", "VERIFIED"), ("M02", "WITHDRAWN")):
            context.session.add(Claim(task_id=task.id, person_id=(await person(context, who)).id, state=state, claimed_at=stage.now))
    await rate(stage, code, "good", spoken=True)
    assert "谢谢" in shown((await to(stage, "M01"))[-1]).text
    assert await to(stage, "M02") == []


async def test_five_workdays_of_silence_close_it_unrated(stage):
    code = await resolved(stage)
    problem = await find(stage, code)
    alarms = {job: due for job, subject, due in await stage.alarms() if subject == problem.id}
    assert alarms["rating_reminder"] == datetime(2026, 11, 25, 17, 30, tzinfo=ZONE)
    assert alarms["rating_expiry"] == datetime(2026, 11, 30, 17, 30, tzinfo=ZONE)

    async def run(job: Any) -> str:
        async with stage.turn(None) as context:
            return await job(context, problem.id)

    assert await run(ratings.remind_due) == "nothing"
    stage.now = alarms["rating_reminder"]
    assert await run(ratings.remind_due) == "reminded"
    assert await run(ratings.expire_due) == "nothing"
    stage.now = alarms["rating_expiry"]
    assert await run(ratings.expire_due) == "closed"
    closed = await find(stage, code)
    assert (closed.state, closed.rating, closed.close_reason) == ("CLOSED", None, "unrated")
    assert await run(ratings.expire_due) == "nothing"


@pytest.mark.parametrize(
    ("subject", "said", "name"),
    [
        ("grade", "满意", "good"),
        ("grade", "基本满意", "fair"),
        ("grade", "不满意", "poor"),
        ("grade", "非常满意", "good"),
        ("grade", "很不满意", "poor"),
        ("solved", "解决了", "yes"),
        ("solved", "没解决", "no"),
        ("solved", "没有解决", "no"),
        ("reject", "违法线索转110", "police"),
        ("reject", "非本社区,在隔壁", "elsewhere"),
        ("reject", "不想办", None),
    ],
)
def test_short_answers_are_understood(subject, said, name):
    assert meaning(subject, said) == name


def test_the_card_of_a_ticket_is_one_for_each_kind_of_viewer():
    problem = Problem(
        id="x",
        community_id="c",
        code="WT-1",
        category="E01",
        submitted_at=MORNING,
        contact_due=MORNING,
        resolve_due=MORNING,
        original_resolve_due=MORNING,
    )
    assert len({tickets.card(problem, view) for view in (tickets.LEADER, tickets.COORDINATOR, tickets.STREET)}) == 3
