"""What SQLite refuses, said so that one knows what to do."""

import errno
from pathlib import Path

import apsw
import pytest

from bitsieve.errors import DamageError, DiskError, FormatError
from bitsieve.store.sqlite_errors import explained_sql

PLACE = Path("wiki.sieve/catalog.sqlite")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (apsw.FullError("database or disk is full"), "database or disk is full.*free space on that disk"),
        (apsw.FullError("not an error"), "No space left on device.*free space on that disk"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device.*free space on that disk",
        ),
    ],
)
def test_a_full_disk_is_told_as_one(error: Exception, message: str) -> None:
    with pytest.raises(DiskError, match=message) as caught, explained_sql(PLACE):
        raise error
    assert caught.value.errno == errno.ENOSPC


def test_damage_names_the_file_and_other_errors_pass() -> None:
    with pytest.raises(DamageError, match=r"catalog\.sqlite is damaged: restore"), explained_sql(PLACE):
        raise apsw.CorruptError("database disk image is malformed")
    for error in (apsw.SQLError("no such table"), FormatError("made by another"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, explained_sql(PLACE):
            raise error
        assert caught.value is error
