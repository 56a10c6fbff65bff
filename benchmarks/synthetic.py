"""Any number of made-up vectors that are as hard to search as real ones.

A mixture with one part for each real vector. A draw starts between the mean of the vector's 64 nearest real neighbours
and the vector itself, at 0.6 of the way, and adds a random combination of the steps from that mean to 16 of the
neighbours; the sum is scaled to norm 1. So each part spreads as far as its neighbourhood does and only along the
directions that it has (manifold Parzen windows: Vincent and Bengio, NIPS 2002), and starting short of the vector takes
back the variance that spreading adds (kernel shrinkage: Liu and West, 2001). Draws that started at the vector itself
were far closer to each other than real texts are (median cosine of the first neighbour 0.76, of real ones 0.67).
Queries come from the same mixture by draws of their own.

These vectors are synthetic: no text stands behind them, and they are no larger sample of the real ones. What they are
good for is shown by `python benchmarks/synthetic.py`, which prints what decides how hard a search is, real beside
synthetic at the same size, and by a run of `search.py` on synthetic:100000 beside one on bench.
"""

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

NEIGHBOURS = 64
DIRECTIONS = 16
SPREAD = 0.95
SHRINK = 0.6
BLOCK = 10_000
CELL_ROWS = 256
"""Rows a cell while neighbours are looked for: small enough to be quick, large enough to find most."""
VISITED = 12
"""Cells looked into for each cell's neighbours."""


