"""Who speaks, and where: account → person → roles, chats, and the groups bound to a purpose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Chat, ChatAccount, Enrollment, OutboxMessage, PartyMember, Person, RoleAssignment, keyring
from services.context import Actor, Context, Grant, Ground, Refusal
from texts.utterances import language_name, purpose_of

MOVED = "moved"


class SenderLike(Protocol):
    """Who did it, in the platform's words."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def anonymous(self) -> bool: ...


class ChatLike(Protocol):
    """Where it was done, in the platform's words."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> str: ...


# The states as the partial index says them, so that SQLite uses it.
LIVE_ENROLLMENT = "enrollment.state IN ('INVITED','APPLIED','ACTIVE')"

# Asked in every turn, so made once: making a statement costs more than running it.
_WHO = (
    sa.select(ChatAccount, Person, PartyMember, Chat, col(Enrollment.state))
    .join(Person, col(Person.id) == ChatAccount.person_id)
    .outerjoin(PartyMember, col(PartyMember.person_id) == Person.id)
    .outerjoin(Enrollment, sa.and_(col(Enrollment.person_id) == Person.id, sa.text(LIVE_ENROLLMENT)))
    .outerjoin(Chat, col(Chat.id) == ChatAccount.private_chat_id)
    .where(
        col(ChatAccount.platform) == sa.bindparam("platform"), col(ChatAccount.bot) == sa.bindparam("bot"),
        col(ChatAccount.user_hash) == sa.bindparam("user"),
    )
)  # fmt: skip
_ROLE: sa.Table = RoleAssignment.__table__  # type: ignore[attr-defined]
_ROLES = (
    sa.select(_ROLE.c.role, _ROLE.c.grid_code, _ROLE.c.unit_code, _ROLE.c.valid_from, _ROLE.c.valid_to)
    .where(_ROLE.c.person_id == sa.bindparam("person"))
    .order_by(_ROLE.c.id)
)


@dataclass(frozen=True, slots=True)
class Presence:
    """The actor of a turn with the account and the chat it came through."""

    actor: Actor
    account: ChatAccount
    chat: Chat


async def recognise(
    session: AsyncSession, ground: Ground, platform: str, bot: str, sender: SenderLike, chat: ChatLike, now: datetime
) -> Presence:
    """Find the account, person, roles and chat; an unknown sender becomes a new resident, an unknown chat a new row."""
    user_hash = keyring.hash("user", platform, bot, sender.id)
    found = (await session.execute(_WHO, {"platform": platform, "bot": bot, "user": user_hash})).first()
    if found is None:
        language = "en" if sender.language.startswith("en") else "zh_CN"
        person = Person(community_id=ground.community_id, display_name="" if sender.anonymous else sender.name[:40], language=language)
        session.add(person)
        await session.flush()
        account = ChatAccount(platform=platform, bot=bot, user_hash=user_hash, user_address=sender.id, person_id=person.id)
        session.add(account)
        await session.flush()
        member, private, enrolled = None, None, None
    else:
        account, person, member, private, enrolled = found
    grants = await roles_of(session, person.id, now)
    actor = Actor(person, grants, enrolled, tuple(member.skills) if member else ())
    if private is not None and chat.kind == "private" and private.address == chat.id:
        row = private
    else:
        row = await _chat(session, platform, bot, chat)
    if chat.kind == "private":
        if account.private_chat_id != row.id:
            account.private_chat_id = row.id
        if account.blocked:
            account.blocked = False
        if not account.preferred:
            await session.execute(sa.update(ChatAccount).where(col(ChatAccount.person_id) == person.id).values(preferred=False))
            account.preferred = True
    elif row.blocked:  # whoever speaks in a group lets us hear it: we are in it again
        row.blocked = False
    return Presence(actor, account, row)


async def roles_of(session: AsyncSession, person_id: str, now: datetime) -> tuple[Grant, ...]:
    """The person's roles whose term covers `now`."""
    rows = await session.execute(_ROLES, {"person": person_id})
    return tuple(
        Grant(row.role, row.grid_code, row.unit_code)
        for row in rows
        if (row.valid_from is None or row.valid_from <= now) and (row.valid_to is None or now < row.valid_to)
    )


