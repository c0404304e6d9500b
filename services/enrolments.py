"""双报到 of members: applying, confirming, declining, moving, leaving, coming back (domain.md §5 Enrollment).

Grid and branch follow from the home; the grid's leader confirms within two workdays, where there is none a coordinator.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Enrollment, PartnerUnit, PartyMember, Person, StateLog, keyring
from services import audit, desk, enrolment_form, identity, lists, member_roles, moves, post, targets, tickets, unit_form
from services.alarms import drop_alarms, set_alarm
from services.context import Context, Refusal
from services.dialogs import Answer
from services.workdays import ZONE
from texts import membership, membership_screens
from texts.screen import Key, Screen, Value, screen

CONFIRM_WORKDAYS = 2
REMIND_AT = time(9)
REMINDER = "enrolment_due"
LIVE = ("INVITED", "APPLIED", "ACTIVE")
STAFF = ("grid_leader", "coordinator", "community_clerk", "community_secretary")
DESK = ("coordinator", "community_clerk", "community_secretary")


# -- looking ------------------------------------------------------------------------------------------------------------
async def live(context: Context, person_id: str | None) -> Enrollment | None:
    """The person's enrolment that is INVITED, APPLIED or ACTIVE, locked for this turn."""
    query = sa.select(Enrollment).where(col(Enrollment.person_id) == person_id, col(Enrollment.state).in_(LIVE))
    found: Enrollment | None = await context.session.scalar(query.with_for_update())
    return found


async def get(context: Context, number: str) -> Enrollment:
    """The enrolment of this id, locked. Raises Refusal for none."""
    found = await context.session.scalar(sa.select(Enrollment).where(col(Enrollment.id) == number).with_for_update())
    if found is None:
        raise Refusal("enrolment.gone")
    return found


async def refuse_second(context: Context, person_id: str | None, *, clerk: bool = False) -> None:
    """Raises Refusal: already enrolled (with the date of the first), or withdrawn, which only a clerk undoes (domain.md §5)."""
    standing = await live(context, person_id)
    if standing is not None and standing.state != "INVITED":
        raise Refusal("enrolment.second", **await _standing(context, standing))
    if standing is None and person_id is not None:
        query = sa.select(Enrollment).where(col(Enrollment.person_id) == person_id, col(Enrollment.state) == "WITHDRAWN")
        gone = await context.session.scalar(query.order_by(col(Enrollment.applied_at).desc()).limit(1))
        if gone is not None:
            day = membership_screens.full_date(gone.ended_at or gone.applied_at)
            raise Refusal("enrolment.withdrawn_clerk" if clerk else "enrolment.withdrawn", date=day)


async def _standing(context: Context, enrolment: Enrollment) -> dict[str, Value]:
    first = await targets.first_applied(context.session, enrolment)
    return {
        "date": membership_screens.full_date(first), "state": Key(f"state.enrollment.{enrolment.state}"),
        "grid": context.ground.grid_name(enrolment.grid_code) or context.ground.name, "branch": enrolment.branch,
    }  # fmt: skip


async def confirmers(context: Context, enrolment: Enrollment) -> list[Person]:
    """Who confirms: the leaders of the grid, or the coordinators; not the one who applies, as long as there is somebody else."""
    leaders = await identity.persons_with(context, "grid_leader", grid=enrolment.grid_code) if enrolment.grid_code else []
    applicant = enrolment.person_id or enrolment.applicant_id
    others = [person for person in leaders if person.id != applicant]
    if not others:
        others = [person for person in await tickets.coordinators(context) if person.id != applicant]
    return others or leaders or await tickets.coordinators(context)


async def values(context: Context, enrolment: Enrollment) -> dict[str, Value]:
    """What a member's enrolment shows to those who may see it."""
    person = await context.session.get(Person, enrolment.person_id)
    member = await context.session.get(PartyMember, enrolment.person_id)
    assert person is not None
    unit = await context.session.scalar(
        sa.select(col(PartnerUnit.name)).where(col(PartnerUnit.code) == (member.unit_code if member else ""))
    )
    return {
        "name": person.display_name, "kind": await lists.word(context, "members", member.kind) if member else None,
        "unit": unit or (member.home_org if member else None), "home": person.building,
        "skills": tuple(member.skills) if member else None, "times": tuple(member.availability) if member else None,
        "due": enrolment.confirm_due, "provisional": _provisional(context, enrolment), "reason": enrolment.reason or None,
    } | await _standing(context, enrolment)  # fmt: skip


def _provisional(context: Context, enrolment: Enrollment) -> Key | None:
    return tickets.provisional(context, enrolment.confirm_due) if enrolment.confirm_due else None


