"""The ground of an import: grids, places, units, the organisation tree, holidays (domain.md §3 Structure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Enrollment, Grid, HolidayDay, OrgUnit, PartnerUnit, Place, ResourceItem
from services import cells, crs, polygons
from services.context import Context
from services.faults import BadCell
from services.geography import GridShape, grid_at
from services.importing_people import People
from services.plans import Plan
from services.spreadsheets import Row
from services.workdays import ZONE

CONFIRMED_AT = time(9)


class Ground:
    """Grids, places and units as they are and as the plan will make them."""

    def __init__(self, plan: Plan, community_id: str) -> None:
        self.plan, self.community_id = plan, community_id
        self.grids: dict[str, Grid] = {}
        self.places: dict[str, Place] = {}
        self.units: dict[str, PartnerUnit] = {}
        self.said: set[tuple[str, str]] = set()
        self.broken: set[str] = set()

    @classmethod
    async def of(cls, context: Context, plan: Plan) -> Ground:
        """The community's ground as it is stored."""
        made = cls(plan, context.ground.community_id)
        here = context.ground.community_id
        made.grids = {grid.code: grid for grid in await context.session.scalars(sa.select(Grid).where(col(Grid.community_id) == here))}
        places = await context.session.scalars(sa.select(Place).where(col(Place.community_id) == here))
        made.places = {place.name: place for place in places}
        units = await context.session.scalars(sa.select(PartnerUnit).where(col(PartnerUnit.community_id) == here))
        made.units = {unit.code: unit for unit in units}
        return made

    def _twice(self, row: Row, kind: str, name: str, reason: str, column: str) -> bool:
        """Note a name that the file says twice in one sheet."""
        if (kind, name) in self.said:
            self.plan.fault(row, reason, column, said=name)
            return True
        self.said.add((kind, name))
        return False

    # -- grids --------------------------------------------------------------------------------------------------
    def grid(self, row: Row) -> None:
        """One grid; its outline is checked, kept as it was surveyed, and brought to WGS-84."""
        code = row["code"]
        if code is None:
            return
        if not code.startswith("G") or not code[1:].isdecimal() or len(code) > 4:
            self.plan.fault(row, "bad_grid_code", "code", said=code)
        if not row.broken and self._twice(row, "grid", code, "duplicate_code", "code"):
            return
        outline = row["polygon"]
        if outline is not None and (wrong := polygons.fault_of(outline)) is not None:
            self.plan.fault(row, wrong, "polygon", most=polygons.MOST_CORNERS)
        if row.broken:
            self.broken.add(code)
            return
        with self.plan.entry(row):
            grid = self.grids.get(code)
            if grid is None:
                grid = self.grids[code] = Grid(community_id=self.community_id, code=code, name=row["name"])
                self.plan.add(grid, main=True)
            self.plan.set(grid, name=row["name"], household_count=row["households"], branch_name=row["branch"])
            if outline is not None:
                system = row["crs"] or (grid.surveyed or {}).get("crs", crs.WGS84)
                surveyed = None if system == crs.WGS84 else {"crs": system, "polygon": outline}
                self.plan.set(grid, polygon=[list(crs.to_wgs84(lat, lon, system)) for lat, lon in outline])
                self.plan.put(grid, "surveyed", surveyed)

    def shapes(self, *codes: str) -> list[GridShape]:
        """The outlines of these grids (of all, when none is named) as they will be."""
        chosen = [self.grids[code] for code in codes or self.grids if code in self.grids]
        return [GridShape(grid.code, tuple((lat, lon) for lat, lon in self.plan.value(grid, "polygon"))) for grid in chosen]

    def knows_grid(self, row: Row) -> bool:
        """Whether the row's grid exists, or will; a fault where not. A grid whose own row is broken was named there."""
        code = row["grid"]
        if code is None or code in self.grids:
            return True
        if code not in self.broken:
            self.plan.fault(row, "unknown_grid", "grid", said=code)
        return False

    def unit_of(self, row: Row) -> PartnerUnit | None:
        """The unit that the row names by code or name; a fault where there is none."""
        said = row["unit"]
        if said is None:
            return None
        found = self.units.get(said.upper()) or next((unit for unit in self.units.values() if self.plan.value(unit, "name") == said), None)
        if found is None:
            self.plan.fault(row, "unknown_unit", "unit", said=said)
        return found

    # -- places -------------------------------------------------------------------------------------------------
    def place(self, row: Row) -> None:
        """One place, which lies in its grid."""
        if row.broken or self._twice(row, "place", row["name"], "duplicate_place", "name"):
            return
        known = self.places.get(row["name"])
        system = row["crs"] or ((known.surveyed or {}).get("crs", crs.WGS84) if known else crs.WGS84)
        try:
            surveyed = cells.point(row["lat"], row["lon"])
        except BadCell as bad:
            self.plan.fault(row, bad.reason, "lat")
            return
        lat, lon = crs.to_wgs84(surveyed[0], surveyed[1], system)
        if not self.knows_grid(row):
            return
        code = row["grid"]
        if code is not None and self.plan.value(self.grids[code], "polygon") and grid_at(lat, lon, self.shapes(code)) is None:
            self.plan.fault(row, "outside_grid", "lat", grid=code)
            return
        with self.plan.entry(row):
            if known is None:
                grid_code = code or grid_at(lat, lon, self.shapes())
                known = Place(community_id=self.community_id, name=row["name"], lat=lat, lon=lon, grid_code=grid_code)
                self.places[row["name"]] = known
                self.plan.add(known, main=True)
            self.plan.set(known, grid_code=code, lat=lat, lon=lon, kind=row["kind"], aliases=row["aliases"])
            kept = None if system == crs.WGS84 else {"crs": system, "lat": surveyed[0], "lon": surveyed[1]}
            self.plan.put(known, "surveyed", kept)

    # -- units --------------------------------------------------------------------------------------------------
    async def unit(self, context: Context, row: Row) -> None:
        """One unit with what it gives and needs; with a date it has reported in."""
        if row.broken or self._twice(row, "unit", row["code"], "duplicate_code", "code"):
            return
        if self._twice(row, "unit name", row["name"], "duplicate_name", "name"):
            return
        with self.plan.entry(row):
            unit = self.units.get(row["code"])
            if unit is None:
                unit = PartnerUnit(community_id=self.community_id, code=row["code"], name=row["name"])
                self.units[unit.code] = unit
                self.plan.add(unit, main=True)
            self.plan.set(
                unit,
                name=row["name"],
                kind=row["kind"],
                address=row["address"],
                secretary_name=row["secretary"],
                org_code=row["org_code"],
            )
            for side, texts in (("resource", row["resources"]), ("need", row["needs"])):
                await self._items(context, unit.code, side, texts or ())
            if row["enrolled"] is not None:
                await self._report_in(context, unit.code, datetime.combine(row["enrolled"], CONFIRMED_AT, ZONE))

    async def _items(self, context: Context, code: str, side: str, texts: Sequence[str]) -> None:
        if not texts:
            return
        here = sa.select(col(ResourceItem.text)).where(col(ResourceItem.unit_code) == code, col(ResourceItem.side) == side)
        listed = set(await context.session.scalars(here.where(col(ResourceItem.community_id) == self.community_id)))
        for text in texts:
            if text not in listed:
                item = ResourceItem(community_id=self.community_id, unit_code=code, side=side, text=text, listed_at=context.now)
                self.plan.add(item)

    async def _report_in(self, context: Context, code: str, at: datetime) -> None:
        query = sa.select(Enrollment).where(
            col(Enrollment.unit_code) == code, col(Enrollment.person_id).is_(None), col(Enrollment.community_id) == self.community_id
        )
        every = list(await context.session.scalars(query))
        live = next((one for one in every if one.state in ("INVITED", "APPLIED", "ACTIVE")), None)
        if live is None and not every:
            made = Enrollment(community_id=self.community_id, kind="unit", unit_code=code, source="import", applied_at=at)
            self.plan.begin(made)
            self.plan.confirmed(made, at)
        elif live is not None and live.state == "INVITED":
            self.plan.confirmed(live, at)
        elif live is not None and live.state == "ACTIVE" and live.source == "import":
            self.plan.set(live, applied_at=at, confirmed_at=at)


