"""Orders (点单): what a resident asks for, until it is dispatched or refused (domain.md §0 四单, §3 Order, §5 Order SUBMITTED)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import col, select

from models import Draft, Order, Person, Task
from services import audit, drafts, intake, post, tasks
from services.codes import next_code, tidy
from services.context import Context, Refusal
from services.hours import pattern, words
from services.identity import persons_with
from services.moves import allowed, begin, move, relations
from services.places import Gazetteer, PlaceMatch
from texts.actions import Do
from texts.screen import Button, Key, Screen, Value
from texts.work_screens import order_card, stack

DRAFT = "order"
SHOWN_LENGTH = 500
LISTED = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What an order asks for, as it was understood; `unclear` when a place was named that could be several, or none is known."""

    text: str
    service: str
    want_time: str
    place_name: str = ""
    place_detail: str = ""
    grid_code: str | None = None
    lat: float | None = None
    lon: float | None = None
    unclear: bool = False


def guess_service(text: str) -> str:
    """The one of the six services that the words of a text speak for; "living" when none does (texts/work.toml)."""
    known: dict[str, Any] = dict(words()["services"])
    named: dict[str, str] = known.pop("names")
    counts = {code: sum(word in text for word in known[code]) for code in known}
    for name, code in named.items():
        # The class by its own name outweighs its words: somebody chose it.
        counts[code] += 10 if text.lstrip().startswith(name) else 0
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else "living"


def wanted_time(text: str) -> str:
    """When the order is wanted, in the words of the one who ordered; "" when nothing was said."""
    found = [match for source in words()["wanted"]["times"] if (match := pattern(source).search(text))]
    return min(found, key=lambda match: (match.start(), -match.end()))[0].strip() if found else ""


def public_title(service: str, text: str) -> str:
    """What a group may read of an order: its class and a neutral word for the service, never the resident's own words (domain.md §0.6)."""
    data = words()["titles"]
    what = data["services"].get(service, data["plain"])
    detail = next((title for source, title in data["neutral"] if pattern(source).search(text)), data["visit"])
    return neutral(data["form"].format(what=what, detail=detail))


def neutral(title: str) -> str:
    """The title, or a plain one when it speaks of health, hardship or family after all."""
    data = words()["titles"]
    return data["plain"] if any(word in title for word in data["hidden"]) else title


def understand(context: Context, text: str, place: str = "") -> Wish:
    """What the sentence asks for, and where: the place it names (or `place`, said when asked), else the orderer's home (domain.md §1)."""
    text = " ".join(text.split())[:SHOWN_LENGTH]
    wish = Wish(text, guess_service(text), wanted_time(text))
    home = context.actor.person.building if context.actor.person else None
    gazetteer = context.ground.gazetteer
    match = gazetteer.find(place or text, home)
    if place and (estate := gazetteer.find(text, home).estate):  # a building said after an estate is one of it
        within = gazetteer.find(estate + place, home)
        match = within if within.kind == "place" else match
    detail = " ".join(filter(None, (match.words, match.detail)))
    if match.kind == "none" and home and not place and not match.estate:
        match, detail = _at_home(gazetteer, home, match)
    if match.kind != "place":
        return Wish(wish.text, wish.service, wish.want_time, place_detail=place, unclear=not place)
    spot = match.places[0]
    return Wish(wish.text, wish.service, wish.want_time, spot.name, place or detail, spot.grid, spot.lat, spot.lon)


def _at_home(gazetteer: Gazetteer, home: str, said: PlaceMatch) -> tuple[PlaceMatch, str]:
    """The home, and what is known of where in it: what the record has besides the building, and what was `said` to be near."""
    match = gazetteer.find(home)
    if match.kind != "place":
        return said, ""
    besides = "" if home == match.places[0].name else home
    return match, " ".join(filter(None, (besides, said.detail)))


def begin_order(context: Context, text: str, place: str = "") -> Screen | None:
    """Understand the sentence, keep it as the dialog's draft, and give the card to confirm; None when the place must be asked for.

    With `place`, the answer to that question: the text then is the draft's.
    """
    text = text or drafts.kept(context, DRAFT).get("text", "")
    wish = understand(context, text, place)
    draft = drafts.keep(context, DRAFT, **asdict(wish))
    if wish.unclear:
        return None
    first_time = context.actor.person is None or context.actor.person.consent_version < intake.NOTICE_VERSION
    return confirm_card(wish, draft.id, first_time)


async def find(context: Context, code: str, lock: bool = False) -> Order:
    """The order by code or id. Raises Refusal with the actor's own last three codes, or those in their charge (domain.md §10)."""
    query = select(Order).where((col(Order.code) == tidy(code)) | (col(Order.id) == code))
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    order = (await context.session.scalars(query)).first()
    if order is None:
        raise Refusal("refused.unknown_code", last=await _last_codes(context))
    return order


