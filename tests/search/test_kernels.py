"""Scores against naive Python, at sizes that fill no block or word."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec.bits import unpack_signs
from bitsieve.errors import DimensionError, InputError
from bitsieve.search import hamming_distances, kernels
from bitsieve.search.kernels import asymmetric_scores, top_rows
from bitsieve.search.reference.rerank import exact_scores

SIZES = st.sampled_from([0, 1, 2, 5, 7, 13, 31, 32, 33])
SEEDS = st.integers(0, 2**32 - 1)


def random_codes(n: int, n_bytes: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, n_bytes), dtype=np.uint8)


@settings(deadline=None)
@given(q=SIZES, n=SIZES, n_bytes=st.sampled_from([1, 2, 3, 4, 7, 8, 12, 16, 24, 33]), seed=SEEDS)
def test_hamming_equals_counting_in_python(q: int, n: int, n_bytes: int, seed: int) -> None:
    query_codes, codes = random_codes(q, n_bytes, seed), random_codes(n, n_bytes, seed ^ 1)
    distances = hamming_distances(query_codes, codes)
    assert distances.dtype == np.uint16
    assert distances.shape == (q, n)
    for i in range(q):
        for j in range(n):
            pairs = zip(query_codes[i].tolist(), codes[j].tolist(), strict=True)
            assert distances[i, j] == sum((a ^ b).bit_count() for a, b in pairs)


def test_hamming_is_the_same_across_blocks() -> None:
    query_codes, codes = random_codes(65, 16, 1), random_codes(4_097, 16, 2)
    differing = np.unpackbits(query_codes, axis=1)[[0, 63, 64], np.newaxis] ^ np.unpackbits(codes, axis=1)
    np.testing.assert_array_equal(hamming_distances(query_codes, codes)[[0, 63, 64]], differing.sum(axis=2))


def test_hamming_counts_beyond_a_byte_and_takes_strided_codes() -> None:
    zeros, ones = np.zeros((1, 64), np.uint8), np.full((3, 64), 255, np.uint8)
    np.testing.assert_array_equal(hamming_distances(zeros, ones), [[512] * 3])
    np.testing.assert_array_equal(hamming_distances(zeros[:, ::2], ones[::2, ::2]), [[256] * 2])


def test_hamming_refuses_what_are_no_codes() -> None:
    codes = random_codes(3, 16, 0)
    with pytest.raises(InputError, match="uint8"):
        hamming_distances(codes.astype(np.int64), codes)
    with pytest.raises(InputError, match="uint8"):
        hamming_distances(codes[0], codes)
    with pytest.raises(DimensionError, match="64 bits, expected 128"):
        hamming_distances(codes[:, :8], codes)


@settings(deadline=None)
@given(q=SIZES, n=SIZES, n_bytes=st.sampled_from([1, 3, 16, 32]), scale=st.integers(-20, 20), seed=SEEDS)
def test_asymmetric_equals_the_dense_product(q: int, n: int, n_bytes: int, scale: int, seed: int) -> None:
    z = np.random.default_rng(seed).standard_normal((q, 8 * n_bytes)) * 2.0**scale
    projections, codes = z.astype(np.float32), random_codes(n, n_bytes, seed)
    scores = asymmetric_scores(projections, codes)
    assert scores.dtype == np.float32
    bound = np.abs(projections).sum(axis=1, keepdims=True) * (8 * n_bytes / 128) * 2**-16
    expected = projections.astype(np.float64) @ unpack_signs(codes, np.float64).T
    assert (np.abs(scores - expected) <= bound).all()


def test_asymmetric_scores_of_equal_codes_are_equal_wherever_they_are() -> None:
    z = np.random.default_rng(0).standard_normal((3, 128)).astype(np.float32)
    codes = np.repeat(random_codes(1, 16, 1), 4_096 + 37, axis=0)
    scores = asymmetric_scores(z, codes)
    assert (scores == scores[:, :1]).all()
    np.testing.assert_array_equal(asymmetric_scores(z[1:2], codes[:1]), scores[1:2, :1])


def test_asymmetric_score_of_a_zero_projection_is_zero() -> None:
    assert (asymmetric_scores(np.zeros((2, 16), np.float32), random_codes(5, 2, 0)) == 0).all()


@settings(deadline=None)
@given(q=SIZES, n=SIZES, n_top=SIZES, levels=st.sampled_from([1, 3, 1_000]), seed=SEEDS)
def test_top_rows_are_those_of_a_full_sort_by_score_then_row(
    q: int, n: int, n_top: int, levels: int, seed: int
) -> None:
    scores = np.random.default_rng(seed).integers(levels, size=(q, n)).astype(np.float32)
    scores[scores == 0] = -np.inf
    rows = top_rows(scores, n_top)
    assert rows.dtype == np.int64
    assert rows.shape == (q, min(n_top, n))
    for i in range(q):
        candidates = [row for row in range(n) if scores[i, row] > -np.inf]
        best = sorted(candidates, key=lambda row: (-scores[i, row], row))[:n_top]
        assert rows[i].tolist() == best + [-1] * (min(n_top, n) - len(best))


@settings(deadline=None)
@given(n=SIZES, d=st.sampled_from([1, 8, 31, 32, 33, 384]), seed=SEEDS)
def test_exact_scores_are_dot_products_in_one_order(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    query, vectors = rng.standard_normal(d).astype(np.float32), rng.standard_normal((n, d)).astype(np.float32)
    rows = rng.permutation(n)
    scores = exact_scores(query, vectors, rows)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, vectors[rows].astype(np.float64) @ query, rtol=1e-5, atol=1e-5)
    for i in range(n):
        np.testing.assert_array_equal(exact_scores(query, vectors, rows[i : i + 1]), scores[i : i + 1])


def test_examples_in_docstrings() -> None:
    results = doctest.testmod(kernels)
    assert results.attempted
    assert not results.failed
