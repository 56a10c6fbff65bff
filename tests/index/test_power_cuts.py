"""Whenever the power is cut, an index opens as the last commit that returned, or as the one in flight, whole."""

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from crash_documents import EVERY, LATER, D, Versions, found_in, given, problems, shrink
from power_cuts import BEGUN, DONE, Cut, Replay
from recording import Entry, Tree, build
from recording_vfs import IndexDisk, below

from bitsieve.errors import BitsieveError, FormatError
from bitsieve.index import Index
from bitsieve.store.disk import Disk
from bitsieve.store.lock import LOCK

SAMPLE = 100
"""States of each kind that are tried, unless it is EVERY one."""

State = Versions | None
"""What an index holds; None before there is one."""


class Recorded(NamedTuple):
    """A log, and what the index holds before its first call and after each. files: what was there, by entries."""

    log: list[Entry]
    states: list[State]
    files: dict[int, Tree]


def history() -> Iterator[tuple[Callable[[Index], object], dict[str, int]]]:
    """Calls that change an index, and what it holds then."""
    held: dict[str, int] = {}

    def put(new: dict[str, int]) -> tuple[Callable[[Index], object], dict[str, int]]:
        held.update(new)
        return lambda index: index.upsert(**given(new)), dict(held)

    for first in range(0, 24, 6):  # the last one merges
        yield put({f"d{i}": 1 for i in range(first, first + 6)})
    yield put({"d1": 2, "d7": 2, "d23": 2, "new": 1})
    del held["d0"], held["d23"]
    yield lambda index: index.delete(["d0", "d23"]), dict(held)
    yield put({f"m{i}": 1 for i in range(30)})  # and a codec
    for id_ in [id_ for id_, version in held.items() if version == 2]:
        del held[id_]
    yield lambda index: index.delete(where={"even": True}), dict(held)
    yield lambda index: index.compact(), dict(held)
    yield lambda index: index.refit(), dict(held)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    root = tmp_path_factory.mktemp("recorded")
    disk = IndexDisk(root)
    done = Recorded(disk.log, [None], {})
    with pytest.MonkeyPatch.context() as patch, below(disk, root):
        shrink(patch.setattr)
        disk.log.append(Entry(BEGUN, ""))
        index = Index.create(root / "index", dimension=D, n_bits=16, disk=disk)
        disk.log.append(Entry(DONE, ""))
        done.states.append({})
        for action, state in history():
            if len(done.states) == 6:
                index.close()
                index = Index.open(root / "index", write=True, disk=disk)
            disk.log.append(Entry(BEGUN, ""))
            action(index)
            disk.log.append(Entry(DONE, ""))
            done.states.append(state)
            done.files[len(disk.log)] = files_below(root)
        index.close()
        done.files[len(disk.log)] = files_below(root)
    return done


def files_below(root: Path) -> Tree:
    """What is there, but for what nothing depends on."""
    paths = [path for path in root.rglob("*") if path.name != LOCK and not path.name.endswith("-shm")]
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in paths
    }


def states_after(recorded: Recorded, share: float, start: int = 0) -> Iterator[tuple[Tree, list[State]]]:
    """Different states that a power cut after `start` entries may leave, a share of them, with what each may hold."""
    choose, seen = random.Random(0), set()
    replay, n_begun, n_done = Replay(), 0, 0
    for entry in recorded.log:
        replay.do(entry)
        n_begun += entry.operation == BEGUN
        n_done += entry.operation == DONE
        for cut in replay.cuts() if replay.n >= start else ():
            if choose.random() < share:
                tree = replay.tree(cut)
                key = hash((n_done, n_begun, *sorted(tree.items())))
                if key not in seen:
                    seen.add(key)
                    yield tree, recorded.states[n_done : n_begun + 1]


def share_of(recorded: Recorded, start: int = 0, sample: int = SAMPLE) -> float:
    """The share of cuts that makes about so many."""
    replay, n = Replay(), 0
    for entry in recorded.log:
        replay.do(entry)
        n += sum(1 for _ in replay.cuts()) if replay.n >= start else 0
    return 1 if EVERY else sample / n


def assert_committed(tree: Tree, root: Path, allowed: list[State]) -> None:
    """The law, and that one can go on from there."""
    build(tree, root)
    place, held = root / "index", None
    try:
        with Index.open(place) as index:
            held = found_in(index)
            assert held in allowed
            assert list(problems(index, held)) == []
    except FormatError:
        assert None in allowed
    with open_or_create(place, Disk()) as index:
        index.upsert(**given(LATER))
    with Index.open(place) as index:
        assert list(problems(index, {**(held or {}), **LATER})) == []
    shutil.rmtree(root)


def assert_all_committed(recorded: Recorded, share: float, root: Path, start: int = 0) -> int:
    """Returns: how many states were tried."""
    n = 0
    for tree, allowed in states_after(recorded, share, start):
        assert_committed(tree, root, allowed)
        n += 1
    return n


