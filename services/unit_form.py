"""The form of a unit's 单位报到 as its liaison or a clerk fills it in by chat (domain.md §5 Enrollment, §3 PartnerUnit, ResourceItem)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from models import Draft, PartnerUnit
from services import lists, masking
from services.context import Context, Refusal
from services.enrolment_form import MOST_CHOICES, all_units, matching
from texts import membership, membership_screens
from texts.membership_screens import UNIT_FIELDS
from texts.screen import Screen, Value

DRAFT = "unit_enrolment"
MOST_TEXT, MOST_ITEMS, LONGEST_ITEM = 1000, 20, 60
LENGTHS = {"name": 40, "kind": 12, "address": 60, "secretary": 20, "liaison": 20}


async def begin(context: Context, **known: Any) -> Draft:
    """A fresh form, which the dialog works on from now on."""
    assert context.account is not None
    data = {"resources": [], "needs": [], **known}
    context.draft = Draft(account_id=context.account.id, kind=DRAFT, updated_at=context.now, data=data)
    context.session.add(context.draft)
    await context.session.flush()
    return context.draft


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


def next_field(data: Mapping[str, Any]) -> str:
    """What is to be asked next, or confirm when all is there. Address and secretary may be left empty, but not unasked."""
    missing = {
        "name": not data.get("name"), "kind": not data.get("kind"), "address": data.get("address") is None,
        "secretary": data.get("secretary") is None, "liaison": not data.get("liaison"), "phone": not data.get("phone"),
        "items": not (data["resources"] or data["needs"]) or data.get("more_items", False),
    }  # fmt: skip
    return next((field for field in UNIT_FIELDS if missing[field]), "confirm")


async def question(context: Context) -> tuple[str, Screen]:
    """The field that is asked next, and the screen that asks it (or the card)."""
    data = _data(context)
    assert context.draft is not None
    field, number = next_field(data), context.draft.id
    again = data.pop("misread", "") == field
    if field == "name" and data.get("candidates"):
        units = [(unit.code, unit.name) for unit in await all_units(context) if unit.code in data["candidates"]]
        return field, membership_screens.choose_unit(number, units[:MOST_CHOICES], data.get("said", ""))
    if field == "kind":
        return field, membership_screens.choose_unit_kind(number, await lists.entries(context, "units"), again)
    if field == "confirm":
        return field, membership_screens.unit_confirm(number, card(data))
    return field, membership_screens.unit_question(number, field, again)


def card(data: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a form (or of an application's details) as a card shows them."""
    return {
        **{name: data.get(name) or None for name in ("name", "kind", "address", "secretary", "liaison", "phone")},
        "resources": membership_screens.items("resources", data.get("resources") or ()),
        "needs": membership_screens.items("needs", data.get("needs") or ()),
    }  # fmt: skip


def known(unit: PartnerUnit) -> dict[str, Any]:
    """What is known of a unit already; what is not is asked."""
    found = {"unit": unit.code, "name": unit.name, "kind": unit.kind, "address": unit.address, "secretary": unit.secretary_name}
    return {name: value for name, value in found.items() if value}


# -- what was said ------------------------------------------------------------------------------------------------------
async def take(context: Context, text: str, field: str = "") -> None:
    """Take what was said into the form: labelled parts wherever they belong, else as the answer to `field`."""
    data, labels = _data(context), membership.data()["unit"]["labels"]
    if membership.is_back(text):
        return go_back(context)
    if changed := membership.change_said(text, labels | {"items": membership.data()["unit"]["items"]}):
        return reopen(context, changed)
    rest = []
    several = "[;,\n]" if field in ("", "confirm", "items") else "[;\n]"
    for line in re.split(several, unicodedata.normalize("NFKC", text[:MOST_TEXT])):
        said = membership.plain(line)
        for part in said.split(" ") if ":" in said and field in ("", "confirm") else [said]:
            label, value = membership.labelled(part, labels)
            if not label and field in ("", "confirm"):
                label, value = await _unlabelled(context, part)
            if label:
                await _put(context, label, value)
            elif part and _as_item(part)[2]:
                _add_item(data, part)
            elif part:
                rest.append(part)
    if rest and not field:
        await _put(context, "name", rest[0])
        rest = rest[1:] if data.get("unit") or data.get("candidates") or data.get("name") else []
    elif rest and field == "items":
        data["more_items"] = False
        for part in rest:
            if not membership.is_nothing(part):
                _add_item(data, part)
        data["misread"] = field if next_field(data) == field else ""
    elif rest and field != "confirm":
        await _put(context, field, " ".join(rest))


