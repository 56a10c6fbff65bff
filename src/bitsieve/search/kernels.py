"""Scores of codes in NumPy: distances, the scores of queries that stay floats, and the highest of either.

A search does not come by here: its kernels are in `native/`, and in NumPy in `reference/`, and they round queries to
whole numbers. These are the yardstick for them, and what evaluation measures with. `hamming_distances` is public and
checks its arguments; the others trust the caller. A pair's score depends on that pair alone, not on what else is in
the batch, so equal codes tie exactly.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import CodeArray, FloatArray, RowArray, check_codes
from ..codec.bits import unpack_signs
from ..codec.blocks import row_blocks

BLOCK_QUERIES, BLOCK_CODES = 64, 4_096
"""Pairs compared at once: 64 × 4,096 words are 2 MB, which a processor's second-level cache holds."""


def hamming_distances(query_codes: ArrayLike, codes: ArrayLike) -> NDArray[np.uint16]:
    """How many bits differ between each query's code and each code.

    query_codes: (q, n_bits // 8) uint8; codes: (n, n_bits // 8) uint8.
    Returns: (q, n) uint16.
    Raises: InputError for another dtype or shape; DimensionError when n_bits differs.

    >>> hamming_distances(np.array([[0b1010_0001]], np.uint8), np.array([[0], [0b1010_0000]], np.uint8))
    array([[3, 1]], dtype=uint16)
    """
    codes = check_codes(codes)
    query_codes = check_codes(query_codes, n_bytes=codes.shape[1], name="query_codes")
    words, query_words = _as_words(codes), _as_words(query_codes)
    distances = np.zeros((len(query_codes), len(codes)), np.uint16)
    for queries in row_blocks(len(query_codes), BLOCK_QUERIES):
        for rows in row_blocks(len(codes), BLOCK_CODES):
            block = distances[queries, rows]
            for query_word, word in zip(query_words[queries].T, words[rows].T, strict=True):
                block += np.bitwise_count(query_word[:, np.newaxis] ^ word)
    return distances


def asymmetric_scores(projections: FloatArray, codes: CodeArray) -> FloatArray:
    """Score codes against queries that stay floats: Σ_j z_j · b_j with b in {−1, +1}.

    projections: z, (q, n_bits) float32, from `ITQ.project`; codes: (n, n_bits // 8) uint8.
    Returns: (q, n) float32, higher is nearer, within 2⁻¹⁶ · Σ|z_j| of the sum at 128 bits.
    """
    # Rounded to whole multiples of a power of two, 2²³ of which exceed Σ|z_j|, every partial sum is exact in
    # float32: neither the order in which BLAS adds nor the processor matters, and equal codes score equal.
    exponents = np.frexp(np.abs(projections).sum(axis=1, dtype=np.float64, keepdims=True))[1] - 23
    rounded = np.ldexp(np.rint(np.ldexp(projections, -exponents)), exponents)
    scores = np.empty((len(projections), len(codes)), np.float32)
    for rows in row_blocks(len(codes), BLOCK_CODES):
        scores[:, rows] = rounded @ unpack_signs(codes[rows]).T
    return scores


def top_rows(scores: NDArray[Any], n_top: int) -> RowArray:
    """The rows of the highest scores, best first, equal scores by row; those of score −inf are no candidates.

    scores: (q, n) floating point without NaN.
    Returns: (q, min(n_top, n)) int64, padded with −1.
    """
    n = scores.shape[1]
    n_top = min(n_top, n)
    best = np.full((len(scores), n_top), -1, np.int64)
    if n_top == 0:
        return best
    for of_query, rows_out in zip(scores, best, strict=True):
        # All rows that tie at the boundary are taken, in order, and a stable sort decides which stay.
        boundary = np.partition(of_query, n - n_top)[n - n_top]
        rows = np.flatnonzero(of_query >= boundary if boundary > -np.inf else of_query > -np.inf)
        rows = rows[np.argsort(-of_query[rows], kind="stable")[:n_top]]
        rows_out[: len(rows)] = rows
    return best


def _as_words(codes: CodeArray) -> NDArray[Any]:
    """The same bytes as the widest words that divide a code: 2 uint64 for 128 bits."""
    n_bytes = codes.shape[1]
    word = next(
        word for word in (np.uint64, np.uint32, np.uint16, np.uint8) if n_bytes % word().itemsize == 0
    )
    return codes.view(word)
