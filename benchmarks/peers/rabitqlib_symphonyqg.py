"""SymphonyQG of the RaBitQ library: a graph whose nodes carry one-bit codes of their neighbours.

Degree 32, ef_construction 200 and PiPNN initialisation over raw vectors: the defaults, and its own benchmark's.
Source: https://github.com/VectorDB-NTU/RaBitQ-Library/blob/main/docs/docs/index/qg.md
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import EFFORTS, Peer, Setting, Sizes, ladder, require, saved_bytes


def configurations(n: int, d: int) -> list[Peer]:
    require("rabitqlib", "rabitqlib")
    return [Graph(bits=0), Graph(bits=8)]


class Graph:
    package = "rabitqlib"

    def __init__(self, *, bits: int, degree: int = 32) -> None:
        self.bits = bits
        self.degree = degree
        self.config = f"SymphonyQG, degree {degree}, {f'{bits}-bit vectors' if bits else 'raw vectors'}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        from rabitqlib import SymqgIndex

        self.n, self.d = vectors.shape
        self.index = SymqgIndex(dim=self.d, max_degree=self.degree, metric="ip", quantization_bits=self.bits)
        self.index.build(vectors, ef_construction=200, num_threads=threads, init="pipnn")

    def ladders(self) -> list[list[Setting]]:
        return [ladder("ef", EFFORTS)]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k, self.threads, self.ef = k, threads, setting["ef"]

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.index.search_batch(queries, self.k, self.ef, num_threads=self.threads)[0]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.index.search(query[np.newaxis], self.k, self.ef)[0][0]

    def sizes(self) -> Sizes:
        total = saved_bytes(self.index.save) / self.n
        codes = self.degree * self.d / 8
        whole = self.d * self.bits / 8 if self.bits else 4.0 * self.d
        return Sizes(codes=codes, rerank=whole, total=total, how="saved index; a code for each neighbour")
