"""hnswlib: a navigable graph over the float32 vectors.

M=16 with ef_construction=200 is its README's example; M=32 is what its documentation advises for embeddings at
high recall (12 to 48), keeping M · ef_construction about constant or more. Inner product on unit vectors is the
cosine without its normalisation. `num_threads=1` answers in the calling thread.
Source: https://github.com/nmslib/hnswlib/blob/master/ALGO_PARAMS.md
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import EFFORTS, Peer, Setting, Sizes, ladder, require, saved_bytes


def configurations(n: int, d: int) -> list[Peer]:
    require("hnswlib", "hnswlib")
    return [Graph(links=16), Graph(links=32)]


class Graph:
    package = "hnswlib"

    def __init__(self, *, links: int, ef_construction: int = 200) -> None:
        self.links = links
        self.ef_construction = ef_construction
        self.config = f"M={links}, ef_construction={ef_construction}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        import hnswlib

        n, self.d = vectors.shape
        self.index = hnswlib.Index(space="ip", dim=self.d)
        self.index.init_index(n, ef_construction=self.ef_construction, M=self.links, random_seed=100)
        self.index.add_items(vectors, num_threads=threads)

    def ladders(self) -> list[list[Setting]]:
        return [ladder("ef", EFFORTS)]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k, self.threads = k, threads
        self.index.set_ef(setting["ef"])

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.index.knn_query(queries, self.k, num_threads=self.threads)[0]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.index.knn_query(query, self.k, num_threads=1)[0]

    def sizes(self) -> Sizes:
        total = saved_bytes(self.index.save_index) / self.index.get_current_count()
        return Sizes(codes=4.0 * self.d, rerank=0, total=total, how="saved index: float32 and links")
