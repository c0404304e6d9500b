"""Who is on duty, and how the community is reached.

anybody, in groups too: 今天谁值班, 值班表, 服务热线      bot: names, hotline, hours; without a roster, who can be reached
coordinator: 排班 11月24日 顾明溪 …(several lines)       bot: every fault by name, or the card → [确定] → everybody is told their days
coordinator: 换班 11月24日 顾明溪 11月26日 周禾生        bot: swapped, both are told
who is on duty: 换班 11月24日 周禾生                     bot: asks the other → [同意] | [不方便]
coordinator: 设置热线 …, 设置值班时间 …
"""

from __future__ import annotations

from bot.events import Press, Text
from bot.router import Phrase, Reply, Router, Say
from services import Context, duty
from texts.actions import Do

router = Router("duty")


@router.message(Phrase("duty_today"), where="any")
async def show_today(message: Text, context: Context) -> Reply:
    return Say(await duty.show_today(context))


@router.message(Phrase("duty_table"), where="any")
async def show_table(message: Text, context: Context) -> Reply:
    return Say(await duty.show_table(context))


@router.message(Phrase("hotline"), where="any")
async def show_hotline(message: Text, context: Context) -> Reply:
    return Say(await duty.show_hotline(context))


@router.message(Phrase("set_hotline"))
async def set_hotline(message: Text, context: Context, line: str) -> Reply:
    return Say(await duty.set_reach(context, "hotline", line))


@router.message(Phrase("set_duty_hours"))
async def set_hours(message: Text, context: Context, line: str) -> Reply:
    return Say(await duty.set_reach(context, "duty_hours", line))


@router.message(Phrase("duty_set"))
async def ask_roster(message: Text, context: Context, line: str) -> Reply:
    return Say(await duty.ask(context, line))


@router.press(Do.roster_confirm, where="private")
async def write_roster(press: Press, context: Context, draft: str) -> Reply:
    return Say(await duty.confirm(context, draft), edit=True)


@router.message(Phrase("duty_swap"))
async def swap(message: Text, context: Context, day: str, name: str, otherday: str, other: str) -> Reply:
    return Say(await duty.swap(context, day, name, otherday, other))


@router.press(Do.swap_answer, where="private")
async def answer_swap(press: Press, context: Context, draft: str, answer: str) -> Reply:
    return Say(await duty.answer_swap(context, draft, answer), edit=True)