async def _chat(session: AsyncSession, platform: str, bot: str, chat: ChatLike) -> Chat:
    key_hash = keyring.hash("chat", platform, bot, chat.id)
    row = await session.scalar(sa.select(Chat).where(col(Chat.platform) == platform, col(Chat.bot) == bot, col(Chat.key_hash) == key_hash))
    if row is None:
        row = Chat(platform=platform, bot=bot, key_hash=key_hash, address=chat.id, kind=chat.kind, title=chat.title)
        session.add(row)
        await session.flush()
    return row


async def move_chat(session: AsyncSession, platform: str, bot: str, old: str, new: str) -> None:
    """Give a group its new address, with its topics; doing it twice changes nothing (telegram.md 8).

    A group with a new address counts its messages anew: the ids of those sent before name nothing any more.
    """
    here = sa.select(Chat).where(col(Chat.platform) == platform, col(Chat.bot) == bot)
    for row in (await session.scalars(here.where(col(Chat.kind) != "private"))).all():
        address, slash, topic = row.address.partition("/")
        if address != old:
            continue
        sent = sa.update(OutboxMessage).execution_options(synchronize_session=False)
        old_ids = sent.where(col(OutboxMessage.chat_id) == row.id, col(OutboxMessage.message_id) != "")
        await session.execute(old_ids.values(message_id=MOVED))
        key_hash = keyring.hash("chat", platform, bot, new + slash + topic)
        twin = await session.scalar(here.where(col(Chat.key_hash) == key_hash))
        if twin is not None:  # somebody wrote there before we heard of the move
            await session.execute(sent.where(col(OutboxMessage.chat_id) == twin.id).values(chat_id=row.id))
            row.purpose = twin.purpose or row.purpose
            twin.purpose, twin.blocked, twin.address, twin.key_hash = "", True, "", f"{MOVED}:{twin.id}"
            await session.flush()
        row.address, row.key_hash, row.blocked = new + slash + topic, key_hash, False


async def persons_with(context: Context, *roles: str, grid: str | None = None) -> list[Person]:
    """The persons holding one of `roles` now; with `grid`, for that grid (a role without a scope counts for every grid)."""
    rows = await context.session.execute(
        sa.select(Person, RoleAssignment)
        .join(RoleAssignment, col(RoleAssignment.person_id) == Person.id)
        .where(col(RoleAssignment.role).in_(roles), col(Person.deleted_at).is_(None))
        .order_by(Person.id)
    )
    found: dict[str, Person] = {}
    for person, role in rows:
        in_term = (role.valid_from is None or role.valid_from <= context.now) and (role.valid_to is None or context.now < role.valid_to)
        if in_term and (grid is None or role.grid_code is None or role.grid_code == grid):
            found[person.id] = person
    return list(found.values())


BINDERS = ("coordinator", "community_clerk", "community_secretary", "admin")


async def bind(context: Context, said: str) -> str:
    """Bind the group to what was said (a name of texts/purposes); the purpose. Raises Refusal: not entitled, or unknown.

    Coordinator, clerk, secretary and administrator may bind any group; a grid leader the group of the own grid.
    """
    purpose = purpose_of(said)
    if purpose is None or context.chat is None or context.private:
        raise Refusal("group.bind_unknown")
    grid = purpose.removeprefix("grid:") if purpose.startswith("grid:") else None
    if grid is not None and grid not in context.ground.grids:
        raise Refusal("group.bind_unknown")
    if not context.actor.has(*BINDERS) and not (grid and context.actor.has("grid_leader", grid=grid)):
        raise Refusal("refused.permission")
    context.chat.purpose, context.chat.blocked = purpose, False
    return purpose


def speak(context: Context, said: str) -> None:
    """Answer this person in the language said (a code, or its name) from now on. Raises Refusal for one that there is not."""
    known = {"zh_CN": ("zh_cn", "chinese"), "en": ("en", "english")}
    found = next((code for code, names in known.items() if said.lower() in names or said == language_name(code)), None)
    if found is None:
        raise Refusal("button.unknown")
    if context.actor.person is not None:
        context.actor.person.language = found


def entered(context: Context) -> None:
    """The bot is in the group (again): messages may go there."""
    if context.chat is not None and not context.private:
        context.chat.blocked = False


async def left(context: Context) -> None:
    """The bot was blocked, or put out of the group: nothing is sent there until it is let in again."""
    if context.private and context.account is not None:
        context.account.blocked = True
    elif context.chat is not None:
        context.chat.blocked = True
