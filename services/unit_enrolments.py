"""How a unit's enrolment ends and comes back, at the clerk's desk (domain.md §5 Enrollment: withdraw, transfer, return).

With the enrolment end the liaison's role, the unit's offers and needs and its invitations; the history stays, and taking that back brings
all of it back. Decisions it has not carried out are named to the desk.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from models import ActionItem, Enrollment, PartnerUnit, Person, ResourceItem
from services import audit, drafts, enrolments, meeting_people, member_roles, moves, post, units
from services.context import Context, Refusal
from services.enrolment_form import all_units, matching
from services.identity import persons_with, roles_of
from texts import membership_screens
from texts.screen import Key, Screen, Value, screen

DRAFT = "unit_leave"
EVENTS = ("withdraw", "transfer")
LISTED, UNLISTED = "PUBLISHED", "WITHDRAWN"


async def ask_end(context: Context, event: str, name: str, reason: str) -> Screen:
    """The card to confirm that a unit's enrolment ends: `event` withdraw (注销) or transfer (转出). Raises Refusal."""
    enrolments.require_desk(context)
    known = await _named(context, name)
    enrolment = await _enrolment(context, known, "ACTIVE")
    if enrolment is None:
        raise Refusal("unit.not_active", name=known.name)
    if not reason.strip():
        raise Refusal("unit.leave_why", name=known.name)
    draft = await drafts.beside(context, DRAFT, enrolment=enrolment.id, event=event, reason=reason.strip())
    return membership_screens.unit_leaves(draft.id, event, await _values(context, known, enrolment) | {"reason": reason.strip()})


async def end(context: Context, draft_id: str) -> Screen:
    """End it as the card says, with role and lists; the liaison is told. Raises Refusal: not the desk, or not ACTIVE any more."""
    enrolments.require_desk(context)
    draft = await drafts.opened(context, DRAFT, draft_id)
    data = dict(draft.data)
    await context.session.delete(draft)
    if data["event"] not in EVENTS:
        raise Refusal("dialog.gone")
    enrolment = await enrolments.get(context, data["enrolment"])
    known = await units.unit(context, enrolment.unit_code)
    assert known is not None
    liaison = known.liaison_id
    details = {**(enrolment.details or {}), "liaison_id": liaison}
    await moves.move(context, enrolment, data["event"], data["reason"], reason=data["reason"], ended_at=context.now, details=details)
    for person_id in await _holders(context, known.code):
        await member_roles.end(context, person_id, ("unit_liaison",), enrolment.id, known.code)
    known.liaison_id = None
    await _show_items(context, known.code, LISTED, UNLISTED)
    await meeting_people.unit_left(context, known.code)
    shown = await _values(context, known, enrolment) | {"reason": data["reason"]}
    await post.to_person(context, liaison, screen(f"unit.told_{data['event']}", **shown))
    return screen(f"unit.{data['event']}_done", **shown, decisions=await _decisions(context, known.code))


async def _decisions(context: Context, code: str) -> list[str]:
    """The codes of the decisions that the unit was to carry out and has not: nobody is reminded of them in its name any more."""
    waiting = sa.select(col(ActionItem.code)).where(col(ActionItem.unit_code) == code, col(ActionItem.state) == "OPEN")
    return list(await context.session.scalars(waiting.order_by(col(ActionItem.due))))


async def bring_back(context: Context, name: str) -> Screen:
    """取消注销: the unit's withdrawn enrolment is ACTIVE again, with its liaison and its lists. Raises Refusal."""
    enrolments.require_desk(context)
    known = await _named(context, name)
    if await _enrolment(context, known, *enrolments.LIVE) is not None:
        raise Refusal("unit.already_back", name=known.name)
    enrolment = await _enrolment(context, known, "WITHDRAWN")
    if enrolment is None:
        raise Refusal("unit.not_withdrawn", name=known.name)
    await moves.move(context, enrolment, "return", ended_at=None, reason="")
    liaison = await context.session.get(Person, (enrolment.details or {}).get("liaison_id") or "")
    if liaison is not None and liaison.deleted_at is None:
        known.liaison_id = liaison.id
        await member_roles.grant(context, liaison.id, "unit_liaison", enrolment.id, known.code)
        await post.to_person(context, liaison.id, screen("unit.told_back", name=known.name))
    await _show_items(context, known.code, UNLISTED, LISTED)
    await context.session.flush()
    await meeting_people.unit_came_back(context, known.code)
    return screen("unit.back_done", **await _values(context, known, enrolment))


async def _named(context: Context, name: str) -> PartnerUnit:
    """The one unit of this code, name or part of a name. Raises Refusal: none, or several with their codes."""
    found = matching(await all_units(context), name)
    if len(found) != 1:
        options: list[Value] = [Key("unit.option", {"name": unit.name, "code": unit.code}) for unit in found]
        raise Refusal("unit.several" if found else "unit.nobody", name=name, options=options)
    return found[0]


async def _enrolment(context: Context, known: PartnerUnit, *states: str) -> Enrollment | None:
    found: Enrollment | None = await context.session.scalar(
        sa.select(Enrollment)
        .where(col(Enrollment.person_id).is_(None), col(Enrollment.unit_code) == known.code, col(Enrollment.state).in_(states))
        .order_by(col(Enrollment.applied_at).desc(), col(Enrollment.id).desc())
        .limit(1)
        .with_for_update()
    )
    return found


async def _holders(context: Context, code: str) -> list[str]:
    """Who speaks for the unit now."""
    return [
        person.id
        for person in await persons_with(context, "unit_liaison")
        if any(grant.role == "unit_liaison" and grant.unit == code for grant in await roles_of(context.session, person.id, context.now))
    ]


async def _show_items(context: Context, code: str, before: str, after: str) -> None:
    await context.session.execute(
        sa.update(ResourceItem).where(col(ResourceItem.unit_code) == code, col(ResourceItem.state) == before).values(state=after)
    )


async def _values(context: Context, known: PartnerUnit, enrolment: Enrollment) -> dict[str, Value]:
    liaison = await context.session.get(Person, known.liaison_id) if known.liaison_id else None
    if liaison is not None:
        audit.looked(context, liaison.id, "name", f"enrollment:{enrolment.id}")
    return {
        "name": known.name, "code": known.code, "date": membership_screens.full_date(enrolment.applied_at),
        "liaison": liaison.display_name if liaison else None,
    }  # fmt: skip
