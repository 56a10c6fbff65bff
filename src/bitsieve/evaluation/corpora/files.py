"""Your own corpus: JSON Lines, CSV, TSV, Parquet, a folder of text files; errors name the line.

A reader yields `(where, record)` in order; a record that cannot be read comes as a `RecordError`.
Nothing is guessed: no encoding but UTF-8, no delimiter but the suffix's.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import CorpusError, InputError
from ...store.sqlite_errors import CATALOG
from .corpus import Collector, Corpus
from .fields import NOT_UTF8, Fields, RecordError, about_colon
from .parquet import read_parquet

BOM = b"\xef\xbb\xbf"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LONGEST_CELL = 2**31 - 1
"""Characters in a CSV cell; the csv module's own limit, 131,072, is less than a long article."""

Row = tuple[str, Mapping[str, Any] | RecordError]


def load_path(path: Path, fields: Fields, *, limit: int | None, skip_bad: bool) -> Corpus:
    """Load a file or folder that exists, in its own order.

    Raises: CorpusError for a broken record (unless `skip_bad`), an unreadable file, or an empty result;
        InputError when `fields` are given for a folder of text files.
    """
    collector = Collector(limit)
    seen: set[str] = set()
    unseen = set(fields.metadata_names)
    try:
        for row, (where, record) in enumerate(_rows(path, fields)):
            try:
                if isinstance(record, RecordError):
                    raise record
                text_id, title, text = fields.pick(record, row)
                metadata = fields.rest(record)
                if text_id in seen:
                    raise RecordError(f"the id {text_id!r} was used before: ids must differ")
            except RecordError as reason:
                if not skip_bad:
                    raise CorpusError(
                        f"{where}: {reason}; correct it, or skip such records (--skip-bad, skip_bad=True)"
                    ) from None
                collector.skip(f"{where}: {reason}")
                continue
            seen.add(text_id)
            unseen.difference_update(record)
            collector.add(text_id, title, text, metadata)
            if collector.full:
                break
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
    if unseen:
        raise CorpusError(
            f"{path} has no record with {min(unseen)!r}: name the right columns with --metadata (metadata)"
            f"{about_colon(min(unseen))}"
        )
    return collector.corpus(name=path.name or str(path), licence="not stated", source=str(path.resolve()))


def _rows(path: Path, fields: Fields) -> Iterator[Row]:
    if path.is_dir():
        if (path / CATALOG).is_file():
            raise CorpusError(
                f"{path} is an index, not texts: copy it with bitsieve backup, or name its source"
            )
        return _folder_rows(path, fields)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet_rows([path], fields)
    if suffix in DELIMITERS:
        return _csv_rows(path, fields, DELIMITERS[suffix])
    if suffix in (".jsonl", ".ndjson"):
        return _json_rows(path)
    raise CorpusError(
        f"{path} has the suffix {suffix!r}: expected .jsonl, .ndjson, .csv, .tsv, .parquet, or a folder"
    )


def _folder_rows(folder: Path, fields: Fields) -> Iterator[Row]:
    found = {file.relative_to(folder): file for file in folder.rglob("*") if file.is_file()}
    visible = {name: file for name, file in found.items() if not any(p.startswith(".") for p in name.parts)}
    files = {name.as_posix(): visible[name] for name in sorted(visible, key=Path.as_posix)}
    # Parquet first: a folder of shards often has a README.md beside them.
    if shards := [file for file in files.values() if file.suffix.lower() == ".parquet"]:
        return _parquet_rows(shards, fields)
    texts = {name: file for name, file in files.items() if file.suffix.lower() in (".txt", ".md")}
    if not texts:
        raise CorpusError(f"{folder} holds no .txt, .md or .parquet file")
    if fields.named:
        raise InputError(f"{folder} is a folder of text files: leave out text_field, id_field, title_field")
    return _text_rows(texts)


def _text_rows(files: Mapping[str, Path]) -> Iterator[Row]:
    for name, file in files.items():
        try:
            text = file.read_bytes().removeprefix(BOM).decode()
        except UnicodeDecodeError:
            yield str(file), RecordError(NOT_UTF8)
        else:
            yield str(file), {"id": name, "title": file.stem, "text": text}


def _parquet_rows(files: list[Path], fields: Fields) -> Iterator[Row]:
    for file in files:
        records = read_parquet(file, partial(fields.columns, path=file))
        for number, record in enumerate(records):
            yield f"{file}, row {number}", record


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Physical lines, numbered from 1, without a byte order mark; only a line feed ends one."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, line.removeprefix(BOM) if number == 1 else line


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if stripped := line.strip():
            yield f"{path}, line {number}", _json_record(stripped)


def _json_record(line: bytes) -> dict[str, Any] | RecordError:
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return RecordError(NOT_UTF8)
    except json.JSONDecodeError as error:
        return RecordError(f"expected a JSON object, got {line[:40]!r} ({error.msg}, column {error.colno})")
    except (ValueError, RecursionError) as error:  # a number of 4,300 digits, or 1,000 brackets
        return RecordError(f"expected a JSON object, got {line[:40]!r} ({error})")
    if not isinstance(record, dict):
        return RecordError(f"expected a JSON object, got {line[:40]!r}")
    return record


def _csv_rows(path: Path, fields: Fields, delimiter: str) -> Iterator[Row]:
    undecodable: list[int] = []

    def lines() -> Iterator[str]:
        for number, line in _lines(path):
            try:
                yield line.decode()
            except UnicodeDecodeError:
                undecodable.append(number)
                yield line.decode(errors="replace")

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    header: list[str] = []
    while True:
        where = f"{path}, line {reader.line_num + 1}"
        cells = _next_cells(reader, where)
        if cells is None:
            break
        if undecodable:
            where = f"{path}, line {undecodable[0]}"
            undecodable.clear()
            cells = RecordError(NOT_UTF8)
        if isinstance(cells, RecordError):
            if not header:
                raise CorpusError(f"{where}: the header is expected here, but {cells}")
            yield where, cells
        elif not cells:  # a blank line
            continue
        elif not header:
            header = cells
            fields.columns(header, path)
        elif len(cells) == len(header):
            yield where, dict(zip(header, cells, strict=True))
        else:
            yield where, RecordError(f"it has {len(cells)} columns, the header has {len(header)}")
    if not header:
        raise CorpusError(f"{path} is empty: expected a header with the column {fields.text!r}")


def _next_cells(reader: Iterator[list[str]], where: str) -> list[str] | RecordError | None:
    """The cells of the next record, why there are none, or None at the end of the file."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        return next(reader, None)
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            # Not one record: the open quote has swallowed all that follows, so it is never skipped.
            raise CorpusError(f"{where}: a quote opened here is not closed before the file ends") from None
        return RecordError(f"it is not CSV: {error}")
    finally:
        csv.field_size_limit(before)  # it belongs to the whole process
