"""Array types and the checks at the public edge: shape, dtype, finite, norm. Inner functions trust."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DimensionError, InputError

FloatArray: TypeAlias = NDArray[np.float32]
CodeArray: TypeAlias = NDArray[np.uint8]
RowArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

NORM_TOLERANCE = 1e-3
"""How far a row's norm may be from 1: float16 storage costs up to 5e-4."""


def check_vectors(
    vectors: ArrayLike, *, d: int | None = None, unit: bool = False, name: str = "vectors"
) -> FloatArray:
    """Return `vectors` as a C-contiguous float32 array, or say what is wrong with them.

    vectors: (n, d) real floating point; float64 and float16 are converted.
    d: the dimension they must have; unit: whether each row must have L2 norm 1.
    Raises: InputError for another shape or dtype, NaN or Inf, or a norm that is not 1;
        DimensionError when d differs.
    """
    array = np.asarray(vectors)
    if array.dtype.kind != "f":
        raise InputError(
            f"{name} must be floating point, got dtype {array.dtype}: convert with .astype('float32')"
        )
    if array.ndim != 2:
        raise InputError(
            f"{name} must have shape (n, d), got {array.shape}: pass one vector as vector[np.newaxis]"
        )
    if d is not None and array.shape[1] != d:
        raise DimensionError(
            f"{name} have d={array.shape[1]}, expected d={d}: use the model that the rest was made with"
        )
    array = np.ascontiguousarray(array, dtype=np.float32)
    if unit:
        # One pass says both that entries are finite and that norms are 1; a single query pays for it at every search.
        norms = np.sqrt(np.einsum("nd,nd->n", array, array))
        if (np.abs(norms - 1) <= NORM_TOLERANCE).all():
            return array
    # A row's sum is finite only when each entry is (or when two infinities of one sign overflow it,
    # which `isfinite` below reports too), and needs no (n, d) array of booleans.
    sums = array.sum(axis=1, dtype=np.float64)
    if not np.isfinite(sums).all():
        row = int(np.flatnonzero(~np.isfinite(sums))[0])
        raise InputError(f"{name} contain NaN or Inf, first in row {row}: drop or re-embed such rows")
    if unit:
        worst = int(np.argmax(np.abs(norms - 1)))
        raise InputError(
            f"{name} must have rows of L2 norm 1, row {worst} has {norms[worst]:.4g}: "
            f"divide by np.linalg.norm({name}, axis=1, keepdims=True)"
        )
    return array


def check_codes(codes: ArrayLike, *, n_bytes: int | None = None, name: str = "codes") -> CodeArray:
    """Return `codes` as a C-contiguous (n, n_bytes) uint8 array, or say what is wrong with them.

    Raises: InputError for another shape or dtype; DimensionError when n_bytes differs.
    """
    array = np.asarray(codes)
    if array.dtype != np.uint8 or array.ndim != 2:
        raise InputError(
            f"{name} must be uint8 of shape (n, n_bits // 8), got {array.dtype} of shape {array.shape}: "
            "0/1 arrays are packed with np.packbits(bits, axis=1)"
        )
    if n_bytes is not None and array.shape[1] != n_bytes:
        raise DimensionError(
            f"{name} have {array.shape[1] * 8} bits, expected {n_bytes * 8}: "
            "use the codec that the rest was made with"
        )
    return np.ascontiguousarray(array)


def check_count(value: Any, name: str, *, least: int = 1) -> int:
    """Return `value` as an int of at least `least`, or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def check_progress(progress: Any) -> None:
    """Raise InputError when this is neither None nor something to be called."""
    if progress is not None and not callable(progress):
        raise InputError(f"progress must be a function that is called with (done, n), got {progress!r}")
