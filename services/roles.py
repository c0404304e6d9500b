"""Granting and taking roles by chat, with scope and term; who holds what (domain.md §4, §3 RoleAssignment).

Who may give which role is a table (texts/administration.toml). Ended roles stay as history: a row is never deleted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import AuditLog, ChatAccount, PartnerUnit, Person, RoleAssignment
from services import audit, drafts, open_work, people, post, problems
from services.context import Context, Refusal
from services.workdays import ZONE, local
from texts import administration_screens as screens
from texts.actions import Do
from texts.administration import role_of, tables
from texts.screen import Key, Screen, Value, screen

DRAFT = "role"
UNDO = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: the role with its scope and its term, half-open [since, until)."""

    role: str
    grid: str | None = None
    unit: str | None = None
    since: datetime | None = None
    until: datetime | None = None


# -- what is asked --------------------------------------------------------------------------------------------------
async def read(context: Context, said: str, line: str) -> Asked:
    """The role and what follows it, understood. Raises Refusal: no such role, grid, unit or date."""
    role = role_of(said)
    if role is None:
        raise Refusal("role.unknown")
    since, line = _term(context, "from", line)
    until, line = _term(context, "until", line)
    if until is not None:
        until += timedelta(days=1)  # the day that was named is the last one
        if until <= max(context.now, since or context.now):
            raise Refusal("role.term_over")
    scope, scopes = line.strip(" ,，。."), tables()["scopes"]
    grid = unit = None
    if scope and role in scopes["grid"]:
        grid = next((code for code, known in context.ground.grids.items() if scope.upper() == code or scope == known.name), None)
    elif scope and role in scopes["unit"]:
        unit = await _unit(context, scope)
    if scope and grid is None and unit is None:
        raise Refusal("role.scope_unknown", scope=scope)
    return Asked(role, grid, unit, since, until)


def _term(context: Context, which: str, line: str) -> tuple[datetime | None, str]:
    found = re.search(tables()["term"][which], line)
    if found is None:
        return None, line
    day = problems.parse_day(found["day"], local(context.now).date())
    if day is None:
        raise Refusal("refused.date")
    return datetime.combine(day, time(), ZONE), line[: found.start()] + line[found.end() :]


async def _unit(context: Context, said: str) -> str | None:
    units = await context.session.execute(sa.select(col(PartnerUnit.code), col(PartnerUnit.name)))
    found = [code for code, name in units if said.upper() == code or said == name or (len(said) > 3 and said in name)]
    return found[0] if len(found) == 1 else None


def may_give(context: Context, role: str) -> bool:
    """Whether one of the actor's roles may give (and take) this one."""
    table: dict[str, list[str]] = tables()["grants"]
    return any(role in table.get(grant.role, ()) for grant in context.actor.grants)


def require_giving(context: Context, role: str) -> None:
    """Raises Refusal unless the actor may give this role; with the roles that are theirs to give, if there are any."""
    if may_give(context, role):
        return
    theirs = [Key(f"role.{one}") for one in tables()["roles"] if may_give(context, one)]
    raise Refusal("role.not_yours" if theirs else "refused.permission", role=Key(f"role.{role}"), theirs=theirs)


def _shown(context: Context, role: str, grid: str | None, unit: str | None) -> Key:
    return screens.role(role, context.ground.grid_name(grid), unit or "")


# -- granting -------------------------------------------------------------------------------------------------------
async def ask_grant(context: Context, name: str, said: str, line: str) -> Screen:
    """The card to confirm a grant; of several persons of that name it is asked which. Raises Refusal."""
    asked = await read(context, said, line)
    require_giving(context, asked.role)
    for scope, value in (("grid", asked.grid), ("unit", asked.unit)):
        if asked.role in tables()["scopes"][scope] and value is None:
            raise Refusal(f"role.which_{scope}", role=Key(f"role.{asked.role}"), name=name)
    found = await people.named(context, name)
    if not found:
        raise Refusal("people.nobody", name=name)
    draft = await drafts.beside(
        context, DRAFT, verb="grant", name=name, role=asked.role, grid=asked.grid, unit=asked.unit,
        since=asked.since and asked.since.isoformat(), until=asked.until and asked.until.isoformat(),
    )  # fmt: skip
    if len(found) > 1:
        options = [(await people.describe(context, one), Do.role_pick(draft.id, one.id)) for one in found]
        return screens.pick("people.which", {"name": name}, options)
    return await choose(context, draft.id, found[0].id)


