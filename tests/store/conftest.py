"""For tests of the store: a disk without syncs, for those that cut no power, and a catalog of a few texts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bitsieve.store import disk, documents
from bitsieve.store.catalog import Catalog
from bitsieve.store.disk import Disk
from bitsieve.store.keywords import TOKENIZERS


@pytest.fixture
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync takes milliseconds, and nobody cuts the power of tests."""
    monkeypatch.setattr(disk, "_sync", lambda _: None)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    @contextmanager
    def open_catalog(
        texts: list[str], tokenizer: str = "unicode61", metadata: list[str] | None = None
    ) -> Iterator[Any]:
        catalog = Catalog.create(tmp_path, Disk(), {"tokenizer": tokenizer}, TOKENIZERS[tokenizer])
        with catalog.writing() as (connection, _):
            documents.insert(connection, 1, [f"id{row}" for row in range(len(texts))], texts, metadata)
        with catalog.reading() as connection:
            yield connection
        catalog.close()

    return open_catalog
