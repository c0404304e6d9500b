"""What happens to meetings by the clock (domain.md §5 Meeting, §6): every alarm is about one meeting and the date it had then.

Each job looks at the meeting as it is now, does nothing for a date that is over, and may run twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from models import Meeting, Person
from services import meeting_agenda, meeting_day, meeting_people, meeting_times, meetings, moves, post
from services.context import Context
from services.identity import persons_with
from services.meeting_alarms import COMING, drop_meeting_alarms, set_quarter_alarms, subject
from services.meetings import JOINT, STAFF, this_quarter, view
from services.periods import Quarter
from services.workdays import DAY_END, Calendar, local
from texts import meeting_screens as screens
from texts.screen import Screen, Value

DESK = ("coordinator", "community_clerk")


async def _meeting(context: Context, about: str) -> Meeting | None:
    """The meeting that an alarm is about, locked; None when its date has been changed since."""
    meeting_id, _, number = about.partition(":")
    found: Meeting | None = await context.session.get(Meeting, meeting_id, with_for_update=True)
    return found if found is not None and (not number or found.round == int(number)) else None


async def _tell(context: Context, persons: Iterable[Person], shown: Screen, key: str) -> int:
    told = 0
    for person in persons:
        told += await post.once(context, person.id, shown, f"{key}:{person.id}")
    return told


# -- the quarter's obligation ---------------------------------------------------------------------------------------------
async def open_quarter(context: Context, _subject: str) -> str:
    """Every night: the quarter's joint meeting has its row, so that nobody has to remember it is owed."""
    quarter = this_quarter(context)
    if await meetings.owed(context, quarter) is not None:
        return "there is one"
    meeting = Meeting(community_id=context.ground.community_id, kind=JOINT, quarter=quarter.code, created_at=context.now)
    await moves.begin(context, meeting, "placeholder")
    await set_quarter_alarms(context, meeting)
    return f"placeholder {quarter.code}"


async def remind_to_schedule(context: Context, about: str) -> str:
    """The quarter's meeting has no date yet: to the coordinators, in the last two weeks to the secretary too."""
    meeting = await _meeting(context, about)
    quarter = Quarter.parse(meeting.quarter) if meeting is not None else None
    if meeting is None or quarter is None or meeting.state != "PLACEHOLDER":
        return "scheduled"
    last = context.calendar.previous_workday(meeting_times.last_day(quarter))
    left = sum(
        context.calendar.is_workday(day) for day in meeting_times.days_between(local(context.now).date(), meeting_times.last_day(quarter))
    )
    late = left <= meeting_times.UNSCHEDULED_WORKDAYS[1] + 1
    readers = await persons_with(context, *(STAFF if late else DESK))
    readers = readers or await persons_with(context, "community_secretary")
    values: dict[str, Value] = {"quarter": quarter.word, "last": last, "left": left}
    told = await _tell(
        context, readers, Screen("meeting.unscheduled", values), f"meeting_unscheduled:{meeting.id}:{local(context.now).date()}"
    )
    return f"told {told}"


async def call_missed(context: Context, about: str) -> str:
    """First workday of the new quarter: a meeting that was not held is missed, whatever comes later; secretary and street are told."""
    meeting = await _meeting(context, about)
    quarter = Quarter.parse(meeting.quarter) if meeting is not None else None
    if meeting is None or quarter is None or meeting.state not in ("PLACEHOLDER", *COMING):
        return "held"
    await drop_meeting_alarms(context, meeting)
    await moves.move(context, meeting, "miss")
    readers = await persons_with(context, "community_secretary", "street_organizer")
    told = await _tell(context, readers, Screen("meeting.missed", {"quarter": quarter.word}), f"meeting_missed:{meeting.id}")
    return f"told {told}"


async def tell_of_days_off(context: Context, before: Calendar) -> None:
    """Workdays were entered: the desk hears of every meeting whose day has become one off; people choose another (domain.md §1)."""
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.state).in_(COMING), col(Meeting.planned_at) > context.now
    )
    for meeting in await context.session.scalars(query.order_by(col(Meeting.planned_at))):
        assert meeting.planned_at is not None
        day = local(meeting.planned_at).date()
        if context.calendar.is_workday(day) or not before.is_workday(day):
            continue
        quarter = Quarter.parse(meeting.quarter) if meeting.makes_up_for is None else None
        days = meeting_times.alternatives(context.calendar, day, quarter, local(context.now).date())
        shown = Screen("meeting.now_day_off", {**view(meeting), "days": list(days) or None})
        await _tell(context, await persons_with(context, *STAFF), shown, f"meeting_day_off:{subject(meeting)}:{day}")


# -- before the meeting ---------------------------------------------------------------------------------------------------
async def call_topics(context: Context, about: str) -> str:
    """Fifteen days before: the units are asked for topics, until 17:30 of T-4."""
    meeting = await _meeting(context, about)
    if meeting is None or meeting.state != "SCHEDULED" or meeting.planned_at is None:
        return "no longer"
    times = meeting_times.of_meeting(context.calendar, meeting.planned_at)
    if times.agenda <= context.now:
        return "too late for topics"
    await moves.move(context, meeting, "topics")
    values: dict[str, Value] = {**view(meeting), "close": times.agenda}
    persons: dict[str, Person] = {}
    for row in await meeting_people.planned(context, meeting):
        if row.unit_code is not None and (person := await meeting_people.addressee(context, row)) is not None:
            persons[person.id] = person
    told = await _tell(context, persons.values(), Screen("meeting.topics_called", values), f"meeting_topics:{subject(meeting)}")
    return f"told {told}"


