"""The two answers about a result: how it was, and whether it is solved.

resident: [满意] … [解决], or 评价 WT-… 满意      bot: the question still open → thanks, or it is done again
resident: 满意 / 没解决                          bot: the same, for the one that waits; several: which?
resident: 好多了 / 还没修好                      bot: the same, only while exactly one waits
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Event, Press, Text
from bot.router import Ask, Phrase, Reply, Router, Say
from handlers.relay import Talk
from services import Context, mine, problems, ratings, relay, tickets
from services.intake import Problem
from texts.actions import Do
from texts.answers import meaning
from texts.screen import Key, Screen, screen
from texts.utterances import normalise

router = Router("ratings")
loose = Router("ratings.loose")
router.include(loose)


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
