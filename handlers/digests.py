"""Digests and numbers on request, for staff in private.

coordinator: 今日简报                       bot: the day's, with a button for each case → [n more] → the rest
coordinator: 本周简报                       bot: the same since Monday, with a picture
coordinator: 第四季度指标 / 本月指标 / 2026年第三季度指标 截至9月15日
                                          bot: the table and the picture → [上一期], [导出…]
"""

from __future__ import annotations

from bot.events import Press, Text
from bot.router import Phrase, Reply, Router, Say
from services import Context, digests, figures
from texts.actions import Do

router = Router("digests")


@router.message(Phrase("digest"))
async def show_today(message: Text, context: Context) -> Reply:
    return Say(await digests.today(context))


@router.press(Do.digest, where="private")
async def show_today_pressed(press: Press, context: Context) -> Reply:
    return Say(await digests.today(context))


@router.message(Phrase("week_digest"))
async def show_week(message: Text, context: Context) -> Reply:
    return Say(await digests.this_week(context))


@router.press(Do.digest_cases, where="private")
async def show_cases(press: Press, context: Context, offset: str) -> Reply:
    return Say(await digests.cases(context, offset))


@router.message(Phrase("figures"))
async def show_figures(message: Text, context: Context) -> Reply:
    return Say(await figures.ask(context, message.text))


@router.press(Do.figures, where="private")
async def show_figures_pressed(press: Press, context: Context, span: str, grid: str) -> Reply:
    return Say(await figures.pressed(context, span, grid))
