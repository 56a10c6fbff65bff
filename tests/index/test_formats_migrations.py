"""A migration happens, and is recorded, or does not; only a writer does it, and readers are told."""

import os
from pathlib import Path
from typing import Any

import apsw
import pytest
from children import in_child
from small_index import build_index, contents, given, kill_a_writer

from bitsieve.errors import FormatError, InputError, NewerFormatError
from bitsieve.index import Index
from bitsieve.store import catalog, connections, migrations


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build_index(tmp_path / "index")
    return tmp_path / "index"


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
    for module in (migrations, catalog):
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
