"""The rows of the ledgers (domain.md §9): who, what, when, in the words of the catalogue; masked unless `open_names`.

Every state is that of the history at the moment of the export. An anonymous reporter is in no ledger, masked or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import (
    ActionItem,
    Attendance,
    Claim,
    Commitment,
    Enrollment,
    Meeting,
    Order,
    PartnerUnit,
    PartyMember,
    Person,
    Problem,
    ResourceItem,
    Task,
)
from services import lists, masking, tickets
from services.context import Context
from services.replay import problems_at
from services.spans import Span
from services.workdays import local
from texts import problem_screens
from texts.screen import Key, Value

Cell = Value
PRIVATE = Key("ledger.private")
TOOK_PART = ("CHECKED_IN", "DONE", "VERIFIED")
HOLDING = ("ACTIVE", *TOOK_PART)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: the key of its title, the names of its columns (texts `ledger.column.NAME`) and its rows."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


@dataclass
class Reader:
    """For whom rows are made: with names and telephones or masked; whose data was shown open is gathered in `looked`."""

    context: Context
    grid: str | None
    open_names: bool
    people: dict[str, Person] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)

    async def know(self, ids: Sequence[str | None]) -> None:
        """Read these persons at once."""
        wanted = {one for one in ids if one is not None} - self.people.keys()
        for start in range(0, len(wanted), 500):
            part = sorted(wanted)[start : start + 500]
            self.people |= {one.id: one for one in await self.context.session.scalars(sa.select(Person).where(col(Person.id).in_(part)))}

    def name(self, person_id: str | None) -> str:
        """The name of a resident or a member, masked unless names are open."""
        person = self.people.get(person_id or "")
        if person is None:
            return ""
        if not self.open_names:
            return masking.mask_name(person.display_name)
        self.looked.add(person.id)
        return person.display_name

    def staff(self, person_id: str | None) -> str:
        """The name of a colleague at work, which is no personal data here (services/audit.py)."""
        person = self.people.get(person_id or "")
        return person.display_name if person else ""

    def phone(self, person_id: str | None) -> str:
        """The telephone number, masked unless names are open."""
        person = self.people.get(person_id or "")
        if person is None or not person.phone:
            return ""
        return person.phone if self.open_names else masking.mask_phone(person.phone)

    def ours(self, column: Any) -> list[Any]:
        """The condition that rows are of the reader's grid."""
        return [] if self.grid is None else [col(column) == self.grid]


def _yes(value: bool | None) -> Value:
    return None if value is None else Key("ledger.yes" if value else "ledger.no")


# -- 问题墙台账 ---------------------------------------------------------------------------------------------------------
PROBLEM_COLUMNS = (
    "number", "code", "submitted", "channel", "grid", "place", "category", "sla", "text", "reporter", "phone", "level", "state",
    "contact_due", "contact_at", "due", "resolved", "in_time", "result", "grade", "solved", "reopened", "handler",
)  # fmt: skip


async def problems(reader: Reader, span: Span) -> list[Sheet]:
    """Every problem submitted in the span, merged and refused ones too."""
    context = reader.context
    during = (col(Problem.submitted_at) >= span.begin, col(Problem.submitted_at) < span.end)
    found = await problems_at(context, context.now, *during, *reader.ours(Problem.grid_code))
    await reader.know([each for one in found for each in (one.problem.reporter_id, one.problem.lead_handler_id)])
    rows: list[tuple[Cell, ...]] = []
    for number, one in enumerate(found, 1):
        problem = one.problem
        person = reader.people.get(problem.reporter_id or "")
        rows.append((
            number, problem.code, problem.submitted_at, Key(f"channel.{problem.channel}"), context.ground.grid_name(problem.grid_code),
            f"{problem.place_name}{problem.place_detail}" if reader.open_names else problem.place_name,
            tickets.category(problem), problem.sla,
            problem.text if reader.open_names else tickets.public_words(problem) or PRIVATE,
            Key("ledger.anonymous") if problem.anonymous else reader.name(problem.reporter_id),
            "" if problem.anonymous else reader.phone(problem.reporter_id), Key(f"level.{one.level}"), Key(f"state.problem.{one.state}"),
            one.contact_due, one.contact_at, one.due, one.resolved_at,
            _yes(one.resolved_at <= one.due) if one.finished and one.resolved_at and one.due else None,
            _result(problem, person, reader.open_names) if one.finished else None,
            Key(f"grade.{one.grade}") if one.grade else None, _yes(one.solved), one.reopened, reader.staff(problem.lead_handler_id),
        ))  # fmt: skip
    return [Sheet("ledger.problems", PROBLEM_COLUMNS, rows)]


