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
    """Draw advice from measured numbers only.

    A number of candidates is named when the lower end of its interval reaches the target.
    """
    enough = {
        scoring: next(
            (
                point.n_candidates
                for point in recall
                if point.scoring == scoring and point.recall.low >= TARGET
            ),
            None,
        )
        for scoring in ("asymmetric", "hamming")
    }
    kind = [point for point in pivots if point.recall.low >= TARGET]
    threshold = kind[0].threshold if kind else None
    return Recommendation(
        target=TARGET,
        n_candidates=enough,
        pivot_threshold=threshold,
        text=[_on_candidates(enough, n), _on_pivots(kind[0] if kind else None, stages, combined)],
    )


def _on_candidates(enough: dict[str, int | None], n: int) -> str:
    asymmetric, hamming = enough["asymmetric"], enough["hamming"]
    if asymmetric is None:
        return f"No number of candidates below {n:,} reaches {TARGET:.0%} for sure: use more bits, or exact search."
    best = f"Ask for {asymmetric:,} candidates with asymmetric scoring ({asymmetric / n:.1%} of the corpus)"
    if hamming is None:
        return f"{best}; Hamming distance does not reach {TARGET:.0%}."
    if hamming <= asymmetric:
        return f"{best}; Hamming distance needs {hamming:,}."
    return f"{best}; Hamming distance needs {hamming:,}, {hamming / asymmetric:.1f} times as many."


def _on_pivots(
    point: PivotPoint | None, stages: Sequence[StageTime], combined: Sequence[CombinedPoint]
) -> str:
    if point is None:
        return f"Leave the pivots out: no threshold keeps {TARGET:.0%} of the true neighbours."
    spent = {stage.stage: stage.ms_per_query for stage in stages}
    plain = spent["codes"] + spent["rerank"]
    sieved = sum(ms for stage, ms in spent.items() if "(pivots first)" in stage)
    lost = {(c.scoring, c.n_candidates): c.recall.value for c in combined if c.threshold == point.threshold}
    kept = f"At {point.threshold:.2f} pivots remove {point.reduction:.1%} and keep {point.recall.value:.1%}"
    if ("asymmetric", 500) in lost:
        kept += f" ({lost['asymmetric', 500]:.1%} left after codes at 500 candidates)"
    if sieved < plain:
        return f"{kept}. At 0.15 a query takes {sieved:.2f} ms with them and {plain:.2f} ms without: worth a try."
    return (
        f"{kept}, but comparing pivot distances costs more than the codes it saves "
        f"({sieved:.2f} ms a query with pivots at 0.15, {plain:.2f} ms without): leave them out."
    )
