"""Whether a report is probably one that is already open: grid and time first, then the words (domain.md §1, Near-duplicate)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Problem
from services import understanding
from services.context import Context
from services.geography import EARTH_RADIUS_M, distance_m

NEAR_DAYS, NEAR_METRES = 30, 50
OPEN = ("SUBMITTED", "ACCEPTED", "IN_PROGRESS", "SUSPENDED")


async def near_duplicate(context: Context, data: Mapping[str, Any]) -> Problem | None:
    """An open problem that is probably the same one as the draft with these data, the newest first."""
    rows = await context.session.scalars(
        sa.select(Problem)
        .where(
            col(Problem.category) == data["category"], col(Problem.state).in_(OPEN), col(Problem.merged_into_id).is_(None),
            col(Problem.submitted_at) >= context.now - timedelta(days=NEAR_DAYS), _about_here(data),
        )
        .order_by(col(Problem.submitted_at).desc())
        .limit(200)
    )  # fmt: skip
    return next((problem for problem in rows if _looks_the_same(data, problem)), None)


def _about_here(data: Mapping[str, Any]) -> Any:
    """Where one that looks the same can be at all: at the place, in the grid, or in a box that holds the circle around the point."""
    where: list[Any] = [col(Problem.place_id) == data["place_id"]] if data.get("place_id") else []
    if data.get("grid"):
        where.append(col(Problem.grid_code) == data["grid"])
    if (lat := data.get("lat")) is not None:
        north = math.degrees(1.01 * NEAR_METRES / EARTH_RADIUS_M)
        east = north / max(0.01, math.cos(math.radians(lat)))
        points = col(Problem.lat).between(lat - north, lat + north), col(Problem.lon).between(data["lon"] - east, data["lon"] + east)
        where.append(sa.and_(*points))
    return sa.or_(*where) if where else sa.false()


def _looks_the_same(data: Mapping[str, Any], problem: Problem) -> bool:
    """Whether an open problem of the draft's category is near it and, by what was written, may be the same one.

    At one place or within 50 m only a clearly different thing or cause makes two; elsewhere in the grid the words decide, and
    where both points are known to be apart they must be alike by half.
    """
    said, known = data.get("text") or "", problem.text or ""
    apart = data.get("lat") is not None and problem.lat is not None and problem.lon is not None
    near = bool(data.get("place_id")) and problem.place_id == data["place_id"]
    if apart and not near:
        near = distance_m(data["lat"], data["lon"], problem.lat or 0.0, problem.lon or 0.0) <= NEAR_METRES
    if near:
        return not said or not known or understanding.same_matter(said, known, True, problem.category)
    if not said or not data.get("grid") or problem.grid_code != data["grid"]:
        return False
    if apart and understanding.similarity(said, known) < understanding.DUPLICATE:
        return False
    return understanding.same_matter(said, known, category=problem.category)
