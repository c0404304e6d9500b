"""Promises (承诺践诺): writing and looking.

member, branch secretary, liaison, secretary: 我要承诺:为独居老人上门理发,每月2次,12月20日前   bot: what is missing of the four, or the card
owner: [提交] / [再加一条] / [重写第1项]        bot: with the secretary of the branch, three workdays
owner: 我的承诺, 撤回承诺 CN-…                   bot: the own ones; taken back before it is published
anyone: 承诺公示 / CN-…                          bot: the public list, one promise
"""

from __future__ import annotations

from bot.events import Do, Press, Scan, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import promise_form, promises
from services.context import Context
from services.promise_lines import read_side
from texts.pages import offset_in
from texts.screen import Screen, screen
from texts.utterances import recognise

router = Router("promises")
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Promise(Steps):
    """Items are being written."""

    items = State()


# -- writing
@router.message(Phrase("promise"), to=Promise.items)
async def begin(message: Text, context: Context, side: str, text: str) -> Reply:
    return Ask(Promise.items, await promise_form.begin(context, text, read_side(side)))


@router.press(Do.promise, to=Promise.items, where="private")
async def begin_pressed(press: Press, context: Context) -> Reply:
    return Ask(Promise.items, await promise_form.begin(context))


@router.scan(F.payload == "promise", to=Promise.items)
async def begin_scanned(scan: Scan, context: Context) -> Reply:
    return Ask(Promise.items, await promise_form.begin(context))


@router.press(Do.promise_for, to=Promise.items, where="private")
async def choose_side(press: Press, context: Context, draft: str, place: str) -> Reply:
    return Ask(Promise.items, await promise_form.choose(context, draft, place), clear=True)


@router.message(Promise.items, ANSWER, to=Promise.items)
async def take_items(message: Text, context: Context) -> Reply:
    return Ask(Promise.items, await promise_form.take(context, message.text))


@router.press(Do.promise_add, to=Promise.items, where="private")
async def add_item(press: Press, context: Context, draft: str) -> Reply:
    return Ask(Promise.items, await promise_form.add(context, draft))


@router.press(Do.promise_redo, to=Promise.items, where="private")
async def redo_item(press: Press, context: Context, draft: str, number: str) -> Reply:
    return Ask(Promise.items, await promise_form.redo(context, draft, number), clear=True)


@router.press(Do.promise_drop, where="private")
async def drop(press: Press, context: Context, draft: str) -> Reply:
    await promise_form.drop(context, draft)
    return End(screen("promise.dropped"), clear=True)


@router.press(Do.promise_submit, where="private")
async def submit(press: Press, context: Context, draft: str) -> Reply:
    return End(await promise_form.submit(context, draft), clear=True)


@router.message(Phrase("promise_take_back"))
async def take_back(message: Text, context: Context, promise: str) -> Reply:
    return Say(await promise_form.take_back(context, (await promises.find(context, promise)).id))


@router.press(Do.promise_take_back, where="private")
async def take_back_pressed(press: Press, context: Context, promise: str) -> Reply:
    return Say(await promise_form.take_back(context, promise), clear=True)


# -- looking
@router.message(Phrase("my_promises"))
async def list_mine(message: Text, context: Context) -> Reply:
    return Say(await promises.mine(context))


@router.press(Do.my_promises, where="private")
async def list_mine_pressed(press: Press, context: Context) -> Reply:
    return Say(await promises.mine(context))


@router.message(Phrase("promises"))
async def browse(message: Text, context: Context) -> Reply:
    return Say(await promises.browse(context, 0))


@router.scan(lambda event, data: event.payload.startswith("promises-"))
async def browse_scanned(scan: Scan, context: Context) -> Reply:
    return Say(await _page(context, "0", scan.payload.removeprefix("promises-")))


@router.press(Do.promises, where="private")
async def browse_more(press: Press, context: Context, offset: str, year: str) -> Reply:
    return Say(await _page(context, offset, year))


async def _page(context: Context, offset: str, year: str) -> Screen:
    which = int(year) if year.isdecimal() and len(year) == 4 else None
    return await promises.browse(context, offset_in(offset), which)


@router.message(Phrase("promise_code"))
async def show(message: Text, context: Context, promise: str) -> Reply:
    return Say(await promises.look(context, await promises.find(context, promise)))


@router.press(Do.promise_show, where="private")
async def show_pressed(press: Press, context: Context, promise: str) -> Reply:
    return Say(await promises.look(context, await promises.get(context, promise)))
