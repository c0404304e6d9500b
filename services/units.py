"""单位报到: a unit reports in through its liaison or a clerk, and what units give and need (domain.md §5 Enrollment, §3)."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Enrollment, PartnerUnit, Person, ResourceItem, keyring
from services import desk, enrolments, member_roles, moves, people, post, unit_form
from services.alarms import drop_alarms
from services.context import Context, Refusal
from services.dialogs import Answer
from texts import membership_screens
from texts.screen import Key, Screen, screen

SIDES = {"resource": "resources", "need": "needs"}
LISTED = 30


async def unit(context: Context, code: str | None) -> PartnerUnit | None:
    """The unit of this code, locked for this turn."""
    found: PartnerUnit | None = await context.session.scalar(
        sa.select(PartnerUnit).where(col(PartnerUnit.code) == code).with_for_update()
    )  # fmt: skip
    return found


def own_units(context: Context) -> list[str]:
    """The codes of the units that the actor is liaison of."""
    return [grant.unit for grant in context.actor.grants if grant.role == "unit_liaison" and grant.unit]


# -- applying -------------------------------------------------------------------------------------------------------------
async def begin(context: Context, text: str = "") -> None:
    """Begin the form, with what is known of the liaison's own unit, or what was said. Raises Refusal: it has reported in already."""
    person, own = context.actor.person, own_units(context)
    known: dict[str, Any] = {}
    if person is not None and not context.actor.has(*enrolments.DESK):
        proven = person.code is not None or bool(own)
        known = {"liaison": person.display_name if proven else None, "phone": person.phone}
    if len(own) == 1 and not context.actor.has(*enrolments.DESK) and (found := await unit(context, own[0])) is not None:
        await refuse_second(context, found.code, found.name)
        known |= unit_form.known(found)
    await unit_form.begin(context, **known)
    if text:
        await unit_form.take(context, text)


async def refuse_second(context: Context, code: str | None, name: str) -> None:
    """Raises Refusal, with the date of the first: the unit (or one of this name that is not known yet) has reported in already."""
    query = sa.select(Enrollment).where(col(Enrollment.person_id).is_(None), col(Enrollment.state).in_(enrolments.LIVE))
    for row in await context.session.scalars(query.with_for_update()):
        same = row.unit_code == code if code else people.plain((row.details or {}).get("name", "")) == people.plain(name)
        if same and row.state != "INVITED":
            day = membership_screens.full_date(row.applied_at)
            raise Refusal("unit.second", name=name, date=day, state=Key(f"state.enrollment.{row.state}"))
    await _refuse_withdrawn(context, code)


async def _refuse_withdrawn(context: Context, code: str | None) -> None:
    """Raises Refusal: the unit's latest enrolment was withdrawn, which only the desk undoes (domain.md §5)."""
    if code is None:
        return
    query = sa.select(Enrollment).where(col(Enrollment.person_id).is_(None), col(Enrollment.unit_code) == code)
    latest = await context.session.scalar(query.order_by(col(Enrollment.applied_at).desc(), col(Enrollment.id).desc()).limit(1))
    if latest is not None and latest.state == "WITHDRAWN":
        day = membership_screens.full_date(latest.ended_at or latest.applied_at)
        raise Refusal("unit.withdrawn_clerk" if context.actor.has(*enrolments.DESK) else "unit.withdrawn", date=day)


async def check(context: Context) -> None:
    """Raises Refusal as soon as the unit is known: it has reported in, or speaks through another liaison (domain.md §4)."""
    draft = context.draft
    if draft is None or draft.kind != unit_form.DRAFT or not draft.data.get("name"):
        return
    code = draft.data.get("unit")
    await refuse_second(context, code, draft.data["name"])
    if code and code not in own_units(context) and not context.actor.has(*enrolments.DESK):
        raise Refusal("unit.other_liaison", name=draft.data["name"])


