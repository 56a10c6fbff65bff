"""Parquet files, read a batch of rows at a time (extra [hub]: pyarrow)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...errors import CorpusError, MissingExtraError

BATCH_ROWS = 1_000

UNDECODABLE = object()
"""Stands for a string whose bytes are not UTF-8: pyarrow checks them only when they are read."""


def require_pyarrow() -> Any:
    """The module `pyarrow.parquet`. Raises: MissingExtraError when it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet", "hub") from error
    return pyarrow.parquet


def read_parquet(path: Path, columns: Callable[[list[str]], list[str]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file as dicts, without holding the file in memory.

    columns: given the names of all columns, returns those to read.
    Raises: CorpusError when the file is not Parquet or is damaged; MissingExtraError without pyarrow.
    """
    parquet = require_pyarrow()
    from pyarrow import ArrowException

    try:
        with parquet.ParquetFile(path) as file:
            wanted = columns(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
                values = [_values(batch.column(name)) for name in wanted]
                for row in zip(*values, strict=True):
                    yield dict(zip(wanted, row, strict=True))
    except ArrowException as error:
        raise CorpusError(f"{path} is not a readable Parquet file: {error}") from error


def _values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return UNDECODABLE
