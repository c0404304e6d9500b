"""What members change of their own 双报到 without a new one, how they leave and come back; the desk's lists (domain.md §5 Enrollment)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Claim, Enrollment, PartyMember, Person, Post, PostClaim, Task, TeamMember
from models.lifecycle import CLAIM, POST_CLAIM
from services import audit, desk, enrolment_form, enrolments, lists, member_roles, moves, people, post, targets
from services.alarms import drop_alarms
from services.context import Context, Refusal
from services.dialogs import Answer
from texts import membership, membership_screens
from texts.screen import Key, Screen, Value, screen

LISTED = 10
LAST = 3
SWITCHES = {"offers": "offers", "emergency": "emergency_opt_in"}


# -- one's own record ---------------------------------------------------------------------------------------------------
async def mine(context: Context) -> Screen:
    """The actor's own enrolment with what may be changed; without one, how it stands and the way to enrol."""
    person = context.actor.person
    query = sa.select(Enrollment).where(col(Enrollment.person_id) == context.actor.id)
    latest = await context.session.scalar(query.order_by(col(Enrollment.applied_at).desc(), col(Enrollment.id).desc()).limit(1))
    if person is None or latest is None:
        return membership_screens.not_enrolled()
    member = await _member(context, person.id)
    rule = membership.rule(member.kind)
    target = await targets.of(context, latest) if latest.state in enrolments.LIVE else None
    shown = await enrolments.values(context, latest) | {
        "due": latest.confirm_due if latest.state == "APPLIED" else None,
        "target": Key("enrolment.target", target.values) if target else None,
        "offers": _switch(member.offers) if rule.tasks else None, "emergency": _switch(member.emergency_opt_in) if rule.tasks else None,
        "exempt": Key("member.exempt") if member.health_exempt else None,
    }  # fmt: skip
    waits = enrolment_form.UNTIL_CONFIRMED if latest.state == "APPLIED" else ()
    fields = [*waits, *(field for field in enrolment_form.EDITABLE if field != "unit" or rule.unit != "none")]
    return membership_screens.record(shown, latest.state, fields, tuple(SWITCHES) if rule.tasks else ())


def _switch(on: bool) -> Key:
    return Key("member.on" if on else "member.off")


async def _member(context: Context, person_id: str) -> PartyMember:
    found = await context.session.get(PartyMember, person_id)
    return found or PartyMember(person_id=person_id)


async def begin_edit(context: Context, field: str) -> None:
    """Begin to change one field of the actor's own record. Raises Refusal: not enrolled, another field, or confirmed before."""
    standing = await _standing(context)
    if field not in (*enrolment_form.EDITABLE, *enrolment_form.UNTIL_CONFIRMED):
        raise Refusal("enrolment.choice_gone")
    if _settled_field(standing, field):
        raise Refusal("enrolment.field_settled")
    member = await _member(context, standing.person_id or "")
    known = {"times": list(member.availability)} if field == "times" else {}
    await enrolment_form.begin(context, "edit", field=field, kind=member.kind, **known)


async def save_edit(context: Context) -> Screen:
    """Keep the changed field; the record as it reads now, or that it was confirmed meanwhile. Raises Refusal: not enrolled any more."""
    draft = context.draft
    standing = await _standing(context)
    assert draft is not None
    field, data = draft.data["field"], draft.data
    await context.session.delete(draft)
    context.draft = None
    if _settled_field(standing, field):
        return screen("enrolment.field_settled")
    moves.remark(context, standing, "changed", field)
    if field in enrolment_form.UNTIL_CONFIRMED:
        await enrolments.correct(context, standing, data)
    else:
        member = await _member(context, standing.person_id or "")
        fields = enrolment_form.record(data)
        for name in {"skills": ("skills",), "times": ("availability",), "unit": ("unit_code", "home_org")}[field]:
            setattr(member, name, fields[name])
        context.session.add(member)
    await context.session.flush()
    return await mine(context)


def _settled_field(standing: Enrollment, field: str) -> bool:
    """Whether the field was confirmed with the application: then a name is the desk's matter and a home a move's."""
    return field in enrolment_form.UNTIL_CONFIRMED and standing.state != "APPLIED"


