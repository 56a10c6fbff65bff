"""Reading speed at a recall off a cloud of measured points.

A peer's front is what it can do at best: the points that no other of its points beats in both recall and speed.
Between two points of the front, log(queries/s) is taken as linear in log(1 − recall), in which these curves are
nearly straight: halving the misses costs about the same factor everywhere. Nothing is extrapolated to a higher recall.
"""

from collections.abc import Iterable
from math import exp, log
from typing import NamedTuple

TARGETS = (0.95, 0.98, 0.99, 0.995)
LEAST_MISS = 1e-4
"""A recall of 1 counts as this share missed: half of one in 500 queries × 10 neighbours is out of sight anyway."""


class Point(NamedTuple):
    """recall@k and queries a second."""

    recall: float
    speed: float


def pareto(points: Iterable[Point]) -> list[Point]:
    """Points that no other beats, by rising recall and falling speed."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.recall, -p.speed)):
        if not front or point.speed > front[-1].speed:
            front.append(point)
    return front[::-1]


def speed_at(points: Iterable[Point], recall: float) -> float | None:
    """Queries a second at this recall; None where no point reaches it.

    Below the front's least recall its fastest point counts: it finds more than was asked.
    """
    front = pareto(points)
    if not front or recall > front[-1].recall:
        return None
    for left, right in zip([None, *front], front, strict=False):
        if recall <= right.recall:
            return right.speed if left is None else _between(left, right, recall)
    raise AssertionError("unreachable: the last point's recall is at least what was asked")


def _between(left: Point, right: Point, recall: float) -> float:
    start, end, here = (log(max(1 - value, LEAST_MISS)) for value in (left.recall, right.recall, recall))
    share = 1.0 if end == start else (start - here) / (start - end)
    return exp(log(left.speed) + share * (log(right.speed) - log(left.speed)))


def exponent(sizes: Iterable[float], values: Iterable[float]) -> float:
    """b of values ≈ a · sizes^b, by least squares of the logarithms."""
    x, y = [log(size) for size in sizes], [log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum(
        (a - mean_x) ** 2 for a in x
    )
