"""Claiming and leaving a task, in the group or in private; hours verified; the two ratings.

member: [接单] or 接单 31            bot: in the group a short word, in private the address and [签到] [退单]
member: 退单 31 原因                  bot: out; the freed place is offered to the first of the queue: [接受] [放弃]
leader: 核验 31, 核验 31 何晚晴         bot: a button for each; then the ratings: the resident's, and 评单 31 5
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Phrase, Reply, Router, Say, Toast
from services import claims, verifying
from services.claims import Claimed, Withdrawal
from services.context import Context
from texts.screen import Button, screen
from texts.work_screens import entry

router = Router("claims")


def _for_everybody(claimed: Claimed) -> str:
    return "claim.group." + ("active" if claimed.claim.state == "ACTIVE" else "waiting") + ("" if claimed.told else "_open")


@router.message(Phrase("claim"), where="private")
async def take(message: Text, context: Context, task: str) -> Reply:
    claimed = await claims.claim(context, task)
    return Say(claimed.sheet, subject=f"task:{claimed.task.id}")


@router.message(Phrase("claim"), where="group")
async def take_in_group(message: Text, context: Context, task: str) -> Reply:
    claimed = await claims.claim(context, task)
    link = [] if claimed.told else [Button("button.private_chat", start=entry(str(claimed.task.short_no)))]
    return Say(screen(_for_everybody(claimed), link, **claimed.values))


@router.press(Do.claim)
async def take_pressed(press: Press, context: Context, task: str) -> Reply:
    claimed = await claims.claim(context, task)
    if context.private:
        return Say(claimed.sheet, subject=f"task:{claimed.task.id}")
    link = [] if claimed.told else [Button("button.private_chat", start=entry(str(claimed.task.short_no)))]
    return Toast(screen(_for_everybody(claimed), link, **claimed.values))


@router.message(Phrase("withdraw_claim"), where="any")
async def leave(message: Text, context: Context, task: str, reason: str) -> Reply:
    done = await (claims.withdraw(context, task, reason) if reason else claims.ask_withdrawal(context, task))
    return _left(context, done)


@router.press(Do.withdraw_claim)
async def leave_pressed(press: Press, context: Context, task: str) -> Reply:
    return _left(context, await claims.ask_withdrawal(context, task))


@router.press(Do.confirm_withdraw)
async def leave_with_reason(press: Press, context: Context, task: str, reason: str) -> Reply:
    return _left(context, await claims.withdraw(context, task, "", reason))


def _left(context: Context, done: Withdrawal) -> Reply:
    if done.ask is not None:
        return Say(done.ask)
    if not context.private:
        return Say(screen("claim.group.left", number=done.task.short_no))
    key = "claim.left" if not done.late else "claim.left_excused" if done.excused else "claim.left_late"
    return Say(screen(key, number=done.task.short_no), clear=True)


@router.press(Do.accept_offer, where="private")
async def accept(press: Press, context: Context, claim: str) -> Reply:
    claimed = await claims.accept_offer(context, claim)
    return Say(claimed.sheet, clear=True, subject=f"task:{claimed.task.id}")


@router.press(Do.decline_offer, where="private")
async def decline(press: Press, context: Context, claim: str) -> Reply:
    task = await claims.decline_offer(context, claim)
    return Say(screen("claim.left", number=task.short_no), clear=True)


@router.message(Phrase("verify_all"))
async def list_to_verify(message: Text, context: Context, task: str) -> Reply:
    return Say(await verifying.to_verify(context, task))


@router.message(Phrase("verify"))
async def verify(message: Text, context: Context, task: str, name: str) -> Reply:
    done = await verifying.verify_named(context, task, name)
    return Say(screen("verify.done", name=done.name, number=done.task.short_no, hours=done.claim.hours))


@router.press(Do.verify, where="private")
async def verify_pressed(press: Press, context: Context, claim: str) -> Reply:
    done = await verifying.verify(context, claim)
    return Say(screen("verify.done", name=done.name, number=done.task.short_no, hours=done.claim.hours))


@router.press(Do.rate_task, where="private")
async def thank_resident(press: Press, context: Context, task: str, grade: str) -> Reply:
    rated = await verifying.rate(context, task, grade)
    return Say(screen("rating.resident_thanks", title=rated.title), clear=True)


@router.message(Phrase("rate_task"))
async def rate(message: Text, context: Context, task: str, stars: str) -> Reply:
    rated = await verifying.rate_organisation(context, task, stars)
    return Say(screen("rating.organisation_done", number=rated.short_no, stars=rated.organisation_rating))


@router.press(Do.rate_organisation, where="private")
async def rate_pressed(press: Press, context: Context, task: str, grade: str) -> Reply:
    rated = await verifying.rate_organisation(context, task, grade)
    return Say(screen("rating.organisation_done", number=rated.short_no, stars=rated.organisation_rating), clear=True)
