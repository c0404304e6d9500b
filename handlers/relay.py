"""The line between a reporter and the handler of the problem.

staff replies to a ticket                        → the reporter (the first one is the first contact)
the reporter replies to a message about it       → the handler
anybody at either end: [回复]                     bot: asks for the words → passes them on
the reporter, asked what is still wrong          → the handler, for a day (handlers/mine.py asks)
A reply to anything else is not for this file: the next one takes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Event, Photo, Press, Text
from bot.router import Ask, End, F, Reply, Router, Say, State, Steps
from services import Context, problems, relay, tickets
from texts.actions import Do
from texts.screen import Screen, screen

router = Router("relay")
replies = Router("relay.replies")
router.include(replies)


class Talk(Steps):
    """Words for the other end are awaited."""

    text = State()


@router.press(Do.talk, to=Talk.text)
async def ask_words(press: Press, context: Context, problem: str) -> Reply:
    found = await problems.get(context, problem)
    answer = await relay.open_line(context, found)
    subject = tickets.subject(found)
    return Ask(Talk.text, answer.screen, subject=subject) if answer.waiting else Say(answer.screen, subject=subject)


def for_the_line(event: Event, data: dict[str, Any]) -> bool:
    """Whether a plain sentence is what was asked for."""
    return isinstance(event, Text) and relay.is_for_line(data["context"], event.text)


@router.message(Talk.text, for_the_line)
async def pass_words_on(message: Text, context: Context) -> Reply:
    answer = await relay.words_for_line(context, message.text)
    return End(answer.screen, subject=answer.subject)


@replies.middleware
async def only_about_problems(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """Let through only what answers a message about a problem, from somebody at one of its ends; the street is told it has none."""
    context: Context = data["context"]
    if not event.reply_to or not isinstance(event, Text | Photo):
        return None
    problem = await relay.about(context)
    if problem is None:
        return None
    if not await relay.may_talk(context, problem):
        relay.refuse_street(context, problem)
        return None
    context.facts["problem"] = problem
    return await call(event, data)


@replies.message(F.reply_to)
async def pass_reply_on(message: Text, context: Context) -> Reply:
    return about(context, await relay.pass_on(context, context.facts["problem"], message.text))


@replies.photo(F.reply_to)
async def pass_photo_on(photo: Photo, context: Context) -> Reply:
    if photo.problem:
        return Say(screen(f"photo.{photo.problem}"))
    return about(context, await relay.pass_photo_on(context, context.facts["problem"], photo.data, photo.caption))


def about(context: Context, shown: Screen) -> Reply:
    """The answer, about the problem of the message replied to."""
    return Say(shown, subject=tickets.subject(context.facts["problem"]))
