"""The numbers about people, meetings and promises (domain.md §8), as of a moment that may be over.

What has no history is taken as it is now: exemptions, which grid somebody lives in, who has an account.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import (
    ActionItem,
    Attendance,
    ChatAccount,
    Claim,
    Commitment,
    CommitmentVote,
    Enrollment,
    Evaluation,
    Meeting,
    PartyMember,
    Person,
    Problem,
    ProblemSupporter,
    ServiceRecord,
    StateLog,
    Task,
)
from services import lists
from services.context import Context
from services.metrics import Ratio, share
from services.replay import states_at
from services.service_record import Served
from services.spans import Span, midnight
from services.targets import first_applied, quarters
from services.workdays import ZONE, local
from texts import membership
from texts.screen import Value

HELD = ("HELD", "MINUTED", "CLOSED")
PUBLISHED = (
    "PUBLISHED",
    "IN_PROGRESS",
    "REVIEW_OPEN",
    "SELF_REPORTED",
    "IN_EVALUATION",
    "EVALUATED",
    "OBJECTED",
    "ARCHIVED",
    "NOT_REPORTED",
)
WORTH = {"kept": Fraction(1), "partly": Fraction(1, 2)}
EXCUSED = "excused"


# -- members -----------------------------------------------------------------------------------------------------------
async def members_at(context: Context, at: datetime, grid: str | None = None) -> list[tuple[Enrollment, PartyMember, str]]:
    """Every member's enrolment with its record and its state at `at`; what began later is left out."""
    query = (
        sa.select(Enrollment, PartyMember)
        .join(PartyMember, col(PartyMember.person_id) == col(Enrollment.person_id))
        .where(col(Enrollment.community_id) == context.ground.community_id, col(Enrollment.applied_at) <= at)
        .order_by(col(Enrollment.applied_at), col(Enrollment.id))
    )
    if grid is not None:
        query = query.where(col(Enrollment.grid_code) == grid)
    rows = [(enrolment, member) for enrolment, member in await context.session.execute(query)]
    current = {enrolment.id: enrolment.state for enrolment, _ in rows}
    logged = await states_at(context, "enrollment", current, at)
    known = set(await context.session.scalars(_logged(list(current))))
    found = []
    for enrolment, member in rows:
        state = logged.get(enrolment.id) if enrolment.id in known else _by_dates(enrolment, at)
        if state is not None:
            found.append((enrolment, member, state))
    return found


def _logged(ids: Sequence[str]) -> Any:
    return sa.select(col(StateLog.object_id)).where(col(StateLog.object_kind) == "enrollment", col(StateLog.object_id).in_(ids)).distinct()


def _by_dates(enrolment: Enrollment, at: datetime) -> str:
    """The state of an enrolment that was brought in without a history."""
    if enrolment.ended_at is not None and enrolment.ended_at <= at:
        return enrolment.state
    if enrolment.confirmed_at is None:
        return enrolment.state if enrolment.ended_at is None else "APPLIED"
    return "ACTIVE" if enrolment.confirmed_at <= at else "APPLIED"


async def reported(context: Context, at: datetime, grid: str | None = None, unit: str | None = None) -> Ratio:
    """报到率 of members in service; with `unit`, of that unit's."""
    asked = [
        state
        for _, member, state in await members_at(context, at, grid)
        if member.kind == "in_service" and state in ("ACTIVE", "APPLIED", "INVITED") and unit in (None, member.unit_code)
    ]
    return share(asked, (state == "ACTIVE" for state in asked))


async def took_part(context: Context, span: Span, at: datetime, grid: str | None = None) -> Ratio:
    """参与率: of the active members, exempt ones apart, those with a verified service in the span."""
    active = [
        enrolment.person_id
        for enrolment, member, state in await members_at(context, at, grid)
        if state == "ACTIVE" and not member.health_exempt
    ]
    served = await _served(context, span.begin, min(span.end, at), at)
    return share(active, (person in served for person in active))


