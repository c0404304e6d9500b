"""Meetings and commitments, and the digests that tell of them (domain.md §3 Co-governance, §5 Meeting, Commitment)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, EncryptedJSON, UTCDateTime, new_id

_OWED = sa.text("quarter <> '' AND makes_up_for IS NULL")
_TALK = sa.text("kind = 'thursday_talk'")
_UNIT, _PERSON = sa.text("unit_code IS NOT NULL"), sa.text("unit_code IS NULL")


class Meeting(SQLModel, table=True):
    """A meeting; of a joint quarterly one there is a row from the quarter's first day on (PLACEHOLDER).

    `quarter`: "2026Q3", or "" for kinds that owe nothing to a quarter. `convener`: community or street. `makes_up_for`: the MISSED meeting
    that this one is held late for (补开). `code` is given when a date is set. `round` counts the dates it has had, from 1: what was
    set for an earlier one no longer happens. `reason`: why it was postponed, put off or cancelled.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    code: str | None = Field(default=None, unique=True)
    kind: str = "joint_quarterly"
    quarter: str = Field(default="", index=True)
    convener: str = "community"
    makes_up_for: str | None = None
    title: str = ""
    planned_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    place: str = ""
    chair_id: str | None = Field(default=None, foreign_key="person.id")
    recorder_id: str | None = Field(default=None, foreign_key="person.id")
    state: str = Field(default="PLACEHOLDER", index=True)
    sign_in_code: str = ""
    noticed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    opened_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    minutes_due: datetime | None = Field(default=None, sa_type=UTCDateTime)
    round: int = 0
    reason: str = Field(default="", sa_type=Encrypted)
    created_at: datetime = Field(sa_type=UTCDateTime)
    version: int = 1
    __table_args__ = (
        sa.Index("uq_meeting_quarter", "community_id", "kind", "quarter", unique=True, sqlite_where=_OWED, postgresql_where=_OWED),
        sa.Index("uq_meeting_talk", "community_id", "planned_at", unique=True, sqlite_where=_TALK, postgresql_where=_TALK),
    )


class AgendaItem(SQLModel, table=True):
    """A topic of a meeting, or what a resident wants to say at a talk. `source`: overdue, repeated, hotspot, carried, proposal, clerk or
    booking. `state`: PROPOSED, ADOPTED, DROPPED.
    """

    __tablename__ = "agenda_item"
    id: str = Field(default_factory=new_id, primary_key=True)
    meeting_id: str = Field(foreign_key="meeting.id", index=True)
    number: int
    text: str = Field(sa_type=Encrypted)
    source: str = "proposal"
    problem_id: str | None = Field(default=None, foreign_key="problem.id")
    unit_code: str | None = None
    proposer_id: str | None = Field(default=None, foreign_key="person.id")
    state: str = "PROPOSED"
    at: datetime = Field(sa_type=UTCDateTime)
    __table_args__ = (sa.UniqueConstraint("meeting_id", "number"),)


class Attendance(SQLModel, table=True):
    """One who is invited to a meeting: a unit (by its liaison) or a person. `reply`: "" (not yet), yes or leave. `guest`: by name."""

    id: str = Field(default_factory=new_id, primary_key=True)
    meeting_id: str = Field(foreign_key="meeting.id", index=True)
    unit_code: str | None = None
    person_id: str | None = Field(default=None, foreign_key="person.id")
    guest: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    reply: str = ""
    replied_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    leave_reason: str | None = Field(default=None, sa_type=Encrypted)
    attended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    signed_by: str | None = Field(default=None, foreign_key="person.id")
    __table_args__ = (
        sa.Index("uq_attendance_unit", "meeting_id", "unit_code", unique=True, sqlite_where=_UNIT, postgresql_where=_UNIT),
        sa.Index("uq_attendance_person", "meeting_id", "person_id", unique=True, sqlite_where=_PERSON, postgresql_where=_PERSON),
    )


