"""Decisions of meetings as work with an owner and a date (议定事项): decided, reminded of, done, handed on (domain.md §5 Meeting)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from models import ActionItem, Meeting, Person
from services import codes, meeting_people, meeting_times, meetings, moves, people, post, problems, tickets
from services.alarms import drop_alarms, set_alarm
from services.context import Context, Refusal
from services.hours import NEXT_YEAR_WITHIN
from services.identity import persons_with
from services.meeting_lines import whole
from services.meetings import STAFF
from services.tasks import program
from services.units import own_units
from services.workdays import DAY_END, local
from texts import meeting_screens as screens
from texts import pages
from texts.screen import Key, Screen, Value

DECIDING = ("IN_SESSION", "HELD", "MINUTED")
LONGEST, LEAST_RESULT, LISTED = 300, 4, 12
SECRETARYS = ("extend", "cancel")
AHEAD, TODAY, OVER = "ahead", "today", "over"


# -- deciding -----------------------------------------------------------------------------------------------------------
async def decide(context: Context, code: str, owner: str, day: str, text: str) -> Screen:
    """议定 HY-… U08 10月20日前 …: one more decision, told to who has to do it. Raises Refusal: not the desk, no such owner, a past date."""
    meeting = await meetings.find(context, code)
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    if meeting.state not in DECIDING:
        raise Refusal("action.not_now", code=meeting.code, state=Key(f"state.meeting.{meeting.state}"))
    if not (owner and day and text.strip()):
        raise Refusal("action.how", code=meeting.code)
    unit, person = await owner_named(context, owner)
    due = _due(context, day)
    last = await context.session.scalar(sa.select(sa.func.max(ActionItem.number)).where(col(ActionItem.meeting_id) == meeting.id))
    number = (last or 0) + 1
    item = ActionItem(
        meeting_id=meeting.id, code=f"{meeting.code}-{number}", number=number, text=whole(text, LONGEST), unit_code=unit,
        owner_id=person.id if person else None, due=due,
    )  # fmt: skip
    await moves.begin(context, item, "decide")
    await set_alarms(context, item)
    values = await _values(context, item)
    told = await _tell_owner(context, item, screens.action_given(item.id, values), f"action_given:{item.id}")
    values["unreached"] = None if told else Key("action.unreached")
    values["provisional"] = tickets.provisional(context, due)
    return Screen("action.decided", values)


async def owner_named(context: Context, said: str) -> tuple[str | None, Person | None]:
    """The unit's code, or the person, of this name. Raises Refusal: nobody, or several."""
    units = await meeting_people.unit_names(context)
    wanted = people.plain(said)
    exact = [code for code, name in units.items() if wanted in (people.plain(code), people.plain(name))]
    found = exact or [code for code, name in units.items() if len(wanted) > 1 and wanted in people.plain(name)]
    if len(found) == 1:
        return found[0], None
    if found:
        raise Refusal("action.which_unit", options=[Key("action.unit", {"code": code, "name": units[code]}) for code in found])
    return None, await people.one_named(context, said)


def _due(context: Context, day: str) -> datetime:
    """17:30 of the day. Raises Refusal: no such day, it is over, or it was without its year and is hardly the next one that is meant."""
    today = local(context.now).date()
    date = problems.parse_day(day, today)
    if date is None:
        raise Refusal("refused.date")
    if not re.search(r"\d{4}", day) and date.year > today.year and date - today > NEXT_YEAR_WITHIN:
        raise Refusal("action.day_over", day=date, year=str(date.year))
    due = meeting_times.at(date, DAY_END)
    if due <= context.now:
        raise Refusal("meeting.past", at=due)
    return due


def _other_year(context: Context, due: datetime) -> Key | None:
    """The year of a date that is not of this one: dates are shown without."""
    year = local(due).year
    return Key("action.other_year", {"year": str(year)}) if year != local(context.now).year else None


async def set_alarms(context: Context, item: ActionItem) -> None:
    """Three workdays before, that morning, the workday after; then the digest alone. What has gone by is left out."""
    ahead, today, over = meeting_times.action_times(context.calendar, item.due)
    due = f"{local(item.due):%Y%m%d}"
    if ahead > context.now:
        await set_alarm(context, "action_reminder", f"{item.id}:{AHEAD}:{due}", ahead)
    if today > context.now:
        await set_alarm(context, "action_reminder", f"{item.id}:{TODAY}:{due}", today)
    await set_alarm(context, "action_reminder", f"{item.id}:{OVER}:{due}", over)


