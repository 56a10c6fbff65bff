"""Disks for tests: one that records, one that fails, one that is killed; and every state a power cut may leave.

What is certain after a power cut: bytes of a file that was synced since they were written, entries of a folder
that was synced since they were made, renamed or removed. Of the rest anything may be there or not.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from itertools import chain, combinations
from pathlib import Path

from bitsieve.store.disk import Disk

SECTOR = 512


@dataclass(frozen=True)
class Entry:
    """One thing that was done. path, target: relative to the root. data: what was written."""

    operation: str
    path: str
    target: str = ""
    data: bytes = b""


class RecordingDisk(Disk):
    """A disk that logs what was done below `root`, and lists the steps that were begun."""

    def __init__(self, root: Path, log: Collection[Entry] = ()) -> None:
        self.root = root
        self.log = list(log)
        self.begun: list[tuple[str, str]] = []

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        self.begun.append((operation, self._place(path)))
        with super().step(operation, path):
            yield

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self._record("make folder", path)

    def create(self, path: Path) -> FileIO:
        file = super().create(path)
        self._record("create", path)
        return file

    def write(self, file: FileIO, data: memoryview) -> None:
        super().write(file, data)
        self._record("write", Path(file.name), data=bytes(data))

    def sync(self, file: FileIO) -> None:
        super().sync(file)
        self._record("sync", Path(file.name))

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self._record("sync folder", path)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._record("rename", source, target=self._place(target))

    def remove_tree(self, path: Path) -> None:
        entries = [*sorted(path.rglob("*"), reverse=True), path]
        super().remove_tree(path)
        for entry in entries:
            self._record("remove", entry)

    def _place(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _record(self, operation: str, path: Path, target: str = "", data: bytes = b"") -> None:
        self.log.append(Entry(operation, self._place(path), target, data))


class FailingDisk(RecordingDisk):
    """A disk whose steps fail: those from `first` on, `n` of them, before they do anything or after.

    A write that fails after has written half of its bytes; creating a file only fails before.
    """

    def __init__(self, root: Path, code: int, first: int, *, n: int = 1, after: bool = False) -> None:
        super().__init__(root)
        self._code = code
        self._failing = range(first, first + n)
        self._after = after

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        failing = len(self.begun) in self._failing
        with super().step(operation, path):
            if failing and (not self._after or operation == "create"):
                raise OSError(self._code, os.strerror(self._code))
            yield
            if failing:
                raise OSError(self._code, os.strerror(self._code))

    def write(self, file: FileIO, data: memoryview) -> None:
        half = len(self.begun) in self._failing
        super().write(file, data[: len(data) // 2] if half else data)


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


class KilledDisk(RecordingDisk):
    """A disk of a process that is killed after `n` steps."""

    def __init__(self, root: Path, n: int) -> None:
        super().__init__(root)
        self._n = n

    @contextmanager
    def step(self, operation: str, path: Path) -> Iterator[None]:
        if len(self.begun) >= self._n:
            raise Killed
        with super().step(operation, path):
            yield


Tree = dict[str, bytes | None]
"""Paths below a root, each with the bytes of a file or None for a folder."""


def crash_states(log: Collection[Entry], start: int = 0) -> Iterator[Tree]:
    """What may be on the disk when the power is cut at any time after `start` entries of the log, each once."""
    seen = set()
    for n in range(start, len(log) + 1):
        for tree in states_after(list(log)[:n]):
            key = frozenset(tree.items())
            if key not in seen:
                seen.add(key)
                yield tree


def states_after(log: list[Entry]) -> Iterator[Tree]:
    """What may be on the disk when the power is cut after the last entry of the log.

    Of what no sync made certain: all lost, each lost singly, none lost, the last write torn at each sector with
    all the rest lost or none; and each of these with the uncertain renames done or not.
    """
    uncertain = _replay(log).uncertain()
    renames = [i for i in uncertain if log[i].operation == "rename"]
    others = [i for i in uncertain if log[i].operation != "rename"]
    writes = [i for i in others if log[i].operation == "write"]
    for undone in chain.from_iterable(combinations(renames, k) for k in range(len(renames) + 1)):
        for lost in ([], others, *([i] for i in others)):
            yield _replay(log, {*undone, *lost}).tree()
        for i in writes[-1:]:
            for length in range(SECTOR, len(log[i].data), SECTOR):
                torn = {i: length}
                yield _replay(log, undone, torn).tree()
                yield _replay(log, {*undone, *others} - {i, *_needed_by(log, i)}, torn).tree()


def build(tree: Tree, root: Path) -> None:
    """Make the files and folders of a tree in a new folder."""
    root.mkdir()
    for path, data in sorted(tree.items()):
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


@dataclass
class _Node:
    """A file or folder. `unsynced` are the numbers of log entries that its next sync makes certain."""

    entries: dict[str, "_Node"] | None = None
    data: bytearray = field(default_factory=bytearray)
    length: int = 0
    unsynced: list[int] = field(default_factory=list)

    def uncertain(self) -> list[int]:
        inner = [i for node in (self.entries or {}).values() for i in node.uncertain()]
        return sorted(self.unsynced + inner)

    def tree(self, prefix: str = "") -> Tree:
        found: Tree = {}
        for name, node in (self.entries or {}).items():
            found[prefix + name] = None if node.entries is not None else bytes(node.data)
            found.update(node.tree(f"{prefix}{name}/"))
        return found

    def find(self, path: str) -> "_Node | None":
        node: _Node | None = self
        for part in Path(path).parts:
            node = node.entries.get(part) if node is not None and node.entries is not None else None
        return node


def _replay(log: list[Entry], lost: Collection[int] = (), torn: dict[int, int] | None = None) -> _Node:
    """Do what the log says but for what was lost, and for the end of what was torn."""
    root = _Node({})
    not_moved: dict[str, str] = {}
    for i, entry in enumerate(log):
        # What was done in a folder after a rename that is lost, was done where the folder still is.
        path = Path(entry.path)
        for moved, place in not_moved.items():
            if path.is_relative_to(moved):
                path = place / path.relative_to(moved)
        if entry.operation == "rename" and i in lost:
            not_moved[entry.target] = path.as_posix()
        node = root.find(path.as_posix())
        parent = root.find(path.parent.as_posix())
        if entry.operation in ("sync", "sync folder"):
            if node is not None:
                node.unsynced.clear()
        elif entry.operation == "write":
            if node is not None:
                _append(node, entry.data, i, lost, torn or {})
        elif i not in lost and parent is not None and parent.entries is not None:
            parent.unsynced.append(i)
            if entry.operation == "make folder":
                parent.entries[path.name] = _Node({})
            elif entry.operation == "create":
                parent.entries[path.name] = _Node()
            elif node is not None:
                del parent.entries[path.name]
                if entry.operation == "rename":
                    parent.entries[Path(entry.target).name] = node
    return root


def _append(node: _Node, data: bytes, i: int, lost: Collection[int], torn: dict[int, int]) -> None:
    if i not in lost:
        node.unsynced.append(i)
        node.data.extend(bytes(node.length - len(node.data)))  # what was lost before reads as zeros
        node.data.extend(data[: torn.get(i, len(data))])
    node.length += len(data)


def _needed_by(log: list[Entry], i: int) -> set[int]:
    """Entries without which there is no file that entry i could write to."""
    parents = {log[i].path, *(parent.as_posix() for parent in Path(log[i].path).parents)}
    return {j for j in range(i) if log[j].operation in ("make folder", "create") and log[j].path in parents}
