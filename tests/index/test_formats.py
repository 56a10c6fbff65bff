"""Indexes last: old ones are read, newer ones are told from damaged ones, and a migration happens or does not."""

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from children import in_child
from small_index import D, build_index, contents, given, kill_a_writer, small_thresholds

from bitsieve.errors import DamageError, FormatError, InputError, NewerFormatError
from bitsieve.index import Index
from bitsieve.store import catalog as catalog_module
from bitsieve.store import connections, migrations

GOLDEN = Path(__file__).parent / "golden"
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


def test_the_golden_index_of_this_version_is_there_and_small() -> None:
    assert f"v{migrations.VERSION}" in VERSIONS
    for version in VERSIONS:
        assert sum(map(len, contents(GOLDEN / version).values())) < 300_000


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

    errors = {}
    for folder in (newer, damaged, foreign, text, nothing, tmp_path / "not there"):
        for write in (False, True):
            with pytest.raises((FormatError, DamageError)) as caught:
                Index.open(folder, write=write)
            errors[folder.name] = type(caught.value), str(caught.value).replace(str(folder), "…")
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


def version_2(connection: apsw.Connection) -> None:
    """A language for each document."""
    connection.execute("ALTER TABLE documents ADD COLUMN language TEXT")
    connection.execute("UPDATE documents SET language = 'en'")


def failing(connection: apsw.Connection) -> None:
    version_2(connection)
    raise InputError("half done")


def killed(connection: apsw.Connection) -> None:
    version_2(connection)
    os._exit(7)


def plan(monkeypatch: pytest.MonkeyPatch, *added: Any) -> None:
    """Let this bitsieve have so many more versions."""
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, *added))
    for module in (migrations, catalog_module):
        monkeypatch.setattr(module, "VERSION", len(migrations.MIGRATIONS))


def state(root: Path) -> tuple[int, list[str], bool]:
    """The version, the migrations that are recorded, and whether the second has added its column."""
    connection = connections.connect(root / "catalog.sqlite", apsw.SQLITE_OPEN_READWRITE)
    names = [name for (name,) in connection.execute("SELECT name FROM migrations ORDER BY version")]
    columns = [row[1] for row in connection.execute("PRAGMA table_info(documents)")]
    version = connection.pragma("user_version")
    connection.close()
    return version, names, "language" in columns


OLD, NEW = (1, ["version_1"], False), (2, ["version_1", "version_2"], True)


def test_a_writer_migrates_and_it_is_recorded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Index.open(root) as index:
        generation = index.stats().generation
    plan(monkeypatch, version_2)
    with Index.open(root, write=True) as index:
        assert index.stats().generation == generation + 1
        index.add(**given(700, 1))
    assert state(root) == NEW
    with Index.open(root) as index:
        assert "id-700" in index
        assert "id-5" in index
        assert index.verify() == []


def test_a_migration_that_fails_or_is_killed_changes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(root)
    plan(monkeypatch, failing)
    with pytest.raises(InputError, match="half done"):
        Index.open(root, write=True)
    assert state(root) == OLD
    if hasattr(os, "fork"):
        monkeypatch.setattr(migrations, "MIGRATIONS", (migrations.version_1, killed))
        with pytest.raises(AssertionError, match=f"status {7 << 8}"):
            in_child(lambda: Index.open(root, write=True))
        assert state(root) == OLD
    assert contents(root)["catalog.sqlite"] == before["catalog.sqlite"]
    monkeypatch.setattr(migrations, "MIGRATIONS", (migrations.version_1, version_2))
    with Index.open(root, write=True) as index:
        assert "id-5" in index
    assert state(root) == NEW


def test_a_reader_of_an_older_version_is_told_to_have_it_migrated(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(monkeypatch, version_2)
    message = (
        "has format version 1, this bitsieve reads 2: open it for writing once, which brings it up to date"
    )
    with pytest.raises(FormatError, match=message) as caught:
        Index.open(root)
    assert not isinstance(caught.value, NewerFormatError)
    assert state(root) == OLD


def test_a_left_over_wal_of_an_older_version_is_migrated_with_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_a_writer(root)
    plan(monkeypatch, version_2)
    with Index.open(root, write=True) as index:
        assert "id-80" not in index
        assert "id-62" in index
    assert state(root) == NEW


def test_an_open_reader_notices_that_a_newer_bitsieve_has_migrated_the_index(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.open(root) as index:
        with monkeypatch.context() as newer:
            plan(newer, version_2)
            Index.open(root, write=True).close()
        with pytest.raises(
            NewerFormatError, match="has format version 2, this bitsieve reads up to 1: upgrade"
        ):
            index.search("amber", mode="keyword")
