"""What staff ask in everyday words, and a ticket's code inside a sentence: what exists is shown, never a new report.

staff: 还有哪些没办 / C座停电那个已经修好了     bot: what waits, a button for each
staff: 逾期的是哪几个 / 今天有什么事            bot: what is overdue / the day's digest
staff: 下周有什么会 / 会议改到9月23日           bot: the meetings, to be chosen from
liaison: 完成了 外墙都查过了                     bot: the decisions of the unit, to be chosen from
anybody: (words with WT-… that are no command) bot: that ticket as they may see it, with its buttons and what was said
Heard after every dialog but that of a report; who is no staff goes on to the report as ever.
"""

from __future__ import annotations

from typing import Any

from bot.events import Event, Text
from bot.router import Phrase, Reply, Router, Say
from handlers.staff import ask_or_say
from services import Context, actions, desk, digests, meeting_replies
from texts.answers import meaning
from texts.utterances import code_within

router = Router("staff_questions")


def from_staff(event: Event, data: dict[str, Any]) -> bool:
    """Whether one who handles tickets asks."""
    return desk.handles(data["context"])


def says_done(event: Event, data: dict[str, Any]) -> bool:
    """Whether a unit's liaison says that something is done, and not what."""
    context: Context = data["context"]
    return isinstance(event, Text) and context.actor.has("unit_liaison") and meaning("done", event.text) is not None


def names_ticket(event: Event, data: dict[str, Any]) -> bool:
    """Whether the sentence has the whole code of a ticket in it, and is no danger of its own."""
    return isinstance(event, Text) and desk.is_about_ticket(event.text)


@router.message(Phrase("work_asked", loose=True), from_staff)
async def list_work(message: Text, context: Context) -> Reply:
    return ask_or_say(await desk.todo(context))


@router.message(Phrase("overdue_asked", loose=True), from_staff)
async def list_overdue(message: Text, context: Context) -> Reply:
    return Say(await digests.overdue(context))


@router.message(Phrase("day_asked", loose=True), from_staff)
async def show_day(message: Text, context: Context) -> Reply:
    return Say(await digests.today(context))


@router.message(Phrase("meetings_asked", loose=True), from_staff)
async def list_meetings(message: Text, context: Context) -> Reply:
    return Say(await meeting_replies.listing(context))


@router.message(says_done)
async def list_decisions(message: Text, context: Context) -> Reply:
    return Say(await actions.listing(context))


@router.message(names_ticket)
async def show_ticket(message: Text, context: Context) -> Reply:
    answer = await desk.named(context, code_within(message.text), message.text)
    return Say(answer.screen, subject=answer.subject)
