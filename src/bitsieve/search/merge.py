"""What several parts of an index found, as if it were one."""

from collections.abc import Sequence

import numpy as np

from ..arrays import FloatArray, RowArray
from . import native
from .arrays import Found, room


def merge_found(parts: Sequence[tuple[int, Found]], k: int) -> tuple[RowArray, FloatArray]:
    """The k best of all parts for each query, equal scores by row of the whole.

    parts: at least one, in the order of their rows: the first one's number in the whole, and what was found in the
        part, (q, k) each.
    Returns: rows (q, k) int64 of the whole, −1 where there is none, and scores (q, k) float32, −inf there.
    """
    first, found = parts[0]
    if len(parts) == 1 and first == 0:
        return found.rows, found.scores
    firsts = [first for first, _ in parts]
    rows, scores = [found.rows for _, found in parts], [found.scores for _, found in parts]
    kernels = native.module()
    if kernels is None:
        return _merge(firsts, rows, scores, k)
    merged_rows, merged_scores, _ = room(len(found.rows), k, 0)
    kernels.merge(firsts, rows, scores, merged_rows, merged_scores)
    return merged_rows, merged_scores


def _merge(
    firsts: list[int], rows: list[RowArray], scores: list[FloatArray], k: int
) -> tuple[RowArray, FloatArray]:
    of_whole = [np.where(part < 0, -1, first + part) for first, part in zip(firsts, rows, strict=True)]
    all_rows, all_scores = np.concatenate(of_whole, axis=1), np.concatenate(scores, axis=1)
    # A stable sort leaves equal scores as they come: by part, and within a part by row.
    best = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(all_rows, best, axis=1), np.take_along_axis(all_scores, best, axis=1)
