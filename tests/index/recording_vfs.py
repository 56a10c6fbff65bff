"""SQLite's writing in steps of a test's disk: what that records, fails or is killed at, holds for the catalog too.

SQLite reaches the system through a VFS. The one here hands everything on to the system's, each operation that changes
a file in a step of a `Disk`. It lies below the VFS that checks pages, so what is recorded is what is on the disk.
The -shm is not seen: it is memory that processes share, and after a power cut SQLite makes it anew.
"""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
from recording import Entry, RecordingDisk

from bitsieve.store.disk import Disk

CHECKING = "cksmvfs"
NAME = "steps"
SYNCS_FOLDER = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


@dataclass(frozen=True)
class Placed(Entry):
    """A write at an offset, or a file cut to that length. Other writes append."""

    offset: int = 0


class IndexDisk(RecordingDisk):
    """A disk that also logs the note of a generation, which is written beside the other steps."""

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        there = path.exists()
        with super().step(operation, path):
            yield
        if operation == "note generation":
            if not there:
                self._record("create", path)
            self.log.append(Placed("write at", self._place(path), data=path.read_bytes()))


@contextmanager
def below(disk: Disk, root: Path) -> Iterator[None]:
    """Catalogs below `root` that are opened and closed here write in steps of the disk, and into its log if it has one.

    No catalog may be open that was opened outside.
    """
    log = disk.log if isinstance(disk, RecordingDisk) else None
    vfs = _SteppedVFS(disk, root, log.append if log is not None else lambda _: None)
    _let_go_of(CHECKING)  # it stays above the VFS that it was loaded over
    apsw.set_default_vfs(NAME)
    try:
        yield
    finally:
        _let_go_of(CHECKING)
        apsw.set_default_vfs(vfs.base)
        vfs.unregister()


def kind_of(operation: str, path: str) -> str:
    """The name of a step, without numbers and names.

    >>> kind_of("write", "index/segments/tmp-00000001/keys.npy")
    'write index/segments/tmp/array'
    """
    for pattern, kind in ((r"\w+\.npy", "array"), (r"tmp-\w+", "tmp"), (r"\b\d{8}\b", "N")):
        path = re.sub(pattern, kind, path)
    return f"{operation} {path}"


def _let_go_of(name: str) -> None:
    if name in apsw.vfs_names():
        apsw.unregister_vfs(name)


class _SteppedVFS(apsw.VFS):
    def __init__(self, disk: Disk, root: Path, record: Callable[[Entry], None]) -> None:
        self.disk, self.root, self.record = disk, root, record
        self.base = next(name for name in apsw.vfs_names() if name != CHECKING)
        super().__init__(NAME, self.base)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = self.seen(name.filename() if isinstance(name, apsw.URIFilename) else name)
        if path is None:
            return apsw.VFSFile(self.base, name, flags)
        if path.exists() or not flags[0] & apsw.SQLITE_OPEN_CREATE:
            return _SteppedFile(self, path, name, flags)
        with self.step("create", path, apsw.SQLITE_CANTOPEN):
            file = _SteppedFile(self, path, name, flags)
            self.note("create", path)
        return file

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802
        path = self.seen(name)
        if path is None:
            super().xDelete(name, syncdir)
            return
        with self.step("delete", path, apsw.SQLITE_IOERR_DELETE):
            super().xDelete(name, syncdir)
            self.note("remove", path)
            if syncdir:
                self.note("sync folder", path.parent)

    def seen(self, name: str | None) -> Path | None:
        """A file below the root, which SQLite may know by another path; None for any other."""
        if name is None or not Path(name).is_relative_to(self.root.resolve()):
            return None
        return self.root / Path(name).relative_to(self.root.resolve())

    @contextmanager
    def step(self, operation: str, path: Path, code: int) -> Iterator[None]:
        """A step of the disk, whose failure SQLite hears of as its VFS for Unix reports it."""
        try:
            with self.disk.step(operation, path):
                yield
        except OSError as error:
            full = error.errno == errno.ENOSPC and code == apsw.SQLITE_IOERR_WRITE
            raise apsw.exception_for(apsw.SQLITE_FULL if full else code) from error

    def note(self, operation: str, path: Path, **what: Any) -> None:
        self.record(Placed(operation, path.relative_to(self.root).as_posix(), **what))


class _SteppedFile(apsw.VFSFile):
    def __init__(self, vfs: _SteppedVFS, path: Path, name: Any, flags: list[int]) -> None:
        self.vfs, self.path = vfs, path
        # Its VFS for Unix syncs the folder with the first sync of a journal that it was to create (UNIXFILE_DIRSYNC).
        self.syncs_folder = bool(flags[0] & SYNCS_FOLDER and flags[0] & apsw.SQLITE_OPEN_CREATE)
        super().__init__(vfs.base, name, flags)

    def xLock(self, level: int) -> None:  # noqa: N802
        try:
            super().xLock(level)
        except apsw.IOError:
            # Of a reader's file, which SQLite tries on closing it. It takes no for an answer, but apsw then raises any
            # error of a VFS in Python but this one.
            raise apsw.BusyError from None

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        with self.vfs.step("write", self.path, apsw.SQLITE_IOERR_WRITE):
            super().xWrite(data, offset)
            self.vfs.note("write at", self.path, data=bytes(data), offset=offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        with self.vfs.step("truncate", self.path, apsw.SQLITE_IOERR_TRUNCATE):
            super().xTruncate(newsize)
            self.vfs.note("truncate", self.path, offset=newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        with self.vfs.step("sync", self.path, apsw.SQLITE_IOERR_FSYNC):
            super().xSync(flags)
            self.vfs.note("sync", self.path)
            if self.syncs_folder:
                self.syncs_folder = False
                self.vfs.note("sync folder", self.path.parent)
