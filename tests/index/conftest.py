"""For tests of the index: segments of every kind from few rows on, the store's disks, and a folder without syncs."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

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
