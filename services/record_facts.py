"""The facts of a member's record card: counted from verified claims and what was recorded before the program (domain.md §8, §9.5).

No ranking, no points, nothing about health, no telephone or address; of a task only what a group may read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlmodel import col

from models import CheckIn, Claim, Enrollment, PartnerUnit, PartyMember, Person, ServiceRecord, Task
from services import lists, targets
from services.context import Context
from services.periods import Quarter
from services.service_record import Served, verified
from services.targets import Target, first_applied, first_moment
from services.workdays import local
from texts.membership import rule
from texts.screen import Value

VALID = ("VALID", "MANUAL_OK")


@dataclass(frozen=True, slots=True)
class Service:
    """One verified service: the day, the public title, the hours, and how the presence was established (words of CheckIn.method)."""

    day: date
    title: str
    hours: float
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """One member's card. `year` counts to the end of the quarter and holds `before`, what was recorded before the program."""

    person_id: str
    name: str
    kind: Value
    unit: str
    branch: str
    enrolled: date
    services: tuple[Service, ...]
    quarter: Served
    before: Served
    year: Served
    target: Target | None


async def of_unit(context: Context, unit: PartnerUnit, quarter: Quarter, *, with_target: bool = False) -> list[Facts]:
    """The cards of the unit's members whose kind has one and who were enrolled by the quarter's end, in the order of enrolment."""
    query = (
        sa.select(Enrollment)
        .join(PartyMember, col(PartyMember.person_id) == col(Enrollment.person_id))
        .join(Person, col(Person.id) == col(Enrollment.person_id))
        .where(
            col(PartyMember.unit_code) == unit.code, col(Enrollment.state) == "ACTIVE", col(Person.deleted_at).is_(None),
            col(Enrollment.community_id) == context.ground.community_id,
        )
        .order_by(col(Enrollment.applied_at), col(Enrollment.id))
    )  # fmt: skip
    found = [await of_member(context, enrolment, quarter, unit.name) for enrolment in await context.session.scalars(query)]
    cards = [facts for facts, record in found if rule(record.kind).card and facts.enrolled < quarter.end.date()]
    return cards if with_target else [_untargeted(facts) for facts in cards]


def _untargeted(facts: Facts) -> Facts:
    """The card without the target, which is shown to the member alone."""
    return Facts(**{name: getattr(facts, name) for name in Facts.__slots__} | {"target": None})


async def of_member(context: Context, enrolment: Enrollment, quarter: Quarter, unit: str = "") -> tuple[Facts, PartyMember]:
    """A member's card for the quarter, with the record it is made from."""
    person = await context.session.get_one(Person, enrolment.person_id)
    record = await context.session.get_one(PartyMember, enrolment.person_id)
    before = await context.session.get(ServiceRecord, (person.id, quarter.year))
    earlier = Served(before.times, before.hours) if before else Served()
    served = await verified(context.session, person.id, quarter.begin, quarter.end)
    counted = await verified(context.session, person.id, first_moment(quarter.year, 1), quarter.end)
    facts = Facts(
        person.id, person.display_name, await lists.word(context, "members", record.kind), unit, enrolment.branch,
        local(await first_applied(context.session, enrolment)).date(), await _services(context, person.id, quarter), served, earlier,
        counted + earlier, await targets.of(context, enrolment, quarter.year),
    )  # fmt: skip
    return facts, record


async def _services(context: Context, person_id: str, quarter: Quarter) -> tuple[Service, ...]:
    query = (
        sa.select(Claim, Task)
        .join(Task, col(Task.id) == col(Claim.task_id))
        .where(
            col(Claim.person_id) == person_id, col(Claim.state) == "VERIFIED",
            col(Task.end_at) >= quarter.begin, col(Task.end_at) < quarter.end,
        )
        .order_by(col(Task.start_at), col(Claim.id))
    )  # fmt: skip
    found = []
    for claim, task in (await context.session.execute(query)).all():
        shown = sa.select(col(CheckIn.method)).where(col(CheckIn.claim_id) == claim.id, col(CheckIn.kind) == "in")
        methods = await context.session.scalars(shown.where(col(CheckIn.verdict).in_(VALID)).order_by(col(CheckIn.at)))
        found.append(Service(local(task.start_at).date(), task.title, claim.hours or 0.0, tuple(dict.fromkeys(methods))))
    return tuple(found)
