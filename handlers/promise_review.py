"""What becomes of promises: progress, self report, votes, the confirmed result, objections.

owner: 践诺 CN-… 已完成第1项                     bot: kept
owner: 述诺 CN-… 第1项完成,第2项未完成,原因:……   bot: kept, or which items are still to be said
rater: 评诺, [兑现] [部分兑现] [未兑现]            bot: one vote, changeable until 25 December
secretary: 评定承诺, 评定 CN-… 兑现               bot: the owner previews it        owner: 我有异议:……
"""

from __future__ import annotations

from bot.events import Do, Press, Scan, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import promise_votes, promise_year, promises
from services.context import Context
from texts.pages import offset_in
from texts.screen import Screen, screen
from texts.utterances import recognise

router = Router("promise_review")
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Review(Steps):
    """A self report is under way; an objection waits for its words."""

    report = State()
    objection = State()


# -- progress and self report
@router.message(Phrase("promise_progress"))
async def note_progress(message: Text, context: Context, promise: str, text: str) -> Reply:
    return Say(await promise_year.note_progress(context, await promises.find(context, promise, lock=True), text))


@router.message(Phrase("promise_report"), to=Review.report)
async def report(message: Text, context: Context, promise: str, text: str) -> Reply:
    return _or_ask(await promise_year.report(context, await promises.find(context, promise, lock=True), text))


@router.press(Do.promise_report, to=Review.report, where="private")
async def ask_report(press: Press, context: Context, promise: str) -> Reply:
    return _or_ask(await promise_year.report(context, await promises.get(context, promise, lock=True), ""))


@router.message(Review.report, ANSWER, to=Review.report)
async def take_report(message: Text, context: Context) -> Reply:
    return _or_ask(await promise_year.report_on(context, message.text))


def _or_ask(answer: tuple[Screen, bool]) -> Reply:
    shown, waiting = answer
    return Ask(Review.report, shown) if waiting else End(shown)


# -- votes
@router.message(Phrase("ballot"))
async def show_ballot(message: Text, context: Context) -> Reply:
    return Say(await promise_votes.ballot(context))


@router.scan(F.payload == "ballot")
async def show_ballot_scanned(scan: Scan, context: Context) -> Reply:
    return Say(await promise_votes.ballot(context))


@router.press(Do.ballot, where="private")
async def show_ballot_pressed(press: Press, context: Context, offset: str) -> Reply:
    return Say(await promise_votes.ballot(context, offset_in(offset)))


@router.press(Do.to_vote, where="private")
async def ask_vote(press: Press, context: Context, promise: str) -> Reply:
    return Say(await promise_votes.to_vote(context, await promises.get(context, promise)))


@router.message(Phrase("promise_vote"))
async def vote(message: Text, context: Context, promise: str, kept: str) -> Reply:
    found = await promises.find(context, promise)
    return Say(await promise_votes.vote(context, found, kept) if kept else await promise_votes.to_vote(context, found))


@router.press(Do.promise_vote, where="private")
async def vote_pressed(press: Press, context: Context, promise: str, grade: str) -> Reply:
    return Say(await promise_votes.vote(context, await promises.get(context, promise), grade), clear=True)


# -- the result
@router.message(Phrase("promises_to_confirm"))
async def list_to_confirm(message: Text, context: Context) -> Reply:
    return Say(await promise_year.to_confirm(context))


@router.press(Do.promises_to_confirm, where="private")
async def list_to_confirm_pressed(press: Press, context: Context, offset: str) -> Reply:
    return Say(await promise_year.to_confirm(context, offset_in(offset)))


@router.press(Do.promise_confirm, where="private")
async def show_proposal(press: Press, context: Context, promise: str) -> Reply:
    return Say(await promise_year.proposal(context, await promises.get(context, promise)))


@router.press(Do.promise_excuse, where="private")
async def excuse(press: Press, context: Context, promise: str, number: str) -> Reply:
    return Say(await promise_year.excuse(context, await promises.get(context, promise, lock=True), number), clear=True)


@router.message(Phrase("promise_judge"))
async def judge(message: Text, context: Context, promise: str, text: str) -> Reply:
    found = await promises.find(context, promise, lock=True)
    return Say(await promise_year.judge(context, found, text) if text else await promise_year.proposal(context, found))


@router.press(Do.promise_judge, where="private")
async def judge_pressed(press: Press, context: Context, promise: str, grade: str) -> Reply:
    return Say(await promise_year.judge(context, await promises.get(context, promise, lock=True), grade), clear=True)


# -- objections
@router.message(Phrase("objection"), to=Review.objection)
async def object_to(message: Text, context: Context, text: str) -> Reply:
    if text:
        return End(await promise_year.object_to(context, text))
    return Ask(Review.objection, screen("promise.objection_ask"))


@router.message(Review.objection, ANSWER)
async def take_objection(message: Text, context: Context) -> Reply:
    return End(await promise_year.object_to(context, message.text))
