"""Backups: a copy is one generation, whole and checked, whatever a writer does meanwhile; or it is not there."""

import errno
import os
import threading
from pathlib import Path

import apsw
import numpy as np
import pytest
from plain_index import unit_vectors
from small_index import ask, build_index, contents

from bitsieve.errors import DamageError, DiskError, InputError
from bitsieve.index import Index, backup
from bitsieve.store.catalog import Catalog
from bitsieve.store.disk import Disk

D = 16


def test_a_backup_answers_as_the_index_and_is_one_to_write_to(tmp_path: Path) -> None:
    build_index(tmp_path / "own")
    with Index.open(tmp_path / "own") as index, Index.open(tmp_path / "own") as reader:
        generation = reader.backup(tmp_path / "copy")
        with Index.open(tmp_path / "copy") as copy:
            assert ask(copy) == ask(index)
            assert copy.stats().generation == generation == index.stats().generation
            assert copy.verify() == []
    with Index.open(tmp_path / "copy", write=True) as copy:
        copy.add(["one more"], ids=["new"], vectors=unit_vectors(1, D, 9))
        copy.compact()
        assert copy.verify() == []
        assert "new" in copy
    with Index.open(tmp_path / "own") as index:
        assert "new" not in index


def test_a_backup_has_files_of_the_generation_alone(tmp_path: Path) -> None:
    build_index(tmp_path / "own")
    with Index.open(tmp_path / "own", write=True) as index:
        index.backup(tmp_path / "copy")
        ours, theirs = contents(tmp_path / "own"), contents(tmp_path / "copy")
    assert set(ours) - set(theirs) <= {"writer.lock", "catalog.sqlite-wal", "catalog.sqlite-shm"}
    assert {name: data for name, data in theirs.items() if name != "catalog.sqlite"}.items() <= ours.items()
    checks = apsw.Connection(str(tmp_path / "copy" / "catalog.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
    assert checks.pragma("journal_mode") == "wal"
    assert checks.reserve_bytes(None, -1) == 8
    checks.close()


@pytest.mark.usefixtures("small_segments")
def test_each_backup_during_writes_is_one_generation_whole(tmp_path: Path) -> None:
    """Generation g holds exactly the documents 0 … 10 · (g − 1); commits merge segments and sweep what they replace."""
    vectors = unit_vectors(2_000, D, 3)
    done = threading.Event()

    def write() -> None:
        with Index.open(tmp_path / "own", write=True) as index:
            for start in range(0, 2_000, 10):
                if done.is_set():
                    return
                ids = list(range(start, start + 10))
                index.add([f"text {i}" for i in ids], ids=ids, vectors=vectors[start : start + 10])

    Index.create(tmp_path / "own", dimension=D, n_bits=16).close()
    writer = threading.Thread(target=write)
    writer.start()
    seen = list[int]()
    try:
        with Index.open(tmp_path / "own") as index:
            while len(set(seen)) < 8 and writer.is_alive():
                seen.append(index.backup(tmp_path / f"copy-{len(seen)}"))
    finally:
        done.set()
        writer.join()
    for number, generation in enumerate(seen):
        with Index.open(tmp_path / f"copy-{number}") as copy:
            n = 10 * (generation - 1)
            assert copy.stats().generation == generation
            assert copy.verify() == []
            assert len(copy) == copy.stats().n_passages == n
            assert {document.text for document in copy.get(range(n)) if document} == {
                f"text {i}" for i in range(n)
            }
            for hits, i in zip(copy.search_batch(vectors=vectors[:n:7], k=1), range(0, n, 7), strict=True):
                assert (hits[0].id, hits[0].text) == (str(i), f"text {i}")
    assert len(set(seen)) == 8
    assert seen == sorted(seen)
    assert not list(tmp_path.glob("*.tmp"))


def test_what_a_writer_sweeps_away_during_a_backup_is_copied_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(tmp_path / "own")
    copy_arrays = backup._copy_arrays

    def compact_first(disk: Disk, root: Path, stage: Path, sources: list[backup._Source]) -> None:
        with Index.open(root, write=True) as index:
            index.compact()
        assert not any(
            (root / source.place).exists() for source in sources if source.place.parts[0] == "segments"
        )
        copy_arrays(disk, root, stage, sources)

    with Index.open(tmp_path / "own") as index:
        before = ask(index)
        monkeypatch.setattr(backup, "_copy_arrays", compact_first)
        index.backup(tmp_path / "copy")
    with Index.open(tmp_path / "copy") as copy:
        assert ask(copy) == before
        assert copy.verify() == []


def test_a_backup_never_takes_the_place_of_anything(tmp_path: Path) -> None:
    build_index(tmp_path / "own")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with Index.open(tmp_path / "own") as index:
        for name in ("file", "folder", "link", "own"):
            with pytest.raises(InputError, match="exists"):
                index.backup(tmp_path / name)
        with pytest.raises(InputError, match="lies in the index"):
            index.backup(tmp_path / "own" / "copy")
        with pytest.raises(DiskError, match="check the path"):
            index.backup(tmp_path / "no" / "copy")
    assert {path.name for path in tmp_path.iterdir()} == {"own", "file", "folder", "link"}


@pytest.mark.parametrize(
    "file", ["segments/00000001/vectors.npy", "codecs/00000001/rotation.npy", "catalog.sqlite"]
)
def test_damage_is_noticed_and_not_copied(tmp_path: Path, file: str) -> None:
    build_index(tmp_path / "own")
    path = tmp_path / "own" / file
    data = bytearray(path.read_bytes())
    with Index.open(tmp_path / "own") as index:
        data[len(data) * 3 // 4] ^= 1
        path.write_bytes(data)
        with pytest.raises(DamageError, match=path.name):
            index.backup(tmp_path / "copy")
    assert {path.name for path in tmp_path.iterdir()} == {"own"}


class FullDisk(Disk):
    """Has no room any more after so many steps."""

    def __init__(self, room: int) -> None:
        self.room = room

    def step(self, operation: str, path: Path):  # type: ignore[no-untyped-def]
        self.room -= 1
        if self.room < 0 and operation != "remove":
            with super().step(operation, path):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().step(operation, path)


def test_without_room_there_is_no_backup_and_the_next_one_works(tmp_path: Path) -> None:
    build_index(tmp_path / "own")
    disk, refused = FullDisk(10**9), list[DiskError]()
    with Index.open(tmp_path / "own", disk=disk) as index:
        for room in range(0, 1_000, 4):
            disk.room = room
            try:
                index.backup(tmp_path / "copy")
            except DiskError as error:
                refused.append(error)
            if (
                tmp_path / "copy"
            ).exists():  # also where the sync of the folder above fails, after the rename
                break
            assert {path.name for path in tmp_path.iterdir()} == {"own"}
    assert len(refused) > 8
    assert all("free space" in str(error) for error in refused)
    with Index.open(tmp_path / "copy") as copy:
        assert copy.verify() == []


def test_an_empty_index_and_one_in_a_folder_nobody_may_write_to_can_be_backed_up(tmp_path: Path) -> None:
    Index.create(tmp_path / "own", dimension=D).close()
    (tmp_path / "own").chmod(0o500)
    try:
        with Index.open(tmp_path / "own") as index:
            index.backup(tmp_path / "copy")
    finally:
        (tmp_path / "own").chmod(0o700)
    with Index.open(tmp_path / "copy", write=True) as copy:
        assert len(copy) == 0
        copy.add(["a"], vectors=np.eye(1, D, dtype=np.float32))
        assert copy.search("a", mode="keyword")[0].id == "1"


def test_the_catalog_of_a_backup_is_noted_as_its_own(tmp_path: Path) -> None:
    build_index(tmp_path / "own")
    with Index.open(tmp_path / "own") as index:
        index.backup(tmp_path / "copy")
    (tmp_path / "copy" / "catalog.sqlite").unlink()
    with pytest.raises(DamageError, match="missing"):
        Catalog(tmp_path / "copy", Disk(), writable=False)