async def on_target(context: Context, span: Span, at: datetime, grid: str | None = None) -> Ratio:
    """达标率: of the active members those with q services and 5q hours in the year of `at` or the span's last one.

    q: the quarters from that of the enrolment to the fourth, inclusive; exempt members count as the formula of domain.md §8 has it.
    """
    year = local(max(span.begin, min(at, span.end - timedelta(microseconds=1)))).year
    first, after = midnight(date(year, 1, 1)), midnight(date(year + 1, 1, 1))
    served = await _served(context, first, min(after, at), at)
    earlier = await context.session.scalars(sa.select(ServiceRecord).where(col(ServiceRecord.year) == year))
    for record in earlier:
        served[record.person_id] = served.get(record.person_id, Served()) + Served(record.times, record.hours)
    config = membership.data()["target"] | (await lists.community(context)).config.get("target", {})
    everybody = await members_at(context, at)
    moved = {enrolment.person_id for enrolment, _, state in everybody if state == "TRANSFERRED"}
    active = [one for one, _, state in everybody if state == "ACTIVE" and grid in (None, one.grid_code)]
    met = 0
    for one in active:
        since = await first_applied(context.session, one) if one.person_id in moved else one.applied_at
        count, own = quarters(local(since).date(), year), served.get(one.person_id or "", Served())
        met += own.times >= config["times"] * count and own.hours >= config["hours"] * count
    return Ratio.of(met, len(active))


async def _served(context: Context, begin: datetime, end: datetime, at: datetime) -> dict[str, Served]:
    """The services by person whose task ended in [begin, end) and that were verified at `at`."""
    query = (
        sa.select(col(Claim.id), col(Claim.person_id), col(Claim.state), col(Claim.hours))
        .join(Task, col(Task.id) == col(Claim.task_id))
        .where(col(Task.community_id) == context.ground.community_id, col(Task.end_at) >= begin, col(Task.end_at) < end)
    )
    rows = (await context.session.execute(query)).all()
    states = await states_at(context, "claim", {row.id: row.state for row in rows}, at)
    found: dict[str, Served] = {}
    for row in rows:
        if states.get(row.id) == "VERIFIED":
            found[row.person_id] = found.get(row.person_id, Served()) + Served(1, row.hours or 0.0)
    return found


# -- residents ---------------------------------------------------------------------------------------------------------
async def residents_active(context: Context, span: Span, at: datetime, grid: str | None = None) -> Ratio:
    """居民参与率: of the residents with an account those who reported, supported, rated, voted or attended in the span."""
    accounts = sa.select(col(ChatAccount.person_id))
    query = sa.select(col(Person.id)).where(
        col(Person.community_id) == context.ground.community_id, col(Person.person_kind) == "resident",
        col(Person.deleted_at).is_(None), col(Person.id).in_(accounts),
    )  # fmt: skip
    if grid is not None:
        query = query.where(col(Person.home_grid) == grid)
    residents = set(await context.session.scalars(query))
    acts: tuple[tuple[Any, Any], ...] = (
        (Problem.reporter_id, Problem.submitted_at),
        (ProblemSupporter.person_id, ProblemSupporter.at),
        (Evaluation.rater_id, Evaluation.at),
        (CommitmentVote.rater_id, CommitmentVote.at),
        (Attendance.person_id, Attendance.attended_at),
    )
    active: set[str | None] = set()
    for who, when in acts:
        during = sa.select(col(who)).where(col(when) >= span.begin, col(when) < span.end, col(when) <= at).distinct()
        active |= set(await context.session.scalars(during))
    return Ratio.of(len(residents & active), len(residents))


