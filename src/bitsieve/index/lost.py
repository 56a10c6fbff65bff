"""Which true neighbours a search lost, and at which stage."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..arrays import BoolArray, FloatArray
from ..recall.truth import TOLERANCE
from ..search.cells import FARTHEST
from .hits import Lost
from .snapshot import Found, Nearest, Snapshot
from .view import Plan


def find_lost(
    snapshot: Snapshot,
    queries: FloatArray,
    k: int,
    plan: Plan,
    allowed: Sequence[BoolArray] | None,
    near: Nearest,
) -> list[tuple[Lost, ...]]:
    """For each query, the true neighbours that were not found, best first.

    queries: (q, d). plan, allowed: of the search. near: what it found. A document that is as near as one that was found
        is not lost.
    """
    true = snapshot.nearest(queries, k, Plan(exact=True, threads=plan.threads), allowed)
    both = zip(snapshot.found(true), snapshot.found(near), strict=True)
    missing = [_missing(of_query, there, k) for of_query, there in both]
    if not any(missing):
        return [() for _ in missing]
    no_margin = replace(plan, rerank_margin=FARTHEST)
    candidates = _found_by(snapshot, queries, k, no_margin, allowed)
    in_cells = _found_by(snapshot, queries, k, replace(no_margin, every_code=True), allowed)

    def stage_of(number: int, key: int) -> Literal["cells", "codes", "rerank"]:
        if (number, key) not in in_cells:
            return "cells"
        return "rerank" if (number, key) in candidates else "codes"

    ids = iter(snapshot.ids_of([one.key for of_query in missing for _, one in of_query]))
    return [
        tuple(
            Lost(next(ids), rank, one.score, stage_of(number, one.key))
            for rank, one in of_query
        )
        for number, of_query in enumerate(missing)
    ]  # fmt: skip


def _missing(true: Sequence[Found], found: Sequence[Found], k: int) -> list[tuple[int, Found]]:
    """Rank and document of those that are not found, nor as near as the last that was."""
    keys = {one.key for one in found}
    last = found[-1].score if len(found) == k else float("-inf")
    return [
        (rank, one)
        for rank, one in enumerate(true, 1)
        if one.key not in keys and one.score > last + TOLERANCE
    ]


def _found_by(
    snapshot: Snapshot, queries: FloatArray, k: int, plan: Plan, allowed: Sequence[BoolArray] | None
) -> set[tuple[int, int]]:
    keys = snapshot.keys_of(snapshot.nearest(queries, k, plan, allowed).rows)
    return {(number, key) for number, of_query in enumerate(keys.tolist()) for key in of_query}
