"""Who is invited answers: a unit's liaison, or a person.

bot: the notice with [参加] [请假]
liaison: [请假]                     bot: why? → a sentence → noted
liaison: 参加 HY-… / 请假 HY-… 原因 / 提议题：……
liaison: 参加！ / 请假，要开家长会 / 我们所派小王参加       bot: the same, only while a notice waits for them; several: which?
resident: 预约说事 → a sentence     bot: a place on Thursday evening; 取消说事 gives it back
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Do, Event, Press, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import meeting_agenda, meeting_replies, talks
from services.context import Context
from texts.screen import Screen, screen
from texts.utterances import normalise, recognise

router = Router("meeting_replies")
loose = Router("meeting_replies.loose")
ANSWER = F.text.func(lambda said: recognise(said) is None)
EVERYDAY = (Phrase("join_loosely"), Phrase("leave_loosely"))


class Leave(Steps):
    """Why somebody cannot come."""

    reason = State()


class Talk(Steps):
    """What a resident wants to talk about."""

    matter = State()


def _said_or_why(shown: Screen | None) -> Reply:
    return Ask(Leave.reason, screen("meeting.leave_why")) if shown is None else End(shown)


# -- coming or not
@router.press(Do.meeting_reply, to=Leave.reason, where="private")
async def answer(press: Press, context: Context, attendance: str, answer: str) -> Reply:
    return _said_or_why(await meeting_replies.press(context, attendance, answer))


@router.message(Phrase("join_meeting"))
async def join(message: Text, context: Context, meeting: str) -> Reply:
    return _said_or_why(await meeting_replies.say(context, meeting, meeting_replies.YES))


@router.message(Phrase("leave_meeting"), to=Leave.reason)
async def leave(message: Text, context: Context, meeting: str, reason: str) -> Reply:
    return _said_or_why(await meeting_replies.say(context, meeting, meeting_replies.LEAVE, reason))


@router.message(Leave.reason, ANSWER)
async def take_reason(message: Text, context: Context) -> Reply:
    return End(await meeting_replies.give_reason(context, message.text))


@loose.middleware
async def only_while_a_notice_waits(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """Everyday words answer a notice only while one waits for the person who says them."""
    if not isinstance(event, Text) or all(phrase(event, normalise(event.text)) is None for phrase in EVERYDAY):
        return None
    context: Context = data["context"]
    context.facts["notices"] = await meeting_replies.waiting(context)
    return await call(event, data) if context.facts["notices"] else None


@loose.message(Phrase("join_loosely", loose=True))
async def join_in_other_words(message: Text, context: Context) -> Reply:
    return await _take(context, meeting_replies.YES)


@loose.message(Phrase("leave_loosely", loose=True), to=Leave.reason)
async def leave_in_other_words(message: Text, context: Context, reason: str) -> Reply:
    return await _take(context, meeting_replies.LEAVE, reason)


async def _take(context: Context, answer: str, reason: str = "") -> Reply:
    found = context.facts["notices"]
    if len(found) > 1:
        return Say(await meeting_replies.say_which(context, found, answer))
    return _said_or_why(await meeting_replies.say(context, found[0].id, answer, reason))


@router.message(Phrase("propose_topic"))
async def propose(message: Text, context: Context, text: str) -> Reply:
    return Say(await meeting_agenda.propose(context, text))


# -- the every-Thursday talk
@router.message(Phrase("talk"), to=Talk.matter)
async def book(message: Text, context: Context, text: str) -> Reply:
    shown = await talks.book(context, text)
    return Ask(Talk.matter, await talks.asking(context)) if shown is None else End(shown)


@router.message(Talk.matter, ANSWER)
async def take_matter(message: Text, context: Context) -> Reply:
    return End(await talks.book(context, message.text))


@router.message(Phrase("talk_cancel"))
async def give_back(message: Text, context: Context) -> Reply:
    return End(await talks.cancel(context))


@router.press(Do.talk_cancel, where="private")
async def give_back_pressed(press: Press, context: Context) -> Reply:
    return Say(await talks.cancel(context), clear=True)
