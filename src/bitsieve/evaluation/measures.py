"""What is measured, apart from how: rank correlation, exact neighbours, recall with its interval, spread.

Truth is exact cosine over unit vectors. Equal scores are ordered by row, everywhere.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray, RowArray, check_count, check_vectors
from ..codec.pca import mean_of, scatter_of
from ..errors import InputError

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
BLOCK = 1 << 23
"""Numbers in a temporary array: 32 MB of float32."""


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation; equal values share the average of their ranks.

    a, b: (n,) real, n ≥ 2, without NaN.
    Returns: −1 to 1, or nan when either is constant and so has no order to compare.
    Raises: InputError for other shapes, or NaN.
    Source: Spearman, American Journal of Psychology 15, 1904.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise InputError(f"a and b must be (n,) with n ≥ 2 and equal, got {first.shape} and {second.shape}")
    if np.isnan(first).any() or np.isnan(second).any():
        raise InputError("a and b must not hold NaN: leave those pairs out")
    x, y = _centred_ranks(first), _centred_ranks(second)
    norms = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / norms) if norms > 0 else float("nan")


def _centred_ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(np.append(starts, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (counts - len(values)) / 2, counts)
    return ranks


def exact_neighbours(
    queries: ArrayLike, vectors: ArrayLike, k: int, *, exclude: ArrayLike | None = None
) -> RowArray:
    """Find the k rows of highest cosine for each query, by comparing with all of them.

    queries: (q, d), vectors: (n, d), both float with rows of L2 norm 1.
    exclude: (q,) a row to leave out for each query, as when the query is itself in the corpus.
    Returns: (q, k) int64, best first.
    Raises: InputError when fewer than k rows are there; DimensionError when the dimensions differ.
    """
    vectors = check_vectors(vectors, unit=True)
    n, d = vectors.shape
    queries = check_vectors(queries, d=d, unit=True, name="queries")
    left_out = None if exclude is None else _check_rows(exclude, (len(queries),), n, "exclude")
    k = check_count(k, "k")
    if k > n - (left_out is not None):
        raise InputError(
            f"k={k} neighbours were asked of {n} vectors{'' if exclude is None else ', one excluded'}"
        )
    # float32 sums differ with the place in the block, so that copies of one text need not tie. Rows within
    # the rounding error of the k-th score are therefore scored again in float64, each by the same sum.
    slack = 2 * d * float(np.finfo(np.float32).eps)
    rows = np.empty((len(queries), k), dtype=np.int64)
    step = max(1, BLOCK // n)
    for start in range(0, len(queries), step):
        block = queries[start : start + step] @ vectors.T
        for i, scores in enumerate(block, start=start):
            if left_out is not None:
                scores[left_out[i]] = -np.inf
            kth = np.partition(scores, n - k)[n - k]
            near = np.flatnonzero(scores >= kth - slack)
            exact = (vectors[near].astype(np.float64) * queries[i]).sum(axis=1)
            rows[i] = near[np.argsort(-exact, kind="stable")[:k]]
    return rows


def neighbour_ranks(scores: ArrayLike, truth: ArrayLike, *, exclude: ArrayLike | None = None) -> RowArray:
    """Find the place of each true row in the order of the candidates, from which recall at any depth follows.

    scores: (q, n) real, higher is better (of distances, the negatives).
    truth: (q, k) the true rows; exclude: (q,) a row to leave out for each query.
    Returns: (q, k) int64, 0 for the best candidate.
    Raises: InputError for other shapes, NaN, rows out of range, or a true row that is excluded.
    """
    table = np.asarray(scores)
    if table.ndim != 2 or np.isnan(table).any():
        raise InputError(f"scores must be (q, n) without NaN, got shape {table.shape}")
    q, n = table.shape
    rows = np.asarray(truth)
    rows = _check_rows(rows, (q, rows.shape[-1] if rows.ndim == 2 else 0), n, "truth")
    ranks = np.empty_like(rows)
    for i, line in enumerate(table):
        for j, row in enumerate(rows[i]):
            value = line[row]
            ranks[i, j] = np.count_nonzero(line > value) + np.count_nonzero(line[:row] == value)
    if exclude is not None:
        left_out = _check_rows(exclude, (q,), n, "exclude")[:, np.newaxis]
        if (left_out == rows).any():
            raise InputError("truth holds excluded rows: find the true rows with the same exclude")
        theirs = np.take_along_axis(table, left_out, axis=1)
        own = np.take_along_axis(table, rows, axis=1)
        ranks -= (theirs > own) | ((theirs == own) & (left_out < rows))
    return ranks


def _check_rows(rows: ArrayLike, shape: tuple[int, ...], n: int, name: str) -> RowArray:
    array = np.asarray(rows)
    if array.shape != shape or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"{name} must be integers of shape {shape}, got {array.dtype} of shape {array.shape}"
        )
    if array.size and not (array.min() >= 0 and array.max() < n):
        raise InputError(f"{name} must be rows from 0 to {n - 1}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def recall_at(ranks: RowArray, n_candidates: int) -> NDArray[np.float64]:
    """The share of each query's true rows that are among its first `n_candidates`.

    ranks: (q, k) as `neighbour_ranks` gives them.
    Returns: (q,) float64.
    """
    found = np.asarray(ranks) < check_count(n_candidates, "n_candidates")
    return np.asarray(found.mean(axis=1), dtype=np.float64)


@dataclass(frozen=True)
class Estimate:
    """A measured value and the interval that holds the true one."""

    value: float
    low: float
    high: float


def recall_interval(per_query: ArrayLike, k: int, *, level: float = 0.95) -> Estimate:
    """Mean recall over a sample of queries, with an interval for the recall over all such queries.

    The k neighbours of a query are found or missed together, so q · k of them tell less than as many
    independent trials: the Wilson interval is taken at the sample size whose binomial variance is the one
    observed, at least q (recall 1.0 is no certainty) and at most q · k.

    per_query: (q,) recalls of k neighbours each, 0 to 1; level: of confidence, between 0 and 1.
    Raises: InputError for no query, or recalls or a level out of range.
    Source: Wilson, JASA 22, 1927; effective sample size: Korn and Graubard, Survey Methodology 24, 1998.
    """
    recalls = np.asarray(per_query, dtype=np.float64)
    if recalls.ndim != 1 or not recalls.size or not ((recalls >= 0) & (recalls <= 1)).all():
        raise InputError(f"per_query must be (q,) recalls from 0 to 1, got shape {recalls.shape}")
    if not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, got {level!r}")
    q = len(recalls)
    p = float(recalls.mean())
    # Where nearly all is found, a few queries carry the whole variance and a sample may hold none of them: with
    # the plain variance 89 % of the 95 % intervals held the truth (recall 0.98, 100 queries, misses correlated
    # by 0.6). One more query that found all and one that found nothing make that 97 %; `p` is without them.
    padded = np.append(recalls, (0.0, 1.0))
    variance = float(padded.var(ddof=1)) / q
    n = min(max(float(padded.mean() * (1 - padded.mean())) / variance, q), q * check_count(k, "k"))
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)
    return Estimate(p, max(0.0, min(p, float(centre - half))), min(1.0, max(p, float(centre + half))))


@dataclass(frozen=True)
class Spread:
    """How vectors lie on the sphere; `effective_dimension` is (Σλ)² / Σλ² of the covariance's eigenvalues."""

    mean_norm: float
    cosine_mean: float
    cosine_std: float
    cosine_percentiles: dict[int, float]
    effective_dimension: float


