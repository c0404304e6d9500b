"""Whether an outline can be a grid: enough corners, no edge across another, some ground inside."""

from __future__ import annotations

from collections.abc import Sequence

Corner = Sequence[float]
MOST_CORNERS = 500


def fault_of(corners: Sequence[Corner]) -> str | None:
    """What is wrong with an outline of [lat, lon] whose last corner is joined to the first: few_points, many_points, crossing; or None."""
    if len(corners) > MOST_CORNERS:
        return "many_points"
    if len({tuple(corner) for corner in corners}) < 3 or len(corners) < 3:
        return "few_points"
    if len({tuple(corner) for corner in corners}) != len(corners):
        return "crossing"
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    for first in range(len(edges)):
        for second in range(first + 1, len(edges)):
            neighbours = second == first + 1 or (first == 0 and second == len(edges) - 1)
            if neighbours:
                if _folds_back(*edges[first], *edges[second]):
                    return "crossing"
            elif _touch(*edges[first], *edges[second]):
                return "crossing"
    return None


def _turn(a: Corner, b: Corner, c: Corner) -> float:
    """Positive to the left, negative to the right, 0 straight on."""
    value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0.0 if abs(value) < 1e-16 else value


def _within(a: Corner, b: Corner, point: Corner) -> bool:
    return min(a[0], b[0]) <= point[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= point[1] <= max(a[1], b[1])


def _touch(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    one, two, three, four = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if one * two < 0 and three * four < 0:
        return True
    on = ((one, a, b, c), (two, a, b, d), (three, c, d, a), (four, c, d, b))
    return any(turn == 0 and _within(start, end, point) for turn, start, end, point in on)


def _folds_back(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether two edges that share a corner lie on each other."""
    shared, one, two = (b, a, d) if tuple(b) == tuple(c) else (a, b, c)
    if _turn(one, shared, two) != 0:
        return False
    forward = [(one[i] - shared[i]) * (two[i] - shared[i]) for i in (0, 1)]
    return sum(forward) > 0
