"""What a rule is given: who acts, the session of the one transaction, the time, the ground, and the draft of the dialog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from models import Chat, ChatAccount, Community, Draft, Grid, HolidayDay, Person, Place
from services.geography import GridShape
from services.places import Gazetteer, NamedPlace
from services.workdays import Calendar


class Refusal(Exception):
    """A rule says no. `key` is the catalogue text for the person, `values` fill its holes; nothing was changed."""

    def __init__(self, key: str, **values: Any) -> None:
        super().__init__(f"refused: {key} {values}")
        self.key, self.values = key, values


@dataclass(frozen=True, slots=True)
class Grant:
    """A role with its scope; `grid` is a grid's code, `unit` a unit's."""

    role: str
    grid: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person with roles and membership, or the scheduler (no person)."""

    person: Person | None
    grants: tuple[Grant, ...] = ()
    member_state: str | None = None
    member_skills: tuple[str, ...] = ()

    @property
    def id(self) -> str | None:
        """The person's id, None for the scheduler."""
        return self.person.id if self.person else None

    def has(self, *roles: str, grid: str | None = None) -> bool:
        """Whether one of `roles` is held; with `grid`, a grid-scoped role must be for that grid."""
        return any(grant.role in roles and (grid is None or grant.grid is None or grant.grid == grid) for grant in self.grants)

    def skilled(self, skill: str) -> bool:
        """Whether one of the member's skills holds these words; anybody when none are asked for (domain.md §5, Task defaults)."""
        return not skill or any(skill in known for known in self.member_skills)

    @property
    def staff(self) -> bool:
        """Whether the person works for the community."""
        return self.has("grid_leader", "coordinator", "community_clerk", "community_secretary", "admin")

    @property
    def hats(self) -> tuple[str, ...]:
        """What the person is here, of member, unit (its liaison), tickets (who handles problems) and office: what the help is about."""
        office = self.has("coordinator", "community_clerk", "community_secretary", "admin")
        worn = {"member": self.member_state == "ACTIVE", "unit": self.has("unit_liaison"), "tickets": self.staff, "office": office}
        return tuple(hat for hat, on in worn.items() if on)


SCHEDULER = Actor(None, (Grant("scheduler"),))


@dataclass(frozen=True, slots=True)
class Ground:
    """The community's unchanging ground, cached until `Community.version` rises."""

    community_id: str
    version: int
    name: str
    grids: Mapping[str, Grid]
    shapes: tuple[GridShape, ...]
    gazetteer: Gazetteer
    places: Mapping[str, Place]
    calendar: Calendar

    def grid_name(self, code: str | None) -> str:
        """The grid's name, "" for none."""
        return self.grids[code].name if code is not None and code in self.grids else ""


_grounds: dict[str, Ground] = {}
_COMMUNITY: Any = sa.select(Community.id, Community.version, Community.name).limit(1)  # type: ignore[call-overload]


async def ground(session: AsyncSession) -> Ground:
    """The ground of this database's community. Raises LookupError when there is no community yet."""
    row = (await session.execute(_COMMUNITY)).first()
    if row is None:
        raise LookupError("no community in the database: load the demo, or set one up")
    known = _grounds.get(row.id)
    if known is None or known.version != row.version:
        known = await _load(session, row)
        _grounds.clear()
        _grounds[row.id] = known
    return known


async def _load(session: AsyncSession, row: Any) -> Ground:
    grids = list(await session.scalars(sa.select(Grid).order_by(sa.text("code"))))
    places = list(await session.scalars(sa.select(Place)))
    entered: dict[date, bool] = {day.day: day.is_workday for day in await session.scalars(sa.select(HolidayDay))}
    for every in (*grids, *places):
        session.expunge(every)
    return Ground(
        row.id, row.version, row.name,
        {grid.code: grid for grid in grids},
        tuple(GridShape(grid.code, tuple((lat, lon) for lat, lon in grid.polygon)) for grid in grids),
        Gazetteer(
            NamedPlace(p.name, p.grid_code, p.lat, p.lon, "building" if p.kind == "building" else "place", tuple(p.aliases), p.id)
            for p in places
        ),
        {place.id: place for place in places},
        Calendar(entered),
    )  # fmt: skip


@dataclass
class Context:
    """What every rule and handler gets.

    `now` is the turn's one moment (aware UTC). `cause` identifies the turn for dedupe keys. `chat` and `account` are where and through
    which account the actor speaks (None for the scheduler). `draft` is the dialog's draft row, None when there is none. `posted`
    collects the outbox rows of this turn. `private`: whether the chat is a private one.
    """

    session: AsyncSession
    now: datetime
    actor: Actor
    ground: Ground
    cause: str
    chat: Chat | None = None
    account: ChatAccount | None = None
    draft: Draft | None = None
    message_id: str = ""
    reply_to: str = ""
    posted: list[Any] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def calendar(self) -> Calendar:
        """The community's workdays."""
        return self.ground.calendar

    @property
    def private(self) -> bool:
        """Whether the chat is a private one."""
        return self.chat is not None and self.chat.kind == "private"

    @property
    def language(self) -> str:
        """The language of the answer."""
        if self.private and self.actor.person:
            return self.actor.person.language
        return self.chat.language if self.chat else "zh_CN"
