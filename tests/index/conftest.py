"""For tests of the index: small segments of every kind, indexes of four texts, and folders in memory."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from four_texts import index_of, index_of_vectors

from bitsieve.index import build, writer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))

MEMORY = Path("/dev/shm")


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: there a sync takes no time."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes from 20 rows on, cells from 60, a codec from 40 passages."""
    monkeypatch.setattr(build, "FLAT_FROM", 20)
    monkeypatch.setattr(build, "CELLS_FROM", 60)
    monkeypatch.setattr(writer, "FIT_FROM", 40)


@pytest.fixture
def of_minilm(tmp_path: Path, models: Path) -> Path:
    """Where an index of four texts is, by MiniLM, which it knows by its folder."""
    return index_of(models / "all-MiniLM-L6-v2-int8", tmp_path / "index")


@pytest.fixture
def of_vectors(tmp_path: Path) -> Path:
    """Where an index of four texts is, by vectors whose model only has a name."""
    return index_of_vectors(tmp_path / "own")
