"""The last stages for one query."""

from typing import Any

import numpy as np

from ...arrays import FloatArray, RowArray
from ...codec.blocks import row_blocks
from ..arrays import CellArrays, FlatArrays, Found
from ..layout import VectorArray, quantize, widened

INFINITY = np.float32(np.inf)
SLACK = np.float32(25.0 / 12)
LANES = 32


class Rerank:
    """Cosines of rows of bytes, then of the vectors themselves for the few that are left.

    rows: (m,) int64 and scores: (m,) float32 of those reranked.
    """

    def __init__(self, index: FlatArrays | CellArrays, query: FloatArray, k: int) -> None:
        self.index, self.bytes_, self.query, self.k = index, index.bytes_, query, k
        whole, steps = quantize(query[np.newaxis], 127)
        self.whole, self.step = whole[0], steps[0]
        self.rows, self.scores = np.empty(0, np.int64), np.empty(0, np.float32)
        self.n_added = 0

    @property
    def bound(self) -> Any:
        """The k-th best score so far, −inf while there are fewer."""
        n_worse = len(self.scores) - self.k
        return -INFINITY if n_worse < 0 else np.float32(np.partition(self.scores, n_worse)[n_worse])

    def add(self, rows: RowArray) -> None:
        rows = self._new(rows)
        if self.index.byte_marks is not None:
            self.index.byte_marks.mark(rows, self.bytes_.values.shape[1])
        values = self.bytes_.values[rows, : len(self.query)].astype(np.float64) - 128
        products = (values @ self.whole).astype(np.float32)
        self._append(rows, products * (self.bytes_.steps[rows] * self.step))

    def add_all(self, rows: RowArray) -> None:
        rows = self._new(rows)
        self._append(rows, np.zeros(len(rows), np.float32))

    def keep_finalists(self) -> None:
        typical = np.float32(self.bytes_.typical_step)
        others = self.step * self.step * np.float32(2) + typical * typical
        below, steps = self.bound - self.scores, self.bytes_.steps[self.rows]
        kept = (below <= 0) | (below * below <= SLACK * (others + steps * steps))
        self.rows, self.scores = self.rows[kept], self.scores[kept]

    def finish(self, found: Found, i: int) -> None:
        index = self.index
        ids: RowArray = index.row_ids[self.rows] if isinstance(index, CellArrays) else self.rows
        if index.vector_marks is not None:
            index.vector_marks.mark(ids, len(self.query) * index.vectors.itemsize)
        keep_best(found, i, ids, exact_scores(self.query, index.vectors, ids))

    def _new(self, rows: RowArray) -> RowArray:
        return np.setdiff1d(rows, self.rows)

    def _append(self, rows: RowArray, scores: FloatArray) -> None:
        self.n_added += len(rows)
        self.rows = np.concatenate([self.rows, rows])
        self.scores = np.concatenate([self.scores, scores])


def keep_best(found: Found, i: int, ids: RowArray, scores: FloatArray) -> None:
    """Enter the best of what query i was compared with, equal scores by id. ids, scores: (m,)."""
    best = np.lexsort((ids, -scores))[: found.rows.shape[1]]
    found.rows[i, : len(best)] = ids[best]
    found.scores[i, : len(best)] = scores[best]


# Rows of a damaged file may hold any floats; whether they were damaged is asked afterwards.
@np.errstate(over="ignore", invalid="ignore")
def exact_scores(query: FloatArray, vectors: VectorArray, ids: RowArray) -> FloatArray:
    """Dot products in float32 that add in the order of the kernels: 32 sums, then halves of them to each other.

    query: (d,); vectors: (n, d) float32 or float16; ids: (m,) rows of vectors. Returns: (m,) float32.
    """
    scores = np.empty(len(ids), np.float32)
    for block in row_blocks(len(ids)):
        products = widened(vectors[ids[block]]) * query
        lanes = np.zeros((len(products), LANES), np.float32)
        for start in range(0, products.shape[1], LANES):
            part = products[:, start : start + LANES]
            lanes[:, : part.shape[1]] += part
        while lanes.shape[1] > 1:
            half = lanes.shape[1] // 2
            lanes = lanes[:, :half] + lanes[:, half:]
        scores[block] = lanes[:, 0]
    return scores
