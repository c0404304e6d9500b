"""The buttons of a ticket, for those who handle it.

leader: [受理] [已联系]                           bot: done, the ticket changes where it stands
leader: [办结] [上报] [退回网格]                  bot: asks for the words (handlers/staff.py goes on)
coordinator: [不受理]                             bot: the listed reasons → [非本社区] → done
leader: [派单]                                    bot: how a dispatch is written
anybody who may: [查看] [编号]                    bot: the ticket, or the progress sheet
"""

from __future__ import annotations

from bot.events import Press
from bot.router import Reply, Router, Say
from handlers.staff import Words, ask_or_say
from services import Context, desk, mine, problems, tickets
from texts import problem_screens
from texts.actions import Do
from texts.answers import meanings

router = Router("tickets")


async def perform(context: Context, verb: str, problem_id: str) -> Reply:
    """Carry out a verb on the problem, or ask for its words."""
    return ask_or_say(await desk.perform(context, verb, await problems.get(context, problem_id)))


@router.press(Do.accept)
async def accept(press: Press, context: Context, problem: str) -> Reply:
    return await perform(context, "accept", problem)


@router.press(Do.contacted)
async def note_contact(press: Press, context: Context, problem: str) -> Reply:
    return await perform(context, "contacted", problem)


@router.press(Do.resolve, to=Words.text)
async def ask_result(press: Press, context: Context, problem: str) -> Reply:
    return await perform(context, "resolve", problem)


@router.press(Do.escalate, to=Words.text)
async def ask_reason(press: Press, context: Context, problem: str) -> Reply:
    return await perform(context, "escalate", problem)


@router.press(Do.return_to_grid, to=Words.text)
async def ask_why_back(press: Press, context: Context, problem: str) -> Reply:
    return await perform(context, "return", problem)


@router.press(Do.reject_reasons)
async def ask_listed_reason(press: Press, context: Context, problem: str) -> Reply:
    found = await problems.get(context, problem)
    await problems.require_rejecting(context, found)
    return Say(problem_screens.reject_reasons(found.id, found.code, meanings("reject")), subject=tickets.subject(found))


@router.press(Do.reject)
async def reject(press: Press, context: Context, problem: str, reason: str) -> Reply:
    found = await problems.get(context, problem)
    return Say(await desk.reject(context, found, reason), subject=tickets.subject(found), clear=True)


@router.press(Do.show)
async def show(press: Press, context: Context, problem: str) -> Reply:
    shown = await mine.look(context, await problems.get(context, problem))
    return Say(shown.screen, card=shown.card, subject=shown.subject)
