"""A generation of the index: its segments and codecs, opened, and a search through all of them."""

import bisect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import numpy as np

from ..arrays import BoolArray, FloatArray, RowArray
from ..errors import DamageError
from ..search.merge import merge_found
from ..store import documents
from ..store.facts import fact, generation_of, record_of
from ..store.migrations import version_of
from ..store.sqlite_errors import CATALOG
from .codec import Codec, open_codec
from .effort import Effort
from .lazily import lazily
from .view import Plan, SegmentView, open_segment


class Found(NamedTuple):
    """A document that a search found: its key, its score, and where in it the passage is, if it is cut.

    vector_rank, keyword_rank: in the lists that were joined, from 1; None in neither.
    """

    key: int
    score: float
    place: tuple[int, int] | None = None
    vector_rank: int | None = None
    keyword_rank: int | None = None


class Nearest(NamedTuple):
    """What a search for vectors found: the rows of passages, best first, and their scores, (q, k) each.

    After the last there are rows −1 and scores −inf.
    """

    rows: RowArray
    scores: FloatArray

    def each(self) -> Iterator[tuple[list[int], list[float]]]:
        """Of each query, the rows and scores that there are."""
        for rows, scores in zip(self.rows.tolist(), self.scores.tolist(), strict=True):
            n = len(rows) if rows[-1] >= 0 else rows.index(-1)
            yield rows[:n], scores[:n]

    def not_below(self, score: float) -> "Nearest":
        """Those of at least a score."""
        return Nearest(np.where(self.scores >= score, self.rows, -1), self.scores)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What was committed up to a generation. It does not change; threads may share it.

    model_epoch: which model made the vectors, see `VectorSource`. views: in the order of their documents' keys.
    """

    generation: int
    model_epoch: int
    views: tuple[SegmentView, ...]
    codecs: Mapping[int, Codec]

    @lazily
    def n_passages(self) -> int:
        """Passages of documents that are there."""
        return sum(view.n_live for view in self.views)

    def n_after(self, key: int) -> int:
        """Passages of documents that are there and were added after the one with a key."""
        return sum(view.n_live_from(int(np.searchsorted(view.keys, key, "right"))) for view in self.views)

    @property
    def codec(self) -> Codec | None:
        """The codec that new segments get."""
        return self.codecs[max(self.codecs)] if self.codecs else None

    def vectors_of(self, key: int) -> FloatArray:
        """The vectors of a document's passages, (n, d)."""
        for view in self.views:
            first, last = np.searchsorted(view.keys, [key, key + 1])
            if first < last:
                view.stored.check_rows("vectors", slice(int(first), int(last)))
                return np.asarray(view.vectors[first:last], np.float32)
        raise DamageError(f"no segment has the document with key {key}: restore the index from a backup")

    def matching(self, connection: apsw.Connection, where: Mapping[str, Any]) -> list[BoolArray]:
        """Of each view, which rows of documents that are there a `where` matches."""
        return [view.matching(connection, where) for view in self.views]

    def ids_of(self, keys: Sequence[int]) -> list[str]:
        """The ids of documents.

        Raises: DamageError when no segment has one.
        """
        wanted = np.array(keys, np.int64)
        if len(self.views) == 1:
            return self.views[0].ids_of(wanted)
        ids = [""] * len(keys)
        numbers = np.maximum(np.searchsorted(self._first_keys, wanted, "right") - 1, 0)
        for number in set(numbers.tolist()):
            places = np.flatnonzero(numbers == number)
            for place, id_ in zip(places.tolist(), self.views[number].ids_of(wanted[places]), strict=True):
                ids[place] = id_
        return ids

    def nearest(
        self, queries: FloatArray, k: int, plan: Plan, allowed: Sequence[BoolArray] | None = None,
        effort: Effort | None = None,
    ) -> Nearest:  # fmt: skip
        """At most k documents for each query, equal scores by row; of a document its best passage.

        queries: (q, d) of norm 1. allowed: of each view, which rows may be found, as `matching` gives them; None
            allows all. effort: added to.
        """
        views, starts, wanted = self.views, self._starts, k
        masks: Sequence[BoolArray | None] = [None] * len(views) if allowed is None else allowed
        while True:
            parts = [
                (start, view.search(queries, wanted, plan, mask, effort))
                for start, view, mask in zip(starts, views, masks, strict=False)
            ]
            passages = Nearest(*(merge_found(parts, wanted) if parts else _nothing(len(queries), k)))
            if not self.is_cut:
                return passages
            found = self._best_passages(passages, k)
            # Several of the best passages may be of one document: then look further.
            if (
                wanted >= starts[-1]
                or bool((found.rows[:, -1] >= 0).all())
                or not bool((passages.rows[:, -1] >= 0).any())
            ):
                return found
            wanted *= 4

    def keys_of(self, rows: RowArray) -> RowArray:
        """The keys of the documents that rows are passages of, of the same shape; −1 for −1."""
        if len(self.views) == 1:
            return np.where(rows >= 0, self.views[0].keys[rows], -1)
        keys = np.full(rows.shape, -1)
        for inside, view, of_view in self._by_view(rows):
            keys[inside] = view.keys[of_view]
        return keys

    def ids_of_rows(self, rows: RowArray) -> list[str]:
        """The ids of the documents that rows, all of them ≥ 0, are passages of."""
        if len(self.views) == 1:
            return self.views[0].ids.at(rows)
        ids = np.empty(len(rows), object)
        for inside, view, of_view in self._by_view(rows):
            ids[inside] = view.ids.at(of_view)
        listed: list[str] = ids.tolist()
        return listed

    def found(self, near: Nearest) -> list[list[Found]]:
        """For each query the documents, and where in them what was found is."""
        place_of = self._place if self.is_cut else lambda row: None
        return [
            [Found(*one) for one in zip(keys, scores, map(place_of, rows), strict=False)]
            for keys, (rows, scores) in zip(self.keys_of(near.rows).tolist(), near.each(), strict=True)
        ]

    @lazily
    def _starts(self) -> list[int]:
        """The number of each view's first row among all, and of them."""
        return [0, *itertools.accumulate(len(view.keys) for view in self.views)]

    @lazily
    def is_cut(self) -> bool:
        """Whether texts are cut into passages, of which a document may have several."""
        return any(view.places is not None for view in self.views)

    @lazily
    def _first_keys(self) -> RowArray:
        return np.array([view.keys[0] for view in self.views], np.int64)

    def _by_view(self, rows: RowArray) -> Iterator[tuple[BoolArray, SegmentView, RowArray]]:
        """Which of the rows are of a view, the view, and their numbers in it."""
        numbers = np.searchsorted(self._starts, rows, "right") - 1  # −1 of the row −1
        for number in np.unique(numbers[rows >= 0]).tolist():
            inside = numbers == number
            yield inside, self.views[number], rows[inside] - self._starts[number]

    def _place(self, row: int) -> tuple[int, int] | None:
        """Where in its document a passage is, None where that is not cut."""
        number = bisect.bisect_right(self._starts, row) - 1
        places = self.views[number].places
        if places is None:
            return None
        start, stop = places[row - self._starts[number]].tolist()
        return start, stop

    def _best_passages(self, passages: Nearest, k: int) -> Nearest:
        """The best passage of each of the k best documents."""
        found = Nearest(*_nothing(len(passages.rows), k))
        for i, keys in enumerate(self.keys_of(passages.rows)):
            of_documents = np.sort(np.unique(keys, return_index=True)[1])
            best = of_documents[passages.rows[i, of_documents] >= 0][:k]
            found.rows[i, : len(best)] = passages.rows[i, best]
            found.scores[i, : len(best)] = passages.scores[i, best]
        return found


