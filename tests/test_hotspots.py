"""Hotspots: three within sixty days, one category, one spot (domain.md §1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from problem_stage import find, report
from work_stage import Stage, staged

from models import Problem
from models.types import new_id
from services import hotspots
from services.workdays import ZONE

AT = datetime(2026, 11, 23, 8, 30, tzinfo=ZONE)
METRE = 1 / 111_195  # of latitude, in degrees
DAY = timedelta(days=1)


def problem(metres: float = 0, category: str = "B01", place: str | None = None, name: str = "") -> Problem:
    return Problem(
        id=new_id(), community_id="c", code="WT", category=category, place_id=place, place_name=name, lat=31.2 + metres * METRE, lon=120.15,
        grid_code="G1", submitted_at=AT, contact_due=AT, resolve_due=AT, original_resolve_due=AT,
    )  # fmt: skip


def sizes(*every: Problem) -> list[int]:
    return [spot.count for spot in hotspots.gather(every)]


def test_three_at_one_spot():
    assert sizes(problem(), problem(), problem()) == [3]
    assert sizes(problem(), problem()) == []
    assert sizes(problem(), problem(), problem(category="B02")) == []


def test_fifty_metres_from_one_in_the_middle():
    assert sizes(problem(0), problem(49), problem(-49)) == [3]
    assert sizes(problem(0), problem(52), problem(-49)) == []
    assert sizes(problem(0), problem(45), problem(90), problem(135)) == [3]  # no chain along the street


def test_the_same_place_however_far_its_points_are():
    assert sizes(*(problem(metres, place="p") for metres in (0, 80, 160))) == [3]
    assert (
        sizes(*(Problem(**{**problem().model_dump(), "id": new_id(), "lat": None, "lon": None, "place_id": None}) for _ in range(3))) == []
    )


def test_the_largest_first_and_none_counted_twice():
    assert sizes(*(problem(metres) for metres in (0, 0, 0, 0, 40, 500, 500, 500))) == [5, 3]
    assert hotspots.gather([problem(name="a"), problem(name="b"), problem(name="b")])[0].place == "b"


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = AT
        yield made


async def test_sixty_days_and_what_counts_not(stage):
    for days in (59, 30):
        await report(stage, submitted_at=AT - days * DAY)
    for state in ("MERGED", "REJECTED", "WITHDRAWN"):
        await report(stage, submitted_at=AT, state=state)
    old = await report(stage, submitted_at=AT - 60 * DAY)
    async with stage.turn(None) as context:
        assert await hotspots.find(context, AT) == []
    closed = await report(stage, submitted_at=AT, state="CLOSED")
    async with stage.turn(None) as context:
        (spot,) = await hotspots.find(context, AT)
        assert spot.count == 3
        assert await hotspots.find(context, AT, "G2") == []
        assert len(await hotspots.find(context, AT, "G1")) == 1
    here, gone = await find(stage, closed), await find(stage, old)
    async with stage.turn(None) as context:
        assert (await hotspots.around(context, here)).count == 3
        assert await hotspots.around(context, gone) is None


async def test_the_two_of_the_demo(world_sqlite):
    from services.context import SCHEDULER, Context, ground

    async with world_sqlite.app.database.transaction() as session:
        context = Context(session, AT, SCHEDULER, await ground(session), "t")
        found = [(spot.place, spot.category, spot.count) for spot in await hotspots.find(context, AT)]
    assert found == [("青禾苑3幢", "B01", 3), ("望溪商街12号", "G01", 3)]
