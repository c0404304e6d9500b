"""Announcements.

staff: 公告：本周六停水。                bot: the preview with [全体] [党员] …, days, [置顶], [推送] | [只挂出]
anybody, in groups too: 公告             bot: what is announced, pinned first, then the newest
staff: 撤回公告 3                        bot: withdrawn, the groups' messages say so
"""

from __future__ import annotations

import re

from bot.events import Press, Text
from bot.router import Phrase, Reply, Router, Say
from services import Context, announcements
from texts.actions import Do

router = Router("announcements")


def _as_written(message: Text) -> str:
    """What stands behind the first colon, with its own punctuation: the grammar heard it in half width."""
    parts = re.split("[:：]", message.text, maxsplit=1)
    return parts[1] if len(parts) == 2 else ""


@router.message(Phrase("announce_until"))
async def preview_until(message: Text, context: Context, text: str, day: str) -> Reply:
    return Say(await announcements.begin(context, _as_written(message) or text, day))


@router.message(Phrase("announce"))
async def preview(message: Text, context: Context, text: str) -> Reply:
    return Say(await announcements.begin(context, _as_written(message) or text))


@router.press(Do.announcement_set, where="private")
async def change(press: Press, context: Context, draft: str, what: str, value: str) -> Reply:
    return Say(await announcements.set_choice(context, draft, what, value), edit=True)


@router.press(Do.announcement_publish, where="private")
async def publish(press: Press, context: Context, draft: str, how: str) -> Reply:
    return Say(await announcements.publish(context, draft, how), edit=True)


@router.message(Phrase("withdraw_announcement"))
async def withdraw(message: Text, context: Context, number: str) -> Reply:
    return Say(await announcements.withdraw(context, number))


@router.press(Do.announcement_withdraw, where="private")
async def withdraw_pressed(press: Press, context: Context, announcement: str) -> Reply:
    return Say(await announcements.withdraw(context, announcement), edit=True)


@router.message(Phrase("announcements"), where="any")
async def show(message: Text, context: Context) -> Reply:
    return Say(await announcements.current(context))
