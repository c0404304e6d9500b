"""Emptying a person's data: what is theirs or in their words goes; numbers and history stay, with nobody behind them (domain.md §10).

Every table that refers to a person is named here (a test compares). As they are stay AuditLog (who looked), DeletionRequest (that it was
asked for and done), Meeting (who chaired), Post (who made it) and ServiceRecord (numbers): with an id whose person has no name any more.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from models import (
    ActionItem,
    AgendaItem,
    Announcement,
    AnonymousToken,
    Attendance,
    Chat,
    ChatAccount,
    CheckIn,
    Claim,
    Commitment,
    CommitmentVote,
    ConsentRecord,
    Conversation,
    Draft,
    DutyShift,
    Enrollment,
    Evaluation,
    ExportFile,
    InboxMessage,
    Invitation,
    LocalMessage,
    Media,
    Minutes,
    Order,
    OrgUnit,
    OutboxMessage,
    PartnerUnit,
    PartyMember,
    Person,
    PostClaim,
    Problem,
    ProblemMessage,
    ProblemSupporter,
    RoleAssignment,
    StateLog,
    Task,
    TaskOffer,
    Team,
    TeamMember,
    keyring,
)
from services import media, moves, promises, web_history
from services.context import Context
from services.masking import STARS, mask
from services.workdays import local

LAST_ANSWER = timedelta(minutes=5)


async def _set(context: Context, model: type[SQLModel], where: Any, **values: Any) -> int:
    done = await context.session.execute(sa.update(model).where(where).values(**values).execution_options(synchronize_session="fetch"))
    return int(done.rowcount)  # type: ignore[attr-defined]


async def _drop(context: Context, model: type[SQLModel], where: Any) -> int:
    done = await context.session.execute(sa.delete(model).where(where).execution_options(synchronize_session="fetch"))
    return int(done.rowcount)  # type: ignore[attr-defined]


async def own_problems(context: Context, person_id: str) -> list[str]:
    """The ids of every problem the person reported, before they go on without a reporter."""
    return list(await context.session.scalars(sa.select(col(Problem.id)).where(col(Problem.reporter_id) == person_id)))


async def forget(context: Context, person: Person, problems: list[str]) -> dict[str, int]:
    """Empty what is kept of the person, whose problems were `problems`; how much of each. The person's row stays, as a number."""
    me, name, phone = person.id, person.display_name, person.phone or ""
    outcome = {"problems": await _problems(context, problems, name)}
    orders = list(await context.session.scalars(sa.select(Order).where(col(Order.resident_id) == me)))
    for order in orders:
        order.text, order.place_detail, order.reason = order.text_public, "", ""
    outcome["orders"] = len(orders)
    sources = [*problems, *(order.id for order in orders)]
    await _set(context, Task, col(Task.source_id).in_(sources), contact="", place_private="")
    claims = list(await context.session.scalars(sa.select(col(Claim.id)).where(col(Claim.person_id) == me)))
    await _set(context, Claim, col(Claim.id).in_(claims), withdraw_reason="")
    await _set(context, CheckIn, col(CheckIn.claim_id).in_(claims), coords=None, reason="")
    outcome["claims"] = len(claims)
    spoken = sa.or_(col(ProblemMessage.author_id) == me, col(ProblemMessage.problem_id).in_(problems))
    outcome["messages"] = await _set(context, ProblemMessage, spoken, body="")
    await _set(context, Evaluation, col(Evaluation.rater_id) == me, text="")
    await _drop(context, ProblemSupporter, col(ProblemSupporter.person_id) == me)
    touched = [*sources, *claims, *await _membership(context, me), *await _governance(context, me, name)]
    await _set(context, StateLog, sa.or_(col(StateLog.actor_id) == me, col(StateLog.object_id).in_(touched)), note="", before=None)
    await _files(context, me, problems)
    await _elsewhere(context, name, phone, me)
    ended = sa.and_(
        col(RoleAssignment.person_id) == me, sa.or_(col(RoleAssignment.valid_to).is_(None), col(RoleAssignment.valid_to) > context.now)
    )
    await _set(context, RoleAssignment, ended, valid_to=context.now)
    given = sa.and_(col(ConsentRecord.person_id) == me, col(ConsentRecord.withdrawn_at).is_(None))
    await _set(context, ConsentRecord, given, withdrawn_at=context.now)
    await _drop(context, Invitation, col(Invitation.person_id) == me)
    person.display_name, person.phone, person.phone_hash, person.building, person.code = "", None, None, None, None
    person.home_grid, person.consent_version, person.consent_at, person.deleted_at = None, 0, None, context.now
    await context.session.flush()
    promised = sa.select(col(Commitment.year)).where(col(Commitment.owner_kind) == "member", col(Commitment.owner) == me).distinct()
    for year in sorted(await context.session.scalars(promised)):
        await promises.refresh_lists(context, year)
    return outcome


