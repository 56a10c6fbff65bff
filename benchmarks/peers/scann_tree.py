"""ScaNN: a tree of leaves, 4-bit asymmetric hashing within, exact rescoring.

Its documentation: partition above 100,000 points, leaves of the order of √n, two dimensions a block, rescore.
ann-benchmarks' configuration by its authors goes to 2,000 leaves and an anisotropic threshold of 0.2 for inner
products. SOAR (soar_lambda=1.5, overretrieve_factor=2.0) puts each vector into a second leaf; its paper's settings.
`search` is the documented way for one query, `search_batched` for many on one thread, `search_batched_parallel`
on several.
Source: https://github.com/google-research/google-research/blob/master/scann/docs/algorithms.md,
https://github.com/erikbern/ann-benchmarks/blob/main/ann_benchmarks/algorithms/scann/config.yml, arXiv:2404.00774
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import PROBES, Peer, Setting, Sizes, ladder, require, saved_bytes

REORDERED = (40, 80, 150, 300)
TRAINING = 250_000


def configurations(n: int, d: int) -> list[Peer]:
    require("scann", "scann")
    few, many = leaves(n)
    return [
        Tree(leaves=few, soar=True),
        Tree(leaves=many, soar=True),
        Tree(leaves=few, soar=False),
        Tree(leaves=many, soar=False),
    ]


def leaves(n: int) -> tuple[int, int]:
    """About 3 √n and 6 √n: 1,000 and 2,000 leaves at 100,000 vectors, 3,000 and 6,000 at a million."""
    return tuple(max(1, round(factor * sqrt(n) / 100) * 100 or round(sqrt(n))) for factor in (3.16, 6.32))  # type: ignore[return-value]


class Tree:
    package = "scann"

    def __init__(self, *, leaves: int, soar: bool) -> None:
        self.leaves = leaves
        self.soar = soar
        self.config = f"{leaves:,} leaves, {'SOAR 1.5, overretrieve 2.0' if soar else 'no spilling'}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        import scann

        self.n, self.d = vectors.shape
        spilling = {"soar_lambda": 1.5, "overretrieve_factor": 2.0} if self.soar else {}
        self.index = (
            scann.scann_ops_pybind.builder(vectors, 10, "dot_product")
            .set_n_training_threads(threads)
            .tree(
                num_leaves=self.leaves,
                num_leaves_to_search=max(1, self.leaves // 20),
                training_sample_size=min(self.n, TRAINING),
                **spilling,
            )
            .score_ah(2, anisotropic_quantization_threshold=0.2)
            .reorder(100)
            .build()
        )

    def ladders(self) -> list[list[Setting]]:
        probes = [probe for probe in PROBES if probe <= self.leaves]
        return [ladder("leaves_to_search", probes, pre_reorder_num_neighbors=few) for few in REORDERED]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k, self.threads, self.setting = k, threads, setting
        self.probed, self.reordered = setting["leaves_to_search"], setting["pre_reorder_num_neighbors"]
        self.index.set_num_threads(threads)

    def search(self, queries: NDArray[np.float32]) -> Any:
        if self.threads == 1:
            return self.index.search_batched(queries, self.k, self.reordered, self.probed)[0]
        return self.index.search_batched_parallel(queries, self.k, self.reordered, self.probed)[0]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.index.search(query, self.k, self.reordered, self.probed)[0]

    def sizes(self) -> Sizes:
        total = saved_bytes(self.index.serialize, folder_too=True) / self.n
        codes = self.d / 4 * (2 if self.soar else 1)
        return Sizes(
            codes=codes, rerank=4.0 * self.d, total=total, how="saved index; d/2 codes of 4 bits a leaf"
        )