async def application(context: Context, enrolment: Enrollment, how: str = "to_confirm") -> Screen:
    """The application, a member's or a unit's, with the buttons of those who confirm. `how`: to_confirm, or remind."""
    if enrolment.person_id is None:
        return membership_screens.to_confirm(enrolment.id, unit_values(context, enrolment), f"unit.{how}")
    return membership_screens.to_confirm(enrolment.id, await values(context, enrolment), f"enrolment.{how}")


def unit_values(context: Context, enrolment: Enrollment) -> dict[str, Value]:
    """What a unit's application shows to those who may see it."""
    due = enrolment.confirm_due
    return unit_form.card(enrolment.details or {}) | {
        "community": context.ground.name, "due": due, "provisional": _provisional(context, enrolment),
        "date": membership_screens.full_date(enrolment.applied_at), "reason": enrolment.reason or None,
        "state": Key(f"state.enrollment.{enrolment.state}"), "fresh": None if enrolment.unit_code else Key("unit.unknown"),
    }  # fmt: skip


def card(enrolment: Enrollment) -> str:
    """The name of the application's living message at those who confirm."""
    return f"enrollment:{enrolment.id}"


# -- applying -------------------------------------------------------------------------------------------------------------
async def submit(context: Context, draft_id: str) -> Screen:
    """Make the form an application (of a clerk: an enrolment that stands). Raises Refusal: unfinished, already enrolled, withdrawn."""
    draft = await enrolment_form.open_draft(context, draft_id)
    data = dict(draft.data)
    if enrolment_form.next_field(data) != "confirm":
        raise Refusal("enrolment.unfinished")
    if data["mode"] == "move":
        shown = await _move_home(context, data)
    elif data["mode"] == "behalf":
        shown = await _enrol_offline(context, data)
    else:
        assert context.actor.person is not None
        enrolment = await _apply(context, context.actor.person, data, "bot")
        shown = membership_screens.receipt(await _receipt(context, enrolment))
    await context.session.delete(draft)
    context.draft = None
    return shown


async def _apply(context: Context, person: Person, data: dict[str, Any], source: str) -> Enrollment:
    """The application of this person, stored; those who confirm are told."""
    await refuse_second(context, person.id, clerk=source == "offline")
    home, rule = data["home"], membership.rule(data["kind"])
    person.display_name, person.home_grid = data["name"], home["grid"]
    person.building = home["name"] or None
    await _keep_member(context, person, enrolment_form.record(data))
    fields = _fields(context, home["grid"]) | {"kind": rule.enrolment, "source": source}
    standing = await live(context, person.id)
    if standing is not None:
        await moves.move(context, standing, "apply", **fields)
        enrolment = standing
    else:
        enrolment = Enrollment(community_id=context.ground.community_id, person_id=person.id, **fields)
        await moves.begin(context, enrolment, "apply")
    if source != "offline":
        await announce(context, enrolment)
    return enrolment


def _fields(context: Context, grid: str | None) -> dict[str, Any]:
    """What follows from the home and the hour: grid, branch, and until when it is to be confirmed."""
    due = context.calendar.due(context.now, CONFIRM_WORKDAYS)
    return {"grid_code": grid, "branch": _branch(context, grid), "applied_at": context.now, "confirm_due": due}


def _branch(context: Context, grid: str | None) -> str:
    return context.ground.grids[grid].branch_name if grid is not None and grid in context.ground.grids else ""


async def _keep_member(context: Context, person: Person, fields: dict[str, Any]) -> None:
    member = await context.session.get(PartyMember, person.id)
    if member is None:
        context.session.add(PartyMember(person_id=person.id, **fields))
    else:
        for name, value in fields.items():
            setattr(member, name, value)
    await context.session.flush()


async def announce(context: Context, enrolment: Enrollment) -> list[Person]:
    """Tell those who confirm, and have them reminded at the due day; who they are."""
    assert enrolment.confirm_due is not None
    await set_alarm(context, REMINDER, enrolment.id, remind_at(enrolment.confirm_due))
    return await _tell_confirmers(context, enrolment, await application(context, enrolment))


async def _tell_confirmers(context: Context, enrolment: Enrollment, shown: Screen) -> list[Person]:
    who = await confirmers(context, enrolment)
    for person in who:
        audit.looked(context, enrolment.person_id or enrolment.applicant_id, "member", card(enrolment), viewer=person.id)
        await post.to_person(context, person.id, shown, card=card(enrolment))
    return who


def remind_at(due: datetime) -> datetime:
    """When those who confirm are reminded."""
    return datetime.combine(due.astimezone(ZONE).date(), REMIND_AT, ZONE)


