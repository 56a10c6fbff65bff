"""Segments as a search sees them: rows of passages, what finds the nearest, and which are still there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray, FloatArray, RowArray, check_count
from ..errors import DamageError
from ..search.arrays import Found, Sizes
from ..search.cells import CellCodes
from ..search.checks import check_margin
from ..search.exact import search_exact
from ..search.flat import FlatCodes
from ..search.marks import Marks
from ..search.stored import BYTES, cells_from_stored, flat_from_stored
from ..store import documents
from ..store.arrays import ArraysRecord, StoredArrays
from ..store.filters import to_sql
from .codec import Codec
from .effort import Effort
from .ids import RowIds
from .lazily import lazily
from .matches import Matches

LAZY = ("vectors", BYTES)
"""Arrays that are too large to be checked whole when a segment is opened: blocks are, when a search reads them."""


@dataclass(frozen=True)
class Plan:
    """How hard to look; see `Cascade.search`.

    exact: compare every vector, and the rest says nothing. every_code: rerank all codes of the cells that are visited.
    """

    n_candidates: int = 500
    n_probes: int | None = None
    probe_margin: float | None = None
    rerank_margin: float = 2.0
    threads: int = 1
    exact: bool = False
    every_code: bool = False


def check_plan(n_candidates: Any, n_probes: Any, probe_margin: Any, threads: Any) -> Plan:
    """Return a plan with what a user chose, or raise InputError."""
    try:
        return _plan(n_candidates, n_probes, probe_margin, threads)
    except TypeError:  # what cannot be remembered, such as an array, is hardly a number either
        return _plan.__wrapped__(n_candidates, n_probes, probe_margin, threads)


@lru_cache(maxsize=1024, typed=True)  # one search's plan is mostly the next one's
def _plan(n_candidates: Any, n_probes: Any, probe_margin: Any, threads: Any) -> Plan:
    plan = Plan(threads=check_count(threads, "threads"))
    if n_candidates is not None:
        plan = replace(plan, n_candidates=check_count(n_candidates, "n_candidates"))
    if n_probes is not None:
        plan = replace(plan, n_probes=check_count(n_probes, "n_probes"))
    if probe_margin is not None:
        plan = replace(plan, probe_margin=check_margin(probe_margin, "probe_margin"))
    return plan


@dataclass(frozen=True, eq=False)
class SegmentView:
    """An opened segment at one generation.

    number: in the catalog. generation: of the commit that wrote it. kind: exact, flat or cells.
    keys: (n,) of documents, ascending, one for each passage. ids: theirs. places: (n, 2) int32, where passages start
        and stop in their document's text, or None where each is all of its text.
    live: (n,) which rows are of documents that are still there, or None when all are. matches: what searches asked
        with a `where` found out.
    """

    number: int
    generation: int
    kind: str
    keys: RowArray
    ids: RowIds
    places: NDArray[np.int32] | None
    vectors: NDArray[Any]
    codes: FlatCodes | CellCodes | None
    stored: StoredArrays
    live: BoolArray | None = None
    matches: Matches = field(default_factory=Matches)

    @lazily
    def n_live(self) -> int:
        """Passages of documents that are still there."""
        return self.n_live_from(0)

    def n_live_from(self, row: int) -> int:
        """Of the passages from a row on, how many are of documents that are still there."""
        return len(self.keys) - row if self.live is None else int(np.count_nonzero(self.live[row:]))

    @lazily
    def _live_sizes(self) -> Sizes | None:
        """Of each cell, how many codes are of documents that are still there; None when all are."""
        if self.live is None or not isinstance(self.codes, CellCodes):
            return None
        return self.codes.allowed_sizes(self.live)

    def without(self, deleted: RowArray) -> "SegmentView":
        """This segment when documents are gone. deleted: keys, ascending."""
        mask = self.rows_of(deleted)
        if not mask.any():
            return self
        live = ~mask if self.live is None else self.live & ~mask
        return replace(self, live=live, matches=self.matches.copy())

    def matching(self, connection: apsw.Connection, where: Mapping[str, Any]) -> BoolArray:
        """(n,), which rows are passages of documents that a `where` matches, and that are there."""

        def find_out() -> BoolArray:
            first_and_last = int(self.keys[0]), int(self.keys[-1])
            return self.rows_of(documents.matching(connection, where, first_and_last))

        mask = self.matches.mask(repr(to_sql(where)), len(self.keys), find_out)
        return mask if self.live is None else mask & self.live  # perhaps deleted since it was remembered

    def rows_of(self, keys: RowArray) -> BoolArray:
        """(n,), which rows are passages of documents. keys: ascending."""
        mask = np.zeros(len(self.keys), np.bool_)
        if not len(self.keys) or not len(keys):
            return mask
        low, high = np.searchsorted(keys, [self.keys[0], self.keys[-1] + 1])
        wanted = keys[low:high]
        if self.places is None:
            rows = np.searchsorted(self.keys, wanted)
            found = rows < len(self.keys)
            rows = rows[found]
            mask[rows[self.keys[rows] == wanted[found]]] = True
        elif len(wanted):
            nearest = np.minimum(np.searchsorted(wanted, self.keys), len(wanted) - 1)
            mask = wanted[nearest] == self.keys
        return mask

    def ids_of(self, keys: RowArray) -> list[str]:
        """The ids of documents, which have a passage here.

        Raises: DamageError when one has not.
        """
        rows = self.keys.searchsorted(keys)
        if not np.array_equal(self.keys.take(rows, mode="clip"), keys):
            raise DamageError("the segments lack a document that was found: restore the index from a backup")
        return self.ids.at(rows)

    def search(
        self, queries: FloatArray, k: int, plan: Plan, allowed: BoolArray | None, effort: Effort | None = None
    ) -> Found:
        """The k nearest rows of each query.

        allowed: (n,), of those that are live, as `matching` gives them; None is all of those. effort: added to.
        Raises: DamageError when what was read for the answer is damaged.
        """
        n = len(self.keys)
        mask, n_allowed, sizes = allowed, None, None
        if allowed is None and self.live is not None:
            mask, n_allowed, sizes = self.live, self.n_live, self._live_sizes
        n_candidates = min(max(plan.n_candidates, k), n)
        explain = effort is not None
        if self.codes is None or plan.exact:
            found = search_exact(
                self.vectors, queries, k, mask, marks=marks_of(self.stored, "vectors"), threads=plan.threads,
                explain=explain,
            )  # fmt: skip
        elif isinstance(self.codes, CellCodes):
            # A filter may leave nothing in the cells that are near: at 10 % of 100,000 real vectors that lay together
            # recall was .79. To visit all cells takes a hundredth of the time in which the filter was evaluated.
            chosen = plan.n_probes is not None or plan.probe_margin is not None
            every = not chosen and (n_candidates == n or allowed is not None)
            cell_plan = self.codes.plan(
                k, n if plan.every_code else n_candidates, plan.n_probes, plan.probe_margin, plan.rerank_margin, every
            )  # fmt: skip
            found = self.codes.search(
                queries, cell_plan, allowed=mask, n_allowed=n_allowed, sizes=sizes, threads=plan.threads,
                explain=explain,
            )  # fmt: skip
        else:
            found = self.codes.search(
                queries, k, n_candidates=n if plan.every_code else n_candidates, allowed=mask, n_allowed=n_allowed,
                threads=plan.threads, explain=explain,
            )  # fmt: skip
        for name in LAZY:
            if name in self.stored:
                self.stored.check_marked(name)
        if effort is not None:
            effort.add(n if mask is None else int(np.count_nonzero(mask)), found)
        return found


def open_segment(
    root: Path,
    connection: apsw.Connection,
    number: int,
    generation: int,
    facts: Mapping[str, Any],
    record: ArraysRecord,
    codecs: Mapping[int, Codec],
) -> SegmentView:
    """Map a segment. Small arrays are checked now, the `LAZY` ones when they are read.

    Raises: DamageError, MissingFileError.
    """
    stored = StoredArrays.open(root, record)
    arrays = {name: stored.array(name) for name in stored.names}
    for name in stored.names:
        if name not in LAZY:
            stored.check_rows(name, slice(None))
    codes: FlatCodes | CellCodes | None = None
    if facts["kind"] != "exact":
        vectors, marks = arrays["vectors"], [marks_of(stored, name) for name in LAZY]
        if facts["kind"] == "cells":
            codes = cells_from_stored(vectors, arrays, facts, vector_marks=marks[0], byte_marks=marks[1])
        else:
            panels = codecs[facts["codec"]].panels
            codes = flat_from_stored(
                panels, vectors, arrays, facts, vector_marks=marks[0], byte_marks=marks[1]
            )
    return SegmentView(
        number=number,
        generation=generation,
        kind=facts["kind"],
        keys=arrays["keys"],
        ids=RowIds.stored(arrays) if "id_text" in arrays else _ids_from_catalog(connection, arrays["keys"]),
        places=arrays.get("places"),
        vectors=arrays["vectors"],
        codes=codes,
        stored=stored,
    )


def _ids_from_catalog(connection: apsw.Connection, keys: RowArray) -> RowIds:
    """Of a segment that was written when ids were in the catalog alone; "" of documents that are gone."""
    there = documents.ids_between(connection, int(keys[0]), int(keys[-1]))
    return RowIds.of([there.get(key, "") for key in keys.tolist()])


def marks_of(stored: StoredArrays, name: str) -> Marks:
    """Where searches note what they read of an array."""
    return Marks(stored.marks(name), stored.data_offset(name))
