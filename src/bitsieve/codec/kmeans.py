"""k-means: centroids so placed that vectors are near one of them, learned from a sample in a few turns.

Two steps take turns (Lloyd, "Least squares quantization in PCM", 1982): each vector goes to its nearest
centroid, each centroid to the mean of its vectors. Means are not scaled back to norm 1: a residual x − c is
then as short as it can be, and `q · c` says what a query has in common with the whole cell.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, RowArray
from .blocks import row_blocks
from .pca import mean_of, scatter_of

CellArray = NDArray[np.int32]


class Stage(NamedTuple):
    """How closely training looks: principal components, rows a cell on average, turns."""

    n_components: int
    rows_per_cell: int
    n_turns: int


STAGES = (Stage(64, 40, 4), Stage(128, 100, 2))
"""First coarsely, then finely. On 96,000 × 384 and 1,024 cells this takes 1.5 s where 10 turns over everything take
8.6 s; vectors to scan for 95 / 98 / 99 % of the true ten are 6.0 / 12.3 / 18.8 %, and 5.7 / 12.6 / 19.2 %."""

PCA_ROWS = 10_000
"""Rows that the principal components are taken from."""

SCORES = 1 << 20
"""Vector-centroid pairs scored at once: 4 MB of float32, which stay in the cache until they are compared."""


def nearest_centroids(vectors: FloatArray, centroids: FloatArray) -> CellArray:
    """The nearest centroid of each vector, the first of equally near ones.

    vectors: (n, d) float32; centroids: (n_cells, d) float32, n_cells ≥ 1.
    Returns: (n,) int32, the largest of x·c − |c|²/2.
    """
    cells = np.empty(len(vectors), np.int32)
    half_norms = half_squared_norms(centroids)
    size = max(64, SCORES // len(centroids))
    space = np.empty((min(size, len(vectors)), len(centroids)), np.float32)
    for block in row_blocks(len(vectors), size):
        scores = space[: block.stop - block.start]
        np.matmul(vectors[block], centroids.T, out=scores)
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


def train_centroids(
    vectors: FloatArray, rows: RowArray, n_cells: int
) -> tuple[FloatArray, FloatArray, CellArray]:
    """Place centroids among vectors, in a few turns over their principal components.

    vectors: (n, d) float32. rows: (n_rows,) those to learn from, in random order; n_rows ≥ n_cells ≥ 1.
    Returns: centroids (n_cells or fewer, d) float32, each the mean of its rows; radii (n_cells or fewer,)
        float32, the root mean square distance of its rows; and their cells, (n_rows,) int32. A cell left
        empty is moved into a crowded one, and left out when that does not help, as where there are fewer
        different vectors than cells.
    """
    points = _principal_coordinates(vectors, rows, STAGES[-1].n_components)
    cells: CellArray = np.arange(n_cells, dtype=np.int32)  # the first rows are a cell each
    for stage in STAGES:
        part = np.ascontiguousarray(points[: stage.rows_per_cell * n_cells, : stage.n_components])
        places = _means(part[: len(cells)], cells, part[:n_cells])
        for _ in range(stage.n_turns):
            cells = nearest_centroids(part, places)
            places = _means(part, cells, places)
    if len(cells) < len(rows):
        cells = nearest_centroids(points, places)
    return _describe(vectors, rows, cells)


def _principal_coordinates(vectors: FloatArray, rows: RowArray, n_components: int) -> FloatArray:
    """Projections to the principal components, not centred: distances are the same."""
    few = rows[:PCA_ROWS]
    mean = mean_of(vectors, few)
    axes = np.linalg.eigh(scatter_of(vectors, few, mean))[1][:, ::-1][:, :n_components].astype(np.float32)
    points = np.empty((len(rows), axes.shape[1]), np.float32)
    for block in row_blocks(len(rows)):
        np.matmul(vectors.take(rows[block], axis=0), axes, out=points[block])
    return points


def _means(points: FloatArray, cells: CellArray, before: FloatArray) -> FloatArray:
    """The mean of each cell's points. An empty cell gets the outermost point of a crowded one, each another."""
    means: FloatArray = before.copy()
    members = _members(cells, len(before))
    for mean, of_cell in zip(means, members, strict=True):
        if len(of_cell):
            mean[:] = points.take(of_cell, axis=0).sum(axis=0) / len(of_cell)
    counts = np.array([len(of_cell) for of_cell in members])
    crowded_first = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    for cell, crowded in zip(np.flatnonzero(counts == 0), crowded_first, strict=False):
        gaps = points[members[crowded]] - means[crowded]
        means[cell] = points[members[crowded][np.einsum("nd,nd->n", gaps, gaps).argmax()]]
    return means


def _describe(
    vectors: FloatArray, rows: RowArray, cells: CellArray
) -> tuple[FloatArray, FloatArray, CellArray]:
    members = [of_cell for of_cell in _members(cells, int(cells.max()) + 1) if len(of_cell)]
    centroids = np.empty((len(members), vectors.shape[1]), np.float32)
    radii = np.empty(len(members), np.float32)
    for cell, of_cell in enumerate(members):
        part = vectors.take(rows[of_cell], axis=0)
        centroids[cell] = part.sum(axis=0) / len(part)
        part -= centroids[cell]
        radii[cell] = np.sqrt(np.einsum("nd,nd->", part, part) / len(part))
        cells[of_cell] = cell
    return centroids, radii, cells


def _members(cells: CellArray, n_cells: int) -> list[RowArray]:
    counts = np.bincount(cells, minlength=n_cells)
    return np.split(np.argsort(cells, kind="stable"), np.cumsum(counts)[:-1])
