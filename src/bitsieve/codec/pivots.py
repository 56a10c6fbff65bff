"""Pivots: a few vectors far from each other, and every vector's distance to each of them.

A vector near the query is about as far from each pivot as the query is. So one whose distance to some
pivot differs much from the query's is passed over without being looked at.

Two metrics:
- "cosine", 1 − cos, passes when max_i |d(x, p_i) − d(q, p_i)| < threshold. It is no metric in the strict
  sense, so this is a heuristic: it may remove near vectors, and its recall has to be measured.
- "angular", arccos(cos), passes when that maximum is ≤ threshold. The triangle inequality holds, so no
  vector within `threshold` radians of the query is lost.

Furthest-first traversal: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.
"""

from numbers import Real
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray, RowArray, check_count, check_vectors
from ..errors import FormatError, InputError, NotFittedError
from .blocks import row_blocks
from .bundle import Layout, read_bundle, write_bundle

SAME_DIRECTION = {"cosine": 1e-12, "angular": 1e-6}
"""The metrics, and the distance below which two float32 vectors are one direction: about 1e-6 radians."""

ANGULAR_SLACK = 2e-3
"""Radians added to the threshold. Distances made here are right to 1e-6, but those from an engine that
computes in float32 are not: next to 0 and π its arccos errs up to this much."""

PAIRS = 1 << 20
"""Query-vector pairs compared at once: 4 MB of float32."""

LAYOUT = Layout(
    format="bitsieve-pivots",
    version=1,
    parameters=("n_pivots", "metric", "seed"),
    arrays={"pivots": ("float32", ("n_pivots", "d")), "pivot_rows": ("int64", ("n_pivots",))},
    conventions={
        "cosine": "d = 1 - cos; x passes when max_i |d(x, p_i) - d(q, p_i)| < threshold",
        "angular": "d = arccos(cos); x passes when max_i |d(x, p_i) - d(q, p_i)| <= threshold + 0.002",
    },
)


