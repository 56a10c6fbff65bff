"""Codes without cells: every query looks at every code."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import BoolArray, CodeArray, FloatArray
from ..codec import ITQ
from ..codec.blocks import row_blocks
from ..codec.corrections import byte_grids, corrections
from . import native
from .arrays import UNCOUNTED, FlatArrays, Found, block_arrays, room
from .exact import few_rows, search_exact
from .layout import Panels, VectorArray, byte_rows, panels
from .reference import search_flat


@dataclass(frozen=True, eq=False)
class ItqPanels:
    """What queries are projected with: made once for all indexes of an ITQ's codes.

    mean: (d,) float32. projection: n_bits rows.
    """

    mean: FloatArray
    projection: Panels

    @classmethod
    def of(cls, itq: ITQ) -> "ItqPanels":
        """Those of a fitted ITQ."""
        return cls(itq.mean_, panels(np.ascontiguousarray(itq.projection_.T)))


class FlatCodes:
    """An index of codes, and what reranks them.

    itq: fitted. vectors: (n, d) float32 or float16. codes: (n, n_bytes), what the ITQ made of them.
    corrections: scales and offsets of the codes, each (n,) float32, or None.
    """

    arrays: FlatArrays
    _native: Any

    def __init__(
        self,
        itq: ITQ,
        vectors: VectorArray,
        codes: CodeArray,
        corrections: tuple[FloatArray, FloatArray] | None = None,
    ) -> None:
        scale_step = offset_step = 0.0
        of_codes = []
        if corrections is not None and len(vectors):
            scales, offsets = corrections
            of_scales, of_offsets = byte_grids(scales, offsets)
            scale_step, offset_step = of_scales.step, of_offsets.step
            of_codes = [of_scales.to_bytes(scales), of_offsets.to_bytes(offsets)]
        blocks, spread, _ = block_arrays(codes, np.array([0, len(codes)]), *of_codes)
        of_itq = ItqPanels.of(itq)
        self.arrays = FlatArrays(
            vectors,
            byte_rows(vectors),
            of_itq.mean,
            of_itq.projection,
            blocks,
            spread[0] if spread else None,
            spread[1] if spread else None,
            float(np.float32(scale_step)),
            float(np.float32(offset_step)),
        )
        self._native = None

    @classmethod
    def encode(cls, itq: ITQ, vectors: VectorArray, *, corrected: bool) -> "FlatCodes":
        """The index of the codes that an ITQ makes of vectors, a block of them at a time.

        itq: fitted. vectors: (n, d) float32 or float16. corrected: whether codes have scales and offsets.
        """
        n = len(vectors)
        codes = np.empty((n, itq.n_bits // 8), np.uint8)
        scales, offsets = np.empty((2, n if corrected else 0), np.float32)
        for block in row_blocks(n):
            codes[block] = itq.transform(vectors[block])
            if corrected:
                scales[block], offsets[block] = corrections(itq, vectors[block])
        return cls(itq, vectors, codes, (scales, offsets) if corrected else None)

    @classmethod
    def of(cls, arrays: FlatArrays) -> "FlatCodes":
        """The index of arrays that are made already."""
        index = cls.__new__(cls)
        index.arrays, index._native = arrays, None
        return index

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_native": None}  # made again from the arrays, by whatever kernels are there

    def search(
        self,
        queries: FloatArray,
        k: int,
        *,
        n_candidates: int,
        query_codes: CodeArray | None = None,
        allowed: BoolArray | None = None,
        n_allowed: int | None = None,
        threads: int = 1,
        explain: bool = True,
    ) -> Found:
        """The k best of the n_candidates whose codes look best.

        queries: (q, d) float32. query_codes: (q, n_bytes), to rank by Hamming distance; None ranks by projections.
        allowed: which vectors may be found: (n,) for all queries, and few are then all compared; or (1 or q, n).
        n_allowed: how many of n are allowed, counted if it is not given.
        Returns: effort counts candidates, and vectors whose exact cosine was computed; it may be missing without
            `explain`.
        """
        arrays = self.arrays
        if allowed is not None and allowed.ndim == 1:
            few = few_rows(allowed, n_allowed)
            if few is not None:
                return search_exact(
                    arrays.vectors, queries, k, few, marks=arrays.vector_marks, threads=threads, explain=explain
                )  # fmt: skip
            allowed = allowed[np.newaxis]
        kernels = native.active()
        if kernels == native.NUMPY:
            return search_flat(arrays, queries, k, n_candidates, query_codes, allowed)
        if self._native is None:
            self._native = _native_index(native.module(), arrays)
        rows, scores, effort = room(len(queries), k, 2 if explain else 0)
        seconds = self._native.search(
            kernels, queries, k, n_candidates, query_codes, allowed, threads, rows, scores, effort
        )
        return Found(rows, scores, UNCOUNTED if effort is None else effort, seconds)


def _native_index(kernels: Any, arrays: FlatArrays) -> Any:
    return kernels.FlatIndex(
        vectors=arrays.vectors,
        vector_marks=arrays.vector_marks,
        bytes=arrays.bytes_.values,
        byte_marks=arrays.byte_marks,
        byte_steps=arrays.bytes_.steps,
        typical_step=arrays.bytes_.typical_step,
        mean=arrays.mean,
        panel_values=arrays.projection.values,
        panel_sums=arrays.projection.sums,
        panel_steps=arrays.projection.steps,
        codes=arrays.codes,
        scales=arrays.scales,
        offsets=arrays.offsets,
        scale_step=arrays.scale_step,
        offset_step=arrays.offset_step,
    )
