"""Running a community: the organisation tree, who is on duty, announcements, exports, and who looked at whose data (domain.md §3, §9)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, UTCDateTime, new_id


class OrgUnit(SQLModel, table=True):
    """A party organisation of the tree; `path` is the codes from the root, each ending in "/"; `level` is a label the community chooses."""

    __tablename__ = "org_unit"
    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id", index=True)
    code: str
    parent_code: str | None = None
    kind: str = ""
    level: str = ""
    name: str
    path: str = ""
    secretary_id: str | None = Field(default=None, foreign_key="person.id")
    valid_from: date | None = None
    valid_to: date | None = None
    __table_args__ = (sa.UniqueConstraint("community_id", "code"),)


class DutyShift(SQLModel, table=True):
    """That a person is on duty on a day (值班), in the order of `position`."""

    __tablename__ = "duty_shift"
    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    day: date = Field(index=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    position: int = 0
    note: str = ""
    __table_args__ = (sa.UniqueConstraint("community_id", "day", "person_id"),)


class Announcement(SQLModel, table=True):
    """An announcement: `audience` is all, members, staff or grid:G1; `pushed` ones are sent, the others wait to be asked for (公告)."""

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id")
    number: int
    audience: str = "all"
    text: str
    pushed: bool = False
    pinned: bool = False
    author_id: str | None = Field(default=None, foreign_key="person.id")
    published_at: datetime = Field(sa_type=UTCDateTime, index=True)  # type: ignore[call-overload,unused-ignore]
    expires_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    __table_args__ = (sa.UniqueConstraint("community_id", "number"),)


class AuditLog(SQLModel, table=True):
    """Who looked at whose personal data, or changed a right or a setting: `action` is a word such as `contact.seen`, `role.granted`.

    `person_id`: whose data it is. `object_kind` and `object_id`: through which object it was seen. `note` is encrypted.
    """

    __tablename__ = "audit_log"
    id: str = Field(default_factory=new_id, primary_key=True)
    actor_id: str | None = Field(default=None, index=True)
    action: str
    person_id: str | None = Field(default=None, index=True)
    object_kind: str = ""
    object_id: str = ""
    note: str = Field(default="", sa_type=Encrypted)
    at: datetime = Field(sa_type=UTCDateTime, index=True)  # type: ignore[call-overload,unused-ignore]


class DeletionRequest(SQLModel, table=True):
    """A person's wish that their data be deleted, and what became of it."""

    __tablename__ = "deletion_request"
    id: str = Field(default_factory=new_id, primary_key=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    asked_at: datetime = Field(sa_type=UTCDateTime)
    due: datetime = Field(sa_type=UTCDateTime)
    done_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    done_by: str | None = Field(default=None, foreign_key="person.id")
    outcome: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)


class ExportFile(SQLModel, table=True):
    """A file that was made for somebody: what, for which period, and until when it may be fetched."""

    __tablename__ = "export_file"
    id: str = Field(default_factory=new_id, primary_key=True)
    kind: str
    period: str = ""
    media_id: str = ""
    name: str = ""
    sha256: str = ""
    requested_by: str | None = Field(default=None, foreign_key="person.id")
    made_at: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime = Field(sa_type=UTCDateTime)
