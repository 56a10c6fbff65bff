"""What the stages of a search through segments did, added up."""

from collections.abc import Iterator

import numpy as np

from ..search.arrays import Found
from .hits import Step


class Effort:
    """Of all segments and queries of a search: passages, those in the cells that were visited, and candidates.

    Passages of a segment without cells all come to the codes, those of one without codes are all candidates.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(4, np.int64)
        self._seconds = np.zeros(3)

    def add(self, n: int, found: Found) -> None:
        """What was found in a segment of which n passages may be found."""
        q = len(found.rows)
        of_cells = int(found.effort[1].sum()) if len(found.effort) == 4 else n * q
        visited = min(of_cells, n * q)  # also those that may not be found lie in cells
        n_found = int(np.count_nonzero(found.rows >= 0))
        self._counts += np.array([n * q, visited, found.effort[-2].sum(), n_found])
        self._seconds[-len(found.seconds) :] += found.seconds

    def steps(self) -> Iterator[Step]:
        """What came to each stage and went on, of those that there were."""
        for i, name in enumerate(("cells", "codes", "rerank")):
            n_in, n_out, seconds = int(self._counts[i]), int(self._counts[i + 1]), float(self._seconds[i])
            if seconds or n_in != n_out:
                yield Step(name, n_in, n_out, seconds)
