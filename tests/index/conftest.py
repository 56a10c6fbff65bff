"""For tests of the index: segments of every kind from few rows on."""

import pytest

from bitsieve.index import build, writer


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes from 20 rows on, cells from 60, a codec from 40 passages."""
    monkeypatch.setattr(build, "FLAT_FROM", 20)
    monkeypatch.setattr(build, "CELLS_FROM", 60)
    monkeypatch.setattr(writer, "FIT_FROM", 40)
