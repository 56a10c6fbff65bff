"""The cascade: pivots or cells, codes, and the exact cosine over the last few.

Two ways lead through it. Without cells every query looks at every code. With cells it visits those it is near, and
codes keep what a vector is besides its cell's centroid, which ranks far better and takes no ITQ.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Literal, TypeAlias, overload

from numpy.typing import ArrayLike

from ..arrays import FloatArray, RowArray, check_count, check_vectors
from ..codec import ITQ, Cells, PivotFilter
from ..codec.corrections import corrections, try_corrections
from ..errors import NotFittedError
from ..recall import Calibration, Plan, Progress, calibrate
from ..recall.record import check_target
from .built import BuiltCascade
from .calibrated import CascadeSieve, plan_for
from .cells import CellCodes
from .checks import (
    Ids,
    check_allowed,
    check_ids,
    check_parts,
    check_queries,
    check_search,
    with_none,
)
from .flat import FlatCodes
from .stages import Stage

Scoring: TypeAlias = Literal["asymmetric", "hamming"]
Explained: TypeAlias = tuple[Ids, FloatArray, list[Stage]]


class Cascade(BuiltCascade):
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
    calibration_: the Calibration that `calibrate` made, or None before.
    """

    calibration_: Calibration | None
    _ids_and_none: Ids | None

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
        self.calibration_ = None
        return self

    def calibrate(
        self,
        target_recall: float = 0.95,
        k: int = 10,
        queries: ArrayLike | None = None,
        *,
        confidence: float = 0.95,
        n_queries: int = 1000,
        seconds: float | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Calibration:
        """Measure what recall costs here, for `search` to reach a target with as little work as it takes.

        target_recall: a RecallWarning says so when it takes exact search. Others can be asked for as well.
        queries: (q, d) floating point of norm 1, like those to come and not among the vectors; None takes vectors,
            each left out of its own answer. The other parameters are those of `recall.calibrate`.
        Returns: the Calibration, which is kept until the next `build`.
        Raises: InputError; DimensionError when d differs; NotFittedError before build.
        """
        check_target(target_recall)
        self._check_built()
        if queries is not None:
            queries = check_queries(queries, self.vectors_.shape[1])
        self.calibration_ = calibrate(
            CascadeSieve(self), k, queries, confidence=confidence, n_queries=n_queries, seconds=seconds,
            seed=seed, progress=progress,
        )  # fmt: skip
        self.calibration_.warn_unless_reached(target_recall)
        return self.calibration_

    @overload
    def search(
        self, queries: ArrayLike, k: int = ..., *, n_candidates: int | None = ..., scoring: Scoring = ...,
        pivot_threshold: float | None = ..., n_probes: int | None = ..., probe_margin: float | None = ...,
        rerank_margin: float = ..., target_recall: float | None = ..., allowed: ArrayLike | None = ...,
        threads: int = ..., explain: Literal[False] = ...,
    ) -> tuple[Ids, FloatArray]: ...  # fmt: skip

    @overload
    def search(
        self, queries: ArrayLike, k: int = ..., *, n_candidates: int | None = ..., scoring: Scoring = ...,
        pivot_threshold: float | None = ..., n_probes: int | None = ..., probe_margin: float | None = ...,
        rerank_margin: float = ..., target_recall: float | None = ..., allowed: ArrayLike | None = ...,
        threads: int = ..., explain: Literal[True],
    ) -> Explained: ...  # fmt: skip

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        n_candidates: int | None = None,
        scoring: Scoring = "asymmetric",
        pivot_threshold: float | None = None,
        n_probes: int | None = None,
        probe_margin: float | None = None,
        rerank_margin: float = 2.0,
        target_recall: float | None = None,
        allowed: ArrayLike | None = None,
        threads: int = 1,
        explain: bool = False,
    ) -> tuple[Ids, FloatArray] | Explained:
        """The k nearest vectors of each query, best first, equal scores by row.

        queries: (q, d) floating point, rows of L2 norm 1.
        n_candidates: how many the codes pass on to the rerank, at most; None is 500; n or more, without pivots and
            with every cell visited, is exact search.
        scoring: of the ITQ's codes: "asymmetric" keeps the query's floats, "hamming" compares code with code.
        pivot_threshold: passes over vectors by their pivots first (see `PivotFilter.passes`); None does not.
        n_probes: how many cells to visit, and those that tie with the last. probe_margin: or those whose score, a
            cosine, is at most so far below what is near to this query (halfway between its nearest four cells and
            the best of each of 64 groups); with both, at most n_probes of them. None for both is a margin of 1.4
            times the spread of the cells' scores; with `allowed` it is every cell.
        rerank_margin: with cells, a code whose estimate is so many standard errors below the k-th best cosine found
            yet is not reranked.
        target_recall: in place of all of the above, the plan that `calibrate` certified to reach it; where there is
            none, exact search and a RecallWarning. It was measured without `allowed`.
        allowed: (n,) bool, which vectors may be found; None allows all. Up to n_candidates are all compared, and so
            are more where that is quicker than looking at codes (see `exact.answers_exactly`).
        threads: that share the queries; the results do not depend on it.
        explain: also return what each stage did.
        Returns: ids (q, k) and scores (q, k) float32, the cosines; where fewer than k vectors are left,
            padded with id −1 (None for string ids) and score −inf; of shape (q, 0) when there are no vectors.
            With explain, a third: a list of Stage, in order.
        Raises: InputError for a parameter out of range or without its part of the cascade, k above n_candidates, rows
            not of norm 1, or a target without a calibration for k; DimensionError when d differs; NotFittedError
            before build.
        """
        self._check_built()
        k = check_count(k, "k")
        if target_recall is None:
            n_candidates = Plan.n_candidates if n_candidates is None else n_candidates
            plan = check_search(
                k, n_candidates, threads, n_probes, probe_margin, rerank_margin, scoring, pivot_threshold
            )
        else:
            plan = plan_for(
                self.calibration_, target_recall, k,
                n_candidates, scoring, pivot_threshold, n_probes, probe_margin, rerank_margin,
            )  # fmt: skip
            if allowed is not None:
                plan = replace(plan, n_probes=None, probe_margin=None)
            check_search(k, plan.n_candidates, threads, plan.n_probes, plan.probe_margin, plan.rerank_margin)
        n, d = self.vectors_.shape
        rows, scores, stages = self._nearest(
            check_queries(queries, d),
            k,
            plan,
            None if allowed is None else check_allowed(allowed, n),
            threads=threads,
            explain=explain,
        )
        return (self._ids_of(rows), scores, stages) if explain else (self._ids_of(rows), scores)

    def _check_built(self) -> None:
        if not hasattr(self, "ids_"):
            raise NotFittedError("this Cascade holds no vectors yet: call build(vectors)")

    def _ids_of(self, rows: RowArray) -> Ids:
        return rows if self._ids_and_none is None else self._ids_and_none[rows]