async def _unlabelled(context: Context, part: str) -> tuple[str, str]:
    """The field that one part of a longer message answers by itself: 书记王园长, 事业单位, 栖桐路18号; ("", part) for any other."""
    if part in await lists.entries(context, "units"):
        return "kind", part
    label, value = membership.glued(part, membership.data()["unit"]["labels"])
    if label in ("secretary", "liaison", "address"):
        return label, value
    return ("address", part) if re.fullmatch(membership.data()["unit"]["street"], part) else ("", part)


def go_back(context: Context) -> None:
    """Ask for the last answer again; at the first question it stays where it is."""
    now = next_field(_data(context))
    before = UNIT_FIELDS[: UNIT_FIELDS.index(now)] if now in UNIT_FIELDS else UNIT_FIELDS
    if before:
        reopen(context, before[-1])


async def _put(context: Context, field: str, value: str) -> None:
    data = _data(context)
    if field == "name":
        await _put_name(context, value)
    elif field == "phone":
        found = masking.find_phone(value)
        data.update({"phone": found} if found else {"misread": field})
    elif field == "kind":
        chosen = next((kind for kind in await lists.entries(context, "units") if value in kind or kind in value), None)
        data.update({"kind": chosen} if chosen else {"misread": field})
    elif field in ("address", "secretary") and membership.is_nothing(value):
        data[field] = ""
    elif field in ("secretary", "liaison") and (phone := masking.find_phone(value)):
        name = "".join(sign for sign in value if not sign.isdigit() and sign not in "-+ ").strip(",、")
        data.update({field: name[: LENGTHS[field]] or data.get(field)} | ({"phone": phone} if field == "liaison" else {}))
    else:
        data[field] = value[: LENGTHS.get(field, LONGEST_ITEM)]


async def _put_name(context: Context, said: str) -> None:
    """The unit that was meant; several known ones (or a part of a name) are offered beside a new one of that name."""
    data, units = _data(context), await all_units(context)
    found = matching(units, said)
    whole = [unit for unit in found if said.casefold() in (unit.code.casefold(), membership.plain(unit.name).casefold())]
    if len(whole) == 1:
        data.update(known(whole[0]) | {"candidates": [], "said": ""})
    elif found:
        data.update(candidates=[unit.code for unit in found], said=said[: LENGTHS["name"]])
    else:
        data.update(name=said[: LENGTHS["name"]], unit=None, candidates=[], said="")


def _as_item(said: str) -> tuple[str, str, bool]:
    """(side, text, whether a word said which side) of a resource or a need; without a word it is a resource."""
    for side, words in (("needs", membership.data()["unit"]["need"]), ("resources", membership.data()["unit"]["resource"])):
        for word in sorted(words, key=len, reverse=True):
            if said.startswith(word) and len(said) > len(word):
                return side, re.sub(r"^[:, ]+", "", said[len(word) :]), True
    return "resources", said, False


def _add_item(data: dict[str, Any], said: str) -> None:
    side, text, _ = _as_item(said)
    text = masking.mask(text)[:LONGEST_ITEM]
    if text and text not in data[side] and len(data["resources"]) + len(data["needs"]) < MOST_ITEMS:
        data[side].append(text)
    data["more_items"] = False


# -- buttons ------------------------------------------------------------------------------------------------------------
async def choose(context: Context, field: str, value: str) -> None:
    """The answer of a button. Raises Refusal for one that is not (or no longer) among the choices."""
    data, units = _data(context), {unit.code: unit for unit in await all_units(context)}
    kinds = await lists.entries(context, "units")
    if field == "name" and value == "-" and data.get("said"):
        data.update(name=data["said"], unit=None, candidates=[])
    elif field == "name" and value in units:
        data.update(known(units[value]) | {"candidates": []})
    elif field == "kind" and value.isdecimal() and int(value) < len(kinds):
        data["kind"] = kinds[int(value)]
    elif field in ("address", "secretary") and value == "-" and next_field(data) != field:
        data["misread"] = next_field(data)  # typed as the answer to a later question
    elif field in ("address", "secretary") and value == "-":
        data[field] = ""
    else:
        raise Refusal("enrolment.choice_gone")


def reopen(context: Context, field: str) -> None:
    """Ask for this field again; resources and needs begin anew. Raises Refusal for a field there is not."""
    data = _data(context)
    if field not in UNIT_FIELDS:
        raise Refusal("enrolment.choice_gone")
    if field == "items":
        data.update(resources=[], needs=[])
    else:
        data[field] = None
    if field == "name":
        data.update(unit=None, candidates=[])