async def organisations(context: Context, plan: Plan, people: People, rows: list[Row]) -> None:
    """The tree of party organisations: every parent known, nothing its own ancestor, paths from the root."""
    here = context.ground.community_id
    stored = await context.session.scalars(sa.select(OrgUnit).where(col(OrgUnit.community_id) == here))
    known = {org.code: org for org in stored}
    parents = {code: org.parent_code for code, org in known.items()}
    sound: list[Row] = []
    said: set[str] = set()
    for row in rows:
        if row["code"] in said:
            plan.fault(row, "duplicate_code", "code", said=row["code"])
        elif row["code"] is not None:
            said.add(row["code"])
            parents[row["code"]] = row["parent"] or parents.get(row["code"])
            sound.append(row)
    for row in sound:
        parent = row["parent"]
        if row.broken:
            continue
        if parent is not None and parent not in parents:
            plan.fault(row, "unknown_parent", "parent", said=parent)
        elif parent is not None and _circles(row["code"], parents):
            plan.fault(row, "circle", "parent", said=row["code"])
    if any(row.broken for row in rows):
        return
    for row in sound:
        with plan.entry(row):
            org = known.get(row["code"])
            if org is None:
                org = known[row["code"]] = OrgUnit(community_id=here, code=row["code"], name=row["name"])
                plan.add(org, main=True)
            secretary = people.refer(row, "secretary")
            plan.set(
                org,
                name=row["name"],
                parent_code=row["parent"],
                kind=row["kind"],
                level=row["level"],
                secretary_id=secretary.id if secretary else None,
                valid_from=row["since"],
                valid_to=row["until"],
            )
            plan.set(org, path=_path(org.code, parents))
    for code, org in known.items():  # those under one that moved
        if plan.value(org, "path") != _path(code, parents):
            plan.fields.append((org, "path", _path(code, parents)))


def _ancestors(code: str, parents: dict[str, str | None]) -> list[str]:
    """The codes from here up to the root; a circle ends where it closes."""
    line, at = [code], parents.get(code)
    while at is not None and at not in line:
        line.append(at)
        at = parents.get(at)
    return line


def _circles(code: str, parents: dict[str, str | None]) -> bool:
    line = _ancestors(code, parents)
    return parents.get(line[-1]) == code


def _path(code: str, parents: dict[str, str | None]) -> str:
    return "".join(f"{one}/" for one in reversed(_ancestors(code, parents)))


async def holidays(context: Context, plan: Plan, rows: list[Row]) -> None:
    """The official holiday list as it was published."""
    known: dict[Any, HolidayDay] = {day.day: day for day in await context.session.scalars(sa.select(HolidayDay))}
    said: set[Any] = set()
    for row in rows:
        if row.broken:
            continue
        if row["day"] in said:
            plan.fault(row, "duplicate_day", "day")
            continue
        said.add(row["day"])
        with plan.entry(row):
            works = row["kind"] == "work"
            day = known.get(row["day"])
            if day is None:
                plan.add(HolidayDay(day=row["day"], is_workday=works, name=row["name"] or "", source="import"), main=True)
            else:
                plan.set(day, is_workday=works, name=row["name"])


__all__ = ["Ground", "holidays", "organisations"]
