"""The workdays of a coming year, for administrator, coordinator, clerk and secretary.

the office: 录入节假日 (+ the official notice, pasted)    bot: the calendar as understood → [确认录入] [取消]; or what does not add up
the office: 录入节假日                                     bot: paste the notice, or send it as .txt or .docx
the office: (the notice)                                   bot: the calendar …
the office: [确认录入]                                      bot: done; so many dates were counted anew, and who is responsible was told
"""

from __future__ import annotations

from bot.events import Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say, State, Steps
from services import Context, holidays
from texts.actions import Do
from texts.screen import screen

router = Router("holidays")


class HolidayNotice(Steps):
    """The text of the notice is awaited."""

    text = State()


@router.message(Phrase("holidays"), to=HolidayNotice.text)
async def ask_notice(message: Text, context: Context, notice: str) -> Reply:
    holidays.require(context)
    if notice:
        return End(await holidays.look_at(context, notice))
    return Ask(HolidayNotice.text, screen("holidays.ask"))


@router.message(HolidayNotice.text)
async def take_notice(message: Text, context: Context) -> Reply:
    return End(await holidays.look_at(context, message.text))


@router.press(Do.holidays_confirm, where="private")
async def confirm(press: Press, context: Context, draft: str) -> Reply:
    return Say(await holidays.confirm(context, draft), edit=True)


@router.press(Do.holidays_drop, where="private")
async def drop(press: Press, context: Context, draft: str) -> Reply:
    await holidays.drop(context, draft)
    return Say(screen("cancelled"), edit=True)
