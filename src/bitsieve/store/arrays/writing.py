"""Writing folders of arrays, and sweeping away those that nothing names."""

import errno
import hashlib
import os
import re
import secrets
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...codec.blocks import row_blocks
from ...errors import DiskError, IndexLockedError, InputError
from ..disk import WINDOWS, Disk, explained
from .mapped import MappedFile
from .records import (
    BLOCK_BYTES,
    ArraysRecord,
    FileRecord,
    Kind,
    arrays_folder,
    check_name,
    npy_header,
    stored_dtype,
)

WRITE_BYTES = 4 << 20
"""About how much of an array that is in memory is written at a time."""

_TEMPORARY = "tmp-"


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """An array that is written without ever being in memory whole.

    shape, dtype: of all of it. blocks: its rows in order, each block (n_rows, *shape[1:]) of that dtype.
    """

    shape: tuple[int, ...]
    dtype: DTypeLike
    blocks: Iterable[NDArray[Any]]


def write_arrays(
    disk: Disk,
    root: str | PathLike[str],
    kind: Kind,
    number: int,
    arrays: Mapping[str, NDArray[Any] | RowBlocks],
) -> ArraysRecord:
    """Write a folder of arrays, all of it or nothing; it is on the disk when this returns.

    The caller holds the writer's lock, and has looked which numbers are on the disk: so a folder of this number is
    of another writer, which believes to hold the lock too.

    disk: what to write with. root: the index's folder. number: 1 to 99,999,999.
    arrays: name → booleans, whole numbers or floating point of at most 8 bytes, of any shape but ().
    Returns: what the catalog is to keep.
    Raises: InputError for a name, number or array that cannot be written; IndexLockedError when there is a folder of
        this number; DiskError when the system refuses.
    """
    sources = {check_name(name): _as_blocks(name, array) for name, array in arrays.items()}
    with writing_arrays(disk, root, kind, number) as folder:
        for name, source in sources.items():
            folder.write(name, source)
    return folder.record


class ArraysFolder:
    """A folder of arrays on its way; `writing_arrays` begins one."""

    record: ArraysRecord
    """What the catalog is to keep, once all is written."""

    def __init__(self, disk: Disk, stage: Path) -> None:
        self._disk, self._stage = disk, stage
        self.files: list[FileRecord] = []

    def write(self, name: str, array: NDArray[Any] | RowBlocks) -> None:
        """Write an array. Raises: as `write_arrays`."""
        self.files.append(_write_array(self._disk, self._stage, check_name(name), _as_blocks(name, array)))

    def mapped(self, name: str) -> NDArray[Any]:
        """An array that was just written, as it lies on the disk; to be let go of before the folder is finished."""
        record = next(file for file in self.files if file.name == name)
        return MappedFile(self._stage / f"{name}.npy", record).array


@contextmanager
def writing_arrays(disk: Disk, root: str | PathLike[str], kind: Kind, number: int) -> Iterator[ArraysFolder]:
    """Write a folder array by array, as `write_arrays` does; it has its number when the block ends without an error."""
    target = Path(root) / arrays_folder(kind, index(number))
    folder = target.parent
    if not os.path.lexists(folder):
        disk.make_folder(folder)
    # Also when it was there: a writer killed after making it has not done this, and the commit depends on it.
    disk.sync_folder(folder.parent)
    if os.path.lexists(target):
        raise IndexLockedError(f"{target} was made by another writer, which has the index: open it again")
    stage = _temporary(folder)
    try:
        disk.make_folder(stage)
        writing = ArraysFolder(disk, stage)
        yield writing
        disk.sync_folder(stage)
        disk.rename(stage, target)
        disk.sync_folder(folder)
    except BaseException:
        # Room for the next attempt. Under its number the folder is whole, and no one knows of it: sweep removes it.
        with suppress(DiskError):
            disk.remove_tree(stage)
        raise
    writing.record = ArraysRecord(kind, number, tuple(writing.files))


