"""Queries in whole numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import FloatArray
from ..layout import Panels, quantize, unpanel

LEAST, MOST = -32_768, 32_767
"""What an estimate may be."""
RUN_BITS = 48
"""Bits of a code whose magnitudes the kernels add up in a byte."""


@dataclass(frozen=True, eq=False)
class Lookups:
    """Projections as whole numbers. z: (q, n_bits) float32. units: (q,) float32, projection ≈ unit · z."""

    z: FloatArray
    units: FloatArray
    shift: int


def lookups(projections: FloatArray) -> Lookups:
    """Round so that magnitudes of a run of six bytes' bits add up to what a byte holds, and all of them to int16."""
    q, n_bits = projections.shape
    n_runs = -(-n_bits // RUN_BITS)
    runs = np.zeros((q, n_runs, RUN_BITS // 8, 8), np.float32)
    runs.reshape(q, -1)[:, :n_bits] = np.abs(projections)
    sums = np.zeros((q, n_runs, 8), np.float32)
    for byte in range(RUN_BITS // 8):
        sums += runs[:, :, byte]
    while sums.shape[-1] > 1:
        sums = sums[..., ::2] + sums[..., 1::2]
    magnitudes = sums.max(axis=(1, 2), initial=0)
    highest = min(255, MOST // n_runs)
    shift = (MOST // (highest * n_runs)).bit_length() - 1
    rounded = np.float32(max(1, highest - RUN_BITS // 2))  # rounding may add a half to each
    with np.errstate(divide="ignore"):
        scales = np.where(magnitudes > 0, rounded / magnitudes, np.float32(0))
    return Lookups(np.rint(projections * scales[:, np.newaxis]), magnitudes / rounded, shift)


def scaled(scores: NDArray[np.floating[Any]], scales: NDArray[np.uint8], shift: int) -> NDArray[np.int32]:
    """Scores times their codes' scales, as whole numbers."""
    return (scores.astype(np.int32) << shift) * (scales.astype(np.int32) << 7) >> 16


def multiply(panels: Panels, queries: FloatArray) -> FloatArray:
    """Products of queries and the rows of panels, (q, n_rows) float32: whole numbers times what they are worth."""
    whole, steps = quantize(queries, 63)
    rows = unpanel(panels)[:, : queries.shape[1]]
    products: FloatArray = (whole.astype(np.float64) @ rows.T.astype(np.float64)).astype(np.float32)
    products *= steps[:, np.newaxis] * panels.steps
    return products
