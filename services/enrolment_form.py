"""The form of a member's 双报到 as it is filled in by chat: what was said, what is still to be asked, the card (domain.md §3 People, §5).

One message answers as many questions as it can. The form is a draft of its own kind: it stays for 7 days while other things are said.
`mode`: apply (for oneself), behalf (a clerk for somebody), move (to another building), edit (one field of an enrolment that stands;
name and home only until it is confirmed).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import ConsentRecord, Draft, PartnerUnit, PartyMember, Person
from services import lists, masking
from services.context import Context, Refusal
from services.geography import distance_m, grid_at
from services.places import NamedPlace
from texts import membership, membership_screens
from texts.screen import Screen

DRAFT = "enrolment"
FIELDS = ("name", "kind", "unit", "home", "skills", "times")
EDITABLE = ("skills", "times", "unit")
UNTIL_CONFIRMED = ("name", "home")
NOTICE_VERSION = 2
MOST_TEXT, MOST_SKILLS, MOST_CHOICES, NEAR_METRES = 300, 10, 8, 50


# -- the draft ------------------------------------------------------------------------------------------------------
async def begin(context: Context, mode: str = "apply", **known: Any) -> Draft:
    """A fresh form, which the dialog works on from now on."""
    assert context.account is not None
    context.draft = Draft(account_id=context.account.id, kind=DRAFT, updated_at=context.now, data={"mode": mode, **known})
    context.session.add(context.draft)
    await context.session.flush()
    return context.draft


async def resume(context: Context) -> bool:
    """Go on with the actor's own form that was left lying; False when there is none."""
    if context.account is None:
        return False
    query = sa.select(Draft).where(col(Draft.account_id) == context.account.id, col(Draft.kind) == DRAFT)
    for draft in await context.session.scalars(query.order_by(col(Draft.updated_at).desc())):
        if draft.data.get("mode") == "apply":
            context.draft = draft
            return True
    return False


async def open_draft(context: Context, draft_id: str) -> Draft:
    """The actor's own form of this id, which the dialog works on from now on. Raises Refusal when it is gone."""
    draft = await context.session.get(Draft, draft_id)
    if draft is None or context.account is None or draft.account_id != context.account.id or draft.kind != DRAFT:
        raise Refusal("enrolment.draft_gone")
    context.draft = draft
    return draft


async def discard(context: Context, draft_id: str) -> None:
    """Throw the form away."""
    await context.session.delete(await open_draft(context, draft_id))
    context.draft = None


def _data(context: Context) -> dict[str, Any]:
    if context.draft is None or context.draft.kind != DRAFT:
        raise Refusal("enrolment.draft_gone")
    return context.draft.data


async def agree(context: Context, draft_id: str) -> None:
    """The person agrees to the notice: a consent is recorded, once for each version of the notice."""
    (await open_draft(context, draft_id)).data["agreed"] = True
    if context.actor.person is not None:
        await record_consent(context, context.actor.person)


async def record_consent(context: Context, person: Person) -> None:
    """That this person has agreed to the enrolment's notice, unless a consent that was not withdrawn says so already."""
    given = sa.select(col(ConsentRecord.id)).where(
        col(ConsentRecord.person_id) == person.id, col(ConsentRecord.notice_version) >= NOTICE_VERSION,
        col(ConsentRecord.withdrawn_at).is_(None),
    )  # fmt: skip
    if await context.session.scalar(given.limit(1)) is None:
        context.session.add(ConsentRecord(person_id=person.id, notice_version=NOTICE_VERSION, given_at=context.now))
    person.consent_version, person.consent_at = max(person.consent_version, NOTICE_VERSION), context.now


# -- what is asked next -----------------------------------------------------------------------------------------------
def next_field(data: Mapping[str, Any]) -> str:
    """What is to be asked: consent, a field, confirm when all is there, or save when a changed field is."""
    mode = data["mode"]
    if mode == "apply" and not data.get("agreed"):
        return "consent"
    wanted = (data["field"],) if mode == "edit" else ("home",) if mode == "move" else ("name", "phone", *FIELDS[1:])
    missing = next((field for field in wanted if _missing(data, field)), None)
    return missing or ("save" if mode == "edit" else "confirm")


def _missing(data: Mapping[str, Any], field: str) -> bool:
    match field:
        case "phone":
            return data["mode"] == "behalf" and data.get("phone") is None
        case "unit":
            asked = membership.rule(data.get("kind") or "").unit == "ask" or data.get("changing") == "unit" or data["mode"] == "edit"
            return asked and not (data.get("unit") or data.get("unit_words") or data.get("no_unit"))
        case "home" | "skills":
            return data.get(field) is None
        case "times":
            return not data.get("times_done")
        case _:
            return not data.get(field)


