"""Every set of kernels this machine can run against plain NumPy, at sizes that fill no block or register.

What they compute is said in native/kernels.hpp; it is said again here in NumPy, as slowly and plainly as may be.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

native = pytest.importorskip("bitsieve._native", reason="built without a C++ compiler")
testing = native.testing

SIZES = (0, 1, 2, 5, 7, 13, 31, 32, 33, 64, 95, 1000)
SEEDS = st.integers(0, 2**32 - 1)
BLOCK, PANEL = 32, 16
kernels = pytest.mark.parametrize("kernels", native.available())


@dataclass
class Scan:
    """What `estimate` takes. codes (n_blocks, n_bytes, 32); tables (n_lookups, 2 * n_bytes, 16)."""

    codes: NDArray[np.uint8]
    tables: NDArray[np.uint8]
    totals: NDArray[np.int64]
    bases: NDArray[np.int64]
    scales: NDArray[np.uint8] | None = None
    offsets: NDArray[np.uint8] | None = None
    offset_factors: NDArray[np.int64] | None = None
    shift: int = 0

    def by_kernels(self, kernels: str, first_block: int = 0) -> NDArray[np.int16]:
        n_lookups, n_blocks = len(self.tables), len(self.codes) - first_block
        factors = np.zeros(n_lookups, int) if self.offset_factors is None else self.offset_factors
        out = np.zeros((n_lookups, n_blocks * BLOCK), np.int16)
        testing.estimate(
            kernels, self.codes, self.scales, self.offsets, self.shift, self.tables,
            self.totals.tolist(), self.bases.tolist(), factors.tolist(), first_block, out,
        )  # fmt: skip
        return out

    def by_numpy(self, first_block: int = 0) -> NDArray[np.int64]:
        n_blocks, n_bytes, _ = self.codes.shape
        first, second = (
            self.codes & 15,
            self.codes >> 4,
        )  # the codes 0 – 15 and 16 – 31 of either half of a row
        halves = np.concatenate([first.reshape(-1, 2, 16), second.reshape(-1, 2, 16)], axis=2)
        nibbles = halves.reshape(n_blocks, 2 * n_bytes, BLOCK)
        places = np.arange(2 * n_bytes)[:, np.newaxis]
        estimates = []
        for i, table in enumerate(self.tables.astype(np.int64)):
            e = 2 * table[places, nibbles].sum(axis=1) - self.totals[i]
            if self.scales is not None:
                e = ((e << self.shift) * (self.scales.astype(np.int64) << 7)) >> 16
            if self.offsets is not None and self.offset_factors is not None:
                worth = ((self.offsets.astype(np.int64) << 8) * self.offset_factors[i]) >> 16
                e = np.clip(e + np.minimum(worth, 32767), -32768, 32767)
            estimates.append(np.clip(e + self.bases[i], -32768, 32767)[first_block:].ravel())
        return np.array(estimates).reshape(len(self.tables), -1)


def random_scan(
    n_blocks: int, n_bytes: int, n_lookups: int, seed: int, *, scaled: bool = False, offset: bool = False
) -> Scan:
    rng = np.random.default_rng(seed)
    magnitudes = rng.integers(0, 8, (n_lookups, 2 * n_bytes, 4))  # |z_j|, so that four of them stay within 31
    agree = rng.integers(0, 2, magnitudes.shape)
    bits = (
        np.arange(16)[:, np.newaxis] >> np.array([3, 2, 1, 0])
    ) & 1  # value 8 is the first of the four bits
    tables = ((bits == agree[..., np.newaxis, :]) * magnitudes[..., np.newaxis, :]).sum(axis=-1)
    scan = Scan(
        codes=rng.integers(0, 256, (n_blocks, n_bytes, BLOCK), dtype=np.uint8),
        tables=tables.astype(np.uint8),
        totals=magnitudes.sum(axis=(1, 2)),
        bases=rng.integers(-32768, 32768, n_lookups),
    )
    if scaled:
        highest = int(scan.totals.max(initial=1)) or 1
        scan.scales = rng.integers(0, 256, (n_blocks, BLOCK), dtype=np.uint8)
        scan.shift = int(np.log2(32767 // highest)) if highest <= 32767 else 0
    if offset:
        scan.offsets = rng.integers(0, 256, (n_blocks, BLOCK), dtype=np.uint8)
        scan.offset_factors = rng.integers(0, 65536, n_lookups)
    return scan


@kernels
@settings(deadline=None, max_examples=60)
@given(
    n_blocks=st.integers(0, 5),
    n_bytes=st.one_of(st.integers(1, 33), st.sampled_from([48, 63, 64, 65, 96, 128])),
    n_lookups=st.integers(1, 4),
    scaled=st.booleans(),
    offset=st.booleans(),
    seed=SEEDS,
)
def test_estimates_equal_numpy(
    kernels: str, n_blocks: int, n_bytes: int, n_lookups: int, scaled: bool, offset: bool, seed: int
) -> None:
    scan = random_scan(n_blocks, n_bytes, n_lookups, seed, scaled=scaled, offset=offset)
    np.testing.assert_array_equal(scan.by_kernels(kernels), scan.by_numpy())


@kernels
@pytest.mark.parametrize("n_bytes", range(1, 65))
def test_estimates_of_every_length_of_code_equal_numpy(kernels: str, n_bytes: int) -> None:
    scan = random_scan(
        2, n_bytes, 1 + n_bytes % 4, n_bytes, scaled=bool(n_bytes % 3), offset=bool(n_bytes % 2)
    )
    np.testing.assert_array_equal(scan.by_kernels(kernels), scan.by_numpy())
    np.testing.assert_array_equal(scan.by_kernels(kernels, first_block=1), scan.by_numpy(first_block=1))


@kernels
@pytest.mark.parametrize("n_bytes", [1, 16, 17, 64, 128])
def test_estimates_of_equal_codes_and_full_tables(kernels: str, n_bytes: int) -> None:
    scan = replace(random_scan(2, n_bytes, 4, 0), bases=np.array([-32768, -1, 0, 32767]))
    for codes in (0, 255, 0x0F, 0xF0):
        for entry in (0, 31):
            scan.codes[:], scan.tables[:] = codes, entry
            np.testing.assert_array_equal(scan.by_kernels(kernels), scan.by_numpy())


@kernels
@pytest.mark.parametrize("factor", [0, 1, 255, 256, 32767, 32768, 65535])
def test_scales_and_offsets_at_their_limits(kernels: str, factor: int) -> None:
    scan = random_scan(1, 16, 4, 3, scaled=True, offset=True)
    scan = replace(scan, offset_factors=np.full(4, factor), bases=np.array([-32768, -1, 0, 32767]))
    for scale in (0, 1, 127, 128, 255):
        for offset in (0, 1, 128, 255):
            scan.scales = np.full((1, BLOCK), scale, np.uint8)
            scan.offsets = np.full((1, BLOCK), offset, np.uint8)
            np.testing.assert_array_equal(scan.by_kernels(kernels), scan.by_numpy())


@kernels
@pytest.mark.parametrize("scaled", [False, True])
def test_a_query_estimates_the_same_alone_and_in_company(kernels: str, scaled: bool) -> None:
    scan = random_scan(7, 31, 4, 5, scaled=scaled)
    together = scan.by_kernels(kernels)
    for i in range(4):
        one = replace(scan, tables=scan.tables[[i]], totals=scan.totals[[i]], bases=scan.bases[[i]])
        np.testing.assert_array_equal(one.by_kernels(kernels), together[[i]])


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
