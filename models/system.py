"""The machine's own tables: inbox, outbox, conversations, history of states, occurrences, leases (design.md §2, §6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.types import Encrypted, EncryptedJSON, UTCDateTime, new_id

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class InboxMessage(SQLModel, table=True):
    """One update of a platform, stored before it is acknowledged; unique on (platform, bot, event id).

    `lane` (a keyed hash of who wrote) and `raw` live only until the turn is done; then only the event id stays.
    """

    __tablename__ = "inbox"
    id: int | None = Field(default=None, sa_column=sa.Column(BigId, primary_key=True, autoincrement=True))
    platform: str
    bot: str
    event_id: str
    lane: str = ""
    raw: Any = Field(default=None, sa_type=EncryptedJSON, nullable=True)
    received_at: datetime = Field(sa_type=UTCDateTime)
    state: str = "pending"
    attempts: int = 0
    lease_token: str = ""
    lease_until: float = 0.0
    not_before: float = 0.0
    error: str = ""
    __table_args__ = (
        sa.UniqueConstraint("platform", "bot", "event_id"),
        sa.Index("ix_inbox_open", "lane", "id", sqlite_where=sa.text("state IN ('pending','working')"),
                 postgresql_where=sa.text("state IN ('pending','working')")),
    )  # fmt: skip


class OutboxMessage(SQLModel, table=True):
    """One message to send. Addressed to a chat, or to an anonymous token; the body is wiped when it is delivered.

    `state`: pending, sending, sent, dead, cancelled, superseded. `policy` says what an unanswered send does: resend (once more,
    marked) or never. `card`: the living message this row posts or edits. `subject`: what a reply to it is about ("problem:ID").
    """

    __tablename__ = "outbox"
    id: int | None = Field(default=None, sa_column=sa.Column(BigId, primary_key=True, autoincrement=True))
    dedupe_key: str = Field(unique=True)
    cause: str = Field(default="", index=True)
    platform: str
    bot: str
    chat_id: str | None = Field(default=None, foreign_key="chat.id")
    token_id: str | None = None
    kind: str = "send"
    card: str = ""
    subject: str = ""
    urgency: int = 1
    policy: str = "resend"
    body: Any = Field(default=None, sa_type=EncryptedJSON, nullable=True)
    language: str = "zh_CN"
    send_after: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    state: str = "pending"
    attempts: int = 0
    uncertain: bool = False
    message_id: str = ""
    sent_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    error: str = ""
    __table_args__ = (
        sa.Index("ix_outbox_due", "platform", "bot", "send_after", "id",
                 sqlite_where=sa.text("state IN ('pending','sending')"),
                 postgresql_where=sa.text("state IN ('pending','sending')")),
        sa.Index("ix_outbox_message", "chat_id", "message_id"),
        sa.Index("ix_outbox_card", "card", "chat_id"),
    )  # fmt: skip


class Conversation(SQLModel, table=True):
    """Where an account stands in a chat: the dialog step and the draft it works on."""

    chat_id: str = Field(primary_key=True, foreign_key="chat.id")
    account_id: str = Field(primary_key=True, foreign_key="chat_account.id")
    step: str = ""
    draft_id: str | None = None


class Draft(SQLModel, table=True):
    """What somebody has begun to say; kept 7 days, one step at a time, encrypted."""

    id: str = Field(default_factory=new_id, primary_key=True)
    account_id: str = Field(foreign_key="chat_account.id", index=True)
    kind: str
    data: dict[str, Any] = Field(default_factory=dict, sa_type=EncryptedJSON)
    updated_at: datetime = Field(sa_type=UTCDateTime, index=True)  # type: ignore[call-overload,unused-ignore]


class StateLog(SQLModel, table=True):
    """The history: every move of every life, and notable events that move nothing. `before` is what undo puts back."""

    __tablename__ = "state_log"
    id: int | None = Field(default=None, sa_column=sa.Column(BigId, primary_key=True, autoincrement=True))
    object_kind: str
    object_id: str
    event: str
    source: str
    target: str
    actor_id: str | None = None
    actor_role: str = ""
    at: datetime = Field(sa_type=UTCDateTime)
    note: str = Field(default="", sa_type=Encrypted)
    before: dict[str, Any] | None = Field(default=None, sa_type=EncryptedJSON)
    undone: bool = False
    __table_args__ = (sa.Index("ix_state_log_object", "object_kind", "object_id"),)


class Occurrence(SQLModel, table=True):
    """One due time of a job for a subject; unique, so it happens once whoever ticks (design.md §6)."""

    id: int | None = Field(default=None, sa_column=sa.Column(BigId, primary_key=True, autoincrement=True))
    job: str
    subject: str = ""
    due: datetime = Field(sa_type=UTCDateTime)
    state: str = "due"
    lease_token: str = ""
    lease_until: float = 0.0
    attempts: int = 0
    outcome: str = ""
    finished_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    __table_args__ = (
        sa.UniqueConstraint("job", "subject", "due"),
        sa.Index("ix_occurrence_due", "due", sqlite_where=sa.text("state IN ('due','running')"),
                 postgresql_where=sa.text("state IN ('due','running')")),
    )  # fmt: skip


class Lease(SQLModel, table=True):
    """A right that one process holds at a time (polling a bot, relaying for a bot); `token` rises with every holder."""

    name: str = Field(primary_key=True)
    owner: str = ""
    token: int = 0
    until: float = 0.0


class LocalMessage(SQLModel, table=True):
    """A message in the web chat's own history; the body is encrypted, private chats are named by hash alone."""

    __tablename__ = "local_message"
    id: int | None = Field(default=None, sa_column=sa.Column(BigId, primary_key=True, autoincrement=True))
    chat: str = Field(index=True)
    key: str | None = Field(default=None, unique=True)
    sender: str | None = Field(default=None, sa_type=Encrypted)
    body: dict[str, Any] = Field(sa_type=EncryptedJSON)
    at: datetime = Field(sa_type=UTCDateTime)


class Counter(SQLModel, table=True):
    """The last number given out for a series, such as problems of one community on one day."""

    name: str = Field(primary_key=True)
    value: int = 0


__all__ = [
    "Conversation", "Counter", "Draft", "InboxMessage", "Lease", "LocalMessage", "Occurrence", "OutboxMessage", "StateLog",
]  # fmt: skip
