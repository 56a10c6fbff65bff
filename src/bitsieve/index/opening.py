"""Making an index, and opening one: its folder, lock, catalog and model."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..codec import ITQ
from ..errors import InputError
from ..store.catalog import Catalog
from ..store.connections import check_unused_file
from ..store.disk import Disk, explained
from ..store.facts import fact
from ..store.keywords import check_tokenizer
from ..store.lock import LOCK, WriterLock
from ..store.sqlite_errors import CATALOG
from .codec import FIT_FROM
from .model import VectorSource, describe

if TYPE_CHECKING:
    from ..encoder import Encoder

DTypeName: TypeAlias = Literal["float32", "float16"]

N_BITS = 128
"""Of codes, where nobody says how many and vectors have as many dimensions."""

BEGUN = (LOCK, CATALOG, f"{CATALOG}-journal", f"{CATALOG}-wal", f"{CATALOG}-shm")
"""What there may be of an index before its first commit."""


@dataclass(frozen=True)
class Files:
    """An index that is open.

    path: as it was given, for messages. root: where that was then, wherever this process goes.
    lock: where it is open for writing, by the process `pid`.
    """

    path: Path
    root: Path
    disk: Disk
    catalog: Catalog
    lock: WriterLock | None
    source: VectorSource
    tokenizer: str
    pid: int

    def close(self) -> None:
        """Let go of them."""
        try:
            self.catalog.close()
        finally:
            if self.lock is not None:
                self.lock.release()


def create_files(
    path: str | os.PathLike[str],
    model: "str | Path | Encoder | None",
    dimension: int | None,
    dtype: DTypeName,
    n_bits: int | None,
    tokenizer: str,
    disk: Disk,
) -> Files:
    """What `Index.create` says; nothing is made unless all is well."""
    root = Path(path).absolute()
    if dtype not in ("float32", "float16"):
        raise InputError(f"dtype must be 'float32' or 'float16', got {dtype!r}")
    ITQ(N_BITS if n_bits is None else n_bits).check_parameters()
    words = check_tokenizer(tokenizer)
    with explained("read", root):
        if root.exists() and (not root.is_dir() or any(path.name not in BEGUN for path in root.iterdir())):
            raise InputError(f"{root} exists and is not an empty folder: choose another path")
    check_unused_file(root / CATALOG)
    facts, encoder = describe(model, dimension)
    most = min(facts["dimension"] // 8 * 8, FIT_FROM)
    if n_bits is not None and n_bits > most:
        raise InputError(
            f"n_bits={n_bits} is more than codes of vectors with d={facts['dimension']} can have: give at most {most}, "
            "or leave it out"
        )
    if not root.is_dir():
        disk.make_folder(root)
    disk.sync_folder(root.parent)
    lock = WriterLock(root)
    try:
        vectors = {"dtype": dtype, "n_bits": N_BITS if n_bits is None else n_bits}
        of_index = {"model": facts, "vectors": vectors, "tokenizer": tokenizer}
        catalog = Catalog.create(root, disk, of_index, words)
    except BaseException:
        lock.release()
        raise
    return Files(Path(path), root, disk, catalog, lock, VectorSource(facts, encoder), tokenizer, os.getpid())


def open_files(
    path: str | os.PathLike[str], write: bool, model: "str | Path | Encoder | None", disk: Disk
) -> Files:
    """What `Index.open` says."""
    root, lock = Path(path).absolute(), None
    with ExitStack() as failed:
        if write:
            Catalog(root, disk, writable=False).close()  # whether there is one, before anything is made
            lock = WriterLock(root)
            failed.callback(lock.release)
        catalog = Catalog(root, disk, writable=write)
        failed.callback(catalog.close)
        catalog.bring_up_to_date()
        with catalog.reading() as connection:
            source, tokenizer = VectorSource(fact(connection, "model"), model), fact(connection, "tokenizer")
        failed.pop_all()
    return Files(Path(path), root, disk, catalog, lock, source, tokenizer, os.getpid())
