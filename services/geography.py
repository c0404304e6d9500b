"""Where a point lies: distances in metres and the grid that holds it.

Points are (latitude, longitude) in degrees, in the one coordinate system the community uses.
Source: domain.md §3 (Grid, point rule), §5 (check-in radius).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EARTH_RADIUS_M = 6_371_008.8
# About a tenth of a millimetre: wider than any rounding error, narrower than any survey.
EDGE_TOLERANCE_DEGREES = 1e-9

Point = tuple[float, float]


@dataclass(frozen=True)
class GridShape:
    """A grid's outline: its corners in order, concave allowed, the last one joined to the first."""

    code: str
    polygon: tuple[Point, ...]


def valid_point(lat: float, lon: float) -> bool:
    """Return whether these are finite degrees on the globe."""
    # A comparison with NaN is false, so it needs no test of its own.
    return -90 <= lat <= 90 and -180 <= lon <= 180


def round_point(lat: float, lon: float, places: int = 4) -> Point:
    """Return the point coarsened to so many decimals; four are about ten metres (domain.md §3, Problem)."""
    return round(lat, places), round(lon, places)


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the great-circle distance of two points in metres (haversine)."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    half_dlat = (phi2 - phi1) / 2
    half_dlon = math.radians(lon2 - lon1) / 2
    chord = math.sin(half_dlat) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(half_dlon) ** 2
    # Rounding may lift the chord of two opposite points just above one.
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, chord)))


def grid_at(lat: float, lon: float, grids: Iterable[GridShape]) -> str | None:
    """Return the code of the grid that holds the point, or None outside all of them.

    A point on a shared edge or corner belongs to the lowest code, G2 before G10 (domain.md §3).
    """
    if not valid_point(lat, lon):
        return None
    holding = (grid.code for grid in grids if _holds(grid.polygon, (lat, lon)))
    return min(holding, key=_code_order, default=None)


def _code_order(code: str) -> list[tuple[int, int, str]]:
    """Return a sort key that reads the digits of a code as numbers."""
    parts = re.findall(r"\d+|\D+", code)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _edges(polygon: tuple[Point, ...]) -> Iterator[tuple[Point, Point]]:
    return zip(polygon, polygon[1:] + polygon[:1], strict=True)


def _holds(polygon: tuple[Point, ...], point: Point) -> bool:
    """Return whether the point is inside the polygon or on its outline."""
    if len(polygon) < 3:
        return False
    if any(_on_edge(point, begin, end) for begin, end in _edges(polygon)):
        return True
    lat, lon = point
    inside = False
    for (lat1, lon1), (lat2, lon2) in _edges(polygon):
        # Half-open in latitude, so a ray through a corner crosses exactly one of its two edges.
        if (lat1 > lat) != (lat2 > lat) and lon < lon1 + (lat - lat1) * (lon2 - lon1) / (lat2 - lat1):
            inside = not inside
    return inside


def _on_edge(point: Point, begin: Point, end: Point) -> bool:
    """Return whether the point is no farther from the segment than the tolerance, in degrees."""
    dlat, dlon = end[0] - begin[0], end[1] - begin[1]
    from_lat, from_lon = point[0] - begin[0], point[1] - begin[1]
    length_squared = dlat * dlat + dlon * dlon
    along = (from_lat * dlat + from_lon * dlon) / length_squared if length_squared else 0.0
    along = min(1.0, max(0.0, along))
    return math.hypot(from_lat - along * dlat, from_lon - along * dlon) <= EDGE_TOLERANCE_DEGREES
