"""No damage of a file goes unnoticed."""

import errno
import os
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import FIRST, damaged, read, small_arrays

from bitsieve.errors import DamageError, DiskError, MissingFileError
from bitsieve.store.arrays import ArraysRecord, StoredArrays, mapped, sweep, write_arrays
from bitsieve.store.disk import Disk

pytestmark = pytest.mark.usefixtures("no_syncs")


def test_arrays_begin_on_a_cache_line_and_a_mapped_one_cannot_be_written(tmp_path: Path) -> None:
    stored = StoredArrays.open(tmp_path, write_arrays(Disk(), tmp_path, "segments", 1, small_arrays()))
    for name in small_arrays():
        assert stored.array(name).ctypes.data % 64 == stored.load(name).ctypes.data % 64 == 0
    with pytest.raises(ValueError, match="read-only"):
        stored.array("keys")[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        stored.array("keys").flags.writeable = True


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_arrays(Disk(), tmp_path, "segments", 1, small_arrays())
    return tmp_path


@pytest.fixture
def record(tmp_path_factory: pytest.TempPathFactory) -> ArraysRecord:
    return write_arrays(Disk(), tmp_path_factory.mktemp("twin"), "segments", 1, small_arrays())


@pytest.mark.parametrize("name", small_arrays())
def test_a_flipped_bit_at_every_byte_is_noticed(root: Path, record: ArraysRecord, name: str) -> None:
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
def test_every_bit_of_a_header_is_noticed_when_a_folder_is_opened(
    root: Path, record: ArraysRecord, bit: int
) -> None:
    path = root / FIRST / "keys.npy"
    original = path.read_bytes()
    for place in range(128):
        path.write_bytes(original[:place] + bytes([original[place] ^ 1 << bit]) + original[place + 1 :])
        with pytest.raises(DamageError, match="does not begin as an array of <i8"):
            StoredArrays.open(root, record)


@pytest.mark.parametrize("length", [0, 1, 9, 127, 128, 129, 191, 447, 448, 449, 640, 1000])
def test_a_file_that_is_shorter_or_longer_is_noticed(root: Path, record: ArraysRecord, length: int) -> None:
    path = root / FIRST / "keys.npy"
    stored = StoredArrays.open(root, record)
    data = path.read_bytes()
    assert len(data) == 448
    path.write_bytes((data + bytes(1000))[:length])
    if length == 448:
        assert damaged(root, record) == []
        return
    assert damaged(root, record) == ["keys"]
    for reading in (
        lambda: StoredArrays.open(root, record),
        lambda: stored.load("keys"),
        lambda: stored.check_rows("keys", slice(None)),
    ):
        with pytest.raises(DamageError, match=rf"keys.npy has {length:,} bytes, expected 448"):
            reading()


def test_a_file_or_folder_that_is_missing_is_noticed(root: Path, record: ArraysRecord) -> None:
    stored = StoredArrays.open(root, record)
    (root / FIRST / "codes.npy").unlink()
    assert damaged(root, record) == ["codes"]
    for reading in (
        lambda: StoredArrays.open(root, record),
        lambda: stored.load("codes"),
        lambda: stored.check_rows("codes", slice(1)),
    ):
        with pytest.raises(MissingFileError, match=r"codes\.npy is missing"):
            reading()
    (root / FIRST).rename(root / "away")
    assert damaged(root, record) == list(small_arrays())


def test_files_in_each_others_place_are_noticed(root: Path, record: ArraysRecord) -> None:
    one, other = root / FIRST / "vectors.npy", root / FIRST / "pivot_vectors.npy"
    stored = StoredArrays.open(root, record)
    one.rename(root / "aside")
    other.rename(one)
    (root / "aside").rename(other)
    assert damaged(root, record) == ["vectors", "pivot_vectors"]
    for name in ("vectors", "pivot_vectors"):
        with pytest.raises(DamageError, match="block 0"):
            read(root, record, name)
        with pytest.raises(DamageError, match="was replaced while it was open"):
            stored.check_rows(name, np.array([0]))


def test_a_file_of_another_array_or_a_pickle_is_never_read(root: Path, record: ArraysRecord) -> None:
    path = root / FIRST / "keys.npy"
    for other in (np.arange(40, dtype=">i8"), np.arange(40.0), np.arange(40).reshape(4, 10)):
        np.save(path, other)
        assert path.stat().st_size == 448
        with pytest.raises(DamageError, match="does not begin"):
            StoredArrays.open(root, record)
    np.save(path, np.array([{}] * 40), allow_pickle=True)
    with pytest.raises(DamageError):
        StoredArrays.open(root, record)


def test_a_record_of_other_content_is_noticed(root: Path, record: ArraysRecord) -> None:
    keys = record.files[3]
    others = [
        replace(keys, dtype="<f8"),
        replace(keys, shape=(20, 2)),
        replace(keys, sha256="0" * 64),
        replace(keys, crcs=bytes(4)),
    ]
    for other in others:
        changed = replace(record, files=(*record.files[:3], other))
        assert damaged(root, changed) == ["keys"]
        if other.sha256 == keys.sha256:
            with pytest.raises(DamageError):
                read(root, changed, "keys")


def test_a_block_that_the_disk_cannot_read_is_named(
    root: Path, record: ArraysRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(FileIO):
        def readinto(self, memory: Any) -> int:
            if str(self.name).endswith("codes.npy"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(memory)

    stored = StoredArrays.open(root, record)
    monkeypatch.setattr(mapped, "FileIO", Failing)
    (root / FIRST / "keys.npy").write_bytes(b"")
    for reading in (lambda: stored.load("codes"), lambda: stored.check_rows("codes", slice(1))):
        with pytest.raises(DiskError, match=r"cannot read block 0 of .*codes.npy \(Input/output error\)"):
            reading()
    assert damaged(root, record) == ["codes", "keys"]


def test_a_folder_that_a_writer_swept_is_missing_and_not_damaged(root: Path, record: ArraysRecord) -> None:
    sweep(Disk(), root, "segments", [])
    with pytest.raises(MissingFileError, match=r"00000001/codes\.npy is missing"):
        StoredArrays.open(root, record)