async def switch(context: Context, name: str) -> Screen:
    """Turn an opt-in of the actor on or off; the record as it reads now. Raises Refusal."""
    standing = await _standing(context)
    if name not in SWITCHES:
        raise Refusal("enrolment.choice_gone")
    member = await _member(context, standing.person_id or "")
    setattr(member, SWITCHES[name], not getattr(member, SWITCHES[name]))
    moves.remark(context, standing, "changed", name)
    await context.session.flush()
    return await mine(context)


async def _standing(context: Context) -> Enrollment:
    standing = await enrolments.live(context, context.actor.id)
    if standing is None:
        raise Refusal("enrolment.none")
    return standing


# -- leaving --------------------------------------------------------------------------------------------------------------
async def cancel(context: Context) -> Screen:
    """Take back an application that is not confirmed yet. Raises Refusal."""
    standing = await _standing(context)
    await moves.move(context, standing, "cancel", ended_at=context.now)
    await drop_alarms(context, enrolments.REMINDER, standing.id)
    await enrolments.close_card(context, standing)
    return screen("enrolment.cancelled")


async def ask_leaving(context: Context, how: str) -> Screen:
    """Whether the actor is sure to leave: `how` is away (to another community) or withdraw. Raises Refusal: not now, open work."""
    standing = await _may_leave(context)
    return membership_screens.sure(how, await enrolments.values(context, standing))


async def move_away(context: Context) -> Screen:
    """The actor moves away from the community: TRANSFERRED, the roles end, the history stays. Raises Refusal."""
    standing = await _may_leave(context)
    await moves.move(context, standing, "transfer", ended_at=context.now)
    await _gone(context, standing, "enrolment.told_away")
    return screen("enrolment.away", community=context.ground.name)


async def withdraw(context: Context, reason: str) -> Screen:
    """注销: the actor leaves the enrolment for a reason. Raises Refusal: no reason, open work."""
    standing = await _may_leave(context)
    if not reason.strip():
        raise Refusal("enrolment.withdraw_why")
    await moves.move(context, standing, "withdraw", reason, reason=reason.strip(), ended_at=context.now)
    await _gone(context, standing, "enrolment.told_withdrawn")
    return screen("enrolment.withdraw_done")


async def _may_leave(context: Context) -> Enrollment:
    """The actor's ACTIVE enrolment, when nothing that others count on is open. Raises Refusal: it says what is to be settled."""
    return await _settled(context, await _standing(context))


async def _settled(context: Context, standing: Enrollment) -> Enrollment:
    if standing.state != "ACTIVE":
        raise Refusal("enrolment.not_yet", state=Key(f"state.enrollment.{standing.state}"))
    claimed = sa.select(col(Task.short_no)).join(Claim, col(Claim.task_id) == col(Task.id))
    tasks = await context.session.scalars(
        claimed.where(col(Claim.person_id) == standing.person_id, col(Claim.state).in_(CLAIM.open)).order_by(col(Task.short_no))
    )
    held = sa.select(col(Post.name)).join(PostClaim, col(PostClaim.post_id) == col(Post.id))
    posts = await context.session.scalars(
        held.where(col(PostClaim.person_id) == standing.person_id, col(PostClaim.state).in_(POST_CLAIM.open)).order_by(col(Post.number))
    )
    open_tasks, open_posts = [f"#{number}" for number in tasks], list(posts)
    if open_tasks or open_posts:
        raise Refusal("enrolment.open_work", tasks=tuple(open_tasks), posts=tuple(open_posts))
    return standing


async def _gone(context: Context, enrolment: Enrollment, told: str) -> None:
    """What ends with an enrolment: roles and teams; those who confirm hear of it."""
    assert enrolment.person_id is not None
    member = await _member(context, enrolment.person_id)
    await member_roles.end(context, enrolment.person_id, membership.rule(member.kind).roles, enrolment.id)
    await context.session.execute(
        sa.update(TeamMember)
        .where(col(TeamMember.person_id) == enrolment.person_id, col(TeamMember.left_at).is_(None))
        .values(left_at=context.now)
    )
    shown = await enrolments.values(context, enrolment)
    for person in await enrolments.confirmers(context, enrolment):
        if person.id != context.actor.id:
            audit.looked(context, enrolment.person_id, "member", f"enrollment:{enrolment.id}", viewer=person.id)
            await post.to_person(context, person.id, screen(told, **shown))


