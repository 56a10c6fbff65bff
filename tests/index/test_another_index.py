"""Another index where one was opened: answers, files and commits are of the one that was opened, or there are none."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from children import in_child
from small_index import D, contents, vectors_of

from bitsieve.errors import DamageError
from bitsieve.index import Index
from bitsieve.store import connections

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
IDS = [f"id-{i}" for i in range(8)]


def make_index(path: Path, of: str, n_commits: int = 2) -> None:
    """The same ids, vectors and generation whatever it is of, and other texts."""
    path.parent.mkdir(exist_ok=True)
    with Index.create(path, dimension=D) as index:
        for ids in (IDS[start::n_commits] for start in range(n_commits)):
            index.add([of] * len(ids), ids=ids, vectors=vectors_of(0, len(ids)))


def answers(index: Index) -> set[str]:
    """Texts that are found; or what it is refused with."""
    try:
        return {hit.text or "" for hit in index.search(vector=vectors_of(0, 1)[0], k=8)}
    except DamageError as error:
        return {str(error)}


def in_thread(work: Callable[[], Any]) -> Any:
    """What work returns in a thread of its own, whose connection is a new one."""
    returned: list[Any] = []
    thread = threading.Thread(target=lambda: returned.append(work()))
    thread.start()
    thread.join()
    return returned[0]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with an index of "ours", and another of "theirs"."""
    make_index(tmp_path / "ours", "ours")
    make_index(tmp_path / "theirs", "theirs")
    return tmp_path


def exchange(folder: Path) -> None:
    (folder / "ours").rename(folder / "moved")
    (folder / "theirs").rename(folder / "ours")


@pytest.mark.parametrize("write", [False, True])
def test_whoever_asks_is_told_that_another_index_has_taken_the_place(two: Path, write: bool) -> None:
    with Index.open(two / "ours", write=write) as index:
        assert answers(index) == {"ours"}
        exchange(two)
        for told in (answers(index), in_thread(lambda: answers(index))):  # which has no connection yet
            (one,) = told
            assert one.endswith("another index has taken the place of the one that was opened: open it again")
    with Index.open(two / "ours") as index:
        assert answers(index) == {"theirs"}


@needs_fork
def test_a_fork_is_told_that_another_index_has_taken_the_place(two: Path) -> None:
    with Index.open(two / "ours") as index:
        exchange(two)
        (told,) = in_child(lambda: answers(index))
        assert "another index has taken the place" in told


def test_behind_a_link_that_is_switched_nothing_of_the_other_is_read(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(path: Path, flags: int) -> apsw.Connection:
        raise apsw.CantOpenError("as in a folder that nobody may write to")

    (two / "link").symlink_to(two / "ours")
    monkeypatch.setattr(connections, "connect", unwritable)
    with Index.open(two / "link") as index:
        assert answers(index) == {"ours"}
        (two / "link").unlink()
        (two / "link").symlink_to(two / "theirs")
        (told,) = answers(index)
        assert "another index has taken the place" in told


def test_an_index_that_is_gone_from_its_path_is_not_written_to(two: Path) -> None:
    with Index.open(two / "ours", write=True) as index:
        (two / "ours").rename(two / "elsewhere")
        with pytest.raises(DamageError, match="is no longer there: open the index where it is now"):
            index.add(["new"], vectors=vectors_of(50, 1))
    assert sorted(path.name for path in two.iterdir()) == ["elsewhere", "theirs"]


@pytest.mark.parametrize("call", ["add", "compact"])
def test_nothing_is_written_to_or_removed_from_another_index(two: Path, call: str) -> None:
    with Index.open(two / "ours", write=True) as index:
        exchange(two)
        theirs = contents(two / "ours")
        with pytest.raises(DamageError, match=r"another index has taken the place|was replaced"):
            index.compact() if call == "compact" else index.add(["new"], vectors=vectors_of(50, 1))
        kept = contents(two / "ours")
        assert {name: kept[name] for name in theirs} == theirs
    with Index.open(two / "moved") as index:
        assert (index.verify(), answers(index)) == ([], {"ours"})


def test_a_relative_path_stays_that_of_the_folder_it_was_opened_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_index(tmp_path / "one" / "index", "ours")
    make_index(tmp_path / "two" / "index", "theirs")
    theirs = contents(tmp_path / "two")
    monkeypatch.chdir(tmp_path / "one")
    with Index.open("index", write=True) as index:
        monkeypatch.chdir(tmp_path / "two")
        index.compact()
        index.add(["ours"], ids=["new"], vectors=vectors_of(50, 1))
        assert in_thread(lambda: answers(index)) == {"ours"}
        assert index.verify() == []
        index.backup(tmp_path / "copy")
    assert contents(tmp_path / "two") == theirs
    with Index.open(tmp_path / "one" / "index") as index:
        assert (len(index), index.verify()) == (9, [])


@pytest.mark.skipif(os.name == "nt", reason="needs names that Windows has not")
def test_an_index_may_be_named_as_a_uri_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_index(Path("file:own?mode=memory"), "ours")
    with Index.open("file:own?mode=memory") as index:
        assert answers(index) == {"ours"}
        index.backup("file:copy")
    with Index.open("file:copy") as copy:
        assert answers(copy) == {"ours"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file:copy", "file:own?mode=memory"]
