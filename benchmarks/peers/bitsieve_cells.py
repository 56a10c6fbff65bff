"""bitsieve with cells: 248 bits of the residual from a cell's centroid and a byte of scale, 32 bytes a vector.

`probe_margin`, `n_probes`, `n_candidates` and `rerank_margin` are what a caller sets. Cells: about 1.6 √n,
and twice as many.
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Setting, Sizes

MARGINS = {
    **{
        0.08: 0.1,
        0.09: 0.13,
        0.1: 0.16,
        0.11: 0.2,
        0.12: 0.25,
        0.13: 0.31,
        0.14: 0.37,
        0.15: 0.45,
        0.16: 0.55,
    },
    **dict.fromkeys((0.175, 0.19, 0.2, 0.22, 0.25, 0.3, 0.35), 1.0),
}
"""`probe_margin`, and the share of all cells visited at most: some 2.5 times what the median query visits, so that the
slowest ones take no longer. Recall at the same number of codes is level or 0.001 higher."""
RERANKED = ((400, 1.4), (400, 1.7), (400, 2.0), (400, 2.5))
"""`n_candidates` and `rerank_margin`: standard errors. More than 2.5 only cost time, fewer cap recall."""


def configurations(n: int, d: int, *, spill: bool = False) -> list[Peer]:
    few, many = (2 ** max(0, round(np.log2(factor * sqrt(n)))) for factor in (1.6, 3.2))
    return [Cells(cells=few, spill=spill), Cells(cells=many, spill=spill)]


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
            [
                {
                    "probe_margin": margin,
                    "n_probes": max(1, round(share * self.cells)),
                    "n_candidates": most,
                    "rerank_margin": errors,
                }
                for margin, share in MARGINS.items()
            ]
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
