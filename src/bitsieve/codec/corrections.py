"""Two bytes a vector that make asymmetric scores estimate cosines: a scale and an offset for its ITQ code.

With z and y the projections of query and vector, b = sign(y), and s = Σ_j z_j b_j the asymmetric score,

    q · x ≈ scale · s + offset, up to a constant of the query
    scale = (|y|² + ¼ |rest|²) / Σ_j |y_j|, rest = the part of x − mean outside the components
    offset = x · mean

The offset is what centring took away. It matters where vectors lean to one side: bge-small's mean has a norm
of 0.70 on Wikipedia leads, MiniLM's 0.21 there and 0.38 on package summaries. Filter recall@10 at 100
candidates, 128 bits, held-out queries, the two bytes as they are kept:

    9,000 leads by bge-small      .980 without, .990 with
    9,000 leads by MiniLM         .990 without, .990 with
    96,000 summaries by MiniLM    .881 without, .903 with

`try_corrections` measures whether they pay.

A query knows nothing of the rest, but its neighbours' is like its own, so a part of |rest|² counts. Counting
none, a quarter and all of it, bge-small finds .990, .990, .987 of the leads and MiniLM .988, .990, .990; at 64
bits MiniLM finds .913 with none and .929 with a quarter.

Source of the scale: Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound",
SIGMOD 2024.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import CodeArray, FloatArray, RowArray, check_count, check_vectors
from ..errors import InputError
from .bits import unpack_signs
from .blocks import row_blocks
from .itq import ITQ

REST = 0.25
K, N_CANDIDATES = 10, 100
LEAST_GAIN = 0.002
"""Recall that two more bytes a vector have to bring."""

SAMPLE_ROWS, SAMPLE_QUERIES, BLOCK_QUERIES = 25_000, 512, 32
TAIL = 1e-3
"""Share of values at either end that may be outliers: a grid goes beyond the others by their range at most.

A scale has no limit, and one that is a hundred times the others would cost MiniLM's 50 candidates .12 of recall.
"""


@dataclass(frozen=True)
class ByteGrid:
    """256 evenly spaced values, one of which stands for a number: low + step · byte."""

    low: float
    step: float

    @classmethod
    def over(cls, values: ArrayLike, low: float | None = None) -> "ByteGrid":
        """The grid from the least value to the most, but for outliers (see `TAIL`).

        values: (n,) finite, n ≥ 1. low: where the grid begins; None is where values do.
        Raises: InputError when there are none.
        """
        array = np.asarray(values)
        if array.size == 0:
            raise InputError("values are empty; need at least 1: make the grid from vectors that are there")
        least, first, last, most = np.quantile(array, [0, TAIL, 1 - TAIL, 1]).tolist()
        if low is not None:
            least = first = low
        low, high = max(least, 2 * first - last), min(most, 2 * last - first)
        return cls(low, (high - low) / 255 or 1.0)

    def to_bytes(self, values: FloatArray) -> CodeArray:
        """The nearest of the 256 values, as uint8; values beyond the ends become the ends."""
        grid_bytes: CodeArray = np.clip(np.rint((values - self.low) / self.step), 0, 255).astype(np.uint8)
        return grid_bytes

    def from_bytes(self, grid_bytes: CodeArray) -> FloatArray:
        """The values that bytes stand for, float32."""
        return (self.low + self.step * grid_bytes.astype(np.float64)).astype(np.float32)


@dataclass(frozen=True)
class CorrectionTrial:
    """Filter recall@10 at 100 candidates without and with corrections, both measured on the same queries."""

    recall_without: float
    recall_with: float
    n_queries: int

    @property
    def pays(self) -> bool:
        """Whether corrections raise recall by more than 0.002."""
        return self.recall_with - self.recall_without > LEAST_GAIN


def corrections(itq: ITQ, vectors: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Scale and offset of each vector's code.

    itq: fitted; vectors: (n, d) floating point.
    Returns: scales (n,) float32, not negative, 0 for the mean itself; offsets (n,) float32.
    Raises: DimensionError when d differs from the fitted d; InputError for NaN or Inf; NotFittedError before fit.
    """
    vectors = itq.check_encodable(vectors)
    scales, offsets = np.empty(len(vectors), np.float32), np.empty(len(vectors), np.float32)
    for block in row_blocks(len(vectors)):
        centred = vectors[block] - itq.mean_
        y = centred @ itq.projection_
        lengths = np.einsum("nd,nd->n", centred, centred)
        captured = np.einsum("nb,nb->n", y, y)
        captured += REST * np.maximum(lengths - captured, 0)
        sums = np.abs(y, out=y).sum(axis=1)
        scales[block] = np.divide(captured, sums, out=np.zeros_like(sums), where=sums > 0)
        offsets[block] = vectors[block] @ itq.mean_
    return scales, offsets


def byte_grids(scales: FloatArray, offsets: FloatArray) -> tuple[ByteGrid, ByteGrid]:
    """How scales and offsets are kept in a byte each: scales from 0 on, so that estimates are a product with the byte.

    scales, offsets: (n,) from `corrections`, n ≥ 1.
    """
    return ByteGrid.over(scales, low=0.0), ByteGrid.over(offsets)


def try_corrections(itq: ITQ, vectors: ArrayLike, *, seed: int = 42) -> CorrectionTrial:
    """Measure whether corrections, in a byte each, help to find true neighbours.

    itq: fitted; vectors: (n, d) floating point, rows of L2 norm 1, like those to be searched.
    Among at most 25,000 of them 512 ask, each leaving itself out. With 101 or fewer nothing is sieved: recall is 1.
    Raises: as `corrections`; InputError for rows that are not of norm 1.
    """
    check_count(seed, "seed", least=0)
    rng = np.random.default_rng(seed)
    vectors = check_vectors(itq.check_encodable(vectors), unit=True)
    if len(vectors) > SAMPLE_ROWS:
        vectors = vectors[np.sort(rng.choice(len(vectors), SAMPLE_ROWS, replace=False, shuffle=False))]
    n = len(vectors)
    if n <= N_CANDIDATES + 1:
        return CorrectionTrial(1.0, 1.0, 0)
    signs = unpack_signs(itq.transform(vectors))
    exact = corrections(itq, vectors)
    scales, offsets = (
        grid.from_bytes(grid.to_bytes(values)) for grid, values in zip(byte_grids(*exact), exact, strict=True)
    )
    asking = rng.permutation(n)[:SAMPLE_QUERIES]
    without = corrected = 0
    for block in row_blocks(len(asking), BLOCK_QUERIES):
        rows = asking[block]
        own = np.arange(len(rows)), rows
        cosines = vectors[rows] @ vectors.T
        cosines[own] = -np.inf
        true = np.argpartition(cosines, n - K, axis=1)[:, n - K :]
        scores = itq.project(vectors[rows]) @ signs.T
        estimates = scores * scales
        estimates += offsets
        scores[own] = estimates[own] = -np.inf
        without += _count_found(scores, true)
        corrected += _count_found(estimates, true)
    total = len(asking) * K
    return CorrectionTrial(without / total, corrected / total, len(asking))


def _count_found(scores: FloatArray, true: RowArray) -> int:
    boundary = np.partition(scores, scores.shape[1] - N_CANDIDATES, axis=1)[:, [-N_CANDIDATES]]
    return int(np.count_nonzero(np.take_along_axis(scores, true, axis=1) >= boundary))
