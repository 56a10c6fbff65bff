"""`estimate` and `sift` of every set of kernels this machine can run against plain NumPy.

What it computes is said in native/kernels.hpp; it is said again here in NumPy, as slowly and plainly as may be.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

native = pytest.importorskip("bitsieve._native", reason="built without a C++ compiler")

SEEDS = st.integers(0, 2**32 - 1)
BLOCK = 32
kernels = pytest.mark.parametrize("kernels", native.available())


RUN_BITS = 48
"""Bits of a code whose magnitudes add up to at most 255."""


@dataclass
class Scan:
    """What `estimate` takes. codes (n_blocks, n_bytes, 32); z (n_lookups, 8 * n_bytes)."""

    codes: NDArray[np.uint8]
    z: NDArray[np.int16]
    bases: NDArray[np.int64]
    scales: NDArray[np.uint8] | None = None
    offsets: NDArray[np.uint8] | None = None
    offset_factors: NDArray[np.int64] | None = None
    shift: int = 0

    def arguments(self) -> list[Any]:
        factors = np.zeros(len(self.z), int) if self.offset_factors is None else self.offset_factors
        return [
            self.codes, self.scales, self.offsets, self.shift, self.z, self.bases.tolist(), factors.tolist()
        ]  # fmt: skip

    def by_kernels(self, kernels: str, first_block: int = 0) -> NDArray[np.int16]:
        out = np.zeros((len(self.z), (len(self.codes) - first_block) * BLOCK), np.int16)
        native.testing.estimate(kernels, *self.arguments(), first_block, out)
        return out

    def sifted(
        self, kernels: str, thresholds: NDArray[np.int16], first_block: int, n_codes: int, position: int
    ) -> list[NDArray[np.int32]]:
        """Estimates and positions of each lookup, (found, 2)."""
        out = np.zeros((len(self.z), (len(self.codes) - first_block) * BLOCK, 2), np.int32)
        found = native.testing.sift(
            kernels, *self.arguments(), thresholds.tolist(), first_block, n_codes, position, out
        )
        return [rows[:n] for rows, n in zip(out, found, strict=True)]

    def by_numpy(self, first_block: int = 0) -> NDArray[np.int64]:
        n_blocks, n_bytes, _ = self.codes.shape
        codes = self.codes.transpose(0, 2, 1).reshape(n_blocks * BLOCK, n_bytes)
        signs = 2 * np.unpackbits(codes, axis=1).astype(np.int64) - 1
        e = self.z.astype(np.int64) @ signs.T
        if self.scales is not None:
            e = ((e << self.shift) * (self.scales.ravel().astype(np.int64) << 7)) >> 16
        if self.offsets is not None and self.offset_factors is not None:
            worth = ((self.offsets.ravel().astype(np.int64) << 8) * self.offset_factors[:, np.newaxis]) >> 16
            e = np.clip(e + np.minimum(worth, 32767), -32768, 32767)
        estimates: NDArray[np.int64] = np.clip(e + self.bases[:, np.newaxis], -32768, 32767)
        return estimates[:, first_block * BLOCK :]


def random_scan(
    n_blocks: int, n_bytes: int, n_lookups: int, seed: int, *, scaled: bool = False, offset: bool = False
) -> Scan:
    rng = np.random.default_rng(seed)
    z = rng.integers(-5, 6, (n_lookups, 8 * n_bytes)).astype(np.int16)  # 48 times 5 stays within 255
    scan = Scan(
        codes=rng.integers(0, 256, (n_blocks, n_bytes, BLOCK), dtype=np.uint8),
        z=z,
        bases=rng.integers(-32768, 32768, n_lookups),
    )
    if scaled:
        highest = int(np.abs(z).sum(axis=1).max(initial=1)) or 1
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
    for codes in (0, 255, 0x0F, 0xF0, 0xC0, 0x3F):
        for place in (0, 7, RUN_BITS - 1):  # of all that a run may add up to
            for value in (0, 255, -255):
                scan.codes[:], scan.z[:] = codes, 0
                scan.z[:, place::RUN_BITS] = value
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
        one = replace(scan, z=scan.z[[i]], bases=scan.bases[[i]])
        np.testing.assert_array_equal(one.by_kernels(kernels), together[[i]])


@kernels
@settings(deadline=None, max_examples=60)
@given(
    n_blocks=st.integers(0, 6),
    n_bytes=st.integers(1, 33),
    n_lookups=st.integers(1, 4),
    short=st.integers(0, 31),
    seed=SEEDS,
)
def test_sift_keeps_what_reaches_the_thresholds(
    kernels: str, n_blocks: int, n_bytes: int, n_lookups: int, short: int, seed: int
) -> None:
    scan = random_scan(n_blocks, n_bytes, n_lookups, seed, scaled=bool(seed % 2), offset=bool(seed % 3))
    first_block = min(1, n_blocks)
    n_codes = max(0, (n_blocks - first_block) * BLOCK - short)
    estimates = scan.by_numpy(first_block)[:, :n_codes]
    thresholds = np.full(n_lookups, -32768) if not n_codes else np.median(estimates, axis=1)
    thresholds = thresholds.astype(np.int16)
    sifted = scan.sifted(kernels, thresholds, first_block, n_codes, 2**31 - 1 - n_codes)
    for found, row, threshold in zip(sifted, estimates, thresholds, strict=True):
        places = np.flatnonzero(row >= threshold)
        np.testing.assert_array_equal(found[:, 0], row[places])
        np.testing.assert_array_equal(found[:, 1], places + 2**31 - 1 - n_codes)
