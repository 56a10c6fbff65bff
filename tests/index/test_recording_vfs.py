"""SQLite's writing is seen while it is asked for, below one folder, and its errors are SQLite's."""

import doctest
import errno
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest
import recording_vfs
from crash_documents import LATER, D, given
from recording_vfs import CHECKING, IndexDisk, below

from bitsieve.index import Index
from bitsieve.store.disk import Disk


def test_examples_in_docstrings() -> None:
    results = doctest.testmod(recording_vfs)
    assert results.attempted
    assert not results.failed


def test_everything_is_as_before_afterwards(tmp_path: Path) -> None:
    Index.create(tmp_path / "before", dimension=D).close()
    names = apsw.vfs_names()
    disk = IndexDisk(tmp_path)
    with below(disk, tmp_path):
        Index.create(tmp_path / "index", dimension=D).close()
    n = len(disk.log)
    assert n
    with Index.open(tmp_path / "index", write=True) as index:
        index.add(**given(LATER))
    assert len(disk.log) == n
    assert apsw.vfs_names() == names


def test_only_what_is_below_the_folder_is_seen(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    disk = IndexDisk(tmp_path / "in")
    with below(disk, tmp_path / "in"), Index.create(tmp_path / "out" / "index", dimension=D) as index:
        index.add(**given(LATER))
    assert disk.log == []


def test_pages_are_recorded_with_their_checksums(tmp_path: Path) -> None:
    disk = IndexDisk(tmp_path)
    with below(disk, tmp_path):
        assert CHECKING not in apsw.vfs_names()
        Index.create(tmp_path / "index", dimension=D).close()
    pages = {
        entry.offset: entry.data for entry in disk.log if entry.path == "index/catalog.sqlite" and entry.data
    }
    assert (
        b"".join(data for _, data in sorted(pages.items()))
        == (tmp_path / "index/catalog.sqlite").read_bytes()
    )


class RefusingDisk(Disk):
    """A disk that refuses one operation."""

    def __init__(self, refused: str, code: int) -> None:
        self.refused, self.code = refused, code

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        with super().step(operation, path):
            if operation == self.refused:
                raise OSError(self.code, os.strerror(self.code))
            yield


@pytest.mark.parametrize(
    ("operation", "code", "error"),
    [
        ("create", errno.EIO, apsw.CantOpenError),
        ("write", errno.EIO, apsw.IOError),
        ("write", errno.ENOSPC, apsw.FullError),
        ("sync", errno.EIO, apsw.IOError),
        ("sync", errno.ENOSPC, apsw.IOError),
        ("truncate", errno.EIO, apsw.IOError),
        ("delete", errno.EIO, apsw.IOError),
    ],
)
def test_what_the_disk_refuses_sqlite_reports_in_its_own_way(
    tmp_path: Path, operation: str, code: int, error: type[apsw.Error]
) -> None:
    def write() -> None:
        with closing(apsw.Connection(str(tmp_path / "x"))) as connection:
            connection.execute("CREATE TABLE x (x)")
            connection.pragma("journal_mode", "truncate")
            connection.execute("INSERT INTO x VALUES (1)")

    with below(RefusingDisk(operation, code), tmp_path), pytest.raises(error):
        write()