def spread(vectors: ArrayLike, *, n_pairs: int = 200_000, seed: int = 42) -> Spread:
    """Describe how far vectors spread: norm of their mean, cosines of random pairs, effective dimension.

    vectors: (n, d) float, n ≥ 2, rows of L2 norm 1.
    Returns: percentiles 1, 5, 25, 50, 75, 95, 99 by number; effective dimension 1 to d, 0 when all are equal.
    Source: participation ratio: Gao et al., bioRxiv 214262, 2017.
    """
    vectors = check_vectors(vectors, unit=True)
    cosines = pair_cosines(vectors, n_pairs=n_pairs, seed=seed)
    mean = mean_of(vectors, None)
    scatter = scatter_of(vectors, None, mean)
    # No eigenvalues needed: their sum is the trace, that of their squares the sum of all squared entries.
    total = np.trace(scatter)
    return Spread(
        mean_norm=float(np.linalg.norm(mean)),
        cosine_mean=float(cosines.mean()),
        cosine_std=float(cosines.std()),
        cosine_percentiles=dict(zip(PERCENTILES, np.percentile(cosines, PERCENTILES).tolist(), strict=True)),
        effective_dimension=float(total**2 / (scatter**2).sum()) if total > 1e-12 * len(vectors) else 0.0,
    )


def pair_cosines(vectors: FloatArray, *, n_pairs: int = 200_000, seed: int = 42) -> NDArray[np.float64]:
    """Cosines of random pairs of different rows, or of all pairs when there are no more than `n_pairs`.

    vectors: (n, d) float32, n ≥ 2, rows of L2 norm 1.
    Returns: (min(n_pairs, n (n − 1) / 2),) float64.
    Raises: InputError when there is no pair.
    """
    n, d = vectors.shape
    if n < 2:
        raise InputError(f"pairs need 2 vectors or more, got {n}")
    if n * (n - 1) // 2 <= check_count(n_pairs, "n_pairs"):
        left, right = np.triu_indices(n, k=1)
    else:
        draws = np.random.default_rng(seed)
        left = draws.integers(n, size=n_pairs)
        right = (left + draws.integers(1, n, size=n_pairs)) % n
    cosines = np.empty(len(left))
    step = max(1, BLOCK // d)
    for start in range(0, len(left), step):
        block = slice(start, start + step)
        cosines[block] = np.einsum("pd,pd->p", vectors[left[block]], vectors[right[block]])
    return cosines
