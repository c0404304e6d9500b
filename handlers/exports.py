"""Ledgers as files.

coordinator: 导出 问题墙台账 2026年第四季度 [CSV]      bot: the file, names masked → [不打码导出] → why? → a sentence → the file
coordinator: 导出                                  bot: which one? a button each
grid leader: 导出 问题墙台账                         bot: the own grid, masked
"""

from __future__ import annotations

from bot.events import Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say, State, Steps
from services import Context, ledgers
from texts.actions import Do
from texts.screen import Screen

router = Router("exports")


class Export(Steps):
    """An unmasked export waits for its reason."""

    reason = State()


def _or_ask(shown: Screen) -> Reply:
    return Ask(Export.reason, shown) if ledgers.waiting(shown) else Say(shown)


@router.message(Phrase("export"), to=Export.reason)
async def hand_out(message: Text, context: Context, line: str) -> Reply:
    return _or_ask(await ledgers.ask(context, line))


@router.press(Do.export, where="private")
async def hand_out_pressed(press: Press, context: Context, ledger: str, span: str) -> Reply:
    return Say(await ledgers.deliver(context, ledger, span))


@router.press(Do.export_unmasked, where="private", to=Export.reason)
async def ask_reason(press: Press, context: Context, ledger: str, span: str) -> Reply:
    return _or_ask(ledgers.ask_reason(context, ledger, span))


@router.message(Export.reason, to=Export.reason)
async def take_reason(message: Text, context: Context) -> Reply:
    shown = await ledgers.because(context, message.text)
    return _or_ask(shown) if ledgers.waiting(shown) else End(shown)