async def ask_take(context: Context, name: str, said: str, line: str) -> Screen:
    """The card to confirm that a role is taken; of several it is asked which. Raises Refusal: nobody of that name holds it."""
    asked = await read(context, said, line)
    require_giving(context, asked.role)
    held = [
        (person, row)
        for person in await people.named(context, name)
        for row in await _rows(context, person.id, asked.role)
        if (asked.grid is None or row.grid_code == asked.grid) and (asked.unit is None or row.unit_code == asked.unit)
    ]
    if not held:
        raise Refusal("role.not_held", name=name, role=_shown(context, asked.role, asked.grid, asked.unit))
    draft = await drafts.beside(context, DRAFT, verb="take", name=name, role=asked.role)
    if len(held) > 1:
        options = [(await _option(context, person, row), Do.role_pick(draft.id, row.id)) for person, row in held]
        return screens.pick("people.which", {"name": name}, options)
    return await choose(context, draft.id, held[0][1].id)


async def _option(context: Context, person: Person, row: RoleAssignment) -> Key:
    role = _shown(context, row.role, row.grid_code, row.unit_code)
    return Key("role.option", {"who": await people.describe(context, person), "role": role})


async def _rows(context: Context, person_id: str, role: str) -> list[RoleAssignment]:
    """The person's rows of a role that are in force or still to come."""
    rows = await context.session.scalars(
        sa.select(RoleAssignment).where(col(RoleAssignment.person_id) == person_id, col(RoleAssignment.role) == role).with_for_update()
    )
    return [row for row in rows if row.valid_to is None or row.valid_to > max(context.now, row.valid_from or context.now)]


async def choose(context: Context, draft_id: str, choice: str) -> Screen:
    """The card of the person (grant) or the role held (take) that was chosen. Raises Refusal: the button was forged or is old."""
    draft = await drafts.opened(context, DRAFT, draft_id)
    if draft.data["verb"] == "take":
        row = await context.session.get(RoleAssignment, choice)
        holders = {one.id: one for one in await people.named(context, draft.data["name"])}
        if row is None or row.role != draft.data["role"] or row.person_id not in holders:
            raise Refusal("dialog.gone")
        await drafts.put(context, draft, row=row.id)
        work = await open_work.of(context, row.person_id, row.grid_code or "")
        values = await _values(context, holders[row.person_id], row.role, row.grid_code, row.unit_code, row.valid_from, row.valid_to)
        counts = Key("handover.counts", work.counts()) if work else None
        return screens.take_card(draft.id, row.person_id, values | {"work": counts}, work=bool(work))
    person = next((one for one in await people.named(context, draft.data["name"]) if one.id == choice), None)
    if person is None:
        raise Refusal("dialog.gone")
    await drafts.put(context, draft, person=person.id)
    return await _grant_card(context, draft.id, person, draft.data)


async def _grant_card(context: Context, draft_id: str, person: Person, data: dict[str, Any]) -> Screen:
    asked = _asked(data)
    values = await _values(context, person, asked.role, asked.grid, asked.unit, asked.since, asked.until)
    before = [row for row in await _rows(context, person.id, asked.role) if (row.grid_code, row.unit_code) == (asked.grid, asked.unit)]
    others = await _holders(context, asked.role, asked.grid) if asked.grid and asked.role == "grid_leader" else []
    account = await context.session.scalar(sa.select(col(ChatAccount.id)).where(col(ChatAccount.person_id) == person.id).limit(1))
    values |= {
        "before": Key("role.before", {"until": _last_day(before[0].valid_to) or Key("role.no_end")}) if before else None,
        "others": [one.display_name for one in others if one.id != person.id],
        "unbound": None if account else Key("role.unbound"),
    }  # fmt: skip
    return screens.grant_card(draft_id, values)


def _asked(data: dict[str, Any]) -> Asked:
    since, until = (datetime.fromisoformat(data[name]) if data[name] else None for name in ("since", "until"))
    return Asked(data["role"], data["grid"], data["unit"], since, until)


async def _values(
    context: Context, person: Person, role: str, grid: str | None, unit: str | None, since: datetime | None, until: datetime | None
) -> dict[str, Value]:  # fmt: skip
    return {
        "who": await people.describe(context, person), "name": person.display_name, "role": _shown(context, role, grid, unit),
        "since": local(since).date() if since else None, "until": _last_day(until), "work": None,
    }  # fmt: skip


