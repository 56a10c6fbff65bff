"""Segments as they are written: rows with the codes that suit their number."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec import Cells
from ..codec.blocks import row_blocks
from ..codec.cells import TRAINING_ROWS, choose_n_cells
from ..search.cells import CellCodes
from ..search.flat import FlatCodes
from ..search.stored import to_stored
from ..store.arrays import ArraysRecord, writing_arrays
from ..store.disk import Disk
from .codec import Codec
from .ids import RowIds
from .rows import Rows, joined_places, joined_vectors, sampled_vectors

FLAT_FROM = 1_024
"""Rows from which a segment has codes. Fewer are compared one by one, in less than 0.1 ms."""

CELLS_FROM = 50_000
"""Rows from which a segment has cells."""


def write_segment(
    disk: Disk, root: Path, number: int, parts: Sequence[Rows], dtype: np.dtype[Any], codec: Codec | None
) -> tuple[ArraysRecord, dict[str, Any]]:
    """Write the rows of all parts as a segment; it is on the disk when this returns.

    parts: with the ids of their documents. dtype: of the vectors in it.
    Returns: its files, and what else there is to know of it, for the catalog.
    Raises: DiskError.
    """
    keys, places = np.concatenate([part.keys for part in parts]), joined_places(parts)
    facts: dict[str, Any] = {"kind": "exact", "codec": None}
    with writing_arrays(disk, root, "segments", number) as folder:
        folder.write("keys", keys)
        for name, array in (
            RowIds.joined([part.ids for part in parts if part.ids is not None]).arrays().items()
        ):
            folder.write(name, array)
        if places is not None:
            folder.write("places", places)
        folder.write("vectors", joined_vectors(parts, dtype))
        if codec is not None and len(keys) >= FLAT_FROM:
            # What was written is what is coded, and need not be in memory.
            arrays, facts = _codes(folder.mapped("vectors"), codec)
            for name, array in arrays.items():
                folder.write(name, array)
    return folder.record, facts


def _codes(vectors: NDArray[Any], codec: Codec) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    if len(vectors) < CELLS_FROM:
        arrays, facts = to_stored(FlatCodes.encode(codec.itq, vectors, corrected=codec.corrections))
        return arrays, {"kind": "flat", "codec": codec.number, **facts}
    n_cells = choose_n_cells(len(vectors))
    learned_from = sampled_vectors([Rows(np.arange(len(vectors)), vectors)], TRAINING_ROWS * n_cells)
    arrays, facts = to_stored(CellCodes(Cells(n_cells).fit(learned_from), vectors))
    # What finds them here are the codes of the cells; those of the ITQ are for other systems.
    arrays["codes"] = np.concatenate(
        [codec.itq.transform(vectors[rows]) for rows in row_blocks(len(vectors))]
    )
    return arrays, {"kind": "cells", "codec": codec.number, **facts}
