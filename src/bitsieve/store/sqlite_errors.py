"""SQLite's errors in bitsieve's words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from ..errors import DamageError
from .disk import explained

CATALOG = "catalog.sqlite"

_ERRNO = {
    apsw.FullError: errno.ENOSPC,
    apsw.IOError: errno.EIO,
    apsw.ReadOnlyError: errno.EROFS,
    apsw.CantOpenError: errno.EACCES,
    apsw.PermissionsError: errno.EACCES,
    apsw.BusyError: errno.EBUSY,
}


@contextmanager
def explained_sql(path: Path) -> Iterator[None]:
    """Turn an error of SQLite into DamageError or DiskError that names the file and says what to do."""
    try:
        with explained("use", path):
            yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise _damaged(path) from error
    except tuple(_ERRNO) as error:
        if getattr(error, "extendedresult", 0) in (apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_SHORT_READ):
            raise _damaged(path) from error
        with explained("use", path):
            raise OSError(_ERRNO[type(error)], str(error)) from error


def _damaged(path: Path) -> DamageError:
    return DamageError(f"{path} is damaged: restore the index from a backup")
