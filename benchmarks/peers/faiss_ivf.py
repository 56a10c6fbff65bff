"""faiss: inverted lists of 4-bit product codes scanned in registers, reranked with the full vectors.

`IVF…,PQ…x4fs,RFlat` is what its guidelines and its fast-scan page advise where speed counts and the vectors fit in
memory, with 4 √n to 16 √n lists below a million vectors; two dimensions a code as in its guidelines, and four. By inner
product one table serves all lists: tried at 100,000 vectors, residual codes under L2 ("fsr") ran a tenth as fast,
`RaBitQfs` a quarter, `Refine(SQ8)` half. Its own HNSW is left to hnswlib; plain lists are here for comparison.
Source: https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index and
https://github.com/facebookresearch/faiss/wiki/Fast-accumulation-of-PQ-and-AQ-codes-(FastScan)
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import PROBES, Peer, Setting, Sizes, ladder, require, saved_bytes

TRAINING = 250_000


def configurations(n: int, d: int) -> list[Peer]:
    require("faiss", "faiss-cpu")
    few, many = (max(1, round(factor * sqrt(n))) for factor in (4, 8))
    return [
        Factory(f"IVF{few},PQ{d // 2}x4fs,RFlat", codes=d / 4, rerank=4.0 * d),
        Factory(f"IVF{many},PQ{d // 2}x4fs,RFlat", codes=d / 4, rerank=4.0 * d),
        Factory(f"IVF{few},PQ{d // 4}x4fs,RFlat", codes=d / 8, rerank=4.0 * d),
        Factory(f"IVF{few},Flat", codes=4.0 * d, rerank=0),
    ]


class Factory:
    package = "faiss-cpu"

    def __init__(self, config: str, *, codes: float, rerank: float) -> None:
        self.config = config
        self.codes = codes
        self.rerank = rerank

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.n, d = vectors.shape
        self.index = faiss.index_factory(d, self.config, faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(0).choice(self.n, min(self.n, TRAINING), replace=False)
        self.index.train(vectors[np.sort(sample)])
        self.index.add(vectors)
        inner = self.index.base_index if self.rerank else self.index
        self.inner = faiss.downcast_index(inner)

    def ladders(self) -> list[list[Setting]]:
        probes = [probe for probe in PROBES if probe <= self.inner.nlist]
        if not self.rerank:
            return [ladder("nprobe", probes)]
        return [ladder("nprobe", probes, k_factor=factor) for factor in (2, 4, 8, 16, 30)]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.k = k
        self.inner.nprobe = setting["nprobe"]
        if self.rerank:
            self.index.k_factor = setting["k_factor"]

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.index.search(queries, self.k)[1]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.index.search(query[np.newaxis], self.k)[1][0]

    def sizes(self) -> Sizes:
        import faiss

        total = saved_bytes(lambda path: faiss.write_index(self.index, path)) / self.n
        return Sizes(codes=self.codes, rerank=self.rerank, total=total, how="saved index")
