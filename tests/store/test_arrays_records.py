"""A record is what it was when the catalog gives it back, or it is refused."""

import doctest
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import small_arrays

from bitsieve.errors import DamageError, InputError
from bitsieve.store.arrays import BLOCK_BYTES, ArraysRecord, FileRecord, records, write_arrays
from bitsieve.store.disk import Disk

FILE = {"name": "x", "length": 129, "dtype": "|u1", "shape": [1], "sha256": "0" * 64, "crcs": "01000000"}
SEGMENT = {"kind": "segments", "number": 1, "files": [FILE]}


def test_a_record_has_the_form_that_version_1_of_the_index_keeps() -> None:
    file = FileRecord("x", 129, "|u1", (1,), "0" * 64, b"\1\0\0\0")
    record = ArraysRecord("segments", 1, (file,))
    assert json.loads(json.dumps(record.to_dict())) == SEGMENT
    assert ArraysRecord.from_dict(SEGMENT) == record
    assert record.folder == "segments/00000001"
    assert file.crc(0) == 1


def test_a_record_of_what_was_written_is_the_same_after_json(tmp_path: Path) -> None:
    for kind in ("segments", "codecs"):
        record = write_arrays(Disk(), tmp_path, kind, 7, small_arrays())
        assert ArraysRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
        for file in record.files:
            data = (tmp_path / record.folder / f"{file.name}.npy").read_bytes()
            assert (file.length, file.n_blocks, file.crc(0)) == (len(data), 1, zlib.crc32(data))


def test_a_checksum_takes_eight_characters() -> None:
    n_blocks = 10_000
    length = n_blocks * BLOCK_BYTES
    crcs = np.arange(n_blocks, dtype="<u4")
    file = FileRecord("x", length, "|u1", (length - 128,), "0" * 64, crcs.tobytes())
    record = ArraysRecord("segments", 1, (file,))
    text = json.dumps(record.to_dict())
    assert len(text) < 8 * n_blocks + 250
    assert ArraysRecord.from_dict(json.loads(text)) == record
    assert [file.crc(block) for block in (0, 1, 256, 9_999)] == [0, 1, 256, 9_999]


CHANGES: list[tuple[str, Any]] = [
    ("name", "../x"),
    ("name", None),
    ("length", 130),
    ("length", "129"),
    ("dtype", "<f4"),
    ("dtype", "object"),
    ("dtype", "nonsense"),
    ("dtype", ">u1"),
    ("shape", [2]),
    ("shape", [-1]),
    ("shape", []),
    ("shape", [1.0]),
    ("shape", 1),
    ("sha256", "0"),
    ("crcs", ""),
    ("crcs", "0100000000000000"),
    ("crcs", "0100000"),
    ("crcs", "0x000000"),
    ("crcs", [1]),
]
WRONGS: list[Any] = [
    {},
    [],
    {"kind": "segments", "number": 0, "files": []},
    {"kind": "segments", "number": "1", "files": []},
    {"kind": "segments", "number": 1},
    {"number": 1, "files": []},
    {"kind": "../segments", "number": 1, "files": []},
    {"kind": None, "number": 1, "files": []},
    *({**SEGMENT, "files": [{**FILE, key: value}]} for key, value in CHANGES),
]


@pytest.mark.parametrize("wrong", WRONGS, ids=str)
def test_a_damaged_record_is_refused(wrong: Any) -> None:
    with pytest.raises(DamageError, match=r"record of a folder of arrays is damaged \(.*backup"):
        ArraysRecord.from_dict(wrong)


def test_a_record_that_contradicts_itself_says_how() -> None:
    file = ArraysRecord.from_dict(SEGMENT).files[0]
    with pytest.raises(InputError, match=r"length 129, dtype '\|u1', shape \(2,\), .* 4 bytes of checksums"):
        replace(file, shape=(2,))
    wrong_kind: Any = "indexes"
    with pytest.raises(InputError, match="kind 'indexes', expected one of segments, codecs"):
        ArraysRecord(wrong_kind, 1, ())


def test_examples_in_docstrings() -> None:
    results = doctest.testmod(records)
    assert results.attempted
    assert not results.failed