async def submit(context: Context, draft_id: str) -> Screen:
    """Make the form an application; the coordinators are told. Raises Refusal: unfinished, not this person's unit, already in."""
    draft = await unit_form.open_draft(context, draft_id)
    data = dict(draft.data)
    if unit_form.next_field(data) != "confirm":
        raise Refusal("enrolment.unfinished")
    await check(context)
    details = {name: data.get(name) for name in ("name", "kind", "address", "secretary", "liaison", "phone", "resources", "needs")}
    enrolment = Enrollment(
        community_id=context.ground.community_id, kind="unit", unit_code=data.get("unit"), applicant_id=context.actor.id,
        details=details, applied_at=context.now, confirm_due=context.calendar.due(context.now, enrolments.CONFIRM_WORKDAYS),
        source="offline" if context.actor.has(*enrolments.DESK) else "bot",
    )  # fmt: skip
    await moves.begin(context, enrolment, "apply")
    await context.session.delete(draft)
    context.draft = None
    names = tuple(person.display_name for person in await enrolments.announce(context, enrolment))
    return screen("unit.receipt", **enrolments.unit_values(context, enrolment), who=names)


# -- confirming and declining -----------------------------------------------------------------------------------------
async def confirm(context: Context, number: str) -> Answer:
    """Confirm a unit's application: it becomes known, its liaison gets the role, its resources and needs are listed. Raises Refusal."""
    enrolment = await enrolments.get(context, number)
    await enrolments.require(context, enrolment, "confirm")
    details: dict[str, Any] = enrolment.details or {}
    known = await unit(context, enrolment.unit_code) or await _make_known(context, details["name"])
    await moves.move(context, enrolment, "confirm", confirmed_by=context.actor.id, confirmed_at=context.now, unit_code=known.code)
    await drop_alarms(context, enrolments.REMINDER, enrolment.id)
    for name in ("kind", "address"):
        setattr(known, name, details.get(name) or getattr(known, name))
    known.secretary_name = details.get("secretary") or known.secretary_name
    liaison = await _liaison(context, enrolment, known)
    await _list_items(context, known, details)
    await post.to_person(context, liaison.id, screen("unit.confirmed", **enrolments.unit_values(context, enrolment)))
    if enrolment.applicant_id != liaison.id:
        await post.to_person(context, enrolment.applicant_id, screen("unit.confirmed", **enrolments.unit_values(context, enrolment)))
    await enrolments.close_card(context, enrolment)
    return Answer(screen("unit.confirm_done", **enrolments.unit_values(context, enrolment), code=known.code))


async def _make_known(context: Context, name: str) -> PartnerUnit:
    """A unit that was not known gets the next code of the series U01, U02 …"""
    codes = await context.session.scalars(sa.select(col(PartnerUnit.code)))
    last = max((int(code[1:]) for code in codes if re.fullmatch(r"U\d+", code)), default=0)
    made = PartnerUnit(community_id=context.ground.community_id, code=f"U{last + 1:02d}", name=name)
    context.session.add(made)
    await context.session.flush()
    return made


async def _liaison(context: Context, enrolment: Enrollment, known: PartnerUnit) -> Person:
    """Who speaks for the unit from now on: the applicant, or (on paper) whom the clerk named, with the role."""
    details: dict[str, Any] = enrolment.details or {}
    person = await context.session.get(Person, enrolment.applicant_id)
    if enrolment.source == "offline":
        person = await _named_liaison(context, known, details)
    assert person is not None
    if person.phone is None:
        person.phone, person.phone_hash = details["phone"], keyring.hash("phone", details["phone"])
    if person.code is None:
        person.display_name = details["liaison"] or person.display_name
    if person.person_kind == "resident":
        person.person_kind = "liaison"
    known.liaison_id = person.id
    await member_roles.grant(context, person.id, "unit_liaison", enrolment.id, known.code)
    return person


