"""Cells: a centroid per region of the space, and codes of what a vector is besides its centroid.

A query visits its nearest cells only. In a cell a code keeps the signs of the residual x − c turned by ITQ, so
all its bits go to telling apart the vectors of one cell, and a scale says how long the residual is:

    q · x ≈ q · c + scale · Σ_j z_j b_j,   z = q @ projection, b_j = ±1

Source: Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", PAMI 2011.
"""

import math
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import CodeArray, FloatArray, check_count, check_vectors
from ..errors import FormatError, InputError, NotFittedError
from .blocks import row_blocks
from .bundle import Layout, read_bundle, write_bundle
from .itq import ENCODED_AT_ONCE
from .kmeans import CellArray, nearest_centroids, second_centroids, train_centroids
from .residuals import encode_residuals, learn_projection

MOST_BITS = 248
"""Bits chosen when none are asked for: with the byte of the scale a code is 32 bytes."""

LEAST_ROWS = 8
"""Rows a cell has on average, at least, when their number is chosen."""

TRAINING_ROWS = 100
"""Rows a centroid is learned from, on average."""

ROTATION_ROWS = 10_000
"""Rows whose residuals the rotation is learned from."""

LEAST_SCALE = 0.05
"""Of the largest scale that can be, for `scale_limit`: of residuals a twentieth as long as vectors."""

SPILL_STRENGTH = 1.5
"""SOAR's λ. Vectors to scan for 98 % of the true ten, of 96,000 in 1,024 cells, a second listing counted as another
vector: unspilled 12.2 %, λ = 0 12.9 %, 0.5 9.2 %, 1.5 7.8 %, 3 7.7 %."""

LAYOUT = Layout(
    format="bitsieve-cells",
    version=1,
    parameters=("n_cells", "n_bits", "spill", "seed", "max_fit_rows", "n_fit_rows", "scale_limit"),
    arrays={
        "centroids": ("float32", ("n_centroids", "d")),
        "radii": ("float32", ("n_centroids",)),
        "projection": ("float32", ("d", "n_bits")),
    },
    conventions={
        "cell": "of vector x: the centroid c with the largest x · c - |c|² / 2, the first of equal ones",
        "bits": "bit j of vector x in its cell is 1 where y[j] >= 0, y = (x - c) @ projection",
        "bit_order": "most significant bit first, 8 bits a byte (numpy.packbits)",
        "scale": "sum(y²) / sum(|y|), 0 where y is 0: q · x is about q · c + scale * sum(±(q @ projection))",
        "scale_limit": "where scales are kept in a byte: round(255 * min(scale / scale_limit, 1))",
    },
)


