"""Queries in whole numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import FloatArray
from ..layout import Panels, quantize, unpanel

LEAST, MOST = -32_768, 32_767
"""What an estimate may be."""


@dataclass(frozen=True, eq=False)
class Lookups:
    """Projections as whole numbers. z: (q, n_bits) float32. units: (q,) float32, projection ≈ unit · z."""

    z: FloatArray
    units: FloatArray
    shift: int


def lookups(projections: FloatArray) -> Lookups:
    """Round so that four projections add up to what an entry of a table holds, at most 31."""
    n_groups = projections.shape[1] // 4
    highest = min(31, MOST // n_groups)
    shift = (MOST // (highest * n_groups)).bit_length() - 1
    groups = np.abs(projections).reshape(len(projections), n_groups, 4)
    sums = (groups[..., 0] + groups[..., 1]) + (groups[..., 2] + groups[..., 3])
    magnitudes = sums.max(axis=1, initial=0)
    with np.errstate(divide="ignore"):
        scales = np.where(magnitudes > 0, np.float32(highest - 2) / magnitudes, np.float32(0))
    return Lookups(np.rint(projections * scales[:, np.newaxis]), magnitudes / np.float32(highest - 2), shift)


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
