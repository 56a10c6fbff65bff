"""The true neighbours, by comparing with every vector, and the share of them that a search found."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, RowArray

Ids: TypeAlias = NDArray[Any]

TOLERANCE = 1e-6
"""By how much scores of one pair may differ, since each way of adding up rounds in its own order."""


def nearest(
    queries: FloatArray, blocks: Iterable[tuple[RowArray, FloatArray]], k: int
) -> tuple[RowArray, FloatArray]:
    """The k nearest vectors of each query, of vectors that come a block at a time.

    queries: (q, d) float32. blocks: ids (m,) int64 and vectors (m, d) float32 of each block, rows of norm 1; a product
        of (q, m) floats is held at once.
    Returns: ids (q, k) and scores (q, k), cosines added up in float64; best first, equal scores in the order of the
        blocks, padded with −1 and −inf.
    """
    q = len(queries)
    ids, scores = np.full((q, k), -1), np.full((q, k), -np.inf)
    for block_ids, vectors in blocks:
        products = queries @ vectors.T
        least = scores[:, -1:]  # of the k-th yet
        if len(vectors) > k and np.isinf(least).any():
            of_block = np.partition(products, len(vectors) - k, axis=1)[:, len(vectors) - k, np.newaxis]
            least = np.maximum(least, of_block)
        which, rows = np.nonzero(products >= (least - TOLERANCE).astype(np.float32))
        near = np.einsum("nd,nd->n", queries[which], vectors[rows], dtype=np.float64)
        which = np.concatenate([np.repeat(np.arange(q), k), which])
        all_ids, all_scores = np.concatenate([ids.ravel(), block_ids[rows]]), np.append(scores, near)
        order = np.lexsort((-all_scores, which))  # stable
        places = np.searchsorted(which[order], np.arange(q))[:, np.newaxis] + np.arange(k)
        ids, scores = all_ids[order[places]], all_scores[order[places]]
    return ids, scores.astype(np.float32)


def recalls(found: FloatArray, true: FloatArray) -> NDArray[np.float64]:
    """The share of each query's true neighbours that were found, told by their scores: of equal ones any will do.

    found, true: scores (q, k), best first, −inf where there are fewer than k.
    Returns: (q,); 1 where there is nothing to be found.
    """
    n_true = np.isfinite(true).sum(axis=1)
    if not true.shape[1]:
        return np.ones(len(true))
    kth = np.take_along_axis(true, np.maximum(n_true - 1, 0)[:, np.newaxis], axis=1)
    n_found = (np.isfinite(found) & (found >= kth - TOLERANCE)).sum(axis=1)
    return np.where(n_true > 0, np.minimum(n_found, n_true) / np.maximum(n_true, 1), 1.0)


def without_own(ids: Ids, scores: FloatArray, own: Ids) -> FloatArray:
    """Scores of what queries found, less the document that each of them is.

    ids, scores: (q, k + 1), best first. own: (q,) ids; one that was not found takes the last place away instead.
    Returns: scores (q, k).
    """
    is_own = ids == own[:, np.newaxis]
    is_own[:, -1] |= ~is_own.any(axis=1)
    kept = np.arange(ids.shape[1]) != is_own.argmax(axis=1)[:, np.newaxis]
    return np.reshape(scores[kept], (len(ids), -1))
