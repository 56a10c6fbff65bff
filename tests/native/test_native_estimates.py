"""`estimate` of every set of kernels this machine can run against plain NumPy.

What it computes is said in native/kernels.hpp; it is said again here in NumPy, as slowly and plainly as may be.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

native = pytest.importorskip("bitsieve._native", reason="built without a C++ compiler")

SEEDS = st.integers(0, 2**32 - 1)
BLOCK = 32
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
        native.testing.estimate(
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
