"""Whenever the power is cut, a folder of arrays is whole or not at all."""

from collections.abc import Collection
from pathlib import Path

import pytest
from recording import Entry, Killed, KilledDisk, RecordingDisk, Tree, build, crash_states
from samples import FIRST, in_segments, small_arrays, two_arrays

from bitsieve.store.arrays import ArraysRecord, StoredArrays, sweep, verify_arrays, write_arrays
from bitsieve.store.disk import Disk

pytestmark = pytest.mark.usefixtures("no_syncs")


def assert_whole(tree: Tree, root: Path, records: Collection[ArraysRecord]) -> None:
    """The law: segment 1 is not there, or it is one that was written."""
    if FIRST in tree:
        build(tree, root)
        assert any(verify_arrays(root, record) == [] for record in records), sorted(tree)
        for record in records:
            if verify_arrays(root, record) == []:
                StoredArrays.open(root, record)


def recorded(root: Path) -> tuple[list[Entry], ArraysRecord]:
    disk = RecordingDisk(root)
    record = write_arrays(disk, root, "segments", 1, two_arrays())
    return disk.log, record


def test_whenever_the_power_is_cut_a_segment_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, record = recorded(tmp_path / "index")
    states = list(crash_states(log))
    assert len(states) > 50
    for i, tree in enumerate(states):
        assert_whole(tree, tmp_path / str(i), [record])


def test_after_any_power_cut_the_next_attempt_works(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, _ = recorded(tmp_path / "index")
    for i, tree in enumerate(crash_states(log)):
        root = tmp_path / str(i)
        build(tree, root)
        sweep(Disk(), root, "segments", [])
        record = write_arrays(Disk(), root, "segments", 1, two_arrays(1))
        assert verify_arrays(root, record) == []
        assert in_segments(root) == ["00000001"]


def test_a_segment_is_on_the_disk_when_writing_it_returns(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    log, record = recorded(tmp_path / "index")
    (tree,) = crash_states(log, len(log))
    assert_whole(tree, tmp_path / "after", [record])
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
                assert_whole(tree, tmp_path / f"{i}-{j}", [record])
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
            write_arrays(killed, root, "segments", 1, two_arrays())
        disk = RecordingDisk(root, killed.log)
        sweep(disk, root, "segments", [])
        new = write_arrays(disk, root, "segments", 1, one)
        assert verify_arrays(root, new) == []
        for i, tree in enumerate(crash_states(disk.log, len(killed.log))):
            assert_whole(tree, root / f"state-{i}", [old, new])
        for i, tree in enumerate(crash_states(disk.log, len(disk.log))):
            assert FIRST in tree
            assert_whole(tree, root / f"after-{i}", [new])
