"""Arrays as the kernels read them: codes in blocks of 32, bytes of vectors, rows in panels of 16.

`native/kernels.hpp` describes the same layouts from the other side.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..arrays import CodeArray, FloatArray, RowArray
from ..codec.blocks import row_blocks

BLOCK = 32
"""Codes in a block."""
PANEL = 16
"""Rows in a panel."""
ALIGNMENT = 64
"""What rows of bytes are padded to: the widest register's bytes."""

ByteArray = NDArray[np.uint8]
VectorArray: TypeAlias = FloatArray | NDArray[np.float16]
"""Vectors as they are kept: float16 takes half the room, and stands for the float32 of the same value."""


@dataclass(frozen=True, eq=False)
class Panels:
    """Rows to multiply queries with, in whole numbers of −63 … 63.

    values: (n_panels, stride // 4, 16, 4) int8. sums: (16 · n_panels,) int32, 64 · Σ of each row.
    steps: (16 · n_panels,) float32, what 1 is worth in each row; rows that only fill a panel are zero.
    """

    values: NDArray[np.int8]
    sums: NDArray[np.int32]
    steps: FloatArray


@dataclass(frozen=True, eq=False)
class ByteRows:
    """A copy of vectors in bytes.

    values: (n, stride) uint8, value / step + 128. steps: (n,) float32.
    typical_step: their root mean square, which says how far bytes round.
    """

    values: ByteArray
    steps: FloatArray
    typical_step: float


def padded(n: int, multiple: int) -> int:
    """n rounded up to a multiple.

    >>> padded(33, 32)
    64
    """
    return -(-n // multiple) * multiple


def on_cache_lines(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An empty array that begins on a cache line; NumPy's own begin 16 bytes behind one, and each row is in one more.

    >>> on_cache_lines((3, 64), np.uint8).ctypes.data % 64
    0
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def quantize(vectors: FloatArray, highest: int) -> tuple[FloatArray, FloatArray]:
    """Each row as whole numbers of −highest … highest.

    vectors: (n, d) float32.
    Returns: (n, d) float32 of whole numbers, and (n,) float32, what 1 is worth.
    """
    magnitudes = np.abs(vectors).max(axis=1, initial=0)
    with np.errstate(divide="ignore"):
        scales = np.where(magnitudes > 0, np.float32(highest) / magnitudes, np.float32(0))
    return np.rint(vectors * scales[:, np.newaxis]), magnitudes / np.float32(highest)


def widened(vectors: VectorArray) -> FloatArray:
    """Vectors in float32, without a copy where they are."""
    return vectors.astype(np.float32, copy=False)


def byte_rows(vectors: VectorArray, order: RowArray | None = None) -> ByteRows:
    """A copy of vectors in bytes, a quarter of the size of float32.

    vectors: (n, d) float32 or float16. order: (n,), the vector of each row; None is their own.
    """
    n, d = vectors.shape
    values = on_cache_lines((n, padded(d, ALIGNMENT)), np.uint8)
    values[:, d:] = 128
    steps = np.empty(n, np.float32)
    for rows in row_blocks(n):
        whole, steps[rows] = quantize(widened(vectors[rows if order is None else order[rows]]), 127)
        values[rows, :d] = whole + 128
    mean = np.square(steps, dtype=np.float64).mean() if n else 0.0
    return ByteRows(values, steps, float(np.float32(np.sqrt(mean))))


def panels(*groups: FloatArray) -> Panels:
    """Rows in panels; each group of rows starts a new one.

    groups: each (n, d) float32.
    """
    d = groups[0].shape[1]
    starts = np.cumsum([0] + [padded(len(group), PANEL) for group in groups])
    rows = np.zeros((starts[-1], padded(d, ALIGNMENT)), np.int8)
    steps = np.zeros(len(rows), np.float32)
    for group, start in zip(groups, starts, strict=False):
        whole, steps[start : start + len(group)] = quantize(group, 63)
        rows[start : start + len(group), :d] = whole
    sums = 64 * rows.sum(axis=1, dtype=np.int32)
    values = on_cache_lines((len(rows) // PANEL, rows.shape[1] // 4, PANEL, 4), np.int8)
    values[:] = rows.reshape(-1, PANEL, rows.shape[1] // 4, 4).transpose(0, 2, 1, 3)
    return Panels(values, sums, steps)


def interleave(codes: CodeArray, starts: RowArray) -> tuple[ByteArray, RowArray]:
    """Codes in blocks of 32, each cell beginning a new block.

    Byte r of each of the 32 makes row r, so that one shuffle looks bits of many codes up.

    codes: (n, n_bytes) uint8, cell by cell. starts: (n_cells + 1,), where each cell begins.
    Returns: blocks (n_blocks, n_bytes, 32) uint8, and where each cell's blocks begin, (n_cells + 1,).
    """
    block_starts = _block_starts(starts)
    spread = spread_over_blocks(codes, starts, block_starts)
    blocks = on_cache_lines((int(block_starts[-1]), codes.shape[1], BLOCK), np.uint8)
    for rows in row_blocks(len(blocks), 1024):
        blocks[rows] = spread[rows].transpose(0, 2, 1)
    return blocks, block_starts


def spread_over_blocks(values: NDArray[Any], starts: RowArray, block_starts: RowArray) -> NDArray[Any]:
    """Values in the order of codes, moved to where blocks have them, zeros where a cell's last block is not full.

    values: (n, …). starts, block_starts: (n_cells + 1,).
    Returns: (n_blocks, 32, …).
    """
    spread = np.zeros((int(block_starts[-1]) * BLOCK, *values.shape[1:]), values.dtype)
    of_cells = zip(starts[:-1].tolist(), starts[1:].tolist(), block_starts[:-1].tolist(), strict=True)
    for start, end, block in of_cells:
        spread[BLOCK * block : BLOCK * block + end - start] = values[start:end]
    return spread.reshape(-1, BLOCK, *values.shape[1:])


def _block_starts(starts: RowArray) -> RowArray:
    n_blocks = -(-np.diff(starts) // BLOCK)
    return np.concatenate([[0], np.cumsum(n_blocks)]).astype(np.int64)


def deinterleave(blocks: ByteArray) -> CodeArray:
    """The codes that `interleave` put into blocks, (32 · n_blocks, n_bytes), zeros where a block is not full.

    >>> codes = np.arange(64, dtype=np.uint8).reshape(32, 2)
    >>> bool((deinterleave(interleave(codes, np.array([0, 32]))[0]) == codes).all())
    True
    """
    return np.ascontiguousarray(blocks.transpose(0, 2, 1)).reshape(-1, blocks.shape[1])


def unpanel(of_rows: Panels) -> NDArray[np.int8]:
    """The whole numbers that `panels` arranged, a row for each, those that only fill a panel included."""
    n_panels, quarter = of_rows.values.shape[:2]
    rows: NDArray[np.int8] = of_rows.values.transpose(0, 2, 1, 3).reshape(n_panels * PANEL, quarter * 4)
    return rows
