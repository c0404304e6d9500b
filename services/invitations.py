"""One-time links that bind a chat account to a person (domain.md §4): 192 bits, seven days, one use, only the hash is kept.

Where the person's telephone is known, whoever opens the link must give it; three wrong ones void the link. A nickname or being in a
group proves nothing. Whatever is wrong with a link, the answer is the same.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import (
    AuditLog,
    Chat,
    ChatAccount,
    Enrollment,
    Invitation,
    Order,
    PartyMember,
    Person,
    Problem,
    RoleAssignment,
    keyring,
)
from services import audit, deep_links, post
from services.cells import phone_number
from services.context import Context, Refusal
from services.drafts import keep, kept
from services.identity import LIVE_ENROLLMENT, roles_of
from services.importing_people import HIGH_ROLES
from services.masking import find_phone
from services.people import describe, plain
from texts.screen import Screen, screen
from texts.setup_screens import bound, choose_person, invitation

DAYS = 7
MOST_ATTEMPTS = 3
PREFIX = "link-"
DRAFT = "link"
FEWEST_DIGITS = 7
INVITERS = ("coordinator", "community_clerk", "community_secretary", "admin")
_HELD_BY_ALL = ("resident",)


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


# -- making -----------------------------------------------------------------------------------------------------------
async def invite(session: AsyncSession, person: Person, now: datetime, created_by: str | None = None) -> str:
    """A new token for `person`; earlier ones of theirs are void from now on. Whoever calls has asked whether the inviter may."""
    open_ones = sa.update(Invitation).where(col(Invitation.person_id) == person.id, col(Invitation.used_at).is_(None))
    await session.execute(
        open_ones.where(col(Invitation.expires_at) > now).values(expires_at=now).execution_options(synchronize_session=False)
    )
    token = secrets.token_urlsafe(24)
    made = Invitation(token_hash=_token_hash(token), person_id=person.id, expires_at=now + timedelta(days=DAYS), created_by=created_by)
    session.add(made)
    session.add(
        AuditLog(actor_id=created_by, action="invitation.made", person_id=person.id, object_kind="invitation", object_id=made.id, at=now)
    )
    await session.flush()
    return token


async def invite_named(context: Context, said: str) -> Screen:
    """The link for the person of this name or code, to be handed over; a choice where several are called so. Raises Refusal."""
    _require_inviter(context)
    found = [person for person in await _named(context, said) if await _may_invite(context, person)]
    if not found:
        raise Refusal("invite.nobody", name=said)
    if len(found) > 1:
        return choose_person(said, [(person.id, await describe(context, person, code=True)) for person in found[:8]])
    return await _handed_out(context, found[0])


async def invite_chosen(context: Context, person_id: str) -> Screen:
    """The link for this person. Raises Refusal."""
    person = await context.session.get(Person, person_id)
    if person is None or person.deleted_at is not None or not await _may_invite(context, person):
        raise Refusal("refused.permission")
    return await _handed_out(context, person)


async def _handed_out(context: Context, person: Person) -> Screen:
    token = await invite(context.session, person, context.now, context.actor.id)
    until = context.now + timedelta(days=DAYS)
    return invitation(person.display_name, addresses(token), person.phone_hash is not None, until)


def addresses(token: str) -> tuple[str, ...]:
    """What to hand over: an address for each platform, or the words to write to the bot."""
    return deep_links.addresses(f"{PREFIX}{token}") or (f"/start {PREFIX}{token}",)


@dataclass(frozen=True, slots=True)
class Invited:
    """One line of a list of invitations."""

    person: Person
    grid: str | None
    addresses: tuple[str, ...]


async def invite_all(context: Context, whom: str) -> list[Invited]:
    """Links for everybody who has no account yet: `whom` is members or staff. Only for the community's own office. Raises Refusal."""
    if not context.actor.has(*INVITERS):
        raise Refusal("refused.permission")
    bound = sa.select(col(ChatAccount.person_id))
    query = sa.select(Person).where(col(Person.id).not_in(bound), col(Person.deleted_at).is_(None))
    if whom == "members":
        query = query.where(col(Person.id).in_(sa.select(col(PartyMember.person_id))))
    else:
        query = query.where(col(Person.id).in_(sa.select(col(RoleAssignment.person_id)).where(col(RoleAssignment.role) != "party_member")))
        query = query.where(col(Person.person_kind).in_(("staff", "liaison")))
    made = []
    for person in await context.session.scalars(query.order_by(col(Person.code), col(Person.id))):
        if await _may_invite(context, person):
            token = await invite(context.session, person, context.now, context.actor.id)
            made.append(Invited(person, await _grid_of(context, person), addresses(token)))
            audit.looked(context, person.id, "name", "invitation:")
    if not made:
        raise Refusal("invite.all_bound")
    return made


