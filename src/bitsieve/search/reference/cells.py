"""A query visits the cells whose centroids it is near."""

from time import perf_counter
from typing import Any

import numpy as np

from ...arrays import BoolArray, CodeArray, FloatArray, RowArray
from ...codec.bits import unpack_signs
from ...codec.blocks import row_blocks
from ..arrays import CellArrays, CellPlan, Found, Sizes, nothing_found
from ..layout import BLOCK, PANEL, deinterleave, padded
from .rerank import Rerank
from .whole import LEAST, MOST, Lookups, lookups, multiply, scaled

QUERIES_AT_ONCE = 256
FIRST_CELLS, FIRST_CODES, GROUPS = 4, 32, 64


def search_cells(
    index: CellArrays, plan: CellPlan, queries: FloatArray, allowed: BoolArray | None, sizes: Sizes | None
) -> Found:
    """See search_cells in native/cells.hpp. allowed: (n,) bool. sizes: (n_cells,)."""
    q, k = len(queries), plan.k
    found, started = nothing_found(q, k, 4), perf_counter()
    codes = deinterleave(index.codes)
    n_cells, n_bits = len(index.bonus), 8 * codes.shape[1]
    first_projection = padded(n_cells, PANEL)
    for block in row_blocks(q, QUERIES_AT_ONCE):
        products = multiply(index.panels, queries[block])
        of_queries = lookups(products[:, first_projection : first_projection + n_bits])
        for i, query in enumerate(queries[block]):
            search = _CellSearch(index, plan, codes, of_queries, i, products[i, :n_cells], allowed, sizes)
            search.run(query, found, block.start + i)
    # One query's stages are too short to be timed apart here; the codes take most of it.
    return found._replace(seconds=[0.0, perf_counter() - started, 0.0])


