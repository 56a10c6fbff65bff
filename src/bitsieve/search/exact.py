"""Exact search, without codes: of small segments, and of few rows of large ones."""

from time import perf_counter

import numpy as np

from ..arrays import BoolArray, FloatArray, RowArray
from . import native
from .arrays import UNCOUNTED, Found, room
from .layout import VectorArray
from .marks import Marks
from .reference import search_rows

CODES_FOR_ONE = 64
"""How many codes are passed over in the time that one vector is compared in."""


def answers_exactly(n_allowed: int, n: int) -> bool:
    """Whether so few of n vectors are allowed that comparing them all takes no longer than looking at n codes.

    Cells lead there as well: the best of few lie in so many of them that all would have to be visited. Measured with
    codes of 128 bits under a mask, 100 and 500 candidates, and vectors of 384 dimensions far apart in memory, in
    clusters drawn at random; microseconds a query, one thread of an AMD EPYC with AVX-512:

        allowed               one query                             a hundred together
        1,000 of 100,000      codes 154 and 297, exact 70           codes 154 and 220, exact 41
        3,000 of 100,000      codes 100 and 185, exact 222          codes 116 and 200, exact 111
        10,000 of 1,000,000   codes 1,228 and 1,769, exact 1,940    codes 797 and 1,063, exact 382
        30,000 of 1,000,000   codes 1,419 and 1,527, exact 4,778    codes 621 and 922, exact 1,071
    """
    return n_allowed * CODES_FOR_ONE <= n


def few_rows(allowed: BoolArray, n_allowed: int | None = None) -> RowArray | None:
    """The rows that a mask allows, (m,) int64 ascending, or None when they are too many to be answered exactly.

    n_allowed: m, where the caller knows it; counting takes time where there are a million.
    """
    if n_allowed is None:
        n_allowed = int(np.count_nonzero(allowed))
    return np.flatnonzero(allowed) if answers_exactly(n_allowed, len(allowed)) else None


def search_exact(
    vectors: VectorArray,
    queries: FloatArray,
    k: int,
    allowed: BoolArray | RowArray | None = None,
    *,
    marks: Marks | None = None,
    threads: int = 1,
    explain: bool = True,
) -> Found:
    """The k nearest vectors of each query among those allowed, equal scores by row.

    vectors: (n, d) float32 or float16, C-contiguous. queries: (q, d) float32, both of rows of norm 1.
    allowed: (n,) bool, or the rows themselves, (m,) int64, each once; None allows all. Others are not read.
    marks: of the file that the vectors are in.
    Returns: scores are those that a search through codes gives a row, to the last bit. effort counts candidates and
        exact cosines, the allowed for both; it may be missing without `explain`.
    """
    rows = None if allowed is None else _as_rows(allowed)
    kernels = native.module()
    if kernels is None:
        return search_rows(vectors, queries, k, rows, marks)
    started = perf_counter()
    ids, scores, effort = room(len(queries), k, 2 if explain else 0)
    kernels.search_exact(native.active(), vectors, queries, k, rows, marks, threads, ids, scores)
    if effort is not None:
        effort[:] = len(vectors) if rows is None else len(rows)
    seconds = [0.0, 0.0, perf_counter() - started]
    return Found(ids, scores, UNCOUNTED if effort is None else effort, seconds)


def _as_rows(allowed: BoolArray | RowArray) -> RowArray:
    return np.flatnonzero(allowed) if allowed.dtype == np.bool_ else allowed.astype(np.int64, copy=False)
