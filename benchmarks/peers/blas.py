"""Brute force: every cosine by BLAS, then the best k. What an approximate index must beat, and exact.

Source: the float32 matrix product of NumPy (OpenBLAS in its wheels), https://numpy.org/doc/stable/reference/generated/numpy.matmul.html
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Setting, Sizes

SCORES = 1 << 24
"""Scores held at a time: 64 MB."""


def configurations(n: int, d: int) -> list[Peer]:
    return [BruteForce()]


class BruteForce:
    package = "numpy"
    config = "all cosines, float32"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        self.vectors = vectors

    def ladders(self) -> list[list[Setting]]:
        return [[{}]]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k = k

    def search(self, queries: NDArray[np.float32]) -> Any:
        step = max(1, SCORES // len(self.vectors))
        blocks = [queries[start : start + step] for start in range(0, len(queries), step)]
        return np.concatenate([self._best(block @ self.vectors.T) for block in blocks])

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self._best((self.vectors @ query)[np.newaxis])[0]

    def _best(self, scores: NDArray[np.float32]) -> Any:
        best = np.argpartition(scores, -self.k, axis=1)[:, -self.k :]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    def sizes(self) -> Sizes:
        whole = 4.0 * self.vectors.shape[1]
        return Sizes(codes=whole, rerank=0, total=whole, how="float32 vectors")
