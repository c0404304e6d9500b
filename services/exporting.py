"""The community as a workbook: the empty template, and everything an import would read, in the same words (domain.md §9)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
import xlsxwriter
from sqlmodel import col
from xlsxwriter.workbook import Format

from models import (
    AuditLog,
    Enrollment,
    Grid,
    HolidayDay,
    OrgUnit,
    PartnerUnit,
    PartyMember,
    Person,
    Place,
    ResourceItem,
    RoleAssignment,
    ServiceRecord,
)
from services import audit, cells, crs
from services.context import Context
from services.spreadsheets import MOST_ROWS
from services.workdays import ZONE
from texts.workbook import Column, Sheet, choices, guide, mark, sheets

Values = Mapping[str, Any]
THING = "community:"  # what a look at the exported people was through
_TEXT = 49  # the number of the format in which a spreadsheet leaves what is typed as it is
AS_WRITTEN = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}


def template() -> bytes:
    """The empty workbook: headers, notes, drop-downs, one example row a sheet that an import leaves out."""
    return _write({}, examples=True)


def workbook(rows: Mapping[str, Iterable[Values]]) -> bytes:
    """A workbook in the template's form with these rows (by sheet, then by column)."""
    return _write(rows, examples=False)


async def export(context: Context) -> bytes:
    """The community as a workbook that, imported again, changes 0 rows. Whoever calls has asked whether the actor may."""
    here = context.ground.community_id
    people = {
        person.id: person for person in await _all(context, Person, col(Person.community_id) == here, col(Person.deleted_at).is_(None))
    }
    rows = {
        "grids": [_grid(grid) for grid in await _all(context, Grid, col(Grid.community_id) == here)],
        "places": [_place(place) for place in await _all(context, Place, col(Place.community_id) == here)],
        "units": await _units(context),
        "staff": await _staff(context, people),
        "members": await _members(context, people),
        "orgs": [_org(org, people) for org in await _all(context, OrgUnit, col(OrgUnit.community_id) == here)],
        "records": [
            {"person": _handle(people[one.person_id]), "year": one.year, "times": one.times, "hours": one.hours}
            for one in await _all(context, ServiceRecord)
            if one.person_id in people
        ],
        "holidays": [
            {"day": one.day, "kind": "work" if one.is_workday else "off", "name": one.name} for one in await _all(context, HolidayDay)
        ],
    }
    for sheet in ("grids", "units", "staff", "members", "orgs"):
        rows[sheet].sort(key=_order)
    rows["places"].sort(key=lambda row: (code_order(row["grid"] or "~"), row["kind"] != "building", code_order(row["name"])))
    rows["records"].sort(key=lambda row: (row["year"], code_order(row["person"])))
    rows["holidays"].sort(key=lambda row: row["day"])
    context.session.add(AuditLog(actor_id=context.actor.id, action="community.exported", at=context.now))
    return workbook(rows)


async def _all(context: Context, model: Any, *where: Any) -> list[Any]:
    return list(await context.session.scalars(sa.select(model).where(*where)))


def code_order(said: str) -> list[tuple[bool, int, str]]:
    """A sort key that reads the digits of a code or a name as numbers: G2 before G10."""
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.findall(r"\d+|\D+", said)]


def _order(row: Values) -> tuple[bool, Any, str]:
    return row["code"] is None, code_order(row["code"] or row["name"]), row["name"]


def _handle(person: Person) -> str:
    return person.code or person.display_name


def _grid(grid: Grid) -> dict[str, Any]:
    surveyed = grid.surveyed or {"crs": crs.WGS84, "polygon": grid.polygon}
    return {
        "code": grid.code, "name": grid.name, "households": grid.household_count, "branch": grid.branch_name,
        "crs": surveyed["crs"] if grid.polygon else None, "polygon": surveyed["polygon"],
    }  # fmt: skip


def _place(place: Place) -> dict[str, Any]:
    surveyed = place.surveyed or {"crs": crs.WGS84, "lat": place.lat, "lon": place.lon}
    return {"name": place.name, "kind": place.kind, "grid": place.grid_code, "aliases": place.aliases, **surveyed}


def _org(org: OrgUnit, people: Mapping[str, Person]) -> dict[str, Any]:
    secretary = people.get(org.secretary_id or "")
    return {
        "code": org.code, "name": org.name, "parent": org.parent_code, "kind": org.kind, "level": org.level,
        "secretary": _handle(secretary) if secretary else None, "since": org.valid_from, "until": org.valid_to,
    }  # fmt: skip


async def _units(context: Context) -> list[dict[str, Any]]:
    here = context.ground.community_id
    enrolled = {one.unit_code: one for one in await _all(context, Enrollment, col(Enrollment.person_id).is_(None)) if one.state == "ACTIVE"}
    items: dict[tuple[str, str], list[str]] = {}
    for item in await context.session.scalars(
        sa.select(ResourceItem).where(col(ResourceItem.community_id) == here).order_by(col(ResourceItem.id))
    ):
        items.setdefault((item.unit_code, item.side), []).append(item.text)
    return [
        {
            "code": unit.code, "name": unit.name, "kind": unit.kind, "secretary": unit.secretary_name, "address": unit.address,
            "org_code": unit.org_code, "resources": items.get((unit.code, "resource")), "needs": items.get((unit.code, "need")),
            "enrolled": _day(enrolled[unit.code].confirmed_at) if unit.code in enrolled else None,
        }
        for unit in await _all(context, PartnerUnit, col(PartnerUnit.community_id) == here)
    ]  # fmt: skip


