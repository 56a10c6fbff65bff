"""A writer that is killed, and a judge of what it leaves.

A process is forked that calls what `plan` says, and writes into a pipe before and after each call. SIGKILL ends it: by
its own hand where a step of writing begins or has ended, of arrays and of SQLite alike, or by its parent's.
"""

import json
import mmap
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from crash_documents import D, Versions, found_in, given, problems, shrink
from recording_vfs import below, kind_of

from bitsieve.errors import FormatError
from bitsieve.index import Index
from bitsieve.store.disk import Disk

CALLS = 10
MOST_DOCUMENTS = 90
HANGS_SECONDS = 60
"""A writer that has not come to its end by then never does."""

State = Versions | None
"""What an index holds; None before there is one."""


class ViolationError(Exception):
    """What was found is not what was committed."""


class Call(NamedTuple):
    """A method of the index, or "create" or "reopen", and what the index holds after it."""

    name: str
    arguments: dict[str, Any]
    after: Versions


class Moment(NamedTuple):
    """When to be killed: where the n-th step of a name begins, or when it has ended."""

    step: str
    ended: bool
    n: int


class Ended(NamedTuple):
    """How a writer ended.

    code: as of its process, -9 when it was killed. step, ended: the last that began, and whether it did end.
    allowed: what the index may hold now. counts: of the steps, when it came to its end. error: that it ended in.
    """

    code: int
    step: str
    ended: bool
    allowed: list[State]
    counts: dict[str, int]
    error: str


def plan(seed: int, held: State) -> Iterator[Call]:
    """The calls of a writer that finds this."""
    choose = random.Random(seed)
    if held is None:
        yield Call("create", {}, held := {})
    for number in range(CALLS):
        new = {f"{seed}-{number}-{i}": 1 for i in range(choose.choice([1, 2, 4, 30]))}
        some = choose.sample(list(held), min(len(held), choose.choice([1, 3, 10])))
        name = choose.choice(["add", "add", "add", "upsert", "delete", "where", "compact", "refit", "reopen"])
        if len(held) > MOST_DOCUMENTS:
            name, some = "delete", list(held)[10:]
        if name == "add":
            held = {**held, **new}
            yield Call("add", given(new), held)
        elif name == "upsert":
            replaced = {**new, **{id_: held[id_] + 1 for id_ in some}}
            held = {**held, **replaced}
            yield Call("upsert", given(replaced), held)
        elif name == "delete":
            held = {id_: version for id_, version in held.items() if id_ not in some}
            yield Call("delete", {"ids": some}, held)
        elif name == "where":
            held = {id_: version for id_, version in held.items() if version % 2}
            yield Call("delete", {"where": {"even": True}}, held)
        else:
            yield Call(name, {}, held)


def run_writer(root: Path, seed: int, held: State, moment: Moment | float | None) -> Ended:
    """Fork a writer, and wait until it is killed at a moment, or after so many seconds, or has done everything.

    root: of the index's folder. held: what the index holds.
    """
    last_step = mmap.mmap(-1, 200)
    outcome, pipe = os.pipe()
    child = os.fork()
    if not child:
        try:
            disk = _KillingDisk(root, moment if isinstance(moment, Moment) else None, last_step)
            _write(root, seed, held, disk, pipe)
            os.write(pipe, json.dumps({"counts": disk.counts}).encode())
        except BaseException:
            os.write(pipe, json.dumps({"error": traceback.format_exc()}).encode())
        finally:
            os._exit(0)
    os.close(pipe)
    if isinstance(moment, float):
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(outcome, "rb") as reader:
        calls, brace, last = reader.read().decode().partition("{")
    status = os.waitpid(child, 0)[1]
    states = [held, *(call.after for call in islice(plan(seed, held), calls.count("(")))]
    step, ended = json.loads(last_step[:].strip(b"\0 ") or b'["", true]')
    return Ended(
        code=os.waitstatus_to_exitcode(status),
        step=step,
        ended=ended,
        allowed=states[calls.count(")") :],
        **{"counts": {}, "error": "", **json.loads(brace + last or "{}")},
    )


def judge(place: Path, allowed: list[State], new: Versions | None = None) -> State:
    """What an index holds that a writer left. new: documents that are added then, where it is to be written to.

    Raises: ViolationError, or whatever else it ends in, when it is not as it has to be.
    """
    try:
        index = Index.open(place, write=new is not None)
    except FormatError:
        if None not in allowed:
            raise
        if new is None:
            return None
        index, found = Index.create(place, dimension=D, n_bits=16), None
    else:
        found = found_in(index)
        if found not in allowed:
            raise ViolationError(f"found {found}, expected one of {allowed}")
    with index:
        _expect(index, found or {})
        if new is not None:
            index.upsert(**given(new))
            _expect(index, {**(found or {}), **new})
    return found


def _expect(index: Index, versions: Versions) -> None:
    for problem in problems(index, versions):
        raise ViolationError(problem)


def _write(root: Path, seed: int, held: State, disk: "_KillingDisk", pipe: int) -> None:
    signal.alarm(HANGS_SECONDS)
    shrink(setattr)
    place = root / "index"
    with below(disk, root):
        index = None if held is None else Index.open(place, write=True, disk=disk)
        for call in plan(seed, held):
            os.write(pipe, b"(")
            if index is None:
                index = Index.create(place, dimension=D, n_bits=16, disk=disk)
            elif call.name == "reopen":
                index.close()
                index = Index.open(place, write=True, disk=disk)
            else:
                getattr(index, call.name)(**call.arguments)
            os.write(pipe, b")")
        if index is not None:
            index.close()


class _KillingDisk(Disk):
    """A disk of a process that kills itself at a moment, and says in shared memory where it is."""

    def __init__(self, root: Path, moment: Moment | None, last_step: mmap.mmap) -> None:
        self.root, self.moment, self.last_step = root, moment, last_step
        self.counts: Counter[str] = Counter()

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        name = kind_of(operation, path.relative_to(self.root).as_posix())
        self.counts[name] += 1
        self._is_at(name, False)
        with super().step(operation, path):
            yield
        self._is_at(name, True)

    def _is_at(self, name: str, ended: bool) -> None:
        self.last_step[:] = json.dumps([name, ended]).ljust(200).encode()
        if self.moment == (name, ended, self.counts[name]):
            os.kill(os.getpid(), signal.SIGKILL)
