"""usearch: a navigable graph over vectors in a narrower type.

Its README recommends bfloat16 for modern CPUs (the default where the CPU has it) and says int8 is faster still at
some recall; connectivity 16 and expansion_add 128 are its defaults, 32 and 200 buy recall. One query at a time goes
through the same `search`, with threads=1 as it advises where the caller has threads of its own. Key lookups are
off: nothing is looked up by key here.
Source: https://unum-cloud.github.io/usearch/python/index.html and https://github.com/unum-cloud/usearch/blob/main/README.md
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import EFFORTS, Peer, Setting, Sizes, ladder, require, saved_bytes

BYTES = {"f32": 4, "bf16": 2, "i8": 1}


def configurations(n: int, d: int) -> list[Peer]:
    require("usearch.index", "usearch")
    return [
        Graph(dtype="bf16", connectivity=16, expansion_add=128),
        Graph(dtype="bf16", connectivity=32, expansion_add=200),
        Graph(dtype="i8", connectivity=16, expansion_add=128),
    ]


class Graph:
    package = "usearch"

    def __init__(self, *, dtype: str, connectivity: int, expansion_add: int) -> None:
        self.dtype = dtype
        self.connectivity = connectivity
        self.expansion_add = expansion_add
        self.config = f"{dtype}, connectivity={connectivity}, expansion_add={expansion_add}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        from usearch.index import Index

        n, self.d = vectors.shape
        self.index = Index(
            ndim=self.d,
            metric="cos",
            dtype=self.dtype,
            connectivity=self.connectivity,
            expansion_add=self.expansion_add,
            enable_key_lookups=False,
        )
        self.index.add(np.arange(n, dtype=np.uint64), vectors, threads=threads)

    def ladders(self) -> list[list[Setting]]:
        return [ladder("expansion_search", EFFORTS)]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k, self.threads = k, threads
        self.index.expansion_search = setting["expansion_search"]

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.index.search(queries, self.k, threads=self.threads).keys

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.index.search(query, self.k, threads=1).keys

    def sizes(self) -> Sizes:
        total = saved_bytes(self.index.save) / len(self.index)
        return Sizes(codes=float(BYTES[self.dtype] * self.d), rerank=0, total=total, how="saved index")
