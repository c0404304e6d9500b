"""The line between a reporter and the handler: replies, first contact, no name crosses it (domain.md §0.5, §5, §10)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from problem_stage import MORNING, NIGHT, deliver, find, history, labels, report, sealed, shown, text, to
from work_stage import Stage, staged

from models import OutboxMessage, Person, ProblemMessage
from services import problems, relay
from services.context import Refusal
from texts.screen import Screen


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = MORNING
        yield made


async def reply(stage: Stage, who: str, row: OutboxMessage, words: str) -> Screen:
    """This person replies to a delivered message."""
    async with stage.turn(who) as context:
        context.reply_to = f"m{row.id}"
        problem = await relay.about(context)
        assert problem is not None, "the message replied to was not found"
        return await relay.pass_on(context, problem, words)


async def test_there_and_back_by_replies_alone(stage):
    code = await report(stage, announce=True)
    (ticket,) = await to(stage, "ST04")
    await deliver(stage)
    assert "已转给" in text(await reply(stage, "ST04", ticket, "明天上午去看"))
    (told,) = await to(stage, "R101")
    assert "明天上午去看" in shown(told).text
    assert labels(shown(told)) == ["回复"]
    assert (await find(stage, code)).first_contact_at == stage.now
    await deliver(stage)
    await reply(stage, "R101", told, "好的，我在家")
    (back,) = [row for row in await to(stage, "ST04") if row.kind == "send"]
    assert "好的，我在家" in shown(back).text
    await deliver(stage)
    await reply(stage, "ST04", back, "收到")
    assert "收到" in shown((await to(stage, "R101"))[-1]).text
    async with stage.turn(None) as context:
        kept = await context.session.scalars(sa.select(ProblemMessage).order_by(ProblemMessage.id))
        assert [row.direction for row in kept] == ["out", "in", "out"]


async def test_the_first_relay_is_the_first_contact_and_stays_it(stage):
    code = await report(stage, announce=True)
    (ticket,) = await to(stage, "ST04")
    await deliver(stage)
    await reply(stage, "ST04", ticket, "在路上")
    first = (await find(stage, code)).first_contact_at
    stage.now = NIGHT
    await reply(stage, "ST04", ticket, "明天继续")
    assert (await find(stage, code)).first_contact_at == first
    assert (await to(stage, "R101"))[-1].send_after > stage.now


async def test_no_name_crosses_an_anonymous_line(stage):
    code = await report(stage, anonymous="R102", announce=True)
    (ticket,) = await to(stage, "ST04")
    await deliver(stage)
    await reply(stage, "ST04", ticket, "请问是几楼？")
    (told,) = await sealed(stage)
    assert (told.chat_id, told.subject) == (None, f"problem:{(await find(stage, code)).id}")
    assert "许知远" not in shown(told).text
    await deliver(stage)
    async with stage.turn("R102") as context:
        context.reply_to = f"m{told.id}"
        problem = await relay.about(context)
        await relay.pass_on(context, problem, "三楼")
        assert context.facts["sealed"] == problem.token_id
    back = shown((await to(stage, "ST04"))[-1]).text
    assert "三楼" in back
    assert "罗可欣" not in back
    async with stage.turn(None) as context:
        authors = {row.direction: row.author_id for row in await context.session.scalars(sa.select(ProblemMessage))}
        assert authors["in"] is None
    assert all(log.actor_role != "resident" for log in await history(stage, code))


async def test_a_message_to_another_chat_with_the_same_number_is_not_ours(stage):
    """Message numbers are per chat: a reply to one's own message of that number must not reach the problem."""
    await report(stage, anonymous="R102", announce=True)
    (ticket,) = await to(stage, "ST04")
    await deliver(stage)
    await reply(stage, "ST04", ticket, "请问是几楼？")
    (told,) = await sealed(stage)
    await deliver(stage)
    for stranger in ("R101", "M01", "ST05"):
        async with stage.turn(stranger) as context:
            context.reply_to = f"m{told.id}"
            assert await relay.about(context) is None
            context.reply_to = f"m{ticket.id}"
            assert await relay.about(context) is None


async def test_only_the_two_ends_talk(stage):
    code = await report(stage)
    for who, may in (("R101", True), ("ST04", True), ("ST02", True), ("ST01", True), ("ST05", False), ("M01", False)):
        async with stage.turn(who) as context:
            problem = await problems.find(context, code)
            assert await relay.may_talk(context, problem) is may
            if not may:
                with pytest.raises(Refusal):
                    await relay.pass_on(context, problem, "你好")


async def test_who_cannot_be_reached_by_chat_is_to_be_phoned(stage):
    async with stage.turn(None) as context:
        caller = Person(community_id=context.ground.community_id, display_name="王阿姨", phone="13800001234")
        context.session.add(caller)
    by_phone, left = await report(stage, reporter_id=caller.id, channel="phone"), await report(stage, None)
    for code, key in ((by_phone, "relay.unreachable"), (left, "relay.left")):
        async with stage.turn("ST04") as context:
            with pytest.raises(Refusal) as refusal:
                await relay.pass_on(context, await problems.find(context, code), "你好")
        assert refusal.value.key == key
        assert (await find(stage, code)).first_contact_at is None


async def test_an_anonymous_reporter_keeps_no_dialog(stage):
    code = await report(stage, anonymous="R102")
    async with stage.turn("R102") as context:
        answer = await relay.open_line(context, await problems.find(context, code))
        assert not answer.waiting
        assert context.draft is None
    async with stage.turn("ST04") as context:
        assert (await relay.open_line(context, await problems.find(context, code))).waiting
        assert "已转给" in text((await relay.words_for_line(context, "请问是几楼？")).screen)