def _result(problem: Problem, reporter: Person | None, open_names: bool) -> Value:
    said = problem_screens.end_mark(problem.result)
    if open_names:
        return said
    return PRIVATE if masking.private_matter(said) else masking.mask(said, [reporter.display_name] if reporter else [])


# -- 四单台账 -----------------------------------------------------------------------------------------------------------
ORDER_COLUMNS = (
    "number", "order", "submitted", "resident", "phone", "service", "text", "order_state", "task", "short_no", "title", "grid", "place",
    "start", "capacity", "claimers", "hours", "task_state", "resident_grade", "organisation_grade",
)  # fmt: skip


async def orders(reader: Reader, span: Span) -> list[Sheet]:
    """点单、派单、接单、评单: the orders of the span with their tasks, and the tasks that came from elsewhere."""
    context, session = reader.context, reader.context.session
    asked = sa.select(Order).where(
        col(Order.community_id) == context.ground.community_id, col(Order.submitted_at) >= span.begin, col(Order.submitted_at) < span.end,
        *reader.ours(Order.grid_code),
    )  # fmt: skip
    known = {one.id: one for one in await session.scalars(asked.order_by(col(Order.submitted_at), col(Order.code)))}
    made = sa.select(Task).where(
        col(Task.community_id) == context.ground.community_id,
        sa.or_(
            sa.and_(col(Task.created_at) >= span.begin, col(Task.created_at) < span.end, col(Task.source) != "order"),
            sa.and_(col(Task.source) == "order", col(Task.source_id).in_(list(known))),
        ),
        *reader.ours(Task.grid_code),
    )  # fmt: skip
    tasks = list(await session.scalars(made.order_by(col(Task.created_at), col(Task.code))))
    claims: defaultdict[str, list[Claim]] = defaultdict(list)
    held = sa.select(Claim).where(col(Claim.task_id).in_([one.id for one in tasks]), col(Claim.state).in_(HOLDING))
    for claim in await session.scalars(held.order_by(col(Claim.claimed_at), col(Claim.id))):
        claims[claim.task_id].append(claim)
    await reader.know([one.resident_id for one in known.values()] + [claim.person_id for some in claims.values() for claim in some])
    tasks_of: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        tasks_of[task.source_id or "" if task.source == "order" else ""].append(task)
    pairs: list[tuple[Order | None, Task | None]] = []
    for order in known.values():
        own = tasks_of[order.id]
        pairs += [(order, task) for task in own] if own else [(order, None)]
    pairs += [(None, task) for task in tasks_of[""]]
    rows = [
        (number, *_order(reader, order), *_task(reader, task, claims[task.id] if task else []))
        for number, (order, task) in enumerate(pairs, 1)
    ]
    return [Sheet("ledger.orders", ORDER_COLUMNS, rows)]


def _order(reader: Reader, order: Order | None) -> tuple[Cell, ...]:
    if order is None:
        return (None,) * 7
    text = order.text if reader.open_names else PRIVATE if masking.private_matter(order.text) else order.text_public
    return (
        order.code, order.submitted_at, reader.name(order.resident_id), reader.phone(order.resident_id),
        Key(f"service.{order.service}") if order.service else None, text,
        Key(f"state.order.{order.state}"),
    )  # fmt: skip


def _task(reader: Reader, task: Task | None, claims: Sequence[Claim]) -> tuple[Cell, ...]:
    if task is None:
        return (None,) * 12
    return (
        task.code, f"#{task.short_no}", task.title, reader.context.ground.grid_name(task.grid_code), task.place_name, task.start_at,
        task.capacity, tuple(reader.name(claim.person_id) for claim in claims), sum(claim.hours or 0.0 for claim in claims) or None,
        Key(f"state.task.{task.state}"), Key(f"grade.{task.resident_rating}") if task.resident_rating else None, task.organisation_rating,
    )  # fmt: skip


