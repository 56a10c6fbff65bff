"""bitsieve without cells: 256 ITQ bits of every vector scanned, as small indexes and the portable codes are."""

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Setting, Sizes, ladder

BITS = 256
FIT_ROWS = 100_000


def configurations(n: int, d: int) -> list[Peer]:
    return [Flat()]


class Flat:
    package = "bitsieve"
    config = f"flat, {BITS} bits"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        from bitsieve import ITQ
        from bitsieve.search import Cascade

        self.d = vectors.shape[1]
        sample = np.random.default_rng(0).choice(len(vectors), min(FIT_ROWS, len(vectors)), replace=False)
        itq = ITQ(n_bits=min(BITS, self.d // 8 * 8)).fit(vectors[np.sort(sample)])
        self.cascade = Cascade(itq).build(vectors)
        self.threaded = "threads" in signature(self.cascade.search).parameters

    def ladders(self) -> list[list[Setting]]:
        return [ladder("n_candidates", (20, 30, 50, 75, 100, 150, 200, 400))]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.asked: dict[str, Any] = {"k": k, **setting, **({"threads": threads} if self.threaded else {})}

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.cascade.search(queries, **self.asked)[0]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.cascade.search(query[np.newaxis], **self.asked)[0][0]

    def sizes(self) -> Sizes:
        codes, rerank = min(BITS, self.d // 8 * 8) / 8, 4.0 * self.d
        return Sizes(codes=codes, rerank=rerank, total=codes + rerank, how="codes and float32 vectors")
