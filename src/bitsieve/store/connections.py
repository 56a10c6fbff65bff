"""Connections to a catalog: pages that are checked when they are read, and folders that nobody may write to."""

import os
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import apsw
import apsw.sqlite_extra

from ..errors import DamageError, DiskError, FormatError, InputError
from .disk import status_of
from .forks import using_sqlite
from .migrations import APPLICATION_ID, version_of

_CHECKSUM_BYTES = 8
"""Reserved at the end of each page for SQLite's cksumvfs, which does nothing with any other number."""
_PAGE_BYTES = 8192
_BUSY_MILLISECONDS = 10_000
"""A reader waits for no writer, but a first one may have to wait while another recovers the WAL."""
_WRITER_CACHE_KIB = 65_536
_OLDEST_SQLITE = 3_051_003
"""Those before can corrupt a WAL database that two connections use (sqlite.org/wal.html, "WAL-reset bug")."""


@dataclass(frozen=True)
class Immutable:
    """A database that was taken for one that nobody writes to."""

    path: Path
    status: os.stat_result

    def still_is(self) -> bool:
        """Whether nobody with the right to write has used it since."""
        try:
            now, then = self.path.stat(), self.status
        except OSError:
            return False
        same = (now.st_ino, now.st_size, now.st_mtime_ns) == (then.st_ino, then.st_size, then.st_mtime_ns)
        return same and not _has_wal(self.path)


def connect(path: Path, flags: int) -> apsw.Connection:
    """Open a database, or make one, whatever is in it."""
    return _connected(str(path.absolute()), flags)  # absolute, since SQLite may take "file:x" for a URI


def connect_alone(path: Path) -> apsw.Connection:
    """Open a database to read, as one that nobody writes to: without its -wal and -journal, and making no file."""
    place = f"{path.absolute().as_uri()}?immutable=1"
    return _connected(place, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _connected(place: str, flags: int) -> apsw.Connection:
    connection = apsw.Connection(place, flags=flags, vfs=_checking_vfs())
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    return connection


def prepare(connection: apsw.Connection) -> None:
    """Settle how the pages of a new database are, and that each commit is on the disk when it returns."""
    connection.reserve_bytes(None, _CHECKSUM_BYTES)
    connection.pragma("page_size", _PAGE_BYTES)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")


def connect_to_write(path: Path) -> apsw.Connection:
    """Open a catalog for its writer.

    Raises: FormatError when it is none; NewerFormatError; DamageError; SQLite's errors.
    """
    connection = connect(path, apsw.SQLITE_OPEN_READWRITE)
    _check(connection, path)
    connection.pragma("synchronous", "full")
    connection.pragma("cache_size", -_WRITER_CACHE_KIB)
    return connection


def connect_to_read(path: Path) -> tuple[apsw.Connection, Immutable | None]:
    """Open a catalog for a reader.

    Returns: with it, where the folder does not let SQLite coordinate with a writer, what to watch instead.
    Raises: as `connect_to_write`; DiskError when commits are there that cannot be read in such a folder.
    """
    try:
        connection = connect(path, apsw.SQLITE_OPEN_READONLY)
        _check(connection, path)
        return connection, None
    except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
        if path.with_name(f"{path.name}-journal").exists():  # of what comes before the WAL
            raise _uncommitted(path) from error
        # SQLite cannot make the files of a WAL here. Without a WAL the database alone is everything.
        watched = Immutable(path, path.stat())
        if _has_wal(path):
            raise DiskError(
                f"{path}-wal holds commits that cannot be read in a folder without the right to write: "
                "open the index once where it may be written to, and close it"
            ) from error
    connection = connect_alone(path)
    _check(connection, path)
    return connection, watched


def check_unused_file(path: Path) -> None:
    """Raise InputError where a database is anybody's, before anything is made because of it."""
    if status_of(path):
        # What cannot be read may be a page that was being written when `create` was killed, which SQLite takes back.
        with using_sqlite(), suppress(apsw.Error), closing(connect_alone(path)) as connection:
            check_unused(connection, path)


def check_unused(connection: apsw.Connection, path: Path) -> None:
    """Raise InputError unless a database is empty, as a killed `create` leaves it."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
        return
    if connection.pragma("application_id") == APPLICATION_ID:
        raise InputError(
            f"{path.parent} is an index already: open it with Index.open, or choose another path"
        )
    raise InputError(f"{path} is a database of something else: choose another path")


_vfs_lock = threading.Lock()


def _checking_vfs() -> str:
    """The name of the VFS that checks pages, loaded once a process; it does not become everybody's default."""
    with _vfs_lock:
        if "cksmvfs" not in apsw.vfs_names():
            if apsw.SQLITE_VERSION_NUMBER < _OLDEST_SQLITE:
                raise DiskError(
                    f"apsw brings SQLite {apsw.sqlite_lib_version()}, which can corrupt an index: pip install -U apsw"
                )
            default = apsw.vfs_names()[0]
            loader = apsw.Connection(":memory:")
            apsw.sqlite_extra.load(loader, "cksumvfs")
            loader.close()
            apsw.set_default_vfs(default)
    return "cksmvfs"


def _check(connection: apsw.Connection, path: Path) -> None:
    """Whether this is a catalog that this version reads, whose pages are checked."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
        raise _uncommitted(path)
    if connection.pragma("application_id") != APPLICATION_ID:
        raise FormatError(f"{path} is a database, but no index of bitsieve: check the path")
    if connection.reserve_bytes(None, -1) != _CHECKSUM_BYTES or not connection.pragma(
        "checksum_verification"
    ):
        raise DamageError(f"{path} has no checksums in its pages: restore it from a backup")
    version_of(connection, path)


def _uncommitted(path: Path) -> FormatError:
    return FormatError(f"{path} was never committed: make the index again with Index.create")


def _has_wal(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
