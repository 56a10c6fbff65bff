"""Vectors already computed, on disk: digest of model and text → vector.

One SQLite file: crash-safe (a killed writer's transaction is rolled back by the next reader), shared by
processes, bounded (oldest rows go first). Texts themselves are not stored. Each row carries a CRC, so a flipped
bit means one text embedded again; a file that SQLite cannot read is set aside and a new one begun.
"""

import hashlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError, warn_caller

DEFAULT_MAX_BYTES = 2 << 30
_LOOKUP = 500
"""Keys per SELECT, below SQLite's oldest limit of 999 variables."""

_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; sqlite3 decodes the names in its own error messages too."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (id INTEGER PRIMARY KEY, digest TEXT UNIQUE NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, model INTEGER NOT NULL REFERENCES models (id),
    n_tokens INTEGER NOT NULL, vector BLOB NOT NULL, crc INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class CachedModel:
    """How much the cache holds of one model."""

    name: str
    digest: str
    n_vectors: int
    size_bytes: int


def text_key(model_digest: str, text: str) -> bytes:
    """The 20 bytes under which a text's vector is kept. text: with its prefix."""
    return hashlib.blake2b(text.encode(), key=bytes.fromhex(model_digest), digest_size=20).digest()


def max_bytes() -> int:
    """The cache's bound: `BITSIEVE_CACHE_MAX_BYTES`, or 2 GiB."""
    value = os.environ.get("BITSIEVE_CACHE_MAX_BYTES") or str(DEFAULT_MAX_BYTES)
    if not value.isdecimal():
        raise InputError(
            f"BITSIEVE_CACHE_MAX_BYTES must be a number of bytes, got {value!r}: such as 500000000"
        )
    return int(value)


class VectorCache:
    """The vectors of earlier runs in `folder`. A cache that fails is a warning, never an error."""

    def __init__(self, folder: Path, *, bound: int | None = None) -> None:
        self._usable = True
        self._lock = threading.Lock()  # threads that share an Encoder: one says what is wrong
        self.path = folder / "vectors-1.sqlite"
        self._bound = max_bytes() if bound is None else bound
        with self._open_database():
            pass  # whoever asks for a cache that cannot be used hears of it now

    def get(self, keys: Sequence[bytes], dimension: int) -> dict[bytes, tuple[FloatArray, int]]:
        """The cached ones among `keys`: key → (vector (d,) float32, tokens of the uncut text)."""
        found: dict[bytes, tuple[FloatArray, int]] = {}
        with self._open_database() as database:
            if database is None:
                return found
            for start in range(0, len(keys), _LOOKUP):
                some = keys[start : start + _LOOKUP]
                marks = ",".join("?" * len(some))
                rows = database.execute(
                    f"SELECT key, vector, n_tokens, crc FROM vectors WHERE key IN ({marks})", some
                )
                for key, blob, n_tokens, crc in rows:
                    if _is_sound(key, blob, n_tokens, crc, dimension):
                        found[key] = np.frombuffer(blob, dtype="<f4"), n_tokens
        return found

    def put(self, model: tuple[str, str], rows: Iterable[tuple[bytes, FloatArray, int]]) -> None:
        """Keep vectors, in one transaction. model: (digest, name); rows: (key, vector, tokens)."""
        with self._open_database() as database:
            if database is None:
                return
            with database:
                database.execute("INSERT OR IGNORE INTO models (digest, name) VALUES (?, ?)", model)
                row = database.execute("SELECT id FROM models WHERE digest = ?", model[:1]).fetchone()
                if row is None:
                    raise sqlite3.DatabaseError("a row just written is not there")
                database.executemany(
                    "INSERT OR REPLACE INTO vectors (key, model, n_tokens, vector, crc) VALUES (?, ?, ?, ?, ?)",
                    ((key, row[0], n, blob, _crc(key, blob, n)) for key, blob, n in _as_blobs(rows)),
                )
            self._shrink(database)

    def contents(self) -> list[CachedModel]:
        """What is kept, model by model."""
        with self._open_database() as database:
            if database is not None:
                rows = database.execute(
                    "SELECT name, digest, COUNT(*), SUM(LENGTH(vector)) FROM vectors "
                    "JOIN models ON models.id = vectors.model GROUP BY models.id ORDER BY name, digest"
                )
                return [CachedModel(*row) for row in rows]
        return []

    def clear(self) -> None:
        """Forget everything and give the space back."""
        with self._lock:
            for path in self.path.parent.glob(self.path.name + "*"):
                path.unlink()

    @contextmanager
    def _open_database(self) -> Iterator[sqlite3.Connection | None]:
        """The database, if there is one, for one thread at a time.

        It is opened for each use, so that none is left for a `__del__` to close: a Ctrl-C there is lost.
        """
        with self._lock:
            database = None
            with self._survived():
                database = self._open() if self._usable else None
            with self._survived(), closing(database) if database else nullcontext():
                yield database

    @contextmanager
    def _survived(self) -> Iterator[None]:
        """What goes wrong with the database ends here."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a mistake of ours, not damage
        except (OSError, sqlite3.OperationalError) as error:
            self._give_up(error)
        except _DAMAGE as error:
            self._set_aside(error)

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=30)
        database.text_factory = lambda text: text.decode(errors="replace")  # a flipped bit is no error
        try:
            database.executescript(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

    def _used_bytes(self, database: sqlite3.Connection) -> int:
        size, pages, free = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (pages - free))

    def _shrink(self, database: sqlite3.Connection) -> None:
        """Drop the oldest tenth as often as the bound asks for; SQLite uses the freed pages again."""
        while self._used_bytes(database) > self._bound:
            with closing(database.execute("SELECT COUNT(*) FROM vectors")) as cursor:
                count = cursor.fetchone()[0]
            if not count:
                return
            with database:
                database.execute(
                    "DELETE FROM vectors WHERE id IN (SELECT id FROM vectors ORDER BY id LIMIT ?)",
                    (max(1, count // 10),),
                )

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        warn_caller(
            f"the vector cache {self.path} cannot be read ({error}): set aside as {aside.name}, begun anew",
            UserWarning,
        )
        try:
            self.path.replace(aside)
        except OSError as second:
            self._give_up(second)

    def _give_up(self, error: Exception) -> None:
        self._usable = False
        warn_caller(
            f"no vector cache: {self.path} cannot be used ({error}): "
            "set BITSIEVE_CACHE_DIR to a folder you can write to",
            UserWarning,
        )


def _as_blobs(rows: Iterable[tuple[bytes, FloatArray, int]]) -> Iterable[tuple[bytes, bytes, int]]:
    return ((key, np.asarray(vector, dtype="<f4").tobytes(), n) for key, vector, n in rows)


def _is_sound(key: object, blob: object, n_tokens: object, crc: object, dimension: int) -> bool:
    """Whether a row is what was written: a flipped bit may have changed its values and their types."""
    return (
        isinstance(key, bytes)
        and isinstance(blob, bytes)
        and isinstance(n_tokens, int)
        and n_tokens >= 0
        and len(blob) == 4 * dimension
        and _crc(key, blob, n_tokens) == crc
    )


def _crc(key: bytes, blob: bytes, n_tokens: int) -> int:
    return zlib.crc32(blob, zlib.crc32(key + n_tokens.to_bytes(8, "little")))
