"""What follows from the numbers: how many candidates to ask for, and whether pivots pay."""

from collections.abc import Sequence

from .results import CombinedPoint, PivotPoint, RecallPoint, Recommendation, StageTime

TARGET = 0.99


def recommend(
    recall: Sequence[RecallPoint],
    pivots: Sequence[PivotPoint],
    combined: Sequence[CombinedPoint],
    stages: Sequence[StageTime],
    *,
    n: int,
) -> Recommendation:
    """Recommend by measured numbers only: the fewest candidates, and the smallest threshold, at the target.

    n: rows searched in.
    """
    enough = {
        scoring: next((p for p in recall if p.scoring == scoring and p.recall.value >= TARGET), None)
        for scoring in ("asymmetric", "hamming")
    }
    kind = next((point for point in pivots if point.recall.value >= TARGET), None)
    return Recommendation(
        target=TARGET,
        n_candidates={scoring: point.n_candidates if point else None for scoring, point in enough.items()},
        pivot_threshold=kind.threshold if kind else None,
        text=[_on_candidates(enough["asymmetric"], enough["hamming"], n), _on_pivots(kind, stages, combined)],
    )


def _on_candidates(asymmetric: RecallPoint | None, hamming: RecallPoint | None, n: int) -> str:
    if asymmetric is None or asymmetric.n_candidates >= n:
        return f"Codes do not reach {TARGET:.0%} with fewer candidates than the corpus has: take more bits."
    depth, estimate = asymmetric.n_candidates, asymmetric.recall
    best = (
        f"For {TARGET:.0%} recall ask for {depth:,} candidates with asymmetric scoring ({depth / n:.1%} of the "
        f"corpus; measured {estimate.value:.1%}, 95% interval {estimate.low:.1%} to {estimate.high:.1%})"
    )
    if hamming is None or hamming.n_candidates >= n:
        return f"{best}; Hamming distance does not get there."
    times = hamming.n_candidates / depth
    return f"{best}; Hamming distance needs {hamming.n_candidates:,}, {times:.1f} times as many."


def _on_pivots(
    point: PivotPoint | None, stages: Sequence[StageTime], combined: Sequence[CombinedPoint]
) -> str:
    if point is None:
        return f"Leave the pivots out: no threshold keeps {TARGET:.0%} of the true neighbours."
    spent = {stage.stage: stage.ms_per_query for stage in stages}
    # Comparing pivot distances costs the same at any threshold; at best it saves the removed rows their codes.
    cost, saved = spent["pivots (pivots first)"], point.reduction * spent["codes"]
    left = {(c.scoring, c.n_candidates): c.recall.value for c in combined if c.threshold == point.threshold}
    kept = f"Pivots at {point.threshold:.2f} keep {point.recall.value:.1%} and remove {point.reduction:.1%}"
    if ("asymmetric", 500) in left:
        kept += f" ({left['asymmetric', 500]:.1%} recall after 500 candidates by codes)"
    if cost < saved:
        return (
            f"{kept}. Comparing pivot distances takes {cost:.3f} ms a query and saves up to {saved:.3f} ms of "
            "scoring codes: worth a try."
        )
    return (
        f"{kept}, but comparing pivot distances takes {cost:.3f} ms a query and saves {saved:.3f} ms of scoring "
        "codes at best: leave them out."
    )
