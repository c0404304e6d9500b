"""Approving promises: the secretary of the branch publishes one, or returns it with what is missing.

secretary: 待审承诺                              bot: a button for each that waits
secretary: [通过], 通过承诺 CN-…                 bot: published in the one list; the owner gets the 承诺书
secretary: [退回], 退回承诺 CN-…                 bot: what is missing? [没有数量] …, or in words; it is back with its owner
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import promise_form, promises
from services.context import Context
from texts.pages import offset_in
from texts.utterances import recognise

router = Router("promise_approval")
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Approval(Steps):
    """The secretary says what is missing."""

    lacks = State()


@router.message(Phrase("promises_waiting"))
async def list_waiting(message: Text, context: Context) -> Reply:
    return Say(await promise_form.waiting(context))


@router.press(Do.promises_waiting, where="private")
async def list_waiting_pressed(press: Press, context: Context, offset: str) -> Reply:
    return Say(await promise_form.waiting(context, offset_in(offset)))


@router.message(Phrase("promise_approve"))
async def approve(message: Text, context: Context, promise: str) -> Reply:
    return Say(await promise_form.approve(context, await promises.find(context, promise, lock=True)))


@router.press(Do.promise_approve, where="private")
async def approve_pressed(press: Press, context: Context, promise: str) -> Reply:
    return Say(await promise_form.approve(context, await promises.get(context, promise, lock=True)), clear=True)


@router.message(Phrase("promise_return"), to=Approval.lacks)
async def send_back(message: Text, context: Context, promise: str, reason: str) -> Reply:
    found = await promises.find(context, promise, lock=True)
    if reason:
        return Say(await promise_form.returned(context, found, reason))
    return Ask(Approval.lacks, await promise_form.ask_return(context, found))


@router.press(Do.promise_return, to=Approval.lacks, where="private")
async def ask_what_lacks(press: Press, context: Context, promise: str) -> Reply:
    return Ask(Approval.lacks, await promise_form.ask_return(context, await promises.get(context, promise)))


@router.press(Do.promise_lacks, where="private")
async def send_back_pressed(press: Press, context: Context, promise: str, part: str) -> Reply:
    found = await promises.get(context, promise, lock=True)
    return End(await promise_form.returned(context, found, promise_form.lacks(part, context.language)), clear=True)


@router.message(Approval.lacks, ANSWER)
async def send_back_because(message: Text, context: Context) -> Reply:
    return End(await promise_form.return_because(context, message.text))
