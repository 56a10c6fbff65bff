"""A generation of an index as what can be calibrated; see `bitsieve.recall`."""

from collections.abc import Iterator

import numpy as np

from ..arrays import FloatArray, RowArray
from ..codec.blocks import row_blocks
from ..recall import Plan as RecallPlan
from ..recall import nearest
from ..search.calibrated import cell_plans, flat_plans
from ..search.cells import CellCodes
from .snapshot import Snapshot
from .view import Plan


class IndexSieve:
    """The documents of a snapshot, by their keys. threads: for the true neighbours."""

    def __init__(self, snapshot: Snapshot, threads: int = 1) -> None:
        self.n = snapshot.n_passages
        self._snapshot, self._threads = snapshot, threads

    def plans(self, k: int) -> list[RecallPlan]:
        """Those of cells where a segment has them, else of codes; none where all is compared anyhow."""
        codes = [view.codes for view in self._snapshot.views if view.codes is not None]
        margins = [one.default_probe_margin for one in codes if isinstance(one, CellCodes)]
        if margins:
            return cell_plans(k, max(margins))
        return flat_plans(k, self.n) if codes else []

    def sample(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, RowArray]:
        """Passages at random, and whose they are."""
        views = self._snapshot.views
        if not views:
            return np.empty((0, 0), np.float32), np.empty(0, np.int64)
        starts = np.cumsum([0, *(view.n_live for view in views)])
        chosen = rng.permutation(self.n)[:n]
        numbers = np.searchsorted(starts, chosen, "right") - 1
        vectors = np.empty((len(chosen), views[0].vectors.shape[1]), np.float32)
        keys = np.empty(len(chosen), np.int64)
        for number in np.unique(numbers).tolist():
            view, here = views[number], numbers == number
            rows = chosen[here] - starts[number]
            if view.live is not None:
                rows = np.flatnonzero(view.live)[rows]
            view.stored.check_rows("vectors", rows)
            vectors[here], keys[here] = view.vectors[rows], view.keys[rows]
        return vectors, keys

    def search(self, queries: FloatArray, k: int, plan: RecallPlan) -> tuple[RowArray, FloatArray]:
        """Keys and scores of documents, as the index finds them by a plan."""
        return self.found(queries, k, index_plan(plan))

    def found(self, queries: FloatArray, k: int, plan: Plan) -> tuple[RowArray, FloatArray]:
        """Keys and scores of documents, by a plan of the index."""
        rows, scores = self._snapshot.nearest(queries, k, plan)
        return self._snapshot.keys_of(rows), scores

    def exact(self, queries: FloatArray, k: int) -> tuple[RowArray, FloatArray]:
        """The true keys and scores of documents."""
        if self._snapshot.is_cut:
            return self.found(queries, k, Plan(exact=True, threads=self._threads))
        return nearest(queries, self._blocks(), k)

    def _blocks(self) -> Iterator[tuple[RowArray, FloatArray]]:
        for view in self._snapshot.views:
            for rows in row_blocks(len(view.keys)):
                view.stored.check_rows("vectors", rows)
                keys, vectors = view.keys[rows], view.vectors[rows]
                if view.live is not None:
                    keys, vectors = keys[view.live[rows]], vectors[view.live[rows]]
                yield keys, vectors.astype(np.float32, copy=False)


def index_plan(plan: RecallPlan, threads: int = 1, *, filtered: bool = False) -> Plan:
    """A plan of a calibration as the index searches by it.

    filtered: under a `where`, which may leave nothing in the cells that are near, so that all are visited.
    """
    return Plan(
        plan.n_candidates, None if filtered else plan.n_probes, None if filtered else plan.probe_margin,
        plan.rerank_margin, threads, plan.exact,
    )  # fmt: skip
