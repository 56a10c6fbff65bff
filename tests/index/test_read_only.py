"""An index in a folder that may not be written to: it opens, and never shows what is no longer true."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from children import Child, Gate, in_child
from small_index import ask, build_index, contents, given, kill_a_writer, small_thresholds

from bitsieve.errors import DiskError
from bitsieve.index import Index
from bitsieve.index.inspection import verify_folder
from bitsieve.store.catalog import Catalog
from bitsieve.store.disk import Disk
from bitsieve.store.facts import generation_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes of another user")

NOBODY = 65_534


@pytest.fixture
def root() -> Iterator[Path]:
    """A closed index below a folder that anybody may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="bitsieve-read-only-"))
    folder.chmod(0o755)
    build_index(folder / "index")
    everything(
        shutil.copytree(folder / "index", folder / "copy")
    )  # imports what others may not have the right to
    yield folder / "index"
    set_rights(folder / "index", 0o755, 0o644)
    shutil.rmtree(folder)


def set_rights(root: Path, of_folders: int, of_files: int) -> None:
    root.chmod(of_folders)
    for path in root.rglob("*"):
        path.chmod(of_folders if path.is_dir() else of_files)


def without_rights(root: Path, work: Callable[[], Any]) -> Callable[[], Any]:
    """Work as it is done by who may read the index but not write to it: root drops its rights to be that."""
    set_rights(root, 0o555, 0o444)

    def restricted() -> Any:
        if not os.geteuid():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return work()

    return restricted


def everything(root: Path) -> Any:
    with Index.open(root) as index:
        return ask(index), index.stats().generation, index.verify()


def write_once(root: Path) -> int:
    """One more commit. Returns: its generation."""
    with small_thresholds(), Index.open(root, write=True) as index:
        index.upsert(**given(20, 3, seed=3))
        return index.stats().generation


def generations(root: Path, ready: Gate, go: Gate) -> list[int]:
    """Of a reader's answers before and after the gate; 0 for one that was refused."""
    seen = []
    with Index.open(root) as index:
        seen.append(index.stats().generation)
        ready.open()
        go.wait()
        try:
            seen.append(index.search(vector=given(20, 1, seed=3)["vectors"][0], k=1).generation)
        except DiskError:
            seen.append(0)
    return seen


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to write beside"
)


@pytest.mark.parametrize("read_before", [False, True])
def test_it_answers_as_ever_and_makes_no_file(root: Path, read_before: bool) -> None:
    expected = everything(root if read_before else shutil.copytree(root, root.parent / "read"))
    before = contents(root)
    assert ("catalog.sqlite-shm" in before) == read_before
    assert in_child(without_rights(root, lambda: everything(root))) == expected
    assert contents(root) == before


def test_it_cannot_be_opened_for_writing(root: Path) -> None:
    def try_to_write() -> str:
        with pytest.raises(DiskError) as caught:
            Index.open(root, write=True)
        return str(caught.value)

    assert "check who may read and write there" in in_child(without_rights(root, try_to_write))


def test_a_left_over_wal_is_read_or_refused_but_never_passed_over(root: Path, tmp_path: Path) -> None:
    kill_a_writer(root)
    expected = everything(shutil.copytree(root, tmp_path / "copy"))
    (root / "catalog.sqlite-shm").unlink()

    def refused() -> tuple[str, bool]:
        with pytest.raises(DiskError) as caught:
            Index.open(root)
        return str(caught.value), verify_is_refused(root)

    message, verifying_too = in_child(without_rights(root, refused))
    assert "catalog.sqlite-wal holds commits that cannot be read" in message
    assert "open the index once where it may be written to" in message
    assert verifying_too
    set_rights(root, 0o755, 0o644)
    assert everything(root)[:2] == expected[:2]


def verify_is_refused(root: Path) -> bool:
    try:
        verify_folder(root)
    except DiskError:
        return True
    return False


def test_a_left_over_wal_beside_its_shm_is_read_whole(root: Path, tmp_path: Path) -> None:
    kill_a_writer(root)
    expected = everything(shutil.copytree(root, tmp_path / "copy"))
    assert (root / "catalog.sqlite-shm").exists()
    assert in_child(without_rights(root, lambda: everything(root))) == expected


@needs_root
def test_beside_a_writer_it_sees_each_commit(root: Path) -> None:
    ready, go, begin = Gate(), Gate(), Gate()

    def read() -> list[int]:
        begin.wait()
        return generations(root, ready, go)

    child = Child(without_rights(root, read))
    with small_thresholds(), Index.open(root, write=True) as index:
        index.upsert(**given(20, 3, seed=1))
        first = index.stats().generation
        begin.open()
        ready.wait()
        index.upsert(**given(20, 3, seed=3))
        go.open()
        assert child.result() == [first, first + 1]


@needs_root
@pytest.mark.parametrize("ending", ["closed", "open", "killed"])
def test_it_notices_that_somebody_has_written_since(root: Path, ending: str) -> None:
    ready, go = Gate(), Gate()
    child = Child(without_rights(root, lambda: generations(root, ready, go)))
    ready.wait()
    if ending == "closed":
        newest = write_once(root)
        go.open()
        assert child.result() == [newest - 1, newest]
        return
    if ending == "killed":
        kill_a_writer(root)
        go.open()
        before, after = child.result()
    else:
        with small_thresholds(), Index.open(root, write=True) as index:
            index.upsert(**given(20, 3, seed=3))
            go.open()
            before, after = child.result()
    assert after in (0, before + (2 if ending == "killed" else 1))


@needs_root
def test_a_read_that_somebody_writes_under_is_refused(root: Path) -> None:
    ready, go = Gate(), Gate()

    def read() -> str:
        catalog = Catalog(root, Disk(), writable=False)
        try:
            with catalog.reading() as connection:
                generation_of(connection)
                ready.open()
                go.wait()
        except DiskError as error:
            return str(error)
        return "nothing was refused"

    child = Child(without_rights(root, read))
    ready.wait()
    write_once(root)
    go.open()
    assert "was written to while it was read" in child.result()