async def _drop_alarms(context: Context, item: ActionItem) -> None:
    for step in (AHEAD, TODAY, OVER):
        await drop_alarms(context, "action_reminder", f"{item.id}:{step}:{local(item.due):%Y%m%d}")


async def recount(context: Context) -> None:
    """After the workdays of a year were entered: what is open is reminded of on the workdays that are so now."""
    ours = sa.select(ActionItem).join(Meeting, col(Meeting.id) == col(ActionItem.meeting_id))
    query = ours.where(col(Meeting.community_id) == context.ground.community_id, col(ActionItem.state) == "OPEN")
    for item in await context.session.scalars(query.order_by(col(ActionItem.code))):
        await _drop_alarms(context, item)
        await set_alarms(context, item)


async def remind(context: Context, subject: str) -> str:
    """The alarm of a decision: its owner hears; the desk hears too when it is a day late, or of an owner who cannot be reached (any more).

    Another date since, or done: nobody does.
    """
    item_id, step, due = subject.split(":")
    item = await context.session.get(ActionItem, item_id)
    if item is None or item.state != "OPEN" or f"{local(item.due):%Y%m%d}" != due:
        return "no longer"
    _, today, over = meeting_times.action_times(context.calendar, item.due)
    until = {AHEAD: today, TODAY: over}.get(step)
    if until is not None and context.now >= until:
        return "too late: the next reminder says it"
    shown = screens.action_reminder(f"action.remind.{step}", item.id, await _values(context, item))
    told = await _tell_owner(context, item, shown, f"action:{step}:{item.id}:{due}")
    gone = await _owner_reached(context, item) is None
    if step == OVER or gone:
        shown = Screen("action.remind.desk" if step == OVER else "action.remind.unreached", await _values(context, item))
        for person in await persons_with(context, "coordinator", "community_clerk"):
            await post.once(context, person.id, shown, f"action:desk:{step}:{item.id}:{due}:{person.id}")
    return "told" if told else "cannot be reached"


async def _tell_owner(context: Context, item: ActionItem, shown: Screen, key: str) -> bool:
    return await post.once(context, await _owner_reached(context, item), shown, key)


async def _owner_reached(context: Context, item: ActionItem) -> str | None:
    """The id of who is written to for a decision: the unit's liaison or the person; None where they cannot be reached."""
    if item.unit_code is not None:
        person = await meeting_people.liaison(context, item.unit_code)
        return person.id if person else None
    return item.owner_id if item.owner_id and await meeting_people.reachable(context, item.owner_id) else None


async def owner_name(context: Context, item: ActionItem, units: Mapping[str, str]) -> str:
    """Who has to do it: the unit's name, or the person's."""
    if item.unit_code is not None:
        return units.get(item.unit_code, item.unit_code)
    person = await context.session.get(Person, item.owner_id) if item.owner_id else None
    return person.display_name if person else ""


async def _values(context: Context, item: ActionItem) -> dict[str, Value]:
    units = await meeting_people.unit_names(context)
    return {
        "code": item.code,
        "text": item.text,
        "owner": await owner_name(context, item, units),
        "due": item.due,
        "year": _other_year(context, item.due),
        "result": item.result or None,
    }


# -- doing ----------------------------------------------------------------------------------------------------------------
async def find(context: Context, said: str) -> ActionItem:
    """The decision of this code (HY-…-2) or id, locked. Raises Refusal: there is none."""
    meeting, _, number = said.strip().rpartition("-")
    code = f"{codes.tidy(meeting, 'HY')}-{int(number)}" if number.isdecimal() and meeting else said
    query = sa.select(ActionItem).where(sa.or_(col(ActionItem.code) == code, col(ActionItem.id) == said))
    found: ActionItem | None = await context.session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise Refusal("action.unknown")
    return found


async def ask_result(context: Context, item_id: str) -> str:
    """The code of a decision that the actor may call done. Raises Refusal: not theirs, or done already."""
    item = await find(context, item_id)
    await _require(context, item, "done")
    return item.code


async def _require(context: Context, item: ActionItem, event: str) -> None:
    if not await moves.allowed(context, item, event):
        who = await moves.relations(context, item)
        mine = any(set(move.by) & who for move in moves.life_of(item).moves if move.event == event)
        refused = "refused.only.secretary" if event in SECRETARYS else "refused.permission"
        raise Refusal("refused.state" if mine else refused, code=item.code, state=Key(f"state.action_item.{item.state}"))


