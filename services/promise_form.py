"""Writing a promise, and its approval: the conversation keeps what is there and names exactly what is missing (domain.md §5 Commitment)."""

from __future__ import annotations

from datetime import datetime, time

import sqlalchemy as sa
from sqlmodel import col

from models import Commitment, Draft, Enrollment
from services import drafts, masking, moves, post, promise_jobs, promises, tickets
from services.alarms import drop_alarms, set_alarm
from services.codes import next_code
from services.context import Context, Refusal
from services.promise_calendar import require_window, year_of
from services.promise_lines import PARTS, adds_item, missing, read_items, read_part, words
from services.promises import Side
from services.workdays import ZONE, local
from texts import promise_screens as screens
from texts.membership import plain
from texts.screen import Key, Screen, Value

DRAFT, RETURNING = "promise", "promise_return"
REMINDED_AT = time(9)


# -- writing ----------------------------------------------------------------------------------------------------------
async def begin(context: Context, said: str = "", kind: str = "") -> Screen:
    """Begin a promise, or go on with a returned one. `kind`: member, org, unit, community, "" for the only side the actor has.

    Raises Refusal: not in the window, nobody the actor speaks for, or this year's is with the secretary or published already.
    """
    found = [side for side in await promises.sides(context) if kind in ("", side[0])]
    if not found:
        raise Refusal("promise.nobody")
    draft = drafts.keep(context, DRAFT, sides=found, side=None, items=[], said=said, commitment="")
    await context.session.flush()
    if len(found) > 1:
        return screens.which_side(draft.id, await _called(context, found))
    return await choose(context, draft.id, "0")


async def _called(context: Context, found: list[Side]) -> list[Value]:
    made = [Commitment(community_id="", owner_kind=kind, owner=owner, year=0) for kind, owner in found]
    known = await promises.names(context, made)
    return [Key("promise.side", {"kind": Key(f"promise.kind.{one.owner_kind}"), "owner": known[one.id]}) for one in made]


async def choose(context: Context, draft_id: str, place: str) -> Screen:
    """Write for the side at this place of the draft's list. Raises Refusal as `begin` does."""
    draft = await _opened(context, draft_id)
    known = draft.data["sides"]
    if not place.isdecimal() or int(place) >= len(known):
        raise Refusal("dialog.gone")
    kind, owner = known[int(place)]
    year = local(context.now).year
    standing = next(iter(await promises.of_sides(context, [(kind, owner)], year)), None)
    if standing is not None and standing.state not in ("DRAFT", "WITHDRAWN"):
        key = "promise.waits_already" if standing.state == "SUBMITTED" else "promise.stands_already"
        raise Refusal(key, code=standing.code)
    returned = standing is not None and standing.state == "DRAFT"
    require_window(context, late_allowed=returned or await _came_late(context, kind, owner))
    items = [{part: item.get(part, "") for part in PARTS} for item in standing.items] if standing and returned else []
    said = draft.data["said"]
    await drafts.put(context, draft, side=[kind, owner], items=items, said="", commitment=standing.id if standing else "")
    if said:
        return await take(context, said)
    return await _next(context, standing.return_reason if standing and returned else None)


async def _came_late(context: Context, kind: str, owner: str) -> bool:
    """Whether these reported in after the window: they may still promise until the year-end round."""
    closes = year_of(context).closes
    whose = col(Enrollment.person_id) == owner if kind == "member" else col(Enrollment.unit_code) == owner
    query = sa.select(sa.func.max(col(Enrollment.confirmed_at))).where(whose, col(Enrollment.state) == "ACTIVE")
    since = await context.session.scalar(query) if kind in ("member", "unit") else None
    return since is not None and since > closes


async def take(context: Context, said: str) -> Screen:
    """Take what was said: into the first item that lacks something, else as further items. Raises Refusal: too many."""
    draft = _own(context)
    if masking.holds_identity_number(said):
        raise Refusal("promise.identity_number")
    items = _merged([dict(item) for item in draft.data["items"]], said, local(context.now).year, context)
    most = words()["items"]["most"]
    if len(items) > most:
        raise Refusal("promise.too_many", most=most)
    await drafts.put(context, draft, items=items)
    return await _next(context)


def _merged(items: list[dict[str, str]], said: str, year: int, context: Context) -> list[dict[str, str]]:
    today = promises.today(context)
    fresh = read_items(said, year, today)
    if not fresh or adds_item(plain(said))[0]:
        return [*items, *fresh]
    place = next((place for place, item in enumerate(items) if missing(item)), None)
    if place is None:
        return [*items, *fresh]
    gaps, first = missing(items[place]), fresh[0] if fresh else {}
    if first and not missing(first):
        items[place], rest = first, fresh[1:]
    else:
        rest = [] if len(fresh) == 1 else fresh[1:]
        for part in gaps:
            items[place][part] = first.get(part) or (read_part(part, said, year, today) if len(gaps) == 1 else "")
    return [*items, *rest]


