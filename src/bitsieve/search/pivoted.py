"""Pivots before codes: a query looks at the codes of those vectors only that the pivots do not rule out."""

from time import perf_counter

import numpy as np

from ..arrays import BoolArray, CodeArray, FloatArray
from ..codec import PivotFilter
from ..codec.blocks import row_blocks
from .arrays import Found, joined
from .flat import FlatCodes
from .stages import Stage

MASK_BYTES = 64 << 20
"""What the masks of the queries searched at once may take, with as much again for their making."""


def search_past_pivots(
    codes: FlatCodes,
    pivots: PivotFilter,
    distances: FloatArray,
    threshold: float,
    queries: FloatArray,
    k: int,
    *,
    n_candidates: int,
    query_codes: CodeArray | None,
    allowed: BoolArray | None,
    threads: int,
) -> tuple[Found, Stage]:
    """What `FlatCodes.search` finds among the vectors that pass, and what the pivots did.

    distances: (n, n_pivots) float32, of the vectors. threshold: see `PivotFilter.passes`. allowed: (n,) or None.
    Raises: InputError for a negative or NaN threshold.
    """
    n, seconds = len(distances), 0.0
    kept, parts = [], []
    # An empty batch is searched as one empty block.
    for block in list(row_blocks(len(queries), max(1, MASK_BYTES // max(1, n)))) or [slice(0, 0)]:
        started = perf_counter()
        passed = pivots.passes(pivots.distances(queries[block]), distances, threshold)
        if allowed is not None:
            passed &= allowed
        kept.append(np.count_nonzero(passed, axis=1))
        seconds += perf_counter() - started
        of_block = None if query_codes is None else query_codes[block]
        parts.append(
            codes.search(
                queries[block],
                k,
                n_candidates=n_candidates,
                query_codes=of_block,
                allowed=passed,
                threads=threads,
            )
        )
    n_kept = np.concatenate(kept)
    return joined(parts), Stage("pivots", n_kept, n - n_kept, seconds)
