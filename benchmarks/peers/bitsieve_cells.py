"""bitsieve with cells: 248 bits of the residual from a cell's centroid and a byte of scale, 32 bytes a vector.

`probe_margin`, `n_candidates` and `rerank_margin` are what a caller sets. Cells: about 1.6 √n and twice as many; of a
million vectors the codes are in slow memory, so that more centroids pay.
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Setting, Sizes

MARGINS = (0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.115, 0.13, 0.15, 0.17, 0.2, 0.25)
LARGE = 500_000
RERANKED = ((400, 1.4), (400, 1.7), (400, 2.0), (400, 2.5))
"""`n_candidates` and `rerank_margin`: standard errors. More than 2.5 only cost time, fewer cap recall."""


def configurations(n: int, d: int, *, spill: bool = False) -> list[Peer]:
    numbers = [2 ** max(0, round(np.log2(factor * sqrt(n)))) for factor in (1.6, 3.2)]
    return [Cells(cells=cells, spill=spill) for cells in (numbers if n < LARGE else reversed(numbers))]


class Cells:
    package = "bitsieve"

    def __init__(self, *, cells: int, spill: bool) -> None:
        self.cells = cells
        self.spill = spill
        self.config = f"{cells:,} cells, 248 bits{', each vector in two cells' if spill else ''}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        from bitsieve.search import Cascade

        self.d = vectors.shape[1]
        cascade = Cascade(cells=self.cells, spill=self.spill)
        self.cascade = cascade.build(vectors)

    def ladders(self) -> list[list[Setting]]:
        return [
            [{"probe_margin": margin, "n_candidates": most, "rerank_margin": errors} for margin in MARGINS]
            for most, errors in RERANKED
        ]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.asked: dict[str, Any] = {"k": k, "threads": threads, **setting}
        self.asked_alone = {**self.asked, "threads": 1}

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.cascade.search(queries, **self.asked)[0]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.cascade.search(query[np.newaxis], **self.asked_alone)[0][0]

    def sizes(self) -> Sizes:
        codes = 64.0 if self.spill else 32.0
        rerank = 5.0 * self.d
        how = "formula: codes, int8 and float32 copies, centroids left out"
        return Sizes(codes=codes, rerank=rerank, total=codes + rerank, how=how)
