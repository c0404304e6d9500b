"""A resident's own problems.

resident: 查进度                                  bot: the latest five, a button each
resident: 查进度 WT-…                            bot: the whole sheet; for others the public half
resident: [满意] … [解决], or 满意 / 没解决        bot: the question still open → thanks, or it is done again
resident: 撤回 WT-… / 误报                        bot: withdrawn (a P1: stays open without its reporter)
resident: 申诉 WT-… 理由                          bot: with the secretary
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Event, Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say, State, Steps
from handlers.relay import Talk
from services import Context, mine, problems, ratings, relay, tickets
from services.dialogs import Answer
from services.intake import Problem
from texts.actions import Do
from texts.answers import meaning
from texts.screen import Key, Screen, screen
from texts.utterances import normalise

router = Router("mine")
loose = Router("mine.loose")
router.include(loose)


class Appeal(Steps):
    """An appeal waits for its reason."""

    reason = State()


# -- looking
@router.message(Phrase("progress"))
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


# -- rating
def rated(context: Context, problem: Problem, shown: Screen, **options: Any) -> Reply:
    """What comes after an answer; one that reopens the problem waits for what is still wrong."""
    subject = tickets.subject(problem)
    if relay.listen(context, problem):
        return Ask(Talk.text, shown, subject=subject, **options)
    return Say(shown, subject=subject, **options)


@router.press(Do.rate, to=Talk.text)
async def take_grade(press: Press, context: Context, problem: str, grade: str) -> Reply:
    found = await problems.get(context, problem)
    return rated(context, found, await ratings.rate(context, found, grade), edit=True)


@router.press(Do.solved, to=Talk.text)
async def take_solved(press: Press, context: Context, problem: str, answer: str) -> Reply:
    found = await problems.get(context, problem)
    return rated(context, found, await ratings.say_solved(context, found, answer == "yes"), edit=True)


@router.message(Phrase("rate"), to=Talk.text)
async def take_written_grade(message: Text, context: Context, code: str, grade: str, reason: str) -> Reply:
    found = await problems.find(context, code, lock=True)
    return rated(context, found, await ratings.rate(context, found, meaning("grade", grade) or "", reason, spoken=True))


@router.message(Phrase("rate_last"), to=Talk.text)
async def take_bare_grade(message: Text, context: Context, grade: str) -> Reply:
    name = meaning("grade", grade) or ""
    found = await mine.meant(
        context,
        ("RESOLVED",),
        "rate.none_waiting",
        screen("rating.which", grade=Key(f"grade.{name}")),
        lambda one: Do.rate(one, name),
    )
    return Say(found) if isinstance(found, Screen) else rated(context, found, await ratings.rate(context, found, name, spoken=True))


@router.message(Phrase("solved_code"), to=Talk.text)
async def take_written_solved(message: Text, context: Context, code: str, answer: str) -> Reply:
    found = await problems.find(context, code, lock=True)
    return rated(context, found, await ratings.say_solved(context, found, meaning("solved", answer) == "yes", spoken=True))


@router.message(Phrase("solved_last"), to=Talk.text)
async def take_bare_solved(message: Text, context: Context, answer: str) -> Reply:
    name = meaning("solved", answer) or "no"
    found = await mine.meant(context, ("RESOLVED",), "rate.none_waiting", screen("rating.which_solved"), lambda one: Do.solved(one, name))
    if isinstance(found, Screen):
        return Say(found)
    return rated(context, found, await ratings.say_solved(context, found, name == "yes", spoken=True))


@loose.middleware
async def only_while_one_waits(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """Everyday words are a rating only while exactly one result waits for it."""
    if not isinstance(event, Text) or Phrase("rate_loosely")(event, normalise(event.text)) is None:
        return None
    waiting = await ratings.own(data["context"], ("RESOLVED",))
    if len(waiting) != 1:
        return None
    data["context"].facts["waiting"] = waiting[0]
    return await call(event, data)


@loose.message(Phrase("rate_loosely"), to=Talk.text)
async def take_everyday_words(message: Text, context: Context, loose: str) -> Reply:
    found, grade = context.facts["waiting"], meaning("grade", loose)
    if grade:
        return rated(context, found, await ratings.rate(context, found, grade, spoken=True))
    return rated(context, found, await ratings.say_solved(context, found, meaning("solved", loose) == "yes", spoken=True))


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
