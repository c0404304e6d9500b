"""A meeting's day and what follows: sign-in, end, minutes.

clerk: 开始会议 HY-…        bot: the code for the room, what became of the last decisions; [点名] [散会]
anybody invited: 会议签到 8246
clerk: 散会 HY-…            bot: HELD, with the minutes drafted from facts
clerk: 意见 HY-… …, 纪要 HY-… [发给单位核对]; unit: 更正 HY-… …; secretary: [确认纪要]
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Phrase, Reply, Router, Say
from services import meeting_day, minutes
from services.context import Context

router = Router("meeting_day")


@router.message(Phrase("open_meeting"))
async def open_meeting(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.begin(context, meeting))


@router.press(Do.meeting_open, where="private")
async def open_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_day.begin(context, meeting), clear=True)


@router.message(Phrase("meeting_sign"))
async def sign_in(message: Text, context: Context, pin: str, meeting: str) -> Reply:
    return Say(await meeting_day.sign(context, pin, meeting))


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
