"""For tests of the store: a disk without syncs, for those that cut no power."""

import pytest

from bitsieve.store import disk


@pytest.fixture
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync takes milliseconds, and nobody cuts the power of tests."""
    monkeypatch.setattr(disk, "_sync", lambda _: None)
