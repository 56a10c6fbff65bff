"""Which ways and points are worth looking at."""

from collections.abc import Iterable, Sequence

from .results import Point, Way

CLOSE = 1.1
"""Times that differ by less count as equal, since they differ as much from run to run; fewer bytes then decide."""

LEAST_RECALL = 0.8
"""What finds less is not drawn."""


def pareto_front(ways: Sequence[Way]) -> list[tuple[int, int]]:
    """Places of ways and of their timed points that no other beats in bytes, time and recall at once.

    Ordered by bytes, then by time.
    """
    timed = [
        (way.n_bytes, point.ms, -point.recall.value, i, j)
        for i, way in enumerate(ways)
        for j, point in enumerate(way.points)
        if point.ms is not None
    ]
    front: list[tuple[int, float, float, int, int]] = []
    for one in sorted(timed):  # so that whatever beats a point comes before it
        if not any(other[1] <= one[1] and other[2] <= one[2] for other in front):
            front.append(one)
    return [(i, j) for *_, i, j in front]


def fastest(ways: Sequence[Way], places: Iterable[int]) -> int | None:
    """Of some ways the one that reaches the target soonest; of those about as fast, one of the fewest bytes.

    places: of the ways; those without a chosen effort are passed over. Returns: a place, None where none is left.
    """
    times = {place: ms for place in places if (ms := ways[place].chosen_ms) is not None}
    if not times:
        return None
    enough = CLOSE * min(times.values())
    return min(
        (place for place, ms in times.items() if ms <= enough),
        key=lambda place: (ways[place].n_bytes, times[place]),
    )


def fastest_at(ways: Sequence[Way], n_bytes: int, level: float) -> tuple[Way, Point] | None:
    """The fastest timed point of at least this recall among ways of so many bytes."""
    enough = [
        (point.ms, i, way, point)
        for i, way in enumerate(ways)
        for point in way.points
        if way.n_bytes == n_bytes and point.ms is not None and point.recall.value >= level
    ]
    if not enough:
        return None
    _, _, way, point = min(enough, key=lambda one: one[:2])
    return way, point


def envelope(ways: Iterable[Way], family: str, budget_bytes: int) -> list[tuple[float, float]]:
    """What a family gives within the budget, pivots whatever they take: milliseconds and recall, by time.

    Timed points of some recall of which none finds less than a quicker one.
    """
    points = sorted(
        (point.ms, -point.recall.value)
        for way in ways
        if way.family == family and (way.n_bytes <= budget_bytes or way.kind == "pivots")
        for point in way.points
        if point.ms is not None and point.recall.value >= LEAST_RECALL
    )
    best: list[tuple[float, float]] = []
    for ms, negative in points:
        if not best or -negative > best[-1][1]:
            best.append((ms, -negative))
    return best


def steps_down(ways: Iterable[Way], family: str) -> list[tuple[int, float]]:
    """Bytes and milliseconds at the target of a family's ways that are faster than all smaller ones, by bytes."""
    points = sorted(
        (way.n_bytes, way.chosen_ms) for way in ways if way.family == family and way.chosen_ms is not None
    )
    best: list[tuple[int, float]] = []
    for n_bytes, ms in points:
        if not best or ms < best[-1][1]:
            best.append((n_bytes, ms))
    return best
