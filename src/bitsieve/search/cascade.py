"""The cascade: pivots and codes over everything, the exact cosine over the last few.

What the pivots remove is no candidate any more. Its code is scored all the same: NumPy scores a batch of queries
over all codes at once faster than each query over its own selection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import CodeArray, FloatArray, RowArray, check_count, check_vectors
from ..codec import ITQ, PivotFilter
from ..codec.blocks import row_blocks
from ..errors import InputError, NotFittedError
from .kernels import asymmetric_scores, hamming_distances, rerank, top_rows

BLOCK_BYTES = 64 << 20
"""What scores and masks of the queries searched at once may take."""

Ids: TypeAlias = NDArray[Any]
"""int64 row numbers or ids, or an object array of strings."""

Scoring: TypeAlias = Literal["asymmetric", "hamming"]


@dataclass(frozen=True, eq=False)
class Stage:
    """What one stage of a search did.

    name: "pivots", "codes" or "rerank". kept, removed: (q,) int64, vectors of each query.
    seconds: for all queries together.
    """

    name: str
    kept: RowArray
    removed: RowArray
    seconds: float


Explained: TypeAlias = tuple[Ids, FloatArray, list[Stage]]


class Cascade:
    """Find the nearest vectors in memory through their codes.

    itq: fitted. pivots: optional; if not fitted yet, `build` fits it on the vectors.

    Made by `build`:
    vectors_: (n, d) float32. codes_: (n, n_bits // 8) uint8. ids_: (n,) int64 or object.
    pivot_distances_: (n, n_pivots) float32, or None without pivots.
    """

    vectors_: FloatArray
    codes_: CodeArray
    ids_: Ids
    pivot_distances_: FloatArray | None

    def __init__(self, itq: ITQ, pivots: PivotFilter | None = None) -> None:
        self.itq = itq
        self.pivots = pivots

    def build(self, vectors: ArrayLike, *, ids: ArrayLike | Sequence[str] | None = None) -> "Cascade":
        """Take in the vectors to search, in place of any before.

        vectors: (n, d) floating point, rows of L2 norm 1; float32 ones are kept, not copied.
        ids: n whole numbers or n strings, which `search` returns; None means row numbers.
        Raises: InputError for rows not of norm 1, or ids of another number or type;
            DimensionError when d is not the ITQ's; NotFittedError when the ITQ is not fitted.
        """
        vectors = check_vectors(vectors, unit=True)
        checked_ids = _check_ids(ids, len(vectors))
        codes = self.itq.transform(vectors)
        distances = None
        if self.pivots is not None:
            if not hasattr(self.pivots, "pivots_"):
                self.pivots.fit(vectors)
            distances = self.pivots.distances(vectors)
        self.vectors_, self.codes_, self.ids_, self.pivot_distances_ = vectors, codes, checked_ids, distances
        return self

    @overload
    def search(
        self, queries: ArrayLike, k: int = ..., *, n_candidates: int = ..., scoring: Scoring = ...,
        pivot_threshold: float | None = ..., explain: Literal[False] = ...,
    ) -> tuple[Ids, FloatArray]: ...  # fmt: skip

    @overload
    def search(
        self, queries: ArrayLike, k: int = ..., *, n_candidates: int = ..., scoring: Scoring = ...,
        pivot_threshold: float | None = ..., explain: Literal[True],
    ) -> Explained: ...  # fmt: skip

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        n_candidates: int = 500,
        scoring: Scoring = "asymmetric",
        pivot_threshold: float | None = None,
        explain: bool = False,
    ) -> tuple[Ids, FloatArray] | Explained:
        """The k nearest vectors of each query, best first, equal scores by row.

        queries: (q, d) floating point, rows of L2 norm 1.
        n_candidates: how many the codes pass on to the exact rerank; n or more, without pivots, is exact search.
        scoring: of codes: "asymmetric" keeps the query's floats, "hamming" compares code with code.
        pivot_threshold: passes over vectors by their pivots first (see `PivotFilter.passes`); None does not.
        explain: also return what each stage did.
        Returns: ids (q, k) and scores (q, k) float32, the cosines; where fewer than k vectors are left,
            padded with id −1 (None for string ids) and score −inf; of shape (q, 0) when there are no vectors.
            With explain, a third: a list of Stage, in order.
        Raises: InputError for a parameter out of range, k above n_candidates, a pivot_threshold without
            pivots, or rows not of norm 1; DimensionError when d differs; NotFittedError before build.
        """
        if not hasattr(self, "codes_"):
            raise NotFittedError("this Cascade holds no vectors yet: call build(vectors)")
        self._check_search(k, n_candidates, scoring, pivot_threshold)
        n, d = self.vectors_.shape
        queries = check_vectors(queries, d=d, unit=True, name="queries")
        k, n_candidates = k if n else 0, min(n_candidates, n)
        bytes_per_query = 8 * n + 16 * n_candidates + 4 * self.itq.n_bits
        # An empty batch is searched as one empty block, so that its stages are listed too.
        blocks = list(row_blocks(len(queries), max(1, BLOCK_BYTES // bytes_per_query))) or [slice(0, 0)]
        parts = [self._search_block(queries[b], k, n_candidates, scoring, pivot_threshold) for b in blocks]
        ids = self._ids_of(np.concatenate([rows for rows, _, _ in parts]))
        scores = np.concatenate([scores for _, scores, _ in parts])
        if explain:
            return ids, scores, _merge([stages for _, _, stages in parts])
        return ids, scores

    def _search_block(
        self, queries: FloatArray, k: int, n_candidates: int, scoring: Scoring, pivot_threshold: float | None
    ) -> tuple[RowArray, FloatArray, list[Stage]]:
        stages = []
        kept = np.full(len(queries), len(self.vectors_), np.int64)
        passed = None
        if self.pivots is not None and self.pivot_distances_ is not None and pivot_threshold is not None:
            start = perf_counter()
            of_queries = self.pivots.distances(queries)
            passed = self.pivots.passes(of_queries, self.pivot_distances_, pivot_threshold)
            before, kept = kept, passed.sum(axis=1, dtype=np.int64)
            stages.append(Stage("pivots", kept, before - kept, perf_counter() - start))

        start = perf_counter()
        if scoring == "asymmetric":
            scores = asymmetric_scores(self.itq.project(queries), self.codes_)
        else:
            scores = -hamming_distances(self.itq.transform(queries), self.codes_).astype(np.float32)
        if passed is not None:
            scores[~passed] = -np.inf
        candidates = top_rows(scores, n_candidates)
        before, kept = kept, (candidates >= 0).sum(axis=1, dtype=np.int64)
        stages.append(Stage("codes", kept, before - kept, perf_counter() - start))

        start = perf_counter()
        rows, cosines = rerank(queries, self.vectors_, candidates, k)
        before, kept = kept, (rows >= 0).sum(axis=1, dtype=np.int64)
        stages.append(Stage("rerank", kept, before - kept, perf_counter() - start))
        return rows, cosines, stages

    def _check_search(
        self, k: int, n_candidates: int, scoring: Scoring, pivot_threshold: float | None
    ) -> None:
        check_count(k, "k")
        check_count(n_candidates, "n_candidates")
        if k > n_candidates:
            raise InputError(f"k={k} is more than n_candidates={n_candidates}: raise n_candidates")
        if scoring not in ("asymmetric", "hamming"):
            raise InputError(f"scoring must be 'asymmetric' or 'hamming', got {scoring!r}")
        if pivot_threshold is not None and self.pivot_distances_ is None:
            raise InputError(
                "pivot_threshold needs pivots: make the cascade with Cascade(itq, PivotFilter())"
            )

    def _ids_of(self, rows: RowArray) -> Ids:
        ids: Ids = np.empty(rows.shape, self.ids_.dtype)
        ids[rows >= 0] = self.ids_[rows[rows >= 0]]
        ids[rows < 0] = None if self.ids_.dtype == object else -1
        return ids


def _check_ids(ids: Any, n: int) -> Ids:
    if ids is None:
        return np.arange(n)
    array = np.asarray(ids)
    if array.shape != (n,):
        raise InputError(f"ids have shape {array.shape}, expected ({n},): give one for each vector")
    if array.dtype.kind in "iu" and (n == 0 or array.max() <= np.iinfo(np.int64).max):
        return array.astype(np.int64)
    # NumPy turns a mixed list into strings, so it is the items as given that count.
    if not all(isinstance(item, str) for item in ids):
        raise InputError("ids must be whole numbers that fit int64, or strings, all of one kind")
    return np.array(ids, dtype=object)


def _merge(blocks: list[list[Stage]]) -> list[Stage]:
    """The stages of all blocks of queries as if of one."""
    return [
        Stage(
            parts[0].name,
            np.concatenate([part.kept for part in parts]),
            np.concatenate([part.removed for part in parts]),
            sum(part.seconds for part in parts),
        )
        for parts in zip(*blocks, strict=True)
    ]
