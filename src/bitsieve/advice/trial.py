"""What all ways are measured against: the same vectors, queries and true neighbours, in two halves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, RowArray
from ..evaluation.measures import Estimate
from ..recall.bounds import interval, lower_bound
from ..search import Cascade
from ..search.cascade import Scoring
from .results import Kind, Point, Way
from .setup import Setup, cell_candidates
from .timing import milliseconds

ALL_FOUND = 0.9995
"""Recall beyond which more effort is not timed; up to it every second one is, and the chosen one."""

ROUND_SECONDS = 0.005

Search = Callable[[FloatArray, float], RowArray]
"""Queries (q, d) and an effort → rows (q, k)."""


@dataclass(frozen=True, eq=False)
class Trial:
    """vectors: (n, d) and queries: (q, d) float32, in random order. truth: (q, k) rows of their true neighbours."""

    setup: Setup
    vectors: FloatArray
    queries: FloatArray
    truth: RowArray

    @property
    def choosing(self) -> slice:
        """The queries that choose."""
        return slice(0, len(self.queries) // 2)

    @property
    def trying(self) -> slice:
        """The queries that what was chosen is tried on."""
        return slice(len(self.queries) // 2, None)

    def recalls(self, rows: RowArray, queries: slice = slice(None)) -> NDArray[np.float64]:
        """The share of its true neighbours that each query found. rows: (q, k), what they found."""
        truth = self.truth[queries]
        found = (rows[:, :, np.newaxis] == truth[:, np.newaxis, :]).any(axis=1)
        return np.asarray(found.mean(axis=1), dtype=np.float64)

    def way(
        self, efforts: Sequence[float], recalls: NDArray[np.float64], search: Search, facts: dict[str, Any]
    ) -> Way:
        """What was measured of a way, its searches timed.

        recalls: (q, m), of each query with each of m efforts. facts: the other fields of a `Way`.
        """
        lows, highs = interval(recalls, self.setup.confidence)
        chooses = lower_bound(recalls[self.choosing], self.setup.confidence)
        chosen = first_enough(chooses, self.setup.target_recall)
        means = recalls.mean(axis=0)
        saturated = int(np.argmax(means >= ALL_FOUND)) if (means >= ALL_FOUND).any() else len(means)
        timed = [i for i in range(len(efforts)) if i == chosen or (i % 2 == 0 and i <= saturated)]
        times = milliseconds(
            [at_effort(search, efforts[i]) for i in timed], self.queries, round_seconds=ROUND_SECONDS
        )
        ms = dict(zip(timed, times, strict=True))
        points = [
            Point(effort, Estimate(float(mean), float(low), float(high)), float(choose), ms.get(i))
            for i, (effort, mean, low, high, choose) in enumerate(
                zip(efforts, means, lows, highs, chooses, strict=True)
            )
        ]
        return Way(points=points, chosen=chosen, **facts)


def first_enough(lows: NDArray[np.float64], target: float) -> int | None:
    """The place from which on all reach the target, None where the last one does not."""
    short = np.flatnonzero(lows < target)
    first = int(short[-1]) + 1 if len(short) else 0
    return first if first < len(lows) else None


def at_effort(search: Search, effort: float) -> Callable[[FloatArray], object]:
    """The search with one effort."""
    return lambda queries: search(queries, effort)


def search_by(
    cascade: Cascade,
    k: int,
    kind: Kind,
    scoring: Scoring = "asymmetric",
    pivot_threshold: float | None = None,
) -> Search:
    """How a kind of way searches a cascade with an effort."""
    if kind == "cells":
        n = cell_candidates(k)
        return lambda queries, effort: cascade.search(queries, k, n_candidates=n, probe_margin=effort)[0]
    return lambda queries, effort: cascade.search(
        queries, k, n_candidates=int(effort), scoring=scoring, pivot_threshold=pivot_threshold
    )[0]
