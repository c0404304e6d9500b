"""Record cards (党员服务记录卡) on demand.

liaison: 服务记录卡 2026年第四季度          bot: the unit's cards as .docx and .xlsx
coordinator: 服务记录卡 [季度] [单位]        bot: that unit's; without one: which unit?
member: 我的服务记录卡 [季度]              bot: the own card
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Phrase, Reply, Router, Say, Silence
from services import record_cards
from services.context import Context

router = Router("record_cards")


@router.message(Phrase("my_record_card"))
async def show_mine(message: Text, context: Context, line: str) -> Reply:
    return Say(await record_cards.mine(context, line))


@router.press(Do.my_record_card, where="private")
async def show_mine_pressed(press: Press, context: Context) -> Reply:
    return Say(await record_cards.mine(context, ""))


@router.message(Phrase("record_card"))
async def make(message: Text, context: Context, line: str) -> Reply:
    """Both files come as messages of their own, which is the whole answer."""
    which = await record_cards.ask(context, line)
    return Say(which) if which is not None else Silence()


@router.press(Do.record_card, where="private")
async def make_pressed(press: Press, context: Context, unit: str, period: str) -> Reply:
    await record_cards.deliver(context, unit, period)
    return Silence()
