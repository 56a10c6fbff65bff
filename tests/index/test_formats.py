"""Indexes last: old ones are read, newer ones are told from damaged ones, and a migration happens or does not."""

import json
import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from small_index import D, build_index, contents, given, small_thresholds

from bitsieve.errors import DamageError, FormatError, InputError, NewerFormatError
from bitsieve.index import Index
from bitsieve.store import connections, migrations

GOLDEN = Path(__file__).parent / "golden"
DIGESTS = {
    "v1": "07d4d21d25b56197",
    "v1-ids": "9887e928ac6b17d7",
}
"""Of what lies in each folder: a golden index that changes would prove nothing. In the first, ids are in the catalog
alone; since then segments have them too, which older versions of bitsieve do not mind."""
VERSIONS = sorted(path.name for path in GOLDEN.glob("v*"))


@pytest.fixture(params=VERSIONS)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of an old index, and what has to be in it."""
    folder = GOLDEN / request.param
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    expected["vectors"] = np.load(folder / "vectors.npy")
    return shutil.copytree(folder / "index", tmp_path / "index"), expected


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build_index(tmp_path / "index")
    return tmp_path / "index"


def assert_holds(index: Index, expected: dict[str, Any]) -> None:
    """The law: everything that was put in is found as it was found then."""
    assert index.verify() == []
    assert len(index) == len(expected["documents"])
    for was in expected["documents"]:
        document = index.get(was["id"])
        assert document is not None
        assert (document.text, document.metadata) == (was["text"], was["metadata"])
    for answer in expected["answers"]:
        question = dict(answer["question"])
        if "query" not in question:
            question["vector"] = expected["vectors"][answer["vector"]]
        hits = index.search(k=5, **question)
        places = [hit.passage and [hit.passage.start, hit.passage.stop] for hit in hits]
        assert [[hit.id, place] for hit, place in zip(hits, places, strict=True)] == [
            [id_, place] for id_, _, place in answer["hits"]
        ]
        assert [hit.score for hit in hits] == pytest.approx(
            [score for _, score, _ in answer["hits"]], abs=1e-5
        )


def test_an_index_of_every_version_is_read(golden: tuple[Path, dict[str, Any]]) -> None:
    root, expected = golden
    with Index.open(root, write=True):  # which brings it up to date
        pass
    with Index.open(root) as index:
        assert_holds(index, expected)
        assert set(index.stats().kinds) == {"exact", "flat", "cells"}


def test_an_index_of_every_version_is_written_to(golden: tuple[Path, dict[str, Any]]) -> None:
    root, expected = golden
    with small_thresholds(), Index.open(root, write=True) as index:
        index.add(**given(700, 3))
        index.delete([f"id-{number}" for number in range(700, 703)])
        assert_holds(index, expected)
        index.compact()
        assert index.stats().kinds == ("cells",)
        assert index.stats().n_deleted == 0
        assert index.verify() == []
        assert len(index) == len(expected["documents"])


def test_golden_indexes_are_there_small_and_what_they_always_were() -> None:
    assert f"v{migrations.VERSION}" in VERSIONS
    digests = {}
    for version in VERSIONS:
        files = contents(GOLDEN / version)
        assert sum(map(len, files.values())) < 300_000
        listed = [f"{name} {sha256(data).hexdigest()}" for name, data in sorted(files.items())]
        digests[version] = sha256("\n".join(listed).encode()).hexdigest()[:16]
    assert digests == DIGESTS


def test_ids_are_found_in_an_index_whose_segments_have_none(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "v1" / "index", tmp_path / "index")
    assert not list(tmp_path.rglob("id_text.npy"))
    with small_thresholds(), Index.open(tmp_path / "index", write=True) as index:
        vectors = np.load(GOLDEN / "v1" / "vectors.npy")
        index.delete(["id-5"])
        expected = [[hit.id for hit in hits] for hits in index.search_batch(vectors=vectors)]
        found = index.search_batch(vectors=vectors, ids_only=True)
        assert [[hit.id for hit in hits] for hits in found] == expected
        index.compact()  # which gives them to the segment
        assert list(tmp_path.rglob("id_text.npy"))
        found = index.search_batch(vectors=vectors, ids_only=True)
        assert [hits[0].id for hits in found] == [ids[0] for ids in expected]


def set_header(root: Path, **values: int) -> None:
    """Change what SQLite keeps in the catalog's header, with checksums that agree."""
    connection = connections.connect(root / "catalog.sqlite", apsw.SQLITE_OPEN_READWRITE)
    for name, value in values.items():
        connection.pragma(name, value)
    connection.close()


def test_a_newer_index_a_damaged_one_another_database_and_no_index_are_told_apart(
    root: Path, tmp_path: Path
) -> None:
    newer, damaged, foreign, text, nothing = (
        tmp_path / name for name in ("newer", "damaged", "foreign", "text", "no")
    )
    shutil.copytree(root, newer)
    set_header(newer, user_version=migrations.VERSION + 1)
    shutil.copytree(root, damaged)
    with (damaged / "catalog.sqlite").open("r+b") as file:
        file.seek(3_000)
        file.write(b"damage")
    for folder in (foreign, text, nothing):
        folder.mkdir()
    with sqlite3.connect(foreign / "catalog.sqlite") as database:
        database.execute("CREATE TABLE documents (id, text)")
    database.close()
    (text / "catalog.sqlite").write_text("no database at all, but a text of more than a hundred bytes" * 9)

    def error_of(folder: Path, write: bool) -> tuple[type[Exception], str]:
        with pytest.raises((FormatError, DamageError)) as caught:
            Index.open(folder, write=write)
        return type(caught.value), str(caught.value).replace(str(folder), "…")

    folders = (newer, damaged, foreign, text, nothing, tmp_path / "not there")
    errors = {folder.name: error_of(folder, write=False) for folder in folders}
    assert {folder.name: error_of(folder, write=True) for folder in folders} == errors
    version = migrations.VERSION
    assert errors == {
        "newer": (
            NewerFormatError,
            f"…/catalog.sqlite has format version {version + 1}, this bitsieve reads up to {version}: upgrade bitsieve",
        ),
        "damaged": (DamageError, "…/catalog.sqlite is damaged: restore the index from a backup"),
        "foreign": (FormatError, "…/catalog.sqlite is a database, but no index of bitsieve: check the path"),
        "text": (DamageError, "…/catalog.sqlite is damaged: restore the index from a backup"),
        "no": (FormatError, "… holds no index: make one (bitsieve index, Index.create), or check the path"),
        "not there": (
            FormatError,
            "… holds no index: make one (bitsieve index, Index.create), or check the path",
        ),
    }
    assert sorted(path.name for path in nothing.iterdir()) == []
    assert sorted(path.name for path in foreign.iterdir()) == ["catalog.sqlite"]


def test_a_lost_catalog_is_damage_and_not_a_folder_without_an_index(root: Path) -> None:
    (root / "catalog.sqlite").unlink()
    with pytest.raises(DamageError, match=r"catalog\.sqlite is missing or empty: restore"):
        Index.open(root)
    with pytest.raises(InputError, match="is not an empty folder"):
        Index.create(root, dimension=D)


def test_what_loses_its_checksums_is_damaged(root: Path) -> None:
    with (root / "catalog.sqlite").open("r+b") as file:
        file.seek(20)  # bytes reserved at the end of each page: with another number nothing would be checked
        file.write(b"\x00")
    with pytest.raises(DamageError):
        Index.open(root)
