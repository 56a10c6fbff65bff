"""A cascade as what can be calibrated, and the plan that its calibration has for a target."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import FloatArray, RowArray
from ..codec.blocks import row_blocks
from ..errors import InputError
from ..recall import Calibration, Plan, nearest
from .built import BuiltCascade

CANDIDATES = tuple(2 ** (i / 2) for i in range(2, 22))
"""Candidates to try where every code is looked at, for each neighbour asked for: from 2 to 1,448."""

CELL_CANDIDATES = (16, 64)
"""Those to try with cells, where a margin of error leaves few to be reranked anyhow."""

PROBE_MARGINS = (0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0, 3.0)
"""Margins to try, in those that a search takes by default."""

RERANK_MARGINS = (1.5, 2.0, 3.0)

PIVOT_THRESHOLDS = (1.0, 2.0, 3.0)
"""Thresholds to try, in standard deviations of the distances to a pivot."""

DEFAULTS = ("asymmetric", None, None, None, 2.0)
"""Scoring, pivot_threshold, n_probes, probe_margin and rerank_margin of a search that chooses none of them."""


def cell_plans(k: int, default_probe_margin: float) -> list[Plan]:
    """What to try with cells."""
    return [
        Plan(n_candidates=k * depth, probe_margin=margin * default_probe_margin, rerank_margin=rerank_margin)
        for depth in CELL_CANDIDATES
        for rerank_margin in RERANK_MARGINS
        for margin in PROBE_MARGINS
    ]


def flat_plans(k: int, n: int) -> list[Plan]:
    """What to try where every one of n codes is looked at."""
    return [Plan(n_candidates=round(k * depth)) for depth in CANDIDATES if k * depth < n]


class CascadeSieve:
    """A cascade whose documents are its rows. cascade: not to be built again meanwhile."""

    def __init__(self, cascade: BuiltCascade) -> None:
        self.n = len(cascade.ids_)
        self._cascade = cascade

    def plans(self, k: int) -> list[Plan]:
        """Cells: how many, candidates, and the margin of the rerank. Else candidates, both scorings, and pivots."""
        cascade = self._cascade
        if cascade._cell_codes is not None:
            return cell_plans(k, cascade._cell_codes.default_probe_margin)
        plans = flat_plans(k, self.n)
        depths = [plan.n_candidates for plan in plans]
        plans += [Plan(n_candidates=depth, scoring="hamming") for depth in depths]
        if cascade.pivot_distances_ is not None:
            spread = float(cascade.pivot_distances_.std(axis=0).mean())
            thresholds = [spread * threshold for threshold in PIVOT_THRESHOLDS]
            plans += [Plan(n_candidates=c, pivot_threshold=t) for t in thresholds for c in depths[::2]]
        return plans

    def sample(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, RowArray]:
        """Rows at random, and their vectors."""
        rows = rng.permutation(self.n)[:n]
        return self._cascade.vectors_[rows], rows

    def search(self, queries: FloatArray, k: int, plan: Plan) -> tuple[RowArray, FloatArray]:
        """Rows and scores, as the cascade finds them by a plan."""
        rows, scores, _ = self._cascade._nearest(queries, k, plan)
        return rows, scores

    def exact(self, queries: FloatArray, k: int) -> tuple[RowArray, FloatArray]:
        """True rows and scores."""
        vectors, every = self._cascade.vectors_, np.arange(self.n)
        return nearest(queries, ((every[block], vectors[block]) for block in row_blocks(self.n)), k)


def plan_for(
    calibration: Calibration | None, target_recall: float, k: int, n_candidates: int | None, *others: Any
) -> Plan:
    """The plan for a target, with a RecallWarning where only exact search will do.

    others: what the search was asked for besides; it has to be what is asked for by default.
    Raises: InputError for another choice beside the target, or without a calibration for this k.
    """
    if n_candidates is not None or others != DEFAULTS:
        raise InputError(
            "target_recall chooses n_candidates, n_probes, the margins, scoring and pivot_threshold: give it alone"
        )
    if calibration is None or calibration.k != k:
        there_is = "none" if calibration is None else f"one of recall@{calibration.k}"
        raise InputError(
            f"target_recall needs a calibration of recall@{k}, there is {there_is}: call calibrate(k={k})"
        )
    calibration.warn_unless_reached(target_recall)
    plan = calibration.plan_for(target_recall).plan
    return replace(plan, n_candidates=max(k, plan.n_candidates))
