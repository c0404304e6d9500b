"""双报到 and what follows from it: members, enrolments, posts, teams, offers, what units give and need (domain.md §3 People)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, EncryptedJSON, UTCDateTime, new_id


class PartyMember(SQLModel, table=True):
    """A party member's record; where the member stands with the community is told by the Enrollment.

    `kind`: a key of texts/membership.toml (in_service, community_registered, retired, floating_in, floating_out, new_employment), whose
    rules apply. `status`: full (正式) or probationary (预备). `skills`, `availability` and `service_kinds` are words of the community's
    lists, or the member's own. `offers`: wants to be asked in private when a task fits.
    """

    __tablename__ = "party_member"
    person_id: str = Field(primary_key=True, foreign_key="person.id")
    kind: str = "in_service"
    status: str = "full"
    unit_code: str | None = None
    home_org: str = ""
    skills: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    availability: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    service_kinds: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    health_exempt: bool = False
    exempt_reason: str | None = Field(default=None, sa_type=Encrypted)
    under_18: bool = False
    emergency_opt_in: bool = False
    backbone: bool = False
    offers: bool = True
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)


_LIVE = sa.text("state IN ('INVITED','APPLIED','ACTIVE')")


class Enrollment(SQLModel, table=True):
    """One 双报到 of a member or a unit; `kind` is a key of the community's list (unit, member, youth, new_employment …).

    A person (and a unit) has at most one that is INVITED, APPLIED or ACTIVE; earlier ones stay as history. `branch` is the name of the
    party branch that the member is put into. `source`: bot, offline or import. `confirm_due` is 2 workdays after the application.
    `applicant_id`: who applied for a unit; `details`: what that application says (name, address, liaison, resources and
    needs), or {"moved_from": the id of the enrolment at the former building}.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    kind: str = "member"
    person_id: str | None = Field(default=None, foreign_key="person.id", index=True)
    unit_code: str | None = Field(default=None, index=True)
    grid_code: str | None = None
    branch: str = ""
    state: str = Field(default="APPLIED", index=True)
    source: str = "bot"
    applied_at: datetime = Field(sa_type=UTCDateTime)
    confirm_due: datetime | None = Field(default=None, sa_type=UTCDateTime)
    confirmed_by: str | None = Field(default=None, foreign_key="person.id")
    confirmed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    reason: str = Field(default="", sa_type=Encrypted)
    applicant_id: str | None = Field(default=None, foreign_key="person.id")
    details: Any = Field(default=None, sa_type=EncryptedJSON, nullable=True)
    version: int = 1
    __table_args__ = (
        sa.Index("uq_enrollment_person", "person_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        sa.Index("uq_enrollment_unit", "unit_code", unique=True,
                 sqlite_where=sa.text("person_id IS NULL AND state IN ('INVITED','APPLIED','ACTIVE')"),
                 postgresql_where=sa.text("person_id IS NULL AND state IN ('INVITED','APPLIED','ACTIVE')")),
    )  # fmt: skip


class ServiceRecord(SQLModel, table=True):
    """Service of a year that was recorded before the program: counted beside the verified claims. `hours` in hours."""

    __tablename__ = "service_record"
    person_id: str = Field(primary_key=True, foreign_key="person.id")
    year: int = Field(primary_key=True)
    times: int = 0
    hours: float = 0.0
    source: str = "import"


class ResourceItem(SQLModel, table=True):
    """What a unit can give (`side` resource) or wishes for (`side` need), in its own words."""

    __tablename__ = "resource_item"
    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    unit_code: str = Field(index=True)
    side: str = "resource"
    text: str
    state: str = "PUBLISHED"
    listed_at: datetime = Field(sa_type=UTCDateTime)


class Post(SQLModel, table=True):
    """A post that members take on (认岗领责): duties, places and term, half-open [from, to). `post_class`: one of the community's list."""

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    number: int
    name: str
    post_class: str = ""
    duties: str = ""
    grid_code: str | None = None
    place_name: str = ""
    capacity: int = 1
    term_from: date
    term_to: date
    creator_id: str | None = Field(default=None, foreign_key="person.id")
    closed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    created_at: datetime = Field(sa_type=UTCDateTime)
    __table_args__ = (sa.UniqueConstraint("community_id", "number"),)


_HELD = sa.text("state IN ('APPLIED','CONFIRMED')")


class PostClaim(SQLModel, table=True):
    """A member's claim of a post; one live claim a person and post."""

    __tablename__ = "post_claim"
    id: str = Field(default_factory=new_id, primary_key=True)
    post_id: str = Field(foreign_key="post.id", index=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    state: str = Field(default="APPLIED", index=True)
    applied_at: datetime = Field(sa_type=UTCDateTime)
    confirmed_by: str | None = Field(default=None, foreign_key="person.id")
    confirmed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    reason: str = ""
    version: int = 1
    __table_args__ = (sa.Index("uq_post_claim_live", "post_id", "person_id", unique=True, sqlite_where=_HELD, postgresql_where=_HELD),)


class Team(SQLModel, table=True):
    """A team of members; `kind` is a word of the community's list (志愿服务队, 突击队, 联防队, 先锋队)."""

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    name: str
    kind: str = ""
    leader_id: str | None = Field(default=None, foreign_key="person.id")
    skills: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    backbone: bool = False
    closed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    __table_args__ = (sa.UniqueConstraint("community_id", "name"),)


class TeamMember(SQLModel, table=True):
    """That a person is in a team, until `left_at`."""

    __tablename__ = "team_member"
    team_id: str = Field(primary_key=True, foreign_key="team.id")
    person_id: str = Field(primary_key=True, foreign_key="person.id", index=True)
    joined_at: datetime = Field(sa_type=UTCDateTime)
    left_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class TaskOffer(SQLModel, table=True):
    """That a new task was offered to a person in private: at most five a task, two a week for a person."""

    __tablename__ = "task_offer"
    task_id: str = Field(primary_key=True, foreign_key="task.id")
    person_id: str = Field(primary_key=True, foreign_key="person.id", index=True)
    offered_at: datetime = Field(sa_type=UTCDateTime)