async def _staff(context: Context, people: Mapping[str, Person]) -> list[dict[str, Any]]:
    known = choices("role") or {}
    rows = []
    for role in await context.session.scalars(sa.select(RoleAssignment).order_by(col(RoleAssignment.id))):
        person = people.get(role.person_id)
        ended = role.valid_to is not None and role.valid_to <= context.now
        if person is None or role.role not in known or ended:
            continue
        rows.append({
            "code": person.code, "name": person.display_name, "phone": person.phone, "role": role.role, "grid": role.grid_code,
            "unit": role.unit_code, "since": _day(role.valid_from), "until": _last_day(role.valid_to),
        })  # fmt: skip
        audit.looked(context, person.id, "export", THING)
    return rows


async def _members(context: Context, people: Mapping[str, Person]) -> list[dict[str, Any]]:
    latest = {
        one.person_id: one
        for one in await context.session.scalars(
            sa.select(Enrollment).where(col(Enrollment.person_id).is_not(None)).order_by(col(Enrollment.id))
        )
    }
    rows = []
    for member in await _all(context, PartyMember):
        person, enrolled = people.get(member.person_id), latest.get(member.person_id)
        if person is None or enrolled is None or enrolled.state not in ("INVITED", "APPLIED", "ACTIVE"):
            continue
        rows.append({
            "code": person.code, "name": person.display_name, "phone": person.phone, "kind": member.kind, "status": member.status,
            "unit": member.unit_code, "home_org": member.home_org, "grid": enrolled.grid_code, "building": person.building,
            "branch": enrolled.branch, "skills": member.skills, "availability": member.availability, "services": member.service_kinds,
            "enrolled": _day(enrolled.confirmed_at) if enrolled.state == "ACTIVE" else None, "exempt": member.health_exempt,
            "emergency": member.emergency_opt_in, "backbone": member.backbone,
        })  # fmt: skip
        audit.looked(context, person.id, "export", THING)
    return rows


def _day(at: Any) -> Any:
    return at.astimezone(ZONE).date() if at is not None else None


def _last_day(at: Any) -> Any:
    """The last day inside a term that ends at `at`."""
    if at is None:
        return None
    local = at.astimezone(ZONE)
    return local.date().fromordinal(local.date().toordinal() - 1) if local.time().isoformat() == "00:00:00" else local.date()


# -- writing ----------------------------------------------------------------------------------------------------------
def _write(rows: Mapping[str, Iterable[Values]], examples: bool) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, AS_WRITTEN) as book:
        formats = {
            "head": book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "num_format": _TEXT}),
            "must": book.add_format({"bold": True, "bg_color": "#FCE4D6", "border": 1, "num_format": _TEXT}),
            "example": book.add_format({"italic": True, "font_color": "#808080", "num_format": _TEXT}),
            "text": book.add_format({"num_format": _TEXT}),
            "plain": book.add_format({}),
            "guide": book.add_format({"text_wrap": True, "valign": "top"}),
        }
        page = book.add_worksheet(mark("guide"))
        page.set_column(0, 0, 110)
        for number, line in enumerate(guide()):
            page.write_string(number, 0, line, formats["guide"])
        for sheet in sheets():
            _page(book.add_worksheet(sheet.title), sheet, list(rows.get(sheet.key, ())), examples, formats)
    return buffer.getvalue()


def _page(page: Any, sheet: Sheet, rows: list[Values], examples: bool, formats: Mapping[str, Format]) -> None:
    page.freeze_panes(1, 1)
    for index, column in enumerate(sheet.columns):
        counted = column.kind in ("number", "whole")
        page.set_column(index, index, column.width, formats["plain" if counted else "text"])
        title = f"{column.title}{mark('required') if column.required else ''}"
        page.write_string(0, index, title, formats["must" if column.required else "head"])
        if column.note:
            page.write_comment(0, index, column.note, {"x_scale": 2})
        _offer(page, index, column)
    if examples:
        for index, column in enumerate(sheet.columns):
            shown = "" if column.example is None else str(column.example)
            page.write_string(1, index, f"{mark('example')} {shown}" if index == 0 else shown, formats["example"])
    for number, row in enumerate(rows, 1):
        for index, column in enumerate(sheet.columns):
            shown = cells.show(column, row.get(column.key))
            if isinstance(shown, int | float):
                page.write_number(number, index, shown)
            elif shown is not None:  # never a formula, whatever it begins with
                page.write_string(number, index, shown, formats["text"])


def _offer(page: Any, index: int, column: Column) -> None:
    """A drop-down with the column's words; the note of the column when its cell is chosen."""
    words = choices(column.suggest or column.kind)
    offered = list(words.values()) if words else [mark("yes"), mark("no")] if column.kind == "yes_no" else None
    if offered is not None:
        rule: dict[str, Any] = {"validate": "list", "source": offered, "error_type": "information" if column.suggest else "stop"}
        page.data_validation(1, index, MOST_ROWS, index, rule)
