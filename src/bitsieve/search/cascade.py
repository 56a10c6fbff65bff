"""The cascade: pivots or cells, codes, and the exact cosine over the last few.

Two ways lead through it. Without cells every query looks at every code. With cells it visits those it is near, and
codes keep what a vector is besides its cell's centroid, which ranks far better and takes no ITQ.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, CodeArray, FloatArray, RowArray, check_count, check_vectors
from ..codec import ITQ, Cells, PivotFilter
from ..codec.blocks import row_blocks
from ..codec.corrections import corrections_of, corrections_pay
from ..errors import InputError, NotFittedError
from .arrays import CellPlan, Found, joined, nothing_found
from .cells import CellCodes
from .checks import Ids, check_allowed, check_ids, check_margin
from .flat import FlatCodes
from .stages import Stage, chain, stages_of

MASK_BYTES = 64 << 20
"""What the pivots' distances and masks of the queries searched at once may take."""

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
    _flat_codes: FlatCodes
    _cell_codes: CellCodes

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
        Raises: InputError for neither ITQ nor cells, pivots or spill that would not be used, rows not of norm 1, or
            ids of another number or type; DimensionError when d is not the ITQ's; NotFittedError when the ITQ is
            not fitted.
        """
        cells = self._check_parts()
        vectors = check_vectors(vectors, unit=True)
        checked_ids = check_ids(ids, len(vectors))
        codes = distances = None
        pays = False
        made: dict[str, Any] = {}
        if self.itq is not None:
            codes = self.itq.transform(vectors)
            pays = corrections_pay(self.itq, vectors) if self.corrections is None else self.corrections
            corrections = corrections_of(self.itq, vectors) if pays else None
            made["_flat_codes"] = FlatCodes(self.itq, vectors, codes, corrections)
        if self.pivots is not None:
            if not hasattr(self.pivots, "pivots_"):
                self.pivots.fit(vectors)
            distances = self.pivots.distances(vectors)
        if cells is not None and len(vectors):
            if not hasattr(cells, "centroids_"):
                cells.fit(vectors)
            made["_cell_codes"] = CellCodes(cells, vectors)
        self.vectors_, self.ids_, self.codes_, self.corrections_ = vectors, checked_ids, codes, pays
        self.pivot_distances_, self.cells_, self._numbered = distances, cells, ids is None
        vars(self).update(made)
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
        n_probes: how many cells to visit. probe_margin: or those whose score, a cosine, is within so much of the
            nearest four's mean; None for both is twice the spread of the cells' scores.
        rerank_margin: with cells, a code whose estimate is so many standard errors below the k-th best cosine found
            yet is not reranked.
        allowed: (n,) bool, which vectors may be found; None allows all.
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
        check_count(k, "k")
        check_count(n_candidates, "n_candidates")
        check_count(threads, "threads")
        if k > n_candidates:
            raise InputError(f"k={k} is more than n_candidates={n_candidates}: raise n_candidates")
        by_cells = self._takes_cells(
            scoring, pivot_threshold, n_probes is not None or probe_margin is not None
        )
        n, d = self.vectors_.shape
        queries = check_vectors(queries, d=d, unit=True, name="queries")
        mask = None if allowed is None else check_allowed(allowed, n)
        if n == 0:
            found = nothing_found(len(queries), 0, 4 if by_cells else 2)
            stages = stages_of(found, 0)
        elif by_cells:
            plan = self._plan(k, n_candidates, n_probes, probe_margin, rerank_margin, mask)
            found = self._cell_codes.search(queries, plan, allowed=mask, threads=threads)
            stages = stages_of(found, self._cell_codes.n_codes) if explain else []
        else:
            found, stages = self._search_flat(
                queries, k, n_candidates, scoring, pivot_threshold, mask, threads
            )
        ids = self._ids_of(found.rows)
        return (ids, found.scores, stages) if explain else (ids, found.scores)

    def _search_flat(
        self, queries: FloatArray, k: int, n_candidates: int, scoring: Scoring, pivot_threshold: float | None,
        allowed: BoolArray | None, threads: int,
    ) -> tuple[Found, list[Stage]]:  # fmt: skip
        n = len(self.vectors_)
        masks = None if allowed is None else allowed[np.newaxis]
        codes = self.itq.transform(queries) if self.itq is not None and scoring == "hamming" else None
        if pivot_threshold is None or self.pivots is None or self.pivot_distances_ is None:
            found = self._flat_codes.search(
                queries, k, n_candidates=n_candidates, query_codes=codes, allowed=masks, threads=threads
            )
            return found, stages_of(found, n)

        seconds, kept, parts = 0.0, [], []
        # An empty batch is searched as one empty block, so that its stages are listed too.
        for block in list(row_blocks(len(queries), max(1, MASK_BYTES // (8 * n)))) or [slice(0, 0)]:
            started = perf_counter()
            of_queries = self.pivots.distances(queries[block])
            passed = self.pivots.passes(of_queries, self.pivot_distances_, pivot_threshold)
            if masks is not None:
                passed &= masks
            seconds += perf_counter() - started
            kept.append(np.count_nonzero(passed, axis=1))
            of_block = None if codes is None else codes[block]
            parts.append(
                self._flat_codes.search(
                    queries[block],
                    k,
                    n_candidates=n_candidates,
                    query_codes=of_block,
                    allowed=passed,
                    threads=threads,
                )
            )
        found = joined(parts)
        codes_stage, rerank_stage = stages_of(found, 0)
        names = ("pivots", "codes", "rerank")
        counts = (np.concatenate(kept), codes_stage.kept, rerank_stage.kept)
        return found, chain(names, counts, (seconds, codes_stage.seconds, rerank_stage.seconds), n)

    def _plan(
        self, k: int, n_candidates: int, n_probes: int | None, probe_margin: float | None, rerank_margin: float,
        allowed: BoolArray | None,
    ) -> CellPlan:  # fmt: skip
        codes = self._cell_codes
        if n_probes is not None and probe_margin is not None:
            raise InputError("n_probes and probe_margin both say which cells to visit: give one of them")
        margin = check_margin(rerank_margin, "rerank_margin") * codes.estimate_error
        if allowed is not None and np.count_nonzero(allowed) <= n_candidates:
            return CellPlan(
                k, len(self.vectors_), codes.n_cells, 0.0, margin
            )  # so few are compared one by one
        if n_probes is not None:
            return CellPlan(k, n_candidates, check_count(n_probes, "n_probes"), 0.0, margin)
        if probe_margin is None:
            probe_margin = codes.default_probe_margin
        return CellPlan(k, n_candidates, 0, check_margin(probe_margin, "probe_margin"), margin)

    def _takes_cells(self, scoring: Scoring, pivot_threshold: float | None, probes: bool) -> bool:
        """Whether a search goes by cells, once it is known that it can go at all."""
        if scoring not in ("asymmetric", "hamming"):
            raise InputError(f"scoring must be 'asymmetric' or 'hamming', got {scoring!r}")
        if scoring == "hamming" and self.codes_ is None:
            raise InputError("scoring='hamming' compares codes of an ITQ: make the cascade with Cascade(itq)")
        if pivot_threshold is not None and self.pivot_distances_ is None:
            raise InputError(
                "pivot_threshold needs pivots: make the cascade with Cascade(itq, PivotFilter())"
            )
        by_cells = self.cells_ is not None and scoring == "asymmetric" and pivot_threshold is None
        if probes and not by_cells:
            raise InputError(
                "n_probes and probe_margin choose cells: make the cascade with Cascade(cells=…), and search it "
                "without pivots and with scoring='asymmetric'"
            )
        return by_cells

    def _check_parts(self) -> Cells | None:
        """The cells to build with, once it is known that the parts fit each other."""
        if self.itq is None and self.cells is None:
            raise InputError("a cascade needs codes: give it a fitted ITQ, or cells=, how many cells to make")
        if self.itq is None and self.pivots is not None:
            raise InputError(
                "pivots filter before the codes of an ITQ: make the cascade with Cascade(itq, pivots)"
            )
        if self.cells is None:
            if self.spill:
                raise InputError("spill lists vectors in two cells: give cells=, how many cells to make")
            return None
        if not isinstance(self.cells, Cells):
            return Cells(check_count(self.cells, "cells"), spill=self.spill)
        if self.spill and not self.cells.spill:
            raise InputError("spill is a property of the Cells you gave: make them with Cells(spill=True)")
        return self.cells

    def _ids_of(self, rows: RowArray) -> Ids:
        if self._numbered:
            return rows
        ids: Ids = np.empty(rows.shape, self.ids_.dtype)
        ids[rows >= 0] = self.ids_[rows[rows >= 0]]
        ids[rows < 0] = None if self.ids_.dtype == object else -1
        return ids
