"""A meeting's day and what follows: sign-in, end, minutes.

clerk: 开始会议 HY-…        bot: the code for the room, what became of the last decisions; [点名] [散会]
clerk: 9月24号的会开过了     bot: what nobody opened, [补记签到] or [没有开，改期]
anybody invited: 会议签到 8246, 签到 8246, or 8246 alone
clerk: 散会 HY-…            bot: HELD, with the minutes drafted from facts
clerk: 意见 HY-… …, 纪要 HY-… [发给单位核对]; unit: 更正 HY-… …; secretary: [确认纪要]
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Do, Event, Press, Text
from bot.router import Phrase, Reply, Router, Say
from services import meeting_day, minutes
from services.context import Context
from texts.utterances import normalise

router = Router("meeting_day")
arrivals = Router("meeting_day.arrivals")
loose = Router("meeting_day.loose")


@router.message(Phrase("open_meeting"))
async def open_meeting(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.begin(context, meeting))


@router.press(Do.meeting_open, where="private")
async def open_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.begin(context, meeting), clear=True)


@router.press(Do.meeting_move, where="private")
async def not_held(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.how_to_move(context, meeting))


@loose.middleware
async def only_while_one_is_unopened(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """That a meeting was held is heard from the desk, while there is one that nobody opened."""
    if not isinstance(event, Text) or Phrase("held_already")(event, normalise(event.text)) is None:
        return None
    context: Context = data["context"]
    context.facts["unopened"] = await meeting_day.unopened(context)
    return await call(event, data) if context.facts["unopened"] else None


@loose.message(Phrase("held_already", loose=True))
async def held_already(message: Text, context: Context) -> Reply:
    return Say(meeting_day.ask_if_held(context, context.facts["unopened"]))


@router.message(Phrase("meeting_sign"))
async def sign_in(message: Text, context: Context, pin: str, meeting: str) -> Reply:
    return Say(await meeting_day.sign(context, pin, meeting))


@arrivals.middleware
async def only_in_session(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """A number without the word for a meeting is its code only for whom one in session has invited."""
    if not isinstance(event, Text):
        return None
    said = normalise(event.text)
    slots = Phrase("check_in")(event, said) or Phrase("pin")(event, said)
    return await call(event, data) if slots and await meeting_day.awaits(data["context"], *slots.values()) else None


@arrivals.message(Phrase("check_in"))
async def sign_in_as_to_a_task(message: Text, context: Context, task: str) -> Reply:
    return Say(await meeting_day.sign(context, task))


@arrivals.message(Phrase("pin", loose=True))
async def sign_in_by_code_alone(message: Text, context: Context, pin: str) -> Reply:
    return Say(await meeting_day.sign(context, pin))


@router.message(Phrase("meeting_roll"))
async def call_roll(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.roll(context, meeting))


@router.press(Do.meeting_roll, where="private")
async def call_roll_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.roll(context, meeting))


@router.press(Do.meeting_sign, where="private")
async def tick_off(press: Press, context: Context, attendance: str) -> Reply:
    return Say(await meeting_day.sign_for(context, attendance), edit=True)


@router.message(Phrase("end_meeting"))
async def end(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.end(context, meeting))


@router.press(Do.meeting_end, where="private")
async def end_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.end(context, meeting), clear=True)


# -- minutes
@router.message(Phrase("minutes"))
async def show_minutes(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await minutes.show(context, meeting))


@router.press(Do.meeting_minutes, where="private")
async def show_minutes_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await minutes.show(context, meeting))


@router.message(Phrase("minutes_opinion"))
async def add_opinion(message: Text, context: Context, meeting: str, text: str) -> Reply:
    return Say(await minutes.add_opinion(context, meeting, text))


@router.press(Do.meeting_send_minutes, where="private")
async def send_minutes(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await minutes.send_out(context, meeting))


@router.message(Phrase("minutes_correct"))
async def correct(message: Text, context: Context, meeting: str, text: str) -> Reply:
    return Say(await minutes.correct(context, meeting, text))


@router.message(Phrase("minutes_confirm"))
async def confirm(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await minutes.confirm(context, meeting))


@router.press(Do.meeting_confirm_minutes, where="private")
async def confirm_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await minutes.confirm(context, meeting), clear=True)


@router.press(Do.meeting_confirm_early, where="private")
async def confirm_early(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await minutes.confirm(context, meeting, early=True), clear=True)
