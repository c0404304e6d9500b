"""Who is invited to a meeting, who speaks for whom, and who did what: the rows of Attendance (domain.md §5 Meeting, §7)."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import col

from models import Attendance, ChatAccount, Enrollment, Meeting, PartnerUnit, Person
from services.context import Context
from services.identity import persons_with, roles_of
from services.meeting_lines import Kind, kinds
from services.moves import is_liaison


async def unit_names(context: Context) -> dict[str, str]:
    """The names of the community's units by code, in the order of the codes."""
    query = sa.select(col(PartnerUnit.code), col(PartnerUnit.name)).where(col(PartnerUnit.community_id) == context.ground.community_id)
    return {row.code: row.name for row in await context.session.execute(query.order_by(col(PartnerUnit.code)))}


async def invite(context: Context, meeting: Meeting) -> list[Attendance]:
    """Keep a row for everybody its kind invites; all that are invited, those by name included."""
    guests = await rows_of(context, meeting)
    known = {(row.unit_code, row.person_id) for row in guests}
    rows = [row for row in await planned(context, meeting) if (row.unit_code, row.person_id) not in known]
    context.session.add_all(rows)
    await context.session.flush()
    return rows + guests


async def uninvite(context: Context, meeting: Meeting) -> None:
    """Another date, or none yet: whom its kind invites is forgotten, who is invited by name has not answered yet."""
    rows = col(Attendance.meeting_id) == meeting.id
    await context.session.execute(sa.delete(Attendance).where(rows, col(Attendance.guest).is_(False)))
    await context.session.execute(sa.update(Attendance).where(rows).values(reply="", replied_at=None, leave_reason=None))


async def planned(context: Context, meeting: Meeting) -> list[Attendance]:
    """Whom its kind invites: units that have reported in, and persons by role; a liaison is asked once, for the unit."""
    kind = kinds().get(meeting.kind, Kind(meeting.kind))
    rows = [Attendance(meeting_id=meeting.id, unit_code=unit.code) for unit in await _units(context, kind)]
    speakers = {person.id for row in rows if (person := await addressee(context, row)) is not None}
    invited = await persons_with(context, *kind.roles) if kind.roles else []
    return rows + [Attendance(meeting_id=meeting.id, person_id=person.id) for person in invited if person.id not in speakers]


async def _units(context: Context, kind: Kind) -> list[PartnerUnit]:
    if not kind.units:
        return []
    reported = sa.select(col(Enrollment.unit_code)).where(col(Enrollment.person_id).is_(None), col(Enrollment.state) == "ACTIVE")
    query = sa.select(PartnerUnit).where(col(PartnerUnit.community_id) == context.ground.community_id, col(PartnerUnit.code).in_(reported))
    if "*" not in kind.units:
        query = query.where(col(PartnerUnit.kind).in_(kind.units))
    return list(await context.session.scalars(query.order_by(col(PartnerUnit.code))))


async def unit_left(context: Context, unit_code: str) -> None:
    """A unit whose enrolment ended is not invited to what has not begun, so that nobody counts it as absent."""
    coming = sa.select(col(Meeting.id)).where(col(Meeting.state) == "NOTICED")
    await context.session.execute(
        sa.delete(Attendance).where(col(Attendance.unit_code) == unit_code, col(Attendance.meeting_id).in_(coming))
    )


async def unit_came_back(context: Context, unit_code: str) -> None:
    """A unit whose enrolment stands again is invited to what it was invited to."""
    coming = sa.select(Meeting).where(col(Meeting.state) == "NOTICED", col(Meeting.community_id) == context.ground.community_id)
    for meeting in await context.session.scalars(coming):
        known = {row.unit_code for row in await rows_of(context, meeting)}
        context.session.add_all(row for row in await planned(context, meeting) if row.unit_code == unit_code and unit_code not in known)
    await context.session.flush()


async def rows_of(context: Context, meeting: Meeting, *, lock: bool = False) -> list[Attendance]:
    """Who is invited, units first."""
    query = sa.select(Attendance).where(col(Attendance.meeting_id) == meeting.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = list(await context.session.scalars(query))
    return sorted(found, key=lambda row: (row.unit_code is None, row.unit_code or "", row.id))


async def liaison(context: Context, unit_code: str) -> Person | None:
    """Who speaks for the unit and can be reached in private: the liaison on its card, else another with the role; none whose role ended."""
    known = await context.session.scalar(sa.select(col(PartnerUnit.liaison_id)).where(col(PartnerUnit.code) == unit_code))
    ids = [person.id for person in await persons_with(context, "unit_liaison") if await _speaks_for(context, person, unit_code)]
    for person_id in sorted(ids, key=lambda one: one != known):
        if await reachable(context, person_id):
            return await context.session.get(Person, person_id)
    return None


async def reachable(context: Context, person_id: str) -> bool:
    """Whether somebody has a private chat that is not blocked."""
    account = sa.select(col(ChatAccount.id)).where(
        col(ChatAccount.person_id) == person_id, col(ChatAccount.blocked).is_(False), col(ChatAccount.private_chat_id).is_not(None)
    )
    return await context.session.scalar(account.limit(1)) is not None


async def _speaks_for(context: Context, person: Person, unit_code: str) -> bool:
    grants = await roles_of(context.session, person.id, context.now)
    return any(grant.role == "unit_liaison" and grant.unit == unit_code for grant in grants)


async def addressee(context: Context, row: Attendance) -> Person | None:
    """Who is written to for a row: the unit's liaison, or the person."""
    if row.unit_code is not None:
        return await liaison(context, row.unit_code)
    return await context.session.get(Person, row.person_id)


async def is_theirs(context: Context, row: Attendance) -> bool:
    """Whether the actor speaks for the row: liaison of its unit, or the person."""
    if context.actor.id is None:
        return False
    if row.unit_code is None:
        return row.person_id == context.actor.id
    return await is_liaison(context, row.unit_code)


async def own_rows(context: Context, meeting: Meeting, *, lock: bool = False) -> list[Attendance]:
    """The rows that the actor speaks for."""
    return [row for row in await rows_of(context, meeting, lock=lock) if await is_theirs(context, row)]


async def names(context: Context, rows: Sequence[Attendance]) -> list[str]:
    """The units' names, and the persons'."""
    units, found = await unit_names(context), []
    for row in rows:
        if row.unit_code is not None:
            found.append(units.get(row.unit_code, row.unit_code))
        elif (person := await context.session.get(Person, row.person_id)) is not None:
            found.append(person.display_name)
    return found