async def _next(context: Context, returned_because: str | None = None) -> Screen:
    """What is to be said next: which parts are missing where, or the whole with its buttons."""
    draft = _own(context)
    items: list[dict[str, str]] = draft.data["items"]
    kind, owner = draft.data["side"]
    made = Commitment(community_id="", owner_kind=kind, owner=owner, year=local(context.now).year, items=items)
    shown = await promises.values(context, made) | {"reason": returned_because}
    gaps = [(number, missing(item)) for number, item in enumerate(items, 1) if missing(item)]
    if gaps:
        return screens.incomplete(draft.id, shown, gaps)
    due = year_of(context).closes
    shown |= {"due": due if context.now < due else None, "provisional": tickets.provisional(context, due) if context.now < due else None}
    if not items:
        return screens.ask_items(draft.id, shown)
    return screens.complete(draft.id, shown, len(items), words()["items"]["most"])


async def add(context: Context, draft_id: str) -> Screen:
    """One more item is to come."""
    await _opened(context, draft_id)
    return Screen("promise.ask_more")


async def redo(context: Context, draft_id: str, number: str) -> Screen:
    """Write an item anew: it leaves the draft. Raises Refusal for a number that is not there."""
    draft = await _opened(context, draft_id)
    items = list(draft.data["items"])
    if not number.isdecimal() or not 1 <= int(number) <= len(items):
        raise Refusal("dialog.gone")
    gone = items.pop(int(number) - 1)
    await drafts.put(context, draft, items=items)
    return Screen("promise.ask_again", {"number": int(number), "item": screens.item(int(number), gone, None, None)})


async def drop(context: Context, draft_id: str) -> None:
    """Throw the draft away."""
    await context.session.delete(await _opened(context, draft_id))
    context.draft = None


async def _opened(context: Context, draft_id: str) -> Draft:
    context.draft = await drafts.opened(context, DRAFT, draft_id)
    return context.draft


def _own(context: Context) -> Draft:
    if context.draft is None or context.draft.kind != DRAFT or context.draft.data.get("side") is None:
        raise Refusal("dialog.gone")
    return context.draft


# -- handing in -------------------------------------------------------------------------------------------------------
async def submit(context: Context, draft_id: str) -> Screen:
    """Hand the promise in to whoever reviews it, three workdays for an answer. Raises Refusal: incomplete, too late."""
    draft = await _opened(context, draft_id)
    data = _own(context).data
    kind, owner = data["side"]
    # Names nobody needs and numbers of telephones do not belong into a public list.
    items = [{part: masking.mask(value) if part != "due" else value for part, value in item.items()} for item in data["items"]]
    if not items or any(missing(item) for item in items) or (kind, owner) not in await promises.sides(context):
        raise Refusal("dialog.gone")
    standing = next(iter(await promises.of_sides(context, [(kind, owner)], local(context.now).year)), None)
    returned = standing is not None and standing.state == "DRAFT"
    require_window(context, late_allowed=returned or await _came_late(context, kind, owner))
    if standing is None:
        standing = Commitment(
            community_id=context.ground.community_id, code=await next_code(context, promises.PREFIX), owner_kind=kind, owner=owner,
            writer_id=context.actor.id, year=local(context.now).year, items=items,
        )  # fmt: skip
        await moves.begin(context, standing, "write")
    else:
        standing = await promises.get(context, standing.id, lock=True)
        standing.items, standing.writer_id = items, context.actor.id
        await moves.move(context, standing, "rewrite")
    await moves.move(context, standing, "submit", submitted_at=context.now)
    await context.session.delete(draft)
    context.draft = None
    due = review_due(context, standing)
    told = await _tell_reviewers(context, standing, due)
    await _set_review_alarm(context, standing)
    shown = await promises.values(context, standing, private=True)
    shown |= {"who": told, "due": due, "provisional": tickets.provisional(context, due)}
    return screens.submitted(standing.id, shown)


def review_due(context: Context, promise: Commitment) -> datetime:
    """By when a promise is answered: three workdays after it came in, but by the last moment of February's last workday."""
    submitted = promise.submitted_at or context.now
    due, closes = context.calendar.due(submitted, words()["year"]["review_workdays"]), year_of(context, promise.year).closes
    return min(due, closes) if submitted <= closes else due


async def _set_review_alarm(context: Context, promise: Commitment) -> None:
    morning = datetime.combine(local(review_due(context, promise)).date(), REMINDED_AT, ZONE)
    if morning > context.now:
        await set_alarm(context, "commitment_review_due", promise.id, morning)


