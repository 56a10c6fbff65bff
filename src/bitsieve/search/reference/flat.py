"""Every query looks at every code."""

from time import perf_counter

import numpy as np

from ...arrays import BoolArray, CodeArray, FloatArray
from ...codec.bits import unpack_signs
from ...codec.blocks import row_blocks
from ..arrays import FlatArrays, Found, nothing_found
from ..kernels import top_rows
from ..layout import deinterleave
from .rerank import Rerank
from .whole import LEAST, MOST, lookups, multiply, scaled


def search_flat(
    index: FlatArrays,
    queries: FloatArray,
    k: int,
    n_candidates: int,
    query_codes: CodeArray | None,
    allowed: BoolArray | None,
) -> Found:
    """See search_flat in native/flat.hpp. allowed: (1 or q, n) bool."""
    n, q = len(index.vectors), len(queries)
    found = nothing_found(q, k, 2)
    codes = deinterleave(index.codes)[:n]
    seconds = [0.0, 0.0, 0.0]
    for block in row_blocks(q, 64):
        started = perf_counter()
        masks = allowed if allowed is None or len(allowed) == 1 else allowed[block]
        if n_candidates >= n:
            every = np.ones((1, n), bool) if masks is None else masks
            candidates = [np.flatnonzero(mask) for mask in np.broadcast_to(every, (len(queries[block]), n))]
        else:
            if query_codes is not None:
                estimates = unpack_signs(query_codes[block]) @ unpack_signs(codes).T
            else:
                estimates = _estimates(index, queries[block], codes)
            if masks is not None:
                estimates = np.where(masks, estimates, np.float32(-np.inf))
            candidates = [rows[rows >= 0] for rows in top_rows(estimates, n_candidates)]
        scanned = perf_counter()
        for i, (query, rows) in enumerate(zip(queries[block], candidates, strict=True), block.start):
            rerank = Rerank(index, query, k)
            if n_candidates >= n:
                rerank.add_all(rows)
            else:
                rerank.add(rows)
                rerank.keep_finalists()
            rerank.finish(found, i)
            found.effort[:, i] = rerank.n_added, len(rerank.rows)
        seconds[1] += scanned - started
        seconds[2] += perf_counter() - scanned
    return found._replace(seconds=seconds)


def _estimates(index: FlatArrays, queries: FloatArray, codes: CodeArray) -> FloatArray:
    of_queries = lookups(multiply(index.projection, queries - index.mean)[:, : 8 * codes.shape[1]])
    scores: FloatArray = of_queries.z @ unpack_signs(codes).T
    if index.scales is None or index.offsets is None:
        return scores
    n = len(codes)
    scales, offsets = index.scales.ravel()[:n], index.offsets.ravel()[:n]
    estimates = scaled(scores, scales, of_queries.shift)
    units = np.ldexp(of_queries.units * np.float32(index.scale_step), 9 - of_queries.shift)
    with np.errstate(divide="ignore", over="ignore"):
        factors = np.where(units > 0, np.float32(index.offset_step) / units * np.float32(256), 0)
    factors = np.minimum(factors, np.float32(65_535)).astype(np.uint32)
    worth = (offsets.astype(np.uint32) << 8) * factors[:, np.newaxis] >> 16
    corrected: FloatArray = np.clip(estimates + np.minimum(worth, MOST), LEAST, MOST).astype(np.float32)
    return corrected
