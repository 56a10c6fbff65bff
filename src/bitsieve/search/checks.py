"""Checks of what a cascade is given, beyond those of vectors."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import BoolArray
from ..errors import InputError

Ids: TypeAlias = NDArray[Any]
"""int64 row numbers or ids, or an object array of strings."""


def check_ids(ids: Any, n: int) -> Ids:
    """Return ids for n vectors, row numbers for None, or raise InputError."""
    if ids is None:
        return np.arange(n)
    array = np.asarray(ids)
    if array.shape != (n,):
        raise InputError(f"ids have shape {array.shape}, expected ({n},): give one for each vector")
    if array.dtype.kind in "iu" and (n == 0 or array.max() <= np.iinfo(np.int64).max):
        return array.astype(np.int64)
    # NumPy turns a mixed list into strings, so it is the items as given that count.
    if not all(isinstance(item, str) for item in ids):
        raise InputError("ids must be whole numbers that fit int64, or strings, all of one kind")
    return np.array(ids, dtype=object)


def check_allowed(allowed: ArrayLike, n: int) -> BoolArray:
    """Return a mask of n vectors, or raise InputError."""
    array = np.asarray(allowed)
    if array.dtype != np.bool_ or array.shape != (n,):
        raise InputError(
            f"allowed must be bool of shape ({n},), got {array.dtype} of shape {array.shape}: "
            "from row numbers, np.isin(np.arange(n), rows)"
        )
    return np.ascontiguousarray(array)


def check_margin(margin: Any, name: str) -> float:
    """Return a margin that is not negative, or raise InputError."""
    if isinstance(margin, bool) or not isinstance(margin, (int, float, np.floating)) or not margin >= 0:
        raise InputError(f"{name} must be a number of at least 0, got {margin!r}")
    return float(margin)
