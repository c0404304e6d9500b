"""Distances and grids: the demo community's plan, edges, corners and concave outlines."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.geography import GridShape, distance_m, grid_at, round_point, valid_point

COMMUNITY = json.loads((Path(__file__).parents[1] / "demo" / "community.json").read_text("utf-8"))
GRIDS = tuple(GridShape(grid["code"], tuple((lat, lon) for lat, lon in grid["polygon_lat_lon"])) for grid in COMMUNITY["grids"])
PLACES = COMMUNITY["places"] + COMMUNITY["buildings"]


def square(code: str, lat: float, lon: float, side: float = 1.0) -> GridShape:
    return GridShape(code, ((lat, lon), (lat, lon + side), (lat + side, lon + side), (lat + side, lon)))


@pytest.mark.parametrize(("lat", "lon", "metres"), [(31.2016, 120.1519, 59), (31.2060, 120.1580, 817), (31.2012, 120.1515, 0)])
def test_distances_from_the_collection_point(lat: float, lon: float, metres: int) -> None:
    assert round(distance_m(lat, lon, 31.2012, 120.1515)) == metres
    assert round(distance_m(31.2012, 120.1515, lat, lon)) == metres


def test_distances_around_the_globe() -> None:
    assert distance_m(0, 179.5, 0, -179.5) == pytest.approx(111_195, abs=1)
    assert distance_m(90, 0, -90, 0) == pytest.approx(math.pi * 6_371_008.8)
    assert distance_m(31.2, 120.15, -31.2, -59.85) == pytest.approx(math.pi * 6_371_008.8)


@pytest.mark.parametrize("place", PLACES, ids=[place["name"] for place in PLACES])
def test_every_demo_place_lies_in_its_grid(place: dict[str, str | float]) -> None:
    assert grid_at(float(place["lat"]), float(place["lon"]), GRIDS) == place["grid"]


@pytest.mark.parametrize(
    ("lat", "lon", "code"),
    [
        (31.201, 120.153, "G1"),  # on the edge of G1 and G2
        (31.2025, 120.1515, "G1"),  # on the edge of G1 and G4
        (31.2025, 120.153, "G1"),  # the corner of G1, G2, G4 and G5
        (31.2025, 120.156, "G2"),  # the corner of G2, G3, G5 and G6
        (31.203, 120.156, "G5"),
        (31.204, 120.1565, "G5"),  # on the step that G5 cuts into G6
        (31.204, 120.157, "G5"),  # the inner corner of that step
        (31.2045, 120.1565, "G5"),  # inside the step
        (31.2039, 120.1565, "G6"),  # just below it
        (31.204, 120.1575, "G6"),  # level with the step, beyond it
        (31.2, 120.15, "G1"),  # the outer corner
        (31.205, 120.159, "G6"),
        (31.1999, 120.1515, None),
        (31.2051, 120.157, None),
        (31.2015, 120.1591, None),
        (31.2025, 120.1599, None),  # level with inner corners, outside
    ],
)
def test_points_on_edges_and_corners(lat: float, lon: float, code: str | None) -> None:
    assert grid_at(lat, lon, GRIDS) == code
    assert grid_at(lat, lon, reversed(GRIDS)) == code


def test_an_edge_forgives_what_arithmetic_loses() -> None:
    edge = 120.15 + 0.001 + 0.001 + 0.001
    assert edge != 120.153
    assert grid_at(31.201, edge, GRIDS) == "G1"
    assert grid_at(31.201, 120.153 + 2e-9, GRIDS) == "G2"


def test_a_slanted_edge_belongs_to_both_and_goes_to_the_lower() -> None:
    lower = GridShape("G1", ((0.0, 0.0), (0.3, 0.7), (0.0, 0.7)))
    upper = GridShape("G2", ((0.0, 0.0), (0.3, 0.7), (0.3, 0.0)))
    for step in range(11):
        lat, lon = 0.3 * step / 10, 0.7 * step / 10
        assert (grid_at(lat, lon, [lower]), grid_at(lat, lon, [upper])) == ("G1", "G2")
        assert grid_at(lat, lon, [upper, lower]) == "G1"


def test_a_concave_outline_leaves_out_its_bay() -> None:
    horseshoe = GridShape("U", ((0, 0), (0, 3), (3, 3), (3, 2), (1, 2), (1, 1), (3, 1), (3, 0)))
    assert [grid_at(2, lon, [horseshoe]) for lon in (0.5, 1.5, 2.5)] == ["U", None, "U"]
    assert grid_at(0.5, 1.5, [horseshoe]) == "U"
    assert grid_at(1, 1.5, [horseshoe]) == "U"
    assert grid_at(1.0001, 1.5, [horseshoe]) is None
    assert grid_at(3, 1.5, [horseshoe]) is None


def test_the_lowest_code_reads_digits_as_a_number() -> None:
    assert grid_at(1, 0.5, [square("G10", 0, 0), square("G2", 1, 0)]) == "G2"


def test_odd_outlines_and_points() -> None:
    assert grid_at(0, 0, []) is None
    assert grid_at(0, 0, [GridShape("line", ((0, 0), (1, 1)))]) is None
    closed = GridShape("closed", ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0)))
    assert grid_at(0.5, 0.5, [closed]) == "closed"
    assert grid_at(math.nan, 0.5, [closed]) is None
    assert grid_at(0.5, math.inf, [closed]) is None


@pytest.mark.parametrize(
    ("lat", "lon", "valid"),
    [
        (31.2, 120.15, True),
        (-90, 180, True),
        (90.0001, 0, False),
        (0, -180.1, False),
        (math.nan, 0, False),
        (0, math.nan, False),
        (math.inf, 0, False),
    ],
)
def test_valid_points(lat: float, lon: float, valid: bool) -> None:
    assert valid_point(lat, lon) is valid


def test_rounding_a_point() -> None:
    assert round_point(31.201234, 120.151987) == (31.2012, 120.152)
    assert round_point(31.201234, 120.151987, places=2) == (31.2, 120.15)


@given(lat=st.floats(31.1995, 31.2055), lon=st.floats(120.1495, 120.1595))
def test_the_grids_part_the_plan(lat: float, lon: float) -> None:
    holding = [grid.code for grid in GRIDS if grid_at(lat, lon, [grid])]
    edges = (31.2, 31.2025, 31.204, 31.205), (120.15, 120.153, 120.156, 120.157, 120.159)
    near_edge = any(abs(lat - edge) < 1e-8 for edge in edges[0]) or any(abs(lon - edge) < 1e-8 for edge in edges[1])
    if not near_edge:
        assert len(holding) == (31.2 < lat < 31.205 and 120.15 < lon < 120.159)
    assert grid_at(lat, lon, GRIDS) == min(holding, default=None)


@given(lat1=st.floats(-90, 90), lon1=st.floats(-180, 180), lat2=st.floats(-90, 90), lon2=st.floats(-180, 180))
def test_a_distance_is_symmetric_and_on_the_globe(lat1: float, lon1: float, lat2: float, lon2: float) -> None:
    distance = distance_m(lat1, lon1, lat2, lon2)
    assert 0 <= distance <= math.pi * 6_371_009
    assert distance == pytest.approx(distance_m(lat2, lon2, lat1, lon1), abs=1e-3)