async def _problems(context: Context, ids: list[str], name: str) -> int:
    """Of the person's problems the public half stays, without recordings and without a reporter."""
    for problem in await context.session.scalars(sa.select(Problem).where(col(Problem.id).in_(ids))):
        problem.text_public = mask(problem.text_public, [name])
        problem.text, problem.place_detail, problem.reporter_id = problem.text_public, "", None
        problem.result = mask(problem.result, [name]) if problem.result else ""
    await context.session.flush()
    return len(ids)


async def _promises(context: Context, found: list[Commitment]) -> None:
    """Of the person's promises the dates and results stay, without their words; what is not published is taken back."""
    for promise in found:
        promise.items = [{part: item[part] for part in ("due", "done_on", "result") if item.get(part)} for item in promise.items]
        promise.return_reason = promise.self_report = promise.objective_reason = promise.objection = None
        if promise.state in ("DRAFT", "SUBMITTED"):
            await moves.move(context, promise, "withdraw")


async def _membership(context: Context, me: str) -> list[str]:
    """The membership is emptied but for its kind; what it was part of ends. The ids of its enrolments and posts, for their history."""
    live = sa.select(Enrollment).where(col(Enrollment.person_id) == me, col(Enrollment.state).in_(("INVITED", "APPLIED", "ACTIVE")))
    for enrollment in await context.session.scalars(live):
        await moves.move(context, enrollment, "withdraw" if enrollment.state == "ACTIVE" else "cancel", ended_at=context.now)
    mine = sa.or_(col(Enrollment.person_id) == me, col(Enrollment.applicant_id) == me)
    await _set(context, Enrollment, mine, reason="", details=None)
    held = sa.select(PostClaim).where(col(PostClaim.person_id) == me, col(PostClaim.state).in_(("APPLIED", "CONFIRMED")))
    for claim in await context.session.scalars(held):
        await moves.move(context, claim, "take_back" if claim.state == "APPLIED" else "end", ended_at=context.now)
    await _set(context, PostClaim, col(PostClaim.person_id) == me, reason="")
    await _set(
        context, PartyMember, col(PartyMember.person_id) == me, unit_code=None, home_org="", skills=[], availability=[], service_kinds=[],
        health_exempt=False, exempt_reason=None, under_18=False, emergency_opt_in=False, backbone=False, offers=False, facts={},
    )  # fmt: skip
    await _set(context, TeamMember, sa.and_(col(TeamMember.person_id) == me, col(TeamMember.left_at).is_(None)), left_at=context.now)
    await _set(context, Team, col(Team.leader_id) == me, leader_id=None)
    await _set(context, PartnerUnit, col(PartnerUnit.liaison_id) == me, liaison_id=None)
    await _drop(context, TaskOffer, col(TaskOffer.person_id) == me)
    enrolled = await context.session.scalars(sa.select(col(Enrollment.id)).where(mine))
    posts = await context.session.scalars(sa.select(col(PostClaim.id)).where(col(PostClaim.person_id) == me))
    return [*enrolled, *posts]


