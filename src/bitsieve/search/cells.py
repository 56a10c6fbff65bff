"""Codes of residuals, cell by cell: a query visits the cells it is near."""

from functools import lru_cache
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray, FloatArray, RowArray
from ..codec.blocks import row_blocks
from ..codec.cells import Cells
from . import native
from .arrays import UNCOUNTED, CellArrays, CellPlan, Found, Sizes, block_arrays, room, to_bytes
from .exact import few_rows, search_exact
from .layout import VectorArray, byte_rows, panels, quantize, widened
from .reference import search_cells

BONUS = 0.4
"""How much of a cell's radius is added to its score: a wide cell reaches nearer to the query than its centroid."""

PROBED_SPREAD = 1.4
"""How many standard deviations of the cells' scores below its level a search looks by default."""

FARTHEST = 1e9
"""A margin that leaves nothing out, of cosines and of standard errors, and that float32 holds."""


class CellCodes:
    """An index of residual codes, and what reranks them.

    cells: fitted. vectors: (n, d) float32 or float16, at least one.

    n_cells, n_codes: a vector that is spilled has two codes.
    estimate_error, default_probe_margin: as `CellArrays` has them.
    """

    arrays: CellArrays
    n_cells: int
    n_codes: int
    _native: Any

    def __init__(self, cells: Cells, vectors: VectorArray) -> None:
        self._take(_cell_arrays(cells, vectors))

    @classmethod
    def of(cls, arrays: CellArrays) -> "CellCodes":
        """The index of arrays that are made already."""
        index = cls.__new__(cls)
        index._take(arrays)
        return index

    def _take(self, arrays: CellArrays) -> None:
        self.arrays = arrays
        self.n_cells, self.n_codes = len(arrays.bonus), int(arrays.cell_positions[-1])
        self.estimate_error, self.default_probe_margin = arrays.estimate_error, arrays.default_probe_margin
        self._native = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_native": None}  # made again from the arrays, by whatever kernels are there

    def plan(
        self, k: int, n_candidates: int, n_probes: int | None, probe_margin: float | None, rerank_margin: float,
        all_cells: bool,
    ) -> CellPlan:  # fmt: skip
        """How hard to look, from what a caller of `Cascade.search` said."""
        if all_cells:
            n_probes, probe_margin = self.n_cells, None
        if self.arrays.position_rows is not None:  # a vector may be met twice, and counts once
            n_candidates = max(n_candidates, 2 * k)
        return _plan(
            k, n_candidates, n_probes, probe_margin, rerank_margin,
            self.n_cells, self.default_probe_margin, self.estimate_error,
        )  # fmt: skip

    def search(
        self, queries: FloatArray, plan: CellPlan, *, allowed: BoolArray | None = None, n_allowed: int | None = None,
        sizes: Sizes | None = None, threads: int = 1, explain: bool = True,
    ) -> Found:  # fmt: skip
        """The k best of the candidates in the visited cells.

        queries: (q, d) float32. allowed: (n,), which vectors may be found; few are all compared, as if every cell had
            been visited. n_allowed: how many those are, counted if it is not given. sizes: from `allowed_sizes`, so
            that cells where nothing is allowed do not stand in the way of others.
        Returns: effort counts cells, codes in them, candidates, and vectors whose exact cosine was computed; it may
            be missing without `explain`.
        """
        arrays = self.arrays
        few = None if allowed is None else few_rows(allowed, n_allowed)
        if few is not None:
            found = search_exact(
                arrays.vectors, queries, plan.k, few, marks=arrays.vector_marks, threads=threads, explain=explain
            )  # fmt: skip
            if not explain:
                return found
            visited = np.repeat([[self.n_cells], [self.n_codes]], len(queries), axis=1)
            return found._replace(effort=np.concatenate([visited, found.effort]))
        kernels = native.active()
        if kernels == native.NUMPY:
            return search_cells(arrays, plan, queries, allowed, sizes)
        if self._native is None:
            self._native = _native_index(native.module(), arrays)
        rows, scores, effort = room(len(queries), plan.k, 4 if explain else 0)
        seconds = self._native.search(kernels, queries, *plan, allowed, sizes, threads, rows, scores, effort)
        return Found(rows, scores, UNCOUNTED if effort is None else effort, seconds)

    def allowed_sizes(self, allowed: BoolArray) -> Sizes:
        """The `sizes` of a search among those that a mask allows, (n,)."""
        arrays = self.arrays
        rows = arrays.row_ids if arrays.position_rows is None else arrays.row_ids[arrays.position_rows]
        before = np.concatenate([[0], np.cumsum(allowed[rows])])
        sizes: Sizes = np.diff(before[arrays.cell_positions]).astype(np.uint32)
        return sizes