async def question(context: Context) -> tuple[str, Screen]:
    """The field that is asked next, and the screen that asks it (or the card)."""
    data = _data(context)
    assert context.draft is not None
    field, number = next_field(data), context.draft.id
    again = data.pop("misread", "") == field
    match field:
        case "consent":
            return field, membership_screens.consent(number, context.ground.name)
        case "kind":
            kinds = [(kind, shown) for kind, shown in await lists.options(context, "members") if _open_to(data, kind)]
            return field, membership_screens.choose_kind(number, kinds, again)
        case "unit":
            units = [(unit.code, unit.name) for unit in await all_units(context) if unit.code in data.get("unit_candidates", ())]
            return field, membership_screens.ask_unit(number, units[:MOST_CHOICES], data.get("unit_said", ""))
        case "home":
            places = [context.ground.places[one] for one in data.get("home_candidates", ()) if one in context.ground.places]
            own = context.actor.person.building if context.actor.person and data["mode"] == "apply" else None
            known = next((place for place in context.ground.places.values() if place.name == own), None)
            choices = [(place.id, place.name) for place in places or ([known] if known else [])]
            return field, membership_screens.ask_home(number, choices, data.get("home_said", "") if not places else "")
        case "times":
            return field, membership_screens.ask_times(number, membership.times(), data.get("times") or [], again)
        case "confirm":
            unit = membership.rule(data.get("kind") or "").unit != "none"
            return field, membership_screens.confirm(number, data["mode"], await card(context, data), unit=unit)
        case _:
            return field, membership_screens.ask(number, field, again)


def _open_to(data: Mapping[str, Any], kind: str) -> bool:
    return membership.rule(kind).self or data["mode"] == "behalf"