def _require_inviter(context: Context) -> None:
    if not context.actor.has(*INVITERS, "grid_leader"):
        raise Refusal("refused.permission")


async def _may_invite(context: Context, person: Person) -> bool:
    """The office invites everybody, but who leads the community only those who lead it; a grid leader the members of the own grid."""
    held = {grant.role for grant in await roles_of(context.session, person.id, context.now)}
    if held & set(HIGH_ROLES) and not context.actor.has(*HIGH_ROLES):
        return False
    if context.actor.has(*INVITERS):
        return True
    grid = await _grid_of(context, person)
    member = await context.session.get(PartyMember, person.id) is not None
    return member and grid is not None and context.actor.has("grid_leader", grid=grid) and not held - {"party_member", "rider_reporter"}


async def _grid_of(context: Context, person: Person) -> str | None:
    query = sa.select(col(Enrollment.grid_code)).where(col(Enrollment.person_id) == person.id, sa.text(LIVE_ENROLLMENT))
    return await context.session.scalar(query) or person.home_grid


async def _named(context: Context, said: str) -> list[Person]:
    """Everybody on the community's lists (a code, a role, a membership) with this name or code; a nickname finds nobody."""
    listed = sa.or_(
        col(Person.code).is_not(None),
        col(Person.id).in_(sa.select(col(PartyMember.person_id))),
        col(Person.id).in_(sa.select(col(RoleAssignment.person_id)).where(col(RoleAssignment.role).not_in(_HELD_BY_ALL))),
    )
    people = await context.session.scalars(sa.select(Person).where(listed, col(Person.deleted_at).is_(None)).order_by(col(Person.id)))
    wanted = plain(said)
    return [person for person in people if wanted in (plain(person.display_name), plain(person.code or ""))]