@lru_cache(
    maxsize=1024
)  # one search's is mostly the next one's, and looking it up takes a third of making it
def _plan(
    k: int, n_candidates: int, n_probes: int | None, probe_margin: float | None, rerank_margin: float,
    n_cells: int, default_probe_margin: float, estimate_error: float,
) -> CellPlan:  # fmt: skip
    if probe_margin is None:
        probe_margin = FARTHEST if n_probes else default_probe_margin
    return CellPlan(
        k,
        n_candidates,
        min(n_probes or n_cells, n_cells),
        min(float(probe_margin), FARTHEST),
        min(float(rerank_margin), FARTHEST) * estimate_error,
    )


def _cell_arrays(cells: Cells, vectors: VectorArray) -> CellArrays:
    n, n_cells = len(vectors), len(cells.centroids_)
    first = np.empty(n, np.int32)
    for block in row_blocks(n):
        first[block] = cells.assign(vectors[block])
    row_ids = np.argsort(first, kind="stable")
    cell_of, ids = first[row_ids], row_ids
    position_rows = None
    if cells.spill and n_cells > 1:
        cell_of, ids, position_rows = _spill(cells, vectors, first, row_ids)
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell_of, minlength=n_cells))])
    codes = np.empty((len(ids), cells.projection_.shape[1] // 8), np.uint8)
    scales = np.empty(len(ids), np.float32)
    for block in row_blocks(len(ids)):
        codes[block], scales[block] = cells.encode(vectors[ids[block]], cell_of[block])
    scale_step = float(np.float32(cells.scale_limit_ / 255))
    blocks, (spread_scales,), block_starts = block_arrays(codes, starts, to_bytes(scales, scale_step))
    # Of a residual of length r, signs keep all but 1 − 2/π of the variance that bits share. Where vectors hardly differ
    # from their centroids, the rounding of these, and of the query, to seven bits is all the error that there is.
    length = float(np.sqrt(np.mean(np.square(cells.radii_[first]))))
    few = widened(vectors[:: max(1, n // 256)][:256])
    rounding = float(np.mean(np.square(quantize(few, 63)[1]))) / 6
    return CellArrays(
        vectors,
        byte_rows(vectors, row_ids),
        row_ids,
        position_rows,
        np.float32(BONUS) * cells.radii_,
        panels(cells.centroids_, np.ascontiguousarray(cells.projection_.T)),
        starts.astype(np.uint32),
        block_starts.astype(np.uint32),
        blocks,
        spread_scales,
        scale_step,
        estimate_error=sqrt(length**2 * (pi / 2 - 1) / (8 * codes.shape[1]) + rounding),
        default_probe_margin=PROBED_SPREAD * float(np.std(few @ cells.centroids_.T, axis=1).mean()),
    )


def _spill(
    cells: Cells, vectors: VectorArray, first: NDArray[np.int32], row_ids: RowArray
) -> tuple[NDArray[np.int32], RowArray, NDArray[np.uint32]]:
    """Each vector in two cells: of every code in order its cell, its vector, and the vector's row of bytes."""
    second = [cells.assign_second(vectors[block], first[block]) for block in row_blocks(len(vectors))]
    both = np.concatenate([first, *second])
    order = np.argsort(both, kind="stable")
    ids = order % len(vectors)
    rows = np.empty(len(vectors), np.uint32)
    rows[row_ids] = np.arange(len(vectors), dtype=np.uint32)
    return both[order], ids, rows[ids]


def _native_index(kernels: Any, arrays: CellArrays) -> Any:
    return kernels.CellIndex(
        vectors=arrays.vectors,
        vector_marks=arrays.vector_marks,
        bytes=arrays.bytes_.values,
        byte_marks=arrays.byte_marks,
        byte_steps=arrays.bytes_.steps,
        typical_step=arrays.bytes_.typical_step,
        row_ids=arrays.row_ids,
        position_rows=arrays.position_rows,
        bonus=arrays.bonus,
        panel_values=arrays.panels.values,
        panel_sums=arrays.panels.sums,
        panel_steps=arrays.panels.steps,
        cell_positions=arrays.cell_positions,
        cell_blocks=arrays.cell_blocks,
        codes=arrays.codes,
        scales=arrays.scales,
        scale_step=arrays.scale_step,
    )
