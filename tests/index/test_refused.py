"""What the system refuses, and what is somebody else's: said in words that fit, and left as it was."""

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from small_index import D, contents, given

from bitsieve.errors import DiskError, IndexLockedError, InputError
from bitsieve.index import Index
from bitsieve.store import lock
from bitsieve.store.disk import Disk

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes of another user")
NOBODY = 65_534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "index", dimension=D) as index:
        index.add(**given(0, 4))
    return tmp_path / "index"


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


# The lock


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_another_has_is_told_as_such(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(lock, "_try_lock", failing(code))
    with pytest.raises(IndexLockedError, match="is being written to by"):
        Index.open(root, write=True)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EIO, errno.ENOSYS])
def test_a_lock_that_the_system_does_not_give_is_not_taken_for_another_writers(
    root: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(lock, "_try_lock", failing(code))
    with pytest.raises(DiskError, match=r"cannot lock .*writer\.lock") as caught:
        Index.open(root, write=True)
    assert caught.value.errno == code
    monkeypatch.undo()
    Index.open(root, write=True).close()


def test_a_lock_that_cannot_be_signed_is_let_go_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock.os, "ftruncate", failing(errno.ENOSPC))
    with pytest.raises(DiskError, match="free space") as caught:
        Index.open(root, write=True)
    assert caught.value.__traceback__ is not None  # which keeps alive what the failed calls had
    monkeypatch.undo()
    Index.open(root, write=True).close()


# Rights


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder of an index that only its owner may enter, below one that anybody may."""
    folder = Path(tempfile.mkdtemp(prefix="bitsieve-refused-"))
    folder.chmod(0o755)
    with Index.create(folder / "index", dimension=D) as index:
        index.add(**given(0, 4))
    yield folder / "index"
    (folder / "index").chmod(0o755)
    shutil.rmtree(folder)


def refusals(*calls: Callable[[], Any]) -> list[str]:
    """What calls are refused with, by somebody without rights."""
    if not os.geteuid():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    told = []
    for call in calls:
        with pytest.raises(DiskError) as caught:
            call()
        told.append(str(caught.value))
    return told


@needs_fork
def test_a_folder_that_may_not_be_entered_is_told_as_such(closed_folder: Path) -> None:
    root = closed_folder
    root.chmod(0)
    told = in_child(
        lambda: refusals(
            lambda: Index.open(root),
            lambda: Index.open(root, write=True),
            lambda: Index.create(root, dimension=D),
            lambda: Index.create(root / "below", dimension=D),
        )
    )
    assert all(message.startswith(f"cannot read {root}") for message in told), told
    assert all(message.endswith("check who may read and write there") for message in told), told


@needs_fork
def test_arrays_that_may_not_be_looked_at_are_told_as_such(closed_folder: Path) -> None:
    root = closed_folder
    shutil.rmtree(root / "segments")
    Index.create(root.parent / "empty", dimension=D).close()
    root = root.parent / "empty"
    for path in (root, *root.iterdir()):
        path.chmod(0o777)
    (root / "segments").mkdir(mode=0)
    (message,) = in_child(lambda: refusals(lambda: Index.open(root, write=True)))
    assert message.startswith(f"cannot read {root / 'segments'} (Permission denied)")


# What is somebody else's


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("user_version", [0, 7])
def test_a_database_of_something_else_is_never_made_an_index(
    tmp_path: Path, mode: str, user_version: int
) -> None:
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as database:
        database.execute(f"PRAGMA journal_mode = {mode}")
        database.execute("CREATE TABLE albums (name)")
        database.execute(f"PRAGMA user_version = {user_version}")
        database.commit()
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"catalog\.sqlite is a database of something else: choose another"):
        Index.create(tmp_path, dimension=D)
    assert contents(tmp_path) == before


class Killed(BaseException):
    """The process is gone."""


class DiskUntilCommit(Disk):
    """A disk of a process that is killed before its commit."""

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        if operation == "commit":
            raise Killed
        with super().step(operation, path):
            yield


def test_what_a_killed_create_has_begun_is_taken_up(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        Index.create(tmp_path, dimension=D, disk=DiskUntilCommit())
    assert (tmp_path / "catalog.sqlite").stat().st_size > 0
    with Index.create(tmp_path, dimension=D) as index:
        index.add(**given(0, 2))


# What is left over


def test_a_leftover_behind_a_link_is_let_go_of_and_not_emptied(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (root / "segments" / "00000007").symlink_to(tmp_path / "mine")
    with Index.open(root, write=True) as index:
        assert len(index) == 4
    assert [path.name for path in (root / "segments").iterdir()] == ["00000001"]
    assert (tmp_path / "mine" / "file").read_text() == "mine"


class StubbornDisk(Disk):
    """A disk on which one folder cannot be removed, whatever its name is."""

    def remove_tree(self, path: Path) -> None:
        if (path / "stubborn").exists():
            with self.step("remove", path):
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        super().remove_tree(path)


def test_a_leftover_that_cannot_be_removed_is_in_nobodys_way(root: Path) -> None:
    segments = root / "segments"
    for name in ("00000007", "00000008", "tmp-00000000"):
        shutil.copytree(segments / "00000001", segments / name)
    (segments / "00000007" / "stubborn").touch()
    for n in (5, 6):
        with Index.open(root, write=True, disk=StubbornDisk()) as index:
            index.add(**given(n, 1))
            assert (len(index), index.verify()) == (n, [])
        (left,) = segments.glob("tmp-*")
        assert (left / "stubborn").exists()
    assert not (segments / "00000008").exists()