async def _governance(context: Context, me: str, name: str) -> list[str]:
    """Of meetings and promises the numbers stay: who came and how a promise was kept, without names, reasons and the person's own words.

    The ids of their actions and commitments, for their history.
    """
    invited = col(Attendance.person_id) == me
    await _set(context, Attendance, sa.or_(invited, col(Attendance.signed_by) == me), leave_reason=None, signed_by=None)
    await _drop(context, AgendaItem, sa.and_(col(AgendaItem.proposer_id) == me, col(AgendaItem.source) == "booking"))
    for topic in await context.session.scalars(sa.select(AgendaItem).where(col(AgendaItem.proposer_id) == me)):
        topic.text, topic.proposer_id = mask(topic.text, [name]), None
    actions = list(await context.session.scalars(sa.select(ActionItem).where(col(ActionItem.owner_id) == me)))
    for action in actions:
        action.text, action.result, action.owner_id = mask(action.text, [name]), mask(action.result, [name]), None
    for minutes in await context.session.scalars(sa.select(Minutes)):
        minutes.text = mask(minutes.text, [name]) if name and name in minutes.text else minutes.text
    theirs = sa.or_(sa.and_(col(Commitment.owner_kind) == "member", col(Commitment.owner) == me), col(Commitment.writer_id) == me)
    written = list(await context.session.scalars(sa.select(Commitment).where(theirs)))
    for promise in written:
        promise.writer_id = None if promise.writer_id == me else promise.writer_id
    await _promises(context, [promise for promise in written if promise.owner_kind == "member"])
    await _set(context, CommitmentVote, col(CommitmentVote.rater_id) == me, text="")
    await _set(context, OrgUnit, col(OrgUnit.secretary_id) == me, secretary_id=None)
    await _drop(context, DutyShift, sa.and_(col(DutyShift.person_id) == me, col(DutyShift.day) >= local(context.now).date()))
    for notice in await context.session.scalars(sa.select(Announcement).where(col(Announcement.author_id) == me)):
        notice.text = mask(notice.text, [name])
    await context.session.flush()
    return [*(one.id for one in actions), *(one.id for one in written)]


async def _files(context: Context, me: str, problems: list[str]) -> None:
    """The person's recordings, drafts with their pictures, and copies of their data go, from the disk too."""
    accounts = sa.select(col(ChatAccount.id)).where(col(ChatAccount.person_id) == me)
    drafts = list(await context.session.scalars(sa.select(col(Draft.id)).where(col(Draft.account_id).in_(accounts))))
    copies = list(
        await context.session.scalars(
            sa.select(col(ExportFile.media_id)).where(col(ExportFile.requested_by) == me, col(ExportFile.kind) == "person_data")
        )
    )
    recorded = sa.and_(col(Media.owner).in_([f"problem:{one}" for one in problems]), col(Media.kind) == "voice")
    gone = sa.or_(recorded, col(Media.owner).in_([f"draft:{one}" for one in drafts]), col(Media.id).in_(copies))
    hashes = set(await context.session.scalars(sa.select(col(Media.sha256)).where(gone)))
    await _drop(context, Media, gone)
    await _set(context, ExportFile, col(ExportFile.media_id).in_([one for one in copies if one]), media_id="")
    kept = set(await context.session.scalars(sa.select(col(Media.sha256)).where(col(Media.sha256).in_(hashes))))
    for sha256 in hashes - kept:
        await asyncio.to_thread(media.store.path(sha256).unlink, missing_ok=True)
    if context.draft is not None and context.draft.id in drafts:
        await context.session.delete(context.draft)
        context.draft = None
    await _set(context, Conversation, col(Conversation.draft_id).in_(drafts), draft_id=None, step="")
    await context.session.flush()
    await _drop(context, Draft, col(Draft.id).in_(drafts))


