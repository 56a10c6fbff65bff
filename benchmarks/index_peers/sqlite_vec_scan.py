"""sqlite-vec: every query is compared with every vector. Of unit vectors its default distance, L2, ranks as the cosine.

Fields to filter by are metadata columns, what is only read auxiliary ones. SQLite is apsw's, with a WAL that is synced
at each commit.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index_documents import Batch

from .base import Below, Found, Setting, require


def make() -> "SqliteVec":
    return SqliteVec()


class SqliteVec:
    package = "sqlite-vec"
    config = "vec0, brute force, metadata columns"

    def __init__(self) -> None:
        self.apsw, self.module = require("apsw", "apsw"), require("sqlite_vec", self.package)

    def create(self, folder: Path, d: int) -> None:
        self.open(folder)
        self.connection.pragma("journal_mode", "wal")
        self.connection.execute(
            f"CREATE VIRTUAL TABLE documents USING vec0(key INTEGER PRIMARY KEY, vector FLOAT[{d}], "
            "year INTEGER, region INTEGER, +id TEXT, +text TEXT, +metadata TEXT)"
        )

    def add(self, batch: Batch) -> None:
        rows = (
            (m["n"], vector.tobytes(), m["year"], m["region"], id_, text, json.dumps(m))
            for id_, text, m, vector in zip(
                batch.ids, batch.texts, batch.metadata, batch.vectors, strict=True
            )
        )
        with self.connection:
            self.connection.executemany(
                "INSERT INTO documents (key, vector, year, region, id, text, metadata) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def finish(self) -> None:
        pass

    def open(self, folder: Path, *, write: bool = False) -> None:
        self.connection = self.apsw.Connection(str(folder / "documents.sqlite"))
        self.connection.pragma("synchronous", "full")
        self.connection.enable_load_extension(True)
        self.connection.load_extension(self.module.loadable_path())

    def close(self) -> None:
        self.connection.close()

    def ladder(self) -> list[Setting]:
        return [{}]

    def prepare(self, setting: Setting) -> None:
        pass

    def search(self, query: NDArray[np.float32], k: int, below: Below | None = None) -> list[Found]:
        where, limits = ("", ()) if below is None else (f"AND {below.field} < ?", (below.limit,))
        rows = self.connection.execute(
            f"SELECT id, text, metadata FROM documents WHERE vector MATCH ? AND k = ? {where} ORDER BY distance",
            (query.tobytes(), k, *limits),
        )
        return [Found(id_, text, json.loads(metadata)) for id_, text, metadata in rows]

    def search_batch(self, queries: NDArray[np.float32], k: int) -> list[list[Found]]:
        raise NotImplementedError

    def delete(self, below: Below) -> None:
        self.connection.execute(f"DELETE FROM documents WHERE {below.field} < ?", (below.limit,))
