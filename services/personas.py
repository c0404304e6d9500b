"""Who can be played in the web chat: the people with a code, their roles, and the chats they are in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from models import Enrollment, Person, RoleAssignment

# The order in which a person's roles are named: offices first, what nearly everybody is last.
ROLE_ORDER = (
    "community_secretary",
    "coordinator",
    "community_clerk",
    "admin",
    "grid_leader",
    "branch_secretary",
    "street_organizer",
    "unit_liaison",
    "party_member",
    "rider_reporter",
)
LAST_ROLES = ("resident",)
KIND_ORDER = ("staff", "liaison", "member", "rider", "resident")
OFFICE = frozenset({"community_secretary", "coordinator", "community_clerk"})


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody on the web chat: `id` is the person's code in the demo, a device's hash elsewhere; `chats` as the protocol names them,
    "private" first; `language` as the browser says it, "" for unknown."""

    id: str
    name: str
    roles: list[str]
    chats: list[str]
    language: str = ""


async def personas(session: AsyncSession) -> list[Persona]:
    """Everybody with a code, staff first, each with roles and chats by the rules of the community's groups.

    party: ACTIVE members, secretary, coordinator, clerk, grid leaders. coordinators: secretary, coordinator, clerk.
    grid-Gx: its residents, its ACTIVE members, its grid leader. public: everybody.
    """
    granted: dict[str, list[RoleAssignment]] = {}
    for role in await session.scalars(select(RoleAssignment).where(col(RoleAssignment.valid_to).is_(None))):
        granted.setdefault(role.person_id, []).append(role)
    active = select(Enrollment).where(col(Enrollment.person_id).is_not(None), col(Enrollment.state) == "ACTIVE")
    members = {member.person_id: member for member in await session.scalars(active)}
    people = await session.scalars(select(Person).where(col(Person.code).is_not(None), col(Person.deleted_at).is_(None)))
    return [
        Persona(
            person.code or "",
            person.display_name,
            _names(granted.get(person.id, ())),
            _chats(person, granted.get(person.id, ()), members.get(person.id)),
        )
        for person in sorted(people, key=lambda person: (_rank(person.person_kind, KIND_ORDER), person.code or ""))
    ]


async def chats_of(session: AsyncSession, person_ids: Iterable[str], now: datetime) -> dict[str, list[str]]:
    """The chats that each of these persons may see at this moment, by the same rules; a person who was deleted has none."""
    wanted = set(person_ids)
    here = select(Person).where(col(Person.id).in_(wanted), col(Person.deleted_at).is_(None))
    people = (await session.scalars(here)).all()
    granted: dict[str, list[RoleAssignment]] = {}
    for role in await session.scalars(select(RoleAssignment).where(col(RoleAssignment.person_id).in_(wanted))):
        if (role.valid_from is None or role.valid_from <= now) and (role.valid_to is None or now < role.valid_to):
            granted.setdefault(role.person_id, []).append(role)
    active = select(Enrollment).where(col(Enrollment.person_id).in_(wanted), col(Enrollment.state) == "ACTIVE")
    members = {member.person_id: member for member in await session.scalars(active)}
    return {person.id: _chats(person, granted.get(person.id, ()), members.get(person.id)) for person in people}


def _rank(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def _names(roles: Iterable[RoleAssignment]) -> list[str]:
    """The roles, each once, in the order of ROLE_ORDER; any other between those and LAST_ROLES."""
    return sorted({role.role for role in roles}, key=lambda name: (name in LAST_ROLES, _rank(name, ROLE_ORDER), name))


def _chats(person: Person, roles: Iterable[RoleAssignment], member: Enrollment | None) -> list[str]:
    held = {role.role for role in roles}
    grids = {role.grid_code for role in roles if role.role == "grid_leader"}
    if member is not None:
        grids.add(member.grid_code)
    if "resident" in held:
        grids.add(person.home_grid)
    chats = ["private"]
    if member is not None or held & (OFFICE | {"grid_leader"}):
        chats.append("party")
    if held & OFFICE:
        chats.append("coordinators")
    return [*chats, *(f"grid-{code}" for code in sorted(filter(None, grids))), "public"]