async def _elsewhere(context: Context, name: str, phone: str, me: str) -> None:
    """Starred out wherever else it stands as a message: what waits to be sent, drafts, the web chat's history.

    A name that somebody else bears too stays there: it may be theirs.
    """
    bearers = await context.session.scalars(
        sa.select(col(Person.display_name)).where(col(Person.id) != me, col(Person.deleted_at).is_(None))
    )
    words = [phone] if phone else []
    if len(name) > 1 and name not in set(bearers):
        words.append(name)
    if not words:
        return
    for model, column in ((OutboxMessage, "body"), (LocalMessage, "body"), (Draft, "data")):
        waiting = col(OutboxMessage.state).in_(("pending", "dead", "cancelled")) if model is OutboxMessage else sa.true()
        for row in await context.session.scalars(sa.select(model).where(waiting)):
            before = json.dumps(getattr(row, column), ensure_ascii=False)
            after = before
            for word in words:
                after = after.replace(word, STARS)
            if after != before:
                setattr(row, column, json.loads(after))
    await context.session.flush()


# -- the accounts and the chat --------------------------------------------------------------------------------------
async def chats_of(context: Context, person: Person) -> list[str]:
    """The ids of the person's private chats."""
    found = await context.session.scalars(sa.select(col(ChatAccount.private_chat_id)).where(col(ChatAccount.person_id) == person.id))
    here = context.chat.id if context.chat is not None and context.private else None
    return [chat for chat in dict.fromkeys((*found, here)) if chat is not None]


async def cut_off(context: Context, person: Person) -> None:
    """Empty the accounts, so that whoever writes from them is a stranger; sealed addresses of these chats are destroyed."""
    chats = list(await context.session.scalars(sa.select(Chat).where(col(Chat.id).in_(await chats_of(context, person)))))
    tokens = await context.session.scalars(sa.select(AnonymousToken).where(col(AnonymousToken.return_address).is_not(None)))
    for token in tokens:
        if any(token.chat_hash == keyring.hash(token.salt, chat.platform, chat.address) for chat in chats):
            token.return_address, token.chat_hash, token.purge_at = None, "", context.now
    accounts = list(await context.session.scalars(sa.select(ChatAccount).where(col(ChatAccount.person_id) == person.id)))
    lanes = [keyring.hash("lane", one.platform, one.bot, one.user_address) for one in accounts]
    await _set(
        context, InboxMessage, sa.and_(col(InboxMessage.lane).in_(lanes), col(InboxMessage.state) == "quarantined"), raw=None, lane=""
    )
    for account in accounts:
        account.user_hash, account.user_address, account.private_chat_id, account.blocked = f"gone:{account.id}", "", None, True
    waiting = sa.and_(col(OutboxMessage.chat_id).in_([chat.id for chat in chats]), col(OutboxMessage.state) == "pending")
    await context.session.flush()
    await _set(context, OutboxMessage, sa.and_(waiting, col(OutboxMessage.cause) != context.cause), state="cancelled", body=None)


async def forget_chat(context: Context, chat_id: str, at: datetime) -> str:
    """Forget the private chat of somebody whose data were deleted at `at`: its address, its history, its messages' bodies.

    Where somebody writes there anew, the chat is theirs: only what is older goes.
    """
    chat = await context.session.get(Chat, chat_id)
    if chat is None:
        return "nothing"
    mine = col(OutboxMessage.chat_id) == chat.id
    await _set(context, OutboxMessage, sa.and_(mine, col(OutboxMessage.send_after) <= at + LAST_ANSWER), card="", subject="")
    over = col(OutboxMessage.state).in_(("dead", "cancelled", "superseded"))
    await _set(context, OutboxMessage, sa.and_(mine, over), body=None)
    await _drop(
        context,
        LocalMessage,
        sa.and_(col(LocalMessage.chat) == web_history.chat_key(chat.address), col(LocalMessage.at) <= at + LAST_ANSWER),
    )
    anew = await context.session.scalar(sa.select(col(ChatAccount.id)).where(col(ChatAccount.private_chat_id) == chat.id).limit(1))
    if anew is not None:
        return "anew"
    chat.address, chat.title, chat.key_hash, chat.menu, chat.blocked = "", "", f"gone:{chat.id}", None, True
    return "forgotten"
