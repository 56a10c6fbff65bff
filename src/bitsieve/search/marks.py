"""Which parts of files searches read, so that these are checked before what was found in them is believed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import RowArray

MARKED_BYTES = 1 << 20
"""What one mark is of, counted from the start of the file."""


class Marks(NamedTuple):
    """Marks of a file that rows are read from. Searches set them and never clear them; threads may share them.

    blocks: (n_blocks,) uint8, 1 where a row was read that lies in this MiB of the file, or reaches into it.
    offset: bytes of the file before its rows.
    """

    blocks: NDArray[np.uint8]
    offset: int

    def mark(self, rows: RowArray, row_bytes: int) -> None:
        """Mark where rows lie, (m,) int64, each of so many bytes."""
        starts = self.offset + rows * row_bytes
        for within in (*range(0, row_bytes, MARKED_BYTES), row_bytes - 1):
            self.blocks[(starts + within) // MARKED_BYTES] = 1
