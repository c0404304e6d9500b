"""A refusal that is answered in private leaves nothing half done, as every other refusal."""

import pytest
from work_stage import staged

from models import Claim, OutboxMessage, StateLog
from services import claims, tasks
from services.attempts import attempt
from services.context import Refusal
from texts.screen import screen


@pytest.fixture
def party(world):
    """The chat of the party group, where #32 and #33 stand."""
    return next(message.chat for message in world.platform.messages if "#33" in message.message.text and "private:" not in message.chat)


async def refuse_late(context, task):
    """Stands in for a rule that says no when much is done already."""
    await context.session.flush()
    await tasks.refresh(context, task)
    raise Refusal("claim.none", number=task.short_no)


async def test_a_claim_in_a_group_that_is_refused_late_leaves_nothing(world, party, monkeypatch):
    member = world.person("M02")
    before = [len(await world.rows(model)) for model in (Claim, StateLog)]
    sent = {row.id for row in await world.rows(OutboxMessage)}
    monkeypatch.setattr(claims, "settle", refuse_late)
    await member.says("接单 32", chat=party, silent=True)
    assert "#32" in world.pushes("M02")[-1]
    assert [len(await world.rows(model)) for model in (Claim, StateLog)] == before
    fresh = [row for row in await world.rows(OutboxMessage) if row.id not in sent]
    assert len(fresh) == 1  # the no, and no edit of the card
    monkeypatch.undo()
    await member.says("接单 32", chat=party, silent=True)
    assert "接单成功" in world.pushes("M02")[-1]


async def test_leaving_in_a_group_that_is_refused_late_leaves_the_claim(world, party, monkeypatch):
    member = world.person("M01")
    states = {row.id: (row.state, row.version) for row in await world.rows(Claim)}
    monkeypatch.setattr(claims, "settle", refuse_late)
    await member.says("退单 33", chat=party, silent=True)
    assert {row.id: (row.state, row.version) for row in await world.rows(Claim)} == states
    monkeypatch.undo()
    await member.says("退单 33", chat=party, silent=True)
    assert {row.id: (row.state, row.version) for row in await world.rows(Claim)} != states


async def test_what_was_posted_before_stays_and_what_is_posted_after_goes(database_url):
    async def say_too_much(context):
        await claims.whisper(context, screen("claim.which"))
        raise Refusal("claim.none", number=31)

    async with staged(database_url) as stage:
        async with stage.turn("M01") as context:
            await claims.whisper(context, screen("cancelled"))
            refused = await attempt(context, say_too_much(context))
            assert isinstance(refused, Refusal)
            assert [row.body["key"] for row in context.posted] == ["cancelled"]
        assert len(await stage.posted(to="M01")) == 1
