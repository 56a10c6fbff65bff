"""Folders of .npy files that are written once, whole or not at all, and checked when they are read.

    segments/
      00000001/      codes.npy vectors.npy …; a folder has its number when all of it is on the disk
      tmp-5f0c81d2/  being written, or being removed
    codecs/
      00000001/      mean.npy components.npy …

What the catalog does not name does not exist. It keeps an `ArraysRecord` of each folder, and files are believed
only as far as they agree with it: lengths and headers when a folder is opened, CRC-32 of 1 MiB blocks when
rows are first used, everything with sha256 by `verify_arrays`.
"""

from .reading import Finding, StoredArrays, verify_arrays
from .records import BLOCK_BYTES, ArraysRecord, FileRecord, Kind
from .writing import RowBlocks, sweep, write_arrays, writing_arrays

__all__ = [
    "BLOCK_BYTES",
    "ArraysRecord",
    "FileRecord",
    "Finding",
    "Kind",
    "RowBlocks",
    "StoredArrays",
    "sweep",
    "verify_arrays",
    "write_arrays",
    "writing_arrays",
]
