"""What is done to an index on a disk that fails, and each fault that the disk may have."""

import errno
import random
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from crash_documents import EVERY, Versions, given, problems
from recording import FailingDisk
from recording_vfs import below, kind_of

from bitsieve.errors import DiskError
from bitsieve.index import Index
from bitsieve.store.catalog import Catalog
from bitsieve.store.disk import Disk
from bitsieve.store.facts import records

CODES = (errno.EIO, errno.ENOSPC)
LONGEST_SECONDS = 5.0
HELD = {f"d{i}": 1 for i in range(18)}
MANY = {f"m{i}": 1 for i in range(30)}
ONE, SIX = {"one": 1}, {f"six{i}": 1 for i in range(6)}
NEW = {"d3": 2, "d9": 2, **{f"new{i}": 1 for i in range(4)}}


class Call(NamedTuple):
    """Something that is done to an index. base: which one. before, after: what it holds."""

    base: str
    do: Callable[[Index], object]
    before: Versions
    after: Versions


def without(versions: Versions, *ids: str) -> Versions:
    return {id_: version for id_, version in versions.items() if id_ not in ids}


CALLS = {
    "add": Call("one segment", lambda index: index.add(**given(ONE)), HELD, {**HELD, **ONE}),
    "add, merging": Call("segments", lambda index: index.add(**given(SIX)), HELD, {**HELD, **SIX}),
    "add, with a codec": Call("segments", lambda index: index.add(**given(MANY)), HELD, {**HELD, **MANY}),
    "upsert": Call("segments", lambda index: index.upsert(**given(NEW)), HELD, {**HELD, **NEW}),
    "delete": Call("segments", lambda index: index.delete(["d1", "d17"]), HELD, without(HELD, "d1", "d17")),
    "compact": Call("segments", lambda index: index.compact(), HELD, HELD),
    "refit": Call("codec", lambda index: index.refit(), {**HELD, **MANY}, {**HELD, **MANY}),
}


class Fault(NamedTuple):
    """n steps fail from `step` on, before they do anything or after."""

    step: int
    code: int
    n: int
    after: bool


class FaultyDisk(FailingDisk):
    """A disk with a fault, until it is repaired."""

    def __init__(self, root: Path, fault: Fault) -> None:
        super().__init__(root, fault.code, fault.step, n=fault.n, after=fault.after)

    def repair(self) -> None:
        self._failing = range(0)


NO_FAULT = Fault(0, 0, 0, False)
Attempt = Callable[[FaultyDisk, Fault], range]
"""Tries something with a disk that may fail. Returns: the numbers of the steps that may."""


def try_each_fault(base: Path | None, place: Path, after: Versions, attempt: Attempt) -> int:
    """Attempt something with a disk that is well, and with each fault, each time on a copy of the base.

    after: what the index has to hold in the end.
    Returns: how many faults there were.
    """

    def try_once(fault: Fault) -> list[tuple[int, str]]:
        if base is not None:
            shutil.copytree(base, place)
        disk = FaultyDisk(place.parent, fault)
        with below(disk, place.parent):
            steps = attempt(disk, fault)
        assert_nothing_half(place, after)
        shutil.rmtree(place)
        return [(step, kind_of(*disk.begun[step])) for step in steps]

    every = list(faults(try_once(NO_FAULT)))
    for fault in every:
        try_once(fault)
    return len(every)


def faults(steps: list[tuple[int, str]]) -> Iterator[Fault]:
    """All that may happen to steps; or, of steps of one kind, one before and one after it."""
    choose, numbers = random.Random(0), defaultdict(list)
    for number, kind in steps:
        numbers[kind].append(number)
    for of_kind in numbers.values():
        for after in (False, True):
            every = [
                Fault(number, code, n, after) for number in of_kind for code in CODES for n in (1, 1_000_000)
            ]
            yield from every if EVERY else [choose.choice(every)]


def error_of(do: Callable[[], object], fault: Fault) -> DiskError | None:
    """The error that a call ends with, soon, if it does. Any but a DiskError that says why is passed on."""
    started, error = time.monotonic(), None
    try:
        do()
    except DiskError as caught:
        error = caught
    assert time.monotonic() - started < LONGEST_SECONDS, fault
    if error is not None:
        assert error.errno in (fault.code, errno.EIO, errno.EACCES), fault  # the latter two in SQLite's words
        assert re.match(r"cannot [a-z ]+ /", str(error)), fault
    return error


def assert_nothing_half(place: Path, versions: Versions) -> None:
    """The documents are there, and no files that nothing names."""
    with Index.open(place, write=True) as index:
        assert list(problems(index, versions)) == []
    with closing(Catalog(place, Disk(), writable=False)) as catalog, catalog.reading() as connection:
        named = {record.folder for record in records(connection)}
    folders = [*place.glob("segments/*"), *place.glob("codecs/*")]
    assert {folder.relative_to(place).as_posix() for folder in folders} == named
