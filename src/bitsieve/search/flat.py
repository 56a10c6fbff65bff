"""Codes without cells: every query looks at every code."""

from typing import Any

import numpy as np

from ..arrays import BoolArray, CodeArray, FloatArray
from ..codec import ITQ
from . import native
from .arrays import UNCOUNTED, FlatArrays, Found, block_arrays, room, to_bytes
from .layout import byte_rows, panels
from .reference import search_flat


class FlatCodes:
    """An index of codes, and what reranks them.

    itq: fitted. vectors: (n, d) float32. codes: (n, n_bytes), what the ITQ made of them.
    corrections: scales and offsets of the codes, each (n,) float32, or None.
    """

    def __init__(
        self,
        itq: ITQ,
        vectors: FloatArray,
        codes: CodeArray,
        corrections: tuple[FloatArray, FloatArray] | None = None,
    ) -> None:
        scale_step = offset_step = 0.0
        of_codes = []
        if corrections is not None and len(vectors):
            scales, offsets = corrections
            scale_step = float(scales.max()) / 255 or 1.0
            offset_step = float(offsets.max() - offsets.min()) / 255 or 1.0
            of_codes = [to_bytes(scales, scale_step), to_bytes(offsets, offset_step, float(offsets.min()))]
        blocks, spread, _ = block_arrays(codes, np.array([0, len(codes)]), *of_codes)
        self.arrays = FlatArrays(
            vectors,
            byte_rows(vectors),
            itq.mean_,
            panels(np.ascontiguousarray(itq.projection_.T)),
            blocks,
            spread[0] if spread else None,
            spread[1] if spread else None,
            float(np.float32(scale_step)),
            float(np.float32(offset_step)),
        )
        self._native: Any = None

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
        threads: int = 1,
        explain: bool = True,
    ) -> Found:
        """The k best of the n_candidates whose codes look best.

        queries: (q, d) float32. query_codes: (q, n_bytes), to rank by Hamming distance; None ranks by projections.
        allowed: (1 or q, n), which vectors may be found.
        Returns: effort counts candidates, and vectors whose exact cosine was computed; it may be missing without
            `explain`.
        """
        kernels = native.active()
        if kernels == native.NUMPY:
            return search_flat(self.arrays, queries, k, n_candidates, query_codes, allowed)
        if self._native is None:
            self._native = _native_index(native.module(), self.arrays)
        rows, scores, effort = room(len(queries), k, 2 if explain else 0)
        seconds = self._native.search(
            kernels, queries, k, n_candidates, query_codes, allowed, threads, rows, scores, effort
        )
        return Found(rows, scores, UNCOUNTED if effort is None else effort, seconds)


def _native_index(kernels: Any, arrays: FlatArrays) -> Any:
    return kernels.FlatIndex(
        vectors=arrays.vectors,
        bytes=arrays.bytes_.values,
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
