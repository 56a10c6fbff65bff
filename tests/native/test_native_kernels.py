"""Every set of kernels this machine can run against plain NumPy, at sizes that fill no block or register.

`estimate` has test_native_estimates.py to itself.

What they compute is said in native/kernels.hpp; it is said again here in NumPy, as slowly and plainly as may be.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

native = pytest.importorskip("bitsieve._native", reason="built without a C++ compiler")
testing = native.testing

SIZES = (0, 1, 2, 5, 7, 13, 31, 32, 33, 64, 95, 1000)
SEEDS = st.integers(0, 2**32 - 1)
PANEL = 16
kernels = pytest.mark.parametrize("kernels", native.available())


def estimates_of(n: int, seed: int) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    extremes = rng.choice(np.array([-32768, -32767, -1, 0, 1, 32766, 32767], np.int16), n)
    return np.where(rng.random(n) < 0.5, extremes, rng.integers(-32768, 32768, n)).astype(np.int16)


@kernels
@pytest.mark.parametrize("threshold", [-32768, -32767, -1, 0, 1, 32766, 32767])
def test_collecting_and_counting_equal_numpy(kernels: str, threshold: int) -> None:
    alike = [np.full(n, value, np.int16) for n in SIZES for value in (threshold, -32768, 32767)]
    for estimates in [*(estimates_of(n, n) for n in SIZES), *alike]:
        n = len(estimates)
        expected = np.flatnonzero(estimates >= threshold)
        assert testing.count(kernels, estimates, threshold) == len(expected)
        room = -(-n // 32) * 32
        out = np.full((room + 1, 2), -7, np.int32)
        position = 2**32 - 1000  # positions are 32 bits without a sign
        found = testing.collect(kernels, estimates, threshold, position, out)
        assert found == len(expected)
        np.testing.assert_array_equal(out[:found, 0], estimates[expected])
        np.testing.assert_array_equal(out[:found, 1].view(np.uint32), expected + position)
        assert (out[room] == -7).all()


@kernels
@settings(deadline=None, max_examples=40)
@given(n=st.integers(0, 200), threshold=st.integers(-32768, 32767), seed=SEEDS)
def test_counting_and_collecting_agree(kernels: str, n: int, threshold: int, seed: int) -> None:
    estimates = estimates_of(n, seed)
    out = np.zeros((n + 32, 2), np.int32)
    assert testing.count(kernels, estimates, threshold) == (estimates >= threshold).sum()
    found = testing.collect(kernels, estimates, threshold, 5, out)
    np.testing.assert_array_equal(out[:found, 1] - 5, np.flatnonzero(estimates >= threshold))


@kernels
@pytest.mark.parametrize("n", SIZES)
def test_finding_equals_numpy(kernels: str, n: int) -> None:
    rng = np.random.default_rng(n)
    odd = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0, 0.5, 1e-45], np.float32)
    mixed = np.where(rng.random(n) < 0.5, rng.choice(odd, n), rng.random(n)).astype(np.float32)
    for values in (mixed, np.full(n, 0.5, np.float32), np.full(n, np.nan, np.float32)):
        for threshold in (-np.inf, -0.0, 0.0, 0.5, np.inf, np.nan):
            room = -(-n // 16) * 16
            out = np.full(room + 1, 77, np.uint32)
            found = testing.find(kernels, values, threshold, out)
            np.testing.assert_array_equal(out[:found], np.flatnonzero(values >= np.float32(threshold)))
            assert out[room] == 77


@kernels
@pytest.mark.parametrize("stride", [0, 64, 128, 192, 384, 1024, 4096])
def test_dots_of_bytes_equal_numpy(kernels: str, stride: int) -> None:
    rng = np.random.default_rng(stride)
    rows = [rng.integers(0, 256, stride), np.full(stride, 255), np.zeros(stride)]
    queries = [rng.integers(-128, 128, stride), np.full(stride, -128), np.full(stride, 127), np.zeros(stride)]
    for row in rows:
        for query in queries:
            got = testing.dot_bytes(kernels, row.astype(np.uint8), query.astype(np.int8))
            assert got == int(row.astype(int) @ query.astype(int))


def in_order(a: NDArray[np.float32], b: NDArray[np.float32]) -> np.float32:
    """32 sums, each product rounded before it is added, then halved to one."""
    sums = np.zeros(32, np.float32)
    for i in range(0, len(a), 32):
        products = a[i : i + 32] * b[i : i + 32]
        sums[: len(products)] += products
    for half in (16, 8, 4, 2, 1):
        sums = sums[:half] + sums[half:]
    return np.float32(sums[0])


@kernels
@pytest.mark.parametrize("d", [*SIZES, 63, 96, 384, 385, 768])
def test_dots_of_floats_are_rounded_in_one_order(kernels: str, d: int) -> None:
    rng = np.random.default_rng(d)
    for scale in (1, 1e-30, 1e18):
        a, b = (np.asarray(rng.standard_normal(d) * scale, np.float32) for _ in range(2))
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            expected = in_order(a, b)
        got = np.float32(testing.dot_floats(kernels, a, b))
        assert got.tobytes() == expected.tobytes()
        # Neither what lies before nor the alignment of either matters.
        shifted = np.concatenate([np.ones(3, np.float32), a])[3:]
        assert np.float32(testing.dot_floats(kernels, shifted, b)).tobytes() == expected.tobytes()


@kernels
@pytest.mark.parametrize("d", [3, 33, 50])
def test_a_missing_lane_adds_nothing(kernels: str, d: int) -> None:
    for values in ([-0.0] * d, [np.inf] * d, [0.0] * d):
        a, b = np.array(values, np.float32), np.full(d, -1, np.float32)
        expected = in_order(a, b)
        assert np.float32(testing.dot_floats(kernels, a, b)).tobytes() == expected.tobytes()


@kernels
@pytest.mark.parametrize("stride", [64, 192, 384, 1024])
@pytest.mark.parametrize("n_queries", [0, 1, 2, 3, 4, 5, 7, 13, 66])
def test_multiplying_equals_numpy(kernels: str, n_queries: int, stride: int) -> None:
    for n_panels in (0, 1, 2, 3, 4, 5, 9):
        check_multiplying(kernels, n_queries, n_panels, stride)


def check_multiplying(kernels: str, n_queries: int, n_panels: int, stride: int) -> None:
    rng = np.random.default_rng(n_queries + n_panels)
    rows = rng.integers(-63, 64, (n_panels * PANEL, stride))
    queries = rng.integers(1, 128, (n_queries, stride))
    if n_panels % 2:  # the largest sums, of either sign
        queries[:], rows[:] = 127, rng.choice([-63, 63], (len(rows), 1))
    steps = rng.random(len(rows), np.float32)
    query_steps = rng.random(n_queries, np.float32)
    values = rows.reshape(n_panels, PANEL, stride // 4, 4).transpose(0, 2, 1, 3).astype(np.int8)
    out = np.full((n_queries, len(rows) + 5), 9, np.float32)
    testing.multiply(
        kernels, np.ascontiguousarray(values), (64 * rows.sum(axis=1)).astype(np.int32), steps,
        queries.astype(np.uint8), query_steps, out,
    )  # fmt: skip
    worth = query_steps[:, np.newaxis] * steps
    expected = ((queries - 64) @ rows.T).astype(np.float32) * worth
    np.testing.assert_array_equal(out[:, : len(rows)], expected)
    assert (out[:, len(rows) :] == 9).all()


def test_scalar_is_always_there_and_last() -> None:
    assert native.available()[-1] == "scalar"
    assert len(set(native.available())) == len(native.available())


def test_unknown_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="no kernels 'mmx'"):
        testing.count("mmx", np.zeros(1, np.int16), 0)
