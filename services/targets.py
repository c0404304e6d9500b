"""The yearly target of a member, and how far it is met: shown to the person alone (domain.md §8 达标率, §0.1).

The target is so many services and hours for each quarter from the one of the enrolment to the fourth, both included; a community may set
other numbers in Community.config ("target": {"times": 1, "hours": 5}).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Enrollment, PartyMember
from services import lists
from services.context import Context
from services.service_record import Served, of_year, verified
from services.workdays import ZONE, local
from texts import membership, membership_screens
from texts.screen import Screen, Value

LIVE = ("INVITED", "APPLIED", "ACTIVE")


@dataclass(frozen=True, slots=True)
class Target:
    """What a member should take part in during a year: `times` services and `hours`, in `quarters` quarters."""

    year: int
    quarters: int
    times: int
    hours: float

    @property
    def values(self) -> dict[str, Value]:
        """The holes of the texts about it."""
        return {"year": str(self.year), "times": self.times, "hours": float(self.hours)}

    def met(self, served: Served) -> bool:
        """Whether so much service reaches it."""
        return served.times >= self.times and served.hours >= self.hours


def quarter(day: date) -> int:
    """The quarter of a date, 1 to 4."""
    return (day.month - 1) // 3 + 1


def quarters(enrolled: date, year: int) -> int:
    """How many quarters of `year` count for somebody enrolled on this date: from its quarter to the fourth, inclusive."""
    return 0 if enrolled.year > year else 4 if enrolled.year < year else 5 - quarter(enrolled)


async def first_applied(session: AsyncSession, enrolment: Enrollment) -> datetime:
    """When the enrolment began: moves from building to building within the community go on from the first (domain.md §5, move)."""
    first = enrolment
    while (number := (first.details or {}).get("moved_from")) and (earlier := await session.get(Enrollment, number)) is not None:
        first = earlier
    return first.applied_at


async def of(context: Context, enrolment: Enrollment, year: int | None = None) -> Target | None:
    """The target of the member for the year (this one when None); None where none counts: the kind of member, an exemption."""
    member = await context.session.get(PartyMember, enrolment.person_id)
    if member is None or member.health_exempt or not membership.rule(member.kind).target:
        return None
    config = membership.data()["target"] | (await lists.community(context)).config.get("target", {})
    year = year or local(context.now).year
    count = quarters(local(await first_applied(context.session, enrolment)).date(), year)
    return Target(year, count, config["times"] * count, config["hours"] * count)


def first_moment(year: int, of_quarter: int) -> datetime:
    """When a quarter begins; the fifth is the first of the next year."""
    year, of_quarter = (year + 1, 1) if of_quarter > 4 else (year, of_quarter)
    return datetime.combine(date(year, 3 * of_quarter - 2, 1), time(), ZONE)


async def mine(context: Context) -> Screen:
    """The actor's own hours: the year, the quarter, the target and what is still missing; nobody else is shown them."""
    assert context.actor.id is not None
    today = local(context.now).date()
    here = quarter(today)
    year = await of_year(context.session, context.actor.id, today.year)
    now = await verified(context.session, context.actor.id, first_moment(today.year, here), first_moment(today.year, here + 1))
    query = sa.select(Enrollment).where(col(Enrollment.person_id) == context.actor.id, col(Enrollment.state).in_(LIVE))
    enrolment = await context.session.scalar(query)
    target = await of(context, enrolment) if enrolment else None
    member = await context.session.get(PartyMember, context.actor.id) if enrolment else None
    return membership_screens.my_hours(
        {
            "year": str(today.year), "times": year.times, "hours": year.hours, "quarter": here,
            "quarter_times": now.times, "quarter_hours": now.hours,
        },
        target.values if target else None,
        (max(0, target.times - year.times), max(0.0, target.hours - year.hours)) if target else None,
        enrolled=enrolment is not None, exempt=member is not None and member.health_exempt,
    )  # fmt: skip
