"""Hotspots: where the same thing is reported again and again (domain.md §1: at least three within 60 days, same category and spot)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import Problem
from services.context import Context
from services.geography import distance_m
from services.replay import UNCOUNTED
from texts.screen import Key, Value

LEAST, DAYS, METRES = 3, 60, 50


@dataclass(frozen=True, slots=True)
class Hotspot:
    """Problems of one category around one spot, latest first; `place` is the name most of them share."""

    category: str
    place: str
    grid: str | None
    problems: tuple[Problem, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.problems)

    @property
    def shown(self) -> Value:
        """As a digest says it (domain.md §11)."""
        return Key(
            "hotspot.line", {"place": self.place, "category": Key(f"category.{self.category}"), "count": self.count, "days": DAYS}
        )  # fmt: skip


async def find(context: Context, at: datetime, grid: str | None = None) -> list[Hotspot]:
    """The hotspots of the last 60 days before `at`, the largest first; with `grid`, those of that grid."""
    query = sa.select(Problem).where(
        col(Problem.community_id) == context.ground.community_id,
        col(Problem.submitted_at) > at - timedelta(days=DAYS), col(Problem.submitted_at) <= at, col(Problem.state).not_in(UNCOUNTED),
    )  # fmt: skip
    if grid is not None:
        query = query.where(col(Problem.grid_code) == grid)
    return gather(list(await context.session.scalars(query.order_by(col(Problem.submitted_at).desc(), col(Problem.code).desc()))))


async def around(context: Context, problem: Problem) -> Hotspot | None:
    """The hotspot that this problem belongs to now, or None."""
    return next((spot for spot in await find(context, context.now) if any(one.id == problem.id for one in spot.problems)), None)


def gather(problems: Sequence[Problem]) -> list[Hotspot]:
    """The hotspots among these problems. Each belongs to one at most: the largest around a problem in its middle is taken first."""
    by_category: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_category[problem.category].append(problem)
    found: list[Hotspot] = []
    for category, rest in by_category.items():
        while len(rest) >= LEAST:
            largest = max(([other for other in rest if together(one, other)] for one in rest), key=len)
            if len(largest) < LEAST:
                break
            names = [one.place_name for one in largest if one.place_name]
            place = max(dict.fromkeys(names), key=names.count) if names else ""
            found.append(Hotspot(category, place, largest[0].grid_code, tuple(largest)))
            taken = {one.id for one in largest}
            rest = [one for one in rest if one.id not in taken]
    return sorted(found, key=lambda spot: (-spot.count, spot.category, spot.place))


def together(one: Problem, other: Problem) -> bool:
    """Whether two problems are at the same spot: the same place, or at most 50 metres apart."""
    if one.place_id is not None and one.place_id == other.place_id:
        return True
    if one.lat is None or one.lon is None or other.lat is None or other.lon is None:
        return one.id == other.id
    return distance_m(one.lat, one.lon, other.lat, other.lon) <= METRES


__all__ = ["DAYS", "LEAST", "METRES", "Hotspot", "around", "find", "gather", "together"]
