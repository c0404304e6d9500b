"""The line between a reporter and the handler: what one writes reaches the other (domain.md §5, §10).

Neither learns the other's address; an anonymous reporter is named to nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import AnonymousToken, Chat, OutboxMessage, Problem, ProblemMessage, keyring
from services import audit, dialogs, media, moves, tickets, understanding
from services.context import Context, Refusal
from services.dialogs import Answer
from texts.screen import Key, Screen, Value, screen

_SUBJECT = "problem:"
DRAFT = "talk"
LISTENING = timedelta(days=1)


async def about(context: Context) -> Problem | None:
    """The problem that the message replied to is about, when that message was sent to this very chat.

    A message to an anonymous reporter names no chat: the token's salted hash tells whether it is this one.
    """
    if not context.reply_to or context.chat is None or not context.private:
        return None
    chat = context.chat
    rows = await context.session.execute(
        sa.select(
            col(OutboxMessage.chat_id), col(OutboxMessage.token_id), col(OutboxMessage.subject), col(OutboxMessage.card)
        )
        .where(
            col(OutboxMessage.message_id) == context.reply_to,
            col(OutboxMessage.platform) == chat.platform,
            col(OutboxMessage.bot) == chat.bot,
            col(OutboxMessage.subject).startswith(_SUBJECT),
            sa.or_(col(OutboxMessage.chat_id) == chat.id, col(OutboxMessage.chat_id).is_(None)),
        )
        .order_by(col(OutboxMessage.id).desc())
    )  # fmt: skip
    for chat_id, token_id, subject, card in rows:
        if chat_id is None and not await _is_address(context, chat, token_id):
            continue
        context.facts["to_ticket"] = card.startswith("ticket:")
        return await context.session.get(Problem, subject.removeprefix(_SUBJECT))
    return None


async def _is_address(context: Context, chat: Chat, token_id: str | None) -> bool:
    token = await context.session.get(AnonymousToken, token_id) if token_id else None
    return token is not None and token.chat_hash == keyring.hash(token.salt, chat.platform, chat.address)


def refuse_street(context: Context, problem: Problem) -> None:
    """Raises Refusal for the street, which hears of a problem and has no line to its reporter (domain.md §4, street: aggregated)."""
    if context.actor.has("street_organizer"):
        raise Refusal("relay.street", code=problem.code)


async def may_talk(context: Context, problem: Problem) -> bool:
    """Whether the actor is at one of the two ends of the problem's line, or has the same problem."""
    return bool({"reporter", "grid_leader"} & await moves.relations(context, problem)) or await tickets.is_supporter(context, problem)


async def open_line(context: Context, problem: Problem) -> Answer:
    """Ask for the words to pass on ([回复]).

    An anonymous reporter is asked to reply instead: a kept dialog would tie the account to the problem.
    """
    if not await may_talk(context, problem):
        raise Refusal("refused.only.reporter")
    if problem.reporter_id is None and await moves.is_reporter(context, problem):
        await tickets.seal(context, problem)
        return Answer(screen("relay.reply_instead"))
    dialogs.wait(context, DRAFT, problem)
    return Answer(screen("relay.ask", code=problem.code), waiting=True)


def listen(context: Context, problem: Problem) -> bool:
    """Wait for what the reporter says next of the reopened problem; whether it is awaited.

    Never from an anonymous one, and not in a group: a kept dialog would tie the account to the problem.
    """
    if problem.state != "IN_PROGRESS" or not context.private or context.actor.id is None or context.actor.id != problem.reporter_id:
        return False
    dialogs.wait(context, DRAFT, problem, until=(context.now + LISTENING).isoformat())
    return True


def is_for_line(context: Context, said: str) -> bool:
    """Whether a plain sentence is for the other end: asked for by [回复] it is; after a reopening danger and another day are not."""
    draft = context.draft
    if draft is None or draft.kind != DRAFT or "until" not in draft.data:
        return True
    return context.now <= datetime.fromisoformat(draft.data["until"]) and not understanding.understand(said).urgent


