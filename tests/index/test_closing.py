"""Closing: nothing of a writer falls into the time of the next one, and nobody waits for himself."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from children import in_child
from small_index import D, given, small_thresholds

from bitsieve.errors import BitsieveError, InputError, ModelMismatchError
from bitsieve.index import Index
from bitsieve.store.disk import Disk

PATIENCE = 30.0
"""Seconds that nothing here takes unless somebody waits for good."""


class HeldDisk(Disk):
    """A disk that stops before the first file of a segment until it is let go."""

    def __init__(self) -> None:
        self.writing, self.let_go = threading.Event(), threading.Event()

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        if operation == "create":
            self.writing.set()
            assert self.let_go.wait(PATIENCE)
        with super().step(operation, path):
            yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Index.create(tmp_path / "index", dimension=D).close()
    return tmp_path / "index"


def test_closing_waits_for_a_thread_that_writes(root: Path) -> None:
    disk, closed = HeldDisk(), threading.Event()
    index = Index.open(root, write=True, disk=disk)

    def close() -> None:
        index.close()
        closed.set()

    threads = [threading.Thread(target=lambda: index.add(**given(0, 2))), threading.Thread(target=close)]
    threads[0].start()
    assert disk.writing.wait(PATIENCE)
    threads[1].start()
    assert not closed.wait(0.2)
    with pytest.raises(BitsieveError, match="is being written to by process"):
        Index.open(root, write=True)
    disk.let_go.set()
    for thread in threads:
        thread.join(PATIENCE)
    with Index.open(root, write=True) as again:
        assert (closed.is_set(), len(again), again.verify()) == (True, 2, [])
    with pytest.raises(InputError, match="is closed"):
        index.add(**given(2, 2))


def test_what_would_wait_for_itself_is_refused_and_the_call_it_is_within_goes_on(root: Path) -> None:
    with small_thresholds(), Index.open(root, write=True) as index:
        index.add(**given(0, 30))
        with index.watch(1.0, target_recall=0.01):
            index.search(vector=given(0, 1)["vectors"][0])  # which the watch then wants to write down
            with index._alone() as writer:  # as in `progress`
                for wait in (index.close, index.unwatch, index.compact):
                    with pytest.raises(InputError, match="is being written to by this thread"):
                        wait()
                writer.delete(np.array([1]))
    with Index.open(root) as again:
        assert (len(again), again.recall_by_day()[0].n) == (29, 1)
    with pytest.raises(InputError, match="is closed"):
        len(index)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_closes_while_its_parent_writes(root: Path) -> None:
    with Index.open(root, write=True) as index, index.watch(1.0):
        with index._alone():
            assert in_child(index.close) is None
        index.add(**given(0, 2))


def test_a_number_that_another_has_taken_is_refused_and_stays_as_it_is(root: Path) -> None:
    with Index.open(root, write=True) as index:
        index.add(**given(0, 2))
        theirs = root / "segments" / "00000002"
        theirs.mkdir()
        (theirs / "keys.npy").write_bytes(b"theirs")
        with pytest.raises(BitsieveError, match="00000002 was made by another writer"):
            index.add(**given(2, 2))
        assert (theirs / "keys.npy").read_bytes() == b"theirs"
        assert len(index) == 2


def open_below(root: Path) -> list[str]:
    """What this process has open in an index, by its paths below it."""
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            targets.append(descriptor.readlink())
        except OSError as error:  # that of the listing itself
            assert error.errno == errno.ENOENT  # noqa: PT017
    return sorted(str(path.relative_to(root)) for path in targets if path.is_relative_to(root))


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")


@needs_proc
def test_a_writer_has_each_array_open_once_and_none_that_was_replaced(root: Path) -> None:
    with small_thresholds(), Index.open(root, write=True) as index:
        for first in range(0, 90, 30):
            index.add(**given(first, 30))
            index.search(vector=given(0, 1)["vectors"][0])
        index.compact()
        index.search(vector=given(0, 1)["vectors"][0])
        arrays = [path for path in open_below(root) if path.endswith(".npy")]
        assert arrays == sorted(str(path.relative_to(root)) for path in root.glob("segments/*/*.npy"))


@needs_proc
@pytest.mark.parametrize("write", [False, True])
def test_an_opening_that_fails_leaves_nothing_open(root: Path, write: bool) -> None:
    with pytest.raises(ModelMismatchError) as caught:
        Index.open(root, write=write, model="another model")
    assert caught.value.__traceback__ is not None  # which keeps alive what the failed calls had
    assert open_below(root) == []
