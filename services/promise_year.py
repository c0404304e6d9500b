"""The life of a published promise: progress, self report, objective reasons, the confirmed result, objections (domain.md §5 Commitment).

A machine never judges: from votes and the self report it proposes, the secretary of the branch confirms, the owner may object.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from models import Commitment
from services import drafts, masking, moves, post, promise_votes, promises, tickets
from services.context import Context, Refusal
from services.promise_calendar import year_of
from services.promise_lines import Mark, names_another, read_grade, read_marks, words
from services.workdays import local
from texts import promise_screens as screens
from texts.screen import Key, Screen, Value

REPORTING = "promise_report"
JUDGED = ("evaluate", "decide")


# -- progress ---------------------------------------------------------------------------------------------------------
async def note_progress(context: Context, promise: Commitment, said: str) -> Screen:
    """Keep what the owner says of an item; nobody asks for photos or marks. Raises Refusal: which item, or not in this state."""
    marks = _marks(promise, said)
    if not marks and len(promise.items) == 1 and said.strip():
        marks = {1: Mark("kept" if promise_is_done(said) else "", said.strip())}
    if not marks:
        raise Refusal("promise.which_item", code=promise.code, count=len(promise.items))
    await promises.require(context, promise, "progress")
    today = promises.today(context).isoformat()
    items = [dict(item) for item in promise.items]
    for number, mark in marks.items():
        items[number - 1]["progress"] = masking.mask(mark.words)
        if mark.result:
            items[number - 1]["done_on"] = today if mark.result == "kept" else ""
    promise.items = items
    await moves.move(context, promise, "progress", note=masking.mask(said.strip()))
    return Screen("promise.progress_kept", await promises.values(context, promise, private=True))


def _marks(promise: Commitment, said: str) -> dict[int, Mark]:
    """What is said of which item. Raises Refusal: of one that the promise does not have."""
    if names_another(said, len(promise.items)):
        raise Refusal("promise.no_such_item", code=promise.code, count=len(promise.items))
    return read_marks(said, len(promise.items))


def _told(promise: Commitment, said: str) -> dict[int, Mark]:
    """What is said of which item; of the only one it need not be said which. Raises Refusal as `_marks`."""
    return _marks(promise, said) or (read_marks(words()["marks"]["first"] + said, 1) if len(promise.items) == 1 and said.strip() else {})


def promise_is_done(said: str) -> bool:
    """Whether words without an item's number say that it is done."""
    return read_marks(words()["marks"]["first"] + said, 1).get(1, Mark("", "")).result == "kept"


# -- self report ------------------------------------------------------------------------------------------------------
async def report(context: Context, promise: Commitment, said: str) -> tuple[Screen, bool]:
    """Take what the owner says became of each item until 15 December 17:30; (the answer, whether items are still to be said).

    What was said is kept until all items have a word. Raises Refusal: not the owner, not yet, too late.
    """
    await promises.require(context, promise, "self_report")
    if context.now >= year_of(context, promise.year).report_due:
        raise Refusal("promise.report_late", due=year_of(context, promise.year).report_due)
    before = drafts.kept(context, REPORTING)
    known: dict[str, Any] = dict(before.get("marks", {})) if before.get("commitment") == promise.id else {}
    told = {number: mark for number, mark in _told(promise, said).items() if mark.result}
    for number, mark in told.items():
        known[str(number)] = ["not" if mark.result == "excused" else mark.result, mark.reason, mark.words]
    missing = [number for number in range(1, len(promise.items) + 1) if str(number) not in known]
    if missing:
        drafts.keep(context, REPORTING, commitment=promise.id, marks=known)
        shown = await promises.values(context, promise, private=True)
        shown |= {"missing": missing if known else None, "unread": None if told or not said.strip() else said.strip()}
        return Screen("promise.report_ask", shown | {"due": year_of(context, promise.year).report_due}), True
    promise.items = [item | {"said": known[str(n)][0], "reason": known[str(n)][1]} for n, item in enumerate(promise.items, 1)]
    promise.self_report = "\n".join(f"{number}: {known[number][2]}" for number in sorted(known))
    promise.objective_reason = "\n".join(f"{number}: {known[number][1]}" for number in sorted(known) if known[number][1]) or None
    await moves.move(context, promise, "self_report", self_reported_at=context.now)
    return Screen("promise.reported", await promises.values(context, promise, private=True)), False


async def report_on(context: Context, said: str) -> tuple[Screen, bool]:
    """More words for the report that is under way."""
    promise_id = drafts.kept(context, REPORTING).get("commitment", "")
    return await report(context, await promises.get(context, promise_id, lock=True), said)


# -- the result -------------------------------------------------------------------------------------------------------
async def to_confirm(context: Context, offset: int = 0) -> Screen:
    """What waits for the actor's confirmation after the votes, the own first. Raises Refusal for who confirms nothing."""
    if not context.actor.has("branch_secretary", "community_secretary"):
        raise Refusal("promise.only_reviewer")
    year = local(context.now).year
    found = [one for each in (year, year - 1) for one in await promises.every(context, each, "IN_EVALUATION", "OBJECTED")]
    mine = [one for one in found if await _may_judge(context, one)]
    asked = {one.id for one in mine if any(person.id == context.actor.id for person in await promises.reviewers(context, one))}
    mine.sort(key=lambda one: one.id not in asked)  # the community's secretary may confirm every branch's, and is asked for the others
    known = await promises.names(context, mine)
    return screens.to_confirm([(one.id, one.code or "", known[one.id]) for one in mine], offset)