class _CellSearch:
    """One query's way through the cells."""

    def __init__(
        self, index: CellArrays, plan: CellPlan, codes: CodeArray, of_queries: Lookups, i: int,
        products: FloatArray, allowed: BoolArray | None, sizes: Sizes | None,
    ) -> None:  # fmt: skip
        self.index, self.plan, self.codes, self.products = index, plan, codes, products
        self.z, self.shift, self.allowed = of_queries.z[i], of_queries.shift, allowed
        unit = np.ldexp(of_queries.units[i] * np.float32(index.scale_step), 9 - of_queries.shift)
        self.units_per_cosine = np.float32(1) / unit if unit > 0 else np.float32(16_384)
        self.sizes: RowArray = index.cell_positions[1:].astype(np.int64) - index.cell_positions[:-1]
        self.n_allowed = self.sizes if sizes is None else sizes.astype(np.int64)
        self.gone = None if sizes is None else sizes == 0

    def run(self, query: FloatArray, found: Found, i: int) -> None:
        plan = self.plan
        rerank = Rerank(self.index, query, plan.k)
        n_first = min(plan.n_candidates, max(FIRST_CODES, 3 * plan.k))
        visited, first_cells = self.choose(n_first)
        everything = plan.n_candidates >= len(self.index.vectors)
        if everything:
            rerank.add_all(self.rows(self.positions(visited)))
        else:
            rest_cells = np.setdiff1d(visited, first_cells)
            self.rerank(rerank, n_first, first_cells, rest_cells)
        rerank.finish(found, i)
        n_codes = int(self.sizes[visited].sum())
        found.effort[:, i] = np.count_nonzero(self.sizes[visited]), n_codes, rerank.n_added, len(rerank.rows)

    def choose(self, n_first: int) -> tuple[RowArray, RowArray]:
        """The cells to visit in order, and those of them that are scanned first."""
        plan, scores = self.plan, self.products + self.index.bonus
        if self.gone is not None:
            scores[self.gone] = -np.inf
        nearest = np.argsort(-scores, kind="stable")
        n_nearest = min(FIRST_CELLS, len(scores))
        self.best = scores[nearest[0]]
        level = (_mean(scores[nearest[:n_nearest]]) + _mean(_best_of_groups(scores))) * np.float32(0.5)
        least = np.minimum(level - np.float32(plan.probe_margin), self.best)
        if 0 < plan.n_probes < np.count_nonzero(scores >= least):
            least = scores[nearest[plan.n_probes - 1]]
        n_visited = int(np.count_nonzero(scores >= least))
        most = min(plan.n_probes or len(scores), len(scores))
        n_needed = max(n_first, plan.k if self.index.position_rows is None else 2 * plan.k)
        while n_visited < most and self.n_allowed[nearest[:n_visited]].sum() < n_needed:
            n_visited += 1
        n_codes = int(self.n_allowed[nearest[:n_nearest]].sum())
        n_scanned_first = min(n_nearest, n_visited)
        while n_codes < 2 * n_first and n_scanned_first < n_visited:
            n_codes += int(self.n_allowed[nearest[n_scanned_first]])
            n_scanned_first += 1
        return np.sort(nearest[:n_visited]), np.sort(nearest[:n_scanned_first])

    def rerank(self, rerank: Rerank, n_first: int, first_cells: RowArray, rest_cells: RowArray) -> None:
        positions, estimates = self.estimate(first_cells)
        enough = np.sort(estimates[estimates > LEAST])[::-1][:n_first]
        first_least = int(enough[-1]) if len(enough) == n_first else LEAST + 1
        first = positions[estimates >= first_least]
        if len(first) > self.plan.n_candidates:  # more tie with the last of them
            first = positions[np.lexsort((positions, -estimates))[: self.plan.n_candidates]]
        rerank.add(self.rows(first))

        least = self.least(rerank, self.plan.margin)
        left = (estimates >= least) & (estimates < first_least)
        rest_positions, rest_estimates = self.estimate(rest_cells)
        in_rest = rest_estimates >= least
        candidates = np.concatenate([positions[left], rest_positions[in_rest]])
        estimates = np.concatenate([estimates[left], rest_estimates[in_rest]])
        best = np.lexsort((candidates, -estimates))[: max(0, self.plan.n_candidates - len(first))]
        candidates, estimates = candidates[best], estimates[best]

        good = estimates >= self.least(rerank, 0)
        rerank.add(self.rows(candidates[good]))
        others = ~good & (estimates >= self.least(rerank, self.plan.margin))
        rerank.add(self.rows(candidates[others]))
        rerank.keep_finalists()

    def least(self, rerank: Rerank, margin: float) -> int:
        """The least estimate that may stand for the k-th best cosine so far, less a margin."""
        return LEAST if rerank.bound == -np.inf else int(self.units(rerank.bound - np.float32(margin)))

    def units(self, scores: Any) -> Any:
        with np.errstate(over="ignore"):
            units = (scores - self.best) * self.units_per_cosine
        return np.floor(np.clip(units, LEAST, MOST)).astype(np.int64)

    def estimate(self, cells: RowArray) -> tuple[RowArray, RowArray]:
        """Positions of cells' codes that are allowed, and their estimates."""
        positions, places, cell_of = self._places(cells)
        scores = unpack_signs(self.codes[places]) @ self.z
        estimates = scaled(scores, self.index.scales.ravel()[places], self.shift).astype(np.int64)
        estimates = np.clip(estimates + self.units(self.products[cell_of]), LEAST, MOST)
        if self.allowed is None:
            return positions, estimates
        kept = self.allowed[self.index.row_ids[self.rows(positions)]]
        return positions[kept], estimates[kept]

    def positions(self, cells: RowArray) -> RowArray:
        positions = self._places(cells)[0]
        if self.allowed is not None:
            positions = positions[self.allowed[self.index.row_ids[self.rows(positions)]]]
        return positions

    def _places(self, cells: RowArray) -> tuple[RowArray, RowArray, RowArray]:
        """Positions of cells' codes, where the blocks have them, and their cells."""
        sizes = self.sizes[cells]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        positions = np.repeat(self.index.cell_positions[cells].astype(np.int64), sizes) + within
        places = np.repeat(self.index.cell_blocks[cells].astype(np.int64) * BLOCK, sizes) + within
        return positions, places, np.repeat(cells, sizes)

    def rows(self, positions: RowArray) -> RowArray:
        of_positions = self.index.position_rows
        return positions if of_positions is None else of_positions[positions].astype(np.int64)


def _best_of_groups(scores: FloatArray) -> FloatArray:
    """The highest of the scores i, i + 64, i + 128, … for each i."""
    groups = np.full(padded(len(scores), GROUPS), -np.inf, np.float32)
    groups[: len(scores)] = scores
    best: FloatArray = groups.reshape(-1, GROUPS).max(axis=0)[: len(scores)]
    return best


def _mean(scores: FloatArray) -> np.float32:
    there, total = scores[scores > -np.inf], np.float32(0)
    for score in there:  # one by one, as the kernels add them
        total += score
    mean: np.float32 = total / np.float32(len(there))
    return mean
