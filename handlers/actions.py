"""Decisions with an owner and a date (议定事项).

clerk: 议定 HY-… U08 10月20日前 更换9幢门禁   bot: HY-…-1, told to the unit's liaison
owner: [完成] → what came of it, or 完成 HY-…-1 结果
clerk: 转办 HY-…-1 原因, 退回 HY-…-1 原因; secretary: 延期 HY-…-1 11月1日 原因, 撤销议定 HY-…-1 原因
anybody concerned: 议定事项
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import actions
from services.context import Context
from services.drafts import keep, kept
from texts.pages import offset_in
from texts.screen import screen
from texts.utterances import recognise

router = Router("actions")
DRAFT = "action_done"
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Doing(Steps):
    """What came of a decision."""

    result = State()


@router.message(Phrase("decide"))
async def decide(message: Text, context: Context, meeting: str, owner: str, day: str, text: str) -> Reply:
    return Say(await actions.decide(context, meeting, owner, day, text))


@router.message(Phrase("action_done"), to=Doing.result)
async def done(message: Text, context: Context, action: str, result: str) -> Reply:
    return Say(await actions.done(context, action, result)) if result else await _ask_result(context, action)


@router.press(Do.action_done, to=Doing.result, where="private")
async def done_pressed(press: Press, context: Context, item: str) -> Reply:
    return await _ask_result(context, item)


async def _ask_result(context: Context, item: str) -> Reply:
    code = await actions.ask_result(context, item)
    keep(context, DRAFT, code=code)
    return Ask(Doing.result, screen("action.ask_result", code=code))


@router.message(Doing.result, ANSWER)
async def take_result(message: Text, context: Context) -> Reply:
    return End(await actions.done(context, kept(context, DRAFT).get("code", ""), message.text))


@router.message(Phrase("action_extend"))
async def extend(message: Text, context: Context, action: str, day: str, reason: str) -> Reply:
    return Say(await actions.extend(context, action, day, reason))


@router.message(Phrase("action_transfer"))
async def transfer(message: Text, context: Context, action: str, reason: str) -> Reply:
    return Say(await actions.end(context, action, "transfer", reason))


@router.message(Phrase("action_cancel"))
async def cancel(message: Text, context: Context, action: str, reason: str) -> Reply:
    return Say(await actions.end(context, action, "cancel", reason))


@router.message(Phrase("action_reopen"))
async def reopen(message: Text, context: Context, action: str, reason: str) -> Reply:
    return Say(await actions.end(context, action, "reopen", reason))


@router.message(Phrase("actions"))
async def list_open(message: Text, context: Context) -> Reply:
    return Say(await actions.listing(context))


@router.press(Do.action_items, where="private")
async def list_more(press: Press, context: Context, offset: str) -> Reply:
    return Say(await actions.listing(context, offset_in(offset)))
