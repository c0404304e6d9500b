"""Who looked at whose personal data: every look is written down, and can be asked for (domain.md §0.6, §4).

A look is when somebody is shown another person's contact data, door, home, membership record or identity as a reporter. Names of
colleagues at work (staff, and claimers to the leader of their task) are none; an anonymous reporter cannot be looked at at all.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from models import AuditLog, Order, Person, Problem, Task
from services.context import Context, Refusal
from services.people import one_named
from texts.administration_screens import LOOKS, records_sheet
from texts.screen import Key, Screen, Value

READERS = ("admin", "community_secretary")
SHOWN = 20


def looked(context: Context, person_id: str | None, what: str, thing: str = "", *, viewer: str | None = None) -> None:
    """Write down that `viewer` (the actor when None) is shown personal data of `person_id`, once a turn.

    `what`: a word of texts/administration_screens.LOOKS. `thing`: through which object, such as "problem:ID". Nobody looks at themselves.
    """
    seen_by = viewer or context.actor.id
    if person_id is None or seen_by is None or seen_by == person_id:
        return
    looks: set[tuple[str, str, str, str]] = context.facts.setdefault("looks", set())
    if (look := (seen_by, person_id, what, thing)) in looks:
        return
    looks.add(look)
    _write(context, seen_by, f"{what}.seen", person_id, thing, "")


def changed(context: Context, action: str, person_id: str | None, thing: str = "", note: str = "") -> AuditLog:
    """Write down that the actor changed a right or a setting (`action`, such as role.granted); the row."""
    return _write(context, context.actor.id, action, person_id, thing, note)


def _write(context: Context, actor_id: str | None, action: str, person_id: str | None, thing: str, note: str) -> AuditLog:
    kind, _, object_id = thing.partition(":")
    row = AuditLog(actor_id=actor_id, action=action, person_id=person_id, object_kind=kind, object_id=object_id, note=note, at=context.now)
    context.session.add(row)
    return row


async def of_person(context: Context, person_id: str, most: int = SHOWN) -> tuple[list[AuditLog], int]:
    """The latest looks at this person's data, at most so many, and how many there are."""
    theirs = sa.select(AuditLog).where(col(AuditLog.person_id) == person_id, col(AuditLog.action).endswith(".seen"))
    total = await context.session.scalar(sa.select(sa.func.count()).select_from(theirs.subquery()))
    rows = await context.session.scalars(theirs.order_by(col(AuditLog.at).desc(), col(AuditLog.id).desc()).limit(most))
    return list(rows), int(total or 0)


async def lines(context: Context, rows: list[AuditLog]) -> list[dict[str, Value]]:
    """Each look as values of a line: when, who, what, and through which object."""
    names = {
        person.id: person.display_name
        for person in await context.session.scalars(sa.select(Person).where(col(Person.id).in_({row.actor_id for row in rows})))
    }
    return [
        {
            "at": row.at, "who": names.get(row.actor_id or "") or Key("audit.somebody"), "what": _word(row.action),
            "thing": await _through(context, row),
        }
        for row in rows
    ]  # fmt: skip


def _word(action: str) -> Key:
    what = action.removesuffix(".seen")
    return Key(f"audit.look.{what if what in LOOKS else 'other'}")


async def _through(context: Context, row: AuditLog) -> str:
    """The object's own code, "" where it has none."""
    if row.object_kind == "task":
        task = await context.session.get(Task, row.object_id)
        return f"#{task.short_no}" if task else ""
    found: Problem | Order | None = None
    if row.object_kind == "problem":
        found = await context.session.get(Problem, row.object_id)
    elif row.object_kind == "order":
        found = await context.session.get(Order, row.object_id)
    return found.code if found else ""


async def records(context: Context, name: str) -> Screen:
    """Who looked at the data of the person with this name (or code), for administrator and secretary; the asking is recorded too."""
    if not context.actor.has(*READERS):
        raise Refusal("refused.permission")
    person = await one_named(context, name)
    rows, total = await of_person(context, person.id)
    shown = records_sheet(person.display_name, await lines(context, rows), total)
    looked(context, person.id, "records", f"person:{person.id}")
    return shown
