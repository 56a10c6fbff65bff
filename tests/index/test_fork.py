"""A fork goes on with an index, and only who opened it for writing writes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from children import Child, Gate, in_child
from small_index import ask, build_index, contents, given, kill_a_writer, small_thresholds, vectors_of

from bitsieve.errors import IndexLockedError, InputError
from bitsieve.index import Index

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build_index(tmp_path / "index")
    return tmp_path / "index"


def nearest(index: Index, number: int, seed: int = 0) -> tuple[str, int]:
    """The nearest to a document's own vector, and the generation."""
    hits = index.search(vector=vectors_of(number, 1, seed)[0], k=1)
    return hits[0].id, hits.generation


@needs_fork
def test_a_fork_of_a_reader_and_its_parent_both_go_on(root: Path) -> None:
    with Index.open(root) as index:
        expected = ask(index)

        def in_fork() -> bool:
            same = ask(index) == expected
            index.close()
            with pytest.raises(InputError, match="is closed"):
                index.search(vector=vectors_of(0, 1)[0])
            return same

        assert [child.result() for child in [Child(in_fork) for _ in range(4)]] == [True] * 4
        assert ask(index) == expected


@needs_fork
def test_a_fork_of_a_fork_goes_on(root: Path) -> None:
    with Index.open(root) as index:
        expected = len(index)
        assert in_child(lambda: (len(index), in_child(lambda: len(index)))) == (expected, expected)


@needs_fork
def test_a_fork_of_a_writer_reads_and_follows_but_may_not_write(root: Path) -> None:
    ready, go = Gate(), Gate()
    with small_thresholds(), Index.open(root, write=True) as index:
        before = index.stats().generation

        def in_fork() -> tuple[int, tuple[str, int]]:
            first = index.stats().generation
            ready.open()
            for write in (lambda: index.delete(["id-1"]), lambda: index.add(**given(500, 1)), index.compact):
                with pytest.raises(
                    InputError, match=f"process {os.getppid()}, which this one was forked from"
                ):
                    write()
            with pytest.raises(IndexLockedError, match=f"process {os.getppid()} on"):
                Index.open(root, write=True)
            go.wait()
            return first, nearest(index, 600)

        child = Child(in_fork)
        ready.wait()
        index.add(**given(600, 1))
        go.open()
        assert child.result() == (before, ("id-600", before + 1))
        index.add(**given(601, 1))
        assert nearest(index, 601) == ("id-601", before + 2)


@needs_fork
def test_the_lock_is_the_parents_whatever_a_fork_does(root: Path) -> None:
    go = Gate()
    index = Index.open(root, write=True)
    in_child(index.close)
    waiting = Child(go.wait)
    with pytest.raises(IndexLockedError):
        Index.open(root, write=True)
    index.close()
    with Index.open(root, write=True) as again:  # while the fork still lives
        again.add(**given(600, 1))
    go.open()
    waiting.result()


WRITER_WITH_A_FORK = """
import os, sys
from bitsieve.index import Index
index = Index.open(sys.argv[1], write=True)
index.delete(["id-30"])
if os.fork():
    print("ready", flush=True)
sys.stdin.read()
"""


@needs_fork
def test_a_fork_that_outlives_its_writer_takes_nothing_from_the_next(root: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER_WITH_A_FORK, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        writer.stdout.readline()
        writer.kill()
        kill_a_writer(root)
        left = contents(root)
        writer.stdin.close()  # the fork ends as a Python program does, and lets go of everything
        writer.stdout.read()
    assert contents(root) == left


@needs_fork
def test_forks_while_threads_search_and_write(root: Path) -> None:
    with small_thresholds(), Index.open(root, write=True) as index, busy(index, 600):

        def in_fork() -> str:
            signal.alarm(30)  # rather die than wait for a lock that a thread of the parent has
            with pytest.raises(InputError, match="which this one was forked from"):
                index.delete(["id-5"])
            return nearest(index, 5)[0]

        for _ in range(20):
            assert in_child(in_fork) == "id-5"


@contextmanager
def busy(index: Index, first: int, n_threads: int = 4) -> Iterator[None]:
    """Threads that search without a pause, one that writes, and one that opens and closes."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def repeat(work: Callable[[int], object]) -> None:
        number = 0
        try:
            while not stop.is_set():
                work(number)
                number += 1
        except BaseException as error:
            errors.append(error)

    def write(number: int) -> None:
        index.upsert(**given(first + number % 40, 2, seed=number))

    def search(_: int) -> None:
        nearest(index, 5)

    def reopen(_: int) -> None:
        Index.open(index.path).close()

    works = [write, reopen, *[search] * n_threads]
    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []


def search_in_spawned(root: str, number: int) -> str:
    with Index.open(root) as index:
        return nearest(index, number)[0]


def test_spawned_processes_search(root: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(search_in_spawned, [(str(root), number) for number in (5, 75)])
    assert found == ["id-5", "id-75"]