# -- 会议台账 -----------------------------------------------------------------------------------------------------------
MEETING_COLUMNS = (
    "number",
    "code",
    "meeting",
    "quarter",
    "planned",
    "place",
    "state",
    "invited",
    "attended",
    "leave",
    "absent",
    "decided",
    "done",
)
ACTION_COLUMNS = ("number", "code", "meeting_code", "item", "owner", "due", "state", "done_at", "result")


async def meetings(reader: Reader, span: Span) -> list[Sheet]:
    """The meetings of the span with their attendance, and what they decided (议定事项督办表)."""
    context, session = reader.context, reader.context.session
    day = sa.func.coalesce(col(Meeting.planned_at), col(Meeting.created_at))
    query = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id,
        sa.or_(sa.and_(day >= span.begin, day < span.end), sa.and_(col(Meeting.quarter) == span.code, col(Meeting.quarter) != "")),
    )
    found = list(await session.scalars(query.order_by(day, col(Meeting.id))))
    ids = [one.id for one in found]
    invited: defaultdict[str, list[Attendance]] = defaultdict(list)
    for row in await session.scalars(sa.select(Attendance).where(col(Attendance.meeting_id).in_(ids))):
        invited[row.meeting_id].append(row)
    decided = list(await session.scalars(sa.select(ActionItem).where(col(ActionItem.meeting_id).in_(ids)).order_by(col(ActionItem.code))))
    await reader.know([one.owner_id for one in decided])
    units = await _units(context)
    rows: list[tuple[Cell, ...]] = []
    for number, one in enumerate(found, 1):
        called = [row for row in invited[one.id] if row.unit_code is not None]
        came = sum(row.attended_at is not None for row in called)
        excused = sum(row.attended_at is None and row.reply == "leave" for row in called)
        over = one.ended_at is not None
        own = [item for item in decided if item.meeting_id == one.id]
        rows.append((
            number, one.code, one.title or Key(f"ledger.meeting.{one.kind}"), one.quarter, one.planned_at, one.place,
            Key(f"state.meeting.{one.state}"), len(called), came if over else None, excused if over else None,
            len(called) - came - excused if over else None, len(own), sum(item.state == "DONE" for item in own),
        ))  # fmt: skip
    codes = {one.id: one.code for one in found}
    actions: list[tuple[Cell, ...]] = [
        (
            number, item.code, codes[item.meeting_id], item.text,
            units[item.unit_code].name if item.unit_code in units else reader.staff(item.owner_id), item.due,
            Key(f"state.action_item.{item.state}"), item.done_at, item.result,
        )
        for number, item in enumerate(decided, 1)
    ]  # fmt: skip
    return [Sheet("ledger.meetings", MEETING_COLUMNS, rows), Sheet("ledger.actions", ACTION_COLUMNS, actions)]


async def _units(context: Context) -> dict[str | None, PartnerUnit]:
    query = sa.select(PartnerUnit).where(col(PartnerUnit.community_id) == context.ground.community_id).order_by(col(PartnerUnit.code))
    return {one.code: one for one in await context.session.scalars(query)}


# -- 承诺台账 -----------------------------------------------------------------------------------------------------------
COMMITMENT_COLUMNS = (
    "number", "code", "owner_kind", "owner", "year", "state", "item_no", "what", "for_whom", "measure", "due", "progress", "self_report",
    "item_result", "reason", "points", "overall",
)  # fmt: skip
_DRAFTS = ("DRAFT", "SUBMITTED", "WITHDRAWN")


async def commitments(reader: Reader, span: Span) -> list[Sheet]:
    """The published commitments of the span's years, an item a row."""
    context = reader.context
    query = sa.select(Commitment).where(
        col(Commitment.community_id) == context.ground.community_id, col(Commitment.year).between(local(span.begin).year, _last_year(span)),
        col(Commitment.state).not_in(_DRAFTS),
    )  # fmt: skip
    found = list(await context.session.scalars(query.order_by(col(Commitment.year), col(Commitment.owner_kind), col(Commitment.code))))
    await reader.know([one.owner for one in found if one.owner_kind == "member"])
    units = await _units(context)
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        owner: Cell = context.ground.name
        if one.owner_kind == "member":
            owner = reader.name(one.owner)
        elif one.owner_kind == "unit":
            owner = units[one.owner].name if one.owner in units else one.owner
        elif one.owner_kind == "org":
            grid = context.ground.grids.get(one.owner)
            owner = grid.branch_name or grid.name if grid else one.owner
        for number, item in enumerate(one.items, 1):
            said = [_day(item.get(name)) for name in ("what", "for_whom", "measure", "due", "progress")]
            result, reason, own = item.get("result"), item.get("reason"), item.get("said")
            if reason and not reader.open_names and masking.private_matter(str(reason)):
                reason = PRIVATE
            rows.append((
                len(rows) + 1, one.code, Key(f"ledger.owner.{one.owner_kind}"), owner, str(one.year), Key(f"state.commitment.{one.state}"),
                number, *said, Key(f"ledger.result.{own}") if own else None, Key(f"ledger.result.{result}") if result else None, reason,
                one.score if one.score is None else round(one.score, 1), Key(f"ledger.result.{one.result}") if one.result else None,
            ))  # fmt: skip
    return [Sheet("ledger.commitments", COMMITMENT_COLUMNS, rows)]


