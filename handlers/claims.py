"""Claiming and leaving a task, in the group or in private; the queue's offers.

member: [接单] or 接单 31            bot: in the group only the card changes, in private the address and [签到] [退单]
member: 退单 31 原因                  bot: out; the freed place is offered to the first of the queue: [接受] [放弃]
an administrator without a name       bot: turn anonymity off, or write in private
"""

from __future__ import annotations

from collections.abc import Awaitable

from bot.events import Do, Press, Text
from bot.router import F, Phrase, Reply, Router, Say, Silence, Toast
from services import claims
from services.attempts import attempt
from services.claims import Claimed, Withdrawal
from services.context import Context, Refusal
from texts.screen import Button, Screen, screen
from texts.work_screens import entry

router = Router("claims")


def _for_everybody(claimed: Claimed) -> str:
    return "claim.group." + ("active" if claimed.claim.state == "ACTIVE" else "waiting") + ("" if claimed.told else "_open")


async def _quietly(context: Context, number: str, work: Awaitable[Claimed | Withdrawal]) -> Reply:
    """In a group only the card changes: the answer, also a no, goes to the person; where they have no private chat, a link to it."""
    done = await attempt(context, work)
    if isinstance(done, Refusal):
        told = await claims.whisper(context, Screen(done.key, done.values))
    else:
        told = done.told if isinstance(done, Claimed) else await claims.whisper(context, _farewell(done))
    return Silence() if told else Say(screen("claim.group.open", _to_private(number), number=number))


def _to_private(number: str) -> list[Button]:
    return [Button("button.private_chat", start=entry(number))]


@router.message(Phrase("claim"), F.sender.anonymous, where="group")
@router.message(Phrase("withdraw_claim"), F.sender.anonymous, where="group")
async def ask_for_a_name(message: Text, context: Context, task: str) -> Reply:
    return Say(screen("claim.group.anonymous", _to_private(task), number=task))


@router.message(Phrase("claim_which"), where="private")
async def ask_which(message: Text, context: Context) -> Reply:
    return Say(screen("claim.which"))


@router.message(Phrase("claim_which"), F.text.startswith("/"), where="group")
async def ask_which_in_group(message: Text, context: Context) -> Reply:
    """A command tapped in the menu comes without its number; the bare word is chatter (domain.md §10)."""
    return Say(screen("claim.which"))


@router.message(Phrase("claim"), where="private")
async def take(message: Text, context: Context, task: str) -> Reply:
    claimed = await claims.claim(context, task)
    return Say(claimed.sheet, subject=f"task:{claimed.task.id}")


@router.message(Phrase("claim"), where="group")
async def take_in_group(message: Text, context: Context, task: str) -> Reply:
    return await _quietly(context, task, claims.claim(context, task))


@router.press(Do.claim, where="any")
async def take_pressed(press: Press, context: Context, task: str) -> Reply:
    claimed = await claims.claim(context, task)
    if context.private:
        return Say(claimed.sheet, subject=f"task:{claimed.task.id}")
    link = [] if claimed.told else _to_private(str(claimed.task.short_no))
    return Toast(screen(_for_everybody(claimed), link, **claimed.values))


@router.message(Phrase("withdraw_claim"), where="private")
async def leave(message: Text, context: Context, task: str, reason: str) -> Reply:
    return Say(_farewell(await _leave(context, task, reason)))


@router.message(Phrase("withdraw_claim"), where="group")
async def leave_in_group(message: Text, context: Context, task: str, reason: str) -> Reply:
    return await _quietly(context, task, _leave(context, task, reason))


async def _leave(context: Context, task: str, reason: str) -> Withdrawal:
    return await (claims.withdraw(context, task, reason) if reason else claims.ask_withdrawal(context, task))


@router.press(Do.withdraw_claim, where="private")
async def leave_pressed(press: Press, context: Context, task: str) -> Reply:
    done = await claims.ask_withdrawal(context, task)
    return Say(_farewell(done), clear=done.ask is None)


@router.press(Do.confirm_withdraw, where="private")
async def leave_with_reason(press: Press, context: Context, task: str, reason: str) -> Reply:
    return Say(_farewell(await claims.withdraw(context, task, "", reason)), clear=True)


def _farewell(done: Withdrawal) -> Screen:
    """The question why, or what the one who left is told: also whether it counts."""
    if done.ask is not None:
        return done.ask
    key = "claim.left" if not done.late else "claim.left_excused" if done.excused else "claim.left_late"
    return screen(key, number=done.task.short_no)


@router.press(Do.accept_offer, where="private")
async def accept(press: Press, context: Context, claim: str) -> Reply:
    claimed = await claims.accept_offer(context, claim)
    return Say(claimed.sheet, clear=True, subject=f"task:{claimed.task.id}")


@router.press(Do.decline_offer, where="private")
async def decline(press: Press, context: Context, claim: str) -> Reply:
    task = await claims.decline_offer(context, claim)
    return Say(screen("claim.left", number=task.short_no), clear=True)
