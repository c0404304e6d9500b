"""What one event does inside its transaction: who, where in the dialog, the handler, and what is to be answered (design.md §2, Turn)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from bot import identity_numbers
from bot.delivery import Outgoing
from bot.events import Event, Press, Text
from bot.platforms.base import Platform
from bot.router import KEEP, Reply, Router
from models import Conversation, Draft, OutboxMessage
from services import identity
from services.context import Context, Refusal, ground
from services.post import Urgency
from texts.actions import pressed_by
from texts.answers import plain_answer
from texts.screen import Screen, screen
from texts.utterances import normalise, recognise


async def converse(
    session: AsyncSession, event: Event, platform: Platform, router: Router, cause: str, now: datetime, refusal: Refusal | None
) -> Context:
    """Do what an event asks for, or answer what a rule refused before; `context.posted` ends with the replies, not yet stored."""
    land = await ground(session)
    present = await identity.recognise(session, land, platform.name, platform.bot, event.sender, event.chat, now)
    conversation, draft = await _standing(session, present.chat.id, present.account.id)
    context = Context(session, now, present.actor, land, cause, present.chat, present.account, draft, event.message_id, event.reply_to)
    event, cut = identity_numbers.lifted(event)
    if isinstance(event, Text) and type(event) is Text:
        event = typed_press(event, present.chat.menu, present.chat.menu_message, platform.capabilities.buttons)
        if type(event) is Text and (pressed := plain_press(event, present.chat.menu, present.chat.menu_message)):
            shown_last = await session.scalar(_SHOWN_LAST, {"chat": present.chat.id})
            event = pressed if shown_last == present.chat.menu_message else event
    step = conversation.step if conversation else ""
    if refusal is not None:
        reply: Reply | None = _answer(event, screen(refusal.key, **refusal.values), platform)
    elif cut and identity_numbers.only_that(event, step):
        reply = None
    else:
        reply = await router.dispatch(event, context, step)
    if cut:
        reply = await identity_numbers.told(context, reply)
    await _remember(context, conversation, reply, draft)
    await session.flush()
    _post_reply(context, event, reply, platform)
    return context


def _post_reply(context: Context, event: Event, reply: Reply | None, platform: Platform) -> None:
    assert context.chat is not None
    can = platform.capabilities
    reply = reply or Reply(quiet=True)
    pressed = event if isinstance(event, Press) and event.press_id else None
    toast = reply.toast
    if pressed and ((toast and can.toasts) or can.answer_presses):
        body = {"press": pressed.press_id, "screen": toast.to_json() if toast else None}
        _add(context, kind="toast", body=body, policy="never", urgency=Urgency.TOAST)
    elif toast and (context.private or not can.toasts):
        _add(context, kind="send", body=toast.to_json(), urgency=Urgency.ANSWER)
    if reply.screen is not None:
        edit = reply.edit and isinstance(event, Press) and event.message_id and can.edits
        _add(
            context, kind="edit" if edit else "send", body=reply.screen.to_json(), message_id=event.message_id if edit else "",
            card=reply.card, subject=reply.subject, urgency=Urgency.ANSWER,
        )  # fmt: skip
    if isinstance(event, Press) and event.message_id and can.edits and reply.clear and not (reply.edit and reply.screen):
        # After the answer: where one message a second may leave, nobody waits for it because of a button that goes.
        _add(context, kind="clear", message_id=event.message_id, urgency=Urgency.ANSWER)


async def apologise(session: AsyncSession, event: Event, platform: Platform, number: int, now: datetime) -> Context | None:
    """Tell the person that what they said could not be done, with the number of the row; nobody is told in a group."""
    pressed = event if isinstance(event, Press) and event.press_id and platform.capabilities.toasts else None
    if not (event.chat.kind == "private" or pressed):
        return None
    land = await ground(session)
    present = await identity.recognise(session, land, platform.name, platform.bot, event.sender, event.chat, now)
    context = Context(session, now, present.actor, land, f"sorry:{number}", present.chat, present.account)
    sorry = screen("sorry", number=number).to_json()
    if pressed:
        _add(context, kind="toast", body={"press": pressed.press_id, "screen": sorry}, policy="never", urgency=Urgency.TOAST)
    if context.private:
        _add(context, kind="send", body=sorry, urgency=Urgency.ANSWER)
    await session.flush()
    return context


def typed_press(event: Text, menu: Sequence[Sequence[str]] | None, message_id: str, has_buttons: bool) -> Text | Press:
    """The press that a typed label (or, without buttons, a number) of the last menu means; else the text itself.

    What the grammar knows is left to it: a typed 满意 means more than its button. 匿名提交 under its button means just that.
    """
    if not menu or event.chat.kind != "private":
        return event
    said = normalise(event.text)
    chosen = next((action for label, action in menu if normalise(label) == said), None)
    if chosen is None and not has_buttons and said.isdecimal() and 1 <= int(said) <= len(menu):
        chosen = menu[int(said) - 1][1]
    if chosen is None or ((known := recognise(event.text)) is not None and not known[0].button):
        return event
    return Press(sender=event.sender, chat=event.chat, message_id=message_id, reply_to=event.reply_to, action=chosen)


def plain_press(event: Text, menu: Sequence[Sequence[str]] | None, message_id: str) -> Press | None:
    """The press of the last menu that a plain yes or no stands for (好的 under 提交), if that menu's message is what it answers."""
    answer = plain_answer(event.text)
    if not menu or not answer or event.chat.kind != "private" or event.reply_to not in ("", message_id):
        return None
    chosen = next((action for _, action in menu if answer in pressed_by(action)), None)
    if chosen is None or recognise(event.text) is not None:
        return None
    return Press(sender=event.sender, chat=event.chat, message_id=message_id, reply_to=event.reply_to, action=chosen)


