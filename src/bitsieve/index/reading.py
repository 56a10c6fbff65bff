"""Reads: each of one generation, the newest when it begins."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from ..errors import MissingFileError
from ..store.catalog import Catalog
from ..store.facts import generation_of
from .snapshot import Snapshot, load

T = TypeVar("T")

ATTEMPTS = 20
"""Of a read whose files a writer sweeps away. Each failed one means that the writer has committed meanwhile."""


class Reader:
    """Reads an index. Threads may share it, and a fork goes on with it."""

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self._root, self._catalog = root, catalog
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()
        self.read(lambda connection, snapshot: None)

    def read(self, work: Callable[[apsw.Connection, Snapshot], T]) -> T:
        """What `work` returns. It gets the transaction and the snapshot of one generation, and may be called again.

        Raises: what it raises; MissingFileError when a file is gone that the newest generation needs.
        """
        for _ in range(ATTEMPTS):
            with self._catalog.reading() as connection:
                generation = generation_of(connection)
                try:
                    return work(connection, self._current(connection, generation))
                except MissingFileError as error:
                    missing = error
            with self._catalog.reading() as connection:
                if generation_of(connection) == generation:
                    break
        raise missing

    def _current(self, connection: apsw.Connection, generation: int) -> Snapshot:
        last = self._snapshot
        if last is not None and last.generation == generation:
            return last
        with self._lock:
            last = self._snapshot
            if (
                last is not None and last.generation > generation
            ):  # this transaction began before the last one's
                return load(self._root, connection, None)
            self._snapshot = load(self._root, connection, last)
            return self._snapshot
