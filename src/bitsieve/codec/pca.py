"""Principal components of the rows of an array too large to copy: sums in float64, a block at a time.

In all of them `vectors` is (n, d) float32 and `rows` picks a sample of it, None all of it.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, RowArray
from ..errors import InputError
from .blocks import row_blocks

DoubleArray: TypeAlias = NDArray[np.float64]


def mean_of(vectors: FloatArray, rows: RowArray | None) -> FloatArray:
    """The mean row, (d,) float32."""
    total = np.zeros(vectors.shape[1])
    for _, part in _blocks(vectors, rows):
        total += part.sum(axis=0, dtype=np.float64)
    return (total / (len(vectors) if rows is None else len(rows))).astype(np.float32)


def centred_blocks(
    vectors: FloatArray, rows: RowArray | None, mean: FloatArray
) -> Iterator[tuple[slice, DoubleArray]]:
    """Where each block of the sample lies in it, and its rows less the mean.

    The mean is the float32 one that encoding subtracts, so that rows all equal give exact zeros.
    """
    for block, part in _blocks(vectors, rows):
        yield block, np.subtract(part, mean, dtype=np.float64)


def scatter_of(vectors: FloatArray, rows: RowArray | None, mean: FloatArray) -> DoubleArray:
    """The covariance times the number of rows, (d, d)."""
    d = vectors.shape[1]
    scatter = np.zeros((d, d))
    for _, centred in centred_blocks(vectors, rows, mean):
        scatter += centred.T @ centred
    return scatter


def principal_components(
    vectors: FloatArray, rows: RowArray | None, mean: FloatArray, n_components: int
) -> tuple[DoubleArray, DoubleArray]:
    """The directions of largest variance.

    Returns: (d, n_components), orthonormal columns, largest variance first, the largest entry of each
        positive; (n_components,), their shares of the total variance.
    Raises: InputError when all rows are equal.
    """
    scatter = scatter_of(vectors, rows, mean)
    total = float(np.trace(scatter))
    if total == 0:
        raise InputError("vectors have no variance, all rows are equal: fit on rows that differ")
    variances, components = np.linalg.eigh(scatter)
    variances, components = variances[::-1][:n_components], components[:, ::-1][:, :n_components]
    # An eigenvector's sign is LAPACK's choice; ours is that its largest entry is positive.
    largest = components[np.abs(components).argmax(axis=0), np.arange(n_components)]
    return components * np.sign(largest), np.maximum(variances, 0) / total


def project_rows(
    vectors: FloatArray, rows: RowArray | None, mean: FloatArray, components: DoubleArray
) -> FloatArray:
    """The rows less the mean in terms of the components, (n_rows, n_components) float32."""
    # In float64: a few signs that float32's rounding turns send the turns of ITQ another way.
    projected = np.empty((len(vectors) if rows is None else len(rows), components.shape[1]), np.float32)
    for block, centred in centred_blocks(vectors, rows, mean):
        projected[block] = centred @ components
    return projected


def _blocks(vectors: FloatArray, rows: RowArray | None) -> Iterator[tuple[slice, FloatArray]]:
    # A sample is gathered block by block: as a whole it would be a second copy of the vectors.
    for block in row_blocks(len(vectors) if rows is None else len(rows)):
        yield block, vectors[block] if rows is None else vectors[rows[block]]
