"""The last stages for one query."""

from typing import Any

import numpy as np

from ...arrays import FloatArray, RowArray
from ...codec.blocks import row_blocks
from ..arrays import Found
from ..layout import ByteRows, quantize

INFINITY = np.float32(np.inf)
SLACK = np.float32(5)
LANES = 32


class Rerank:
    """Cosines of rows of bytes, then of the vectors themselves for the few that are left.

    rows: (m,) int64 and scores: (m,) float32 of those reranked. ids: which vector a row of bytes is of.
    """

    def __init__(
        self, bytes_: ByteRows, vectors: FloatArray, ids: RowArray | None, query: FloatArray, k: int
    ) -> None:
        self.bytes_, self.vectors, self.ids, self.query, self.k = bytes_, vectors, ids, query, k
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
        values = self.bytes_.values[rows, : len(self.query)].astype(np.float64) - 128
        products = (values @ self.whole).astype(np.float32)
        self._append(rows, products * (self.bytes_.steps[rows] * self.step))

    def add_all(self, rows: RowArray) -> None:
        rows = self._new(rows)
        self._append(rows, np.zeros(len(rows), np.float32))

    def keep_finalists(self) -> None:
        typical = np.float32(self.bytes_.typical_step)
        slack = SLACK * np.sqrt((self.step * self.step + typical * typical) / np.float32(6))
        kept = self.scores >= self.bound - slack
        self.rows, self.scores = self.rows[kept], self.scores[kept]

    def finish(self, found: Found, i: int) -> None:
        ids: RowArray = self.rows if self.ids is None else self.ids[self.rows]
        scores = exact_scores(self.query, self.vectors, ids)
        best = np.lexsort((ids, -scores))[: self.k]
        found.rows[i, : len(best)] = ids[best]
        found.scores[i, : len(best)] = scores[best]

    def _new(self, rows: RowArray) -> RowArray:
        return np.setdiff1d(rows, self.rows)

    def _append(self, rows: RowArray, scores: FloatArray) -> None:
        self.n_added += len(rows)
        self.rows = np.concatenate([self.rows, rows])
        self.scores = np.concatenate([self.scores, scores])


def exact_scores(query: FloatArray, vectors: FloatArray, ids: RowArray) -> FloatArray:
    """Dot products in float32 that add in the order of the kernels: 32 sums, then halves of them to each other.

    query: (d,); vectors: (n, d); ids: (m,) rows of vectors. Returns: (m,) float32.
    """
    scores = np.empty(len(ids), np.float32)
    for block in row_blocks(len(ids)):
        products = vectors[ids[block]] * query
        lanes = np.zeros((len(products), LANES), np.float32)
        for start in range(0, products.shape[1], LANES):
            part = products[:, start : start + LANES]
            lanes[:, : part.shape[1]] += part
        while lanes.shape[1] > 1:
            half = lanes.shape[1] // 2
            lanes = lanes[:, :half] + lanes[:, half:]
        scores[block] = lanes[:, 0]
    return scores