def _nothing(q: int, k: int) -> tuple[RowArray, FloatArray]:
    return np.full((q, k), -1), np.full((q, k), -np.inf, np.float32)


def load(root: Path, connection: apsw.Connection, last: Snapshot | None) -> Snapshot:
    """The snapshot that a transaction sees; what the last one has opened is used again.

    Raises: DamageError; MissingFileError, perhaps because a writer has gone on since the transaction began.
    """
    generation = generation_of(connection)
    if last is not None and last.generation == generation:
        return last
    version_of(connection, root / CATALOG)  # a newer bitsieve may have migrated it since it was opened
    codecs = dict(last.codecs) if last else {}
    present: Any = connection.execute("SELECT number, facts, record FROM codecs ORDER BY number").fetchall()
    for number, facts, record in present:
        learned = json.loads(facts)
        if number not in codecs or codecs[number].facts != learned:  # a number may be used again
            codecs[number] = open_codec(root, number, learned, record_of(record))
    codecs = {number: codecs[number] for number, _, _ in present}
    opened = {view.number: view for view in last.views} if last else {}
    views, since = [], [last.generation] if last else []
    # Fetched before a file is opened: a statement that an error interrupts would keep its generation for the next.
    rows: Any = connection.execute(
        "SELECT number, generation, facts, record FROM segments ORDER BY first_key"
    ).fetchall()
    for number, written, facts, record in rows:
        view = opened.get(number)
        if view is None or view.generation != written:
            view = open_segment(
                root, connection, number, written, json.loads(facts), record_of(record), codecs
            )
            since.append(written)
        views.append(view)
    deleted = documents.deleted_since(connection, min(since, default=generation))
    if len(deleted):
        views = [view.without(deleted) for view in views]
    return Snapshot(generation, fact(connection, "model")["epoch"], tuple(views), codecs)