async def _may_judge(context: Context, promise: Commitment) -> bool:
    return any([await moves.allowed(context, promise, event) for event in JUDGED])


async def _require_judge(context: Context, promise: Commitment) -> str:
    """The event of the judgement. Raises Refusal: not who confirms, or the votes are open still."""
    event = "decide" if promise.state == "OBJECTED" else "evaluate"
    await promises.require(context, promise, event)
    if context.now < year_of(context, promise.year).votes_end:
        raise Refusal("promise.votes_open", code=promise.code, last=year_of(context, promise.year).votes_end)
    return event


async def proposal(context: Context, promise: Commitment) -> Screen:
    """What the votes and the report come to, with the buttons of the one who confirms. Raises Refusal."""
    await _require_judge(context, promise)
    counted = await promise_votes.count(context, promise)
    shown = await promises.values(context, promise, private=True) | counted.values | {"objection": promise.objection}
    open_items = [number for number, item in enumerate(promise.items, 1) if item.get("said") in ("not", "partly")]
    excused = [number for number in open_items if promise.items[number - 1].get("excused")]
    return screens.proposal(promise.id, shown, counted.proposed, open_items, excused)


async def excuse(context: Context, promise: Commitment, number: str) -> Screen:
    """Take an item as kept from being done by an objective reason, or take that back; then the proposal anew. Raises Refusal."""
    await _require_judge(context, promise)
    if not number.isdecimal() or not 1 <= int(number) <= len(promise.items):
        raise Refusal("dialog.gone")
    items = [dict(item) for item in promise.items]
    items[int(number) - 1]["excused"] = not items[int(number) - 1].get("excused")
    promise.items = items
    moves.remark(context, promise, "excuse", number)
    await context.session.flush()
    return await proposal(context, promise)


async def judge(context: Context, promise: Commitment, said: str) -> Screen:
    """Confirm the result (kept, partly, not, or words that begin with one and may name items); the owner previews it. Raises Refusal."""
    event = await _require_judge(context, promise)
    grade = said if said in ("kept", "partly", "not") else read_grade(said)
    if not grade:
        raise Refusal("promise.which_result", code=promise.code)
    named = _marks(promise, said)
    items = []
    for number, item in enumerate(promise.items, 1):
        excused = bool(item.get("excused")) or named.get(number, Mark("", "")).result == "excused"
        own = named[number].result if number in named and named[number].result else item.get("said", "")
        items.append(item | {"result": "excused" if excused else own})
    promise.items, counted = items, await promise_votes.count(context, promise)
    score = None if counted.score is None else float(counted.score)
    await moves.move(
        context, promise, event, score=score, ratings=counted.facts, result=grade, evaluated_by=context.actor.id, evaluated_at=context.now,
    )  # fmt: skip
    due = objection_due(context, promise)
    shown = await promises.values(context, promise, private=True) | counted.values
    shown |= {"due": due, "provisional": tickets.provisional(context, due)}
    for person in await promises.owners(context, promise):
        await post.to_person(context, person.id, Screen("promise.preview", shown))
    await post.retire_card(context, promises.card(promise), Screen("promise.judged", shown))
    if context.now >= year_of(context, promise.year).publish:
        await archive(context, promise)
        await promises.publish_list(context, promise.year, "results")
    return Screen("promise.judged", shown)


async def archive(context: Context, promise: Commitment) -> None:
    """Publish the result: it stands in the list of results."""
    await moves.move(context, promise, "archive")


def objection_due(context: Context, promise: Commitment) -> datetime:
    """Until when its owner may object: 17:30 of the fifth workday (domain.md §0.2)."""
    return context.calendar.due(promise.evaluated_at or context.now, words()["year"]["objection_workdays"])


# -- objection --------------------------------------------------------------------------------------------------------
async def object_to(context: Context, said: str) -> Screen:
    """我有异议: the owner objects to a result within five workdays; whoever confirms looks again. Raises Refusal: nothing, or too late."""
    year, whose = local(context.now).year, await promises.sides(context)
    found = [one for each in (year, year - 1) for one in await promises.of_sides(context, whose, each)]
    judged = [one for one in found if one.state in ("EVALUATED", "ARCHIVED")]
    standing = [one for one in judged if context.now <= objection_due(context, one)]
    if not standing:
        late: Value = objection_due(context, judged[0]) if judged else None
        raise Refusal("promise.objection_late" if judged else "promise.objection_none", due=late)
    promise = next((one for one in standing if one.code and one.code in said), standing[0])
    promise = await promises.get(context, promise.id, lock=True)
    promise.objection = said.strip()[: words()["items"]["longest"]]
    await moves.move(context, promise, "object", objected_at=context.now)
    if context.now >= year_of(context, promise.year).publish:
        await promises.publish_list(context, promise.year, "results")
    shown = await promises.values(context, promise, private=True) | {"objection": promise.objection}
    for person in await promises.reviewers(context, promise):
        await post.to_person(context, person.id, screens.objected(promise.id, shown), card=promises.card(promise))
    return Screen("promise.objected", shown | {"kept": Key("promise.grade." + promise.result)})