async def card(context: Context, data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a form as a card shows them."""
    unit = next((one for one in await all_units(context) if one.code == data.get("unit")), None)
    home, grid = data.get("home") or {}, (data.get("home") or {}).get("grid")
    return {
        "name": data.get("name"), "phone": data.get("phone"),
        "kind": await lists.word(context, "members", data["kind"]) if data.get("kind") else None,
        "unit": unit.name if unit else data.get("unit_words"), "home": home.get("name"), "point": home.get("point"),
        "grid": context.ground.grid_name(grid) or None, "outside": context.ground.name if home and grid is None else None,
        "skills": tuple(data.get("skills") or ()), "times": tuple(data.get("times") or ()),
        "guessed": bool(data.get("guessed")), "old": data.get("old"), "namesake": data.get("namesake"),
    }  # fmt: skip


async def all_units(context: Context) -> list[PartnerUnit]:
    """The units of the community, by code."""
    query = sa.select(PartnerUnit).where(col(PartnerUnit.community_id) == context.ground.community_id)
    return list(await context.session.scalars(query.order_by(col(PartnerUnit.code))))


async def prefill(context: Context) -> None:
    """What the record of a member who was invited, or had enrolled before, says already."""
    data, person = _data(context), context.actor.person
    member = await context.session.get(PartyMember, person.id) if person else None
    if person is None or member is None:
        return
    data.update(name=person.display_name, kind=member.kind, unit=member.unit_code, unit_words=member.home_org)


# -- what was said ------------------------------------------------------------------------------------------------------
async def take(context: Context, text: str, field: str = "") -> None:
    """Take what was said into the form: as the answer to `field` when it is one, else whatever it answers."""
    data, said = _data(context), membership.plain(text)[:MOST_TEXT]
    if not said:
        return
    if membership.is_back(said):
        return go_back(context)
    if changed := membership.change_said(said, membership.data()["labels"]):
        return reopen(context, changed)
    several = len(membership.pieces(said)) > 1
    match field:
        case "name" if (not several or said.isascii()) and membership.is_name(name := membership.without_introduction(said), alone=True):
            data["name"] = name
        case "phone" if membership.is_nothing(said) or masking.find_phone(said):
            data["phone"] = masking.find_phone(said) or ""
        case "unit" if membership.is_nothing(said):
            data.update(unit=None, unit_words="", no_unit=True)
        case "kind" if kind := membership.kind_in(said):
            await _read(context, said, field)
            await choose(context, "kind", kind)
        case "unit" if not await _take_unit(context, said):
            if not await _read(context, said, field, skip=("name", "skills", "unit")):
                data.update(unit_said=said[:40], unit_candidates=[])
            elif data.get("unit_said") and not data.get("unit"):
                await choose(context, "unit", "-")  # who goes on with the next answer meant the unit as it was written
        case "home":
            take_home(context, said)
        case "skills":
            _take_skills(data, said)
        case "times" if found := _all_times(said):
            data.update(times=found, times_done=True)
        case "times" if membership.is_nothing(said):
            data.update(times=[], times_done=True)
        case "unit":
            pass
        case _:
            if not await _read(context, said, field) and field:
                data["misread"] = field
    _guess_kind(data, await all_units(context))


async def _read(context: Context, said: str, asked: str = "", skip: tuple[str, ...] = ()) -> bool:
    """Take every piece of a message for what it is; whether any was understood. What else stands in an answer to `asked` is no skill."""
    data, left, understood = _data(context), [], False
    for piece in map(membership.without_introduction, membership.pieces(said)):
        field, value = membership.labelled(piece, membership.data()["labels"])
        if not field:
            field, value = await _field_of(context, piece)
        if not field or field in skip:
            left.append(piece)
            continue
        understood = True
        await _put(context, field, value)
    named = next((piece for piece in left if membership.is_name(piece, alone=False)), None)
    if named and "name" not in skip and not data.get("name") and (asked or named == left[0]):
        data["name"], understood = named, True
        left.remove(named)
    skilled = [piece for piece in left if (understood and not asked) or piece in membership.data()["skills"]["known"]]
    if skilled and "skills" not in skip:
        _take_skills(data, " ".join(skilled), add=True)
        understood = True
    return understood


async def _field_of(context: Context, piece: str) -> tuple[str, str]:
    """The field that one piece answers by itself; ("", piece) when it can only be a name or a skill."""
    if masking.find_phone(piece):
        return "phone", piece
    if membership.times_said(piece):
        return "times", piece
    if membership.kind_said(piece):
        return "kind", piece
    if piece in membership.data()["skills"]["known"]:
        return "", piece
    if len(matching(await all_units(context), piece)) == 1:
        return "unit", piece
    if context.ground.gazetteer.find(piece).kind != "none":
        return "home", piece
    return membership.glued(piece)


async def _put(context: Context, field: str, value: str) -> None:
    data = _data(context)
    match field:
        case "name" if membership.is_name(value, alone=True):
            data["name"] = value
        case "phone":
            data["phone"] = masking.find_phone(value) or data.get("phone")
        case "kind" if kind := membership.kind_said(value):
            await choose(context, "kind", kind)
        case "unit" if not await _take_unit(context, value):
            data["unit_said"] = value[:40]
        case "home":
            take_home(context, value)
        case "skills":
            _take_skills(data, value, add=True)
        case "times" if found := _all_times(value):
            before = data.get("times") or []
            data.update(times=[one for one in membership.times() if one in found or one in before], times_done=True)


def matching(units: list[PartnerUnit], said: str) -> list[PartnerUnit]:
    """The units that were meant: by code, by whole name, or by a part of the name."""
    wanted = said.strip().casefold()
    exact = [unit for unit in units if wanted in (unit.code.casefold(), membership.plain(unit.name).casefold())]
    return exact or [unit for unit in units if len(wanted) >= 2 and wanted in membership.plain(unit.name).casefold()]


async def _take_unit(context: Context, said: str) -> bool:
    """Take the unit that was meant; of several they are offered. False when none is known by these words."""
    data, found = _data(context), matching(await all_units(context), said)
    if len(found) == 1:
        data.update(unit=found[0].code, unit_words="", unit_candidates=[], unit_said="")
    elif found:
        data.update(unit_candidates=[unit.code for unit in found], unit_said=said[:40])
    return bool(found)


def take_home(context: Context, said: str) -> None:
    """The home is at the building that was named; several are offered, an unknown one is asked for again."""
    data = _data(context)
    if membership.is_elsewhere(said):
        data.update(home={"name": "", "grid": None}, home_candidates=[])
        return
    person = context.actor.person
    own = person.building if person and data["mode"] != "behalf" else None
    match = context.ground.gazetteer.find(said, own)
    if match.kind in ("none", "unknown_building") and (estate := re.split(r"\d", said, maxsplit=1)[0]):
        match = context.ground.gazetteer.find(estate, own)  # a building there is none of: those of the estate are offered
    data.update(home_candidates=[], home_said="")
    if match.kind == "place":
        put_home(context, match.places[0])
    elif match.kind == "ambiguous" and len(match.places) <= MOST_CHOICES:
        data["home_candidates"] = [place.id for place in match.places]
    else:
        data["home_said"] = masking.mask(said)[:40]


def put_home(context: Context, place: NamedPlace) -> None:
    """The home is this place; a door is never kept."""
    _data(context).update(home={"name": place.name, "grid": place.grid}, home_candidates=[], home_said="")


def put_point(context: Context, lat: float, lon: float) -> None:
    """The home is at this point: the grid by its polygon, the building when one is within fifty metres (domain.md §1, Where)."""
    grid = grid_at(lat, lon, context.ground.shapes)
    near = [place for place in context.ground.places.values() if place.kind == "building" and place.grid_code == grid]
    close = min(near, key=lambda place: distance_m(lat, lon, place.lat, place.lon), default=None)
    within = close is not None and distance_m(lat, lon, close.lat, close.lon) <= NEAR_METRES
    _data(context).update(
        home={"name": close.name if close and within else "", "grid": grid, "point": True}, home_candidates=[], home_said=""
    )


def _take_skills(data: dict[str, Any], said: str, *, add: bool = False) -> None:
    """The skills that were named, several at once; the times among them are taken as times."""
    found: list[str] = list(data.get("skills") or ()) if add else []
    for piece in [] if membership.is_nothing(said) else membership.pieces(said):
        if hours := membership.times_said(piece):
            data.update(times=hours, times_done=True)
        elif piece not in found and not membership.is_nothing(piece):
            found.append(masking.mask(piece)[: membership.data()["words"]["most_skill"]])
    data["skills"] = found[:MOST_SKILLS]


def _all_times(said: str) -> list[str]:
    named = {time for piece in membership.pieces(said) for time in membership.times_said(piece)}
    return [time for time in membership.times() if time in named]


def _guess_kind(data: dict[str, Any], units: list[PartnerUnit]) -> None:
    """Who names a unit and no kind is taken for what its people mostly are; the card says so and can be corrected."""
    unit = next((one for one in units if one.code == data.get("unit")), None)
    if unit is not None and not data.get("kind") and data["mode"] in ("apply", "behalf"):
        data.update(kind=membership.data()["kind_of_unit"].get(unit.kind, "in_service"), guessed=True)


# -- buttons ------------------------------------------------------------------------------------------------------------
async def choose(context: Context, field: str, value: str) -> None:
    """The answer of a button. Raises Refusal for one that is not (or no longer) among the choices."""
    data = _data(context)
    match field:
        case "kind" if value in await lists.entries(context, "members"):
            if not _open_to(data, value):
                raise Refusal("enrolment.by_clerk", kind=await lists.word(context, "members", value))
            data.update(kind=value, guessed=False)
            if membership.rule(value).unit == "none":
                data.update(unit=None, unit_words="")
        case "unit" if value == "-" and data.get("unit_said"):
            data.update(unit=None, unit_words=masking.mask(data["unit_said"]), unit_candidates=[])
        case "unit" if any(unit.code == value for unit in await all_units(context)):
            data.update(unit=value, unit_words="", unit_candidates=[])
        case "home" if value == "-":
            data.update(home={"name": "", "grid": None}, home_candidates=[])
        case "home" if (place := context.ground.places.get(value)) is not None:
            data.update(home={"name": place.name, "grid": place.grid_code}, home_candidates=[])
        case "skills" if value == "-":
            data["skills"] = []
        case "phone" if value == "-":
            data["phone"] = ""
        case "times" if value == "-":
            data.update(times=data.get("times") or [], times_done=True)
        case "times" if value.isdecimal() and int(value) < len(membership.times()):
            word, chosen = membership.times()[int(value)], data.get("times") or []
            data["times"] = [one for one in membership.times() if (one in chosen) != (one == word)]
        case _:
            raise Refusal("enrolment.choice_gone")


def reopen(context: Context, field: str) -> None:
    """Ask for this field again. Raises Refusal for a field there is not."""
    data = _data(context)
    if field not in (*FIELDS, "phone"):
        raise Refusal("enrolment.choice_gone")
    data.update({field: None, "misread": "", "guessed": False})
    if field == "unit":
        data.update(unit_words="", unit_said="", unit_candidates=[], no_unit=False, changing="unit")
        if membership.rule(data.get("kind", "")).unit == "none":
            data["kind"] = None  # without a unit's kind of member there is nothing to choose
    if field == "home":
        data.update(home_candidates=[], home_said="")
    if field == "times":
        data["times_done"] = False


def go_back(context: Context) -> None:
    """Ask for the last answer again; at the first question it stays where it is."""
    data = _data(context)
    wanted = ("home",) if data["mode"] == "move" else ("name", "phone", *FIELDS[1:])
    now = next_field(data)
    before = wanted[: wanted.index(now)] if now in wanted else wanted
    asked = [field for field in before if field != "phone" or data["mode"] == "behalf"]
    if data.get("kind") and membership.rule(data["kind"]).unit != "ask":
        asked = [field for field in asked if field != "unit"]
    if asked and data["mode"] != "edit":
        reopen(context, asked[-1])


def record(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a member's record that the form fills."""
    rule = membership.rule(data["kind"])
    keeps = rule.unit != "none"
    return {
        "kind": rule.kind, "unit_code": data.get("unit") if keeps else None,
        "home_org": (data.get("unit_words") or "") if keeps else "",
        "skills": list(data.get("skills") or ()), "availability": list(data.get("times") or ()),
    }  # fmt: skip
