"""What the catalog says of the index as a whole. Each function runs in the caller's transaction."""

import json
from typing import Any

import apsw

from ..errors import DamageError
from .arrays import ArraysRecord
from .sqlite_errors import CATALOG


def generation_of(connection: apsw.Connection) -> int:
    """The generation that a transaction sees."""
    value = connection.execute("SELECT value FROM facts WHERE name = 'generation'").get
    if value is None:
        raise DamageError(f"{CATALOG} does not say its generation: restore it from a backup")
    return int(value)


def fact(connection: apsw.Connection, name: str) -> Any:
    """What holds for the whole index under this name, None where nothing does."""
    value = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).get
    return None if value is None else json.loads(value)


def facts_named(connection: apsw.Connection, prefix: str) -> list[str]:
    """The JSON of all facts whose names begin with a prefix."""
    select = "SELECT value FROM facts WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name"
    rows: Any = connection.execute(select, (prefix,)).fetchall()
    return [value for (value,) in rows]


def set_fact(connection: apsw.Connection, name: str, value: Any) -> None:
    """Replace what holds under this name by a JSON value."""
    connection.execute(
        "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, json.dumps(value, ensure_ascii=False, allow_nan=False)),
    )


def records(connection: apsw.Connection) -> list[ArraysRecord]:
    """Of all folders of arrays that a transaction sees.

    Raises: DamageError when one is none.
    """
    rows: Any = connection.execute(
        "SELECT record FROM codecs UNION ALL SELECT record FROM segments"
    ).fetchall()
    return [record_of(text) for (text,) in rows]


def record_of(text: str) -> ArraysRecord:
    """The record that the catalog keeps as JSON, or DamageError."""
    try:
        return ArraysRecord.from_dict(json.loads(text))
    except ValueError as error:
        raise DamageError(f"{CATALOG} has a damaged record ({error}): restore it from a backup") from error
