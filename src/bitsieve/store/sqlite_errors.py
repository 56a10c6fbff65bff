"""SQLite's errors in bitsieve's words."""

import errno
import os
from pathlib import Path

import apsw

from ..errors import DamageError
from .disk import explained

CATALOG = "catalog.sqlite"

_ERRNO: dict[type[BaseException], int] = {
    apsw.FullError: errno.ENOSPC,
    apsw.IOError: errno.EIO,
    apsw.ReadOnlyError: errno.EROFS,
    apsw.CantOpenError: errno.EACCES,
    apsw.PermissionsError: errno.EACCES,
    apsw.BusyError: errno.EBUSY,
}


class explained_sql:  # noqa: N801 - a class, since every search enters it and a generator takes twice the time
    """In a `with`, turns an error of SQLite into DamageError or DiskError that names the file and says what to do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError | apsw.Error):
            _explain(error, self._path)


def _explain(error: OSError | apsw.Error, path: Path) -> None:
    """Raise what explains an error, unless nothing does."""
    damaged = DamageError(f"{path} is damaged: restore the index from a backup")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        raise damaged from error
    number = _ERRNO.get(type(error))
    if number is not None:
        if getattr(error, "extendedresult", 0) in (apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_SHORT_READ):
            raise damaged from error
        with explained("use", path):
            said = str(error)  # SQLite may have forgotten what the system said
            raise OSError(number, os.strerror(number) if said == "not an error" else said) from error
    if isinstance(error, OSError):
        with explained("use", path):
            raise error
