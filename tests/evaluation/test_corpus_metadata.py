"""Metadata of your own corpora: the columns asked for, as JSON, whatever the format; what is none is named."""

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bitsieve.errors import CorpusError, InputError
from bitsieve.evaluation.corpora import load_corpus

CSV = "id,title,text,year,topic\na,One,First.,1872,Arts\nb,Two,Second.,,Arts\nc,Three,Third.,12.5,\n"


def jsonl(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text(CSV, "utf-8")
    return path


def test_none_is_kept_unless_asked_for(table: Path) -> None:
    assert load_corpus(table).metadata == []


def test_all_columns_but_text_and_id_are_kept_as_they_are(table: Path, tmp_path: Path) -> None:
    assert load_corpus(table, metadata=None).metadata[1:] == [
        {"title": "Two", "year": "", "topic": "Arts"},
        {"title": "Three", "year": "12.5", "topic": ""},
    ]
    path = jsonl(tmp_path / "own.jsonl", {"key": 1, "body": "B", "id": "x", "of": {"a": [1, None, True]}})
    kept = load_corpus(path, text_field="body", id_field="key", metadata=None).metadata
    assert kept == [{"id": "x", "of": {"a": [1, None, True]}}]


def test_named_columns_are_kept_and_numbers_read_where_asked(table: Path, tmp_path: Path) -> None:
    kept = load_corpus(table, metadata=["topic", "year:number"]).metadata
    assert kept == [{"topic": "Arts", "year": 1872}, {"topic": "Arts"}, {"topic": "", "year": 12.5}]
    assert isinstance(kept[0]["year"], int)
    path = jsonl(
        tmp_path / "own.jsonl", {"text": "A", "year": 1.5}, {"text": "B", "year": None}, {"text": "C"}
    )
    assert load_corpus(path, metadata=["year:number"]).metadata == [{"year": 1.5}, {}, {}]
    assert load_corpus(path, metadata=["year"]).metadata == [{"year": 1.5}, {"year": None}, {}]


def test_metadata_stays_with_its_text_when_records_are_left_out(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "own.jsonl", {"text": "A", "n": 1}, {"text": " ", "n": 2}, {"text": "C", "n": 3})
    corpus = load_corpus(path, metadata=["n"], skip_bad=True)
    assert (corpus.texts, corpus.metadata) == (["A", "C"], [{"n": 1}, {"n": 3}])
    assert load_corpus(path, metadata=["n"], limit=1).metadata == [{"n": 1}]


def test_a_name_that_no_record_has_is_an_error(table: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no column 'yaer'.*--metadata"):
        load_corpus(table, metadata=["yaer"])
    path = jsonl(tmp_path / "own.jsonl", {"text": "A", "year": 1})
    with pytest.raises(CorpusError, match="no record with 'yaer'"):
        load_corpus(path, metadata=["year", "yaer"])
    with pytest.raises(InputError, match="fields of its own"):
        load_corpus("wikipedia-en", metadata=["topic"])


@pytest.mark.parametrize("value", ["12a", True, [1], "nan", "1e999"])
def test_what_is_no_number_is_named_by_its_line(tmp_path: Path, value: Any) -> None:
    path = jsonl(tmp_path / "own.jsonl", {"text": "A", "year": 1}, {"text": "B", "year": value})
    with pytest.raises(CorpusError, match=r"own.jsonl, line 2: 'year' is "):
        load_corpus(path, metadata=["year:number"])
    assert load_corpus(path, metadata=["year:number"], skip_bad=True).n_skipped == 1


def test_parquet_gives_json_values_and_dates_as_text(tmp_path: Path) -> None:
    day = datetime.date(1872, 11, 13)
    record = {
        "text": "A",
        "day": day,
        "at": datetime.datetime(1872, 11, 13, 7, 35),
        "tags": ["a", "b"],
        "n": None,
    }
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "own.parquet")
    (kept,) = load_corpus(tmp_path / "own.parquet", metadata=None).metadata
    assert kept == {"day": "1872-11-13", "at": "1872-11-13T07:35:00", "tags": ["a", "b"], "n": None}


@pytest.mark.parametrize("value", [b"bytes", float("nan")])
def test_what_json_has_not_is_named_by_its_column(tmp_path: Path, value: Any) -> None:
    pq.write_table(pa.Table.from_pylist([{"text": "A", "odd": value}]), tmp_path / "own.parquet")
    with pytest.raises(CorpusError, match=r"row 0: 'odd' is no metadata .*--metadata"):
        load_corpus(tmp_path / "own.parquet", metadata=None)
    assert load_corpus(tmp_path / "own.parquet").texts == ["A"]


def test_a_folder_of_texts_has_titles(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("A note.")
    assert load_corpus(tmp_path, metadata=None).metadata == [{"title": "note"}]


@pytest.mark.parametrize(
    ("suffix", "between", "expected"), [("csv", ";", "commas"), ("csv", "\t", "commas"), ("tsv", ",", "tabs")]
)
def test_another_separator_is_named_with_the_one_expected(
    tmp_path: Path, suffix: str, between: str, expected: str
) -> None:
    path = tmp_path / f"own.{suffix}"
    path.write_text(f"key{between}text\n1{between}t\n")
    with pytest.raises(
        CorpusError, match=f"save it with {expected} between the columns, where it has '"
    ) as said:
        load_corpus(str(path))
    assert repr(between) in str(said.value)


@pytest.mark.parametrize("file", ["own.csv", "own.jsonl"])
def test_what_may_stand_after_a_columns_colon_is_told(tmp_path: Path, file: str) -> None:
    (tmp_path / "own.csv").write_text("text,year\nt,1872\n")
    (tmp_path / "own.jsonl").write_text('{"text": "t", "year": 1872}\n')
    with pytest.raises(CorpusError, match="after a colon only 'number' is understood, as in 'year:number'"):
        load_corpus(str(tmp_path / file), metadata=["year:date"])
