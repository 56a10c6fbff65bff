"""What a measurement of an index rests on: vectors, queries, true neighbours with and without filters, in a folder."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index_documents import FIRST_YEAR, SELECTIVITIES, Documents, limits, wikipedia_words
from index_peers import Below
from vectors import exact, load

K = 10
N_FILTERED = 200
"""Queries asked with each filter."""
DELETED = Below("year", FIRST_YEAR + 10)
"""One document in a hundred."""
KEPT = "kept"
"""The name of the truth once those are deleted."""


@dataclass(frozen=True)
class Task:
    """A folder that `prepare` has filled. Arrays are mapped, so that what a process holds is not theirs."""

    folder: Path

    @property
    def data(self) -> dict[str, str]:
        """Name, description and digest of the vectors."""
        named: dict[str, str] = json.loads((self.folder / "data.json").read_text(encoding="utf-8"))
        return named

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(n, d)."""
        return self._array("vectors")

    @property
    def queries(self) -> NDArray[np.float32]:
        """(q, d)."""
        return np.array(self._array("queries"))

    def truth(self, name: str = "all") -> NDArray[np.int64]:
        """(q, K) rows, −1 where there are no more: of all documents, under a filter, or once some are deleted."""
        return np.array(self._array(f"truth-{name}"))

    @property
    def documents(self) -> Documents:
        """The documents of the vectors."""
        return Documents(self.vectors, (self.folder / "words.txt").read_bytes())

    def _array(self, name: str) -> NDArray[np.float32]:
        array: NDArray[np.float32] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return array


def prepare(folder: Path, data: str, words: Path | None = None) -> Task:
    """Fill a folder, unless it is filled.

    data: as for `vectors.load`. words: a file of text to cut the texts from, instead of Wikipedia's leads.
    """
    task = Task(folder)
    if (folder / "data.json").exists():
        if task.data["documents"] != task.documents.digest():
            raise SystemExit(f"{folder} was filled with the truth of other documents: remove it")
        return task
    folder.mkdir(parents=True, exist_ok=True)
    loaded = load(data)
    np.save(folder / "vectors.npy", loaded.vectors)
    np.save(folder / "queries.npy", loaded.queries)
    (folder / "words.txt").write_bytes(wikipedia_words() if words is None else words.read_bytes())
    save = lambda name, rows: np.save(folder / f"truth-{name}.npy", rows)  # noqa: E731
    save("all", exact(loaded.queries, loaded.vectors, K))
    documents, few = task.documents, loaded.queries[:N_FILTERED]
    for below in filters():
        allowed = np.flatnonzero(documents.values(below.field) < below.limit)
        save(file_of(below), exact_among(few, loaded.vectors, allowed))
    kept = np.flatnonzero(documents.values(DELETED.field) >= DELETED.limit)
    save(KEPT, exact_among(few, loaded.vectors, kept))
    (folder / "data.json").write_text(
        json.dumps(loaded.named() | {"documents": documents.digest()}), encoding="utf-8"
    )
    return task


def filters() -> list[Below]:
    """Each field at each selectivity."""
    return [
        Below(field, limit) for field in ("year", "region") for limit in map(limits(field), SELECTIVITIES)
    ]


def file_of(below: Below) -> str:
    """A filter as a name."""
    return f"{below.field}-{below.limit}"


def exact_among(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(q, K) of `rows`, those nearest to each query, −1 where there are no more."""
    found = np.full((len(queries), K), -1)
    if len(rows):
        best = rows[exact(queries, vectors[rows], min(K, len(rows)))]
        found[:, : best.shape[1]] = best
    return found
