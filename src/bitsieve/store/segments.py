"""Segments: folders of .npy files that are written once, whole or not at all, and checked when they are read.

    segments/
      00000001/      codes.npy vectors.npy …; a segment has its name when all of it is on the disk
      tmp-5f0c81d2/  being written, or being removed

What the catalog does not name does not exist. It keeps a `SegmentRecord` of each segment, and files are believed
only as far as they agree with it: lengths and headers when a segment is opened, CRC-32 of 1 MiB blocks when
rows are first used, everything with sha256 by `verify_segment`.
"""

import hashlib
import math
import os
import re
import secrets
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from io import FileIO
from mmap import ACCESS_READ, mmap
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..arrays import BoolArray, RowArray
from ..codec.blocks import row_blocks
from ..errors import DamageError, InputError
from .disk import Disk, DiskError, explained

SEGMENTS = "segments"
BLOCK_BYTES = 1 << 20
"""What one CRC is of, counted from the start of the file."""
WRITE_BYTES = 4 << 20
"""About how much of an array that is in memory is written at a time."""
ALIGNMENT = 64
"""What the data of a file begins at a multiple of: a cache line, and what .npy asks for."""

_TEMPORARY = "tmp-"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
"""Devices on Windows, also with .npy behind."""
_REMEDY = "restore it from a backup"


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """An array that is written without ever being in memory whole.

    shape, dtype: of all of it. blocks: its rows in order, each block (n_rows, *shape[1:]) of that dtype.
    """

    shape: tuple[int, ...]
    dtype: DTypeLike
    blocks: Iterable[NDArray[Any]]


