"""What an index holds, and whether it is what was written."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

from ..errors import BitsieveError, DamageError
from ..store import documents
from ..store.arrays import Finding, verify_arrays
from ..store.catalog import Catalog
from ..store.disk import Disk
from ..store.facts import fact, records
from ..store.sqlite_errors import CATALOG
from .snapshot import Snapshot

__all__ = ["Finding", "Stats", "stats_of", "verify", "verify_folder"]


@dataclass(frozen=True)
class Stats:
    """What an index holds.

    n_deleted: passages that are still in segments though their documents are gone; `compact` drops them.
    kinds: of the segments, in order: "exact" are compared one by one, "flat" through codes, "cells" by cells.
    settings: what the index was made with: dtype, n_bits, tokenizer. bytes_: on the disk, by what they are.
    """

    generation: int
    model: str
    dimension: int
    n_documents: int
    n_passages: int
    n_deleted: int
    kinds: tuple[str, ...]
    n_bits: int | None
    corrections: bool
    settings: dict[str, Any]
    bytes_: dict[str, int]


def stats_of(root: Path, connection: apsw.Connection, snapshot: Snapshot) -> Stats:
    """The statistics of one generation."""
    model = fact(connection, "model")
    sizes: dict[str, int] = {}
    for view in snapshot.views:
        for file in view.stored.record.files:
            sizes[file.name] = sizes.get(file.name, 0) + file.length
    sizes["catalog"] = sum(path.stat().st_size for path in root.glob(f"{CATALOG}*"))
    codec = snapshot.codec
    n_rows = sum(len(view.keys) for view in snapshot.views)
    return Stats(
        generation=snapshot.generation,
        model=model["name"],
        dimension=model["dimension"],
        n_documents=documents.count(connection),
        n_passages=snapshot.n_passages,
        n_deleted=n_rows - snapshot.n_passages,
        kinds=tuple(view.kind for view in snapshot.views),
        n_bits=None if codec is None else codec.itq.n_bits,
        corrections=codec is not None and codec.corrections,
        settings={**fact(connection, "vectors"), "tokenizer": fact(connection, "tokenizer")},
        bytes_=sizes,
    )


def verify(root: Path, catalog: Catalog) -> list[Finding]:
    """Everything that is wrong with the files of an index."""
    findings = []
    in_arrays: dict[str, list[Finding]] = {}
    try:
        with catalog.reading() as connection:
            for (line,) in connection.execute("PRAGMA integrity_check"):
                if line != "ok":
                    findings.append(Finding(CATALOG, line))
            in_arrays = {record.folder: verify_arrays(root, record) for record in records(connection)}
        with catalog.reading() as connection:  # a writer may have swept away what it has replaced meanwhile
            named = {record.folder for record in records(connection)}
        in_arrays = {folder: of_folder for folder, of_folder in in_arrays.items() if folder in named}
    except BitsieveError as error:
        findings.append(Finding(CATALOG, str(error)))
    return [*findings, *chain.from_iterable(in_arrays.values())]


def verify_folder(root: Path) -> list[Finding]:
    """Everything that is wrong with the files of an index, also where it is too damaged to be opened.

    Raises: as `Index.open`, but for DamageError.
    """
    try:
        catalog = Catalog(root, Disk(), writable=False)
    except DamageError as error:
        return [Finding(CATALOG, str(error))]
    try:
        return verify(root, catalog)
    finally:
        catalog.close()
