"""Commits: what is added, replaced and deleted becomes segments and one transaction of the catalog.

A commit writes its files first, all synced, then the transaction that names them. Killed in between, it leaves files
that nothing names, and the next writer sweeps them away.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from ..arrays import RowArray
from ..errors import DiskError, DuplicateIdError
from ..store import documents
from ..store.arrays import Kind, sweep, write_arrays
from ..store.catalog import Catalog
from ..store.disk import Disk, explained
from ..store.facts import fact, set_fact
from .build import write_segment
from .codec import FIT_FROM, LEARNED_FROM, Codec, codec_arrays, learn
from .given import Documents, first_of
from .reading import Reader
from .rows import Rows, sampled_vectors
from .view import SegmentView

FAN = 8
"""So many segments of about one size become one: each passage is written about log₈(n) times while an index grows."""

MERGED_AT_ONCE = 262_144
"""Rows that adding merges at most, so that no commit takes minutes; `compact` has no limit."""


class Writer:
    """Writes to an index; the caller holds its lock, and calls one method at a time."""

    def __init__(self, root: Path, catalog: Catalog, disk: Disk, reader: Reader) -> None:
        """reader: of the same index, which has its files open for the writer too."""
        self._root, self._catalog, self._disk, self._reader = root, catalog, disk, reader
        catalog.settle()
        with catalog.reading() as connection:
            facts = fact(connection, "vectors")
        self._reload()
        self._dtype, self._n_bits = np.dtype(facts["dtype"]), int(facts["n_bits"])
        # A number that is on the disk is not used again, named or not: after a failed commit its transaction may
        # turn out to have happened, and must then find its own files.
        self._highest: dict[Kind, int] = {
            "segments": _highest(root, "segments"),
            "codecs": _highest(root, "codecs"),
        }
        with suppress(DiskError):  # what stays is in nobody's way, and the next sweep tries again
            self._sweep()

    def add(self, given: Documents, passages: Rows, *, replace: bool = False) -> list[str]:
        """Commit documents.

        passages: whose keys are places in `given`, ascending. replace: documents of the same ids make room.
        Returns: the ids. Raises: DuplicateIdError; DiskError. Then nothing is changed.
        """
        self._reload()
        with self._catalog.reading() as connection:
            first_key: int = fact(connection, "next_key")
            if given.ids is None:
                first_key = _first_free(connection, first_key, given.n)
            ids = given.ids or [str(key) for key in range(first_key, first_key + given.n)]
            there = documents.keys_of(connection, ids)
        if not replace:
            _refuse(there)
        replaced = np.sort(np.fromiter(there.values(), np.int64))
        views = [view.without(replaced) for view in self._snapshot.views]
        n_live = sum(view.n_live for view in views) + len(passages.keys)
        codec, fresh = self._snapshot.codec, None
        taken = views[len(views) - n_taken([view.n_live for view in views], len(passages.keys)) :]
        if codec is None and n_live >= FIT_FROM:
            taken = views
        added = passages.of_documents(ids, range(first_key, first_key + given.n))
        parts = [*map(Rows.alive_in, taken), added]
        if codec is None and n_live >= FIT_FROM:
            codec = fresh = self._learn(parts)
        with self._commit(taken, parts, codec, fresh) as (connection, generation):
            if len(replaced):
                documents.delete(connection, replaced, generation)
            documents.insert(connection, first_key, ids, given.texts, given.metadata)
            set_fact(connection, "next_key", first_key + given.n)
        return ids

    def refuse_existing(self, ids: Sequence[str]) -> None:
        """Raise DuplicateIdError when one of the ids is in the index."""
        with self._catalog.reading() as connection:
            _refuse(documents.keys_of(connection, ids))

    def delete(self, keys: RowArray) -> None:
        """Commit that documents are gone. keys: that are there, ascending."""
        if not len(keys):
            return
        self._reload()
        emptied = [view for view in self._snapshot.views if not view.without(keys).n_live]
        with self._commit(emptied) as (connection, generation):
            documents.delete(connection, keys, generation)

    def compact(self) -> None:
        """Write all segments as one, without what is deleted, while readers go on with the old ones."""
        self._reload()
        views = self._snapshot.views
        if len(views) > 1 or any(view.live is not None for view in views):
            with self._commit(views, self._all_rows(), self._snapshot.codec):
                pass

    def replace_vectors(self, model: Mapping[str, Any], rows: Rows) -> None:
        """Commit that the vectors of all documents are others, of another model. model: its facts."""
        self._reload()
        codec = self._learn([rows]) if len(rows.keys) >= FIT_FROM else None
        with self._commit(self._snapshot.views, [rows], codec, codec) as (connection, _):
            set_fact(connection, "model", model)
            connection.execute("DELETE FROM codecs")

    def set_fact(self, name: str, value: Any) -> None:
        """Commit what holds for the whole index under a name. value: JSON."""
        with self._catalog.writing() as (connection, _):
            set_fact(connection, name, value)

    def refit(self) -> Codec | None:
        """Learn the codec anew, and write all segments with it; None where too few vectors differ."""
        self._reload()
        if self._snapshot.n_passages < FIT_FROM:
            return None
        parts = self._all_rows()
        codec = self._learn(parts)
        if codec is not None:
            with self._commit(self._snapshot.views, parts, codec, codec):
                pass
        return codec

    def _all_rows(self) -> list[Rows]:
        return [Rows.alive_in(view) for view in self._snapshot.views]

    def _learn(self, parts: Sequence[Rows]) -> Codec | None:
        return learn(self._number("codecs"), sampled_vectors(parts, LEARNED_FROM), self._n_bits)

    @contextmanager
    def _commit(
        self,
        taken: Sequence[SegmentView],
        parts: Sequence[Rows] = (),
        codec: Codec | None = None,
        fresh: Codec | None = None,
    ) -> Iterator[tuple[apsw.Connection, int]]:
        """A commit of what the block does in it, in which a segment of `parts` takes the place of those `taken`.

        codec: of the segment. fresh: one that is written with it.
        """
        self._catalog.check_place()  # before files are written beside it
        segment = codec_record = None
        if fresh is not None:
            codec_record = write_arrays(self._disk, self._root, "codecs", fresh.number, codec_arrays(fresh))
        keys = [part.keys for part in parts if len(part.keys)]
        if keys:
            number = self._number("segments")
            segment = number, *write_segment(self._disk, self._root, number, parts, self._dtype, codec)
        with self._catalog.writing() as (connection, generation):
            yield connection, generation
            for view in taken:
                connection.execute("DELETE FROM segments WHERE number = ?", (view.number,))
                connection.execute(
                    "DELETE FROM deletions WHERE key BETWEEN ? AND ?", (int(view.keys[0]), int(view.keys[-1]))
                )
            if fresh is not None and codec_record is not None:
                connection.execute(
                    "INSERT INTO codecs VALUES (?, ?, ?)",
                    (fresh.number, json.dumps(fresh.facts), json.dumps(codec_record.to_dict())),
                )
            if segment is not None:
                number, record, facts = segment
                connection.execute(
                    "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        number, generation, int(keys[0][0]), int(keys[-1][-1]), sum(map(len, keys)),
                        json.dumps(facts), json.dumps(record.to_dict()),
                    ),
                )  # fmt: skip
            connection.execute(
                "DELETE FROM codecs WHERE number < (SELECT max(number) FROM codecs) "
                "AND number NOT IN (SELECT json_extract(facts, '$.codec') FROM segments "
                "WHERE json_extract(facts, '$.codec') IS NOT NULL)"
            )
        if taken:
            with suppress(DiskError):  # the commit stands, and the next sweep finds what stays
                self._reload()
                self._sweep()

    def _reload(self) -> None:
        """Take up the last commit: perhaps one that failed or was interrupted, and happened after all."""
        self._snapshot = self._reader.read(lambda connection, snapshot: snapshot)

    def _number(self, kind: Kind) -> int:
        self._highest[kind] += 1
        return self._highest[kind]

    def _sweep(self) -> None:
        kept = {
            "segments": {view.number for view in self._snapshot.views},
            "codecs": set(self._snapshot.codecs),
        }
        for kind in self._highest:
            sweep(self._disk, self._root, kind, kept[kind])


def n_taken(sizes: Sequence[int], n: int) -> int:
    """How many of the last segments a commit of n rows takes into its own.

    sizes: of the segments, in order. They are taken when FAN segments of about one size, or smaller, would come
    to lie side by side.

    >>> n_taken([5_000, 1, 1, 1, 1, 1, 1, 1], 1)
    7
    """
    taken, total = 0, n
    while True:
        run = 0
        for size in reversed(sizes[: len(sizes) - taken]):
            if _tier(size) > _tier(total):
                break
            run += 1
        more = sum(sizes[len(sizes) - taken - run : len(sizes) - taken])
        if run < FAN - 1 or total + more > MERGED_AT_ONCE:
            return taken
        taken, total = taken + run, total + more


def _first_free(connection: apsw.Connection, number: int, n: int) -> int:
    """The first number from which on n numbers are nobody's id, whoever gave it."""
    while there := documents.keys_of(connection, [str(number + i) for i in range(n)]):
        number = 1 + max(map(int, there))
    return number


def _refuse(there: Mapping[str, int]) -> None:
    if there:
        raise DuplicateIdError(
            f"the index has {first_of(list(there))} already: replace documents with upsert, or leave them out"
        )


def _tier(size: int) -> int:
    return (max(size, 1).bit_length() - 1) // (FAN.bit_length() - 1)


def _highest(root: Path, kind: Kind) -> int:
    folder = root / kind
    with explained("read", folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in names if re.fullmatch("[0-9]{8}", name)), default=0)
