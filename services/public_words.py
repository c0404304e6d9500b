"""What everybody may read: a text without what is private, and without the name of anybody who lives here (domain.md §0.6)."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlmodel import col

from models import Person
from services.context import Context
from services.masking import mask


async def public(context: Context, text: str, besides: Iterable[Person | None] = ()) -> str:
    """The text as a group may read it, residents and members named in it starred out, and whoever of `besides` is."""
    neighbours = sa.select(col(Person.display_name)).where(
        col(Person.community_id) == context.ground.community_id,
        col(Person.person_kind).in_(("resident", "member")),
        col(Person.deleted_at).is_(None),
    )
    known = {*await context.session.scalars(neighbours), *(person.display_name for person in besides if person is not None)}
    written = "".join(text.split())
    return mask(text, [name for name in known if "".join(name.split()) in written])