async def correct(context: Context, enrolment: Enrollment, data: dict[str, Any]) -> None:
    """Keep a name or a home that the applicant corrects before the confirmation; until when it is confirmed stays.

    In another grid others confirm: they are told, and those before see that it is no longer theirs.
    """
    person = await context.session.get(Person, enrolment.person_id)
    assert person is not None
    if data["field"] == "name":
        person.display_name = data["name"]
        await post.edit_card(context, card(enrolment), await application(context, enrolment))
        return
    before, home = enrolment.grid_code, data["home"]
    person.building, person.home_grid = home["name"] or None, home["grid"]
    enrolment.grid_code, enrolment.branch = home["grid"], _branch(context, home["grid"])
    await context.session.flush()
    if enrolment.grid_code == before:
        await post.edit_card(context, card(enrolment), await application(context, enrolment))
        return
    await post.retire_card(context, card(enrolment), screen("enrolment.card_moved", name=person.display_name))
    await _tell_confirmers(context, enrolment, await application(context, enrolment))


async def _receipt(context: Context, enrolment: Enrollment) -> dict[str, Value]:
    target = await targets.of(context, enrolment)
    return {
        **await values(context, enrolment), "community": context.ground.name,
        "who": tuple(person.display_name for person in await confirmers(context, enrolment)),
        "office": Key("enrolment.office.grid" if enrolment.grid_code else "enrolment.office.community"),
        "outside": None if enrolment.grid_code else context.ground.name,
        "target": Key("enrolment.target", target.values) if target else None,
    }  # fmt: skip


async def _enrol_offline(context: Context, data: dict[str, Any]) -> Screen:
    """A clerk's entry of a paper form: it stands at once; the consent is on the paper (domain.md §5, source offline)."""
    require_desk(context)
    person = await _on_paper(context, data)
    enrolment = await _apply(context, person, data, "offline")
    await enrolment_form.record_consent(context, person)
    answer = await confirm(context, enrolment.id)
    return answer.screen


async def _on_paper(context: Context, data: dict[str, Any]) -> Person:
    """The person of a paper form: known by the telephone number, or new."""
    hashed = keyring.hash("phone", data["phone"]) if data.get("phone") else None
    if hashed is not None:
        query = sa.select(Person).where(col(Person.phone_hash) == hashed, col(Person.deleted_at).is_(None)).order_by(col(Person.id))
        known: Person | None = await context.session.scalar(query.limit(1))
        if known is not None:
            return known
    person = Person(
        community_id=context.ground.community_id, display_name=data["name"], phone=data.get("phone") or None, phone_hash=hashed,
        person_kind="member",
    )  # fmt: skip
    context.session.add(person)
    await context.session.flush()
    return person


def require_desk(context: Context) -> None:
    """Raises Refusal unless the actor is coordinator, clerk or secretary."""
    if not context.actor.has(*DESK):
        raise Refusal("refused.only.coordinator")


# -- confirming and declining -----------------------------------------------------------------------------------------
async def confirm(context: Context, number: str) -> Answer:
    """Confirm an application: the member is ACTIVE, gets the roles of the kind and is told. Raises Refusal."""
    enrolment = await get(context, number)
    log = await moves.move(context, enrolment, "confirm", confirmed_by=context.actor.id, confirmed_at=context.now)
    await drop_alarms(context, REMINDER, enrolment.id)
    person, member = await _both(context, enrolment)
    rule = membership.rule(member.kind)
    for role in rule.roles:
        await member_roles.grant(context, person.id, role, enrolment.id)
    if person.person_kind == "resident":
        person.person_kind = "member"
    told = await _receipt(context, enrolment)
    sent = await post.to_person(context, person.id, membership_screens.confirmed(told, rule.tasks))
    await close_card(context, enrolment)
    shown = await values(context, enrolment) | {"told": Key("enrolment.told" if sent else "enrolment.not_reached")}
    return Answer(screen("enrolment.confirm_done", await desk.offer_undo(context, log), **shown))


async def decline(context: Context, number: str, reason: str) -> Answer:
    """Decline an application for a reason that the applicant reads. Raises Refusal."""
    enrolment = await get(context, number)
    await require(context, enrolment, "decline")
    if not reason.strip():
        raise Refusal("enrolment.decline_why")
    log = await moves.move(context, enrolment, "decline", reason, reason=reason.strip(), ended_at=context.now)
    await drop_alarms(context, REMINDER, enrolment.id)
    person, member = await _both(context, enrolment)
    await member_roles.end(context, person.id, membership.rule(member.kind).roles, enrolment.id)
    shown = await values(context, enrolment)
    await post.to_person(context, person.id, screen("enrolment.declined", **shown))
    await close_card(context, enrolment)
    return Answer(screen("enrolment.decline_done", await desk.offer_undo(context, log), **shown))


