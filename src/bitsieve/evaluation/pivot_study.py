"""What the pivot filter gives: alone, without loss, and before the codes (which the notebook never measured)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, RowArray
from ..codec import PivotFilter
from .measures import neighbour_ranks, recall_at, recall_interval
from .results import AngularFacts, CombinedPoint, PivotPoint

THRESHOLDS = (0.10, 0.15, 0.20, 0.25, 0.30)
COMBINED_DEPTHS = (100, 500, 1000)


def measure_pivots(
    pivots: PivotFilter, queries: FloatArray, truth: RowArray, exclude: RowArray | None
) -> list[PivotPoint]:
    """Filter recall, reduction and rows passed at each threshold; a query's own row counts nowhere."""
    return [
        _pivot_point(_passes(pivots, queries, threshold, exclude), truth, exclude, threshold)
        for threshold in THRESHOLDS
    ]


def measure_angular(
    angular: PivotFilter,
    queries: FloatArray,
    vectors: FloatArray,
    truth: RowArray,
    exclude: RowArray | None,
) -> AngularFacts:
    """What the triangle inequality removes at the angle of each query's true k-th neighbour: it loses nothing."""
    kth = np.einsum("qd,qd->q", queries, vectors[truth[:, -1]])
    radii = np.arccos(np.clip(kth, -1, 1))
    passes = np.concatenate(
        [
            _passes(
                angular, queries[i : i + 1], float(radius), None if exclude is None else exclude[i : i + 1]
            )
            for i, radius in enumerate(radii)
        ]
    )
    n = passes.shape[1] - (exclude is not None)
    reductions = 1 - passes.sum(axis=1) / n
    return AngularFacts(
        mean_radius=float(radii.mean()),
        recall=float(np.take_along_axis(passes, truth, axis=1).mean()),
        reduction=float(reductions.mean()),
        best_reduction=float(reductions.max()),
    )


def measure_combined(
    pivots: PivotFilter,
    queries: FloatArray,
    scores: Mapping[str, FloatArray],
    truth: RowArray,
    exclude: RowArray | None,
) -> list[CombinedPoint]:
    """recall@k when only rows that pass the pivots are candidates for the codes."""
    points = []
    for threshold in THRESHOLDS:
        passes = _passes(pivots, queries, threshold, exclude)
        reached = np.take_along_axis(passes, truth, axis=1)
        for scoring, table in scores.items():
            ranks = neighbour_ranks(np.where(passes, table, -np.inf), truth, exclude=exclude)
            ranks[~reached] = passes.shape[1]
            points += [
                CombinedPoint(
                    threshold, scoring, depth, recall_interval(recall_at(ranks, depth), truth.shape[1])
                )
                for depth in COMBINED_DEPTHS
                if depth < passes.shape[1]
            ]
    return points


def _passes(
    pivots: PivotFilter, queries: FloatArray, threshold: float, exclude: RowArray | None
) -> NDArray[np.bool_]:
    passes = pivots.passes(pivots.distances(queries), pivots.distances_, threshold)
    if exclude is not None:
        passes[np.arange(len(queries)), exclude] = False
    return passes


def _pivot_point(
    passes: NDArray[np.bool_],
    truth: RowArray,
    exclude: RowArray | None,
    threshold: float,
) -> PivotPoint:
    n = passes.shape[1] - (exclude is not None)
    passed = float(passes.sum(axis=1).mean())
    recall = recall_interval(np.take_along_axis(passes, truth, axis=1).mean(axis=1), truth.shape[1])
    return PivotPoint(threshold, recall, 1 - passed / n, passed)
