"""What is written is what is read, what cannot be written leaves nothing, and what is not kept goes."""

import errno
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from recording import FailingDisk, Killed, KilledDisk, RecordingDisk, crash_states
from samples import FIRST, in_blocks, in_segments, read, set_block_bytes, small_arrays, two_arrays

from bitsieve.errors import DiskError, IndexLockedError, InputError
from bitsieve.store.arrays import (
    BLOCK_BYTES,
    ArraysRecord,
    Kind,
    RowBlocks,
    StoredArrays,
    sweep,
    verify_arrays,
    write_arrays,
    writing,
)
from bitsieve.store.disk import Disk

pytestmark = pytest.mark.usefixtures("no_syncs")


@pytest.mark.parametrize("kind", ["segments", "codecs"])
def test_what_is_written_is_what_is_read(tmp_path: Path, kind: Kind) -> None:
    arrays = small_arrays()
    record = write_arrays(Disk(), tmp_path, kind, 1, arrays)
    assert [path.name for path in (tmp_path / kind).iterdir()] == ["00000001"]
    assert verify_arrays(tmp_path, record) == []
    for name, array in arrays.items():
        np.testing.assert_array_equal(read(tmp_path, record, name), array, strict=True)
        path = tmp_path / kind / "00000001" / f"{name}.npy"
        np.testing.assert_array_equal(np.load(path, allow_pickle=False), array, strict=True)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_array_in_any_blocks_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dtypes = ["?", "i1", "<u2", ">i4", "<i8", ">u8", "<f2", ">f4", "<f8"]
    shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9)
    array = data.draw(hnp.arrays(np.dtype(data.draw(st.sampled_from(dtypes))), shapes))
    if data.draw(st.booleans()):
        array = np.asfortranarray(array)
    block_bytes = data.draw(st.sampled_from([64, 100, 1000]))
    root = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patch:
        set_block_bytes(patch, block_bytes)
        patch.setattr(writing, "WRITE_BYTES", data.draw(st.integers(1, 300)))
        blocks = in_blocks(array, data.draw(st.integers(1, 10)))
        record = write_arrays(Disk(), root, "segments", 1, {"x": array, "y": blocks})
        x, y = record.files
        assert replace(x, name="y") == y
        assert verify_arrays(root, record) == []
        stored = read(root, record, "x")
    assert stored.dtype == array.dtype.newbyteorder("<")
    np.testing.assert_array_equal(stored, array)
    np.testing.assert_array_equal(np.load(root / FIRST / "x.npy", allow_pickle=False), stored, strict=True)


def test_a_file_begins_as_version_1_of_the_index_has_it(tmp_path: Path) -> None:
    write_arrays(Disk(), tmp_path, "segments", 1, {"x": np.array([[1, 2]], ">u2")})
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (1, 2), }"
    data = (tmp_path / FIRST / "x.npy").read_bytes()
    assert data == header + b" " * (127 - len(header)) + b"\n" + b"\x01\x00\x02\x00"


