"""Documents in the catalog: what is asked of them in SQL. Each function runs in the caller's transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

import apsw
import numpy as np

from ..arrays import RowArray
from ..errors import InputError
from .filters import to_sql

_ASKED_AT_ONCE = 10_000
"""Ids or keys in one statement, as a JSON array."""
_KEYS_AT_ONCE = 100
"""As parameters of their own, which is faster for the ten of a search."""


class Document(NamedTuple):
    """A document as it was added. key: its number, higher than those of documents added before it."""

    key: int
    id: str
    text: str | None
    json: str
    """Of the metadata, which few look at in every document of a search."""

    @property
    def metadata(self) -> dict[str, Any]:
        """A JSON object."""
        metadata: dict[str, Any] = json.loads(self.json)
        return metadata


def insert(
    connection: apsw.Connection, first_key: int, ids: Sequence[str], texts: Sequence[str] | None,
    metadata: Sequence[str] | None,
) -> None:  # fmt: skip
    """Add documents, whose keys count from `first_key`.

    metadata: JSON objects, as `filters.to_sql` wants them; None is {} for all.
    """
    rows = zip(
        range(first_key, first_key + len(ids)),
        ids,
        repeat(None) if texts is None else texts,
        repeat("{}") if metadata is None else metadata,
        strict=False,
    )
    connection.executemany("INSERT INTO documents (key, id, text, metadata) VALUES (?, ?, ?, jsonb(?))", rows)
    if texts is not None:
        connection.executemany(
            "INSERT INTO keywords (rowid, text) VALUES (?, ?)", enumerate(texts, first_key)
        )


def delete(connection: apsw.Connection, keys: RowArray, generation: int) -> None:
    """Take documents away, and note for readers that rows of segments are theirs no more."""
    for statement in (
        "DELETE FROM documents WHERE key IN (SELECT value FROM json_each(?1))",
        "DELETE FROM keywords WHERE rowid IN (SELECT value FROM json_each(?1))",
        "INSERT INTO deletions SELECT ?2, value FROM json_each(?1)",
    ):
        for part in _parts(keys.tolist()):
            connection.execute(statement, (json.dumps(part), generation)[: 1 + ("?2" in statement)])


def count(connection: apsw.Connection) -> int:
    """How many documents there are."""
    n: int = connection.execute("SELECT count(*) FROM documents").get
    return n


def keys_of(connection: apsw.Connection, ids: Sequence[str]) -> dict[str, int]:
    """The keys of those ids that are there."""
    select = "SELECT id, key FROM documents WHERE id IN (SELECT value FROM json_each(?))"
    found: dict[str, int] = {}
    for part in _parts(ids):
        found.update(connection.execute(select, (json.dumps(part, ensure_ascii=False),)))
    return found


def ids_between(connection: apsw.Connection, first: int, last: int) -> dict[int, str]:
    """The ids of the documents of keys from the first to the last, by key."""
    select = "SELECT key, id FROM documents WHERE key BETWEEN ? AND ?"
    rows: Any = connection.execute(select, (first, last))
    return dict(rows)


def by_keys(connection: apsw.Connection, keys: Iterable[int]) -> dict[int, Document]:
    """The documents of keys, those that are there."""
    documents = {}
    for part in _parts(list(keys), _KEYS_AT_ONCE):
        for row in connection.execute(_select(len(part)), part):
            documents[row[0]] = Document._make(row)
    return documents


def all_texts(connection: apsw.Connection) -> tuple[RowArray, list[str], list[str]]:
    """Keys, ascending, ids and texts of all documents.

    Raises: InputError when one has no text.
    """
    rows: Any = connection.execute("SELECT key, id, text FROM documents ORDER BY key").fetchall()
    without = [id_ for _, id_, text in rows if not (text and text.strip())]
    if without:
        raise InputError(
            f"{len(without)} documents have no text, {without[0]!r} for one: delete or upsert them"
        )
    keys, ids, texts = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return np.array(keys, np.int64), ids, texts


def matching(
    connection: apsw.Connection, where: Mapping[str, Any], keys: tuple[int, int] | None = None
) -> RowArray:
    """The keys of the documents that a `where` matches, ascending. keys: the first and the last to look at."""
    condition, parameters = to_sql(where)
    select = f"SELECT key FROM documents WHERE {condition}"
    if keys is None:
        return _keys(connection, select, parameters)
    return _keys(connection, f"{select} AND key BETWEEN ? AND ?", (*parameters, *keys))


def deleted_since(connection: apsw.Connection, generation: int) -> RowArray:
    """The keys that were deleted after a generation, of documents that segments still have."""
    return _keys(connection, "SELECT key FROM deletions WHERE generation > ?", (generation,))


def _keys(connection: apsw.Connection, select: str, parameters: Sequence[Any]) -> RowArray:
    # As one string, which takes a tenth of the time of a million Python integers.
    text: str | None = connection.execute(f"SELECT group_concat(key) FROM ({select})", parameters).get
    keys = np.fromstring(text, np.int64, sep=",") if text else np.empty(0, np.int64)
    keys.sort()
    return keys


@lru_cache(maxsize=_KEYS_AT_ONCE)
def _select(n: int) -> str:
    keys = ", ".join("?" * n)
    return f"SELECT key, id, text, json(metadata) FROM documents WHERE key IN ({keys})"


def _parts(items: Sequence[Any], most: int = _ASKED_AT_ONCE) -> Iterable[Sequence[Any]]:
    return (items[start : start + most] for start in range(0, len(items), most))