class Cells:
    """Divide vectors into cells by k-means, and code their residuals.

    n_cells: how many; None chooses from the rows given to `fit`, about 1.62 √n. Fewer are made when there are
        fewer different vectors.
    n_bits: length of a code, a multiple of 8 and at most d; None is 248 or the most that d allows.
    spill: whether the index is to list each vector in a second cell too, see `assign_second`.
    seed: of the sample and the first centroids and rotation.
    max_fit_rows: the most rows that `fit` learns from; None is 100 a cell.

    Learned by `fit`:
    centroids_: (n_cells, d) float32, the mean of each cell's vectors.
    radii_: (n_cells,) float32, root mean square distance of a cell's vectors from the centroid.
    projection_: (d, n_bits) float32, orthonormal columns.
    scale_limit_: the largest scale but for 1 in 10,000.
    n_fit_rows_: rows learned from.
    """

    centroids_: FloatArray
    radii_: FloatArray
    projection_: FloatArray
    scale_limit_: float
    n_fit_rows_: int

    def __init__(
        self,
        n_cells: int | None = None,
        *,
        n_bits: int | None = None,
        spill: bool = False,
        seed: int = 42,
        max_fit_rows: int | None = None,
    ) -> None:
        self.n_cells = n_cells
        self.n_bits = n_bits
        self.spill = spill
        self.seed = seed
        self.max_fit_rows = max_fit_rows

    def fit(self, vectors: ArrayLike) -> "Cells":
        """Learn centroids, and the rotation of the residuals.

        vectors: (n, d) floating point, n ≥ 1 and d ≥ 8.
        Raises: InputError for a parameter out of range, no rows, too few dimensions, NaN or Inf.
        """
        self.check_parameters()
        vectors = check_vectors(vectors)
        n, d = vectors.shape
        n_bits = self._choose_n_bits(d)
        if n == 0:
            raise InputError("vectors have 0 rows; need at least 1: fit on vectors like those to be searched")
        n_cells = min(n, choose_n_cells(n) if self.n_cells is None else self.n_cells)

        rng = np.random.default_rng(self.seed)
        rotation = np.linalg.qr(rng.standard_normal((n_bits, n_bits)))[0]
        n_rows = min(n, max(n_cells, self.max_fit_rows or TRAINING_ROWS * n_cells))
        rows = rng.permutation(n)[:n_rows]
        self.centroids_, self.radii_, cells = train_centroids(vectors, rows, n_cells)

        few = rows[:ROTATION_ROWS]
        residuals = vectors[few] - self.centroids_[cells[: len(few)]]
        self.projection_ = learn_projection(residuals, rotation)
        scales = encode_residuals(residuals, self.projection_)[1]
        # 2 / √n_bits is what no vector of norm 1 exceeds. Where nearly every vector is a centroid, what is left of some
        # by rounding must not be the unit of estimates: whole numbers would not reach from one cell to the next.
        self.scale_limit_ = max(float(np.quantile(scales, 0.9999)), LEAST_SCALE * 2 / math.sqrt(n_bits))
        self.n_fit_rows_ = n_rows
        return self

    def assign(self, vectors: ArrayLike) -> CellArray:
        """The nearest cell of each vector.

        vectors: (n, d) floating point.
        Returns: (n,) int32, the lower of equally near ones.
        Raises: DimensionError when d differs from the fitted d; InputError for NaN or Inf;
            NotFittedError before fit.
        """
        return nearest_centroids(self._check_encodable(vectors), self.centroids_)

    def assign_second(self, vectors: ArrayLike, first: ArrayLike) -> CellArray:
        """Another cell for each vector, found by queries that pass by the first.

        vectors: (n, d) floating point; first: (n,) from `assign`.
        Returns: (n,) int32, different from first; −1 throughout when there is but one cell.
        Raises: as `assign`; InputError when first is not a cell for each vector.
        Source: Sun et al., "SOAR", NeurIPS 2023, with λ = 1.5.
        """
        vectors = self._check_encodable(vectors)
        first = self._check_cells(first, len(vectors))
        return second_centroids(vectors, self.centroids_, first, SPILL_STRENGTH)

    def encode(self, vectors: ArrayLike, cells: ArrayLike) -> tuple[CodeArray, FloatArray]:
        """Code what vectors are besides their cells' centroids.

        vectors: (n, d) floating point; cells: (n,), from `assign` or `assign_second`.
        Returns: codes (n, n_bits // 8) uint8, most significant bit first, 1 where the projection is ≥ 0;
            scales (n,) float32, not negative, 0 for a vector on its centroid.
        Raises: as `assign`; InputError when cells is not a cell for each vector.
        """
        vectors = self._check_encodable(vectors)
        cells = self._check_cells(cells, len(vectors))
        codes = np.empty((len(vectors), self.projection_.shape[1] // 8), np.uint8)
        scales = np.empty(len(vectors), np.float32)
        for block in row_blocks(len(vectors), ENCODED_AT_ONCE):
            residuals = vectors[block] - self.centroids_[cells[block]]
            codes[block], scales[block] = encode_residuals(residuals, self.projection_)
        return codes, scales

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the cells as a folder of .npy files and a codec.json.

        Raises: InputError when the folder exists and `overwrite` is not set, or holds other files;
            NotFittedError before fit.
        """
        self._check_fitted()
        names = ("n_cells", "n_bits", "spill", "seed", "max_fit_rows")
        parameters: dict[str, Any] = {name: getattr(self, name) for name in names}
        parameters |= {"n_fit_rows": self.n_fit_rows_, "scale_limit": self.scale_limit_}
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, f"{name}_") for name in LAYOUT.arrays}
        write_bundle(folder, LAYOUT, parameters, arrays, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> "Cells":
        """Read cells that `save` wrote.

        Raises: FormatError when they are damaged or none; NewerFormatError when a newer bitsieve wrote them.
        """
        parameters, arrays = read_bundle(folder, LAYOUT)
        n_fit_rows, limit = parameters.pop("n_fit_rows"), parameters.pop("scale_limit")
        cells = cls(**parameters)
        try:
            cells.check_parameters()
            cells.n_fit_rows_ = check_count(n_fit_rows, "n_fit_rows")
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit < math.inf:
                raise InputError(f"scale_limit must be a positive number, got {limit!r}")
        except InputError as error:
            raise FormatError(f"{folder}: codec.json: {error}") from error
        cells.scale_limit_ = float(limit)
        for name in LAYOUT.arrays:
            setattr(cells, f"{name}_", arrays[name])
        return cells

    def check_parameters(self) -> None:
        """Raise InputError for a parameter out of range, as `fit` does first."""
        if self.n_cells is not None:
            check_count(self.n_cells, "n_cells")
        if self.n_bits is not None and check_count(self.n_bits, "n_bits", least=8) % 8:
            raise InputError(f"n_bits must be a multiple of 8, got {self.n_bits}: codes are whole bytes")
        if not isinstance(self.spill, bool):
            raise InputError(f"spill must be True or False, got {self.spill!r}")
        check_count(self.seed, "seed", least=0)
        if self.max_fit_rows is not None:
            check_count(self.max_fit_rows, "max_fit_rows")

    def _choose_n_bits(self, d: int) -> int:
        if d < 8:
            raise InputError(f"vectors have d={d}; codes are whole bytes, so need at least d=8")
        n_bits = min(MOST_BITS, d // 8 * 8) if self.n_bits is None else self.n_bits
        if n_bits > d:
            raise InputError(f"n_bits={n_bits} is more than d={d}: choose at most {d // 8 * 8}")
        return n_bits

    def _check_fitted(self) -> None:
        if not hasattr(self, "projection_"):
            raise NotFittedError(
                "these Cells have not learned anything yet: call fit(vectors) or Cells.load(folder)"
            )

    def _check_encodable(self, vectors: ArrayLike) -> FloatArray:
        self._check_fitted()
        return check_vectors(vectors, d=self.centroids_.shape[1])

    def _check_cells(self, cells: ArrayLike, n: int) -> CellArray:
        array = np.asarray(cells)
        if array.shape != (n,) or not np.issubdtype(array.dtype, np.integer):
            raise InputError(
                f"cells must be integers of shape ({n},), got {array.dtype} of shape {array.shape}"
            )
        n_cells = len(self.centroids_)
        if n and not 0 <= array.min() <= array.max() < n_cells:
            raise InputError(f"cells must be from 0 to {n_cells - 1}, got {array.min()} to {array.max()}")
        return array.astype(np.int32, copy=False)


def choose_n_cells(n: int) -> int:
    """How many cells n vectors are divided into: 1.62 √n as a multiple of 16, at least 8 vectors in each.

    >>> [choose_n_cells(n) for n in (1, 100, 10_000, 100_000, 400_000)]
    [1, 12, 160, 512, 1024]
    """
    return max(1, min(n // LEAST_ROWS, 16 * round(1.62 * math.sqrt(n) / 16)))
