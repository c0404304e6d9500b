"""The agenda of a meeting: units' proposals, and what the walls say is overdue, comes back or gathers; edited by the clerk (§5 Meeting).

Only the public half of a problem gets on it: category, place and number, never the reporter's words.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from models import ActionItem, AgendaItem, Meeting, PartnerUnit, Problem
from services import hotspots, masking, meeting_people, meetings, moves
from services.context import Context, Refusal
from services.meeting_lines import whole
from services.replay import problems_at
from services.units import own_units
from texts import meeting_screens as screens
from texts.render import text
from texts.screen import Key, Screen, Value

REOPENED = 3
CARRIED, REPEATED, HOTSPOT = "carried", "repeated", "hotspot"
CARRIED_CODES = 8
MOST_DRAFTED, LONGEST = 12, 200
OPEN_FOR_PROPOSALS = ("SCHEDULED", "TOPICS")
EDITABLE = ("SCHEDULED", "TOPICS", "AGENDA", "NOTICED")
DOCUMENTS = "zh_CN"


async def items(context: Context, meeting: Meeting) -> list[AgendaItem]:
    """The topics that stand, in their order."""
    query = sa.select(AgendaItem).where(col(AgendaItem.meeting_id) == meeting.id, col(AgendaItem.state) != "DROPPED")
    return list(await context.session.scalars(query.order_by(col(AgendaItem.number))))


async def add(
    context: Context, meeting: Meeting, said: str, source: str, problem_id: str | None = None, unit: str | None = None
) -> AgendaItem:
    """One more topic at the end. The caller holds the meeting's row."""
    last = await context.session.scalar(sa.select(sa.func.max(AgendaItem.number)).where(col(AgendaItem.meeting_id) == meeting.id))
    item = AgendaItem(
        meeting_id=meeting.id, number=(last or 0) + 1, text=said.strip()[:LONGEST], source=source, problem_id=problem_id, unit_code=unit,
        proposer_id=context.actor.id, at=context.now,
    )  # fmt: skip
    context.session.add(item)
    await context.session.flush()
    return item


# -- proposals ----------------------------------------------------------------------------------------------------------
async def propose(context: Context, said: str) -> Screen:
    """提议题: a unit's liaison proposes a topic for the coming meeting. Raises Refusal: nobody's liaison, empty, or none is open."""
    codes = own_units(context)
    if not codes:
        raise Refusal("meeting.propose_for_units")
    meeting = await _open_for_proposals(context)
    if not said.strip():
        raise Refusal("meeting.propose_how", **meetings.view(meeting))
    item = await add(context, meeting, masking.mask(whole(said, LONGEST)), "proposal", unit=codes[0])
    units = await context.session.scalar(sa.select(col(PartnerUnit.name)).where(col(PartnerUnit.code) == codes[0]))
    return Screen("meeting.proposed", {**meetings.view(meeting), "text": item.text, "unit": units, "number": item.number})


async def _open_for_proposals(context: Context) -> Meeting:
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.state).in_(OPEN_FOR_PROPOSALS),
        col(Meeting.planned_at) > context.now,
    )  # fmt: skip
    found: Meeting | None = await context.session.scalar(query.order_by(col(Meeting.planned_at)).limit(1).with_for_update())
    if found is None:
        raise Refusal("meeting.propose_none")
    return found


# -- drafting -----------------------------------------------------------------------------------------------------------
async def draft(context: Context, meeting: Meeting) -> int:
    """Put every repeated problem on the agenda (§5), gathering and overdue ones while there is room, each once; how many found no room."""
    await _carry_over(context, meeting)
    # What the clerk took off stays off.
    query = sa.select(col(AgendaItem.problem_id), col(AgendaItem.source)).where(col(AgendaItem.meeting_id) == meeting.id)
    known = {(problem_id, source == HOTSPOT) for problem_id, source in await context.session.execute(query)}
    put, left = sum(problem_id is not None for problem_id, _ in known), 0
    for source, problem, values in await _found(context):
        if (problem.id, source == HOTSPOT) in known:
            continue
        if put >= MOST_DRAFTED and source != REPEATED:
            left += 1
            continue
        known.add((problem.id, source == HOTSPOT))
        await add(context, meeting, text(f"meeting.topic.{source}", values, DOCUMENTS), source, problem.id)
        put += 1
    return left


