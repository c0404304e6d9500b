"""Claiming and leaving a task, in the group or in private; who did not come; hours verified; the two ratings.

member: [接单] or 接单 31            bot: in the group only the card changes, in private the address and [签到] [退单]
member: 退单 31 原因                  bot: out; the freed place is offered to the first of the queue: [接受] [放弃]
member: 说明 31 原因                  bot: to the leader and the coordinators: [认可] [不认可]
leader: 核验 31, 核验 31 何晚晴         bot: a button for each; then the ratings: the resident's, and 评单 31 5
"""

from __future__ import annotations

from collections.abc import Awaitable

from bot.events import Do, Press, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, Silence, State, Steps, Toast
from services import claims, verifying
from services.claims import Claimed, Withdrawal
from services.context import Context, Refusal
from services.drafts import keep, kept
from texts.screen import Button, Screen, screen
from texts.utterances import recognise
from texts.work_screens import entry

router = Router("claims")
ABSENCE = "absence"
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Absence(Steps):
    """Why somebody did not come."""

    reason = State()


def _for_everybody(claimed: Claimed) -> str:
    return "claim.group." + ("active" if claimed.claim.state == "ACTIVE" else "waiting") + ("" if claimed.told else "_open")


async def _quietly(context: Context, number: str, work: Awaitable[Claimed | Withdrawal]) -> Reply:
    """In a group only the card changes: the answer, also a no, goes to the person; where they have no private chat, a link to it."""
    try:
        done = await work
    except Refusal as refused:
        told = await claims.whisper(context, Screen(refused.key, refused.values))
    else:
        told = done.told if isinstance(done, Claimed) else await claims.whisper(context, _farewell(done))
    link = [Button("button.private_chat", start=entry(number))]
    return Silence() if told else Say(screen("claim.group.open", link, number=number))


@router.message(Phrase("claim"), where="private")
async def take(message: Text, context: Context, task: str) -> Reply:
    claimed = await claims.claim(context, task)
    return Say(claimed.sheet, subject=f"task:{claimed.task.id}")


@router.message(Phrase("claim"), where="group")
async def take_in_group(message: Text, context: Context, task: str) -> Reply:
    return await _quietly(context, task, claims.claim(context, task))


@router.press(Do.claim)
async def take_pressed(press: Press, context: Context, task: str) -> Reply:
    claimed = await claims.claim(context, task)
    if context.private:
        return Say(claimed.sheet, subject=f"task:{claimed.task.id}")
    link = [] if claimed.told else [Button("button.private_chat", start=entry(str(claimed.task.short_no)))]
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


@router.message(Phrase("explain_absence"), to=Absence.reason)
async def explain(message: Text, context: Context, task: str, reason: str) -> Reply:
    return await _passed_on(context, task, reason) if reason else await _ask_why(context, task)


@router.press(Do.explain_absence, to=Absence.reason, where="private")
async def ask_absence(press: Press, context: Context, task: str) -> Reply:
    return await _ask_why(context, task)


async def _ask_why(context: Context, number: str) -> Reply:
    task, _ = await verifying.to_explain(context, number)
    keep(context, ABSENCE, task=task.id)
    return Ask(Absence.reason, screen("claim.explain_why", number=task.short_no))


@router.message(Absence.reason, ANSWER)
async def take_explanation(message: Text, context: Context) -> Reply:
    return await _passed_on(context, kept(context, ABSENCE).get("task", ""), message.text)


async def _passed_on(context: Context, number: str, reason: str) -> Reply:
    task = await verifying.explain(context, number, reason)
    return End(screen("claim.explain_done", number=task.short_no))


@router.press(Do.excuse, where="private")
async def decide_absence(press: Press, context: Context, claim: str, answer: str) -> Reply:
    done = await verifying.decide_absence(context, claim, answer)
    key = "claim.excuse_done" if done.claim.state == "EXCUSED" else "claim.excuse_refused"
    return Say(screen(key, number=done.task.short_no, name=done.name), clear=True)


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