async def _named_liaison(context: Context, known: PartnerUnit, details: dict[str, Any]) -> Person:
    """The person a clerk named: the unit's liaison of that name, whoever has that telephone number, or somebody new."""
    before = await context.session.get(Person, known.liaison_id) if known.liaison_id else None
    if before is not None and people.plain(before.display_name) == people.plain(details["liaison"]):
        return before
    hashed = keyring.hash("phone", details["phone"])
    query = sa.select(Person).where(col(Person.phone_hash) == hashed, col(Person.deleted_at).is_(None)).order_by(col(Person.id))
    found: Person | None = await context.session.scalar(query.limit(1))
    if found is None:
        found = Person(
            community_id=context.ground.community_id, display_name=details["liaison"], phone=details["phone"], phone_hash=hashed,
            person_kind="liaison",
        )  # fmt: skip
        context.session.add(found)
        await context.session.flush()
    if before is not None:
        await member_roles.end(context, before.id, ("unit_liaison",), known.id, known.code)
    return found


async def _list_items(context: Context, known: PartnerUnit, details: dict[str, Any]) -> None:
    there = set(await context.session.scalars(sa.select(col(ResourceItem.text)).where(col(ResourceItem.unit_code) == known.code)))
    for side, name in SIDES.items():
        for text in details.get(name) or ():
            if text not in there:
                item = ResourceItem(community_id=known.community_id, unit_code=known.code, side=side, text=text, listed_at=context.now)
                context.session.add(item)


async def decline(context: Context, number: str, reason: str) -> Answer:
    """Decline a unit's application for a reason that the applicant reads. Raises Refusal."""
    enrolment = await enrolments.get(context, number)
    await enrolments.require(context, enrolment, "decline")
    if not reason.strip():
        raise Refusal("enrolment.decline_why")
    log = await moves.move(context, enrolment, "decline", reason, reason=reason.strip(), ended_at=context.now)
    await drop_alarms(context, enrolments.REMINDER, enrolment.id)
    shown = enrolments.unit_values(context, enrolment)
    await post.to_person(context, enrolment.applicant_id, screen("unit.declined", **shown))
    await enrolments.close_card(context, enrolment)
    return Answer(screen("unit.decline_done", await desk.offer_undo(context, log), **shown))


# -- what units give and need ------------------------------------------------------------------------------------------
async def items(context: Context, side: str) -> Screen:
    """资源清单 or 需求清单, unit by unit, for liaisons and staff. Raises Refusal."""
    if not (context.actor.staff or context.actor.has("unit_liaison", "street_organizer", "branch_secretary")):
        raise Refusal("unit.list_for")
    query = (
        sa.select(ResourceItem, col(PartnerUnit.name))
        .join(PartnerUnit, col(PartnerUnit.code) == col(ResourceItem.unit_code))
        .where(col(ResourceItem.side) == side, col(ResourceItem.state) == "PUBLISHED")
        .order_by(col(ResourceItem.unit_code), col(ResourceItem.listed_at), col(ResourceItem.id))
        .limit(LISTED)
    )
    found = (await context.session.execute(query)).all()
    if not found:
        return screen(f"unit.no_{side}")
    by_unit: dict[str, list[str]] = {}
    for item, name in found:
        by_unit.setdefault(name, []).append(item.text)
    return membership_screens.item_list(side, [Key("unit.line", {"name": name, "items": tuple(texts)}) for name, texts in by_unit.items()])


async def add_item(context: Context, side: str, text: str) -> Screen:
    """A liaison lists one more resource or need of the own unit, which has reported in. Raises Refusal."""
    codes = own_units(context)
    active = sa.select(col(Enrollment.unit_code)).where(
        col(Enrollment.person_id).is_(None), col(Enrollment.state) == "ACTIVE", col(Enrollment.unit_code).in_(codes)
    )
    code = await context.session.scalar(active.order_by(col(Enrollment.unit_code)).limit(1))
    known = await unit(context, code) if code else None
    if known is None:
        raise Refusal("unit.report_first")
    await _list_items(context, known, {SIDES[side]: [text.strip()[: unit_form.LONGEST_ITEM]]})
    await context.session.flush()
    return await items(context, side)
