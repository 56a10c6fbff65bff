"""The cascade: pivots or cells, codes, and the exact cosine over the last few.

Two ways lead through it. Without cells every query looks at every code. With cells it visits those it is near, and
codes keep what a vector is besides its cell's centroid, which ranks far better and takes no ITQ.
"""

from collections.abc import Sequence
from copy import copy
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import CodeArray, FloatArray, RowArray, check_vectors
from ..codec import ITQ, Cells, PivotFilter
from ..codec.corrections import corrections, try_corrections
from ..errors import InputError, NotFittedError
from .arrays import nothing_found
from .cells import CellCodes
from .checks import Ids, check_allowed, check_ids, check_parts, check_queries, check_search, with_none
from .flat import FlatCodes
from .pivoted import search_past_pivots
from .stages import Stage, stages_of

Scoring: TypeAlias = Literal["asymmetric", "hamming"]
Explained: TypeAlias = tuple[Ids, FloatArray, list[Stage]]


class Cascade:
    """Find the nearest vectors in memory through their codes.

    itq: fitted; not needed with cells. pivots: optional; if not fitted yet, `build` fits it on the vectors.
    cells: how many, or Cells of your own, which `build` fits if they are not; None has every query look at every
        code. spill: each vector is listed in two cells, twice the codes for fewer cells visited.
    corrections: a byte of scale and a byte of offset for each code of the ITQ; None measures on the vectors whether
        they pay.

    Made by `build`:
    vectors_: (n, d) float32. ids_: (n,) int64 or object.
    codes_: (n, n_bits // 8) uint8, the ITQ's, or None without. corrections_: whether they are used.
    pivot_distances_: (n, n_pivots) float32, or None without pivots. cells_: the fitted Cells, or None.
    """

    vectors_: FloatArray
    ids_: Ids
    codes_: CodeArray | None
    corrections_: bool
    pivot_distances_: FloatArray | None
    cells_: Cells | None
    _ids_and_none: Ids | None
    _flat_codes: FlatCodes | None
    _cell_codes: CellCodes | None

    def __init__(
        self,
        itq: ITQ | None = None,
        pivots: PivotFilter | None = None,
        *,
        cells: Cells | int | None = None,
        spill: bool = False,
        corrections: bool | None = None,
    ) -> None:
        self.itq = itq
        self.pivots = pivots
        self.cells = cells
        self.spill = spill
        self.corrections = corrections

    def build(self, vectors: ArrayLike, *, ids: ArrayLike | Sequence[str] | None = None) -> "Cascade":
        """Take in the vectors to search, in place of any before.

        vectors: (n, d) floating point, rows of L2 norm 1; float32 ones are kept, not copied. With them come their
            codes and a copy in bytes, a quarter of their size.
        ids: n whole numbers or n strings, which `search` returns; None means row numbers.
        Raises: InputError for neither ITQ nor cells, a part that would not be used, rows not of norm 1, or ids of
            another number or type; DimensionError when d is not the ITQ's or the cells'; NotFittedError when the
            ITQ is not fitted. Then nothing is changed.
        """
        check_parts(self.itq, self.pivots, self.cells, spill=self.spill, corrections=self.corrections)
        vectors = check_vectors(vectors, unit=True)
        checked_ids = check_ids(ids, len(vectors))
        codes = distances = flat_codes = cell_codes = None
        pays = False
        if self.itq is not None:
            codes = self.itq.transform(vectors)
            pays = try_corrections(self.itq, vectors).pays if self.corrections is None else self.corrections
            of_codes = corrections(self.itq, vectors) if pays else None
            flat_codes = FlatCodes(self.itq, vectors, codes, of_codes)
        # What is not fitted yet is fitted as a copy, since a later step may fail.
        pivots, cells = copy(self.pivots), copy(self.cells)
        if pivots is not None:
            if not hasattr(pivots, "pivots_"):
                pivots.fit(vectors)
            distances = pivots.distances(vectors)
        if cells is not None:
            if not isinstance(cells, Cells):
                cells = Cells(cells, spill=self.spill)
            if len(vectors):
                if not hasattr(cells, "centroids_"):
                    cells.fit(vectors)
                cell_codes = CellCodes(cells, vectors)

        if pivots is not None:
            vars(self.pivots).update(vars(pivots))
        if isinstance(self.cells, Cells):
            vars(self.cells).update(vars(cells))
            cells = self.cells
        self.vectors_, self.ids_ = vectors, checked_ids
        self._ids_and_none = None if ids is None else with_none(checked_ids)
        self.codes_, self.corrections_, self.pivot_distances_, self.cells_ = codes, pays, distances, cells
        self._flat_codes, self._cell_codes = flat_codes, cell_codes
        return self

    @overload
    def search(
        self, queries: ArrayLike, k: int = ..., *, n_candidates: int = ..., scoring: Scoring = ...,
        pivot_threshold: float | None = ..., n_probes: int | None = ..., probe_margin: float | None = ...,
        rerank_margin: float = ..., allowed: ArrayLike | None = ..., threads: int = ..., explain: Literal[False] = ...,
    ) -> tuple[Ids, FloatArray]: ...  # fmt: skip

    @overload
    def search(
        self, queries: ArrayLike, k: int = ..., *, n_candidates: int = ..., scoring: Scoring = ...,
        pivot_threshold: float | None = ..., n_probes: int | None = ..., probe_margin: float | None = ...,
        rerank_margin: float = ..., allowed: ArrayLike | None = ..., threads: int = ..., explain: Literal[True],
    ) -> Explained: ...  # fmt: skip

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        n_candidates: int = 500,
        scoring: Scoring = "asymmetric",
        pivot_threshold: float | None = None,
        n_probes: int | None = None,
        probe_margin: float | None = None,
        rerank_margin: float = 2.0,
        allowed: ArrayLike | None = None,
        threads: int = 1,
        explain: bool = False,
    ) -> tuple[Ids, FloatArray] | Explained:
        """The k nearest vectors of each query, best first, equal scores by row.

        queries: (q, d) floating point, rows of L2 norm 1.
        n_candidates: how many the codes pass on to the rerank, at most; n or more, without pivots and with every
            cell visited, is exact search.
        scoring: of the ITQ's codes: "asymmetric" keeps the query's floats, "hamming" compares code with code.
        pivot_threshold: passes over vectors by their pivots first (see `PivotFilter.passes`); None does not.
        n_probes: how many cells to visit, and those that tie with the last. probe_margin: or those whose score, a
            cosine, is within so much of the nearest four's mean; with both, at most n_probes of them. None for both
            is a margin of twice the spread of the cells' scores.
        rerank_margin: with cells, a code whose estimate is so many standard errors below the k-th best cosine found
            yet is not reranked.
        allowed: (n,) bool, which vectors may be found; None allows all. Up to n_candidates are all compared, and so
            are more where that is quicker than looking at codes (see `exact.answers_exactly`).
        threads: that share the queries; the results do not depend on it.
        explain: also return what each stage did.
        Returns: ids (q, k) and scores (q, k) float32, the cosines; where fewer than k vectors are left,
            padded with id −1 (None for string ids) and score −inf; of shape (q, 0) when there are no vectors.
            With explain, a third: a list of Stage, in order.
        Raises: InputError for a parameter out of range or without its part of the cascade, k above n_candidates, or
            rows not of norm 1; DimensionError when d differs; NotFittedError before build.
        """
        if not hasattr(self, "ids_"):
            raise NotFittedError("this Cascade holds no vectors yet: call build(vectors)")
        check_search(k, n_candidates, threads, n_probes, probe_margin, rerank_margin)
        by_cells = self._takes_cells(
            scoring, pivot_threshold, n_probes is not None or probe_margin is not None
        )
        n, d = self.vectors_.shape
        queries = check_queries(queries, d)
        mask = None if allowed is None else check_allowed(allowed, n)
        # When no more are allowed than are reranked, they are all compared.
        n_allowed = None if mask is None else int(np.count_nonzero(mask))
        all_allowed = n_allowed is not None and n_allowed <= n_candidates
        n_candidates = n if all_allowed or n_candidates > n else n_candidates
        if threads > 1:
            threads = min(threads, max(1, len(queries)))

        stages: list[Stage] = []
        n_codes: int | RowArray = n
        codes = None if self.itq is None or scoring != "hamming" else self.itq.transform(queries)
        if by_cells or self._flat_codes is None:
            if self._cell_codes is None:
                found = nothing_found(len(queries), k, 4)
            else:
                n_codes = self._cell_codes.n_codes
                plan = self._cell_codes.plan(
                    k, n_candidates, n_probes, probe_margin, rerank_margin, all_allowed
                )
                found = self._cell_codes.search(
                    queries, plan, allowed=mask, n_allowed=n_allowed, threads=threads, explain=explain
                )
        elif pivot_threshold is None or self.pivots is None or self.pivot_distances_ is None:
            found = self._flat_codes.search(
                queries, k, n_candidates=n_candidates, query_codes=codes, allowed=mask, n_allowed=n_allowed,
                threads=threads, explain=explain,
            )  # fmt: skip
        else:
            found, stage = search_past_pivots(
                self._flat_codes, self.pivots, self.pivot_distances_, pivot_threshold, queries, k,
                n_candidates=n_candidates, query_codes=codes, allowed=mask, threads=threads,
            )  # fmt: skip
            stages, n_codes = [stage], stage.kept
        rows, scores = (found.rows, found.scores) if n else (found.rows[:, :0], found.scores[:, :0])
        if not explain:
            return self._ids_of(rows), scores
        return self._ids_of(rows), scores, [*stages, *stages_of(found, n_codes)]

    def _takes_cells(self, scoring: Scoring, pivot_threshold: float | None, chosen: bool) -> bool:
        """Whether a search goes by cells, once it is known that it can go at all. chosen: whether cells were."""
        if scoring not in ("asymmetric", "hamming"):
            raise InputError(f"scoring must be 'asymmetric' or 'hamming', got {scoring!r}")
        if scoring == "hamming" and self.codes_ is None:
            raise InputError("scoring='hamming' compares codes of an ITQ: make the cascade with Cascade(itq)")
        if pivot_threshold is not None and self.pivot_distances_ is None:
            raise InputError(
                "pivot_threshold needs pivots: make the cascade with Cascade(itq, PivotFilter())"
            )
        by_cells = self.cells_ is not None and scoring == "asymmetric" and pivot_threshold is None
        if chosen and not by_cells:
            raise InputError(
                "n_probes and probe_margin choose cells: make the cascade with Cascade(cells=…), and search it "
                "without pivots and with scoring='asymmetric'"
            )
        return by_cells

    def _ids_of(self, rows: RowArray) -> Ids:
        return rows if self._ids_and_none is None else self._ids_and_none[rows]
