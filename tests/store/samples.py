"""Small arrays to write, ways to read them, and blocks that are small too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitsieve.errors import DamageError
from bitsieve.store.arrays import (
    ArraysRecord,
    RowBlocks,
    StoredArrays,
    mapped,
    reading,
    records,
    verify_arrays,
    writing,
)

Arrays = dict[str, NDArray[Any]]
FIRST = "segments/00000001"


def set_block_bytes(patch: pytest.MonkeyPatch, n_bytes: int) -> None:
    """Let one CRC be of so many bytes, until the patch is undone."""
    for module in (records, writing, mapped, reading):
        patch.setattr(module, "BLOCK_BYTES", n_bytes)


def small_arrays(seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return {
        "codes": rng.integers(0, 256, (40, 16), dtype=np.uint8),
        "vectors": rng.standard_normal((40, 5)).astype(np.float32),
        "pivot_vectors": rng.standard_normal((40, 5)).astype(np.float32),
        "keys": np.arange(40),
        "none": np.empty((0, 3), np.float32),
    }


def in_blocks(array: NDArray[Any], n_rows: int) -> RowBlocks:
    parts = (array[start : start + n_rows] for start in range(0, len(array), n_rows))
    return RowBlocks(array.shape, array.dtype, parts)


def two_arrays(seed: int = 0) -> dict[str, RowBlocks]:
    """Three writes of data a file, of several sectors each."""
    vectors = np.random.default_rng(seed).standard_normal((130, 8)).astype(np.float32)
    return {"vectors": in_blocks(vectors, 50), "keys": in_blocks(np.arange(600), 250)}


def read(root: Path, record: ArraysRecord, name: str) -> NDArray[Any]:
    """An array by both ways, or DamageError by both."""
    stored = StoredArrays.open(root, record)
    try:
        loaded = stored.load(name)
    except DamageError:
        with pytest.raises(DamageError):
            stored.check_rows(name, slice(None))
        raise
    stored.check_rows(name, slice(None))
    np.testing.assert_array_equal(stored.array(name), loaded, strict=True)
    return loaded


def damaged(root: Path, record: ArraysRecord) -> list[str]:
    """Names of the arrays that verifying finds something wrong with."""
    found = {finding.file for finding in verify_arrays(root, record)}
    return [file.name for file in record.files if f"{FIRST}/{file.name}.npy" in found]


def in_segments(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "segments").iterdir())
