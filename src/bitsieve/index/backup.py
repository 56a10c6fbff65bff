"""Backups: one generation of an index, copied while a writer and readers go on.

The catalog is copied by SQLite's own backup (sqlite.org/backup.html) in the transaction that fixes the generation. The
arrays it names are opened before, so that a writer may sweep them away meanwhile, and checked as they are copied.
"""

import os
import secrets
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import apsw

from ..errors import DamageError, DiskError, InputError
from ..store.arrays import BLOCK_BYTES, FileRecord
from ..store.arrays.mapped import opened, read_block
from ..store.connections import connect
from ..store.disk import Disk
from ..store.facts import fact, generation_of, records
from ..store.noted import note_generation
from ..store.sqlite_errors import CATALOG, explained_sql
from .reading import Reader


@dataclass(frozen=True)
class _Source:
    """An open file of an array; it can be read when its name is gone. place: below the index's folder."""

    place: Path
    record: FileRecord
    file: FileIO


def backup(root: Path, reader: Reader, disk: Disk, target: str | os.PathLike[str]) -> int:
    """Copy the newest generation into a new folder, which is an index: whole and synced, or not there.

    Returns: the generation.
    Raises: InputError when there is something at the target already; DamageError when what is to be copied is
        damaged; DiskError.
    """
    target = Path(target).absolute()
    if os.path.lexists(target):
        raise InputError(f"{target} exists: a backup needs a path of its own, such as {target}-2")
    if root.resolve() in target.resolve().parents:
        raise InputError(f"{target} lies in the index: choose a path outside, best on another disk")
    stage = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
    disk.make_folder(stage)
    try:
        generation, identity, open_files, sources = reader.read(
            lambda connection, _: _begin(connection, root, stage)
        )
        with open_files:
            _copy_arrays(disk, root, stage, sources)
        note_generation(disk, stage, generation, identity)
        disk.sync_folder(stage)
        disk.rename(stage, target)
        disk.sync_folder(target.parent)
    except BaseException:
        with suppress(DiskError):
            disk.remove_tree(stage)
        raise
    return generation


def _begin(connection: apsw.Connection, root: Path, stage: Path) -> tuple[int, str, ExitStack, list[_Source]]:
    """Copy the catalog as a transaction sees it, and open what it names.

    Raises: MissingFileError, perhaps because a writer has gone on since the transaction began.
    """
    with ExitStack() as attempt:
        sources = [
            _Source(place, file, attempt.enter_context(opened(root / place, file)))
            for record in records(connection)
            for file in record.files
            for place in [Path(record.folder, f"{file.name}.npy")]
        ]
        try:
            with explained_sql(stage / CATALOG):
                _copy_catalog(connection, stage / CATALOG)
        except DamageError as error:  # of the original: what is copied into is only written
            raise DamageError(f"{root / CATALOG} is damaged: restore the index from a backup") from error
        return generation_of(connection), fact(connection, "identity"), attempt.pop_all(), sources


def _copy_catalog(connection: apsw.Connection, path: Path) -> None:
    copy = connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    try:
        copy.pragma("synchronous", "full")
        with copy.backup("main", connection, "main") as pages:
            pages.step()
    finally:
        copy.close()


def _copy_arrays(disk: Disk, root: Path, stage: Path, sources: list[_Source]) -> None:
    memory = memoryview(bytearray(BLOCK_BYTES))
    folders = {parent for source in sources for parent in source.place.parents[:-1]}
    for folder in sorted(folders):
        disk.make_folder(stage / folder)
    for source in sources:
        with disk.create(stage / source.place) as copy:
            for block in range(source.record.n_blocks):
                disk.write(copy, read_block(source.file, root / source.place, source.record, block, memory))
            disk.sync(copy)
    for folder in folders:
        disk.sync_folder(stage / folder)