def open_or_create(place: Path, disk: Disk) -> Index:
    try:
        return Index.open(place, write=True, disk=disk)
    except FormatError:
        return Index.create(place, dimension=D, disk=disk)


def test_what_is_recorded_is_what_is_on_the_disk(recorded: Recorded) -> None:
    replay = Replay()
    for entry in recorded.log:
        replay.do(entry)
        if replay.n in recorded.files:
            assert replay.tree(Cut(replay.n, frozenset())) == recorded.files[replay.n]
    assert len(recorded.files) == len(recorded.states) - 1


def test_the_history_has_all_that_writing_does(recorded: Recorded) -> None:
    done = {f"{entry.operation} {Path(entry.path).name}" for entry in recorded.log}
    assert {f"sync catalog.sqlite{suffix}" for suffix in ("", "-wal", "-journal")} <= done
    assert {"remove catalog.sqlite-wal", "remove catalog.sqlite-journal", "write at generation.txt"} <= done
    renamed = [entry.path for entry in recorded.log if entry.operation == "rename"]
    assert sum(path.startswith("index/segments/0") for path in renamed) > 5  # swept
    assert "index/codecs/00000001" in renamed
    checkpoints = [
        entry.path == "index/catalog.sqlite" for entry in recorded.log if entry.operation == "sync"
    ]
    assert sum(checkpoints) > 3


def test_whenever_the_power_is_cut_the_last_commit_or_the_one_in_flight_is_there(
    recorded: Recorded, in_memory: Path, record_property: Callable[[str, object], None]
) -> None:
    n = assert_all_committed(recorded, share_of(recorded), in_memory / "state")
    record_property("power_cuts", n)
    assert n > SAMPLE / 3


def test_a_journal_that_comes_back_is_no_index(recorded: Recorded, in_memory: Path) -> None:
    replay, removal = Replay(), 0
    for entry in recorded.log:
        replay.do(entry)
        if (entry.operation, entry.path) == ("remove", "index/catalog.sqlite-journal"):
            removal = replay.n
        elif removal and entry.operation == "sync folder":
            break
        if removal:
            assert_committed(
                replay.tree(Cut(replay.n, frozenset([removal - 1]))), in_memory / "state", [None]
            )
    assert replay.n > removal > 0


def test_the_same_holds_when_the_writer_was_killed_before_and_another_goes_on(
    recorded: Recorded, in_memory: Path, record_property: Callable[[str, object], None]
) -> None:
    def all_written(i: int) -> bool:
        """A commit is in the -wal whole, and not yet synced."""
        return recorded.log[i].operation == "sync" and recorded.log[i].path == "index/catalog.sqlite-wal"

    moments = [i for i in range(1, len(recorded.log)) if all_written(i) or EVERY]
    n = 0
    for moment in moments:
        goes_on = after_a_kill(recorded, moment, in_memory / "killed")
        share = 0.005 if EVERY else share_of(goes_on, moment, SAMPLE // len(moments))
        n += assert_all_committed(goes_on, share, in_memory / "state", moment)
    record_property("power_cuts", n)
    assert n > SAMPLE / 3


def after_a_kill(recorded: Recorded, moment: int, root: Path) -> Recorded:
    """What another writer does where the recorded one was killed after so many entries."""
    log, replay = recorded.log[:moment], Replay()
    for entry in log:
        replay.do(entry)
    build(replay.tree(Cut(moment, frozenset())), root)
    n_begun = sum(entry.operation == BEGUN for entry in log)
    n_done = sum(entry.operation == DONE for entry in log)
    disk = IndexDisk(root, log)
    with below(disk, root), open_or_create(root / "index", disk) as index:
        held = {**found_in(index), **LATER}
        disk.log.append(Entry(BEGUN, ""))
        index.upsert(**given(LATER))
        disk.log += [Entry(DONE, "")] * (n_begun + 1 - n_done)
    shutil.rmtree(root)
    return Recorded(disk.log, [*recorded.states[: n_begun + 1], held], {})


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("sync", r"catalog\.sqlite-wal"),
        ("sync", r"catalog\.sqlite"),
        ("sync", r"keys\.npy"),
        ("sync folder", r"tmp-\w+"),
        ("sync folder", "segments"),
        ("sync folder", "index"),
        ("sync folder", ""),
    ],
)
def test_without_these_syncs_the_law_breaks(
    recorded: Recorded, in_memory: Path, operation: str, path: str
) -> None:
    def kept(entry: Entry) -> bool:
        return entry.operation != operation or not re.fullmatch(path, Path(entry.path).name)

    log = [entry for entry in recorded.log if kept(entry)]
    assert len(log) < len(recorded.log)
    without = recorded._replace(log=log)
    with pytest.raises((AssertionError, BitsieveError)):
        assert_all_committed(without, share_of(without, sample=10 * SAMPLE), in_memory / "state")
