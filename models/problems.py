"""Problems and what hangs on them (domain.md §3 Problems). States are moved by services.moves alone."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, UTCDateTime, new_id


class Problem(SQLModel, table=True):
    """A resident's problem. `reporter_id` is null for an anonymous one; `draft_id` makes a second 提交 find the first.

    `text`, `place_detail` and `result` are encrypted; `text_public` is the masked half that others may see.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    code: str = Field(unique=True)
    draft_id: str | None = Field(default=None, unique=True)
    grid_code: str | None = Field(default=None, index=True)
    place_id: str | None = Field(default=None, foreign_key="place.id")
    place_name: str = ""
    place_detail: str = Field(default="", sa_type=Encrypted)
    lat: float | None = None
    lon: float | None = None
    category: str = Field(index=True)
    sla: str = "P3"
    text: str = Field(default="", sa_type=Encrypted)
    text_public: str = ""
    channel: str = "bot"
    anonymous: bool = False
    reporter_id: str | None = Field(default=None, foreign_key="person.id", index=True)
    token_id: str | None = Field(default=None, foreign_key="anonymous_token.id", index=True)
    level: str = "grid"
    state: str = Field(default="SUBMITTED", index=True)
    lead_handler_id: str | None = Field(default=None, foreign_key="person.id")
    merged_into_id: str | None = Field(default=None, foreign_key="problem.id", index=True)
    submitted_at: datetime = Field(sa_type=UTCDateTime, index=True)  # type: ignore[call-overload,unused-ignore]
    accepted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    first_contact_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    contact_due: datetime = Field(sa_type=UTCDateTime)
    resolve_due: datetime = Field(sa_type=UTCDateTime)
    original_resolve_due: datetime = Field(sa_type=UTCDateTime)
    extended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    returned_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    appealed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    suspended_until: datetime | None = Field(default=None, sa_type=UTCDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    close_reason: str = ""
    result: str = Field(default="", sa_type=Encrypted)
    rating: str | None = None
    solved: bool | None = None
    rated_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    reopen_count: int = 0
    version: int = 1
    __table_args__ = (sa.Index("ix_problem_near", "grid_code", "category", "submitted_at"),)


class ProblemLink(SQLModel, table=True):
    """Two problems that belong together (related, recurrence)."""

    __tablename__ = "problem_link"
    problem_id: str = Field(primary_key=True, foreign_key="problem.id")
    other_id: str = Field(primary_key=True, foreign_key="problem.id")
    kind: str = "related"


class Media(SQLModel, table=True):
    """A stored file (re-encoded photo, or a recording), on disk under its sha256; `owner` is "problem:ID" or "draft:ID"."""

    id: str = Field(default_factory=new_id, primary_key=True)
    owner: str = Field(index=True)
    kind: str = "photo"
    stage: str = "before"
    sha256: str = Field(default="", index=True)
    mime: str = "image/jpeg"
    size: int = 0
    at: datetime = Field(sa_type=UTCDateTime)


class ProblemSupporter(SQLModel, table=True):
    """Somebody with the same problem, who hears every echo."""

    __tablename__ = "problem_supporter"
    problem_id: str = Field(primary_key=True, foreign_key="problem.id")
    person_id: str = Field(primary_key=True, foreign_key="person.id")
    at: datetime = Field(sa_type=UTCDateTime)


class ProblemMessage(SQLModel, table=True):
    """A message relayed between the reporter and the handler; `author_id` is null for an anonymous reporter."""

    __tablename__ = "problem_message"
    id: str = Field(default_factory=new_id, primary_key=True)
    problem_id: str = Field(foreign_key="problem.id", index=True)
    direction: str
    body: str = Field(sa_type=Encrypted)
    author_id: str | None = Field(default=None, foreign_key="person.id")
    at: datetime = Field(sa_type=UTCDateTime)


class AnonymousToken(SQLModel, table=True):
    """The sealed return address of an anonymous report: a salted hash to recognise the chat, the address encrypted.

    Destroyed 30 days after closing (domain.md §0.5).
    """

    __tablename__ = "anonymous_token"
    id: str = Field(default_factory=new_id, primary_key=True)
    salt: str
    chat_hash: str
    return_address: str | None = Field(default=None, sa_type=Encrypted)
    purge_at: datetime | None = Field(default=None, sa_type=UTCDateTime, index=True)  # type: ignore[call-overload,unused-ignore]


class Evaluation(SQLModel, table=True):
    """A rating. `target` is "problem" or "task"; `rater_id` is null for an anonymous reporter; the latest revision counts."""

    id: str = Field(default_factory=new_id, primary_key=True)
    target: str
    target_id: str = Field(index=True)
    rater_id: str | None = Field(default=None, foreign_key="person.id")
    rater_kind: str
    grade: str | None = None
    solved: bool | None = None
    text: str = Field(default="", sa_type=Encrypted)
    at: datetime = Field(sa_type=UTCDateTime)
    revision: int = 1
