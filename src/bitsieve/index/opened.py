"""An index that is open: its files, what reads them, and what writes them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import InputError
from ..store.facts import fact
from .calibrations import Calibrations
from .model import VectorSource
from .opening import Files
from .reading import Reader
from .watch import Watch
from .writer import Writer

if TYPE_CHECKING:
    from ..encoder import Encoder


class OpenIndex:
    """What all that is done with an open index begins with."""

    def __init__(self, files: Files) -> None:
        self.path = files.path
        self._files, self._catalog, self._source = files, files.catalog, files.source
        try:
            self._reader = Reader(files.root, files.catalog)
            self._writer = None
            if files.lock is not None:
                self._writer = Writer(files.root, files.catalog, files.disk, self._reader)
        except BaseException:
            files.close()
            raise
        self._writing, self._writing_thread = threading.Lock(), 0
        self._calibrations = Calibrations()
        self._watch: Watch | None = None

    def close(self) -> None:
        """Let go of the files, and let another writer in. A second call does nothing.

        It waits for a thread that writes, since what that does must not fall into the next writer's time.
        Raises: InputError within a call that writes, such as in its `progress`.
        """
        if self._writer is None or self._files.pid != os.getpid():
            self._files.close()
            return
        with self._turn():
            self._files.close()

    @property
    def dimension(self) -> int:
        """Of the vectors."""
        return self._source.dimension

    @property
    def embeds(self) -> bool:
        """Whether it has a model for texts and queries, or only vectors of your own."""
        return self._source.embeds

    @property
    def encoder(self) -> "Encoder":
        """The model that embeds texts and queries, loaded when it is first asked for.

        Raises: InputError when the index is of vectors of your own; ModelError; ModelMismatchError.
        """
        return self._source.encoder

    def _follow(self, source: VectorSource) -> bool:
        """Whether the index has moved to another model than the source's, to which this then moves too."""
        with self._catalog.reading() as connection:
            facts = fact(connection, "model")
        if facts["epoch"] == source.epoch:
            return False
        self._source = VectorSource(facts)
        return True

    @contextmanager
    def _alone(self) -> Iterator[Writer]:
        # Refused before it waits: in a fork nobody would let go of the lock that a thread of the parent has.
        if self._writer is None:
            raise InputError(f"{self.path} is open for reading: open it with Index.open(path, write=True)")
        if self._files.pid != os.getpid():
            raise InputError(
                f"{self.path} is written to by process {self._files.pid}, which this one was forked from"
            )
        with self._turn():
            yield self._writer

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """While no other thread writes."""
        self._refuse_within_a_turn()
        with self._writing:
            self._writing_thread = threading.get_ident()
            try:
                yield
            finally:
                self._writing_thread = 0

    def _refuse_within_a_turn(self) -> None:
        """Raise where this thread would wait for itself."""
        here = self._files.pid == os.getpid() and self._writing.locked()
        if here and self._writing_thread == threading.get_ident():
            raise InputError(f"{self.path} is being written to by this thread: repeat it when that has ended")