def sweep(disk: Disk, root: str | PathLike[str], kind: Kind, kept: Collection[int]) -> None:
    """Remove folders of arrays that are not kept, and what unfinished writing and removing left.

    The caller holds the writer's lock and knows that no reader needs what is not kept. On Windows nobody can
    remove what a reader has mapped: it stays, and the next sweep tries again.

    kept: numbers of folders. Files and folders of other names are left alone.
    Raises: DiskError when the system refuses, after removing what it does not refuse; sweeping again goes on.
    """
    folder = Path(root) / kind
    with explained("read", folder):
        present = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    unfinished = [path for path in present if path.name.startswith(_TEMPORARY)]
    numbered = [path for path in present if re.fullmatch(r"[0-9]{8}", path.name)]
    discarded: list[Path] = []
    refused: list[DiskError] = []
    # Folders lose their numbers before they are removed, so that no half of one ever has one.
    for path in numbered:
        if int(path.name) not in kept:
            unnumbered = _temporary(folder)
            with _going_on(refused):
                disk.rename(path, unnumbered)
                discarded.append(unnumbered)
    if discarded:
        disk.sync_folder(folder)
    for path in [*unfinished, *discarded]:
        with _going_on(refused):
            disk.remove_tree(path)
    if refused:
        raise refused[0]


class _Checksums:
    """Length, sha256 and CRCs of bytes that come in pieces."""

    def __init__(self) -> None:
        self.length = 0
        self.sha256 = hashlib.sha256()
        self._crcs: list[int] = []

    def update(self, data: memoryview) -> None:
        self.sha256.update(data)
        while len(data) > 0:
            filled = self.length % BLOCK_BYTES
            part, data = data[: BLOCK_BYTES - filled], data[BLOCK_BYTES - filled :]
            if filled:
                self._crcs[-1] = zlib.crc32(part, self._crcs[-1])
            else:
                self._crcs.append(zlib.crc32(part))
            self.length += len(part)

    @property
    def crcs(self) -> bytes:
        return np.array(self._crcs, "<u4").tobytes()


def _write_array(disk: Disk, folder: Path, name: str, source: RowBlocks) -> FileRecord:
    dtype = stored_dtype(name, source.dtype)
    sums = _Checksums()
    with disk.create(folder / f"{name}.npy") as file:
        for data in _bytes_of(name, source, dtype):
            disk.write(file, data)
            sums.update(data)
        disk.sync(file)
    return FileRecord(name, sums.length, dtype.str, source.shape, sums.sha256.hexdigest(), sums.crcs)


def _bytes_of(name: str, source: RowBlocks, dtype: np.dtype[Any]) -> Iterator[memoryview]:
    yield memoryview(npy_header(dtype.str, source.shape))
    n = 0
    for block in source.blocks:
        if block.dtype != np.dtype(source.dtype) or block.shape[1:] != source.shape[1:]:
            raise InputError(
                f"a block of {name!r} has dtype {block.dtype} and shape {block.shape}, expected "
                f"{np.dtype(source.dtype)} and (n, {', '.join(map(str, source.shape[1:]))}): convert it"
            )
        n += len(block)
        if n > source.shape[0]:
            break
        yield np.ascontiguousarray(block, dtype).reshape(-1).view(np.uint8).data
    if n != source.shape[0]:
        raise InputError(
            f"the blocks of {name!r} have {n} rows, expected {source.shape[0]}: give their true number"
        )


def _as_blocks(name: str, array: NDArray[Any] | RowBlocks) -> RowBlocks:
    stored_dtype(name, array.dtype)
    shape = tuple(index(size) for size in array.shape)
    if not shape:
        raise InputError(f"{name!r} has shape (), expected rows: pass np.atleast_1d(array)")
    if isinstance(array, RowBlocks):
        return RowBlocks(shape, array.dtype, array.blocks)
    rows = max(1, WRITE_BYTES // max(1, array[:1].nbytes))
    return RowBlocks(shape, array.dtype, (array[part] for part in row_blocks(len(array), rows)))


@contextmanager
def _going_on(refused: list[DiskError]) -> Iterator[None]:
    """Put an error aside, but for that of Windows, which refuses to rename or remove what is mapped."""
    try:
        yield
    except DiskError as error:
        if not (WINDOWS and error.errno == errno.EACCES):
            refused.append(error)


def _temporary(folder: Path) -> Path:
    # Not tempfile.mkdtemp, whose folders are readable by their owner alone, and a rename keeps that. Longer than
    # a number's name, so a path that is too long is refused before anything has its number.
    return folder / f"{_TEMPORARY}{secrets.token_hex(4)}"
