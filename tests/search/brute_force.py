"""What the tests of searching share: vectors to search, the search that looks at all of them, its stages."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitsieve.codec import ITQ
from bitsieve.search.reference.rerank import exact_scores
from bitsieve.search.stages import Stage

BENCH = Path(__file__).parents[2].parent / "shared" / "bench"

Floats = NDArray[np.float32]


def unit_rows(x: NDArray[Any]) -> Floats:
    """The rows of x, scaled to norm 1."""
    x = x.astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def clustered(n: int, d: int, seed: int = 0, n_clusters: int = 8) -> Floats:
    """Vectors in a few clusters, as texts have them."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_clusters, d))
    return unit_rows(centres[rng.integers(n_clusters, size=n)] + rng.standard_normal((n, d)))


def with_ties(n: int, d: int) -> Floats:
    """Clustered, and the last 100 equal to the first: ties in every stage."""
    x = clustered(n, d)
    x[-100:] = x[:100]
    return x


def queries_near(vectors: Floats, q: int, seed: int = 1, noise: float = 0.1) -> Floats:
    """Queries beside q of the vectors."""
    rng = np.random.default_rng(seed)
    return unit_rows(
        vectors[rng.integers(len(vectors), size=q)] + noise * rng.standard_normal((q, vectors.shape[1]))
    )


def any_itq(d: int, n_bits: int, seed: int = 0) -> ITQ:
    """An ITQ that turns at random: quicker than fitting, and there for any number of vectors."""
    rng = np.random.default_rng(seed)
    itq = ITQ(n_bits)
    itq.mean_ = (0.05 * rng.standard_normal(d)).astype(np.float32)
    itq.projection_ = np.linalg.qr(rng.standard_normal((d, n_bits)))[0].astype(np.float32)
    return itq


def exact(queries: Floats, vectors: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Rows (q, k) and scores (q, k) of all vectors ordered by (score, row), padded with −1 and −inf."""
    rows, scores = np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf, np.float32)
    every = np.arange(len(vectors))
    for i, query in enumerate(queries):
        of_query = exact_scores(query, vectors, every)
        best = np.lexsort((every, -of_query))[:k]
        rows[i, : len(best)], scores[i, : len(best)] = best, of_query[best]
    return rows, scores


def recall(found: NDArray[Any], true: NDArray[Any]) -> float:
    """Share of the true rows that were found."""
    return float(
        np.mean([len(np.intersect1d(*pair)) / len(pair[1]) for pair in zip(found, true, strict=True)])
    )


def assert_stages_add_up(stages: list[Stage], n: int, scores: Floats) -> None:
    """What a stage keeps and removes is what the one before kept, at first n; what the last keeps is found."""
    left = np.full(len(scores), n)
    for stage in stages:
        assert stage.kept.dtype == stage.removed.dtype == np.int64
        assert stage.seconds >= 0
        np.testing.assert_array_equal(stage.kept + stage.removed, left)
        left = stage.kept
    np.testing.assert_array_equal(left, (scores > -np.inf).sum(axis=1))