# -- at the desk ------------------------------------------------------------------------------------------------------------
async def bring_back(context: Context, name: str) -> Screen:
    """取消注销: the withdrawn enrolment of somebody of this name is ACTIVE again. Raises Refusal: nobody, several, not the desk."""
    enrolments.require_desk(context)
    enrolment, person = await _one(context, name, ("WITHDRAWN",), "enrolment.none_withdrawn")
    if await enrolments.live(context, person.id) is not None:
        raise Refusal("enrolment.already_back", name=person.display_name)
    log = await moves.move(context, enrolment, "return", ended_at=None, reason="")
    member = await _member(context, person.id)
    for role in membership.rule(member.kind).roles:
        await member_roles.grant(context, person.id, role, enrolment.id)
    shown = await enrolments.values(context, enrolment)
    await post.to_person(context, person.id, screen("enrolment.told_back", **shown))
    return screen("enrolment.back_done", await desk.offer_undo(context, log), **shown)


async def end_for(context: Context, event: str, name: str, reason: str) -> Screen:
    """The desk ends somebody's enrolment for a reason, which the person is told. `event`: withdraw or transfer. Raises Refusal."""
    enrolments.require_desk(context)
    enrolment, person = await _one(context, name, ("ACTIVE",), "member.not_active")
    if not reason.strip():
        raise Refusal("member.leave_why", name=person.display_name)
    await _settled(context, enrolment)
    log = await moves.move(context, enrolment, event, reason, reason=reason.strip(), ended_at=context.now)
    told = "enrolment.told_withdrawn" if event == "withdraw" else "enrolment.told_away"
    await _gone(context, enrolment, told)
    shown = await enrolments.values(context, enrolment)
    await post.to_person(context, person.id, screen(f"member.told_{event}", **shown, community=context.ground.name))
    return screen(f"member.{event}_done", await desk.offer_undo(context, log), **shown)


async def refuse_other(context: Context, said: str) -> None:
    """Raises Refusal when the desk names somebody else in words that would end the actor's own enrolment."""
    if context.actor.has(*enrolments.DESK) and (first := said.split()[0] if said.split() else ""):
        named = [person for person in await people.named(context, first) if person.id != context.actor.id]
        if named:
            raise Refusal("member.end_how", name=first)


async def exempt(context: Context, name: str, reason: str, *, on: bool = True) -> Screen:
    """Mark a member as exempt for health, for a reason that is kept encrypted, or take the mark off. Raises Refusal."""
    enrolments.require_desk(context)
    if on and not reason.strip():
        raise Refusal("member.exempt_why")
    enrolment, person = await _one(context, name, enrolments.LIVE, "people.nobody")
    member = await _member(context, person.id)
    member.health_exempt, member.exempt_reason = on, reason.strip() if on else None
    context.session.add(member)
    moves.remark(context, enrolment, "exempt" if on else "exempt_off")
    audit.changed(context, "member.exempt" if on else "member.exempt_off", person.id, f"enrollment:{enrolment.id}")
    await post.to_person(context, person.id, screen("member.told_exempt" if on else "member.told_counted"))
    return screen("member.exempt_done" if on else "member.counted_done", name=person.display_name)


async def pending(context: Context) -> Answer:
    """待确认报到: the applications that wait for the actor, the earliest due first, a button for each. Raises Refusal: no staff."""
    if not context.actor.has(*enrolments.STAFF):
        raise Refusal("refused.only.grid_leader")
    waiting = [one for one in await _waiting(context) if await moves.allowed(context, one, "confirm")]
    if not waiting:
        return Answer(screen("enrolment.none_pending"))
    lines, options = [], []
    for number, one in enumerate(waiting[:LISTED], 1):
        shown = await _named(context, one)
        lines.append(Key("enrolment.line", {"number": number, "due": one.confirm_due, **shown}))
        options.append((str(shown["name"]), one.id))
    return Answer(membership_screens.pending(lines, options, len(waiting)))


