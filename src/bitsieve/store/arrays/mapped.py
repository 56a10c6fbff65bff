"""One file of an array, mapped and believed block by block: what it has to be is in its record."""

import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import RowArray
from ...errors import DamageError, InputError, MissingFileError
from ..disk import explained
from .records import ALIGNMENT, BLOCK_BYTES, REMEDY, FileRecord


class MappedFile:
    """A file that is read; threads may share it.

    array: as it lies on the disk, read-only. marks: see `StoredArrays.marks`. complete: every block is checked.
    """

    def __init__(self, path: Path, record: FileRecord) -> None:
        """Raises: DamageError when its length or header is another; DiskError when the system refuses."""
        with opened(path, record) as stream:
            check_header(stream, path, record)
            mapped = mmap(stream.fileno(), record.length, access=ACCESS_READ)
            self._identity = _identity(stream)
        self._path, self._record = path, record
        self._marked, self._checked = bytearray(record.n_blocks), bytearray(record.n_blocks)
        self.array = _view(mapped, record)
        self.data_offset = len(record.header)
        self.marks = np.frombuffer(self._marked, np.uint8)
        self.complete = False

    def check_marked(self) -> None:
        """Check the blocks that are marked and were not checked before."""
        # What is checked stays marked. So one comparison of memory, 0.1 µs for a gigabyte's marks, finds nothing new.
        if not self.complete and self._marked != self._checked:
            self._check(np.flatnonzero(self.marks))

    def check_rows(self, rows: slice | RowArray) -> None:
        """Check the blocks that rows lie in, those that were not checked before."""
        if not self.complete:
            self._check(self._blocks_of(rows))

    def load(self) -> NDArray[Any]:
        """The array in memory of its own, every block checked."""
        record = self._record
        memory = np.empty(record.length + ALIGNMENT, np.uint8)
        whole = memory[-memory.ctypes.data % ALIGNMENT :][: record.length]
        with opened(self._path, record) as stream:
            for block in range(record.n_blocks):
                read_block(stream, self._path, record, block, whole[block * BLOCK_BYTES :].data)
        return _view(whole, record)

    def _check(self, blocks: RowArray) -> None:
        checked = np.frombuffer(self._checked, np.uint8)
        blocks = blocks[checked[blocks] == 0]
        if not blocks.size:
            return
        with opened(self._path, self._record) as stream:
            if _identity(stream) != self._identity:
                raise DamageError(f"{self._path} was replaced while it was open: open the index again")
            # Read, not taken from the mapping: there a bad sector kills the process by SIGBUS.
            memory = memoryview(bytearray(BLOCK_BYTES))
            for block in np.unique(blocks).tolist():
                read_block(stream, self._path, self._record, block, memory)
                self.marks[block] = checked[block] = 1  # threads may do this twice, which says the same
        if checked.all():
            self.complete = True

    def _blocks_of(self, rows: slice | RowArray) -> RowArray:
        """Blocks that rows lie in; some of them several times."""
        n = len(self.array)
        row_bytes = math.prod(self.array.shape[1:]) * self.array.dtype.itemsize
        if isinstance(rows, slice):
            start, stop, step = rows.indices(n)
            if step != 1:
                raise InputError(f"rows have step {step}, expected 1: pass row numbers")
            first, last = np.array([start]), np.array([max(start, stop) - 1])
        else:
            if rows.dtype.kind not in "iu":
                raise InputError(f"rows have dtype {rows.dtype}, expected row numbers: np.flatnonzero(mask)")
            first = last = rows.astype(np.int64).ravel()
            if first.size and (first.min() < 0 or first.max() >= n):
                raise InputError(
                    f"rows are {first.min()} to {first.max()}, {self._path} has {n}: pass rows that it has"
                )
        if not (first.size and row_bytes and last[0] >= first[0]):
            return np.empty(0, np.int64)
        first_block = (self.data_offset + first * row_bytes) // BLOCK_BYTES
        last_block = (self.data_offset + (last + 1) * row_bytes - 1) // BLOCK_BYTES
        width = int((last_block - first_block).max()) + 1
        blocks: RowArray = np.minimum(
            first_block[:, np.newaxis] + np.arange(width), last_block[:, np.newaxis]
        )
        return blocks


@contextmanager
def opened(path: Path, record: FileRecord) -> Iterator[FileIO]:
    """Open a file of the length that it has to have.

    Raises: MissingFileError; DamageError for another length; DiskError when the system refuses, here or inside.
    """
    with explained("read", path):
        try:
            file = FileIO(path)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingFileError(f"{path} is missing: {REMEDY}") from None
        with file:
            length = os.fstat(file.fileno()).st_size
            if length != record.length:
                raise DamageError(f"{path} has {length:,} bytes, expected {record.length:,}: {REMEDY}")
            yield file


def check_header(file: FileIO, path: Path, record: FileRecord) -> None:
    """Read the header of a file that is at its start, or raise DamageError."""
    if file.read(len(record.header)) != record.header:
        raise DamageError(
            f"{path} does not begin as an array of {record.dtype} and shape {record.shape}: {REMEDY}"
        )


def read_block(file: FileIO, path: Path, record: FileRecord, block: int, memory: memoryview) -> memoryview:
    """Read a block into the beginning of `memory` and check it.

    Raises: DamageError that names the file and the block; DiskError when it cannot be read.
    """
    start = block * BLOCK_BYTES
    data = memory[: min(BLOCK_BYTES, record.length - start)]
    filled = 0
    with explained(f"read block {block} of", path):
        file.seek(start)
        while filled < len(data) and (n := file.readinto(data[filled:])):
            filled += n
    if filled < len(data) or zlib.crc32(data) != record.crc(block):
        raise DamageError(
            f"{path} is damaged in block {block} (bytes {start:,} to {start + len(data) - 1:,}): {REMEDY}"
        )
    return data


def _view(whole: mmap | NDArray[np.uint8], record: FileRecord) -> NDArray[Any]:
    array: NDArray[Any] = np.ndarray(record.shape, record.dtype, buffer=whole, offset=len(record.header))
    return array


def _identity(file: FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino
