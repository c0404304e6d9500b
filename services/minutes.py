"""Minutes of a meeting: drafted from facts when it ends, filled by the clerk, corrected by the units, confirmed by the secretary (§5, §11).

The program writes facts and leaves opinions to people; the same facts give the same document.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import ActionItem, Attendance, Meeting, Minutes, Person, ResourceItem, StateLog
from services import actions, documents, meeting_agenda, meeting_people, meeting_times, meetings, minutes_file, moves, post
from services.alarms import drop_alarms, set_alarm
from services.context import Context, Refusal
from services.identity import persons_with
from services.meeting_lines import whole
from services.meetings import STAFF, view
from services.metrics import cohort
from services.periods import Quarter
from services.spans import Span
from services.workdays import local
from texts import meeting_screens as screens
from texts.render import show as words_of
from texts.screen import Key, Screen, Value

KIND = "minutes"
LONGEST = 2000
CORRECTED = "correct"


async def draft(context: Context, meeting: Meeting) -> str:
    """Draft (or draft anew) from what is known now; the stored document's id. What people wrote stays."""
    kept = await context.session.get(Minutes, meeting.id, with_for_update=True)
    facts = await gather(context, meeting)
    if kept is None:
        kept = Minutes(meeting_id=meeting.id, drafted_at=context.now)
        context.session.add(kept)
    kept.facts = facts
    return await _document(context, meeting, kept)


async def _document(context: Context, meeting: Meeting, kept: Minutes) -> str:
    data = await asyncio.to_thread(minutes_file.docx, kept.facts, kept.text, kept.confirmed_at is not None)
    name = f"{words_of(Key('minutes.file', {'code': meeting.code}), meeting_agenda.DOCUMENTS)}.docx"
    made = await documents.keep(context, data, name, documents.DOCX, KIND, meeting.quarter)
    kept.media_id = made.media_id
    await context.session.flush()
    return made.media_id


async def gather(context: Context, meeting: Meeting) -> dict[str, Any]:
    """The facts: time, place, who came, numbers of the quarter, topics, decisions, resources and needs, the next meeting."""
    rows = await meeting_people.rows_of(context, meeting)
    names = dict(zip((row.id for row in rows), await meeting_people.names(context, rows), strict=True))
    leave = [names[row.id] for row in rows if row.attended_at is None and row.reply == "leave"]
    # Who is in the chair has no need to sign in to be there.
    came = [names[row.id] for row in rows if row.attended_at is not None or (_chairs(meeting, row) and row.reply != "leave")]
    absent = [names[row.id] for row in rows if row.attended_at is None and row.reply != "leave" and not _chairs(meeting, row)]
    units = await meeting_people.unit_names(context)
    items = await context.session.scalars(
        sa.select(ActionItem)
        .where(col(ActionItem.meeting_id) == meeting.id, col(ActionItem.state) != "CANCELLED")
        .order_by(col(ActionItem.number))
    )
    decided = [[item.text, await actions.owner_name(context, item, units), local(item.due).date().isoformat()] for item in items.all()]
    held = meeting.opened_at or meeting.planned_at
    quarter = Quarter.of(local(held).date()) if held else meetings.this_quarter(context)
    return {
        "community": context.ground.name, "title": words_of(view(meeting)["title"], meeting_agenda.DOCUMENTS), "code": meeting.code,
        "planned": local(meeting.planned_at).isoformat() if meeting.planned_at else "", "place": meeting.place,
        "late": bool(meeting.makes_up_for),
        "chair": await _name(context, meeting.chair_id), "recorder": await _name(context, meeting.recorder_id),
        "came": came, "leave": leave, "absent": absent, "numbers": await _numbers(context, quarter),
        "topics": [[text, unit] for _, text, unit in await meeting_agenda.topics(context, meeting)], "decided": decided,
        "resources": await _listed(context, meeting, "resource"), "needs": await _listed(context, meeting, "need"),
        "next": Quarter.of(quarter.end.date()).code, "made_at": local(context.now).date().isoformat(),
    }  # fmt: skip


def _chairs(meeting: Meeting, row: Attendance) -> bool:
    return row.person_id is not None and row.person_id == meeting.chair_id


async def _name(context: Context, person_id: str | None) -> str:
    person = await context.session.get(Person, person_id) if person_id else None
    return person.display_name if person else ""


async def _numbers(context: Context, quarter: Quarter) -> list[list[str]]:
    """The quarter so far as [name, number as read], by the formulas of services/metrics.py."""
    found = await cohort(context, Span.quarter(quarter), context.now)
    numbers: list[tuple[str, Value]] = [
        ("received", len(found.valid)), ("finished", found.finished().shown), ("in_time", found.in_time().shown),
        ("answered", found.answered().shown), ("satisfied", found.satisfied().shown),
    ]  # fmt: skip
    return [[name, words_of(value, meeting_agenda.DOCUMENTS)] for name, value in numbers]


async def _listed(context: Context, meeting: Meeting, side: str) -> list[int]:
    """How many items a list holds now, and how many of them came on it since the last meeting of this kind."""
    before = await context.session.scalar(
        sa.select(sa.func.max(Meeting.ended_at)).where(
            col(Meeting.community_id) == meeting.community_id, col(Meeting.kind) == meeting.kind, col(Meeting.id) != meeting.id,
            col(Meeting.ended_at) < context.now,
        )
    )  # fmt: skip
    query = sa.select(col(ResourceItem.listed_at)).where(
        col(ResourceItem.community_id) == context.ground.community_id,
        col(ResourceItem.side) == side,
        col(ResourceItem.state) == "PUBLISHED",
    )
    listed = list(await context.session.scalars(query))
    return [len(listed), sum(before is None or at > before for at in listed)]


# -- working on them ------------------------------------------------------------------------------------------------------
async def _kept(context: Context, meeting: Meeting) -> Minutes:
    kept = await context.session.get(Minutes, meeting.id, with_for_update=True)
    if kept is None:
        raise Refusal("minutes.none", **view(meeting))
    return kept


async def show(context: Context, code: str) -> Screen:
    """纪要 HY-…: the document as it stands, drawn anew until it is confirmed. Raises Refusal: not staff nor invited, or none yet."""
    meeting = await meetings.find(context, code)
    desk = context.actor.has(*STAFF)
    if not desk and not await meeting_people.own_rows(context, meeting):
        raise Refusal("meeting.not_invited")
    kept = await _kept(context, meeting)
    if not desk and kept.sent_at is None and kept.confirmed_at is None:
        raise Refusal("minutes.not_yet")
    media = await _document(context, meeting, kept) if kept.confirmed_at is not None or not desk else await draft(context, meeting)
    values: dict[str, Value] = {
        **view(meeting), "state": Key("minutes.confirmed_mark" if kept.confirmed_at else "minutes.draft_mark"),
        "until": kept.correct_until if kept.correct_until and kept.correct_until > context.now else None,
        "corrections": await _corrections(context, meeting) if desk else None,
    }  # fmt: skip
    return screens.minutes(meeting.id, values, media, meeting.state, desk=desk, chief=context.actor.has("community_secretary"))


async def _corrections(context: Context, meeting: Meeting) -> Key | None:
    query = sa.select(StateLog).where(
        col(StateLog.object_kind) == "meeting", col(StateLog.object_id) == meeting.id, col(StateLog.event) == CORRECTED
    )
    logs = await context.session.scalars(query.order_by(col(StateLog.id)))
    lines = screens.stack(Key("minutes.correction_line", {"text": log.note}) for log in logs)
    return Key("minutes.corrections", {"lines": lines}) if lines else None


