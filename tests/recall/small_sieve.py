"""A small sieve to calibrate: the first few dimensions choose candidates, all of them rank those."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitsieve.recall import Plan, nearest

Floats = NDArray[np.float32]


def unit_rows(x: NDArray[Any]) -> Floats:
    x = x.astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def clustered(n: int, d: int = 24, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((12, d))
    return unit_rows(centres[rng.integers(12, size=n)] + 0.8 * rng.standard_normal((n, d)))


class SmallSieve:
    """searched: every (queries, k, plan) asked for."""

    def __init__(
        self, vectors: Floats, n_dims: int = 12, depths: Sequence[int] = (20, 40, 80, 160, 320, 640)
    ) -> None:
        self.vectors, self.n_dims, self.depths = vectors, n_dims, depths
        self.n = len(vectors)
        self.searched: list[tuple[Floats, int, Plan]] = []

    def plans(self, k: int) -> list[Plan]:
        return [Plan(n_candidates=depth) for depth in self.depths]

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
        rows = rng.permutation(self.n)[:n]
        return self.vectors[rows], rows

    def search(self, queries: Floats, k: int, plan: Plan) -> tuple[NDArray[np.int64], Floats]:
        self.searched.append((queries, k, plan))
        if plan.exact:
            return self.exact(queries, k)
        depth = min(self.n, plan.n_candidates)
        coarse = queries[:, : self.n_dims] @ self.vectors[:, : self.n_dims].T
        candidates = np.argpartition(-coarse, depth - 1, axis=1)[:, :depth]
        of_candidates = np.einsum("qcd,qd->qc", self.vectors[candidates], queries)
        best = np.argsort(-of_candidates, axis=1, kind="stable")[:, :k]
        rows = np.full((len(queries), k), -1)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows[:, : best.shape[1]] = np.take_along_axis(candidates, best, axis=1)
        scores[:, : best.shape[1]] = np.take_along_axis(of_candidates, best, axis=1)
        return rows, scores

    def exact(self, queries: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
        return nearest(queries, [(np.arange(self.n), self.vectors)] if self.n else [], k)
