"""Writes what is to be sent into the outbox. Services never send; a row here is delivered by the relay after the commit."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import IntEnum

import sqlalchemy as sa
from sqlmodel import col

from models import AnonymousToken, Chat, ChatAccount, OutboxMessage, Person
from services.context import Context
from services.workdays import after_quiet
from texts.screen import Screen


class Urgency(IntEnum):
    """The order in which waiting messages leave: lower first."""

    TOAST = 0
    URGENT = 1
    ANSWER = 2
    NORMAL = 3
    BULK = 4


async def to_person(
    context: Context, person_id: str | None, screen: Screen, *,
    subject: str = "", card: str = "", key: str = "", urgent: bool = False, answer: bool = False,
) -> OutboxMessage | None:  # fmt: skip
    """A private message to a person through the account last written from; None when the person has none that is not blocked.

    Who took the consent back (consent_version below 0) gets answers only (domain.md §10 privacy).
    Held until 08:00 in quiet hours unless it is `urgent`, an `answer`, or goes to the one who acts (domain.md §1, §5).
    """
    if person_id is None:
        return None
    chosen = (
        await context.session.execute(
            sa.select(Chat, col(Person.language), col(Person.consent_version))
            .join(ChatAccount, col(ChatAccount.private_chat_id) == Chat.id)
            .join(Person, col(Person.id) == ChatAccount.person_id)
            .where(col(ChatAccount.person_id) == person_id, col(ChatAccount.blocked).is_(False))
            .order_by(col(ChatAccount.preferred).desc(), ChatAccount.id)
            .limit(1)
        )
    ).first()
    if chosen is None:
        return None
    chat, language, consent = chosen
    own = answer or person_id == context.actor.id
    if consent < 0 and not own:
        return None
    return _post(context, chat, screen, language, subject, card, key, urgent, own)


async def once(context: Context, person_id: str | None, screen: Screen, key: str) -> bool:
    """A private message that is sent once, however many alarms of one kind a downtime lets ring together; whether it is sent now."""
    known = sa.select(col(OutboxMessage.id)).where(col(OutboxMessage.dedupe_key) == key)
    if await context.session.scalar(known) is not None:
        return False
    return await to_person(context, person_id, screen, key=key) is not None


async def to_purpose(
    context: Context, purpose: str, screen: Screen, *, subject: str = "", card: str = "", key: str = "", urgent: bool = False
) -> list[OutboxMessage]:
    """A message to every group bound to `purpose` (party, coordinators, public, grid:G1); `key` gets the chat's id behind it."""
    chats = await context.session.scalars(sa.select(Chat).where(col(Chat.purpose) == purpose, col(Chat.blocked).is_(False)))
    own = f"{key}:" if key else ""
    return [_post(context, chat, screen, chat.language, subject, card, own and own + chat.id, urgent, False) for chat in chats]


def to_chat(
    context: Context, chat: Chat, screen: Screen, *, subject: str = "", card: str = "", key: str = "", urgent: bool = False
) -> OutboxMessage:
    """A message to this chat, as an answer (never held)."""
    return _post(context, chat, screen, chat.language, subject, card, key, urgent, True)


async def to_token(
    context: Context, token_id: str, screen: Screen, *, subject: str = "", key: str = "", answer: bool = False
) -> OutboxMessage | None:
    """A message to an anonymous reporter: the row names the token alone, the relay opens the address (domain.md §0.5)."""
    token = await context.session.get(AnonymousToken, token_id)
    if token is None or token.return_address is None:
        return None
    platform, bot, _, language = token.return_address.split("\n", 3)
    row = _row(context, screen, language, subject, "", key, platform, bot, False, answer)
    row.token_id = token_id
    context.session.add(row)
    context.posted.append(row)
    return row


async def edit_card(
    context: Context, card: str, screen: Screen, *, besides: str | None = None, only: Collection[str] | None = None
) -> int:  # fmt: skip
    """Make every living message of `card` read so (edited in place, the last state wins); how many chats have it.

    Where the card still waits to be sent (quiet hours), the waiting message itself is changed.

    `besides`: the id of a chat to leave out. `only`: the ids of the chats to change, all of them when None.
    """
    here = col(OutboxMessage.chat_id)
    posted = (col(OutboxMessage.card) == card, col(OutboxMessage.kind) == "send")
    alive = col(OutboxMessage.state).not_in(("dead", "cancelled"))
    chats = (await context.session.scalars(sa.select(Chat).where(col(Chat.id).in_(sa.select(here).where(*posted, alive))))).all()
    for chat in chats:
        if chat.id == besides or (only is not None and chat.id not in only):
            continue
        pending = sa.select(OutboxMessage).where(here == chat.id, *posted, col(OutboxMessage.state) == "pending")
        waiting = await context.session.scalar(pending.limit(1))
        if waiting is not None:
            waiting.body = screen.to_json()
            continue
        row = _post(context, chat, screen, chat.language, "", card, "", False, True)
        row.kind, row.urgency = "edit", Urgency.NORMAL
    return len(chats)


async def retire_card(context: Context, card: str, screen: Screen | None, *, only: Collection[str] | None = None) -> int:
    """End the life of `card` in these chats (all when None): what waits is not sent, what stands there reads `screen` and changes no more.

    With None for `screen` what stands there stays as it is. How many messages were ended.
    """
    alive = col(OutboxMessage.state).not_in(("dead", "cancelled", "superseded"))
    rows = await context.session.scalars(sa.select(OutboxMessage).where(col(OutboxMessage.card) == card, alive))
    ended = 0
    for row in rows.all():
        if row.chat_id is None or (only is not None and row.chat_id not in only):
            continue
        if row.state == "pending":
            row.state, row.body = "cancelled", None
        elif row.kind == "send" and row.message_id and screen is not None:
            chat = await context.session.get(Chat, row.chat_id)
            if chat is not None:
                edit = _post(context, chat, screen, row.language, "", "", "", False, True)
                edit.kind, edit.message_id, edit.urgency = "edit", row.message_id, Urgency.NORMAL
        row.card = ""
        ended += 1
    return ended


def _post(
    context: Context, chat: Chat, screen: Screen, language: str, subject: str, card: str, key: str, urgent: bool, own: bool
) -> OutboxMessage:
    row = _row(context, screen, language, subject, card, key, chat.platform, chat.bot, urgent, own)
    row.chat_id = chat.id
    context.session.add(row)
    context.posted.append(row)
    return row


def _row(
    context: Context, screen: Screen, language: str, subject: str, card: str, key: str, platform: str, bot: str, urgent: bool, own: bool
) -> OutboxMessage:  # fmt: skip
    immediate = urgent or own
    return OutboxMessage(
        dedupe_key=key or f"{context.cause}:{len(context.posted)}",
        cause=context.cause, platform=platform, bot=bot, card=card, subject=subject, language=language,
        urgency=Urgency.URGENT if urgent else Urgency.ANSWER if own else Urgency.NORMAL,
        body=screen.to_json(), send_after=context.now if immediate else after_quiet(context.now),
    )  # fmt: skip


def held(row: OutboxMessage, now: datetime) -> bool:
    """Whether the row waits for a later hour."""
    return row.send_after > now + timedelta(seconds=1)