async def add_opinion(context: Context, code: str, said: str) -> Screen:
    """意见 HY-… …: the clerk writes what was said; it stands under 议题与意见. Raises Refusal."""
    meeting = await _writable(context, code)
    if not said.strip():
        raise Refusal("minutes.opinion_how", code=meeting.code)
    kept = await _kept(context, meeting)
    kept.text = whole(f"{kept.text}\n{said.strip()}", LONGEST)
    await context.session.flush()
    return screens.minutes_noted(meeting.id, {**view(meeting), "text": kept.text}, chief=context.actor.has("community_secretary"))


async def _writable(context: Context, code: str) -> Meeting:
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    meeting = await meetings.find(context, code)
    if meeting.state != "HELD":
        raise Refusal("refused.state", code=meeting.code or "", state=Key(f"state.meeting.{meeting.state}"))
    return meeting


async def send_out(context: Context, code: str) -> Screen:
    """Give the draft to the units that were there, which may correct it within two workdays; the secretary is asked to confirm. Once."""
    meeting = await _writable(context, code)
    kept = await _kept(context, meeting)
    if kept.sent_at is not None:
        raise Refusal("minutes.sent_already", until=kept.correct_until)
    media = await draft(context, meeting)
    kept.sent_at, kept.correct_until = context.now, context.calendar.due(context.now, meeting_times.CORRECT_WORKDAYS)
    values: dict[str, Value] = {**view(meeting), "until": kept.correct_until}
    sent = await _to_units(context, meeting, screens.minutes_to_correct(values, media), "minutes_draft", attended=True)
    for person in await persons_with(context, "community_secretary"):
        shown = screens.minutes_to_confirm(meeting.id, values, media)
        await post.to_person(context, person.id, shown, key=f"minutes_to_confirm:{meeting.id}:{person.id}")
    return Screen("minutes.sent", {**values, "sent": sent})


async def _to_units(context: Context, meeting: Meeting, shown: Screen, why: str, *, attended: bool) -> int:
    sent = 0
    for row in await meeting_people.rows_of(context, meeting):
        person = await meeting_people.addressee(context, row) if row.unit_code and (row.attended_at or not attended) else None
        if person is not None:
            sent += await post.to_person(context, person.id, shown, key=f"{why}:{meeting.id}:{row.id}") is not None
    return sent


async def correct(context: Context, code: str, said: str) -> Screen:
    """更正 HY-… …: a unit that was there says what is wrong, within two workdays; the desk decides.

    Raises Refusal: not there, not asked yet, late, or the minutes are final.
    """
    meeting = await meetings.find(context, code)
    rows = [row for row in await meeting_people.own_rows(context, meeting) if row.unit_code and row.attended_at]
    if not rows:
        raise Refusal("minutes.correct_for")
    if not said.strip():
        raise Refusal("minutes.correct_how", code=meeting.code)
    kept = await _kept(context, meeting)
    if kept.confirmed_at is not None:
        raise Refusal("minutes.correct_final", code=meeting.code)
    if kept.sent_at is None or kept.correct_until is None:
        raise Refusal("minutes.correct_unsent", code=meeting.code)
    if context.now > kept.correct_until:
        raise Refusal("minutes.correct_late", until=kept.correct_until)
    (who, *_) = await meeting_people.names(context, rows)
    note = words_of(Key("minutes.correction", {"who": who, "text": whole(said, LONGEST)}), meeting_agenda.DOCUMENTS)
    moves.remark(context, meeting, CORRECTED, note)
    for person in await persons_with(context, "community_clerk", "coordinator"):
        await post.to_person(context, person.id, screens.corrected(meeting.id, {**view(meeting), "text": note}))
    return Screen("minutes.corrected", view(meeting))


