"""A cascade that is built, and the way of queries through it by a plan."""

import numpy as np

from ..arrays import BoolArray, CodeArray, FloatArray, RowArray
from ..codec import ITQ, Cells, PivotFilter
from ..recall import Plan
from .arrays import nothing_found
from .cells import CellCodes
from .checks import Ids, takes_cells
from .exact import search_exact
from .flat import FlatCodes
from .pivoted import search_past_pivots
from .stages import Stage, stages_of


class BuiltCascade:
    """What all that is done with a built cascade begins with; `Cascade` says what it holds."""

    itq: ITQ | None
    pivots: PivotFilter | None
    vectors_: FloatArray
    ids_: Ids
    codes_: CodeArray | None
    corrections_: bool
    pivot_distances_: FloatArray | None
    cells_: Cells | None
    _flat_codes: FlatCodes | None
    _cell_codes: CellCodes | None

    def _nearest(
        self, queries: FloatArray, k: int, plan: Plan, mask: BoolArray | None = None, *, threads: int = 1,
        explain: bool = False,
    ) -> tuple[RowArray, FloatArray, list[Stage]]:  # fmt: skip
        """Rows and scores as `Cascade.search` has them, and with `explain` the stages.

        queries: (q, d) float32, rows of norm 1. mask: (n,) of those that may be found, or None for all.
        Raises: InputError when the cascade lacks a part that the plan needs.
        """
        by_cells = takes_cells(
            plan.scoring, plan.pivot_threshold, plan.n_probes is not None or plan.probe_margin is not None,
            coded=self.codes_ is not None, pivoted=self.pivot_distances_ is not None, celled=self.cells_ is not None,
        )  # fmt: skip
        n, n_candidates = len(self.vectors_), plan.n_candidates
        # When no more are allowed than are reranked, they are all compared.
        n_allowed = None if mask is None else int(np.count_nonzero(mask))
        all_allowed = n_allowed is not None and n_allowed <= n_candidates
        n_candidates = n if all_allowed or n_candidates > n else n_candidates
        if threads > 1:
            threads = min(threads, max(1, len(queries)))

        stages: list[Stage] = []
        n_codes: int | RowArray = n
        codes = None if self.itq is None or plan.scoring != "hamming" else self.itq.transform(queries)
        if plan.exact:
            found = search_exact(self.vectors_, queries, k, mask, threads=threads, explain=explain)
        elif by_cells or self._flat_codes is None:
            if self._cell_codes is None:
                found = nothing_found(len(queries), k, 4)
            else:
                # A mask may leave nothing in the cells that are near: recall was .79 where it left 10 %, all together.
                chosen = plan.n_probes is not None or plan.probe_margin is not None
                every_cell = all_allowed or (mask is not None and not chosen)
                n_codes = self._cell_codes.n_codes
                cell_plan = self._cell_codes.plan(
                    k, n_candidates, plan.n_probes, plan.probe_margin, plan.rerank_margin, every_cell
                )
                found = self._cell_codes.search(
                    queries, cell_plan, allowed=mask, n_allowed=n_allowed, threads=threads, explain=explain
                )
        elif plan.pivot_threshold is None or self.pivots is None or self.pivot_distances_ is None:
            found = self._flat_codes.search(
                queries, k, n_candidates=n_candidates, query_codes=codes, allowed=mask, n_allowed=n_allowed,
                threads=threads, explain=explain,
            )  # fmt: skip
        else:
            found, stage = search_past_pivots(
                self._flat_codes, self.pivots, self.pivot_distances_, plan.pivot_threshold, queries, k,
                n_candidates=n_candidates, query_codes=codes, allowed=mask, threads=threads,
            )  # fmt: skip
            stages, n_codes = [stage], stage.kept
        rows, scores = (found.rows, found.scores) if n else (found.rows[:, :0], found.scores[:, :0])
        return rows, scores, [*stages, *stages_of(found, n_codes)] if explain else []
