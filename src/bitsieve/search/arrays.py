"""The arrays of the two kinds of index, and what a search of one returns.

The kernels in C++ and those in NumPy (`reference/`) read the same arrays and find the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import CodeArray, FloatArray, RowArray
from .layout import ByteArray, ByteRows, Panels, VectorArray, interleave, spread_over_blocks
from .marks import Marks

ROW = np.dtype(np.int64)
SCORE = np.dtype(np.float32)
UNCOUNTED = np.empty((0, 0), ROW)
"""The effort of a search that nobody asks to be explained."""

Sizes: TypeAlias = NDArray[np.uint32]
"""How many codes of each cell are of vectors that may be found, (n_cells,)."""


class Found(NamedTuple):
    """rows: (q, k) int64, −1 where there is none. scores: (q, k) float32, −inf there.

    effort: what each query came to, (4, q) int64 cells, codes in them, candidates and exact cosines; (2, q) the last
    two where there are no cells. seconds: for cells, codes and reranks, of all queries and threads together.
    """

    rows: RowArray
    scores: FloatArray
    effort: RowArray
    seconds: Sequence[float]


def nothing_found(q: int, k: int, n_counts: int) -> Found:
    """What q queries find in nothing, and room for what they find elsewhere."""
    rows, scores = np.full((q, k), -1), np.full((q, k), -np.inf, np.float32)
    return Found(rows, scores, np.zeros((n_counts, q), np.int64), [0.0, 0.0, 0.0])


def room(q: int, k: int, n_counts: int) -> tuple[RowArray, FloatArray, RowArray | None]:
    """Rows, scores and effort of q queries, for the kernels in C++ to fill; no effort where n_counts is 0."""
    # Of a dtype that is made already: np.empty takes a third longer to look np.int64 up.
    return np.empty((q, k), ROW), np.empty((q, k), SCORE), np.empty((n_counts, q), ROW) if n_counts else None


def joined(parts: Sequence[Found]) -> Found:
    """What the queries of all parts found, as if they had been asked at once."""
    seconds = [sum(times) for times in zip(*(part.seconds for part in parts), strict=True)]
    return Found(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.effort for part in parts], axis=1),
        seconds,
    )


@dataclass(frozen=True, eq=False)
class FlatArrays:
    """Codes of all vectors, in their order.

    vectors: (n, d) float32 or float16, and `bytes_`, a copy of them. mean: (d,) float32, what queries are centred by.
    projection: n_bits rows. codes: (n_blocks, n_bytes, 32) uint8.
    scales, offsets: (n_blocks, 32) uint8, in steps, or None for both.
    vector_marks, byte_marks: of the files that the vectors and their copy are in, or None.
    """

    vectors: VectorArray
    bytes_: ByteRows
    mean: FloatArray
    projection: Panels
    codes: ByteArray
    scales: ByteArray | None
    offsets: ByteArray | None
    scale_step: float
    offset_step: float
    vector_marks: Marks | None = None
    byte_marks: Marks | None = None


@dataclass(frozen=True, eq=False)
class CellArrays:
    """Codes of residuals, cell by cell.

    A position counts the codes; a vector that is spilled has two. The copy in bytes has a row for each vector, in the
    order of the cells, so that neighbours lie together.

    vectors: (n, d) float32 or float16. bytes_: n rows. row_ids: (n,) int64, which vector a row of bytes is of.
    position_rows: (n_positions,) uint32, which row of bytes a code is of, or None when its position says it.
    bonus: (n_cells,) float32, added to a cell's score when cells are chosen.
    panels: the centroids, then the n_bits rows of the projection.
    cell_positions, cell_blocks: (n_cells + 1,) uint32, where each cell begins.
    codes: (n_blocks, n_bytes, 32) uint8. scales: (n_blocks, 32) uint8, in steps.
    estimate_error: standard error of a code's estimate of a cosine, as a typical residual's length and the number of
        bits make it.
    default_probe_margin: how far below its level a query looks when nothing is said, a cosine.
    vector_marks, byte_marks: of the files that the vectors and their copy are in, or None.
    """

    vectors: VectorArray
    bytes_: ByteRows
    row_ids: RowArray
    position_rows: NDArray[np.uint32] | None
    bonus: FloatArray
    panels: Panels
    cell_positions: NDArray[np.uint32]
    cell_blocks: NDArray[np.uint32]
    codes: ByteArray
    scales: ByteArray
    scale_step: float
    estimate_error: float
    default_probe_margin: float
    vector_marks: Marks | None = None
    byte_marks: Marks | None = None


class CellPlan(NamedTuple):
    """How hard to look into cells.

    n_candidates: so many codes are reranked at most; n or more: all of the visited cells'.
    n_probes: cells visited, at most, and those that tie with the last; 0: no limit.
    probe_margin: they score at most so far below the query's level, which is halfway between the mean of its nearest
        four cells and that of the best of each of 64 groups of cells.
    margin: a code is passed over when its estimate is so far below the k-th best cosine.
    """

    k: int
    n_candidates: int
    n_probes: int
    probe_margin: float
    margin: float


def to_bytes(values: FloatArray, step: float, least: float = 0) -> ByteArray:
    """Values in steps from the least one, (n,) uint8."""
    whole = np.rint((values - np.float32(least)) / np.float32(step))
    bytes_: ByteArray = np.clip(whole, 0, 255).astype(np.uint8)
    return bytes_


def block_arrays(
    codes: CodeArray, starts: RowArray, *of_codes: ByteArray
) -> tuple[ByteArray, list[ByteArray], RowArray]:
    """Codes and what goes with each of them in blocks of 32, and where each cell's blocks begin."""
    blocks, block_starts = interleave(codes, starts)
    return blocks, [spread_over_blocks(values, starts, block_starts) for values in of_codes], block_starts
