"""After a task: who did not come and why, the hours verified, the two ratings.

member: 说明 31 原因                  bot: to the leader and the coordinators: [认可] [不认可]
leader: 核验 31, 核验 31 何晚晴         bot: a button for each; then both ratings are asked for
resident: [满意]                      leader: 评单 31 5, or the stars
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import verifying
from services.context import Context
from services.drafts import keep, kept
from texts.screen import screen
from texts.utterances import recognise

router = Router("verifying")
ABSENCE = "absence"
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Absence(Steps):
    """Why somebody did not come."""

    reason = State()


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
