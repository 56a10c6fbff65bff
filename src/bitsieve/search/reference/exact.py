"""Every query looks at the vectors themselves."""

from time import perf_counter

import numpy as np

from ...arrays import FloatArray, RowArray
from ..arrays import Found, nothing_found
from ..layout import VectorArray
from ..marks import Marks
from .rerank import exact_scores, keep_best


def search_rows(
    vectors: VectorArray, queries: FloatArray, k: int, rows: RowArray | None, marks: Marks | None
) -> Found:
    """See search_exact in native/exact.hpp. rows: (m,) int64, which vectors to compare; None is all of them."""
    found, started = nothing_found(len(queries), k, 2), perf_counter()
    if rows is None:
        rows = np.arange(len(vectors))
    if marks is not None:
        marks.mark(rows, vectors.shape[1] * vectors.itemsize)
    for i, query in enumerate(queries):
        keep_best(found, i, rows, exact_scores(query, vectors, rows))
    found.effort[:] = len(rows)
    return found._replace(seconds=[0.0, 0.0, perf_counter() - started])
