"""Reads grids out of a GeoJSON file: a FeatureCollection of polygons with the properties code, name, households, leader and branch."""

from __future__ import annotations

import json
from typing import Any

from services import cells
from services.crs import WGS84, system_of
from services.faults import BadCell, BadFile, Fault
from services.spreadsheets import MOST_BYTES, MOST_ROWS, Row
from texts.workbook import Column, Sheet, sheet

SOURCE = "GeoJSON"
_LEADER = Column("leader", "leader", "name")


def looks_so(data: bytes) -> bool:
    """Whether the bytes may be JSON."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def read(data: bytes, crs: str | None = None) -> tuple[list[Row], list[Fault]]:
    """The grids as rows of the sheet of grids, numbered by feature, and the faults. Raises BadFile.

    The coordinate system is `crs` where given, else what the file's member "crs" says, else WGS-84.
    """
    if len(data) > MOST_BYTES:
        raise BadFile(Fault("too_large", values={"megabytes": MOST_BYTES // 1024 // 1024}))
    try:
        collection = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadFile(Fault("not_geojson")) from None
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list) or collection.get("type") != "FeatureCollection":
        raise BadFile(Fault("not_geojson"))
    if len(features) > MOST_ROWS:
        raise BadFile(Fault("too_many_rows", SOURCE, values={"rows": MOST_ROWS}))
    system = crs or _system(collection.get("crs"))
    if system is None:
        raise BadFile(Fault("bad_crs", values={"said": "", "known": cells.SYSTEMS}))
    grids, rows, faults = sheet("grids"), [], list[Fault]()
    for number, feature in enumerate(features, 1):
        row = Row(grids, number, {"crs": system}, SOURCE)
        _feature(row, feature if isinstance(feature, dict) else {}, grids, faults)
        rows.append(row)
    return rows, faults


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _system(said: Any) -> str | None:
    """What the file says of its coordinates: a name, or the object of the 2008 specification."""
    if said is None:
        return WGS84
    if isinstance(said, dict):
        properties = said.get("properties")
        said = properties.get("name") if isinstance(properties, dict) else None
    return system_of(said) if isinstance(said, str) else None


def _feature(row: Row, feature: dict[str, Any], grids: Sheet, faults: list[Fault]) -> None:
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    for column in (*(grids.column(key) for key in ("code", "name", "households", "branch")), _LEADER):
        raw = properties.get(column.key)
        try:
            row.values[column.key] = cells.read(column, raw if isinstance(raw, str | int | float) else None)
        except BadCell as bad:
            faults.append(row.fault(bad.reason, column.key, **bad.values))
            row.broken = True
        else:
            if column.required and row[column.key] is None:
                faults.append(row.fault("missing_name" if column.key == "name" else "missing", column.key))
                row.broken = True
    try:
        row.values["polygon"] = _outline(feature.get("geometry"))
    except BadCell as bad:
        faults.append(row.fault(bad.reason, "polygon", **bad.values))
        row.broken = True


def _outline(geometry: Any) -> cells.Outline:
    """The one ring of a polygon as [lat, lon], without its repeated first corner. Raises BadCell."""
    geometry = geometry if isinstance(geometry, dict) else {}
    rings = geometry.get("coordinates")
    if geometry.get("type") == "MultiPolygon" and isinstance(rings, list) and len(rings) == 1:
        rings = rings[0]
    elif geometry.get("type") != "Polygon":
        raise BadCell("no_polygon")
    if not isinstance(rings, list) or len(rings) != 1 or not isinstance(rings[0], list):
        raise BadCell("no_polygon")
    corners = [_corner(position) for position in rings[0]]
    if len(corners) < 2 or corners[0] != corners[-1]:
        raise BadCell("not_closed")
    return corners[:-1]


def _corner(position: Any) -> list[float]:
    numbers = position[:2] if isinstance(position, list) else []
    if len(numbers) != 2 or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        raise BadCell("bad_point")
    return cells.point(float(numbers[1]), float(numbers[0]))