async def _last_codes(context: Context) -> list[str]:
    query = select(Order.code).order_by(col(Order.submitted_at).desc(), col(Order.code).desc()).limit(3)
    own = list((await context.session.scalars(query.where(col(Order.resident_id) == context.actor.id))).all())
    if own or not context.actor.has("coordinator", "community_clerk", "community_secretary"):
        return own
    return list((await context.session.scalars(query)).all())


async def submit(context: Context, draft_id: str) -> Order:
    """The order is placed and the coordinators have it: in private, and masked in their group. Again with the same draft: the same order.

    提交 is the consent to the privacy notice on the card (domain.md §1). Raises Refusal: the draft is gone, or not the actor's.
    """
    person = context.actor.person
    made = (await context.session.scalars(select(Order).where(col(Order.draft_id) == draft_id))).first()
    if made is not None and person is not None and made.resident_id == person.id:
        return made
    draft = await context.session.get(Draft, draft_id)
    if person is None or draft is None or draft.kind != DRAFT or context.account is None or draft.account_id != context.account.id:
        raise Refusal("order.draft_gone")
    wish = Wish(**draft.data)
    order = Order(
        community_id=context.ground.community_id, code=await next_code(context, "DD"), draft_id=draft_id, resident_id=person.id,
        service=wish.service, want_time=wish.want_time, text=wish.text, text_public=public_title(wish.service, wish.text),
        grid_code=wish.grid_code, place_name=wish.place_name, place_detail=wish.place_detail, lat=wish.lat, lon=wish.lon,
        submitted_at=context.now,
    )  # fmt: skip
    await begin(context, order, "submit")
    await intake.consent(context)
    await announce(context, order)
    if context.draft is not draft:
        await context.session.delete(draft)
    return order


async def discard(context: Context, draft_id: str) -> None:
    """Throw the draft of an order away. Raises Refusal: it is gone, or not the actor's."""
    draft = await drafts.opened(context, DRAFT, draft_id)
    await context.session.delete(draft)
    if context.draft is draft:
        context.draft = None


async def announce(context: Context, order: Order, note: Key | None = None) -> None:
    """Give the order to the coordinators: each in private, and the public half to their group (domain.md §0.6).

    `note` says in private why it comes (again).
    """
    resident = await context.session.get(Person, order.resident_id)
    public = shown(order) | {"from": None, "note": None}
    whole = _own(order) | {"from": caller(resident), "note": note}
    for person in await persons_with(context, "coordinator", "community_clerk"):
        await post.to_person(context, person.id, order_card(order.id, order.code, whole, in_group=False), subject=f"order:{order.id}")
        audit.looked(context, order.resident_id, "contact", f"order:{order.id}", viewer=person.id)
    await post.to_purpose(context, "coordinators", order_card(order.id, order.code, public, in_group=True), card=f"order:{order.id}")


def caller(person: Person | None) -> str:
    """Who ordered and how to reach them, for those who may know: name and phone where known."""
    return " ".join(filter(None, (person.display_name, person.phone))) if person else ""


def shown(order: Order) -> dict[str, Value]:
    """The public values of an order: what any group may read."""
    return {
        "code": order.code, "service": Key(f"service.{order.service}"), "want_time": order.want_time or Key("order.time_unsaid"),
        "place": order.place_name or Key("order.place_unsaid"), "text": order.text_public,
    }  # fmt: skip


def _own(order: Order) -> dict[str, Value]:
    """The values of an order for the one who ordered and for coordinators, in private."""
    return shown(order) | {"text": order.text, "place": order.place_name or order.place_detail or Key("order.place_unsaid")}


def confirm_card(wish: Wish, draft_id: str, first_time: bool) -> Screen:
    """What was understood, with 提交 and 取消; `first_time` adds the one-line privacy notice that 提交 agrees to (domain.md §1)."""
    values: dict[str, Value] = {
        "service": Key(f"service.{wish.service}"), "text": wish.text, "want_time": wish.want_time or Key("order.time_unsaid"),
        "place": wish.place_name or wish.place_detail or Key("order.place_unsaid"),
        "notice": Key("order.privacy") if first_time else None,
    }  # fmt: skip
    buttons = (
        Button("order.button.submit", Do.submit_order(draft_id)),
        Button("order.button.cancel", Do.discard_order(draft_id)),
    )
    return Screen("order.confirm", values, (buttons,))


def receipt(order: Order) -> Screen:
    """To the resident: it has arrived, and how to take it back."""
    return Screen("order.receipt", _own(order), ((Button("order.button.withdraw", Do.withdraw_order(order.id)),),))


async def withdraw(context: Context, code: str) -> Order:
    """The resident takes the order back, as long as nobody was sent. Raises Refusal, once somebody was with whom to ask."""
    order = await find(context, code, lock=True)
    if "resident" not in await relations(context, order):
        raise Refusal("refused.permission")
    if order.state == "DISPATCHED":
        raise Refusal("order.withdraw_late", code=order.code)
    await move(context, still_open(order), "withdraw")
    await _close_cards(context, order)
    return order


