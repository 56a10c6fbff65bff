"""What is known of a folder of arrays since it was written, for the catalog to keep."""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import DTypeLike

from ...errors import DamageError, InputError

Kind: TypeAlias = Literal["segments", "codecs"]
"""What the arrays of a folder are: rows of documents, or what turns vectors into codes."""

BLOCK_BYTES = 1 << 20
"""What one CRC is of, counted from the start of the file."""
ALIGNMENT = 64
"""What the data of a file begins at a multiple of: a cache line, and what .npy asks for."""
REMEDY = "restore it from a backup"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
"""Devices on Windows, also with .npy behind."""


@dataclass(frozen=True)
class FileRecord:
    """What is known of a file since it was written.

    name: without .npy. length: of the file, bytes. dtype: as NumPy's `str`, little-endian.
    sha256: of the whole file, hexadecimal.
    crcs: CRC-32 of each 1 MiB of the file, the last may be shorter; four bytes each, little-endian.
    Raises: InputError when these contradict each other.
    """

    name: str
    length: int
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    crcs: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        dtype = stored_dtype(self.name, self.dtype)
        if (
            dtype.str != self.dtype
            or min(self.shape, default=-1) < 0
            or self.length != len(self.header) + math.prod(self.shape) * dtype.itemsize
            or len(self.crcs) != 4 * self.n_blocks
            or not re.fullmatch("[0-9a-f]{64}", self.sha256)
        ):
            raise InputError(
                f"{self.name}.npy cannot have length {self.length}, dtype {self.dtype!r}, shape {self.shape}, "
                f"sha256 {self.sha256!r} and {len(self.crcs)} bytes of checksums: take them from write_arrays"
            )

    @property
    def header(self) -> bytes:
        """The bytes before the data."""
        return npy_header(self.dtype, self.shape)

    @property
    def n_blocks(self) -> int:
        """Blocks of BLOCK_BYTES, the last may be shorter."""
        return -(-self.length // BLOCK_BYTES)

    def crc(self, block: int) -> int:
        """CRC-32 of a block."""
        return int.from_bytes(self.crcs[4 * block : 4 * block + 4], "little")


@dataclass(frozen=True)
class ArraysRecord:
    """What is known of a folder of arrays since it was written: the catalog keeps it."""

    kind: Kind
    number: int
    files: tuple[FileRecord, ...]

    def __post_init__(self) -> None:
        arrays_folder(self.kind, self.number)

    @property
    def folder(self) -> str:
        """Where it is below the index's folder."""
        return arrays_folder(self.kind, self.number)

    def to_dict(self) -> dict[str, Any]:
        """The record as values that JSON has; a gigabyte of arrays takes 8 KB."""
        files = [{**vars(file), "crcs": file.crcs.hex()} for file in self.files]
        return {"kind": self.kind, "number": self.number, "files": files}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ArraysRecord":
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
                    crcs=bytes.fromhex(file["crcs"]),
                )
                for file in values["files"]
            ]
            return cls(values["kind"], index(values["number"]), tuple(files))
        except (KeyError, TypeError, ValueError) as error:
            raise DamageError(f"the record of a folder of arrays is damaged ({error!r}): {REMEDY}") from error


def arrays_folder(kind: Kind, number: int) -> str:
    """Where a folder of arrays is below the index's folder.

    >>> arrays_folder("segments", 1)
    'segments/00000001'

    Raises: InputError for another kind, or a number outside 1 to 99,999,999.
    """
    if kind not in get_args(Kind):
        raise InputError(f"arrays are of kind {kind!r}, expected one of {', '.join(get_args(Kind))}")
    if not 1 <= number <= 99_999_999:
        raise InputError(f"one of {kind} has number {number}, expected 1 to 99,999,999: count from 1")
    return f"{kind}/{number:08d}"


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The header of format 1.0, the same with every NumPy.

    >>> len(npy_header("<f4", (1_000_000, 384)))
    128
    """
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    length = -(-(10 + len(text) + 1) // ALIGNMENT) * ALIGNMENT
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length - 10) + text.ljust(length - 11).encode() + b"\n"


def stored_dtype(name: str, dtype: DTypeLike) -> np.dtype[Any]:
    """The little-endian dtype that an array is stored in, or InputError."""
    stored: np.dtype[Any] = np.dtype(dtype).newbyteorder("<")
    if stored.kind not in "biuf" or stored.itemsize > 8:
        raise InputError(f"{name!r} has dtype {dtype}, expected a boolean or number of 8 bytes: convert it")
    return stored


def check_name(name: str) -> str:
    """Return the name of an array, or say what is wrong with it."""
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise InputError(
            f"an array is named {name!r}, expected up to 64 of a-z, 0-9 and _ that begin with a letter and "
            "are no device on Windows: choose another name"
        )
    return name
