"""The buttons under the card of a report, and of the question whether it is the one already known.

resident: [提交] / [匿名提交]       bot: the receipt with code and dates
resident: [是同一件] / [不是]       bot: counted in with that one; or the card
"""

from __future__ import annotations

from bot.events import Do, Press
from bot.router import End, Reply, Router, Say, Toast
from handlers.report_steps import AFTER_TEXT, ask_next, submitted
from services import Context, intake, tickets
from texts.screen import screen

router = Router("report_card")


@router.press(Do.submit)
async def submit(press: Press, context: Context, draft: str) -> Reply:
    return await _submit(press, context, draft)


@router.press(Do.anonymous)
async def submit_anonymously(press: Press, context: Context, draft: str) -> Reply:
    return await _submit(press, context, draft, anonymous=True)


async def _submit(press: Press, context: Context, draft: str, *, anonymous: bool = False) -> Reply:
    problem, fresh = await intake.submit(context, draft, anonymous=anonymous)
    if fresh:
        return await submitted(context, problem)
    already = screen("report.already", code=problem.code)
    # A typed 提交 is answered by a message, which can be replied to.
    return Toast(already, clear=True) if press.press_id else Say(already, subject=tickets.subject(problem))


@router.press(Do.discard)
async def discard(press: Press, context: Context, draft: str) -> Reply:
    await intake.discard(context, draft)
    return End(screen("report.discarded"), clear=True)


@router.press(Do.same)
async def support(press: Press, context: Context, draft: str, problem: str) -> Reply:
    found = await intake.support(context, draft, problem)
    return End(screen("report.supported", code=found.code), clear=True, subject=tickets.subject(found))


@router.press(Do.different, to=AFTER_TEXT)
async def go_on(press: Press, context: Context, draft: str) -> Reply:
    (await intake.open_draft(context, draft)).data["different"] = True
    return await ask_next(context, clear=True)
