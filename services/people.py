"""Finding somebody by name. Names are encrypted, so they are compared after reading; a nickname never finds anybody (domain.md §4)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import sqlalchemy as sa
from sqlmodel import col

from models import Enrollment, PartnerUnit, Person, RoleAssignment
from services.context import Context, Refusal
from services.identity import roles_of
from texts.screen import Key, Value

UNPROVEN = ("resident",)


def plain(name: str) -> str:
    """The name as it is compared: half width, without spaces."""
    return "".join(unicodedata.normalize("NFKC", name).split()).upper()


async def named(context: Context, name: str) -> list[Person]:
    """Everybody the community knows by this name or code: with a code, a role, or a confirmed enrolment.

    Who only wrote to the bot under that nickname is not among them.
    """
    member = sa.select(Enrollment.id).where(col(Enrollment.person_id) == col(Person.id), col(Enrollment.state) == "ACTIVE")  # type: ignore[call-overload]
    office = sa.select(RoleAssignment.id).where(  # type: ignore[call-overload]
        col(RoleAssignment.person_id) == col(Person.id), col(RoleAssignment.role).not_in(UNPROVEN)
    )
    known = sa.or_(col(Person.code).is_not(None), sa.exists(member), sa.exists(office))
    rows = await context.session.execute(
        sa.select(col(Person.id), col(Person.code), col(Person.display_name)).where(known, col(Person.deleted_at).is_(None))
    )
    wanted = plain(name)
    ids = [row.id for row in rows if wanted and wanted in (plain(row.display_name), plain(row.code or ""))]
    found = await context.session.scalars(sa.select(Person).where(col(Person.id).in_(ids)).order_by(col(Person.id)))
    return list(found)


async def one_named(context: Context, name: str) -> Person:
    """The one person of this name or code. Raises Refusal: nobody, or several, with what tells them apart and their codes."""
    found = await named(context, name)
    if not found:
        raise Refusal("people.nobody", name=name)
    if len(found) > 1:
        raise Refusal("people.several", name=name, options=[await describe(context, person, code=True) for person in found])
    return found[0]


async def describe(context: Context, person: Person, *, code: bool = False) -> Key:
    """The person with what tells them from others of the same name: offices, grid, unit; never a telephone number."""
    what: list[Value] = [Key(f"role.{role}") for role in _offices(await roles_of(context.session, person.id, context.now))]
    enrolled = await context.session.scalar(
        sa.select(Enrollment).where(col(Enrollment.person_id) == person.id, col(Enrollment.state) == "ACTIVE").limit(1)
    )
    grid = enrolled.grid_code if enrolled else person.home_grid
    unit = await context.session.scalar(sa.select(col(PartnerUnit.name)).where(col(PartnerUnit.liaison_id) == person.id).limit(1))
    what += filter(None, (context.ground.grid_name(grid), unit, person.code if code else ""))
    return Key("people.option", {"name": person.display_name, "what": what}) if what else Key("people.alone", {"name": person.display_name})


def _offices(grants: Iterable[object]) -> list[str]:
    roles = dict.fromkeys(getattr(grant, "role", "") for grant in grants)
    return [role for role in roles if role not in UNPROVEN]
