"""Every state that a power cut may leave, of a log of what was written to arrays and by SQLite.

What is certain: bytes of a file that was synced since they were written, entries of a folder that was synced since
they were made, renamed or removed. Of the rest anything may be there or not, in any order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from recording import SECTOR, Entry, Tree
from recording_vfs import Placed

BEGUN, DONE = "begun", "done"
"""Entries that the writer of a log adds: what it calls has begun, or has returned."""


class Cut(NamedTuple):
    """A power cut after n entries of a log. lost: entries without effect. torn: of one entry, the bytes that came."""

    n: int
    lost: frozenset[int]
    torn: tuple[int, int] | None = None


@dataclass(eq=False)
class _Node:
    """A file, or a folder where `entries` are not None, as it is certain to be. `uncertain` numbers what is not."""

    entries: "dict[str, _Node] | None" = None
    data: bytearray = field(default_factory=bytearray)
    length: int = 0
    uncertain: list[int] = field(default_factory=list)


class Replay:
    """The disk while a log is done again, entry by entry."""

    def __init__(self) -> None:
        self.n = 0
        self._root = _Node({})
        self._places = {PurePosixPath("."): self._root}
        self._done: list[Entry] = []
        self._nodes: list[_Node | None] = []
        """What an entry made, renamed or wrote to."""

    def do(self, entry: Entry) -> None:
        """Do the next entry."""
        path, i = PurePosixPath(entry.path), self.n
        node = self._places.get(path)
        if entry.operation in ("make folder", "create"):
            node = _Node({} if entry.operation == "make folder" else None)
            self._places[path] = node
            self._places[path.parent].uncertain.append(i)
        elif entry.operation == "rename":
            self._move(path, PurePosixPath(entry.target))
            self._places[path.parent].uncertain.append(i)
        elif entry.operation == "remove":
            del self._places[path]
            self._places[path.parent].uncertain.append(i)
        elif entry.operation in ("write", "write at", "truncate") and node is not None:
            if entry.operation == "write":
                entry = Placed("write at", entry.path, data=entry.data, offset=node.length)
            node.length = _end(entry) if entry.operation == "truncate" else max(node.length, _end(entry))
            node.uncertain.append(i)
        self._done.append(entry)
        self._nodes.append(node)
        self.n += 1
        if entry.operation in ("sync", "sync folder") and node is not None:
            for j in node.uncertain:
                self._apply(j, node.data if node.entries is None else node.entries, None)
            node.uncertain.clear()

    def cuts(self) -> Iterator[Cut]:
        """What may be lost now: nothing, all, each entry singly, all others; the last write torn at each sector."""
        uncertain = sorted({i for node in self._nodes_left() for i in node.uncertain})
        everything = frozenset(uncertain)
        yield Cut(self.n, frozenset())
        if not uncertain:
            return
        yield Cut(self.n, everything)
        for i in uncertain:
            yield Cut(self.n, frozenset([i]))
            yield Cut(self.n, everything - {i})
        last = next((i for i in reversed(uncertain) if self._done[i].data), None)
        if last is not None:
            for length in _sectors(self._done[last]):
                yield Cut(self.n, frozenset(), (last, length))
                yield Cut(self.n, everything - {last}, (last, length))

    def tree(self, cut: Cut) -> Tree:
        """What is on the disk after a cut that is possible now."""
        return dict(self._below(self._root, "", cut))

    def _below(self, folder: _Node, prefix: str, cut: Cut) -> Iterator[tuple[str, bytes | None]]:
        entries = dict(folder.entries or {})
        for i in folder.uncertain:
            if i not in cut.lost:
                self._apply(i, entries, cut)
        for name, node in entries.items():
            if node.entries is not None:
                yield prefix + name, None
                yield from self._below(node, f"{prefix}{name}/", cut)
            else:
                data = bytearray(node.data)
                for i in node.uncertain:
                    if i not in cut.lost:
                        self._apply(i, data, cut)
                yield prefix + name, bytes(data)

    def _apply(self, i: int, to: "bytearray | dict[str, _Node]", cut: Cut | None) -> None:
        entry, node = self._done[i], self._nodes[i]
        if isinstance(to, dict):
            names = [name for name, other in to.items() if other is node]
            for name in names:
                del to[name]
            if node is not None and entry.operation in ("create", "make folder"):
                to[PurePosixPath(entry.path).name] = node
            elif node is not None and entry.operation == "rename" and names:
                to[PurePosixPath(entry.target).name] = node
        elif isinstance(entry, Placed):
            data = entry.data
            if cut is not None and cut.torn is not None and cut.torn[0] == i:
                data = data[: cut.torn[1]]
            to.extend(bytes(max(0, entry.offset - len(to))))  # what was lost before reads as zeros
            if entry.operation == "truncate":
                del to[entry.offset :]
            else:
                to[entry.offset : entry.offset + len(data)] = data

    def _move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        for path in list(self._places):
            if path == source or source in path.parents:
                self._places[target / path.relative_to(source)] = self._places.pop(path)

    def _nodes_left(self) -> Iterator[_Node]:
        """Those that are there, and those that are again when their removal is lost."""
        folders = list(self._places.values())
        while folders:
            node = folders.pop()
            yield node
            folders.extend((node.entries or {}).values())


def _sectors(entry: Entry) -> range:
    """How many bytes of a write there are before each boundary of sectors in it."""
    offset = entry.offset if isinstance(entry, Placed) else 0
    return range(SECTOR - offset % SECTOR, len(entry.data), SECTOR)


def _end(entry: Entry) -> int:
    return (entry.offset if isinstance(entry, Placed) else 0) + len(entry.data)
