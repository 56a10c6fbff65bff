"""The catalog: an SQLite database of everything but arrays, and what counts as committed.

    catalog.sqlite (-wal, -shm)   a WAL database; every page ends in a checksum that is verified when it is read
    generation.txt                the last committed generation and the index's identity, so that a catalog which is
                                  older, or another's, is noticed

A write is one transaction. A read is one too, so it sees one generation whatever a writer does meanwhile.
Connections belong to one thread; each gets its own when it first asks, and another after a fork.
"""

import os
import secrets
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from ..errors import DamageError, DiskError, FormatError, InputError
from . import trigrams
from .connections import Immutable, check_unused, connect, connect_to_read, connect_to_write, prepare
from .disk import Disk, status_of
from .facts import fact, generation_of, set_fact
from .forks import let_go_at_forks, using_sqlite
from .migrations import VERSION, migrate, version_of
from .noted import GENERATION, last_noted, note_generation
from .sqlite_errors import CATALOG, explained_sql
from .wal import check_base


class Catalog:
    """An open catalog. Threads may share it, and a fork goes on with it.

    Raises: FormatError where there is none; NewerFormatError; DamageError; DiskError when the system refuses.
    """

    def __init__(self, root: Path, disk: Disk, *, writable: bool) -> None:
        self.path = root / CATALOG
        self.writable = writable
        self._disk = disk
        self._own: dict[int, tuple[apsw.Connection, threading.RLock]] = {}
        self._closed = False
        self._immutable: Immutable | None = None
        self._identity = ""
        # Where nobody closes it: what is registered with a connection holds it too, so it would never be let go.
        weakref.finalize(self, _close_all, self._own).atexit = False
        let_go_at_forks(self)
        noted, identity = last_noted(root)  # first, so that no commit comes between
        status = status_of(self.path)
        if noted and not (status and status.st_size):
            raise DamageError(f"{self.path} is missing or empty: restore the whole folder from a backup")
        if status is None:
            raise FormatError(
                f"{root} holds no index: make one (bitsieve index, Index.create), or check the path"
            )
        self._opened = status
        with self.reading() as connection:
            check_base(connection, self.path, _stamp_of)
            generation, self._identity = _stamp_of(connection)
        if noted and identity != self._identity:
            raise DamageError(
                f"{self.path} is of another index than {GENERATION}: restore the whole folder from a backup"
            )
        if generation < noted:
            raise DamageError(
                f"{self.path} is at generation {generation}, {GENERATION} beside it says {noted} was committed: "
                "restore the whole folder from a backup, or remove that file to go on with the older state"
            )

    @classmethod
    def create(cls, root: Path, disk: Disk, facts: dict[str, Any], tokenizer: str) -> "Catalog":
        """Make the catalog of a new index; the caller holds the writer's lock.

        facts: JSON values that hold for the whole index. tokenizer: FTS5's, in its own words.
        Raises: InputError when there is one already; DiskError when the system refuses.
        """
        path = root / CATALOG
        with using_sqlite(), explained_sql(path):
            connection = connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            try:
                check_unused(connection, path)  # another may have made one since it was looked for
                prepare(connection)
                connection.execute("BEGIN IMMEDIATE")
                migrate(connection)
                # Of what it indexes FTS5 keeps no copy: the texts are in `documents`.
                connection.execute(
                    "CREATE VIRTUAL TABLE keywords USING "
                    f"fts5(text, content='', contentless_delete=1, tokenize={_quoted(tokenizer)})"
                )
                own = {"generation": 1, "identity": secrets.token_hex(8), "next_key": 1}
                for name, value in {**own, **facts}.items():
                    set_fact(connection, name, value)
                with disk.step("commit", path):
                    connection.execute("COMMIT")
            finally:
                connection.close()
        disk.sync_folder(root)
        catalog = cls(root, disk, writable=True)
        catalog._note(1)
        return catalog

    def bring_up_to_date(self) -> None:
        """Migrate tables of an older version.

        Raises: FormatError when they are older, and the catalog is not open for writing.
        """
        with self.reading() as connection:
            version = version_of(connection, self.path)
        if version == VERSION:
            return
        if not self.writable:
            raise FormatError(
                f"{self.path} has format version {version}, this bitsieve reads {VERSION}: open it for writing once, "
                "which brings it up to date"
            )
        with self.writing() as (connection, _):
            migrate(connection)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A transaction that sees one generation. Within another of this thread, it is that one."""
        with self._using() as connection:
            if connection.in_transaction:
                yield connection
                return
            self.check_place()
            immutable = self._immutable
            try:  # from here, since an interruption may come between a statement and what follows it
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:  # SQLite has ended it when a page was damaged
                    connection.execute("COMMIT")
                if immutable is not None and not immutable.still_is():
                    raise DiskError(
                        f"{self.path} was written to while it was read without a lock: read again"
                    )

    @contextmanager
    def writing(self) -> Iterator[tuple[apsw.Connection, int]]:
        """A transaction, and the number of the generation that it becomes if the block ends without an error."""
        with self._using() as connection:
            self.check_place()
            try:
                connection.execute("BEGIN IMMEDIATE")
                generation = generation_of(connection) + 1
                set_fact(connection, "generation", generation)
                yield connection, generation
                with self._disk.step("commit", self.path):
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with suppress(apsw.Error):
                        connection.execute("ROLLBACK")
                raise
        self._note(generation)

    def check_place(self) -> None:
        """Raise unless the path leads to what was opened: there arrays are, and commits that a reader waits for."""
        try:  # without more around it, since every search waits for this
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise DamageError(f"{self.path} is no longer there: open the index where it is now") from None
        except OSError:
            status = self._opened  # what uses the file will say what the system says
        if not os.path.samestat(status, self._opened):
            raise self._replaced()

    def close(self) -> None:
        """Close the connections of all threads when what they do is done; what is asked later is refused.

        A second call does nothing.
        """
        self._closed = True
        with using_sqlite(), explained_sql(self.path):
            for connection, lock in list(self._own.values()):
                with lock:
                    connection.close()

    def let_go(self) -> None:
        """Close the connections of all threads, none of which is using one; each gets another when it asks."""
        _close_all(self._own)

    def settle(self) -> None:
        """Sync what a killed writer left in the WAL: it is read as committed, but a power cut could still undo it.

        The caller holds the writer's lock, and does this before removing or making anything because of it.
        """
        with self._using() as connection:
            connection.pragma("wal_checkpoint")

    @contextmanager
    def _using(self) -> Iterator[apsw.Connection]:
        """This thread's connection, which nobody closes meanwhile."""
        with using_sqlite(), explained_sql(self.path):
            connection, lock = self._connection()
            with lock:
                self._check_open()
                yield connection

    def _replaced(self) -> DamageError:
        return DamageError(
            f"{self.path}: another index has taken the place of the one that was opened: open it again"
        )

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(f"{self.path.parent} is closed: open the index again")

    def _connection(self) -> tuple[apsw.Connection, threading.RLock]:
        """This thread's, or one that a thread of the same number left when it ended."""
        self._check_open()
        if self._immutable is not None and not self._immutable.still_is():
            self._own.clear()
            self._immutable = None
        me = threading.get_ident()
        if me not in self._own:
            immutable = None
            if self.writable:
                connection = connect_to_write(self.path)
            else:
                connection, immutable = connect_to_read(self.path)
            if self._identity not in ("", fact(connection, "identity")):
                connection.close()
                raise self._replaced()
            if fact(connection, "tokenizer") == "trigram":
                trigrams.register(connection)
            self._immutable = self._immutable or immutable  # of which other threads may have one
            self._own[me] = connection, threading.RLock()
        return self._own[me]

    def _note(self, generation: int) -> None:
        with suppress(DiskError):  # the commit stands without it
            note_generation(self._disk, self.path.parent, generation, self._identity)


def _close_all(own: dict[int, tuple[apsw.Connection, threading.RLock]]) -> None:
    for connection, _ in own.values():
        with suppress(apsw.Error):
            connection.close()
    own.clear()


def _stamp_of(connection: apsw.Connection) -> tuple[int, str]:
    return generation_of(connection), fact(connection, "identity")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
