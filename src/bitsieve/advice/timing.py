"""Milliseconds a query: one thread, one query at a time, as a request brings it."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from ..arrays import FloatArray

ROUNDS = 5
LEAST_QUERIES = 4


def milliseconds(
    searches: Sequence[Callable[[FloatArray], object]], queries: FloatArray, *, round_seconds: float
) -> list[float]:
    """Time searches in turn, and take the median of the rounds, so that what disturbs one disturbs all.

    searches: each takes (1, d) queries. queries: (q, d), of which the first are asked.
    round_seconds: of one search, about. So a quick one is asked more queries, and what the one before it left of the
        processor's caches matters little.
    Returns: the mean of a query in the median round, of each search.
    """
    counts = []
    for search in searches:  # which also warms up
        search(queries[:1])
        started = time.perf_counter()
        search(queries[:1])
        one = time.perf_counter() - started
        counts.append(min(len(queries), max(LEAST_QUERIES, int(round_seconds / max(one, 1e-9)))))
    rounds = [
        [_round(search, queries[:count]) for search, count in zip(searches, counts, strict=True)]
        for _ in range(ROUNDS)
    ]
    return [1000 * median(times) for times in zip(*rounds, strict=True)]


def _round(search: Callable[[FloatArray], object], queries: FloatArray) -> float:
    started = time.perf_counter()
    for i in range(len(queries)):
        search(queries[i : i + 1])
    return (time.perf_counter() - started) / len(queries)
