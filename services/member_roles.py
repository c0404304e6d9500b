"""The roles that follow from an enrolment: given when it is confirmed, ended with it (domain.md §4, §5 Enrollment)."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlmodel import col

from models import RoleAssignment
from services import audit
from services.context import Context


async def grant(context: Context, person_id: str, role: str, because: str, unit: str | None = None) -> None:
    """Give the role from now on, unless the person holds it; `because`: the id of the enrolment."""
    if not await _held(context, person_id, role, unit):
        made = RoleAssignment(person_id=person_id, role=role, unit_code=unit, valid_from=context.now, granted_by=context.actor.id)
        context.session.add(made)
        audit.changed(context, "role.granted", person_id, f"enrollment:{because}", role)


async def end(context: Context, person_id: str, roles: Iterable[str], because: str, unit: str | None = None) -> None:
    """End these roles of the person now; the rows stay as history."""
    for role in roles:
        for row in await _held(context, person_id, role, unit):
            row.valid_to = max(context.now, row.valid_from or context.now)
            audit.changed(context, "role.taken", person_id, f"enrollment:{because}", role)


async def _held(context: Context, person_id: str, role: str, unit: str | None) -> list[RoleAssignment]:
    query = sa.select(RoleAssignment).where(
        col(RoleAssignment.person_id) == person_id, col(RoleAssignment.role) == role, col(RoleAssignment.unit_code) == unit
    )
    return [row for row in await context.session.scalars(query) if row.valid_to is None or row.valid_to > context.now]
