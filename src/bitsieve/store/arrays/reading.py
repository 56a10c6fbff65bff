"""Reading folders of arrays: what is wrong with a file is said, and never read over."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import RowArray
from ...errors import DamageError, DiskError, InputError
from .mapped import MappedFile, check_header, opened, read_block
from .records import BLOCK_BYTES, REMEDY, ArraysRecord, FileRecord


@dataclass(frozen=True)
class Finding:
    """Something wrong with a file, its path relative to the index."""

    file: str
    problem: str


class StoredArrays:
    """The arrays of a segment or a codec, read from the disk. Threads may share it, and a fork inherits it.

    Each method that takes the name of an array raises InputError for one that is not there.
    """

    def __init__(self, record: ArraysRecord, files: Mapping[str, MappedFile]) -> None:
        self.record = record
        self._files = files

    @classmethod
    def open(cls, root: str | PathLike[str], record: ArraysRecord) -> "StoredArrays":
        """Map the files of a folder, their lengths and headers checked, their data not yet.

        root: the index's folder. record: what `write_arrays` returned.
        Raises: DamageError when a file is not what the record says, MissingFileError when it is not there, which
            may also be because a writer has swept it; DiskError when the system refuses.
        """
        folder = Path(root) / record.folder
        files = {file.name: MappedFile(folder / f"{file.name}.npy", file) for file in record.files}
        return cls(record, files)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays."""
        return tuple(self._files)

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def array(self, name: str) -> NDArray[Any]:
        """An array as it lies on the disk, read-only: `check_rows` before using rows of it, or mark and check."""
        return self._file(name).array

    def data_offset(self, name: str) -> int:
        """Bytes of the file before the array's own, which blocks count too."""
        return self._file(name).data_offset

    def marks(self, name: str) -> NDArray[np.uint8]:
        """One byte for each block of a file: whoever uses a row sets those of the blocks it lies in to 1.

        Any thread may set them, at any time; nobody sets them back, because another thread may be about to check
        them. So where a marked block turns out damaged, `check_marked` fails for all from then on.

        Returns: (n_blocks,) uint8, the same memory every time. Block b begins at byte b * BLOCK_BYTES of the file.
        """
        return self._file(name).marks

    def check_marked(self, name: str) -> None:
        """Check the blocks that are marked, those that were not checked before: before using what was read in them.

        Raises: DamageError that names the file and the block; DiskError when it cannot be read.
        """
        self._file(name).check_marked()

    def check_rows(self, name: str, rows: slice | RowArray) -> None:
        """Check the blocks that rows lie in, those that were not checked before.

        rows: a slice of step 1, or row numbers in any order and shape.
        Raises: DamageError that names the file and the block; DiskError when it cannot be read;
            InputError for a row that is not there.
        """
        self._file(name).check_rows(rows)

    def load(self, name: str) -> NDArray[Any]:
        """An array in memory of its own, on a cache line, every block checked.

        Raises: DamageError that names the file and the block; DiskError when it cannot be read.
        """
        return self._file(name).load()

    def _file(self, name: str) -> MappedFile:
        if name not in self._files:
            raise InputError(f"{self.record.folder} has no array {name!r}: it has {', '.join(self._files)}")
        return self._files[name]


def verify_arrays(root: str | PathLike[str], record: ArraysRecord) -> list[Finding]:
    """Read every file of a folder and compare it with the record: length, header, blocks, sha256.

    Returns: what is wrong, file by file, nothing when all is well; also for files that `StoredArrays.open` refuses.
    """
    findings = []
    for file in record.files:
        place = f"{record.folder}/{file.name}.npy"
        findings += [Finding(place, problem) for problem in _problems(Path(root) / place, file)]
    return findings


def _problems(path: Path, record: FileRecord) -> Iterator[str]:
    sha256 = hashlib.sha256()
    memory = memoryview(bytearray(BLOCK_BYTES))
    whole = True
    try:
        with opened(path, record) as stream:
            for block in range(record.n_blocks):
                try:
                    sha256.update(read_block(stream, path, record, block, memory))
                except (DamageError, DiskError) as error:
                    whole = False
                    yield str(error)
            if whole:
                stream.seek(0)
                check_header(stream, path, record)
            if whole and sha256.hexdigest() != record.sha256:
                yield f"{path} has sha256 {sha256.hexdigest()}, expected {record.sha256}: {REMEDY}"
    except (DamageError, DiskError) as error:
        yield str(error)
