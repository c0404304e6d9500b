"""People: persons, their chat accounts, roles, consent, invitations (domain.md §3 People)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, UTCDateTime, new_id


class Person(SQLModel, table=True):
    """A person. `code` is a stable handle given by staff or the demo (R101, ST04); names, phone and building are encrypted."""

    id: str = Field(default_factory=new_id, primary_key=True)
    community_id: str = Field(foreign_key="community.id", index=True)
    code: str | None = Field(default=None, unique=True)
    display_name: str = Field(default="", sa_type=Encrypted)
    phone: str | None = Field(default=None, sa_type=Encrypted)
    phone_hash: str | None = Field(default=None, index=True)
    person_kind: str = "resident"
    home_grid: str | None = None
    building: str | None = Field(default=None, sa_type=Encrypted)
    consent_version: int = 0
    consent_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    language: str = "zh_CN"
    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    version: int = 1


class ChatAccount(SQLModel, table=True):
    """A person's account on a platform. `preferred`: the account the person wrote from last, which gets the pushes."""

    __tablename__ = "chat_account"
    id: str = Field(default_factory=new_id, primary_key=True)
    platform: str
    bot: str
    user_hash: str
    user_address: str = Field(sa_type=Encrypted)
    person_id: str = Field(foreign_key="person.id", index=True)
    private_chat_id: str | None = Field(default=None, foreign_key="chat.id", index=True)
    preferred: bool = True
    blocked: bool = False
    __table_args__ = (sa.UniqueConstraint("platform", "bot", "user_hash"),)


class RoleAssignment(SQLModel, table=True):
    """A role of a person with its scope (grid code or unit code) and term, half-open [from, to)."""

    __tablename__ = "role_assignment"
    id: str = Field(default_factory=new_id, primary_key=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    role: str = Field(index=True)
    grid_code: str | None = None
    unit_code: str | None = None
    valid_from: datetime | None = Field(default=None, sa_type=UTCDateTime)
    valid_to: datetime | None = Field(default=None, sa_type=UTCDateTime)
    granted_by: str | None = None


class ConsentRecord(SQLModel, table=True):
    """That a person agreed to a version of the privacy notice, and how (提交 is the consent)."""

    __tablename__ = "consent_record"
    id: str = Field(default_factory=new_id, primary_key=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    notice_version: int
    given_at: datetime = Field(sa_type=UTCDateTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class Invitation(SQLModel, table=True):
    """A one-time `/start` link that binds a chat account to a person; only the token's hash is kept.

    `attempts`: how often a telephone number was given that is not the person's; at three the invitation is void.
    """

    id: str = Field(default_factory=new_id, primary_key=True)
    token_hash: str = Field(unique=True)
    person_id: str = Field(foreign_key="person.id")
    expires_at: datetime = Field(sa_type=UTCDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    created_by: str | None = None
    attempts: int = 0