# -- redeeming --------------------------------------------------------------------------------------------------------
async def open_link(context: Context, token: str) -> Person | None:
    """Bind the actor's account to the invitation's person at once, or None: first the person's telephone must be given.

    The same account may open its link again. Raises Refusal: one for every reason, or because the account is somebody's already.
    """
    row = await context.session.scalar(sa.select(Invitation).where(col(Invitation.token_hash) == _token_hash(token)).with_for_update())
    if row is None or context.account is None or not context.private:
        raise Refusal("link.invalid")
    if row.used_at is not None and row.person_id == context.account.person_id and context.actor.person is not None:
        return context.actor.person  # the same account opens its link again: START is easily tapped twice
    person = await _valid(context, row)
    if person is None:
        raise Refusal("link.invalid")
    if await _is_somebody(context, person):
        raise Refusal("link.of_another", name=context.actor.person.display_name if context.actor.person else "")
    if person.phone_hash is None:
        await _bind(context, row, person)
        return person
    keep(context, DRAFT, invitation=row.id)
    return None


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a telephone number: the person bound, or None; `over`: there is no further try; `said`: it was a number at all."""

    person: Person | None
    over: bool = False
    said: bool = True


async def give_phone(context: Context, said: str) -> Tried:
    """Bind the account when `said` is the telephone of the person invited. Raises Refusal: the link is void meanwhile.

    The third wrong number voids the link, and the one who made it is told; words without a number are no try.
    """
    row = await context.session.scalar(
        sa.select(Invitation).where(col(Invitation.id) == kept(context, DRAFT).get("invitation", "")).with_for_update()
    )
    person = await _valid(context, row) if row is not None else None
    if row is None or person is None or context.account is None:
        raise Refusal("link.invalid")
    number = phone_number(said) or find_phone(said)
    if number is None and sum(sign.isdigit() for sign in said) < FEWEST_DIGITS:
        return Tried(None, said=False)
    if number is not None and secrets.compare_digest(keyring.hash("phone", number), person.phone_hash or ""):
        await _bind(context, row, person)
        return Tried(person, over=True)
    row.attempts += 1
    if row.attempts >= MOST_ATTEMPTS:
        row.expires_at = context.now
        await post.to_person(context, row.created_by, screen("invite.voided", name=person.display_name), urgent=True)
        context.session.add(
            AuditLog(action="invitation.voided", person_id=person.id, object_kind="invitation", object_id=row.id, at=context.now)
        )
    return Tried(None, over=row.attempts >= MOST_ATTEMPTS)


async def welcome(context: Context, person: Person) -> Screen:
    """What somebody reads whose account has just been bound: who they are now, and what to do first."""
    held = {grant.role for grant in await roles_of(context.session, person.id, context.now)}
    state = await context.session.scalar(
        sa.select(col(Enrollment.state)).where(col(Enrollment.person_id) == person.id, sa.text(LIVE_ENROLLMENT)).limit(1)
    )
    if held & set(INVITERS):
        return bound(person.display_name, "office")
    if held & {"grid_leader", "grid_member"}:
        return bound(person.display_name, "staff")
    if "unit_liaison" in held:
        return bound(person.display_name, "liaison")
    return bound(person.display_name, {"INVITED": "invited", "ACTIVE": "member"}.get(state or "", ""))


async def _valid(context: Context, row: Invitation) -> Person | None:
    """The person of an invitation that still holds."""
    if row.used_at is not None or row.expires_at <= context.now or row.attempts >= MOST_ATTEMPTS:
        return None
    person = await context.session.get(Person, row.person_id)
    return person if person is not None and person.deleted_at is None else None


async def _is_somebody(context: Context, invited: Person) -> bool:
    """Whether the account is another listed person's: who taps a link meant for somebody else stays who they are."""
    person = context.actor.person
    if person is None or person.id == invited.id:
        return False
    offices = any(grant.role not in _HELD_BY_ALL for grant in context.actor.grants)
    return person.code is not None or offices or context.actor.member_state is not None


async def _bind(context: Context, row: Invitation, person: Person) -> None:
    assert context.account is not None
    used = await context.session.execute(
        sa.update(Invitation)
        .where(col(Invitation.id) == row.id, col(Invitation.used_at).is_(None))
        .values(used_at=context.now)
        .execution_options(synchronize_session=False)
    )
    if used.rowcount != 1:  # type: ignore[attr-defined]
        raise Refusal("link.invalid")
    await _warn_others(context, person, context.account.id)
    await context.session.execute(sa.update(ChatAccount).where(col(ChatAccount.person_id) == person.id).values(preferred=False))
    await _carry_over(context, context.account.person_id, person)
    context.account.person_id = person.id
    context.account.preferred = True
    context.session.add(
        AuditLog(
            actor_id=person.id, action="account.bound", person_id=person.id, object_kind="invitation", object_id=row.id, at=context.now
        )
    )


async def _warn_others(context: Context, person: Person, account_id: str) -> None:
    """Tell the person's other accounts that one more is theirs now."""
    theirs = (
        sa.select(Chat)
        .join(ChatAccount, col(ChatAccount.private_chat_id) == col(Chat.id))
        .where(col(ChatAccount.person_id) == person.id, col(ChatAccount.id) != account_id, col(ChatAccount.blocked).is_(False))
    )
    for chat in await context.session.scalars(theirs):
        post.to_chat(context, chat, screen("link.another_account"))


async def _carry_over(context: Context, visitor_id: str, person: Person) -> None:
    """What somebody reported before being known belongs to the person they turned out to be."""
    visitor = await context.session.get(Person, visitor_id)
    if visitor is None or visitor.id == person.id or visitor.code is not None:
        return
    await context.session.execute(sa.update(Problem).where(col(Problem.reporter_id) == visitor.id).values(reporter_id=person.id))
    await context.session.execute(sa.update(Order).where(col(Order.resident_id) == visitor.id).values(resident_id=person.id))