class PivotFilter:
    """Pass over vectors whose distances to the pivots differ from the query's.

    n_pivots: how many; metric: "cosine" or "angular" (see the module); seed: of the first pivot.

    Learned by `fit`:
    pivots_: (n_pivots, d) float32. pivot_rows_: (n_pivots,) int64, their rows among the fitted vectors.
    distances_: (n, n_pivots) float32, of the fitted vectors; not saved.
    """

    pivots_: FloatArray
    pivot_rows_: RowArray
    distances_: FloatArray

    def __init__(self, n_pivots: int = 8, metric: str = "cosine", *, seed: int = 42) -> None:
        self.n_pivots = n_pivots
        self.metric = metric
        self.seed = seed

    def fit(self, vectors: ArrayLike) -> "PivotFilter":
        """Choose pivots furthest-first: a random row, then each time the row furthest from its nearest pivot.

        vectors: (n, d) floating point, rows of L2 norm 1. The first of equally far rows is taken.
        Raises: InputError for a parameter out of range, rows that are not of norm 1, or fewer different
            vectors than pivots.
        """
        self.check_parameters()
        vectors = check_vectors(vectors, unit=True)
        n = len(vectors)
        if n < self.n_pivots:
            raise InputError(f"vectors have {n} rows; need at least n_pivots={self.n_pivots}: fit on more")
        rows = np.empty(self.n_pivots, np.int64)
        distances = np.empty((n, self.n_pivots), np.float32)
        nearest = np.full(n, np.inf, np.float32)
        # RandomState and not default_rng: NumPy has frozen its stream, so the draw stays the same for good.
        row = np.random.RandomState(self.seed).randint(n)
        for i in range(self.n_pivots):
            if nearest[row] < SAME_DIRECTION[self.metric]:
                raise InputError(f"vectors have {i} different rows; need at least n_pivots={self.n_pivots}")
            rows[i] = row
            distances[:, i] = _distances(vectors, vectors[row : row + 1], self.metric)[:, 0]
            np.minimum(nearest, distances[:, i], out=nearest)
            row = int(nearest.argmax())
        self.pivots_, self.pivot_rows_, self.distances_ = vectors[rows], rows, distances
        return self

    def distances(self, vectors: ArrayLike) -> FloatArray:
        """Distances from vectors to the pivots.

        vectors: (n, d) floating point, rows of L2 norm 1.
        Returns: (n, n_pivots) float32; radians for "angular".
        Raises: DimensionError when d differs from the fitted d; InputError for rows not of norm 1;
            NotFittedError before fit.
        """
        self._check_fitted()
        vectors = check_vectors(vectors, d=self.pivots_.shape[1], unit=True)
        return _distances(vectors, self.pivots_, self.metric)

    def passes(self, query_distances: ArrayLike, distances: ArrayLike, threshold: float) -> NDArray[np.bool_]:
        """Which vectors may be near which query.

        query_distances: (q, n_pivots); distances: (n, n_pivots), both as `distances` returns them.
        threshold: not negative; radians for "angular", and the radius within which nothing is lost.
        Returns: (q, n) bool.
        Raises: InputError for a negative or NaN threshold; DimensionError when n_pivots differs.
        """
        self.check_parameters()
        if isinstance(threshold, bool) or not isinstance(threshold, Real) or not threshold >= 0:
            raise InputError(f"threshold must be a number of at least 0, got {threshold!r}")
        threshold = min(float(threshold), np.pi)  # no gap is larger, and float32 may not hold what came
        of_queries = check_vectors(query_distances, d=self.n_pivots, name="query_distances")
        of_vectors = check_vectors(distances, d=self.n_pivots, name="distances")
        passed = np.empty((len(of_queries), len(of_vectors)), bool)
        for block in row_blocks(len(of_vectors), max(1, PAIRS // max(1, len(of_queries)))):
            gaps = np.zeros(passed[:, block].shape, np.float32)
            for of_query, of_vector in zip(of_queries.T, of_vectors[block].T, strict=True):
                np.maximum(gaps, np.abs(of_query[:, np.newaxis] - of_vector), out=gaps)
            if self.metric == "cosine":
                passed[:, block] = gaps < threshold
            else:
                passed[:, block] = gaps <= threshold + ANGULAR_SLACK
        return passed

    def candidates(
        self, query: ArrayLike, threshold: float, *, distances: ArrayLike | None = None
    ) -> RowArray:
        """Rows that may be near one query, in order.

        query: (d,) floating point, L2 norm 1. threshold: as for `passes`.
        distances: (n, n_pivots) of the vectors to filter; None means those `fit` saw.
        Returns: (n_passed,) int64.
        Raises: as `distances` and `passes`; NotFittedError when distances is None and the filter was loaded.
        """
        self._check_fitted()
        if distances is None:
            if not hasattr(self, "distances_"):
                raise NotFittedError(
                    "a loaded PivotFilter has no vectors' distances: pass distances=filter.distances(vectors)"
                )
            distances = self.distances_
        query = np.asarray(query)
        if query.ndim != 1:
            raise InputError(f"query must have shape (d,), got {query.shape}: filter one query at a time")
        of_query = self.distances(query[np.newaxis])
        return np.flatnonzero(self.passes(of_query, distances, threshold)[0])

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the pivots as a folder of .npy files and a codec.json, without the vectors' distances.

        Raises: InputError when the folder exists and `overwrite` is not set, or holds other files;
            NotFittedError before fit.
        """
        self._check_fitted()
        parameters = {name: getattr(self, name) for name in LAYOUT.parameters}
        arrays: dict[str, NDArray[Any]] = {"pivots": self.pivots_, "pivot_rows": self.pivot_rows_}
        write_bundle(folder, LAYOUT, parameters, arrays, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> "PivotFilter":
        """Read pivots that `save` wrote.

        Raises: FormatError when they are damaged or none; NewerFormatError when a newer bitsieve wrote them.
        """
        parameters, arrays = read_bundle(folder, LAYOUT)
        pivots = cls(**parameters)
        try:
            pivots.check_parameters()
        except InputError as error:
            raise FormatError(f"{folder}: codec.json: {error}") from error
        pivots.pivots_, pivots.pivot_rows_ = arrays["pivots"], arrays["pivot_rows"]
        return pivots

    def check_parameters(self) -> None:
        """Raise InputError for a parameter out of range, as `fit` does first."""
        check_count(self.n_pivots, "n_pivots")
        if self.metric not in SAME_DIRECTION:
            raise InputError(f"metric must be one of {list(SAME_DIRECTION)}, got {self.metric!r}")
        if check_count(self.seed, "seed", least=0) >= 2**32:
            raise InputError(f"seed must be below 2**32, got {self.seed}")

    def _check_fitted(self) -> None:
        if not hasattr(self, "pivots_"):
            raise NotFittedError(
                "this PivotFilter has no pivots yet: call fit(vectors) or PivotFilter.load(folder)"
            )


def _distances(vectors: FloatArray, pivots: FloatArray, metric: str) -> FloatArray:
    """(n, n_pivots) float32, in float64 and free of norms: near cos = 1 an angle errs by √(2 · error)."""
    directions = pivots.astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    distances = np.empty((len(vectors), len(pivots)), np.float32)
    for block in row_blocks(len(vectors)):
        part = vectors[block].astype(np.float64)
        cosines = part @ directions.T
        cosines /= np.sqrt(np.einsum("nd,nd->n", part, part))[:, np.newaxis]
        distances[block] = 1 - cosines if metric == "cosine" else np.arccos(np.clip(cosines, -1, 1))
    return distances
