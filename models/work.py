"""Orders, tasks, claims and check-ins (domain.md §3 Work). States are moved by services.moves alone."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, UTCDateTime, new_id


class Order(SQLModel, table=True):
    """A resident's request for a service (点单)."""

    __tablename__ = "service_order"
    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    code: str = Field(unique=True)
    draft_id: str | None = Field(default=None, unique=True)
    resident_id: str = Field(foreign_key="person.id", index=True)
    service: str = ""
    want_time: str = ""
    text: str = Field(default="", sa_type=Encrypted)
    text_public: str = ""
    grid_code: str | None = None
    place_name: str = ""
    place_detail: str = Field(default="", sa_type=Encrypted)
    lat: float | None = None
    lon: float | None = None
    state: str = Field(default="SUBMITTED", index=True)
    reason: str = ""
    submitted_at: datetime = Field(sa_type=UTCDateTime)
    version: int = 1


class Task(SQLModel, table=True):
    """Work that members claim. `source` is problem, order or plan; `place_private` and `contact` go to claimers alone."""

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    code: str = Field(unique=True)
    short_no: int
    source: str = "plan"
    source_id: str | None = Field(default=None, index=True)
    title: str
    service: str = ""
    grid_code: str | None = None
    place_name: str = ""
    place_private: str = Field(default="", sa_type=Encrypted)
    contact: str = Field(default="", sa_type=Encrypted)
    lat: float | None = None
    lon: float | None = None
    radius_m: int = 200
    start_at: datetime = Field(sa_type=UTCDateTime)
    end_at: datetime = Field(sa_type=UTCDateTime)
    capacity: int = 1
    skill: str = ""
    audience: str = "members"
    leader_id: str | None = Field(default=None, foreign_key="person.id")
    creator_id: str | None = Field(default=None, foreign_key="person.id")
    check_in_code: str = ""
    planned_hours: float = 2.0
    state: str = Field(default="OPEN", index=True)
    resident_rating: str | None = None
    organisation_rating: int | None = None
    cancel_reason: str = ""
    created_at: datetime = Field(sa_type=UTCDateTime)
    version: int = 1
    __table_args__ = (sa.UniqueConstraint("community_id", "short_no"),)


_LIVE = sa.text("state NOT IN ('WITHDRAWN','LATE_WITHDRAWN','CANCELLED','EXPIRED','NO_SHOW')")


class Claim(SQLModel, table=True):
    """A member's claim of a task; one live claim a person and task (partial unique index)."""

    id: str = Field(default_factory=new_id, primary_key=True)
    task_id: str = Field(foreign_key="task.id", index=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    state: str = Field(default="ACTIVE", index=True)
    waitlist_pos: int | None = None
    offered_until: datetime | None = Field(default=None, sa_type=UTCDateTime)
    claimed_at: datetime = Field(sa_type=UTCDateTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    withdraw_reason: str = ""
    excused: bool = False
    checked_in_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    checked_out_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    hours: float | None = None
    flagged: bool = False
    verified_by: str | None = Field(default=None, foreign_key="person.id")
    verified_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    version: int = 1
    __table_args__ = (sa.Index("uq_claim_live", "task_id", "person_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),)


class CheckIn(SQLModel, table=True):
    """One check-in or check-out of a claim; coordinates are encrypted and purged after 30 days."""

    __tablename__ = "check_in"
    id: str = Field(default_factory=new_id, primary_key=True)
    claim_id: str = Field(foreign_key="claim.id", index=True)
    kind: str
    method: str
    at: datetime = Field(sa_type=UTCDateTime)
    distance_m: int | None = None
    accuracy_m: int | None = None
    verdict: str
    coords: str | None = Field(default=None, sa_type=Encrypted)
    by_id: str | None = Field(default=None, foreign_key="person.id")
    reason: str = ""
