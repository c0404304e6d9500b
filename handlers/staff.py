"""What staff write about a problem, each a command with its number.

leader: 受理 WT-…                                bot: taken up, contact by …  [撤销] while nobody outside was told
leader: 办结 WT-… 已更换                          bot: so many more characters, the first are kept → the rest → done; another matter ends it
leader: 上报母墙 WT-…                            bot: why? → a sentence → done
coordinator: 不受理 WT-…                          bot: the four listed reasons as buttons
anybody on the staff: 待办, 撤销, 代录:…
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from bot.events import Event, Press, Text
from bot.router import KEEP, Ask, End, Phrase, Reply, Router, Say, State, Steps
from services import Context, desk, problems, tickets
from services.dialogs import Answer
from texts.actions import Do
from texts.screen import screen
from texts.utterances import normalise, recognise

router = Router("staff")


class Words(Steps):
    """A verb waits for its words: the reason, or the result."""

    text = State()


async def perform(context: Context, verb: str, code: str, words: str = "", day: str = "") -> Reply:
    """Carry out a verb on the problem with this code, or ask for its words."""
    answer = await desk.perform(context, verb, await problems.find(context, code, lock=True), words, day)
    return ask_or_say(answer)


def ask_or_say(answer: Answer) -> Reply:
    """The answer, about its problem, waiting for words where it does."""
    if answer.waiting:
        return Ask(Words.text, answer.screen, subject=answer.subject)
    return Say(answer.screen, subject=answer.subject)


@router.message(Phrase("accept"))
async def accept(message: Text, context: Context, code: str) -> Reply:
    return await perform(context, "accept", code)


@router.message(Phrase("contacted"))
async def note_contact(message: Text, context: Context, code: str, text: str) -> Reply:
    return await perform(context, "contacted", code, text)


@router.message(Phrase("assign"))
async def begin_work(message: Text, context: Context, code: str) -> Reply:
    return await perform(context, "assign", code)


@router.message(Phrase("escalate"), to=Words.text)
async def escalate(message: Text, context: Context, code: str, reason: str) -> Reply:
    return await perform(context, "escalate", code, reason)


@router.message(Phrase("return_to_grid"), to=Words.text)
async def return_to_grid(message: Text, context: Context, code: str, reason: str) -> Reply:
    return await perform(context, "return", code, reason)


@router.message(Phrase("extend"), to=Words.text)
async def extend(message: Text, context: Context, code: str, day: str, reason: str) -> Reply:
    return await perform(context, "extend", code, reason, day)


@router.message(Phrase("suspend"), to=Words.text)
async def suspend(message: Text, context: Context, code: str, day: str, reason: str) -> Reply:
    return await perform(context, "suspend", code, reason, day)


@router.message(Phrase("resume"))
async def resume(message: Text, context: Context, code: str) -> Reply:
    return await perform(context, "resume", code)


@router.message(Phrase("explain"), to=Words.text)
async def explain(message: Text, context: Context, code: str, reason: str) -> Reply:
    return await perform(context, "explain", code, reason)


@router.message(Phrase("resolve"), to=Words.text)
async def resolve(message: Text, context: Context, code: str, result: str) -> Reply:
    return await perform(context, "resolve", code, result)


@router.message(Phrase("reject"))
async def reject(message: Text, context: Context, code: str, reason: str) -> Reply:
    found = await problems.find(context, code, lock=True)
    return Say(await desk.reject(context, found, reason), subject=tickets.subject(found))


@router.message(Phrase("merge"))
async def merge(message: Text, context: Context, code: str, parent: str) -> Reply:
    child = await problems.find(context, code, lock=True)
    into = await problems.find(context, parent, lock=True)
    return Say(await desk.merge(context, child, into), subject=tickets.subject(into))


@router.message(Phrase("merge_help"))
async def explain_merging(message: Text, context: Context) -> Reply:
    return Say(screen("merge.how"))


@router.message(Phrase("on_behalf"))
async def take_down(message: Text, context: Context, name: str, phone: str, text: str) -> Reply:
    return ask_or_say(await desk.on_behalf(context, name, phone, text))


@router.message(Phrase("on_behalf_help"))
async def explain_taking_down(message: Text, context: Context) -> Reply:
    return Say(screen("on_behalf.how"))


@router.message(Phrase("inbox"))
async def list_work(message: Text, context: Context) -> Reply:
    return ask_or_say(await desk.todo(context))


@router.message(Phrase("undo"))
async def undo_last(message: Text, context: Context) -> Reply:
    return ask_or_say(await desk.undo(context))


@router.press(Do.undo)
async def undo(press: Press, context: Context, log: str) -> Reply:
    answer = await desk.undo(context, log)
    return Say(answer.screen, subject=answer.subject, clear=True)


async def end_question(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """A command or a press about something else ends the open question: what is written after it is not for the ticket any more."""
    context: Context = data["context"]
    reply = await call(event, data)
    said = event.text if isinstance(event, Text) and recognise(event.text) else event.action if isinstance(event, Press) else ""
    if data["step"] != Words.text.name or not said or reply is None or reply.step is not KEEP or reply.toast is not None:
        return reply
    if not await desk.leave_words(context, normalise(said)):
        return reply
    return replace(reply, step=None)


@router.message(Words.text, to=Words.text)
async def take_words(message: Text, context: Context) -> Reply:
    answer = await desk.more_words(context, message.text)
    return ask_or_say(answer) if answer.waiting else End(answer.screen, subject=answer.subject)
