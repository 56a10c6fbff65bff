"""Transactions of the catalog: each ends, however it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitsieve.store.catalog import Catalog
from bitsieve.store.disk import Disk
from bitsieve.store.facts import generation_of

pytestmark = pytest.mark.usefixtures("no_syncs")


class Interrupted:
    """A connection on which Ctrl-C is pressed right after a statement was run."""

    def __init__(self, connection: Any, statement: str) -> None:
        self._connection, self._statement = connection, statement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        result = self._connection.execute(statement, *values)
        if statement == self._statement:
            raise KeyboardInterrupt
        return result


def committed(catalog: Catalog) -> int:
    """The generation of one more commit."""
    with catalog.writing() as (_, generation):
        pass
    return generation


@pytest.mark.parametrize(("begin", "how"), [("BEGIN", Catalog.reading), ("BEGIN IMMEDIATE", Catalog.writing)])
def test_an_interruption_right_after_the_beginning_leaves_no_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: str, how: Callable[[Catalog], Any]
) -> None:
    catalog = Catalog.create(tmp_path, Disk(), {}, "unicode61")
    connection, in_use = catalog._connection()
    monkeypatch.setattr(catalog, "_connection", lambda: (Interrupted(connection, begin), in_use))
    with pytest.raises(KeyboardInterrupt), how(catalog):
        pass
    monkeypatch.undo()
    assert not connection.in_transaction
    other = Catalog(tmp_path, Disk(), writable=True)
    assert committed(other) == 2
    with catalog.reading() as now:
        assert generation_of(now) == 2
    assert committed(catalog) == 3
    for one in (catalog, other):
        one.close()