async def reject(context: Context, code: str, reason: str) -> Order:
    """A coordinator does not take the order on; the resident reads the reason. Raises Refusal: no reason, not a coordinator, too late."""
    order = await find(context, code, lock=True)
    if not reason.strip():
        raise Refusal("order.reject_why", code=(await to_reject(context, code)).code)
    await move(context, order, "reject", note=reason, reason=reason)
    await post.to_person(
        context,
        order.resident_id,
        Screen("order.rejected", shown(order) | {"reason": reason}),
        subject=f"order:{order.id}",
    )
    await _close_cards(context, order)
    return order


async def to_reject(context: Context, code: str) -> Order:
    """The order, when the actor may refuse it now. Raises Refusal."""
    order = await find(context, code)
    if "coordinator" not in await relations(context, order):
        raise Refusal("refused.permission")
    return still_open(order)


def still_open(order: Order) -> Order:
    """The order, when nobody has decided on it yet. Raises Refusal with what became of it."""
    if order.state != "SUBMITTED":
        raise Refusal("order.not_open", code=order.code, state=Key(f"state.order.{order.state}"))
    return order


async def approve(context: Context, order: Order) -> None:
    """A task was made of it. Raises Refusal: not a coordinator, or no longer open."""
    await move(context, order, "approve")
    await _close_cards(context, order)


async def reoffer(context: Context, order: Order, task: Task, why: str = "reoffered") -> None:
    """Its task was called off (`why`: reoffered), found nobody (unclaimed), or nobody came (unserved): the order waits again.

    The resident reads the truth, the coordinators get the order once more.
    """
    await move(tasks.program(context), order, "reoffer")
    told = shown(order) | {"start": task.start_at}
    await post.to_person(context, order.resident_id, Screen(f"order.{why}", told), subject=f"order:{order.id}")
    await announce(context, order, Key(f"order.note.{why}", {"number": task.short_no, "start": task.start_at}))


async def look(context: Context, code: str) -> Screen:
    """How an order stands, for the one who ordered and for coordinators. Raises Refusal: unknown, or somebody else's."""
    order = await find(context, code)
    related = await relations(context, order)
    if not related & {"resident", "coordinator"}:
        raise Refusal("refused.permission")
    return await _sheet(context, order, related)


async def _sheet(context: Context, order: Order, related: frozenset[str]) -> Screen:
    buttons = []
    if "coordinator" in related and order.state == "SUBMITTED":
        buttons += [Button("order.button.dispatch", Do.dispatch_order(order.id)), Button("order.button.reject", Do.reject_order(order.id))]
    if "resident" in related and await allowed(context, order, "withdraw"):
        buttons.append(Button("order.button.withdraw", Do.withdraw_order(order.id)))
    resident = await context.session.get(Person, order.resident_id) if "coordinator" in related else None
    if resident is not None:
        audit.looked(context, resident.id, "contact", f"order:{order.id}")
    values = _own(order) | {
        "state": Key(f"state.order.{order.state}"), "plan": await _plan(context, order), "from": caller(resident), "reason": order.reason,
    }  # fmt: skip
    return Screen("order.sheet", values, (tuple(buttons),) if buttons else ())


async def _plan(context: Context, order: Order) -> Key | None:
    """When somebody comes, and whether anybody has taken it on; never who (domain.md §0.6)."""
    query = select(Task).where(col(Task.source) == "order", col(Task.source_id) == order.id, col(Task.state) != "CANCELLED")
    task = (await context.session.scalars(query.order_by(col(Task.created_at).desc()).limit(1))).first()
    if task is None:
        return None
    view = await tasks.view(context, task)
    taken = Key("order.plan.taken", view.values) if view.taken else Key("order.plan.waiting")
    return Key("order.plan", view.values | {"taken": taken})


async def mine(context: Context) -> Screen:
    """The actor's own orders: the only one in full, several in a list, the latest first."""
    query = select(Order).where(col(Order.resident_id) == context.actor.id).order_by(col(Order.submitted_at).desc()).limit(LISTED)
    found = list((await context.session.scalars(query)).all())
    if not found:
        return Screen("order.none", {}, ((Button("order.button.order", Do.order()),),))
    if len(found) == 1:
        return await _sheet(context, found[0], frozenset({"resident"}))
    lines = [
        Key("order.line", shown(each) | {"state": Key(f"state.order.{each.state}"), "plan": await _plan(context, each)}) for each in found
    ]
    return Screen("order.list", {"lines": stack(lines)})


async def _close_cards(context: Context, order: Order) -> None:
    values = shown(order) | {"state": Key(f"state.order.{order.state}")}
    await post.edit_card(context, f"order:{order.id}", Screen("order.card_closed", values))
