"""Brings a community in from files: what they would change, every fault with its place, and all of it in one transaction or nothing.

Whatever stands in an earlier import and not in this one is left alone; an empty cell changes nothing; the same file again changes 0 rows.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import col

from models import AuditLog, Community
from services import geojson, spreadsheets
from services.context import Context, Grant
from services.faults import BadFile, Fault
from services.holidays import follow as follow_holidays
from services.importing_ground import Ground, holidays, organisations
from services.importing_people import People, records
from services.plans import Plan
from services.spreadsheets import Row
from texts.workbook import sheets

IMPORTERS = ("coordinator", "community_clerk", "community_secretary", "admin")


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its name, its bytes, and the coordinate system of a GeoJSON that does not say."""

    name: str
    data: bytes
    crs: str | None = None


def read(source: Source) -> tuple[list[Row], list[Fault]]:
    """The rows of a file and the faults of its form. A file that cannot be read at all is one fault."""
    try:
        return geojson.read(source.data, source.crs) if geojson.looks_so(source.data) else spreadsheets.read(source.data)
    except BadFile as bad:
        return [], list(bad.faults)


async def prepare(context: Context, sources: Sequence[Source]) -> Plan:
    """What these files would change, together; nothing is changed. Whoever calls has asked whether the actor may."""
    plan = Plan()
    rows: dict[str, list[Row]] = {}
    for source in sources:
        found, faults = await asyncio.to_thread(read, source)
        plan.faults += faults
        for row in found:
            rows.setdefault(row.sheet.key, []).append(row)
    ground, people = await Ground.of(context, plan), await People.of(context, plan)
    for row in rows.get("grids", ()):
        ground.grid(row)
    for row in rows.get("places", ()):
        ground.place(row)
    for row in rows.get("units", ()):
        await ground.unit(context, row)
    for row in rows.get("staff", ()):
        people.staff(row, ground)
    for row in rows.get("members", ()):
        people.member(row, ground)
    people.settle_liaisons(ground)
    for row in rows.get("grids", ()):
        people.lead(row)
    await organisations(context, plan, people, rows.get("orgs", []))
    await records(context, plan, people, rows.get("records", []))
    await holidays(context, plan, rows.get("holidays", []))
    order = {sheet.title: number for number, sheet in enumerate(sheets(), 1)}
    plan.faults.sort(key=lambda fault: (fault.sheet != "", order.get(fault.sheet, 0), fault.sheet, fault.row))
    return plan


async def carry_out(context: Context, sources: Sequence[Source]) -> Plan:
    """Import the files: all of it, or nothing where there is a fault. Of two imports at the same time one waits for the other."""
    locked = sa.select(Community).where(col(Community.id) == context.ground.community_id).with_for_update()
    community = (await context.session.scalars(locked)).one()
    # An administrator brings members in as a clerk does.
    acting = dataclasses.replace(context.actor, grants=(*context.actor.grants, Grant("community_clerk")))
    context = dataclasses.replace(context, actor=acting)
    plan = await prepare(context, sources)
    if plan.faults or not plan.changes:
        return plan
    await plan.carry_out(context)
    community.version += 1
    await follow_holidays(context)
    names = ", ".join(source.name for source in sources)
    context.session.add(AuditLog(actor_id=context.actor.id, action="community.imported", note=f"{names}: {plan.changes}", at=context.now))
    await context.session.flush()
    return plan