async def _named(context: Context, enrolment: Enrollment) -> dict[str, Value]:
    """An application in one line: whose it is, and from where."""
    if enrolment.person_id is None:
        details: dict[str, Any] = enrolment.details or {}
        return {"name": details.get("name"), "kind": details.get("kind"), "grid": context.ground.name}
    shown = await enrolments.values(context, enrolment)
    audit.looked(context, enrolment.person_id, "member", f"enrollment:{enrolment.id}")
    return {name: shown[name] for name in ("name", "kind", "grid")}


async def _waiting(context: Context) -> list[Enrollment]:
    query = sa.select(Enrollment).where(
        col(Enrollment.state) == "APPLIED", col(Enrollment.community_id) == context.ground.community_id
    )  # fmt: skip
    return list(await context.session.scalars(query.order_by(col(Enrollment.confirm_due), col(Enrollment.applied_at))))


async def look(context: Context, number: str) -> tuple[Screen, str]:
    """An application with its buttons for who may confirm it, and the living message it is. Raises Refusal."""
    enrolment = await enrolments.get(context, number)
    await enrolments.require(context, enrolment, "confirm")
    audit.looked(context, enrolment.person_id or enrolment.applicant_id, "member", enrolments.card(enrolment))
    return await enrolments.application(context, enrolment), enrolments.card(enrolment)


async def to_decline(context: Context, number: str) -> Enrollment:
    """The application, when the actor may decline it now. Raises Refusal."""
    enrolment = await enrolments.get(context, number)
    await enrolments.require(context, enrolment, "decline")
    return enrolment


async def waiting_called(context: Context, name: str) -> Enrollment:
    """The one application that waits of somebody (or a unit) of this name. Raises Refusal: nobody, with the last three that wait."""
    if not context.actor.has(*enrolments.STAFF):
        raise Refusal("refused.only.grid_leader")
    mine = [one for one in await _waiting(context) if await moves.allowed(context, one, "confirm")]
    names = {one.id: str((await _named(context, one))["name"]) for one in mine}
    found = [one for one in mine if people.plain(names[one.id]) == people.plain(name)]
    if len(found) != 1:
        last = tuple(names[one.id] for one in mine[-LAST:]) or Key("enrolment.nobody_waits")
        raise Refusal("enrolment.not_waiting", name=name, last=last)
    return found[0]


async def _one(context: Context, name: str, states: tuple[str, ...], nobody: str) -> tuple[Enrollment, Person]:
    """The latest enrolment in one of these states of the one person of this name or code. Raises Refusal: nobody, or several."""
    query = (
        sa.select(Enrollment, Person)
        .join(Person, col(Person.id) == col(Enrollment.person_id))
        .where(col(Enrollment.state).in_(states), col(Person.deleted_at).is_(None))
        .order_by(col(Enrollment.applied_at))
    )
    wanted = people.plain(name)
    found = {
        person.id: (enrolment, person)
        for enrolment, person in (await context.session.execute(query)).all()
        if wanted and wanted in (people.plain(person.display_name), people.plain(person.code or ""))
    }
    if not found:
        raise Refusal(nobody, name=name)
    if len(found) > 1:
        options = [await people.describe(context, person, code=True) for _, person in found.values()]
        raise Refusal("people.several", name=name, options=options)
    return next(iter(found.values()))


async def kinds_sheet(context: Context) -> Screen:
    """The rules of each kind of member as a table, for the desk. Raises Refusal."""
    enrolments.require_desk(context)
    lines = [
        Key("member.rule", {
            "kind": shown, "self": Key("member.by_self" if rule.self else "member.by_clerk"), "target": _yes(rule.target),
            "card": _yes(rule.card), "tasks": _yes(rule.tasks),
        })
        for kind, shown in await lists.options(context, "members") if (rule := membership.rule(kind))
    ]  # fmt: skip
    return membership_screens.kinds(lines)


def _yes(is_so: bool) -> Key:
    return Key("member.yes" if is_so else "member.no")
