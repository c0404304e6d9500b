"""A resident's own problems.

resident: 查进度                                  bot: the latest five, a button each
resident: 什么时候修好                            bot: the same, whatever the dialog was
resident: 查进度 WT-…                            bot: the whole sheet; for others the public half
resident: 撤回 WT-… / 误报                        bot: withdrawn (a P1: stays open without its reporter)
resident: 申诉 WT-… 理由                          bot: with the secretary
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say, State, Steps
from services import Context, mine, problems, tickets
from services.dialogs import Answer
from services.intake import Problem
from texts.actions import Do
from texts.screen import Screen, screen

router = Router("mine")


class Appeal(Steps):
    """An appeal waits for its reason."""

    reason = State()


# -- looking
@router.message(Phrase("progress"))
@router.message(Phrase("progress_asked", loose=True))
async def list_mine(message: Text, context: Context) -> Reply:
    listed = await mine.overview(context)
    return Say(listed.screen, subject=listed.subject)


@router.press(Do.progress)
@router.press(Do.my_problems)
async def list_mine_pressed(press: Press, context: Context) -> Reply:
    listed = await mine.overview(context)
    return Say(listed.screen, subject=listed.subject)


@router.message(Phrase("progress_code"))
async def show_one(message: Text, context: Context, code: str) -> Reply:
    shown = await mine.look(context, await problems.find(context, code))
    return Say(shown.screen, card=shown.card, subject=shown.subject)


# -- taking back
@router.message(Phrase("withdraw"))
async def withdraw(message: Text, context: Context, code: str) -> Reply:
    return await take_back(context, await problems.find(context, code, lock=True), mine.withdraw)


@router.press(Do.withdraw)
async def withdraw_pressed(press: Press, context: Context, problem: str) -> Reply:
    return await take_back(context, await problems.get(context, problem), mine.withdraw, clear=True)


@router.message(Phrase("withdraw_last"))
async def withdraw_last(message: Text, context: Context) -> Reply:
    found = await mine.meant(context, mine.EARLY, "withdraw.none", screen("withdraw.which"), Do.withdraw)
    return Say(found) if isinstance(found, Screen) else await take_back(context, found, mine.withdraw)


@router.message(Phrase("false_alarm"))
async def call_off(message: Text, context: Context, code: str) -> Reply:
    if code:
        return await take_back(context, await problems.find(context, code, lock=True), mine.false_alarm)
    found = await mine.meant(context, mine.UNDER_WAY, "false_alarm.none", screen("false_alarm.which"), Do.false_alarm, urgent=True)
    return Say(found) if isinstance(found, Screen) else await take_back(context, found, mine.false_alarm)


@router.press(Do.false_alarm)
async def call_off_pressed(press: Press, context: Context, problem: str) -> Reply:
    return await take_back(context, await problems.get(context, problem), mine.false_alarm, clear=True)


async def take_back(context: Context, problem: Problem, how: Callable[[Context, Problem], Awaitable[Screen]], **options: Any) -> Reply:
    """Withdraw it or call it off."""
    return Say(await how(context, problem), subject=tickets.subject(problem), **options)


# -- appealing
@router.message(Phrase("appeal"), to=Appeal.reason)
async def appeal(message: Text, context: Context, code: str, reason: str) -> Reply:
    return _or_ask(await mine.appeal(context, await problems.find(context, code, lock=True), reason))


@router.press(Do.appeal, to=Appeal.reason)
async def ask_appeal(press: Press, context: Context, problem: str) -> Reply:
    return _or_ask(await mine.appeal(context, await problems.get(context, problem)))


@router.message(Appeal.reason)
async def take_appeal(message: Text, context: Context) -> Reply:
    answer = await mine.appeal_because(context, message.text)
    return End(answer.screen, subject=answer.subject)


def _or_ask(answer: Answer) -> Reply:
    if answer.waiting:
        return Ask(Appeal.reason, answer.screen, subject=answer.subject)
    return Say(answer.screen, subject=answer.subject)