async def require(context: Context, enrolment: Enrollment, event: str) -> None:
    """Raises Refusal unless the table lets the actor do `event` to the enrolment as it stands."""
    if not await moves.allowed(context, enrolment, event):
        mine = await moves.relations(context, enrolment)
        by = {relation for row in moves.life_of(enrolment).moves if row.event == event for relation in row.by}
        state = Key(f"state.enrollment.{enrolment.state}")
        raise Refusal("enrolment.not_now", state=state) if mine & by else Refusal("refused.permission")


async def _both(context: Context, enrolment: Enrollment) -> tuple[Person, PartyMember]:
    person = await context.session.get(Person, enrolment.person_id)
    member = await context.session.get(PartyMember, enrolment.person_id)
    assert person is not None
    if member is None:
        member = PartyMember(person_id=person.id)
        context.session.add(member)
        await context.session.flush()
    return person, member


async def close_card(context: Context, enrolment: Enrollment) -> None:
    """The message at those who confirm says how it ended, without buttons."""
    if enrolment.person_id is None:
        await post.edit_card(context, card(enrolment), screen("unit.card_closed", **unit_values(context, enrolment)))
        return
    shown = await values(context, enrolment)
    by = await context.session.get(Person, context.actor.id) if context.actor.id else None
    await post.edit_card(context, card(enrolment), screen("enrolment.card_closed", **shown, by=by.display_name if by else None))


async def undone(context: Context, enrolment: Enrollment, log: StateLog) -> None:
    """A move was taken back: what hung on it follows (see services.desk.undo)."""
    if enrolment.state == "WITHDRAWN" and enrolment.person_id is not None:
        _, member = await _both(context, enrolment)
        await member_roles.end(context, enrolment.person_id, membership.rule(member.kind).roles, enrolment.id)
    if enrolment.state not in ("APPLIED", "INVITED"):
        return
    if log.event == "confirm" and enrolment.person_id is not None:
        _, member = await _both(context, enrolment)
        await member_roles.end(context, enrolment.person_id, membership.rule(member.kind).roles, enrolment.id)
    if enrolment.confirm_due is not None and remind_at(enrolment.confirm_due) > context.now:
        await set_alarm(context, REMINDER, enrolment.id, remind_at(enrolment.confirm_due))
    await post.edit_card(context, card(enrolment), await application(context, enrolment))


desk.AFTER_UNDO[Enrollment] = undone


# -- moving house ----------------------------------------------------------------------------------------------------------
async def begin_move(context: Context) -> Enrollment:
    """The actor's enrolment, when it can be moved to another building now. Raises Refusal."""
    standing = await live(context, context.actor.id)
    if standing is None:
        raise Refusal("enrolment.none")
    if standing.state != "ACTIVE":
        raise Refusal("enrolment.not_yet", state=Key(f"state.enrollment.{standing.state}"))
    return standing


async def open_move(context: Context, text: str = "") -> None:
    """Begin the form of a move, with the new home where it was said; of an application, its correction. Raises Refusal: not enrolled."""
    waiting = await live(context, context.actor.id)
    if waiting is not None and waiting.state == "APPLIED":
        await enrolment_form.begin(context, "edit", field="home")
        if text:
            enrolment_form.take_home(context, text)
        return
    standing, person = await begin_move(context), context.actor.person
    member = await context.session.get(PartyMember, standing.person_id)
    assert person is not None
    old = person.building or context.ground.grid_name(standing.grid_code) or context.ground.name
    await enrolment_form.begin(context, "move", old=old, kind=member.kind if member else "in_service", name=person.display_name)
    if text:
        enrolment_form.take_home(context, text)


async def _move_home(context: Context, data: dict[str, Any]) -> Screen:
    """The old enrolment is TRANSFERRED and a new one APPLIED; the history keeps both (domain.md §5, move)."""
    old, person = await begin_move(context), context.actor.person
    assert person is not None
    home = data["home"]
    if home["name"] and home["name"] == person.building:
        raise Refusal("enrolment.same_home", home=home["name"])
    await moves.move(context, old, "transfer", ended_at=context.now)
    person.building, person.home_grid = home["name"] or None, home["grid"]
    fresh = Enrollment(
        community_id=old.community_id, person_id=person.id, kind=old.kind, source="bot", details={"moved_from": old.id},
        **_fields(context, home["grid"]),
    )  # fmt: skip
    await moves.begin(context, fresh, "apply")
    await announce(context, fresh)
    return membership_screens.moved(await _receipt(context, fresh))


# -- the reminder ------------------------------------------------------------------------------------------------------------
async def remind_due(context: Context, subject: str) -> str:
    """The alarm of the due day: those who confirm are reminded once, if it still waits."""
    enrolment = await context.session.get(Enrollment, subject)
    if enrolment is None or enrolment.state != "APPLIED":
        return "nothing"
    await _tell_confirmers(context, enrolment, await application(context, enrolment, "remind"))
    return "reminded"
