"""An index as a segment keeps it: arrays under the names of files and a few numbers, and the index made of them again.

Nothing is computed over the rows to make it again, but that portable codes are put into blocks. The vectors are not
among the arrays: a segment has them as they are, in float32 or float16. Nor is what belongs to an ITQ, which all
segments share.

    rerank_int8, rerank_steps    both  a copy of the vectors: (value - 128) · step; of cells in their order
    codes                        flat  (n, n_bits // 8), an ITQ's, in the order of the vectors
    code_scales, code_offsets    flat  a byte of each code, where there are corrections
    cell_*                       cells as `CellArrays` describes them; codes and scales are in blocks
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .arrays import CellArrays, FlatArrays, block_arrays
from .cells import CellCodes
from .flat import FlatCodes, ItqPanels
from .layout import ByteRows, Panels, VectorArray, deinterleave
from .marks import Marks

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Facts: TypeAlias = Mapping[str, float]

BYTES = "rerank_int8"
"""The array that is large and of which a search reads few rows, so that it may stay in its file."""


def to_stored(index: FlatCodes | CellCodes) -> tuple[dict[str, NDArray[Any]], dict[str, float]]:
    """What a segment is to keep of an index besides its vectors.

    Returns: arrays, by names that files can have, and facts, numbers that JSON has.
    """
    arrays = index.arrays
    stored: dict[str, NDArray[Any]] = {BYTES: arrays.bytes_.values, "rerank_steps": arrays.bytes_.steps}
    facts = {"typical_step": arrays.bytes_.typical_step, "scale_step": arrays.scale_step}
    if isinstance(arrays, FlatArrays):
        n = len(arrays.vectors)
        stored["codes"] = deinterleave(arrays.codes)[:n]
        if arrays.scales is not None and arrays.offsets is not None:
            stored |= {"code_scales": arrays.scales.ravel()[:n], "code_offsets": arrays.offsets.ravel()[:n]}
        return stored, facts | {"offset_step": arrays.offset_step}
    stored |= {
        "cell_rows": arrays.row_ids,
        "cell_bonus": arrays.bonus,
        "cell_panels": arrays.panels.values,
        "cell_panel_sums": arrays.panels.sums,
        "cell_panel_steps": arrays.panels.steps,
        "cell_positions": arrays.cell_positions,
        "cell_blocks": arrays.cell_blocks,
        "cell_codes": arrays.codes,
        "cell_scales": arrays.scales,
    }
    if arrays.position_rows is not None:
        stored["cell_position_rows"] = arrays.position_rows
    margins = {"estimate_error": arrays.estimate_error, "default_probe_margin": arrays.default_probe_margin}
    return stored, facts | margins


def flat_from_stored(
    itq: ItqPanels,
    vectors: VectorArray,
    arrays: Arrays,
    facts: Facts,
    *,
    vector_marks: Marks | None = None,
    byte_marks: Marks | None = None,
) -> FlatCodes:
    """The index of codes that `to_stored` was given.

    itq: of the ITQ that made the codes. vectors: (n, d) float32 or float16. arrays, facts: from `to_stored`.
    vector_marks, byte_marks: of the files of the vectors and of `rerank_int8`, where searches are to mark what they
        read; None does not.
    """
    codes = arrays["codes"]
    corrections = [arrays[name] for name in ("code_scales", "code_offsets") if name in arrays]
    blocks, spread, _ = block_arrays(codes, np.array([0, len(codes)]), *corrections)
    return FlatCodes.of(
        FlatArrays(
            vectors,
            _byte_rows(arrays, facts),
            itq.mean,
            itq.projection,
            blocks,
            spread[0] if spread else None,
            spread[1] if spread else None,
            facts["scale_step"],
            facts["offset_step"],
            vector_marks,
            byte_marks,
        )
    )


def cells_from_stored(
    vectors: VectorArray,
    arrays: Arrays,
    facts: Facts,
    *,
    vector_marks: Marks | None = None,
    byte_marks: Marks | None = None,
) -> CellCodes:
    """The index of cells that `to_stored` was given. Arguments are as for `flat_from_stored`."""
    return CellCodes.of(
        CellArrays(
            vectors,
            _byte_rows(arrays, facts),
            arrays["cell_rows"],
            arrays.get("cell_position_rows"),
            arrays["cell_bonus"],
            Panels(arrays["cell_panels"], arrays["cell_panel_sums"], arrays["cell_panel_steps"]),
            arrays["cell_positions"],
            arrays["cell_blocks"],
            arrays["cell_codes"],
            arrays["cell_scales"],
            facts["scale_step"],
            facts["estimate_error"],
            facts["default_probe_margin"],
            vector_marks,
            byte_marks,
        )
    )


def _byte_rows(arrays: Arrays, facts: Facts) -> ByteRows:
    return ByteRows(arrays[BYTES], arrays["rerank_steps"], facts["typical_step"])
