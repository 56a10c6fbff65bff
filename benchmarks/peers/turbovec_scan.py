"""turbovec: every vector at 4 or 2 bits a dimension (TurboQuant), scanned whole.

Calibrated on a random sample first, as it advises (about 1,024 rows). It does not rerank, so that recall stays where
the codes leave it. Where exact results are needed, its README says that the best is always within the first few
returned: the other configurations take more than k and score those exactly, with NumPy, in our code and on the clock.
Threads are Rayon's, set by the environment.
Source: https://github.com/RyanCodrai/turbovec/blob/main/docs/api.md and its README
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Setting, Sizes, ladder, require


def configurations(n: int, d: int) -> list[Peer]:
    require("turbovec", "turbovec")
    return [] if d % 8 else [Scan(4, rerank=True), Scan(2, rerank=True), Scan(4, rerank=False)]


class Scan:
    package = "turbovec"

    def __init__(self, bits: int, *, rerank: bool) -> None:
        self.bits = bits
        self.rerank = rerank
        self.config = f"{bits} bits, calibrated{', exact rerank by us' if rerank else ''}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        from turbovec import TurboQuantIndex

        self.vectors = vectors
        sample = np.random.default_rng(0).choice(len(vectors), min(1024, len(vectors)), replace=False)
        self.index = TurboQuantIndex(dim=vectors.shape[1], bit_width=self.bits)
        self.index.calibrate(vectors[sample])
        self.index.add(vectors)
        self.index.prepare()

    def ladders(self) -> list[list[Setting]]:
        return [ladder("taken", (11, 12, 15, 20, 30, 50, 100, 200))] if self.rerank else [[{"taken": 0}]]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k, self.taken = k, int(setting["taken"]) or k

    def search(self, queries: NDArray[np.float32]) -> Any:
        rows = self.index.search(queries, self.taken)[1]
        if not self.rerank:
            return rows
        scores = np.einsum("qtd,qd->qt", self.vectors[rows], queries)
        return np.take_along_axis(rows, np.argsort(-scores, axis=1)[:, : self.k], axis=1)

    def search_one(self, query: NDArray[np.float32]) -> Any:
        rows = self.index.search(query[np.newaxis], self.taken)[1][0]
        return rows[np.argsort(-(self.vectors[rows] @ query))[: self.k]] if self.rerank else rows

    def sizes(self) -> Sizes:
        n, d = self.vectors.shape
        codes, rerank = len(self.index.to_bytes()) / n, 4.0 * d * self.rerank
        return Sizes(codes=codes, rerank=rerank, total=codes + rerank, how="serialized index")