@dataclass(frozen=True)
class FileRecord:
    """What is known of a file since it was written.

    name: without .npy. length: of the file, bytes. dtype: as NumPy's `str`, little-endian.
    sha256: of the whole file, hexadecimal. crcs: CRC-32 of each 1 MiB of the file, the last may be shorter.
    Raises: InputError when these contradict each other.
    """

    name: str
    length: int
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    crcs: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        dtype = _stored_dtype(self.name, self.dtype)
        if (
            dtype.str != self.dtype
            or min(self.shape, default=-1) < 0
            or self.length != len(self.header) + math.prod(self.shape) * dtype.itemsize
            or len(self.crcs) != -(-self.length // BLOCK_BYTES)
            or not re.fullmatch("[0-9a-f]{64}", self.sha256)
        ):
            raise InputError(
                f"{self.name}.npy cannot have length {self.length}, dtype {self.dtype!r}, shape {self.shape}, "
                f"sha256 {self.sha256!r} and {len(self.crcs)} checksums: take them from write_segment"
            )

    @property
    def header(self) -> bytes:
        """The bytes before the data."""
        return _npy_header(self.dtype, self.shape)


@dataclass(frozen=True)
class SegmentRecord:
    """What is known of a segment since it was written: the catalog keeps it."""

    number: int
    files: tuple[FileRecord, ...]

    def __post_init__(self) -> None:
        _check_number(self.number)

    def to_dict(self) -> dict[str, Any]:
        """The record as values that JSON has."""
        return {"number": self.number, "files": [asdict(file) for file in self.files]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SegmentRecord":
        """The record that `to_dict` gave.

        Raises: DamageError when it is none.
        """
        try:
            files = [
                FileRecord(
                    name=str(file["name"]),
                    length=index(file["length"]),
                    dtype=str(file["dtype"]),
                    shape=tuple(index(size) for size in file["shape"]),
                    sha256=str(file["sha256"]),
                    crcs=tuple(index(crc) for crc in file["crcs"]),
                )
                for file in values["files"]
            ]
            return cls(index(values["number"]), tuple(files))
        except (KeyError, TypeError, ValueError) as error:
            raise DamageError(f"the record of a segment is damaged ({error!r}): {_REMEDY}") from error


@dataclass(frozen=True)
class Finding:
    """Something wrong with a file, its path relative to the index."""

    file: str
    problem: str


def write_segment(
    disk: Disk, root: str | PathLike[str], number: int, arrays: Mapping[str, NDArray[Any] | RowBlocks]
) -> SegmentRecord:
    """Write a segment, all of it or nothing; it is on the disk when this returns.

    The caller holds the writer's lock, and the catalog does not name a segment of this number: what a writer
    left under it, killed between here and its commit, is removed.

    disk: what to write with. root: the index's folder. number: 1 to 99,999,999.
    arrays: name → booleans, whole numbers or floating point of at most 8 bytes, of any shape but ().
    Returns: what the catalog is to keep.
    Raises: InputError for a name, number or array that cannot be written; DiskError when the system refuses.
    """
    number = _check_number(number)
    sources = {_check_name(name): _as_blocks(name, array) for name, array in arrays.items()}
    folder = Path(root) / SEGMENTS
    if not folder.is_dir():
        disk.make_folder(folder)
    # Also when it was there: a writer killed after making it has not done this, and the commit depends on it.
    disk.sync_folder(folder.parent)
    target = folder / _folder_name(number)
    if target.exists():
        _discard(disk, folder, [target])
    stage = _temporary(folder)
    try:
        disk.make_folder(stage)
        files = tuple(_write_array(disk, stage, name, source) for name, source in sources.items())
        disk.sync_folder(stage)
        disk.rename(stage, target)
        disk.sync_folder(folder)
    except BaseException:
        # Room for the next attempt. Under its name the segment is whole, and no one knows of it: sweep removes it.
        with suppress(DiskError):
            disk.remove_tree(stage)
        raise
    return SegmentRecord(number, files)


def sweep(disk: Disk, root: str | PathLike[str], kept: Collection[int]) -> None:
    """Remove segments that are not kept, and what unfinished writing and removing left.

    The caller holds the writer's lock and knows that no reader needs what is not kept.

    kept: numbers of segments. Files and folders of other names are left alone.
    Raises: DiskError when the system refuses; sweeping again goes on.
    """
    folder = Path(root) / SEGMENTS
    if not folder.is_dir():
        return
    names = {_folder_name(number) for number in kept}
    with explained("read", folder):
        present = sorted(path for path in folder.iterdir() if path.is_dir())
    numbered = [path for path in present if re.fullmatch(r"\d{8}", path.name) and path.name not in names]
    for path in present:
        if path.name.startswith(_TEMPORARY):
            disk.remove_tree(path)
    _discard(disk, folder, numbered)


class Segment:
    """A segment that is read. Threads may share it, and a fork inherits it."""

    def __init__(self, root: Path, record: SegmentRecord, files: Mapping[str, "_MappedFile"]) -> None:
        self.record = record
        self._root = root
        self._files = files

    @classmethod
    def open(cls, root: str | PathLike[str], record: SegmentRecord) -> "Segment":
        """Map the files of a segment, their lengths and headers checked, their data not yet.

        root: the index's folder. record: what `write_segment` returned.
        Raises: DamageError when a file is missing or is not what the record says;
            DiskError when the system refuses.
        """
        folder = Path(root) / SEGMENTS / _folder_name(record.number)
        files = {file.name: _map_file(folder / f"{file.name}.npy", file) for file in record.files}
        return cls(Path(root), record, files)

    def array(self, name: str) -> NDArray[Any]:
        """An array as it lies on the disk, read-only: `check_rows` before using rows of it."""
        return self._file(name).array

    def check_rows(self, name: str, rows: slice | RowArray) -> None:
        """Check the blocks that rows lie in, those that were not checked before.

        rows: a slice of step 1, or row numbers in any order and shape.
        Raises: DamageError that names the file and the block; DiskError when it cannot be read;
            InputError for a row that is not there.
        """
        file = self._file(name)
        if file.complete:
            return
        unchecked = file.unchecked(rows)
        if len(unchecked):
            with _opened(file.path, file.record) as stream:
                if _identity(stream) != file.identity:
                    raise DamageError(f"{file.path} was replaced while it was open: open the index again")
                # Read, not taken from the mapping: there a bad sector kills the process by SIGBUS.
                memory = memoryview(bytearray(BLOCK_BYTES))
                for block in unchecked.tolist():
                    _read_block(stream, file.path, file.record, block, memory)
                    file.checked[block] = True
        file.complete = bool(file.checked.all())

    def load(self, name: str) -> NDArray[Any]:
        """An array in memory of its own, on a cache line, every block checked.

        Raises: DamageError that names the file and the block; DiskError when it cannot be read.
        """
        file = self._file(name)
        record = file.record
        memory = np.empty(record.length + ALIGNMENT, np.uint8)
        whole = memory[-memory.ctypes.data % ALIGNMENT :][: record.length]
        with _opened(file.path, record) as stream:
            for block in range(len(record.crcs)):
                _read_block(stream, file.path, record, block, whole[block * BLOCK_BYTES :].data)
        return _view(whole, record)

    def verify(self) -> list[Finding]:
        """Everything that is wrong with the files as they are now; see `verify_segment`."""
        return verify_segment(self._root, self.record)

    def _file(self, name: str) -> "_MappedFile":
        if name not in self._files:
            raise InputError(
                f"segment {self.record.number} has no array {name!r}: it has {', '.join(self._files)}"
            )
        return self._files[name]


def verify_segment(root: str | PathLike[str], record: SegmentRecord) -> list[Finding]:
    """Read every file of a segment and compare it with the record: length, header, blocks, sha256.

    Returns: what is wrong, file by file, nothing when all is well; also for files that `Segment.open` refuses.
    """
    folder = _folder_name(record.number)
    findings = []
    for file in record.files:
        place = f"{SEGMENTS}/{folder}/{file.name}.npy"
        findings += [Finding(place, problem) for problem in _problems(Path(root) / place, file)]
    return findings


@dataclass(eq=False)
class _MappedFile:
    """A file that is read.

    checked: (n_blocks,). Threads may set one twice, which says the same. complete: all of them are.
    """

    path: Path
    record: FileRecord
    identity: tuple[int, int]
    array: NDArray[Any]
    checked: BoolArray
    complete: bool = False

    def unchecked(self, rows: slice | RowArray) -> RowArray:
        """Blocks that rows lie in and that are not checked yet, ascending."""
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
                    f"rows are {first.min()} to {first.max()}, {self.path} has {n}: pass rows that it has"
                )
        if not (first.size and row_bytes and last[0] >= first[0]):
            return np.empty(0, np.int64)
        data = len(self.record.header)
        first_block = (data + first * row_bytes) // BLOCK_BYTES
        last_block = (data + (last + 1) * row_bytes - 1) // BLOCK_BYTES
        width = int((last_block - first_block).max()) + 1
        blocks = np.minimum(first_block[:, np.newaxis] + np.arange(width), last_block[:, np.newaxis])
        return np.unique(blocks[~self.checked[blocks]])


class _Checksums:
    """Length, sha256 and CRCs of bytes that come in pieces."""

    def __init__(self) -> None:
        self.length = 0
        self.sha256 = hashlib.sha256()
        self.crcs: list[int] = []

    def update(self, data: memoryview) -> None:
        self.sha256.update(data)
        while len(data) > 0:
            filled = self.length % BLOCK_BYTES
            part, data = data[: BLOCK_BYTES - filled], data[BLOCK_BYTES - filled :]
            if filled:
                self.crcs[-1] = zlib.crc32(part, self.crcs[-1])
            else:
                self.crcs.append(zlib.crc32(part))
            self.length += len(part)


def _write_array(disk: Disk, folder: Path, name: str, source: RowBlocks) -> FileRecord:
    dtype = _stored_dtype(name, source.dtype)
    sums = _Checksums()
    with disk.create(folder / f"{name}.npy") as file:
        for data in _bytes_of(name, source, dtype):
            disk.write(file, data)
            sums.update(data)
        disk.sync(file)
    return FileRecord(name, sums.length, dtype.str, source.shape, sums.sha256.hexdigest(), tuple(sums.crcs))


def _bytes_of(name: str, source: RowBlocks, dtype: np.dtype[Any]) -> Iterator[memoryview]:
    yield memoryview(_npy_header(dtype.str, source.shape))
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
    _stored_dtype(name, array.dtype)
    shape = tuple(index(size) for size in array.shape)
    if not shape:
        raise InputError(f"{name!r} has shape (), expected rows: pass np.atleast_1d(array)")
    if isinstance(array, RowBlocks):
        return RowBlocks(shape, array.dtype, array.blocks)
    rows = max(1, WRITE_BYTES // max(1, array[:1].nbytes))
    return RowBlocks(shape, array.dtype, (array[part] for part in row_blocks(len(array), rows)))


def _discard(disk: Disk, folder: Path, paths: Collection[Path]) -> None:
    """Take the names from segments before removing them, so that no half of one ever has a name."""
    discarded = []
    for path in paths:
        discarded.append(_temporary(folder))
        disk.rename(path, discarded[-1])
    if discarded:
        disk.sync_folder(folder)
    for path in discarded:
        disk.remove_tree(path)


def _map_file(path: Path, record: FileRecord) -> _MappedFile:
    with _opened(path, record) as stream:
        _check_header(stream, path, record)
        mapped = mmap(stream.fileno(), record.length, access=ACCESS_READ)
        checked = np.zeros(len(record.crcs), np.bool_)
        return _MappedFile(path, record, _identity(stream), _view(mapped, record), checked)


def _view(whole: mmap | NDArray[np.uint8], record: FileRecord) -> NDArray[Any]:
    array: NDArray[Any] = np.ndarray(record.shape, record.dtype, buffer=whole, offset=len(record.header))
    return array


@contextmanager
def _opened(path: Path, record: FileRecord) -> Iterator[FileIO]:
    with explained("read", path):
        try:
            file = FileIO(path)
        except (FileNotFoundError, NotADirectoryError):
            raise DamageError(f"{path} is missing: {_REMEDY}") from None
        with file:
            length = os.fstat(file.fileno()).st_size
            if length != record.length:
                raise DamageError(f"{path} has {length:,} bytes, expected {record.length:,}: {_REMEDY}")
            yield file


def _identity(file: FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _check_header(file: FileIO, path: Path, record: FileRecord) -> None:
    if file.read(len(record.header)) != record.header:
        raise DamageError(
            f"{path} does not begin as an array of {record.dtype} and shape {record.shape}: {_REMEDY}"
        )


def _read_block(file: FileIO, path: Path, record: FileRecord, block: int, memory: memoryview) -> memoryview:
    """Read a block into the beginning of `memory` and check it."""
    start = block * BLOCK_BYTES
    data = memory[: min(BLOCK_BYTES, record.length - start)]
    filled = 0
    with explained(f"read block {block} of", path):
        file.seek(start)
        while filled < len(data) and (n := file.readinto(data[filled:])):
            filled += n
    if filled < len(data) or zlib.crc32(data) != record.crcs[block]:
        raise DamageError(
            f"{path} is damaged in block {block} (bytes {start:,} to {start + len(data) - 1:,}): {_REMEDY}"
        )
    return data


def _problems(path: Path, record: FileRecord) -> Iterator[str]:
    sha256 = hashlib.sha256()
    memory = memoryview(bytearray(BLOCK_BYTES))
    whole = True
    try:
        with _opened(path, record) as stream:
            for block in range(len(record.crcs)):
                try:
                    sha256.update(_read_block(stream, path, record, block, memory))
                except (DamageError, DiskError) as error:
                    whole = False
                    yield str(error)
            if whole:
                stream.seek(0)
                _check_header(stream, path, record)
            if whole and sha256.hexdigest() != record.sha256:
                yield f"{path} has sha256 {sha256.hexdigest()}, expected {record.sha256}: {_REMEDY}"
    except (DamageError, DiskError) as error:
        yield str(error)


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The header of format 1.0, the same with every NumPy.

    >>> len(_npy_header("<f4", (1_000_000, 384)))
    128
    """
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    length = -(-(10 + len(text) + 1) // ALIGNMENT) * ALIGNMENT
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length - 10) + text.ljust(length - 11).encode() + b"\n"


def _stored_dtype(name: str, dtype: DTypeLike) -> np.dtype[Any]:
    stored: np.dtype[Any] = np.dtype(dtype).newbyteorder("<")
    if stored.kind not in "biuf" or stored.itemsize > 8:
        raise InputError(f"{name!r} has dtype {dtype}, expected a boolean or number of 8 bytes: convert it")
    return stored


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise InputError(
            f"an array is named {name!r}, expected up to 64 of a-z, 0-9 and _ that begin with a letter and "
            "are no device on Windows: choose another name"
        )
    return name


def _check_number(number: int) -> int:
    if not 1 <= number <= 99_999_999:
        raise InputError(f"a segment has number {number}, expected 1 to 99,999,999: count from 1")
    return index(number)


def _folder_name(number: int) -> str:
    return f"{number:08d}"


def _temporary(folder: Path) -> Path:
    # Not tempfile.mkdtemp, whose folders are readable by their owner alone, and a rename keeps that. Longer than
    # a segment's name, so a path that is too long is refused before anything has its name.
    return folder / f"{_TEMPORARY}{secrets.token_hex(4)}"
