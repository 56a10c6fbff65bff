"""Checks of what a cascade is given, beyond those of vectors. All raise InputError."""

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import NORM_TOLERANCE, BoolArray, FloatArray, check_count, check_vectors
from ..codec import ITQ, Cells, PivotFilter
from ..errors import InputError
from ..recall import Plan
from . import native

Ids: TypeAlias = NDArray[Any]
"""int64 row numbers or ids, or an object array of strings."""


def check_parts(
    itq: ITQ | None,
    pivots: PivotFilter | None,
    cells: Cells | int | None,
    *,
    spill: bool,
    corrections: bool | None,
) -> None:
    """Whether the parts of a cascade fit each other, and each is used."""
    if itq is None and cells is None:
        raise InputError("a cascade needs codes: give it a fitted ITQ, or cells=, how many cells to make")
    if itq is None and pivots is not None:
        raise InputError(
            "pivots filter before the codes of an ITQ: make the cascade with Cascade(itq, pivots)"
        )
    if corrections not in (None, False, True):
        raise InputError(f"corrections must be True, False or None, got {corrections!r}")
    if itq is None and corrections:
        raise InputError("corrections go with the codes of an ITQ: make the cascade with Cascade(itq)")
    if cells is None and spill:
        raise InputError("spill lists vectors in two cells: give cells=, how many cells to make")
    if isinstance(cells, Cells) and spill and not cells.spill:
        raise InputError("spill is a property of the Cells you gave: make them with Cells(spill=True)")
    if cells is not None and not isinstance(cells, Cells):
        check_count(cells, "cells")


def check_search(*parameters: Any) -> Plan:
    """The plan of a search whose numbers are in range, and go together.

    parameters: k, n_candidates, threads, n_probes, probe_margin, rerank_margin, scoring, pivot_threshold, of which
        `takes_cells` checks the last two. Those of one search are mostly those of the next, so what has passed is
        remembered: looking that up takes a fifth of a microsecond.
    """
    try:
        return _check_search(*parameters)
    except TypeError:  # one that cannot be looked up, such as a list
        return _check_search.__wrapped__(*parameters)


@lru_cache(maxsize=1024, typed=True)  # typed, since True equals 1
def _check_search(
    k: Any, n_candidates: Any, threads: Any, n_probes: Any, probe_margin: Any, rerank_margin: Any,
    scoring: Any = "asymmetric", pivot_threshold: Any = None,
) -> Plan:  # fmt: skip
    # Numbers are kept as Python's own, since those of NumPy that are small overflow in what is made of them.
    k, n_candidates = check_count(k, "k"), check_count(n_candidates, "n_candidates")
    check_count(threads, "threads")
    if k > n_candidates:
        raise InputError(f"k={k} is more than n_candidates={n_candidates}: raise n_candidates")
    if n_probes is not None:
        n_probes = check_count(n_probes, "n_probes")
    if probe_margin is not None:
        probe_margin = check_margin(probe_margin, "probe_margin")
    rerank_margin = check_margin(rerank_margin, "rerank_margin")
    return Plan(False, n_candidates, n_probes, probe_margin, scoring, pivot_threshold, rerank_margin)


def takes_cells(
    scoring: str, pivot_threshold: float | None, chosen: bool, *, coded: bool, pivoted: bool, celled: bool
) -> bool:
    """Whether a search goes by cells, once it is known that it can go at all.

    chosen: whether the search chooses cells. coded, pivoted, celled: whether there are codes of an ITQ, pivots, cells.
    """
    if scoring not in ("asymmetric", "hamming"):
        raise InputError(f"scoring must be 'asymmetric' or 'hamming', got {scoring!r}")
    if scoring == "hamming" and not coded:
        raise InputError("scoring='hamming' compares codes of an ITQ: make the cascade with Cascade(itq)")
    if pivot_threshold is not None and not pivoted:
        raise InputError("pivot_threshold needs pivots: make the cascade with Cascade(itq, PivotFilter())")
    by_cells = celled and scoring == "asymmetric" and pivot_threshold is None
    if chosen and not by_cells:
        raise InputError(
            "n_probes and probe_margin choose cells: make the cascade with Cascade(cells=…), and search it "
            "without pivots and with scoring='asymmetric'"
        )
    return by_cells


def check_queries(queries: ArrayLike, d: int) -> FloatArray:
    """Return queries as a C-contiguous float32 array of unit rows, as `check_vectors` does, or raise what it raises.

    Good ones are recognised in C++, in a tenth of the time: a single query waits for this at every search.
    """
    array = np.asarray(queries)
    kernels = native.module()
    if kernels is not None:
        if kernels.unit_rows(array, d, NORM_TOLERANCE):
            return array
        if array.dtype.kind == "f":  # perhaps of another width, or not contiguous
            converted = np.ascontiguousarray(array, dtype=np.float32)
            if kernels.unit_rows(converted, d, NORM_TOLERANCE):
                return converted
    return check_vectors(array, d=d, unit=True, name="queries")


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


def with_none(ids: Ids) -> Ids:
    """Ids, and behind them what stands for no id, which is then that of row −1.

    >>> with_none(np.array([70, 80]))[[1, -1]]
    array([80, -1])
    """
    none = np.array([None if ids.dtype == object else -1], ids.dtype)
    return np.concatenate([ids, none])


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