async def _carry_over(context: Context, meeting: Meeting) -> None:
    """One topic for what meetings of this kind decided and nobody has done though it is due by then; none where it was put before."""
    before = sa.select(col(AgendaItem.id)).where(col(AgendaItem.meeting_id) == meeting.id, col(AgendaItem.source) == CARRIED)
    if await context.session.scalar(before.limit(1)) is not None:
        return
    ours = sa.select(col(ActionItem.code)).join(Meeting, col(Meeting.id) == col(ActionItem.meeting_id))
    query = ours.where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.kind) == meeting.kind, col(Meeting.id) != meeting.id,
        col(ActionItem.state) == "OPEN", col(ActionItem.due) < meeting.planned_at,
    )  # fmt: skip
    if codes := list(await context.session.scalars(query.order_by(col(ActionItem.due), col(ActionItem.code)))):
        more = Key("meeting.topic.and_more") if len(codes) > CARRIED_CODES else None
        values: dict[str, Value] = {"count": len(codes), "codes": codes[:CARRIED_CODES], "more": more}
        await add(context, meeting, text("meeting.topic.carried", values, DOCUMENTS), CARRIED)


async def _found(context: Context) -> list[tuple[str, Problem, dict[str, Value]]]:
    standing = await problems_at(context, context.now, col(Problem.state).in_(("SUBMITTED", "ACCEPTED", "IN_PROGRESS", "SUSPENDED")))
    found: list[tuple[str, Problem, dict[str, Value]]] = []
    for one in standing:
        problem = one.problem
        values: dict[str, Value] = {
            "code": problem.code, "category": Key(f"category.{problem.category}"), "place": problem.place_name,
            "count": problem.reopen_count,
        }  # fmt: skip
        if problem.reopen_count >= REOPENED:
            found.append((REPEATED, problem, values))
        elif one.overdue(context.now):
            days = context.calendar.overdue_workdays(one.promised, context.now)
            found.append(("overdue", problem, values | {"days": Key("meeting.topic.days", {"days": days}) if days else None}))
    for spot in await hotspots.find(context, context.now):
        values = {"category": Key(f"category.{spot.category}"), "place": spot.place, "count": spot.count, "days": hotspots.DAYS}
        found.append((HOTSPOT, spot.problems[0], values))
    rank = {REPEATED: 0, HOTSPOT: 1, "overdue": 2}
    return sorted(found, key=lambda each: (rank[each[0]], each[1].resolve_due, each[1].code))


# -- editing ------------------------------------------------------------------------------------------------------------
async def show(context: Context, code: str) -> Screen:
    """The agenda as staff edit it and units may read it. Raises Refusal: for nobody else."""
    if not context.actor.has(*meetings.READERS):
        raise Refusal("meeting.list_for")
    meeting = await meetings.find(context, code)
    editing = context.actor.has(*meetings.STAFF) and meeting.state in EDITABLE
    return screens.agenda(meeting.id, meetings.view(meeting), await topics(context, meeting), editing)


async def topics(context: Context, meeting: Meeting) -> list[tuple[int, str, str]]:
    """The topics as (number, text, unit's name or "")."""
    units = await meeting_people.unit_names(context)
    return [(item.number, item.text, units.get(item.unit_code or "", "")) for item in await items(context, meeting)]


async def _editable(context: Context, code: str) -> Meeting:
    if not context.actor.has(*meetings.STAFF):
        raise Refusal("refused.only.coordinator")
    meeting = await meetings.find(context, code)
    if meeting.state not in EDITABLE:
        raise Refusal("refused.state", code=meeting.code or "", state=Key(f"state.meeting.{meeting.state}"))
    return meeting


async def insert(context: Context, code: str, said: str) -> Screen:
    """The clerk adds a topic. Raises Refusal."""
    meeting = await _editable(context, code)
    _require_words(meeting, said, "meeting.topic_how")
    item = await add(context, meeting, whole(said, LONGEST), "clerk")
    moves.remark(context, meeting, "agenda_added", item.text)
    return await show(context, meeting.id)


async def drop(context: Context, code: str, number: str) -> Screen:
    """The clerk takes a topic off; what was said stays on record. Raises Refusal."""
    meeting = await _editable(context, code)
    item = await _item(context, meeting, number)
    item.state = "DROPPED"
    moves.remark(context, meeting, "agenda_dropped", item.text)
    await context.session.flush()
    return await show(context, meeting.id)


async def edit(context: Context, code: str, number: str, said: str) -> Screen:
    """The clerk words a topic anew. Raises Refusal."""
    meeting = await _editable(context, code)
    _require_words(meeting, said, "meeting.topic_edit_how")
    item = await _item(context, meeting, number)
    moves.remark(context, meeting, "agenda_edited", item.text)
    item.text = whole(said, LONGEST)
    await context.session.flush()
    return await show(context, meeting.id)


def _require_words(meeting: Meeting, said: str, how: str) -> None:
    if not said.strip():
        raise Refusal(how, code=meeting.code)


async def _item(context: Context, meeting: Meeting, number: str) -> AgendaItem:
    found = [item for item in await items(context, meeting) if str(item.number) == number]
    if not found:
        raise Refusal("meeting.no_topic", number=number)
    return found[0]