async def confirm(context: Context, code: str, *, early: bool = False) -> Screen:
    """The secretary confirms: MINUTED, the document goes to every unit, and with nothing decided the meeting is closed. Raises Refusal.

    While the units may still correct the draft, or were not shown it, the secretary is asked first, unless it is to be `early`.
    """
    meeting = await meetings.find(context, code)
    await meetings.require(context, meeting, "confirm", "refused.only.secretary")
    kept = await _kept(context, meeting)
    if not early and (kept.correct_until is None or context.now <= kept.correct_until):
        values: dict[str, Value] = {**view(meeting), "until": kept.correct_until, "corrections": await _corrections(context, meeting)}
        return screens.minutes_early(meeting.id, values, sent=kept.correct_until is not None)
    await draft(context, meeting)
    kept = await _kept(context, meeting)
    await moves.move(context, meeting, "confirm")
    kept.confirmed_by, kept.confirmed_at = context.actor.id, context.now
    media = await _document(context, meeting, kept)
    sent = await _to_units(context, meeting, screens.minutes_final(view(meeting), media), "minutes_final", attended=False)
    closed = await actions.close_if_done(context, meeting)
    key = "minutes.confirmed_closed" if closed else "minutes.confirmed"
    return screens.with_media(Screen(key, {**view(meeting), "sent": sent}), media)


# -- by the clock -----------------------------------------------------------------------------------------------------------
async def set_alarms(context: Context, meeting: Meeting) -> datetime:
    """Remind of draft and confirmation on the mornings of the days on which they are due; by when to confirm.

    Sets `minutes_due`, unless that is over: what is over stays.
    """
    assert meeting.ended_at is not None
    due, confirm = (context.calendar.due(meeting.ended_at, days) for days in (meeting_times.DRAFT_WORKDAYS, meeting_times.CONFIRM_WORKDAYS))
    if meeting.minutes_due is None or meeting.minutes_due > context.now:
        meeting.minutes_due = due
    for job, last in (("minutes_draft", meeting.minutes_due), ("minutes_confirm", confirm)):
        await drop_alarms(context, job, meeting.id)
        if last > context.now:
            await set_alarm(context, job, meeting.id, max(meeting_times.at(local(last).date()), context.now))
    return confirm


async def recount(context: Context) -> None:
    """After the workdays of a year were entered: what is not over yet is due when it is due now, corrections of the units included."""
    query = sa.select(Meeting).where(col(Meeting.community_id) == context.ground.community_id, col(Meeting.state) == "HELD")
    for meeting in await context.session.scalars(query.order_by(col(Meeting.id)).with_for_update()):
        await set_alarms(context, meeting)
        kept = await context.session.get(Minutes, meeting.id)
        if kept is not None and kept.sent_at is not None and kept.correct_until is not None and kept.correct_until > context.now:
            kept.correct_until = context.calendar.due(kept.sent_at, meeting_times.CORRECT_WORKDAYS)


async def remind_draft(context: Context, meeting_id: str) -> str:
    """The third workday: minutes that have not gone to the units yet are the desk's to finish today."""
    meeting = await context.session.get(Meeting, meeting_id)
    kept = await context.session.get(Minutes, meeting_id)
    if meeting is None or meeting.state != "HELD" or (kept is not None and kept.sent_at is not None):
        return "done"
    shown = screens.minutes_due("minutes.draft_due", meeting.id, {**view(meeting), "due": meeting.minutes_due})
    readers = await persons_with(context, "community_clerk") or await persons_with(context, "coordinator")
    for person in readers:
        await post.once(context, person.id, shown, f"minutes_draft_due:{meeting.id}:{person.id}")
    return f"told {len(readers)}"


async def remind_confirm(context: Context, meeting_id: str) -> str:
    """The fifth workday: minutes that are not confirmed are the secretary's today."""
    meeting = await context.session.get(Meeting, meeting_id)
    if meeting is None or meeting.state != "HELD":
        return "done"
    shown = screens.minutes_due("minutes.confirm_due", meeting.id, view(meeting))
    readers = await persons_with(context, "community_secretary")
    for person in readers:
        await post.once(context, person.id, shown, f"minutes_confirm_due:{meeting.id}:{person.id}")
    return f"told {len(readers)}"
