"""A resident's own problems.

resident: 查进度                                  bot: the latest five, a button each
resident: 查进度 WT-…                            bot: the whole sheet; for others the public half
resident: [满意] … [解决], or 满意 / 没解决        bot: the question still open → thanks, or it is done again
resident: 撤回 WT-… / 误报                        bot: withdrawn (a P1: stays open without its reporter)
resident: 申诉 WT-… 理由                          bot: with the secretary
"""

from __future__ import annotations

from bot.events import Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say, State, Steps
from services import Context, mine, problems, ratings
from services.dialogs import Answer
from texts.actions import Do
from texts.answers import meaning
from texts.screen import Key, Screen, screen

router = Router("mine")


class Appeal(Steps):
    """An appeal waits for its reason."""

    reason = State()


# -- looking
@router.message(Phrase("progress"))
async def list_mine(message: Text, context: Context) -> Reply:
    return Say(await mine.overview(context))


@router.press(Do.progress)
@router.press(Do.my_problems)
async def list_mine_pressed(press: Press, context: Context) -> Reply:
    return Say(await mine.overview(context))


@router.message(Phrase("progress_code"))
async def show_one(message: Text, context: Context, code: str) -> Reply:
    shown = await mine.look(context, await problems.find(context, code))
    return Say(shown.screen, card=shown.card, subject=shown.subject)


# -- rating
@router.press(Do.rate)
async def take_grade(press: Press, context: Context, problem: str, grade: str) -> Reply:
    return Say(await ratings.rate(context, await problems.get(context, problem), grade), edit=True)


@router.press(Do.solved)
async def take_solved(press: Press, context: Context, problem: str, answer: str) -> Reply:
    return Say(await ratings.say_solved(context, await problems.get(context, problem), answer == "yes"), edit=True)


@router.message(Phrase("rate"))
async def take_written_grade(message: Text, context: Context, code: str, grade: str, reason: str) -> Reply:
    found = await problems.find(context, code, lock=True)
    return Say(await ratings.rate(context, found, meaning("grade", grade) or "", reason, spoken=True))


@router.message(Phrase("rate_last"))
async def take_bare_grade(message: Text, context: Context, grade: str) -> Reply:
    name = meaning("grade", grade) or ""
    found = await mine.meant(
        context,
        ("RESOLVED",),
        "rate.none_waiting",
        screen("rating.which", grade=Key(f"grade.{name}")),
        lambda one: Do.rate(one, name),
    )
    return Say(found if isinstance(found, Screen) else await ratings.rate(context, found, name, spoken=True))


@router.message(Phrase("solved_code"))
async def take_written_solved(message: Text, context: Context, code: str, answer: str) -> Reply:
    found = await problems.find(context, code, lock=True)
    return Say(await ratings.say_solved(context, found, meaning("solved", answer) == "yes", spoken=True))


@router.message(Phrase("solved_last"))
async def take_bare_solved(message: Text, context: Context, answer: str) -> Reply:
    name = meaning("solved", answer) or "no"
    found = await mine.meant(context, ("RESOLVED",), "rate.none_waiting", screen("rating.which_solved"), lambda one: Do.solved(one, name))
    return Say(found if isinstance(found, Screen) else await ratings.say_solved(context, found, name == "yes", spoken=True))


# -- taking back
@router.message(Phrase("withdraw"))
async def withdraw(message: Text, context: Context, code: str) -> Reply:
    return Say(await mine.withdraw(context, await problems.find(context, code, lock=True)))


@router.press(Do.withdraw)
async def withdraw_pressed(press: Press, context: Context, problem: str) -> Reply:
    return Say(await mine.withdraw(context, await problems.get(context, problem)), clear=True)


@router.message(Phrase("withdraw_last"))
async def withdraw_last(message: Text, context: Context) -> Reply:
    found = await mine.meant(context, mine.EARLY, "withdraw.none", screen("withdraw.which"), Do.withdraw)
    return Say(found if isinstance(found, Screen) else await mine.withdraw(context, found))


@router.message(Phrase("false_alarm"))
async def call_off(message: Text, context: Context, code: str) -> Reply:
    if code:
        return Say(await mine.false_alarm(context, await problems.find(context, code, lock=True)))
    found = await mine.meant(context, mine.UNDER_WAY, "false_alarm.none", screen("false_alarm.which"), Do.false_alarm, urgent=True)
    return Say(found if isinstance(found, Screen) else await mine.false_alarm(context, found))


@router.press(Do.false_alarm)
async def call_off_pressed(press: Press, context: Context, problem: str) -> Reply:
    return Say(await mine.false_alarm(context, await problems.get(context, problem)), clear=True)


# -- appealing
@router.message(Phrase("appeal"), to=Appeal.reason)
async def appeal(message: Text, context: Context, code: str, reason: str) -> Reply:
    return _or_ask(await mine.appeal(context, await problems.find(context, code, lock=True), reason))


@router.press(Do.appeal, to=Appeal.reason)
async def ask_appeal(press: Press, context: Context, problem: str) -> Reply:
    return _or_ask(await mine.appeal(context, await problems.get(context, problem)))


@router.message(Appeal.reason)
async def take_appeal(message: Text, context: Context) -> Reply:
    return End((await mine.appeal_because(context, message.text)).screen)


def _or_ask(answer: Answer) -> Reply:
    return Ask(Appeal.reason, answer.screen) if answer.waiting else Say(answer.screen)