def test_a_large_array_is_never_in_memory_whole(tmp_path: Path) -> None:
    blocks = (np.full((1024, 256), i, np.float32) for i in range(24))
    tracemalloc.start()
    record = write_arrays(
        Disk(), tmp_path, "segments", 1, {"x": RowBlocks((24 * 1024, 256), np.float32, blocks)}
    )
    assert verify_arrays(tmp_path, record) == []
    StoredArrays.open(tmp_path, record).check_rows("x", slice(None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.files[0].length == 24 * BLOCK_BYTES + 128
    assert peak < 4 * BLOCK_BYTES


@pytest.mark.skipif(os.name == "nt", reason="needs file modes")
def test_the_umask_alone_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_arrays(Disk(), tmp_path, "segments", 1, small_arrays())
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / FIRST).iterdir()}
    assert modes == {0o640}
    assert (tmp_path / FIRST).stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize(
    ("number", "arrays", "message"),
    [
        (0, {}, "1 to 99,999,999"),
        (100_000_000, {}, "1 to 99,999,999"),
        (1, {"../x": np.zeros(1)}, "choose another name"),
        (1, {"x/y": np.zeros(1)}, "choose another name"),
        (1, {"": np.zeros(1)}, "choose another name"),
        (1, {"x" * 65: np.zeros(1)}, "choose another name"),
        (1, {"Keys": np.zeros(1)}, "choose another name"),  # one file with "keys" on macOS and Windows
        (1, {"nul": np.zeros(1)}, "device on Windows"),
        (1, {"x": np.array(["text"])}, "dtype <U4, expected"),
        (1, {"x": np.array([{}])}, "dtype object"),
        (1, {"x": np.zeros(1, "i4,f4")}, "convert it"),
        (1, {"x": np.zeros(1, np.complex64)}, "dtype complex64"),
        (1, {"x": np.float32(1)}, "atleast_1d"),
        (1, {"x": RowBlocks((2, 3), "f4", [np.zeros((1, 3), "f4")])}, "have 1 rows, expected 2"),
        (1, {"x": RowBlocks((2, 3), "f4", [np.zeros((3, 3), "f4")])}, "have 3 rows, expected 2"),
        (1, {"x": RowBlocks((2, 3), "f4", [np.zeros((2, 4), "f4")])}, r"shape \(2, 4\)"),
        (1, {"x": RowBlocks((2, 3), "f4", [np.zeros((2, 3), "f8")])}, "dtype float64"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, number: int, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_arrays(Disk(), tmp_path, "segments", number, {"good": np.zeros(3), **arrays})
    assert list(tmp_path.rglob("*.npy")) == []
    sweep(Disk(), tmp_path, "segments", [])
    write_arrays(Disk(), tmp_path, "segments", 1, {"good": np.zeros(3)})
    assert in_segments(tmp_path) == ["00000001"]


def test_a_number_that_is_on_the_disk_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    record = write_arrays(Disk(), tmp_path, "segments", 1, two_arrays())
    with pytest.raises(IndexLockedError, match="00000001 was made by another writer, which has the index"):
        write_arrays(Disk(), tmp_path, "segments", 1, two_arrays(1))
    assert verify_arrays(tmp_path, record) == []
    assert in_segments(tmp_path) == ["00000001"]


def test_an_error_of_whoever_makes_the_blocks_is_passed_on(tmp_path: Path) -> None:
    def failing() -> Iterator[NDArray[Any]]:
        yield np.zeros((1, 3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_arrays(Disk(), tmp_path, "segments", 1, {"x": RowBlocks((2, 3), "f8", failing())})
    assert in_segments(tmp_path) == []


# Disks that fail


def write_again(disk: Disk, root: Path, seed: int = 0) -> ArraysRecord:
    """What the next writer does: remove what nothing names, and write."""
    sweep(disk, root, "segments", [])
    return write_arrays(disk, root, "segments", 1, two_arrays(seed))


def write_twice(disk: RecordingDisk, root: Path) -> None:
    """The second time removes what the first one wrote."""
    write_again(disk, root)
    write_again(disk, root)


def steps_of_writing(root: Path) -> list[tuple[str, str]]:
    root.mkdir()
    disk = RecordingDisk(root)
    write_twice(disk, root)
    return disk.begun


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("n", [1, 1000], ids=["once", "from then on"])
@pytest.mark.parametrize(("code", "remedy"), [(errno.EIO, "system's log"), (errno.ENOSPC, "free space")])
def test_a_step_that_fails_says_so_and_the_next_attempt_works(
    tmp_path: Path, code: int, remedy: str, n: int, after: bool
) -> None:
    steps = steps_of_writing(tmp_path / "steps")
    record = write_arrays(Disk(), tmp_path / "steps", "segments", 2, two_arrays())
    record = replace(record, number=1)
    for step, (operation, _) in enumerate(steps):
        root = tmp_path / str(step)
        root.mkdir()
        disk = FailingDisk(root, code, step, n=n, after=after)
        with pytest.raises(DiskError) as caught:
            write_twice(disk, root)
        assert caught.value.errno == code
        assert str(caught.value).startswith(f"cannot {operation} {root}")
        assert os.strerror(code) in str(caught.value)
        assert remedy in str(caught.value)
        if (root / FIRST).exists():
            assert verify_arrays(root, record) == []
        if operation in ("sync", "write"):
            failed = disk.begun[step]
            assert failed not in disk.begun[step + 1 :]
        assert verify_arrays(root, write_again(Disk(), root, 1)) == []
        assert in_segments(root) == ["00000001"]


# Sweeping


def test_sweeping_removes_what_is_not_kept_and_nothing_else(tmp_path: Path) -> None:
    disk = RecordingDisk(tmp_path)
    kept = write_arrays(disk, tmp_path, "segments", 1, two_arrays())
    write_arrays(disk, tmp_path, "segments", 2, two_arrays(1))
    write_arrays(disk, tmp_path, "segments", 3, two_arrays(2))
    with pytest.raises(Killed):
        write_arrays(KilledDisk(tmp_path, 6), tmp_path, "segments", 4, two_arrays(3))
    (tmp_path / "segments" / "notes").mkdir()
    (tmp_path / "segments" / "tmp-notes.txt").write_text("mine")
    written = len(disk.log)
    sweep(disk, tmp_path, "segments", [1, 7])
    assert in_segments(tmp_path) == ["00000001", "notes", "tmp-notes.txt"]
    assert verify_arrays(tmp_path, kept) == []
    for tree in crash_states(disk.log, written):
        assert {path for path in tree if path.startswith(FIRST)} == {
            FIRST,
            f"{FIRST}/vectors.npy",
            f"{FIRST}/keys.npy",
        }
        for number in (2, 3):  # whole, or without a name
            files = [path for path in tree if path.startswith(f"segments/0000000{number}/")]
            assert len(files) in (0, 2)
            assert (f"segments/0000000{number}" in tree) == bool(files)


def test_sweeping_one_kind_leaves_the_other(tmp_path: Path) -> None:
    segment = write_arrays(Disk(), tmp_path, "segments", 1, two_arrays())
    codec = write_arrays(Disk(), tmp_path, "codecs", 1, two_arrays())
    sweep(Disk(), tmp_path, "segments", [])
    assert in_segments(tmp_path) == []
    assert verify_arrays(tmp_path, codec) == []
    assert verify_arrays(tmp_path, segment) != []


def test_sweeping_where_nothing_was_written_is_no_error(tmp_path: Path) -> None:
    sweep(Disk(), tmp_path, "segments", [])
    assert list(tmp_path.iterdir()) == []


SYNC = 2
"""The step of sweeping two folders after which they may be removed: both are renamed before."""


def test_a_sweep_that_fails_goes_on_the_next_time(tmp_path: Path) -> None:
    for step in range(5):
        root = tmp_path / str(step)
        root.mkdir()
        records = [write_arrays(Disk(), root, "segments", number, two_arrays()) for number in (1, 2, 3)]
        with pytest.raises(DiskError):
            sweep(FailingDisk(root, errno.EIO, step), root, "segments", [1])
        assert verify_arrays(root, records[0]) == []
        assert len(in_segments(root)) == (3 if step == SYNC else 2)  # what is not refused goes
        sweep(Disk(), root, "segments", [1])
        assert in_segments(root) == ["00000001"]


class MappedDisk(Disk):
    """What Windows answers while a reader has the files of a folder mapped."""

    def __init__(self, operation: str, code: int) -> None:
        self.answer = (operation, code)
        self.refused: list[Path] = []

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        with super().step(operation, path):
            if operation == self.answer[0] and not self.refused:
                self.refused.append(path)
                raise OSError(self.answer[1], os.strerror(self.answer[1]))
            yield


@pytest.mark.parametrize("operation", ["rename", "remove"])
def test_what_windows_does_not_remove_is_left_for_the_next_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(writing, "WINDOWS", True)
    kept, *_ = [write_arrays(Disk(), tmp_path, "segments", number, two_arrays()) for number in (1, 2, 3)]
    disk = MappedDisk(operation, errno.EACCES)
    for _ in range(2):
        sweep(disk, tmp_path, "segments", [1])
        (left,) = disk.refused
        assert in_segments(tmp_path) == ["00000001", left.name]
        disk.refused = []
    sweep(Disk(), tmp_path, "segments", [1])
    assert in_segments(tmp_path) == ["00000001"]
    assert verify_arrays(tmp_path, kept) == []


@pytest.mark.parametrize(("windows", "code"), [(True, errno.EIO), (False, errno.EACCES)])
def test_any_other_refusal_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: bool, code: int
) -> None:
    monkeypatch.setattr(writing, "WINDOWS", windows)
    for operation in ("rename", "remove"):
        write_again(Disk(), tmp_path)
        with pytest.raises(DiskError, match=f"cannot {operation} "):
            sweep(MappedDisk(operation, code), tmp_path, "segments", [])
