"""k-means: centroids so placed that vectors are near one of them, learned from a sample in a few turns.

Two steps take turns (Lloyd, "Least squares quantization in PCM", 1982): each vector goes to its nearest
centroid, each centroid to the mean of its vectors. Means are not scaled back to norm 1: a residual x − c is
then as short as it can be, and `q · c` says what a query has in common with the whole cell.
"""

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, RowArray
from .blocks import row_blocks

CellArray = NDArray[np.int32]

SCORES = 1 << 20
"""Vector-centroid pairs scored at once: 4 MB of float32, which stay in the cache until they are compared."""


def nearest_centroids(vectors: FloatArray, centroids: FloatArray) -> CellArray:
    """The nearest centroid of each vector, the first of equally near ones.

    vectors: (n, d) float32; centroids: (n_cells, d) float32, n_cells ≥ 1.
    Returns: (n,) int32, the largest of x·c − |c|²/2.
    """
    cells = np.empty(len(vectors), np.int32)
    half_norms = half_squared_norms(centroids)
    for block in row_blocks(len(vectors), max(64, SCORES // len(centroids))):
        scores = vectors[block] @ centroids.T
        scores -= half_norms
        cells[block] = scores.argmax(axis=1)
    return cells


def second_centroids(
    vectors: FloatArray, centroids: FloatArray, first: CellArray, strength: float
) -> CellArray:
    """The centroid that helps most where the first one fails: SOAR's choice of a second cell.

    first: (n,) int32, each vector's own cell, which is not chosen again.
    strength: λ. The least |x − c|² + λ ((x − c) · r)² is taken, r the direction of x − c_first: a residual
        along the first one would be long for the same queries.
    Returns: (n,) int32, −1 throughout when there is but one centroid.
    Source: Sun, Simcha, Dopson, Guo and Kumar, "SOAR: Improved Indexing for Approximate Nearest Neighbor
        Search", NeurIPS 2023.
    """
    cells = np.full(len(vectors), -1, np.int32)
    if len(centroids) == 1:
        return cells
    norms = 2 * half_squared_norms(centroids)
    products = centroids @ centroids.T
    for block in row_blocks(len(vectors), max(64, SCORES // len(centroids))):
        own = first[block]
        residuals = vectors[block] - centroids[own]
        lengths = np.sqrt(np.einsum("nd,nd->n", residuals, residuals))
        lengths[lengths == 0] = np.inf  # on its centroid: nothing is along a residual of length 0
        scores = vectors[block] @ centroids.T  # x · c
        # (x − c) · r = (x · r) − (x · c − c_first · c) / |x − c_first|: no second product is needed.
        along = products[own]
        along -= scores
        along /= lengths[:, np.newaxis]
        along += (np.einsum("nd,nd->n", vectors[block], residuals) / lengths)[:, np.newaxis]
        along *= along
        along *= strength
        scores *= -2
        scores += norms
        scores += along
        scores[np.arange(len(own)), own] = np.inf
        cells[block] = scores.argmin(axis=1)
    return cells


def half_squared_norms(centroids: FloatArray) -> FloatArray:
    """|c|² / 2 of each, (n_cells,) float32."""
    norms: FloatArray = np.einsum("cd,cd->c", centroids, centroids, dtype=np.float64).astype(np.float32) / 2
    return norms


def train_centroids(sample: FloatArray, n_cells: int, n_turns: int, rng: np.random.Generator) -> FloatArray:
    """Place centroids among vectors.

    sample: (n, d) float32, n ≥ n_cells.
    Returns: (n_cells or fewer, d) float32: a centroid that no vector is nearest to is moved next to a crowded
        one, and left out when that does not help, as where there are fewer different vectors than cells.
    """
    centroids = sample[np.sort(rng.choice(len(sample), n_cells, replace=False, shuffle=False))]
    for turn in range(n_turns):
        cells = nearest_centroids(sample, centroids)
        centroids, counts = means_of(sample, cells, n_cells)
        empty = np.flatnonzero(counts == 0)
        if len(empty) and turn + 1 < n_turns:
            _split_crowded(sample, cells, centroids, counts, empty)
    return centroids[counts > 0]


def means_of(vectors: FloatArray, cells: CellArray, n_cells: int) -> tuple[FloatArray, RowArray]:
    """The mean of each cell's vectors, (n_cells, d) float32, zero where there are none; and their numbers."""
    counts = np.bincount(cells, minlength=n_cells)
    order = np.argsort(cells, kind="stable")
    means = np.zeros((n_cells, vectors.shape[1]), np.float32)
    starts = np.concatenate([[0], np.cumsum(counts)])
    for cell in range(n_cells):
        if counts[cell]:
            means[cell] = vectors[order[starts[cell] : starts[cell + 1]]].mean(axis=0)
    return means, counts


def _split_crowded(
    sample: FloatArray, cells: CellArray, centroids: FloatArray, counts: RowArray, empty: RowArray
) -> None:
    """Move each empty cell's centroid to a vector of a crowded cell: the most crowded ones, one each."""
    crowded = np.argsort(-counts, kind="stable")
    for cell, source in zip(empty, crowded, strict=False):
        members = np.flatnonzero(cells == source)
        gaps = sample[members] - centroids[source]
        centroids[cell] = sample[members[np.einsum("nd,nd->n", gaps, gaps).argmax()]]