# -- meetings and promises ---------------------------------------------------------------------------------------------
async def attendance(context: Context, span: Span, at: datetime) -> tuple[Ratio, int]:
    """出席率 of units in the meetings held in the span, and how many were absent without leave (domain.md §8)."""
    held = sa.select(Meeting).where(
        col(Meeting.community_id) == context.ground.community_id, col(Meeting.ended_at) >= span.begin, col(Meeting.ended_at) < span.end
    )
    meetings = {one.id: one.state for one in await context.session.scalars(held)}
    states = await states_at(context, "meeting", meetings, at)
    ids = [one for one, state in states.items() if state in HELD]
    rows = list(
        await context.session.scalars(
            sa.select(Attendance).where(col(Attendance.meeting_id).in_(ids), col(Attendance.unit_code).is_not(None))
        )
    )
    came = sum(row.attended_at is not None for row in rows)
    excused = sum(row.attended_at is None and row.reply == "leave" for row in rows)
    return Ratio.of(came, len(rows)), len(rows) - came - excused


async def decisions(context: Context, span: Span, at: datetime) -> Ratio:
    """议定事项完成率: done by their date, of those due in the span and by `at`; what was handed on or cancelled counts nowhere."""
    query = (
        sa.select(ActionItem)
        .join(Meeting, col(Meeting.id) == col(ActionItem.meeting_id))
        .where(
            col(Meeting.community_id) == context.ground.community_id,
            col(ActionItem.due) >= span.begin, col(ActionItem.due) < span.end, col(ActionItem.due) <= at,
        )
    )  # fmt: skip
    due = {one.id: one for one in await context.session.scalars(query)}
    states = await states_at(context, "action_item", {one.id: one.state for one in due.values()}, at)
    counted = [one for one in due if states.get(one) in ("OPEN", "DONE")]
    return share(counted, (states[one] == "DONE" and (due[one].done_at or at) <= due[one].due for one in counted))


async def promises(context: Context, span: Span, at: datetime) -> Ratio:
    """承诺兑现率: kept items and half of the partly kept, of those due in the span and by `at`; excused ones count nowhere.

    An item without a date of its own is due at the end of its year. Until somebody confirmed a result, what its owner called done is kept.
    """
    query = sa.select(Commitment).where(col(Commitment.community_id) == context.ground.community_id)
    found = {one.id: one for one in await context.session.scalars(query.where(col(Commitment.year) <= local(span.end).year))}
    states = await states_at(context, "commitment", {one.id: one.state for one in found.values()}, at)
    kept, due = Fraction(0), 0
    for one in found.values():
        if states.get(one.id) not in PUBLISHED:
            continue
        for item in one.items:
            moment, result = _due(item, one.year), _result(one, item, at)
            if span.begin <= moment < span.end and moment <= at and result != EXCUSED:
                due += 1
                kept += WORTH.get(result, Fraction(0))
    return Ratio.of(kept, due)


def _result(one: Commitment, item: dict[str, Any], at: datetime) -> str:
    """What had become of the item at `at`."""
    if item.get("result") and (one.evaluated_at is None or one.evaluated_at <= at):
        return str(item["result"])
    return "kept" if item.get("done_on") and item["done_on"] <= local(at).date().isoformat() else ""


def _due(item: dict[str, Any], year: int) -> datetime:
    try:
        day = date.fromisoformat(str(item.get("due", ""))[:10])
    except ValueError:
        day = date(year, 12, 31)
    return datetime.combine(day, time(23, 59), ZONE)


async def of_people(context: Context, span: Span, at: datetime, grid: str | None = None) -> dict[str, Value]:
    """The numbers about people, meetings and promises by name, as they are shown; in a grid those of its people alone."""
    found: dict[str, Value] = {
        "reported": (await reported(context, at, grid)).shown, "took_part": (await took_part(context, span, at, grid)).shown,
        "on_target": (await on_target(context, span, at, grid)).shown, "residents": (await residents_active(context, span, at, grid)).shown,
        "attendance": None, "absent": None, "decisions": None, "promises": None,
    }  # fmt: skip
    if grid is None:
        ratio, absent = await attendance(context, span, at)
        found |= {"attendance": ratio.shown, "absent": absent or None, "decisions": (await decisions(context, span, at)).shown}
        found["promises"] = (await promises(context, span, at)).shown
    return found
