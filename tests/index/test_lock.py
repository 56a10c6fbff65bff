"""One writer at a time; who comes second is told at once who is first."""

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from children import Child, Gate, in_child
from small_index import D, given

from bitsieve.errors import BitsieveError, IndexLockedError
from bitsieve.index import Index

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs another process")

AT_ONCE = 0.5
"""Seconds: what the slowest machine takes to find out, and no time to wait for anybody."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Index.create(tmp_path / "index", dimension=D).close()
    return tmp_path / "index"


def refusal(root: Path) -> str:
    """What a second writer is told."""
    started = time.perf_counter()
    with pytest.raises(IndexLockedError) as caught:
        Index.open(root, write=True)
    assert time.perf_counter() - started < AT_ONCE
    return str(caught.value)


def test_a_second_writer_in_the_same_process_is_refused_at_once(root: Path) -> None:
    with Index.open(root, write=True) as first:
        assert f"process {os.getpid()} on" in refusal(root)
        first.add(**given(0, 2))
    with Index.open(root, write=True) as second:
        second.add(**given(2, 2))
        assert len(second) == 4


@needs_fork
def test_a_second_writer_in_another_process_is_told_who_is_first(root: Path) -> None:
    with Index.open(root, write=True):
        message = in_child(lambda: refusal(root))
    assert f"{root} is being written to by process {os.getpid()} on" in message
    assert "wait until that writer is closed; to search it" in message


def test_a_process_started_anew_is_refused_too(root: Path) -> None:
    code = "import sys; from bitsieve.index import Index; Index.open(sys.argv[1], write=True)"
    with Index.open(root, write=True):
        done = subprocess.run(
            [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=False
        )
    assert f"IndexLockedError: {root} is being written to by process {os.getpid()} on" in done.stderr


def test_readers_come_and_go_beside_a_writer(root: Path) -> None:
    with Index.open(root, write=True) as index:
        index.add(**given(0, 2))
        with Index.open(root) as reader:
            assert len(reader) == 2
            with pytest.raises(BitsieveError, match="open for reading"):
                reader.delete(["id-0"])
        index.add(**given(2, 2))


@needs_fork
def test_a_killed_writer_holds_no_lock(root: Path) -> None:
    ready = Gate()

    def write() -> None:
        index = Index.open(root, write=True)
        index.add(**given(0, 2))
        ready.open()
        time.sleep(60)

    child = Child(write)
    ready.wait()
    assert f"process {child.pid} on" in refusal(root)
    child.kill()
    with Index.open(root, write=True) as index:
        assert len(index) == 2


def test_a_writer_that_is_forgotten_holds_no_lock(root: Path) -> None:
    index = Index.open(root, write=True)
    del index
    gc.collect()
    with Index.open(root, write=True) as again:
        again.add(**given(0, 1))
        assert len(again) == 1


def test_an_opening_that_fails_holds_no_lock(root: Path) -> None:
    with Index.open(root, write=True) as index:
        index.add(**given(0, 2))
    keys = root / "segments" / "00000001" / "keys.npy"
    data = keys.read_bytes()
    keys.unlink()
    for _ in range(2):
        with pytest.raises(BitsieveError, match=r"keys\.npy is missing"):
            Index.open(root, write=True)
    keys.write_bytes(data)
    Index.open(root, write=True).close()


def test_what_is_written_in_the_lock_does_not_matter(root: Path) -> None:
    with Index.open(root, write=True):
        (root / "writer.lock").write_bytes(b"\xff{[")
        assert "is being written to by another process" in refusal(root)
    Index.open(root, write=True).close()


def test_an_index_that_is_there_is_not_made_again(root: Path) -> None:
    with Index.open(root, write=True) as index:
        with pytest.raises(BitsieveError, match="exists and is not an empty folder"):
            Index.create(root, dimension=D)
        index.add(**given(0, 1))
