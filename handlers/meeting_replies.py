"""Who is invited answers: a unit's liaison, or a person.

bot: the notice with [参加] [请假]
liaison: [请假]                     bot: why? → a sentence → noted
liaison: 参加 HY-… / 请假 HY-… 原因 / 提议题：……
resident: 预约说事 → a sentence     bot: a place on Thursday evening; 取消说事 gives it back
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import meeting_agenda, meeting_replies, talks
from services.context import Context
from texts.screen import Screen, screen
from texts.utterances import recognise

router = Router("meeting_replies")
ANSWER = F.text.func(lambda said: recognise(said) is None)


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