def _last_day(until: datetime | None) -> Value:
    """The last whole day of a term, with its year."""
    if until is None:
        return None
    last = local(until - timedelta(seconds=1))
    return Key("role.day", {"year": str(last.year), "day": last.date()})


async def _holders(context: Context, role: str, grid: str | None = None) -> list[Person]:
    """Who holds the role now (for this grid); their rows are held until the commit."""
    rows = await context.session.execute(
        sa.select(RoleAssignment, Person)
        .join(Person, col(Person.id) == col(RoleAssignment.person_id))
        .where(col(RoleAssignment.role) == role, col(Person.deleted_at).is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = {
        person.id: person for row, person in rows
        if (row.valid_from is None or row.valid_from <= context.now) and (row.valid_to is None or row.valid_to > context.now)
        and (grid is None or row.grid_code == grid)
    }  # fmt: skip
    return list(found.values())


# -- doing it -------------------------------------------------------------------------------------------------------
async def confirm(context: Context, draft_id: str) -> Screen:
    """Do what the card says. Raises Refusal: no longer the actor's to do, oneself, the last of them, or over."""
    draft = await drafts.opened(context, DRAFT, draft_id)
    data = dict(draft.data)
    await context.session.delete(draft)
    if data["verb"] == "take":
        row = await context.session.get(RoleAssignment, data.get("row", ""), with_for_update=True)
        if row is None:
            raise Refusal("dialog.gone")
        return await take(context, row)
    person = await context.session.get(Person, data.get("person", ""))
    if person is None or person.deleted_at is not None:
        raise Refusal("dialog.gone")
    return await grant(context, person, _asked(data))


async def grant(context: Context, person: Person, asked: Asked) -> Screen:
    """Give the role; an earlier row of the same role and scope ends when the new one begins. The person is told. Raises Refusal."""
    require_giving(context, asked.role)
    if person.id == context.actor.id:
        raise Refusal("role.yourself")
    if asked.until is not None and asked.until <= context.now:
        raise Refusal("role.term_over")
    start = max(asked.since or context.now, context.now)
    before = [row for row in await _rows(context, person.id, asked.role) if (row.grid_code, row.unit_code) == (asked.grid, asked.unit)]
    if asked.until is not None and before:
        await _not_the_last(context, person.id, asked.role)
    ended = [[row.id, row.valid_to.isoformat() if row.valid_to else None] for row in before]
    for row in before:
        row.valid_to = max(start, row.valid_from or start)
    made = RoleAssignment(
        person_id=person.id, role=asked.role, grid_code=asked.grid, unit_code=asked.unit, valid_from=start, valid_to=asked.until,
        granted_by=context.actor.id,
    )  # fmt: skip
    context.session.add(made)
    await context.session.flush()
    if asked.role == "unit_liaison" and asked.unit:
        await context.session.execute(sa.update(PartnerUnit).where(col(PartnerUnit.code) == asked.unit).values(liaison_id=person.id))
    note = json.dumps({"made": made.id, "ended": ended})
    log = audit.changed(context, "role.granted", person.id, f"role:{made.id}", note)
    values = await _values(context, person, asked.role, asked.grid, asked.unit, asked.since, asked.until)
    by = context.actor.person.display_name if context.actor.person else ""
    await post.to_person(context, person.id, Screen("role.told_granted", values | {"by": by}))
    return screens.done("role.granted", values, Do.role_undo(log.id))


async def take(context: Context, row: RoleAssignment) -> Screen:
    """End the role now; the row stays as history, the person is told. Raises Refusal: not the actor's to take, the last, or over."""
    require_giving(context, row.role)
    if row.valid_to is not None and row.valid_to <= context.now:
        raise Refusal("role.over")
    await _not_the_last(context, row.person_id, row.role)
    person = await context.session.get(Person, row.person_id)
    if person is None:
        raise Refusal("dialog.gone")
    note = json.dumps({"ended": [[row.id, row.valid_to.isoformat() if row.valid_to else None]]})
    row.valid_to = max(context.now, row.valid_from or context.now)
    log = audit.changed(context, "role.taken", person.id, f"role:{row.id}", note)
    await context.session.flush()
    values = await _values(context, person, row.role, row.grid_code, row.unit_code, None, None)
    by = context.actor.person.display_name if context.actor.person else ""
    await post.to_person(context, person.id, Screen("role.told_taken", values | {"by": by}))
    work = await open_work.of(context, person.id, row.grid_code or "")
    return screens.done("role.taken", values | {"work": Key("handover.counts", work.counts()) if work else None}, Do.role_undo(log.id))


async def _not_the_last(context: Context, person_id: str, role: str) -> None:
    """Raises Refusal where the person is the only one with a role that somebody must hold."""
    if role in tables()["last"]["roles"] and not [one for one in await _holders(context, role) if one.id != person_id]:
        raise Refusal("role.last", role=Key(f"role.{role}"))


async def undo(context: Context, log_id: str) -> Screen:
    """Take back the actor's own grant or taking within a minute; the person is told. Raises Refusal: too late, or not theirs (any more)."""
    log = await context.session.get(AuditLog, log_id, with_for_update=True)
    if log is None or log.actor_id != context.actor.id or log.object_kind != "role" or not log.note:
        raise Refusal("undo.gone")
    if context.now - log.at > UNDO:
        raise Refusal("undo.late")
    data = json.loads(log.note)
    made = await context.session.get(RoleAssignment, data.get("made", ""))
    if made is not None:
        if not data["ended"]:
            await _not_the_last(context, made.person_id, made.role)
        made.valid_to = max(context.now, made.valid_from or context.now)
    row = made
    for row_id, until in data["ended"]:
        row = await context.session.get(RoleAssignment, row_id)
        if row is not None:
            row.valid_to = datetime.fromisoformat(until) if until else None
    person = await context.session.get(Person, log.person_id or "")
    if row is None or person is None:
        raise Refusal("undo.gone")
    require_giving(context, row.role)
    log.note = ""  # it is taken back once
    audit.changed(context, "role.undone", person.id, f"role:{row.id}")
    values = await _values(context, person, row.role, row.grid_code, row.unit_code, None, None)
    await post.to_person(context, person.id, Screen("role.told_undone", values))
    return Screen("role.undone", values)


# -- looking --------------------------------------------------------------------------------------------------------
async def of(context: Context, name: str) -> Screen:
    """What roles the person has, had and will have. For staff. Raises Refusal: nobody, or several, of that name."""
    if not context.actor.staff:
        raise Refusal("refused.permission")
    person = await people.one_named(context, name)
    audit.looked(context, person.id, "member", f"person:{person.id}")
    rows = await context.session.scalars(
        sa.select(RoleAssignment).where(col(RoleAssignment.person_id) == person.id).order_by(col(RoleAssignment.id))
    )
    lines = [
        {
            "role": _shown(context, row.role, row.grid_code, row.unit_code),
            "since": _first_day(row.valid_from), "until": _last_day(row.valid_to) or Key("role.no_end"),
            "over": Key("role.ended") if row.valid_to is not None and row.valid_to <= context.now else None,
        }
        for row in rows if row.valid_to is None or row.valid_to != row.valid_from
    ]  # fmt: skip
    return screen("role.sheet", who=await people.describe(context, person), lines=screens.listed(lines, "role.line"))


def _first_day(since: datetime | None) -> Value:
    return Key("role.day", {"year": str(local(since).year), "day": local(since).date()}) if since else Key("role.always")


async def staff(context: Context) -> Screen:
    """Who works for the community, office by office; whoever coordinates sees telephone numbers, which is recorded (domain.md §4)."""
    if not context.actor.staff:
        raise Refusal("refused.permission")
    numbers = context.actor.has("coordinator", "community_clerk", "community_secretary", "admin")
    lines: list[dict[str, Value]] = []
    for role in tables()["roles"]:
        if role in ("volunteer", "rider_reporter"):
            continue
        rows = await context.session.execute(
            sa.select(Person, RoleAssignment)
            .join(RoleAssignment, col(RoleAssignment.person_id) == col(Person.id))
            .where(col(RoleAssignment.role) == role, col(Person.deleted_at).is_(None))
            .order_by(col(RoleAssignment.grid_code), col(RoleAssignment.unit_code), col(Person.id))
        )
        names: list[Value] = []
        for person, row in rows:
            if (row.valid_from is not None and row.valid_from > context.now) or (row.valid_to is not None and row.valid_to <= context.now):
                continue
            phone = person.phone if numbers else None
            if phone:
                audit.looked(context, person.id, "phone", f"person:{person.id}")
            scope = row.grid_code or row.unit_code
            shown = Key("staff.scope", {"scope": scope}) if scope else None
            names.append(Key("staff.person", {"name": person.display_name, "scope": shown, "phone": phone}))
        if names:
            lines.append({"role": Key(f"role.{role}"), "names": names})
    return screen("staff.sheet", lines=screens.listed(lines, "staff.line"))
