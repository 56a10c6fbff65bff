"""Whether a database is the one that the -wal beside it was written on.

SQLite checks that a -wal is whole and cksumvfs that pages are, but nobody that they belong together: a database of an
older backup under a newer -wal gives a mixture of both, and pages that are missing at its end are read as zeros.

Source: sqlite.org/fileformat2.html#walformat
"""

import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from ..errors import DamageError
from .connections import connect_alone

_HEADER = struct.Struct(">8xI4x8s8x")
"""Bytes of a page; the salt, which all frames have that were written since the -wal was last begun anew."""
_FRAME = struct.Struct(">II8s8x")
"""Number of the page that follows; not 0 where it ends a commit; salt."""


def check_base(
    connection: apsw.Connection, path: Path, stamp_of: Callable[[apsw.Connection], tuple[int, str]]
) -> None:
    """Raise DamageError when a page or a commit is in neither file, or they are of two indexes.

    connection: in a transaction. stamp_of: the generation that a connection sees, which each commit makes one more,
        and the identity of the index.
    """
    generation, identity = stamp_of(connection)
    pages, n_commits = _in_wal(path.with_name(f"{path.name}-wal"))
    n_pages, page_bytes = int(connection.pragma("page_count")), int(connection.pragma("page_size"))
    n_whole = path.stat().st_size // page_bytes
    if any(page not in pages for page in range(n_whole + 1, n_pages + 1)):
        raise DamageError(f"{path} is cut short: restore the index from a backup")
    own = _without_wal(path, stamp_of) if n_commits else None
    if own is not None:
        own_generation, own_identity = own
        if own_identity not in ("", identity) or own_generation + n_commits < generation:
            raise DamageError(
                f"{path} is not what its -wal was written on: restore the whole folder from a backup"
            )


def _in_wal(path: Path) -> tuple[set[int], int]:
    """Pages that a -wal has, and how many commits."""
    pages: set[int] = set()
    n_commits = 0
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return pages, n_commits
    with file:
        header = file.read(_HEADER.size)
        if len(header) == _HEADER.size:
            page_bytes, salt = _HEADER.unpack(header)
            while len(frame := file.read(_FRAME.size)) == _FRAME.size:
                page, ends_commit, own_salt = _FRAME.unpack(frame)
                if own_salt != salt:
                    break
                pages.add(page)
                n_commits += ends_commit > 0
                file.seek(page_bytes, 1)
    return pages, n_commits


def _without_wal(
    path: Path, stamp_of: Callable[[apsw.Connection], tuple[int, str]]
) -> tuple[int, str] | None:
    """The stamp of the database alone, (0, "") before it has one.

    None when it cannot be read: of a page that was being copied from the -wal, just now or when the power was cut.
    """
    try:
        with closing(connect_alone(path)) as connection:
            return stamp_of(connection)
    except apsw.SQLError:  # no such table
        return 0, ""
    except apsw.Error:
        return None
