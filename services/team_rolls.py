"""Who is in a team, as what the rules need of each: the person, the record and the enrolment (domain.md §3 Team)."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import col, select

from models import Enrollment, PartyMember, Person, Team, TeamMember
from services.context import Actor, Context


@dataclass(frozen=True, slots=True)
class Member:
    """A person with the record as a party member; `state` is that of the live enrolment, None without one."""

    person: Person
    record: PartyMember | None
    state: str | None

    @property
    def actor(self) -> Actor:
        """The member as rules see somebody who acts: without offices."""
        return Actor(self.person, (), self.state, tuple(self.record.skills) if self.record else ())

    @property
    def spared(self) -> bool:
        """Whether nobody may send this member anywhere: who is exempt or under 18 only comes by own wish."""
        return self.record is not None and (self.record.health_exempt or self.record.under_18)


async def of_team(context: Context, team: Team) -> list[Member]:
    """Who is in the team now: the leader first, then as they joined."""
    live = sa.and_(col(Enrollment.person_id) == col(Person.id), col(Enrollment.state).in_(("INVITED", "APPLIED", "ACTIVE")))
    query = (
        sa.select(Person, PartyMember, col(Enrollment.state))
        .join(TeamMember, col(TeamMember.person_id) == col(Person.id))
        .outerjoin(PartyMember, col(PartyMember.person_id) == col(Person.id))
        .outerjoin(Enrollment, live)
        .where(col(TeamMember.team_id) == team.id, col(TeamMember.left_at).is_(None), col(Person.deleted_at).is_(None))
        .order_by(col(TeamMember.joined_at), col(Person.id))
    )
    found = [Member(*row) for row in (await context.session.execute(query)).all()]
    return sorted(found, key=lambda one: one.person.id != team.leader_id)


async def led(context: Context) -> list[Team]:
    """The teams that the actor, an ACTIVE member, leads; by name."""
    if context.actor.id is None or context.actor.member_state != "ACTIVE":
        return []
    query = select(Team).where(col(Team.leader_id) == context.actor.id, col(Team.closed_at).is_(None))
    return list((await context.session.scalars(query.order_by(col(Team.name)))).all())