async def done(context: Context, code: str, result: str) -> Screen:
    """完成 HY-…-2 …: the owner (or the desk) says what came of it; the desk is told. Raises Refusal: not theirs, or nothing said."""
    item = await find(context, code)
    await _require(context, item, "done")
    if len(result.strip()) < LEAST_RESULT:
        raise Refusal("action.result_how", code=item.code)
    await moves.move(context, item, "done", result=whole(result, LONGEST), done_at=context.now)
    await _drop_alarms(context, item)
    values = await _values(context, item)
    for person in await persons_with(context, "coordinator", "community_clerk"):
        if person.id != context.actor.id:
            await post.to_person(context, person.id, Screen("action.done_told", values))
    closed = await _close_meeting(context, item)
    return Screen("action.done_closed" if closed else "action.done", values)


async def extend(context: Context, code: str, day: str, reason: str) -> Screen:
    """延期 HY-…-2 date reason: the secretary gives it another date. Raises Refusal."""
    item = await find(context, code)
    await _require(context, item, "extend")
    if not reason.strip():
        raise Refusal("action.reason_how", code=item.code)
    due = _due(context, day)
    await _drop_alarms(context, item)
    await moves.move(context, item, "extend", reason, due=due)
    await set_alarms(context, item)
    values = await _values(context, item) | {"reason": reason}
    await _tell_owner(context, item, Screen("action.extended_told", values), f"action_extended:{item.id}:{item.version}")
    return Screen("action.extended", values)


async def end(context: Context, code: str, event: str, reason: str) -> Screen:
    """转办, 撤销议定 or 退回 (`event`: transfer, cancel, reopen) with a reason; the owner is told. Raises Refusal."""
    item = await find(context, code)
    await _require(context, item, event)
    if not reason.strip():
        raise Refusal("action.reason_how", code=item.code)
    await moves.move(context, item, event, reason, **({"done_at": None} if event == "reopen" else {}))
    if event == "reopen":
        await set_alarms(context, item)
    else:
        await _drop_alarms(context, item)
    values = await _values(context, item) | {"reason": reason, "state": Key(f"state.action_item.{item.state}")}
    await _tell_owner(context, item, Screen("action.changed_told", values), f"action_{event}:{item.id}:{item.version}")
    if event != "reopen":
        await _close_meeting(context, item)
    return Screen("action.changed", values)


async def _close_meeting(context: Context, item: ActionItem) -> bool:
    meeting = await context.session.get(Meeting, item.meeting_id, with_for_update=True)
    return meeting is not None and await close_if_done(context, meeting)


async def close_if_done(context: Context, meeting: Meeting) -> bool:
    """Close a meeting whose minutes are confirmed and whose decisions are done or handed on; whether it was."""
    if meeting.state != "MINUTED":
        return False
    left = sa.select(col(ActionItem.id)).where(col(ActionItem.meeting_id) == meeting.id, col(ActionItem.state) == "OPEN")
    if await context.session.scalar(left.limit(1)) is not None:
        return False
    await moves.move(program(context), meeting, "close")
    return True


# -- looking --------------------------------------------------------------------------------------------------------------
async def listing(context: Context, offset: int = 0) -> Screen:
    """议定事项: all that is open for staff and street, one's own for others, the earliest first, a page from `offset` on."""
    query = sa.select(ActionItem).where(col(ActionItem.state) == "OPEN").order_by(col(ActionItem.due), col(ActionItem.code))
    if not context.actor.has(*STAFF, "street_organizer"):
        query = query.where(sa.or_(col(ActionItem.unit_code).in_(own_units(context)), col(ActionItem.owner_id) == context.actor.id))
    found = list(await context.session.scalars(query))
    lines = []
    for item in pages.part(found, offset, LISTED):
        values = await _values(context, item) | {"late": Key("action.late") if item.due < context.now else None}
        lines.append((item.id if await moves.allowed(context, item, "done") else "", values))
    return screens.action_list(lines, len(found), offset, LISTED)


async def overdue(context: Context) -> int:
    """How many decisions are late now: what the digest says after the last reminder."""
    query = sa.select(sa.func.count()).select_from(ActionItem).join(Meeting, col(Meeting.id) == col(ActionItem.meeting_id))
    own = (col(Meeting.community_id) == context.ground.community_id, col(ActionItem.state) == "OPEN")
    return await context.session.scalar(query.where(*own, col(ActionItem.due) < context.now)) or 0