def _last_year(span: Span) -> int:
    return local(span.end).year - (local(span.end).timetuple().tm_yday == 1)


def _day(value: Any) -> Cell:
    return str(value) if value is not None and not isinstance(value, date | datetime) else value


# -- 双报到名册 ---------------------------------------------------------------------------------------------------------
UNIT_COLUMNS = ("number", "unit_code", "unit", "unit_kind", "liaison", "phone", "state", "applied", "confirmed", "resources", "needs")
MEMBER_COLUMNS = ("number", "name", "phone", "kind", "unit", "grid", "branch", "state", "applied", "confirmed")
_ON_THE_ROLL = ("INVITED", "APPLIED", "ACTIVE")


async def enrolments(reader: Reader, _span: Span) -> list[Sheet]:
    """Units and members who have reported in or are about to, as of now."""
    context, session = reader.context, reader.context.session
    query = sa.select(Enrollment).where(
        col(Enrollment.community_id) == context.ground.community_id,
        col(Enrollment.state).in_(_ON_THE_ROLL),
        *reader.ours(Enrollment.grid_code),
    )
    found = list(await session.scalars(query.order_by(col(Enrollment.applied_at), col(Enrollment.id))))
    units = await _units(context)
    await reader.know([one.person_id for one in found] + [one.liaison_id for one in units.values()])
    items: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    listed = sa.select(ResourceItem).where(col(ResourceItem.community_id) == context.ground.community_id).order_by(col(ResourceItem.id))
    for item in await session.scalars(listed):
        items[item.unit_code, item.side].append(item.text)
    of_units = {one.unit_code: one for one in found if one.person_id is None}
    roll: list[tuple[Cell, ...]] = []
    for code, unit in units.items() if reader.grid is None else ():
        enrolled = of_units.get(code)
        roll.append((
            len(roll) + 1, unit.code, unit.name, unit.kind, reader.name(unit.liaison_id), reader.phone(unit.liaison_id),
            Key(f"state.enrollment.{enrolled.state}") if enrolled else Key("ledger.not_enrolled"), *_dates(enrolled),
            tuple(items[unit.code, "resource"]), tuple(items[unit.code, "need"]),
        ))  # fmt: skip
    persons = [one.person_id for one in found if one.person_id is not None]
    records = {one.person_id: one for one in await session.scalars(sa.select(PartyMember).where(col(PartyMember.person_id).in_(persons)))}
    members: list[tuple[Cell, ...]] = []
    for one in found:
        record = records.get(one.person_id or "")
        if one.person_id is None or record is None:
            continue
        unit_name = units[record.unit_code].name if record.unit_code in units else record.unit_code
        members.append((
            len(members) + 1, reader.name(one.person_id), reader.phone(one.person_id), await lists.word(context, "members", record.kind),
            unit_name, context.ground.grid_name(one.grid_code), one.branch, Key(f"state.enrollment.{one.state}"), *_dates(one),
        ))  # fmt: skip
    sheets = [Sheet("ledger.members", MEMBER_COLUMNS, members)]
    return sheets if reader.grid is not None else [Sheet("ledger.units", UNIT_COLUMNS, roll), *sheets]


def _dates(one: Enrollment | None) -> tuple[Cell, Cell]:
    return (None, None) if one is None else (one.applied_at, one.confirmed_at)


LEDGERS = {"problems": problems, "orders": orders, "meetings": meetings, "commitments": commitments, "enrolments": enrolments}
