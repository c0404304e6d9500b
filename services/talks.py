"""逢四说事: every Thursday evening residents may say what is on their mind; who books is heard first (domain.md §6 Thursday talk, §10)."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import AgendaItem, Meeting, Person
from services import audit, drafts, meeting_agenda, meeting_times, moves, post
from services.context import Context, Refusal
from services.identity import persons_with
from services.meeting_alarms import TALK
from services.meeting_lines import whole
from services.tasks import program
from services.workdays import local
from texts import meeting_screens as screens
from texts.screen import Key, Screen, Value

BOOKING, DRAFT = "booking", "talk"
LONGEST = 300


async def _talk(context: Context) -> Meeting:
    """The next talk's row, locked; made where there is none yet."""
    collection = meeting_times.next_talk(context.calendar, context.now)
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) == TALK, col(Meeting.planned_at) == collection
    )
    found: Meeting | None = await context.session.scalar(query.with_for_update())
    if found is None:
        found = Meeting(community_id=context.ground.community_id, kind=TALK, planned_at=collection, created_at=context.now)
        await moves.begin(program(context), found, "placeholder")
    return found


async def _bookings(context: Context, talk: Meeting) -> list[AgendaItem]:
    query = sa.select(AgendaItem).where(
        col(AgendaItem.meeting_id) == talk.id, col(AgendaItem.source) == BOOKING, col(AgendaItem.state) != "DROPPED"
    )
    return list(await context.session.scalars(query.order_by(col(AgendaItem.number))))


# -- residents ------------------------------------------------------------------------------------------------------------
async def book(context: Context, said: str) -> Screen | None:
    """预约说事[：…]: a place at the next talk, with what it is about; None: that is awaited. Saying it again changes it."""
    talk = await _talk(context)
    if not said.strip():
        drafts.keep(context, DRAFT, at=talk.planned_at.isoformat() if talk.planned_at else "")
        return None
    for item in await _bookings(context, talk):
        if item.proposer_id == context.actor.id:
            item.text = whole(said, LONGEST)
            return screens.booked({"at": talk.planned_at, "text": item.text, "number": item.number})
    item = await meeting_agenda.add(context, talk, whole(said, LONGEST), BOOKING)
    return screens.booked({"at": talk.planned_at, "text": item.text, "number": item.number})


async def asking(context: Context) -> Screen:
    """The question what it is about, with the day of the talk."""
    return screens.ask_matter({"at": meeting_times.next_talk(context.calendar, context.now)})


async def cancel(context: Context) -> Screen:
    """取消说事: the place is given back. Raises Refusal: nothing was booked."""
    talk = await _talk(context)
    own = [item for item in await _bookings(context, talk) if item.proposer_id == context.actor.id]
    if not own:
        raise Refusal("talk.not_booked")
    for item in own:
        item.state = "DROPPED"
    return Screen("talk.cancelled", {"at": talk.planned_at})


# -- by the clock -----------------------------------------------------------------------------------------------------------
async def announce(context: Context, _subject: str) -> str:
    """Wednesday 17:00: tomorrow's talk is announced in the public group; nothing where tomorrow is a day off."""
    tomorrow = local(context.now).date() + timedelta(days=1)
    talk = await _talk(context) if context.calendar.is_workday(tomorrow) else None
    if talk is None or talk.planned_at is None or local(talk.planned_at).date() != tomorrow:
        return "no talk tomorrow"
    if talk.state != "PLACEHOLDER":
        return "already"
    await moves.move(context, talk, "announce", noticed_at=context.now)
    rows = await post.to_purpose(context, "public", screens.talk_announced({"at": talk.planned_at}))
    return f"announced in {len(rows)}"


async def collect(context: Context, _subject: str) -> str:
    """Thursday 20:00: what was booked goes to the coordinators, in private; each matter can be reported from there."""
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) == TALK,
        col(Meeting.state).in_(("PLACEHOLDER", "NOTICED")), col(Meeting.planned_at) <= context.now,
    )  # fmt: skip
    found = list(await context.session.scalars(query.order_by(col(Meeting.planned_at)).with_for_update()))
    for talk in found:
        await moves.move(context, talk, "collect", ended_at=context.now)
        lines = []
        readers = await persons_with(context, "coordinator", "community_clerk") or await persons_with(context, "community_secretary")
        for number, item in enumerate(await _bookings(context, talk), 1):
            person = await context.session.get(Person, item.proposer_id) if item.proposer_id else None
            lines.append(Key("talk.line", {"number": number, "who": person.display_name if person else "", "text": item.text}))
            for reader in readers:
                audit.looked(context, item.proposer_id, "name", f"meeting:{talk.id}", viewer=reader.id)
        values: dict[str, Value] = {"at": talk.planned_at, "count": len(lines), "lines": screens.stack(lines)}
        for reader in readers:
            shown = Screen("talk.collected" if lines else "talk.collected_none", values)
            await post.to_person(context, reader.id, shown, key=f"talk_collected:{talk.id}:{reader.id}")
    return f"collected {len(found)}"