async def recount(context: Context) -> None:
    """After the workdays of a year were entered: the reviewers are reminded on the day on which their answer is due now."""
    for promise in await promises.every(context, local(context.now).year, "SUBMITTED"):
        await drop_alarms(context, "commitment_review_due", promise.id)
        await _set_review_alarm(context, promise)


async def _tell_reviewers(context: Context, promise: Commitment, due: datetime) -> list[str]:
    shown = await promises.values(context, promise) | {"due": due, "provisional": tickets.provisional(context, due)}
    people = await promises.reviewers(context, promise)
    for person in people:
        await post.to_person(context, person.id, screens.to_review(promise.id, shown), card=promises.card(promise))
    return [person.display_name for person in people]


async def remind_reviewer(context: Context, promise_id: str) -> str:
    """At 09:00 of the day on which an answer is due: the reviewers hear once more of a promise that still waits."""
    promise = await promises.get(context, promise_id)
    if promise.state != "SUBMITTED" or promise.submitted_at is None:
        return "answered"
    due = review_due(context, promise)
    if local(due).date() != promises.today(context):
        return "handed in anew"
    shown = await promises.values(context, promise) | {"due": due, "provisional": None}
    for person in await promises.reviewers(context, promise):
        key = f"commitment_review_due:{promise.id}:{promises.today(context)}:{person.id}"
        await post.to_person(context, person.id, screens.to_review(promise.id, shown, "remind"), card=promises.card(promise), key=key)
    return "reminded"


async def take_back(context: Context, promise_id: str) -> Screen:
    """Its owner takes it back before it is published."""
    promise = await promises.get(context, promise_id, lock=True)
    await moves.move(context, promise, "withdraw")
    await _settle(context, promise)
    return Screen("promise.taken_back", {"code": promise.code})


async def _settle(context: Context, promise: Commitment) -> None:
    """Nothing waits for the reviewers any more: their cards say so."""
    await drop_alarms(context, "commitment_review_due", promise.id)
    await post.retire_card(context, promises.card(promise), Screen("promise.settled", await promises.values(context, promise)))


# -- the secretary ----------------------------------------------------------------------------------------------------
async def waiting(context: Context, offset: int = 0) -> Screen:
    """The promises that wait for the actor's approval. Raises Refusal when the actor reviews none at all."""
    if not context.actor.has("branch_secretary", "community_secretary"):
        raise Refusal("promise.only_reviewer")
    found = await promises.every(context, local(context.now).year, "SUBMITTED")
    mine = [one for one in found if await moves.allowed(context, one, "publish")]
    known = await promises.names(context, mine)
    return screens.waiting([(one.id, one.code or "", known[one.id]) for one in mine], offset)


async def approve(context: Context, promise: Commitment) -> Screen:
    """Approve and publish: the owner gets the 承诺书, the one public list is changed. Raises Refusal."""
    await moves.move(context, promise, "publish", reviewed_by=context.actor.id, published_at=context.now)
    await _settle(context, promise)
    told = Screen("promise.published", {"letter": await promises.letter(context, promise), "code": promise.code})
    for person in await promises.owners(context, promise):
        await post.to_person(context, person.id, told)
    await promises.publish_list(context, promise.year)
    await promise_jobs.join_review(context, promise)
    return Screen("promise.approved", await promises.values(context, promise))


async def ask_return(context: Context, promise: Commitment) -> Screen:
    """Ask what is missing: the four parts by button, or in words."""
    await promises.require(context, promise, "return")
    drafts.keep(context, RETURNING, commitment=promise.id)
    return screens.what_lacks(promise.id, await promises.values(context, promise))


async def returned(context: Context, promise: Commitment, reason: str) -> Screen:
    """Return it to its owner with what is missing; it can be handed in again. Raises Refusal without words."""
    reason = reason.strip()[: words()["items"]["longest"]]
    if not reason:
        raise Refusal("promise.return_why")
    await promises.require(context, promise, "return")
    promise.return_reason = reason
    await moves.move(context, promise, "return", note=reason, returned=promise.returned + 1)
    await _settle(context, promise)
    shown = await promises.values(context, promise, private=True)
    for person in await promises.owners(context, promise):
        await post.to_person(context, person.id, screens.returned(shown))
    return Screen("promise.returned_done", shown)


async def return_because(context: Context, said: str) -> Screen:
    """The words that `ask_return` waited for."""
    promise_id = drafts.kept(context, RETURNING).get("commitment", "")
    return await returned(context, await promises.get(context, promise_id, lock=True), said)


def lacks(part: str, language: str) -> str:
    """The words of the button for a missing part, as they stand in the history."""
    if part not in PARTS:
        raise Refusal("dialog.gone")
    return screens.lacks(part, language)
