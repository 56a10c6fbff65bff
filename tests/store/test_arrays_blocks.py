"""A block is checked before a row in it counts, and no block twice."""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import FIRST, set_block_bytes, small_arrays

from bitsieve.errors import DamageError, InputError, MissingFileError
from bitsieve.store.arrays import StoredArrays, mapped, sweep, write_arrays
from bitsieve.store.disk import Disk

pytestmark = pytest.mark.usefixtures("no_syncs")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    set_block_bytes(monkeypatch, 256)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_rows_are_damaged_when_a_block_that_they_lie_in_is(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    row_bytes = data.draw(st.sampled_from([1, 40, 256, 300, 1000]))
    n = data.draw(st.integers(1, 30))
    root = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patch:
        set_block_bytes(patch, 256)
        array = np.random.default_rng(0).integers(0, 256, (n, row_bytes), dtype=np.uint8)
        record = write_arrays(Disk(), root, "segments", 1, {"x": array})
        stored = StoredArrays.open(root, record)
        place = data.draw(st.integers(0, record.files[0].length - 1))
        with (root / FIRST / "x.npy").open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 16]))
        for _ in range(3):
            rows = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=5)), np.int64)
            hurt = any(
                (128 + row * row_bytes) // 256 <= place // 256 <= (127 + (row + 1) * row_bytes) // 256
                for row in rows.tolist()
            )
            if hurt:
                with pytest.raises(DamageError, match=rf"x.npy is damaged in block {place // 256} "):
                    stored.check_rows("x", rows)
            else:
                stored.check_rows("x", rows)
                np.testing.assert_array_equal(stored.array("x")[rows], array[rows])
        with pytest.raises(DamageError):
            stored.check_rows("x", slice(None))


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the blocks that are read from now on."""
    read_blocks: list[int] = []
    original = mapped.read_block

    def counting(file: FileIO, path: Path, record: Any, block: int, memory: memoryview) -> memoryview:
        read_blocks.append(block)
        return original(file, path, record, block, memory)

    monkeypatch.setattr(mapped, "read_block", counting)
    return read_blocks


@pytest.mark.usefixtures("small_blocks")
def test_a_block_is_read_once_and_only_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_blocks = count_reads(monkeypatch)
    # Rows of 64 bytes after a header of 128: rows 0 and 1 are in block 0, 2 to 5 in block 1 and so on.
    record = write_arrays(Disk(), tmp_path, "segments", 1, {"x": np.zeros((40, 16), np.float32)})
    stored = StoredArrays.open(tmp_path, record)
    assert read_blocks == []
    stored.check_rows("x", np.array([[5, 2], [39, 5]]))
    assert read_blocks == [1, 10]
    stored.check_rows("x", slice(4, 7))
    assert read_blocks == [1, 10, 2]
    stored.check_rows("x", slice(7, 7))
    stored.check_rows("x", np.empty(0, np.int64))
    stored.check_rows("x", slice(0, 2))
    assert read_blocks == [1, 10, 2, 0]
    for _ in range(2):
        stored.check_rows("x", slice(None))
    assert read_blocks == [1, 10, 2, 0, 3, 4, 5, 6, 7, 8, 9]


def test_rows_that_are_not_there_are_refused(tmp_path: Path) -> None:
    stored = StoredArrays.open(tmp_path, write_arrays(Disk(), tmp_path, "segments", 1, small_arrays()))
    wrongs: list[tuple[Any, str]] = [
        (np.array([-1]), "rows are -1 to -1, .*keys.npy has 40"),
        (np.array([0, 40]), "rows are 0 to 40"),
        (np.ones(40, np.bool_), "flatnonzero"),
        (slice(0, 40, 2), "step 2"),
    ]
    for rows, message in wrongs:
        with pytest.raises(InputError, match=message):
            stored.check_rows("keys", rows)
    with pytest.raises(InputError, match="no array 'other': it has codes, vectors"):
        stored.array("other")
    stored.check_rows("none", slice(None))


@pytest.mark.usefixtures("small_blocks")
def test_threads_share_what_is_open(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((500, 16))
    record = write_arrays(Disk(), tmp_path, "segments", 1, {"x": array})
    path = tmp_path / FIRST / "x.npy"
    with path.open("r+b") as file:  # block 100 has rows 199 to 200
        file.seek(100 * 256)
        file.write(b"damage")
    stored = StoredArrays.open(tmp_path, record)

    def check(seed: int) -> bool:
        rows = np.random.default_rng(seed).integers(0, 500, 20)
        hurt = bool(np.isin(rows, [199, 200]).any())
        try:
            stored.check_rows("x", rows)
        except DamageError:
            return hurt
        return not hurt and np.array_equal(stored.array("x")[rows], array[rows])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(400)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_reads_what_its_parent_opened(tmp_path: Path) -> None:
    stored = StoredArrays.open(tmp_path, write_arrays(Disk(), tmp_path, "segments", 1, small_arrays()))
    stored.check_rows("keys", slice(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that BLAS may have
        child = os.fork()
    if child == 0:
        try:
            for name, array in small_arrays().items():
                stored.check_rows(name, slice(None))
                np.testing.assert_array_equal(stored.array(name), array)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stored.check_rows("vectors", slice(None))


# Marks


def blocks_of(stored: StoredArrays, row: int) -> slice:
    """Those that a row of "x" lies in, as a kernel finds them."""
    row_bytes = stored.array("x")[0].nbytes
    start = stored.data_offset("x") + row * row_bytes
    return slice(start // mapped.BLOCK_BYTES, (start + row_bytes - 1) // mapped.BLOCK_BYTES + 1)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("row_bytes", [1, 40, 256, 300, 1000])
def test_marking_and_checking_finds_the_damage_that_checking_rows_does(
    tmp_path: Path, row_bytes: int
) -> None:
    array = np.random.default_rng(0).integers(0, 256, (12, row_bytes), dtype=np.uint8)
    record = write_arrays(Disk(), tmp_path, "segments", 1, {"x": array})
    path = tmp_path / FIRST / "x.npy"
    data = path.read_bytes()
    for place in range(128, len(data), 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        for row in range(12):
            by_rows, by_marks = (StoredArrays.open(tmp_path, record) for _ in range(2))
            by_marks.marks("x")[blocks_of(by_marks, row)] = 1
            found = is_damaged(by_marks.check_marked, "x")
            assert found == is_damaged(by_rows.check_rows, "x", np.array([row]))


def is_damaged(check: Callable[..., None], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except DamageError:
        return True
    return False


@pytest.mark.usefixtures("small_blocks")
def test_a_marked_block_is_read_once_however_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_blocks = count_reads(monkeypatch)
    record = write_arrays(Disk(), tmp_path, "segments", 1, {"x": np.zeros((40, 16), np.float32)})
    stored = StoredArrays.open(tmp_path, record)
    marks = stored.marks("x")
    assert (marks.dtype, marks.shape) == (np.uint8, (11,))
    stored.check_marked("x")
    assert read_blocks == []
    marks[[3, 9]] = 1
    for _ in range(2):
        stored.check_marked("x")
    assert read_blocks == [3, 9]
    stored.check_rows("x", slice(2, 14))
    assert read_blocks == [3, 9, 1, 2]
    marks[[1, 2, 3, 10]] = 1
    stored.check_marked("x")
    assert read_blocks == [3, 9, 1, 2, 10]
    marks[:] = 1
    stored.check_marked("x")
    assert sorted(read_blocks) == list(range(11))


def test_a_complete_file_is_not_looked_at_again(tmp_path: Path) -> None:
    stored = StoredArrays.open(tmp_path, write_arrays(Disk(), tmp_path, "codecs", 1, small_arrays()))
    stored.check_rows("keys", slice(None))
    (tmp_path / "codecs" / "00000001" / "keys.npy").unlink()
    stored.marks("keys")[:] = 1
    stored.check_marked("keys")
    stored.check_rows("keys", slice(None))


@pytest.mark.usefixtures("small_blocks")
def test_a_damaged_mark_fails_every_check_and_lets_the_others_be_checked(tmp_path: Path) -> None:
    array = np.zeros((40, 16), np.float32)
    stored = StoredArrays.open(tmp_path, write_arrays(Disk(), tmp_path, "segments", 1, {"x": array}))
    with (tmp_path / FIRST / "x.npy").open("r+b") as file:
        file.seek(5 * 256)
        file.write(b"damage")
    stored.marks("x")[[4, 5, 6]] = 1
    for _ in range(2):
        with pytest.raises(DamageError, match=r"x\.npy is damaged in block 5 "):
            stored.check_marked("x")
    stored.check_rows("x", slice(30, 40))


def test_a_marked_file_that_is_gone_is_missing(tmp_path: Path) -> None:
    stored = StoredArrays.open(tmp_path, write_arrays(Disk(), tmp_path, "segments", 1, small_arrays()))
    sweep(Disk(), tmp_path, "segments", [])
    stored.check_marked("keys")
    stored.marks("keys")[0] = 1
    with pytest.raises(MissingFileError, match=r"keys\.npy is missing"):
        stored.check_marked("keys")