async def close_topics(context: Context, about: str) -> str:
    """17:30 of T-4: the agenda is drafted and goes to the desk to be edited before the notice."""
    meeting = await _meeting(context, about)
    if meeting is None or meeting.state not in ("SCHEDULED", "TOPICS") or meeting.planned_at is None:
        return "no longer"
    if meeting.planned_at <= context.now:
        return "its time is over"
    left = await meeting_agenda.draft(context, meeting)
    await moves.move(context, meeting, "agenda")
    notice = meeting_times.of_meeting(context.calendar, meeting.planned_at).notice
    topics = await meeting_agenda.topics(context, meeting)
    shown = screens.agenda(meeting.id, view(meeting), topics, True, notice=notice if notice > context.now else None, left=left)
    await _tell(context, await persons_with(context, *DESK), shown, f"meeting_agenda:{subject(meeting)}")
    return f"{len(topics)} topics"


async def give_notice(context: Context, about: str) -> str:
    """09:00 of T-3: everybody invited gets time, place and topics with [参加] [请假]; the desk hears whom it could not reach."""
    meeting = await _meeting(context, about)
    if meeting is None or meeting.state not in ("SCHEDULED", "TOPICS", "AGENDA") or meeting.planned_at is None:
        return "no longer"
    if meeting.planned_at <= context.now:
        readers = await persons_with(context, *DESK)
        await _tell(context, readers, Screen("meeting.notice_missed", view(meeting)), f"meeting_notice_missed:{subject(meeting)}")
        return "its time is over"
    await moves.move(context, meeting, "notice", noticed_at=context.now)
    rows = await meeting_people.invite(context, meeting)
    for item in await meeting_agenda.items(context, meeting):
        item.state = "ADOPTED"
    values = await notice_values(context, meeting)
    sent, unreached = 0, []
    for row in rows:
        person = await meeting_people.addressee(context, row)
        shown = screens.notice(row.id, meeting.id, values)
        key = f"meeting_notice:{subject(meeting)}:{row.id}"
        if person is None or await post.to_person(context, person.id, shown, key=key) is None:
            unreached.append(row)
        else:
            sent += 1
    told: dict[str, Value] = {**view(meeting), "sent": sent, "unreached": await meeting_people.names(context, unreached) or None}
    readers = await persons_with(context, *DESK)
    await _tell(context, readers, screens.notice_sent(meeting.id, told), f"meeting_notice:{subject(meeting)}:desk")
    return f"sent {sent}" + (f", {len(unreached)} cannot be reached" if unreached else "")


async def notice_values(context: Context, meeting: Meeting) -> dict[str, Value]:
    """What a notice says (domain.md §11): when, where, the topics, until when to answer."""
    assert meeting.planned_at is not None
    topics = await meeting_agenda.topics(context, meeting)
    day = local(meeting.planned_at).date()
    answer = meeting_times.at(context.calendar.add(day, -2), DAY_END)
    return {
        **view(meeting), "count": len(topics) or None, "topics": screens.topic_lines(topics),
        "until": answer if answer > context.now else None,
    }  # fmt: skip


async def ask_again(context: Context, about: str) -> str:
    """T-1: those who have not answered are asked once more, each in private."""
    meeting = await _meeting(context, about)
    if meeting is None or meeting.state != "NOTICED" or meeting.planned_at is None:
        return "no longer"
    times = meeting_times.of_meeting(context.calendar, meeting.planned_at)
    if _too_late(context, meeting, times.second_ask, times.day_of):
        return "too late"
    return f"asked {await _remind(context, meeting, 'meeting.ask_again', [''], 'meeting_second_ask')}"


async def remind_today(context: Context, about: str) -> str:
    """Two hours before: everybody who has not taken leave."""
    meeting = await _meeting(context, about)
    if meeting is None or meeting.state not in ("NOTICED", "IN_SESSION") or meeting.planned_at is None:
        return "no longer"
    if _too_late(context, meeting, meeting_times.of_meeting(context.calendar, meeting.planned_at).day_of, meeting.planned_at):
        return "too late"
    return f"reminded {await _remind(context, meeting, 'meeting.today', ['', 'yes'], 'meeting_day_of')}"


async def ask_if_held(context: Context, about: str) -> str:
    """At the end of its day nobody has opened it: was it held? To the desk and the secretary, who can still enter or move it."""
    meeting = await _meeting(context, about)
    if meeting is None or meeting.state not in COMING or meeting.planned_at is None or meeting.planned_at > context.now:
        return "no longer"
    shown = screens.ask_if_held([(meeting.id, meeting_day.unopened_view(context, meeting))])
    return f"asked {await _tell(context, await persons_with(context, *STAFF), shown, f'meeting_unopened:{subject(meeting)}')}"


def _too_late(context: Context, meeting: Meeting, due: datetime, until: datetime) -> bool:
    """After a downtime: whether the next message says it all, or the notice has only just been given."""
    return context.now >= until or (meeting.noticed_at is not None and meeting.noticed_at >= due)


async def _remind(context: Context, meeting: Meeting, key: str, replies: list[str], why: str) -> int:
    told = 0
    for row in await meeting_people.rows_of(context, meeting):
        person = await meeting_people.addressee(context, row) if row.reply in replies else None
        if person is not None:
            shown = screens.reminder(key, row.id, meeting.id, view(meeting), answered=bool(row.reply))
            told += await post.to_person(context, person.id, shown, key=f"{why}:{subject(meeting)}:{row.id}") is not None
    return told