class Mixture:
    """Vectors like the ones it was fitted on.

    neighbours: of a real vector, which make its part; directions: how many of them one draw combines;
    spread: how far, 1 being the neighbours' own spread; shrink: where a draw starts, 0 at the neighbours' mean, 1 at
    the vector.
    """

    def __init__(
        self,
        *,
        neighbours: int = NEIGHBOURS,
        directions: int = DIRECTIONS,
        spread: float = SPREAD,
        shrink: float = SHRINK,
        seed: int = 0,
    ) -> None:
        self.neighbours = neighbours
        self.directions = directions
        self.spread = spread
        self.shrink = shrink
        self.seed = seed

    def fit(self, vectors: FloatArray) -> "Mixture":
        """Find each vector's neighbours. vectors: (n, d) float32, rows of norm 1."""
        self.centres_ = vectors
        self.neighbours_ = near_neighbours(vectors, min(self.neighbours, len(vectors) - 1), seed=self.seed)
        self.means_ = np.empty_like(vectors)
        for start in range(0, len(vectors), BLOCK // 10):
            some = slice(start, start + BLOCK // 10)
            self.means_[some] = vectors[self.neighbours_[some]].mean(axis=1)
        return self

    def draw(self, n: int, *, seed: int = 0, queries: bool = False) -> FloatArray:
        """Draw (n, d) float32 unit vectors, a block at a time; queries: from a stream of their own.

        The first rows of a longer draw are the rows of a shorter one in whole blocks of 10,000.
        """
        drawn = np.empty((n, self.centres_.shape[1]), np.float32)
        for number, start in enumerate(range(0, n, BLOCK)):
            draws = np.random.default_rng([self.seed, seed, int(queries), number])
            block = drawn[start : start + BLOCK]
            block[:] = self._draw_block(draws)[: len(block)]
        return drawn

    def _draw_block(self, draws: np.random.Generator) -> FloatArray:
        parts = draws.integers(len(self.centres_), size=BLOCK)
        among = self.neighbours_.shape[1]
        columns = draws.integers(among, size=(BLOCK, self.directions))
        weights = draws.standard_normal((BLOCK, self.directions), dtype=np.float32)
        weights *= self.spread / np.sqrt(self.directions)
        towards = self.neighbours_[parts[:, np.newaxis], columns]
        # mean + shrink · (vector − mean) + Σ w (neighbour − mean), without the (BLOCK, directions, d) differences.
        rows = self.means_[parts] * (1 - self.shrink - weights.sum(axis=1, keepdims=True))
        rows += self.shrink * self.centres_[parts]
        for column in range(self.directions):
            rows += weights[:, column, np.newaxis] * self.centres_[towards[:, column]]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def near_neighbours(vectors: FloatArray, m: int, *, seed: int = 0) -> NDArray[np.int32]:
    """(n, m) rows near each row, itself left out, best first: from the cells around its own, most of the true ones.

    Exact search would take minutes at 100,000; which of the near ones are found matters little for a mixture.
    """
    n = len(vectors)
    centroids = k_means(vectors, max(1, n // CELL_ROWS), seed=seed)
    cells = (vectors @ centroids.T).argmax(axis=1)
    around = np.argsort(-(centroids @ centroids.T), axis=1)[:, :VISITED]
    members = [np.flatnonzero(cells == cell) for cell in range(len(centroids))]
    found = np.empty((n, m), np.int32)
    for cell, rows in enumerate(members):
        pool = np.concatenate([members[other] for other in around[cell]])
        if len(pool) <= m:
            pool = np.arange(n)
        scores = vectors[rows] @ vectors[pool].T
        scores[rows[:, np.newaxis] == pool] = -np.inf
        best = np.argpartition(scores, -m, axis=1)[:, -m:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        found[rows] = pool[np.take_along_axis(best, order, axis=1)]
    return found


def k_means(
    vectors: FloatArray, k: int, *, iterations: int = 6, rows: int = 50_000, seed: int = 0
) -> FloatArray:
    """(k, d) spherical centroids from a sample of rows."""
    draws = np.random.default_rng(seed)
    sample = vectors[np.sort(draws.choice(len(vectors), min(rows, len(vectors)), replace=False))]
    centroids = sample[draws.choice(len(sample), k, replace=False)]
    for _ in range(iterations):
        cells = (sample @ centroids.T).argmax(axis=1)
        order = np.argsort(cells, kind="stable")
        present, starts = np.unique(cells[order], return_index=True)
        centroids[present] = np.add.reduceat(sample[order], starts, axis=0)
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    return centroids


def facts(vectors: FloatArray, queries: FloatArray) -> dict[str, Any]:
    """What decides how hard a search is.

    Cosines of a query's 1st, 10th and 100th neighbour (percentiles 5, 25, 50, 75, 95); local intrinsic dimension from
    the 100 nearest chords (Levina and Bickel, NIPS 2004); share of the true ten in the nearest 1, 10, 50 of √(10 n)
    cells; share of the true ten among 50 and 200 candidates of 256 ITQ bits; norm of the mean.
    """
    from bitsieve import ITQ
    from vectors import exact

    truth = exact(queries, vectors, 100)
    cosines = np.einsum("qkd,qd->qk", vectors[truth], queries)
    chords = np.sqrt(np.maximum(2 - 2 * cosines.astype(np.float64), 1e-12))
    dimension = 1 / np.mean(np.log(chords[:, -1:] / chords[:, :-1]), axis=1)
    centroids = k_means(vectors, round(np.sqrt(10 * len(vectors))), rows=len(vectors))
    cells = (vectors @ centroids.T).argmax(axis=1)
    ranks = np.argsort(np.argsort(-(queries @ centroids.T), axis=1), axis=1)
    visited = np.take_along_axis(ranks, cells[truth[:, :10]], axis=1)
    itq = ITQ(n_bits=256).fit(vectors)
    signs = np.unpackbits(itq.transform(vectors), axis=1).astype(np.float32) * 2 - 1
    scores = itq.project(queries) @ signs.T
    kth = np.sort(scores, axis=1)[:, [-50, -200]]
    kept = np.take_along_axis(scores, truth[:, :10], axis=1)[:, :, np.newaxis] >= kth[:, np.newaxis]
    shares = (5, 25, 50, 75, 95)
    return {
        **{
            f"cosine of neighbour {rank}": np.percentile(cosines[:, rank - 1], shares)
            for rank in (1, 10, 100)
        },
        "intrinsic dimension": np.percentile(dimension, shares),
        "in the nearest 1, 10, 50 cells": np.array([(visited < p).mean() for p in (1, 10, 50)]),
        "among 50, 200 candidates": kept.mean(axis=(0, 1)),
        "norm of the mean": np.array([np.linalg.norm(vectors.mean(axis=0))]),
    }


def main() -> None:
    from vectors import load_bench

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spread", type=float, default=SPREAD)
    parser.add_argument("--shrink", type=float, default=SHRINK)
    parser.add_argument("--directions", type=int, default=DIRECTIONS)
    parser.add_argument("--neighbours", type=int, default=NEIGHBOURS)
    options = parser.parse_args()
    vectors, queries = load_bench()
    made = {name: getattr(options, name) for name in ("spread", "shrink", "directions", "neighbours")}
    mixture = Mixture(**made).fit(vectors)
    real = facts(vectors, queries)
    drawn = facts(mixture.draw(len(vectors)), mixture.draw(len(queries), queries=True))
    for name, values in real.items():
        for kind, numbers in (("real", values), ("synthetic", drawn[name])):
            print(f"{name:32} {kind:10}" + "".join(f"{value:9.3f}" for value in numbers))


if __name__ == "__main__":
    main()
