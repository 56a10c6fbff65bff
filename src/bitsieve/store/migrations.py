"""The catalog's tables, and how those of older versions become them.

A version is a function here, in order; it runs in one transaction with the note that it ran. The version is SQLite's
`user_version`, so it can be read before anything else is believed.
"""

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import apsw

from ..errors import NewerFormatError

APPLICATION_ID = 0x62697473
"""SQLite's mark for whose database this is: "bits"."""


def version_1(connection: apsw.Connection) -> None:
    """Documents, the passages' segments, codecs, and what was deleted."""
    connection.execute(
        """
        CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL) STRICT;

        -- What holds for the whole index, as JSON. `generation` counts commits; `next_key` is of documents.
        CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

        -- A key is never used again: segments may still have rows of a document that is deleted.
        CREATE TABLE documents (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            metadata BLOB NOT NULL,  -- JSONB; before the text, which filters then need not read over
            text TEXT
        ) STRICT;

        -- Rows of segments are passages in the order of their documents' keys; segments do not overlap.
        CREATE TABLE segments (
            number INTEGER PRIMARY KEY,
            generation INTEGER NOT NULL,  -- of the commit that wrote it
            first_key INTEGER NOT NULL,
            last_key INTEGER NOT NULL,
            n_rows INTEGER NOT NULL,
            facts TEXT NOT NULL,  -- JSON: kind, codec, what belongs to the arrays
            record TEXT NOT NULL  -- JSON: files, their lengths and checksums
        ) STRICT;

        CREATE TABLE codecs (
            number INTEGER PRIMARY KEY,
            facts TEXT NOT NULL,
            record TEXT NOT NULL
        ) STRICT;

        -- Documents that segments still have, by the generation that deleted them: readers ask for the new ones.
        CREATE TABLE deletions (
            generation INTEGER NOT NULL,
            key INTEGER NOT NULL,
            PRIMARY KEY (generation, key)
        ) STRICT, WITHOUT ROWID;
        """
    )


MIGRATIONS: tuple[Callable[[apsw.Connection], None], ...] = (version_1,)
VERSION = len(MIGRATIONS)


def version_of(connection: apsw.Connection, path: Path) -> int:
    """The version of the tables, or NewerFormatError when this bitsieve does not know it."""
    version: int = connection.pragma("user_version")
    if version > VERSION:
        raise NewerFormatError(
            f"{path} has format version {version}, this bitsieve reads up to {VERSION}: upgrade bitsieve"
        )
    return version


def migrate(connection: apsw.Connection) -> None:
    """Bring the tables up to VERSION. The caller is in a transaction, and has checked that they are not newer."""
    present: int = connection.pragma("user_version")
    for version, migration in enumerate(MIGRATIONS[present:], present + 1):
        migration(connection)
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?, ?)",
            (version, migration.__name__, datetime.now(timezone.utc).isoformat(timespec="seconds")),
        )
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", VERSION)
