"""The RaBitQ library's inverted file: one bit a dimension by byte shuffles, then the other bits or the raw vectors.

The three configurations of its own IVF benchmark: raw float32 reranking, 1+4 and 1+8 bits, its spherical k-means of
10 iterations with exact assignment. That benchmark takes 4,096 clusters at a million vectors, which is 4 √n here.
One query at a time is one row a call, as its benchmark does.
Source: https://github.com/VectorDB-NTU/RaBitQ-Library/blob/main/docs/docs/benchmarks/ivf.md
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import PROBES, Peer, Setting, Sizes, ladder, require, saved_bytes


def configurations(n: int, d: int) -> list[Peer]:
    require("rabitqlib", "rabitqlib")
    clusters = max(1, round(4 * sqrt(n)))
    return [InvertedFile(bits=bits, clusters=clusters) for bits in (32, 5, 9)]


class InvertedFile:
    package = "rabitqlib"

    def __init__(self, *, bits: int, clusters: int) -> None:
        self.bits = bits
        self.clusters = clusters
        form = "1 bit, raw rerank" if bits == 32 else f"1+{bits - 1} bits"
        self.config = f"IVF {clusters:,}, {form}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        from rabitqlib import FinalAssignmentMode, IvfIndex, RaBitQKMeans

        self.n, self.d = vectors.shape
        clustering = RaBitQKMeans(
            self.d,
            self.clusters,
            niter=10,
            seed=42,
            spherical=True,
            num_threads=threads,
            final_assignment=FinalAssignmentMode.Exact,
        )
        clustering.train(vectors)
        self.index = IvfIndex(
            dim=self.d, max_elements=self.n, num_clusters=self.clusters, nbits=self.bits, metric="ip"
        )
        self.index.build(vectors, clustering.centroids, clustering.assignments, num_threads=threads)

    def ladders(self) -> list[list[Setting]]:
        return [ladder("nprobe", [probe for probe in PROBES if probe <= self.clusters])]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k, self.threads, self.probed = k, threads, setting["nprobe"]

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.index.search(queries, self.k, self.probed, num_threads=self.threads)[0]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.index.search(query[np.newaxis], self.k, self.probed)[0][0]

    def sizes(self) -> Sizes:
        raw = self.bits == 32
        total = saved_bytes(self.index.save) / self.n
        codes = self.d / 8 if raw else self.d * self.bits / 8
        return Sizes(codes=codes, rerank=4.0 * self.d if raw else 0, total=total, how="saved index")
