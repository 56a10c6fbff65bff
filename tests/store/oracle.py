"""What a `where` finds: in SQLite, and by a plain reading of the language in Python, for tests to compare."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from bitsieve.store.filters import to_sql

MISSING = object()


def matches(where: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether `where` asks for a document with this metadata."""
    return all(_holds(key, operand, metadata) for key, operand in where.items())


def _holds(key: str, operand: Any, metadata: Mapping[str, Any]) -> bool:
    if key == "$not":
        return not matches(operand, metadata)
    if key in ("$and", "$or"):
        return (all if key == "$and" else any)(matches(part, metadata) for part in operand)
    value: Any = metadata
    for name in _names(key):
        value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    if isinstance(operand, dict) and any(name.startswith("$") for name in operand):
        return all(_passes(value, operator, x) for operator, x in operand.items())
    return _passes(value, "$eq", operand)


def _names(key: str) -> list[str]:
    names, characters = [""], iter(key)
    for character in characters:
        if character == ".":
            names.append("")
        else:
            names[-1] += next(characters) if character == "\\" else character
    return names


def _passes(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "$eq":
            return _equal(value, operand) or (value is MISSING and operand is None)
        case "$ne":
            return not _passes(value, "$eq", operand)
        case "$in":
            return any(_passes(value, "$eq", x) for x in operand)
        case "$nin":
            return not _passes(value, "$in", operand)
        case "$not":
            return not all(_passes(value, name, x) for name, x in operand.items())
        case "$exists":
            return (value is not MISSING) == operand
        case "$contains" if isinstance(value, list):
            return any(_equal(x, operand) for x in value)
        case "$contains":
            return isinstance(value, str) and isinstance(operand, str) and operand in value
    if _kind(value) != _kind(operand):
        return False
    value = _as_held(value)
    less, more = value < operand, value > operand
    return {"$gt": more, "$gte": not less, "$lt": less, "$lte": not more}[operator]


def _equal(value: Any, operand: Any) -> bool:
    if _kind(value) != _kind(operand):
        return False
    if isinstance(value, list):
        return len(value) == len(operand) and all(map(_equal, value, operand))
    if isinstance(value, dict):
        return value.keys() == operand.keys() and all(_equal(value[key], operand[key]) for key in value)
    return bool(_as_held(value) == operand)


def _kind(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def _as_held(value: Any) -> Any:
    return float(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def python_finds(held: Sequence[Mapping[str, Any]], where: Mapping[str, Any]) -> list[int]:
    """Numbers of the documents that a `where` asks for."""
    return [row for row, metadata in enumerate(held) if matches(where, metadata)]


class Documents:
    """A table of documents, numbered from 0, whose metadata is there as text and as JSONB."""

    def __init__(self) -> None:
        self.database = apsw.Connection(":memory:")
        self.database.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, metadata TEXT, packed BLOB)")

    def hold(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self.database.execute("DELETE FROM documents")
        texts = [json.dumps(x, ensure_ascii=False, allow_nan=False) for x in documents]
        self.database.executemany("INSERT INTO documents VALUES (?1, ?2, jsonb(?2))", enumerate(texts))

    def found(self, where: Mapping[str, Any], column: str = "metadata") -> list[int]:
        condition, parameters = to_sql(where, column)
        sql = f"SELECT id FROM documents WHERE {condition} ORDER BY id"
        return [row for (row,) in self.database.execute(sql, parameters)]

    def everything(self) -> Any:
        tables = ("documents", "sqlite_schema")
        return [self.database.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def sqlite_finds(
    documents: Documents, held: Sequence[Mapping[str, Any]], where: Mapping[str, Any]
) -> list[int]:
    """The same by SQL: in text and in JSONB alike, and $not finds all the others."""
    documents.hold(held)
    rows = documents.found(where)
    others = [row for row in range(len(held)) if row not in rows]
    assert documents.found(where, "packed") == rows
    assert documents.found({"$not": where}) == documents.found({"$not": where}, "packed") == others
    return rows


def escaped(name: str) -> str:
    return re.sub(r"[.\\$]", r"\\\g<0>", name)
