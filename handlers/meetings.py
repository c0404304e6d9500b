"""Convening a meeting (联席会议): a date around days off and within the quarter, its agenda, another date.

coordinator: 开会 党建联席会议 9月28日14:30 党群中心二楼   bot: what happens when; a day off: [9月24日] [9月28日]; another quarter: sure?
coordinator: 改期 HY-… 9月29日14:30 原因                   bot: told to everybody asked; once noticed it is the secretary's
coordinator: 改地点 HY-… 三楼会议室 原因                    bot: the same meeting elsewhere, everybody told
clerk: 议程 HY-…, 加议题 HY-… …, 删议题 HY-… 2, 改议题 HY-… 2 …
clerk: 加邀 HY-… somebody, 撤邀 HY-… somebody                  bot: told with the notice, or at once
staff: 会议, 会议 HY-…
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Do, Event, Press, Text
from bot.router import Phrase, Reply, Router, Say
from services import meeting_agenda, meeting_calendar, meeting_guests, meeting_place, meeting_replies, meetings
from services.context import Context
from texts.pages import offset_in
from texts.screen import screen
from texts.utterances import normalise

router = Router("meetings")
loose = Router("meetings.loose")


# -- a date
@router.message(Phrase("meeting"))
async def convene(message: Text, context: Context, line: str) -> Reply:
    return Say(await meetings.ask(context, line) if line else screen("meeting.how"))


@router.press(Do.meeting_date, where="private")
async def take_day(press: Press, context: Context, draft: str, day: str) -> Reply:
    return Say(await meetings.pick_day(context, draft, day), clear=True)


@router.press(Do.meeting_how, where="private")
async def take_answer(press: Press, context: Context, draft: str, how: str) -> Reply:
    return Say(await meetings.pick_how(context, draft, how), clear=True)


@router.message(Phrase("change_meeting"))
async def change(message: Text, context: Context, meeting: str, line: str) -> Reply:
    return Say(await meeting_place.reschedule(context, meeting, line))


@router.message(Phrase("meeting_place"))
async def change_place(message: Text, context: Context, meeting: str, line: str) -> Reply:
    return Say(await meeting_place.change(context, meeting, line))


@loose.middleware
async def only_for_the_desk(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """Another place without a code is a meeting's only when the desk says it, and one is to come."""
    if not isinstance(event, Text) or Phrase("meeting_place_loosely")(event, normalise(event.text)) is None:
        return None
    context: Context = data["context"]
    context.facts["coming"] = await meeting_place.coming(context)
    return await call(event, data) if context.facts["coming"] else None


@loose.message(Phrase("meeting_place_loosely", loose=True))
async def ask_which_meeting(message: Text, context: Context, line: str) -> Reply:
    return Say(meeting_place.ask_which(context.facts["coming"], line))


@router.press(Do.meeting_put_off, where="private")
async def put_off(press: Press, context: Context, draft: str) -> Reply:
    return Say(await meetings.put_off(context, draft), clear=True)


@router.message(Phrase("cancel_meeting"))
async def call_off(message: Text, context: Context, meeting: str, reason: str) -> Reply:
    return Say(await meetings.cancel(context, meeting, reason))


# -- looking
@router.message(Phrase("meetings"))
async def list_meetings(message: Text, context: Context) -> Reply:
    return Say(await meeting_replies.listing(context))


@router.press(Do.meetings, where="private")
async def list_more_meetings(press: Press, context: Context, offset: str) -> Reply:
    return Say(await meeting_replies.listing(context, offset_in(offset)))


@router.message(Phrase("meeting_status"))
async def show(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await meeting_replies.status(context, meeting))


@router.press(Do.meeting_show, where="private")
async def show_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_replies.status(context, meeting))


@router.press(Do.meeting_calendar, where="private")
async def give_calendar_file(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_calendar.file(context, meeting))


@router.message(Phrase("calendar"))
async def give_feed(message: Text, context: Context) -> Reply:
    return Say(await meeting_calendar.address(context))


# -- guests
@router.message(Phrase("invite_guest"))
async def invite_guest(message: Text, context: Context, meeting: str, line: str) -> Reply:
    return Say(await meeting_guests.add(context, meeting, line))


@router.message(Phrase("uninvite_guest"))
async def uninvite_guest(message: Text, context: Context, meeting: str, line: str) -> Reply:
    return Say(await meeting_guests.remove(context, meeting, line))


# -- the agenda
@router.message(Phrase("agenda"))
async def show_agenda(message: Text, context: Context, meeting: str) -> Reply:
    return Say(await meeting_agenda.show(context, meeting))


@router.press(Do.meeting_agenda, where="private")
async def show_agenda_pressed(press: Press, context: Context, meeting: str) -> Reply:
    return Say(await meeting_agenda.show(context, meeting))


@router.message(Phrase("add_topic"))
async def add_topic(message: Text, context: Context, meeting: str, text: str) -> Reply:
    return Say(await meeting_agenda.insert(context, meeting, text))


@router.message(Phrase("drop_topic"))
async def drop_topic(message: Text, context: Context, meeting: str, item: str) -> Reply:
    return Say(await meeting_agenda.drop(context, meeting, item))


@router.press(Do.meeting_drop_topic, where="private")
async def drop_topic_pressed(press: Press, context: Context, meeting: str, number: str) -> Reply:
    return Say(await meeting_agenda.drop(context, meeting, number), edit=True)


@router.message(Phrase("edit_topic"))
async def edit_topic(message: Text, context: Context, meeting: str, item: str, text: str) -> Reply:
    return Say(await meeting_agenda.edit(context, meeting, item, text))