async def words_for_line(context: Context, text: str) -> Answer:
    """Pass on the words that were asked for. Raises Refusal when none were."""
    problem, _ = await dialogs.waited(context, DRAFT)
    return Answer(await pass_on(context, problem, text), subject=tickets.subject(problem))


async def pass_photo_on(context: Context, problem: Problem, data: bytes, caption: str) -> Screen:
    """Carry a photo to the other end; it is kept with the problem."""
    staff = "grid_leader" in await moves.relations(context, problem)
    stage = "after" if staff and not await moves.is_reporter(context, problem) else "before"
    await context.session.flush()
    photo = await media.keep(context, tickets.subject(problem), data, stage=stage)
    return await pass_on(context, problem, caption, (photo.id,))


async def pass_on(context: Context, problem: Problem, text: str, pictures: tuple[str, ...] = ()) -> Screen:
    """Carry the text to the other end; what to tell the writer. Raises Refusal: not at an end, or nobody is reached."""
    who = await moves.relations(context, problem)
    on_ticket = bool(context.facts.get("to_ticket")) and "grid_leader" in who
    if "reporter" in who and not on_ticket:
        return await _to_handlers(context, problem, text.strip(), pictures)
    if "grid_leader" in who:
        return await _to_reporter(context, problem, text.strip(), pictures)
    if await tickets.is_supporter(context, problem):
        await tickets.add_words(context, problem, text, pictures)
        return screen("relay.sent_to_handler", code=problem.code)
    raise Refusal("refused.only.grid_leader")


async def _to_reporter(context: Context, problem: Problem, text: str, pictures: tuple[str, ...]) -> Screen:
    """From staff: the first relay is the first contact (domain.md §1)."""
    said = Screen("relay.to_reporter", {"code": problem.code, "text": text}, (tuple(tickets.talk_button(problem)),), pictures)
    urgent = problem.sla == "P1"
    if not tickets.reachable(problem) and not problem.anonymous:
        raise Refusal("relay.left", code=problem.code)
    if not await tickets.tell_reporter(context, problem, said, urgent=urgent):
        raise Refusal("relay.unreachable_anonymous" if problem.anonymous else "relay.unreachable", code=problem.code)
    _keep(context, problem, "out", text, context.actor.id)
    if problem.first_contact_at is None and await moves.allowed(context, problem, "contact"):
        await moves.move(context, problem, "contact", first_contact_at=context.now)
        await tickets.refresh(context, problem)
    else:
        moves.remark(context, problem, "relay")
    return screen("relay.sent_to_reporter", code=problem.code)


async def _to_handlers(context: Context, problem: Problem, text: str, pictures: tuple[str, ...]) -> Screen:
    """From the reporter: to the one who leads, or the owners; an anonymous one is named nowhere."""
    await tickets.seal(context, problem)
    person = context.actor.person
    sealed = problem.anonymous or person is None
    writer: Value = Key("ticket.anonymous") if sealed else person.display_name if person else None
    values: dict[str, Value] = {
        "code": problem.code,
        "category": tickets.category(problem),
        "writer": writer,
        "text": text,
    }
    said = Screen("relay.to_handler", values | {"line": Key("relay.line")}, (tuple(tickets.talk_button(problem)),), pictures)
    to_street = Screen("relay.to_handler", values | {"line": None}, (), pictures)  # who has no way to answer
    _keep(context, problem, "in", text, None if problem.anonymous else context.actor.id)
    for person_id in await tickets.handlers(context, problem):
        shown = to_street if await tickets.view_of(context, person_id) == tickets.STREET else said
        if not problem.anonymous:
            audit.looked(context, problem.reporter_id, "name", tickets.subject(problem), viewer=person_id)
        await tickets.tell(context, problem, [person_id], shown, urgent=problem.sla == "P1")
    return screen("relay.sent_to_handler", code=problem.code)


def _keep(context: Context, problem: Problem, direction: str, text: str, author_id: str | None) -> None:
    context.session.add(ProblemMessage(problem_id=problem.id, direction=direction, body=text, author_id=author_id, at=context.now))
