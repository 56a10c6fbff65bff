"""Laws of segments: whole or not at all whenever the power is cut, and no damage goes unnoticed."""

import errno
import json
import os
import tracemalloc
import warnings
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from recording import Entry, FailingDisk, Killed, KilledDisk, RecordingDisk, Tree, build, crash_states

from bitsieve.errors import DamageError, InputError
from bitsieve.store import disk as disk_module
from bitsieve.store import segments
from bitsieve.store.disk import Disk, DiskError
from bitsieve.store.segments import (
    BLOCK_BYTES,
    RowBlocks,
    Segment,
    SegmentRecord,
    sweep,
    verify_segment,
    write_segment,
)

Arrays = dict[str, NDArray[Any]]
FIRST = "segments/00000001"


@pytest.fixture(autouse=True)
def _no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power is not cut here, and a sync takes milliseconds."""
    monkeypatch.setattr(disk_module, "_sync", lambda _: None)


def small_arrays(seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return {
        "codes": rng.integers(0, 256, (40, 16), dtype=np.uint8),
        "vectors": rng.standard_normal((40, 5)).astype(np.float32),
        "pivot_vectors": rng.standard_normal((40, 5)).astype(np.float32),
        "keys": np.arange(40),
        "none": np.empty((0, 3), np.float32),
    }


def in_blocks(array: NDArray[Any], n_rows: int) -> RowBlocks:
    parts = (array[start : start + n_rows] for start in range(0, len(array), n_rows))
    return RowBlocks(array.shape, array.dtype, parts)


def two_arrays(seed: int = 0) -> dict[str, RowBlocks]:
    """Three writes of data a file, of several sectors each."""
    vectors = np.random.default_rng(seed).standard_normal((130, 8)).astype(np.float32)
    return {"vectors": in_blocks(vectors, 50), "keys": in_blocks(np.arange(600), 250)}


def read(root: Path, record: SegmentRecord, name: str) -> NDArray[Any]:
    """An array by both ways, or DamageError by both."""
    segment = Segment.open(root, record)
    try:
        loaded = segment.load(name)
    except DamageError:
        with pytest.raises(DamageError):
            segment.check_rows(name, slice(None))
        raise
    segment.check_rows(name, slice(None))
    np.testing.assert_array_equal(segment.array(name), loaded, strict=True)
    return loaded


def damaged(root: Path, record: SegmentRecord) -> list[str]:
    """Names of the arrays that verifying finds something wrong with."""
    found = {finding.file for finding in verify_segment(root, record)}
    return [file.name for file in record.files if f"{FIRST}/{file.name}.npy" in found]


def in_segments(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "segments").iterdir())


# What is written, and read again


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    arrays = small_arrays()
    record = write_segment(Disk(), tmp_path, 1, arrays)
    assert in_segments(tmp_path) == ["00000001"]
    assert verify_segment(tmp_path, record) == []
    segment = Segment.open(tmp_path, record)
    assert segment.verify() == []
    for name, array in arrays.items():
        np.testing.assert_array_equal(read(tmp_path, record, name), array, strict=True)
        np.testing.assert_array_equal(
            np.load(tmp_path / FIRST / f"{name}.npy", allow_pickle=False), array, strict=True
        )


def test_arrays_begin_on_a_cache_line_and_a_mapped_one_cannot_be_written(tmp_path: Path) -> None:
    segment = Segment.open(tmp_path, write_segment(Disk(), tmp_path, 1, small_arrays()))
    for name in small_arrays():
        assert segment.array(name).ctypes.data % 64 == segment.load(name).ctypes.data % 64 == 0
    with pytest.raises(ValueError, match="read-only"):
        segment.array("keys")[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        segment.array("keys").flags.writeable = True


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
        patch.setattr(segments, "BLOCK_BYTES", block_bytes)
        patch.setattr(segments, "WRITE_BYTES", data.draw(st.integers(1, 300)))
        blocks = in_blocks(array, data.draw(st.integers(1, 10)))
        record = write_segment(Disk(), root, 1, {"x": array, "y": blocks})
        x, y = record.files
        assert replace(x, name="y") == y
        assert SegmentRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
        assert verify_segment(root, record) == []
        stored = read(root, record, "x")
    assert stored.dtype == array.dtype.newbyteorder("<")
    np.testing.assert_array_equal(stored, array)
    np.testing.assert_array_equal(np.load(root / FIRST / "x.npy", allow_pickle=False), stored, strict=True)


def test_a_file_begins_as_version_1_of_the_index_has_it(tmp_path: Path) -> None:
    write_segment(Disk(), tmp_path, 1, {"x": np.array([[1, 2]], ">u2")})
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (1, 2), }"
    data = (tmp_path / FIRST / "x.npy").read_bytes()
    assert data == header + b" " * (127 - len(header)) + b"\n" + b"\x01\x00\x02\x00"


def test_a_large_array_is_never_in_memory_whole(tmp_path: Path) -> None:
    blocks = (np.full((1024, 256), i, np.float32) for i in range(24))
    tracemalloc.start()
    record = write_segment(Disk(), tmp_path, 1, {"x": RowBlocks((24 * 1024, 256), np.float32, blocks)})
    assert verify_segment(tmp_path, record) == []
    Segment.open(tmp_path, record).check_rows("x", slice(None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.files[0].length == 24 * BLOCK_BYTES + 128
    assert peak < 4 * BLOCK_BYTES


@pytest.mark.skipif(os.name == "nt", reason="needs file modes")
def test_the_umask_alone_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_segment(Disk(), tmp_path, 1, small_arrays())
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
        write_segment(Disk(), tmp_path, number, {"good": np.zeros(3), **arrays})
    assert list(tmp_path.rglob("*.npy")) == []
    sweep(Disk(), tmp_path, [])
    write_segment(Disk(), tmp_path, 1, {"good": np.zeros(3)})
    assert in_segments(tmp_path) == ["00000001"]


def test_an_error_of_whoever_makes_the_blocks_is_passed_on(tmp_path: Path) -> None:
    def failing() -> Iterator[NDArray[Any]]:
        yield np.zeros((1, 3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_segment(Disk(), tmp_path, 1, {"x": RowBlocks((2, 3), "f8", failing())})
    assert in_segments(tmp_path) == []


# Power cuts


def check_state(tree: Tree, root: Path, records: Collection[SegmentRecord]) -> None:
    """The law: segment 1 is not there, or it is one that was written."""
    if FIRST in tree:
        build(tree, root)
        assert any(verify_segment(root, record) == [] for record in records), sorted(tree)
        for record in records:
            if verify_segment(root, record) == []:
                Segment.open(root, record)


def recorded(root: Path) -> tuple[list[Entry], SegmentRecord]:
    disk = RecordingDisk(root)
    record = write_segment(disk, root, 1, two_arrays())
    return disk.log, record


def test_whenever_the_power_is_cut_a_segment_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, record = recorded(tmp_path / "index")
    states = list(crash_states(log))
    assert len(states) > 50
    for i, tree in enumerate(states):
        check_state(tree, tmp_path / str(i), [record])


def test_after_any_power_cut_the_next_attempt_works(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, _ = recorded(tmp_path / "index")
    for i, tree in enumerate(crash_states(log)):
        root = tmp_path / str(i)
        build(tree, root)
        record = write_segment(Disk(), root, 1, two_arrays(1))
        sweep(Disk(), root, [1])
        assert verify_segment(root, record) == []
        assert in_segments(root) == ["00000001"]


def test_a_segment_is_on_the_disk_when_writing_it_returns(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, record = recorded(tmp_path / "index")
    (tree,) = crash_states(log, len(log))
    check_state(tree, tmp_path / "after", [record])
    assert FIRST in tree


def test_without_any_one_sync_one_of_these_laws_breaks(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, record = recorded(tmp_path / "index")
    syncs = [i for i, entry in enumerate(log) if entry.operation in ("sync", "sync folder")]
    assert [log[i].path.split("/")[0] for i in syncs] == [".", *["segments"] * 4]
    for i in syncs:
        without = log[:i] + log[i + 1 :]
        lost = any(FIRST not in tree for tree in crash_states(without, len(without)))
        broken = False
        for j, tree in enumerate(crash_states(without)):
            try:
                check_state(tree, tmp_path / f"{i}-{j}", [record])
            except AssertionError:
                broken = True
        assert lost or broken, log[i]


def test_a_writer_killed_at_any_step_and_then_a_power_cut_at_any_step_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, old = recorded(tmp_path / "index")
    one = {"vectors": small_arrays(1)["vectors"]}
    for n in range(len(log)):
        root = tmp_path / f"killed-{n}"
        root.mkdir()
        killed = KilledDisk(root, n)
        with pytest.raises(Killed):
            write_segment(killed, root, 1, two_arrays())
        disk = RecordingDisk(root, killed.log)
        new = write_segment(disk, root, 1, one)
        assert verify_segment(root, new) == []
        for i, tree in enumerate(crash_states(disk.log, len(killed.log))):
            check_state(tree, root / f"state-{i}", [old, new])
        for i, tree in enumerate(crash_states(disk.log, len(disk.log))):
            assert FIRST in tree
            check_state(tree, root / f"after-{i}", [new])


def test_sweeping_removes_what_is_not_kept_and_nothing_else(tmp_path: Path) -> None:
    disk = RecordingDisk(tmp_path)
    kept = write_segment(disk, tmp_path, 1, two_arrays())
    write_segment(disk, tmp_path, 2, two_arrays(1))
    write_segment(disk, tmp_path, 3, two_arrays(2))
    with pytest.raises(Killed):
        write_segment(KilledDisk(tmp_path, 6), tmp_path, 4, two_arrays(3))
    (tmp_path / "segments" / "notes").mkdir()
    (tmp_path / "segments" / "tmp-notes.txt").write_text("mine")
    written = len(disk.log)
    sweep(disk, tmp_path, [1, 7])
    assert in_segments(tmp_path) == ["00000001", "notes", "tmp-notes.txt"]
    assert verify_segment(tmp_path, kept) == []
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


def test_sweeping_where_nothing_was_written_is_no_error(tmp_path: Path) -> None:
    sweep(Disk(), tmp_path, [])
    assert list(tmp_path.iterdir()) == []


# Disks that fail


def write_twice(disk: RecordingDisk, root: Path) -> None:
    """The second time removes what the first one wrote."""
    write_segment(disk, root, 1, two_arrays())
    write_segment(disk, root, 1, two_arrays())


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
    record = write_segment(Disk(), tmp_path / "steps", 2, two_arrays())
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
            assert verify_segment(root, record) == []
        if operation in ("sync", "write"):
            failed = disk.begun[step]
            assert failed not in disk.begun[step + 1 :]
        again = write_segment(Disk(), root, 1, two_arrays(1))
        assert verify_segment(root, again) == []
        sweep(Disk(), root, [1])
        assert in_segments(root) == ["00000001"]


def test_a_sweep_that_fails_goes_on_the_next_time(tmp_path: Path) -> None:
    for step in range(5):
        root = tmp_path / str(step)
        root.mkdir()
        records = [write_segment(Disk(), root, number, two_arrays()) for number in (1, 2, 3)]
        with pytest.raises(DiskError):
            sweep(FailingDisk(root, errno.EIO, step), root, [1])
        assert verify_segment(root, records[0]) == []
        sweep(Disk(), root, [1])
        assert in_segments(root) == ["00000001"]


# Damage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_segment(Disk(), tmp_path, 1, small_arrays())
    return tmp_path


@pytest.fixture
def record(tmp_path_factory: pytest.TempPathFactory) -> SegmentRecord:
    return write_segment(Disk(), tmp_path_factory.mktemp("twin"), 1, small_arrays())


@pytest.mark.parametrize("name", small_arrays())
def test_a_flipped_bit_at_every_byte_is_noticed(root: Path, record: SegmentRecord, name: str) -> None:
    path = root / FIRST / f"{name}.npy"
    original = path.read_bytes()
    for place in range(len(original)):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([original[place] ^ 1 << place % 8]))
        assert damaged(root, record) == [name]
        with pytest.raises(DamageError, match=f"{name}.npy"):
            read(root, record, name)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(original[place : place + 1])
    assert damaged(root, record) == []


@pytest.mark.parametrize("bit", range(8))
def test_every_bit_of_a_header_is_noticed_when_a_segment_is_opened(
    root: Path, record: SegmentRecord, bit: int
) -> None:
    path = root / FIRST / "keys.npy"
    original = path.read_bytes()
    for place in range(128):
        path.write_bytes(original[:place] + bytes([original[place] ^ 1 << bit]) + original[place + 1 :])
        with pytest.raises(DamageError, match="does not begin as an array of <i8"):
            Segment.open(root, record)


@pytest.mark.parametrize("length", [0, 1, 9, 127, 128, 129, 191, 447, 448, 449, 640, 1000])
def test_a_file_that_is_shorter_or_longer_is_noticed(root: Path, record: SegmentRecord, length: int) -> None:
    path = root / FIRST / "keys.npy"
    segment = Segment.open(root, record)
    data = path.read_bytes()
    assert len(data) == 448
    path.write_bytes((data + bytes(1000))[:length])
    if length == 448:
        assert damaged(root, record) == []
        return
    assert damaged(root, record) == ["keys"]
    for reading in (
        lambda: Segment.open(root, record),
        lambda: segment.load("keys"),
        lambda: segment.check_rows("keys", slice(None)),
    ):
        with pytest.raises(DamageError, match=rf"keys.npy has {length:,} bytes, expected 448"):
            reading()


def test_a_file_or_segment_that_is_missing_is_noticed(root: Path, record: SegmentRecord) -> None:
    segment = Segment.open(root, record)
    (root / FIRST / "codes.npy").unlink()
    assert damaged(root, record) == ["codes"]
    for reading in (lambda: Segment.open(root, record), lambda: segment.load("codes")):
        with pytest.raises(DamageError, match=r"codes\.npy is missing"):
            reading()
    (root / FIRST).rename(root / "away")
    assert damaged(root, record) == list(small_arrays())


def test_files_in_each_others_place_are_noticed(root: Path, record: SegmentRecord) -> None:
    one, other = root / FIRST / "vectors.npy", root / FIRST / "pivot_vectors.npy"
    segment = Segment.open(root, record)
    one.rename(root / "aside")
    other.rename(one)
    (root / "aside").rename(other)
    assert damaged(root, record) == ["vectors", "pivot_vectors"]
    for name in ("vectors", "pivot_vectors"):
        with pytest.raises(DamageError, match="block 0"):
            read(root, record, name)
        with pytest.raises(DamageError, match="was replaced while it was open"):
            segment.check_rows(name, np.array([0]))


def test_a_file_of_another_array_or_a_pickle_is_never_read(root: Path, record: SegmentRecord) -> None:
    path = root / FIRST / "keys.npy"
    for other in (np.arange(40, dtype=">i8"), np.arange(40.0), np.arange(40).reshape(4, 10)):
        np.save(path, other)
        assert path.stat().st_size == 448
        with pytest.raises(DamageError, match="does not begin"):
            Segment.open(root, record)
    np.save(path, np.array([{}] * 40), allow_pickle=True)
    with pytest.raises(DamageError):
        Segment.open(root, record)


def test_a_record_of_other_content_is_noticed(root: Path, record: SegmentRecord) -> None:
    keys = record.files[3]
    others = [
        replace(keys, dtype="<f8"),
        replace(keys, shape=(20, 2)),
        replace(keys, sha256="0" * 64),
        replace(keys, crcs=(0,)),
    ]
    for other in others:
        changed = replace(record, files=(*record.files[:3], other))
        assert damaged(root, changed) == ["keys"]
        if other.sha256 == keys.sha256:
            with pytest.raises(DamageError):
                read(root, changed, "keys")


def test_a_damaged_record_is_refused() -> None:
    file = {"name": "x", "length": 129, "dtype": "|u1", "shape": [1], "sha256": "0" * 64, "crcs": [0]}
    assert SegmentRecord.from_dict({"number": 1, "files": [file]}).files[0].shape == (1,)
    changes: list[tuple[str, Any]] = [
        ("name", "../x"),
        ("name", None),
        ("length", 130),
        ("length", "129"),
        ("dtype", "<f4"),
        ("dtype", "object"),
        ("dtype", "nonsense"),
        ("dtype", ">u1"),
        ("shape", [2]),
        ("shape", [-1]),
        ("shape", []),
        ("shape", [1.0]),
        ("shape", 1),
        ("sha256", "0"),
        ("crcs", []),
        ("crcs", [0, 0]),
        ("crcs", ["0"]),
    ]
    for key, value in changes:
        with pytest.raises(DamageError, match="record of a segment is damaged"):
            SegmentRecord.from_dict({"number": 1, "files": [{**file, key: value}]})
    wrongs: list[Any] = [{}, {"number": 0, "files": []}, {"number": 1}, {"number": "1", "files": []}, []]
    for wrong in wrongs:
        with pytest.raises(DamageError, match="record of a segment is damaged"):
            SegmentRecord.from_dict(wrong)


# Blocks


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(segments, "BLOCK_BYTES", 256)
    return 256


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_rows_are_damaged_when_a_block_that_they_lie_in_is(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    row_bytes = data.draw(st.sampled_from([1, 40, 256, 300, 1000]))
    n = data.draw(st.integers(1, 30))
    root = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "BLOCK_BYTES", 256)
        array = np.random.default_rng(0).integers(0, 256, (n, row_bytes), dtype=np.uint8)
        record = write_segment(Disk(), root, 1, {"x": array})
        segment = Segment.open(root, record)
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
                    segment.check_rows("x", rows)
            else:
                segment.check_rows("x", rows)
                np.testing.assert_array_equal(segment.array("x")[rows], array[rows])
        with pytest.raises(DamageError):
            segment.check_rows("x", slice(None))


@pytest.mark.usefixtures("small_blocks")
def test_a_block_is_read_once_and_only_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_blocks: list[int] = []
    original = segments._read_block

    def counting(file: FileIO, path: Path, record: Any, block: int, memory: memoryview) -> memoryview:
        read_blocks.append(block)
        return original(file, path, record, block, memory)

    monkeypatch.setattr(segments, "_read_block", counting)
    # Rows of 64 bytes after a header of 128: rows 0 and 1 are in block 0, 2 to 5 in block 1 and so on.
    record = write_segment(Disk(), tmp_path, 1, {"x": np.zeros((40, 16), np.float32)})
    segment = Segment.open(tmp_path, record)
    assert read_blocks == []
    segment.check_rows("x", np.array([[5, 2], [39, 5]]))
    assert read_blocks == [1, 10]
    segment.check_rows("x", slice(4, 7))
    assert read_blocks == [1, 10, 2]
    segment.check_rows("x", slice(7, 7))
    segment.check_rows("x", np.empty(0, np.int64))
    segment.check_rows("x", slice(0, 2))
    assert read_blocks == [1, 10, 2, 0]
    for _ in range(2):
        segment.check_rows("x", slice(None))
    assert read_blocks == [1, 10, 2, 0, 3, 4, 5, 6, 7, 8, 9]


def test_rows_that_are_not_there_are_refused(root: Path, record: SegmentRecord) -> None:
    segment = Segment.open(root, record)
    wrongs: list[tuple[Any, str]] = [
        (np.array([-1]), "rows are -1 to -1, .*keys.npy has 40"),
        (np.array([0, 40]), "rows are 0 to 40"),
        (np.ones(40, np.bool_), "flatnonzero"),
        (slice(0, 40, 2), "step 2"),
    ]
    for rows, message in wrongs:
        with pytest.raises(InputError, match=message):
            segment.check_rows("keys", rows)
    with pytest.raises(InputError, match="no array 'other': it has codes, vectors"):
        segment.array("other")
    segment.check_rows("none", slice(None))


def test_a_block_that_the_disk_cannot_read_is_named(
    root: Path, record: SegmentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(FileIO):
        def readinto(self, memory: Any) -> int:
            if str(self.name).endswith("codes.npy"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(memory)

    segment = Segment.open(root, record)
    monkeypatch.setattr(segments, "FileIO", Failing)
    (root / FIRST / "keys.npy").write_bytes(b"")
    for reading in (lambda: segment.load("codes"), lambda: segment.check_rows("codes", slice(1))):
        with pytest.raises(DiskError, match=r"cannot read block 0 of .*codes.npy \(Input/output error\)"):
            reading()
    assert damaged(root, record) == ["codes", "keys"]


@pytest.mark.usefixtures("small_blocks")
def test_threads_share_a_segment(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((500, 16))
    record = write_segment(Disk(), tmp_path, 1, {"x": array})
    path = tmp_path / FIRST / "x.npy"
    with path.open("r+b") as file:  # block 100 has rows 199 to 200
        file.seek(100 * 256)
        file.write(b"damage")
    segment = Segment.open(tmp_path, record)

    def check(seed: int) -> bool:
        rows = np.random.default_rng(seed).integers(0, 500, 20)
        hurt = bool(np.isin(rows, [199, 200]).any())
        try:
            segment.check_rows("x", rows)
        except DamageError:
            return hurt
        return not hurt and np.array_equal(segment.array("x")[rows], array[rows])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(400)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_reads_what_its_parent_opened(root: Path, record: SegmentRecord) -> None:
    segment = Segment.open(root, record)
    segment.check_rows("keys", slice(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that BLAS may have
        child = os.fork()
    if child == 0:
        try:
            for name, array in small_arrays().items():
                segment.check_rows(name, slice(None))
                np.testing.assert_array_equal(segment.array(name), array)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    segment.check_rows("vectors", slice(None))