class Minutes(SQLModel, table=True):
    """The minutes of a meeting: `facts` as counted when they were drafted, `text` the words people added; confirmed by the secretary.

    `sent_at`: when the units were given the draft, to be corrected until `correct_until`.
    """

    meeting_id: str = Field(primary_key=True, foreign_key="meeting.id")
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=EncryptedJSON)
    text: str = Field(default="", sa_type=Encrypted)
    media_id: str = ""
    drafted_at: datetime = Field(sa_type=UTCDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    correct_until: datetime | None = Field(default=None, sa_type=UTCDateTime)
    confirmed_by: str | None = Field(default=None, foreign_key="person.id")
    confirmed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class ActionItem(SQLModel, table=True):
    """A decision of a meeting as work with an owner and a date (议定事项); `code` is the meeting's with a number behind it."""

    __tablename__ = "action_item"
    id: str = Field(default_factory=new_id, primary_key=True)
    meeting_id: str = Field(foreign_key="meeting.id", index=True)
    code: str = Field(unique=True)
    number: int
    text: str = Field(sa_type=Encrypted)
    unit_code: str | None = None
    owner_id: str | None = Field(default=None, foreign_key="person.id")
    due: datetime = Field(sa_type=UTCDateTime)
    state: str = Field(default="OPEN", index=True)
    result: str = Field(default="", sa_type=Encrypted)
    done_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    version: int = 1
    __table_args__ = (sa.UniqueConstraint("meeting_id", "number"),)


class Commitment(SQLModel, table=True):
    """A year's promises of a member, a branch, a unit or the community itself (承诺践诺).

    `owner_kind`: member, org, unit or community; `owner` is the person's id, the branch's grid code, the unit's code or "". `items`: one to
    five of {what, for_whom, measure, due, progress, result, reason}; `result` of an item, once a person confirmed it: kept, partly, not
    or excused (objective reasons); before that `said` is what the owner reported and `done_on` the day the owner called it done.
    `ratings`: how the proposed result came about, as it was shown to the one who confirmed. `objection` may come in five workdays.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    code: str | None = Field(default=None, unique=True)
    owner_kind: str = "member"
    owner: str = Field(default="", index=True)
    writer_id: str | None = Field(default=None, foreign_key="person.id")
    year: int = Field(index=True)
    items: list[dict[str, Any]] = Field(default_factory=list, sa_type=EncryptedJSON)
    state: str = Field(default="DRAFT", index=True)
    submitted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    returned: int = 0
    return_reason: str | None = Field(default=None, sa_type=Encrypted)
    reviewed_by: str | None = Field(default=None, foreign_key="person.id")
    published_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    self_report: str | None = Field(default=None, sa_type=Encrypted)
    self_reported_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    objective_reason: str | None = Field(default=None, sa_type=Encrypted)
    score: float | None = None
    ratings: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    result: str = ""
    evaluated_by: str | None = Field(default=None, foreign_key="person.id")
    evaluated_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    objection: str | None = Field(default=None, sa_type=Encrypted)
    objected_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    version: int = 1
    __table_args__ = (sa.UniqueConstraint("owner_kind", "owner", "year"),)


class CommitmentVote(SQLModel, table=True):
    """One rater's grade of a commitment; `rater_kind`: peer, mass or org. Changeable until the round closes; one a rater."""

    __tablename__ = "commitment_vote"
    commitment_id: str = Field(primary_key=True, foreign_key="commitment.id")
    rater_id: str = Field(primary_key=True, foreign_key="person.id")
    rater_kind: str
    grade: int
    text: str = ""
    at: datetime = Field(sa_type=UTCDateTime)


class DigestRun(SQLModel, table=True):
    """That a digest was made: `covers_from` is the run before, so that nothing is told twice or left out."""

    __tablename__ = "digest_run"
    id: str = Field(default_factory=new_id, primary_key=True)
    kind: str
    period_key: str
    covers_from: datetime = Field(sa_type=UTCDateTime)
    covers_to: datetime = Field(sa_type=UTCDateTime)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    __table_args__ = (sa.UniqueConstraint("kind", "period_key"),)