def _answer(event: Event, refused: Screen, platform: Platform) -> Reply:
    if isinstance(event, Press) and event.press_id and platform.capabilities.toasts:
        return Reply(None, KEEP, toast=refused)
    if event.chat.kind != "private" and not isinstance(event, Text | Press):
        return Reply(quiet=True)
    return Reply(refused, KEEP)


async def _standing(session: AsyncSession, chat_id: str, account_id: str) -> tuple[Conversation | None, Draft | None]:
    found = (await session.execute(_STANDING, {"chat": chat_id, "account": account_id})).first()
    return (found[0], found[1]) if found else (None, None)


async def _remember(context: Context, conversation: Conversation | None, reply: Reply | None, before: Draft | None) -> None:
    """Keep the step and the draft for the next turn; a dialog that ended deletes its draft unless the handler keeps it."""
    assert context.chat is not None
    assert context.account is not None
    step = conversation.step if conversation else ""
    if reply is not None and reply.step is not KEEP:
        step = reply.step.name if reply.step else ""
        if reply.step is None and context.draft is not None and not context.facts.get("keep_draft"):
            await context.session.flush()
            await context.session.delete(context.draft)
            context.draft = None
    if context.draft is not None:
        context.draft.updated_at = context.now
        context.session.add(context.draft)
        flag_modified(context.draft, "data")
    draft_id = context.draft.id if context.draft else None
    if conversation is None:
        if step or draft_id:
            await context.session.flush()
            context.session.add(Conversation(chat_id=context.chat.id, account_id=context.account.id, step=step, draft_id=draft_id))
        return
    conversation.step, conversation.draft_id = step, draft_id


def _add(context: Context, **fields: Any) -> None:
    """A message to the chat of the turn. A sealed turn's messages name the token instead of the chat (domain.md §0.5)."""
    chat, token_id = context.chat, context.facts.get("sealed")
    assert chat is not None
    context.posted.append(
        Outgoing(
            platform=chat.platform, bot=chat.bot, chat_id=None if token_id else chat.id, token_id=token_id,
            address=None if token_id else chat.address, kind_of_chat=chat.kind, language=context.language, send_after=context.now,
            dedupe_key=f"{context.cause}:{len(context.posted)}", cause=context.cause, **fields,
        )
    )  # fmt: skip


_OUT = OutboxMessage.__table__.c  # type: ignore[attr-defined]
_SHOWN_LAST = (
    sa.select(_OUT.message_id)
    .where(_OUT.chat_id == sa.bindparam("chat"), _OUT.kind == "send", _OUT.state == "sent")
    .order_by(_OUT.sent_at.desc(), _OUT.id.desc())
    .limit(1)
)
_STANDING = (
    sa.select(Conversation, Draft)
    .outerjoin(Draft, Draft.id == Conversation.draft_id)  # type: ignore[arg-type]
    .where(Conversation.chat_id == sa.bindparam("chat"), Conversation.account_id == sa.bindparam("account"))  # type: ignore[arg-type]
)
