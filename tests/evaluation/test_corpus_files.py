"""Your own corpora: each format gives the same texts, and what is broken is named by its line."""

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsieve.errors import CorpusError, InputError, MissingExtraError
from bitsieve.evaluation.corpora import load_corpus

RECORDS = [
    {"id": "a", "title": "One", "text": "The first text."},
    {"id": "b", "title": "Two", "text": 'Lines,\nand "quotes".\nÅ, 日本.'},
    {"id": "c", "title": "Three", "text": "A separator \u2028 inside."},
]


def write_jsonl(path: Path, records: list[dict[str, str]]) -> None:
    path.write_text(
        "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8", newline=""
    )


def write_csv(path: Path, records: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(records)


def write_parquet(path: Path, records: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(records), path, row_group_size=2)


WRITERS: dict[str, Callable[[Path, list[dict[str, str]]], None]] = {
    ".jsonl": write_jsonl,
    ".ndjson": write_jsonl,
    ".csv": write_csv,
    ".tsv": write_csv,
    ".parquet": write_parquet,
}
FORMATS = pytest.mark.parametrize("suffix", WRITERS)


@FORMATS
def test_every_format_gives_the_same_corpus(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"own{suffix}"
    WRITERS[suffix](path, RECORDS)
    corpus = load_corpus(path)
    assert corpus.ids == ["a", "b", "c"]
    assert corpus.titles == ["One", "Two", "Three"]
    assert corpus.texts == [record["text"] for record in RECORDS]
    assert (corpus.name, corpus.source, corpus.licence) == (path.name, str(path.resolve()), "not stated")
    assert (corpus.n_skipped, corpus.skipped_reasons) == (0, ())
    assert load_corpus(str(path), limit=2).texts == corpus.texts[:2]


@FORMATS
def test_fields_can_be_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"own{suffix}"
    WRITERS[suffix](path, [{"key": "k1", "head": "H", "body": " B ", "text": "not this", "id": "not this"}])
    corpus = load_corpus(path, text_field="body", id_field="key", title_field="head")
    assert (corpus.ids, corpus.titles, corpus.texts) == (["k1"], ["H"], ["B"])


@FORMATS
def test_without_id_and_title_the_number_and_the_first_words_stand_in(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"own{suffix}"
    WRITERS[suffix](path, [{"text": "word " * 40}, {"text": "Short."}, {"text": "語" * 100}])
    corpus = load_corpus(path)
    assert corpus.ids == ["0", "1", "2"]
    assert corpus.titles == ["word " * 11 + "word…", "Short.", "語" * 60 + "…"]


@FORMATS
def test_a_missing_field_names_those_present(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"own{suffix}"
    WRITERS[suffix](path, [{"body": "B", "text": "T"}])
    for fields in ({"text_field": "content"}, {"id_field": "content"}, {"title_field": "content"}):
        with pytest.raises(CorpusError, match=r"'content'.*'body', 'text'"):
            load_corpus(path, **fields)


@FORMATS
def test_an_id_occurs_once(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"own{suffix}"
    WRITERS[suffix](path, [*RECORDS, RECORDS[0]])
    # In CSV the second record takes three lines.
    where = {".csv": "line 7", ".tsv": "line 7", ".parquet": "row 3"}.get(suffix, "line 4")
    with pytest.raises(CorpusError, match=rf"{where}: the id 'a' was used before"):
        load_corpus(path)
    assert load_corpus(path, skip_bad=True).ids == ["a", "b", "c"]


@FORMATS
def test_a_long_text_is_kept_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"own{suffix}"
    before = csv.field_size_limit()
    WRITERS[suffix](path, [{"text": "x" * 300_000}])
    assert len(load_corpus(path).texts[0]) == 300_000
    assert csv.field_size_limit() == before


@FORMATS
def test_nothing_to_use_is_an_error(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"own{suffix}"
    WRITERS[suffix](path, [{"text": "  "}])
    with pytest.raises(CorpusError, match="'text' is blank"):
        load_corpus(path)
    with pytest.raises(CorpusError, match=r"no text to use: 1 left out, the first because .*'text' is blank"):
        load_corpus(path, skip_bad=True)
    path.write_bytes(b"")
    with pytest.raises(CorpusError, match=re.escape(path.name)):
        load_corpus(path)


BAD_JSON_LINES = {
    b'{"text": "cut off': 'expected a JSON object, got b\'{"text": "cut off\'',
    b'["text"]': "expected a JSON object",
    b'"text"': "expected a JSON object",
    b"[" * 100_000: "expected a JSON object",
    b"1" * 5_000: "expected a JSON object",
    b'{"txt": "t"}': "no field 'text', only ['txt']",
    b'{"text": null}': "'text' must be a string, got null",
    b'{"text": ["t"]}': "'text' must be a string, got list",
    b'{"text": " \\n "}': "'text' is blank",
    b'{"text": "caf\xe9"}': "not UTF-8",
    b'{"text": "\\ud800"}': "half a surrogate pair, '\\ud800'",
    b'{"text": "t", "title": "\\udfff"}': "'title' holds half a surrogate pair",
    b'{"text": "t", "title": 7}': "'title' must be a string, got int",
    b'{"text": "t", "id": "first"}': "'first' was used before",
    b'{"text": "t", "id": ""}': "'id' is blank",
    b'{"text": "t", "id": true}': "'id' must be a string or a whole number, got bool",
    b'{"text": "t", "id": 1.5}': "'id' must be a string or a whole number, got float",
}


class TestJsonLines:
    @pytest.mark.parametrize("line", BAD_JSON_LINES, ids=lambda line: line[:30].decode(errors="replace"))
    def test_a_broken_line_is_named_or_skipped_and_counted(self, line: bytes, tmp_path: Path) -> None:
        path = tmp_path / "own.jsonl"
        path.write_bytes(b'{"id": "first", "text": "one"}\n\n' + line + b'\n{"text": "two"}\n')
        with pytest.raises(
            CorpusError, match=rf"own\.jsonl, line 3: .*{re.escape(BAD_JSON_LINES[line])}.*skip_bad"
        ):
            load_corpus(path)
        corpus = load_corpus(path, skip_bad=True)
        assert corpus.texts == ["one", "two"]
        assert corpus.ids == ["first", "2"]
        assert corpus.n_skipped == 1
        assert "line 3" in corpus.skipped_reasons[0]

    def test_metadata_that_no_index_takes_is_a_broken_line(self, tmp_path: Path) -> None:
        path = tmp_path / "own.jsonl"
        deep = "[" * 101 + "]" * 101
        path.write_text('{"text": "t", "deep": ' + deep + '}\n{"text": "good", "deep": []}\n')
        with pytest.raises(CorpusError, match=r"line 1: its metadata nests deeper than 100 levels"):
            load_corpus(path, metadata=None)
        corpus = load_corpus(path, metadata=None, skip_bad=True)
        assert (corpus.texts, corpus.metadata, corpus.n_skipped) == (["good"], [{"deep": []}], 1)
        assert len(load_corpus(path)) == 2  # nobody asked for it

    def test_the_first_reasons_are_kept_and_all_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "own.jsonl"
        path.write_text("no\n" * 25 + '{"text": "t"}')
        corpus = load_corpus(path, skip_bad=True)
        assert (corpus.n_skipped, len(corpus.skipped_reasons)) == (25, 10)

    def test_a_byte_order_mark_and_windows_line_ends_are_taken_off(self, tmp_path: Path) -> None:
        path = tmp_path / "own.jsonl"
        path.write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n{"id": 7, "text": "b"}')
        corpus = load_corpus(path)
        assert (corpus.ids, corpus.texts) == (["0", "7"], ["a", "b"])

    def test_what_lies_beyond_the_limit_is_not_looked_at(self, tmp_path: Path) -> None:
        path = tmp_path / "own.jsonl"
        path.write_text('{"text": "a"}\nbroken')
        assert len(load_corpus(path, limit=1)) == 1


class TestCsv:
    def load(self, tmp_path: Path, content: bytes, **options: bool) -> list[str]:
        (tmp_path / "own.csv").write_bytes(content)
        return load_corpus(tmp_path / "own.csv", **options).texts

    @pytest.mark.parametrize(
        ("record", "reason"),
        [
            (b"3", "it has 1 columns, the header has 2"),
            (b"3,c,d", "it has 3 columns, the header has 2"),
            (b'3,"c"d', "it is not CSV"),
            (b"3,caf\xe9", "it is not UTF-8"),
            (b"3, ", "'text' is blank"),
            (b",c", "'id' is blank"),
            (b"1,c", "'1' was used before"),
        ],
    )
    def test_a_broken_record_is_named_by_its_physical_line(
        self, tmp_path: Path, record: bytes, reason: str
    ) -> None:
        content = b'id,text\r\n1,"a\r\nb"\r\n\r\n' + record + b"\r\n4,e\r\n"
        with pytest.raises(CorpusError, match=rf"own\.csv, line 5: .*{re.escape(reason)}"):
            self.load(tmp_path, content)
        assert self.load(tmp_path, content, skip_bad=True) == ["a\r\nb", "e"]

    def test_the_undecodable_line_of_a_long_record_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="line 4: it is not UTF-8"):
            self.load(tmp_path, b'text\na\n"b\ncaf\xe9\nd"\n')

    def test_an_open_quote_is_never_skipped_with_all_that_follows(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="line 3: a quote opened here is not closed"):
            self.load(tmp_path, b'text\na\n"b\nc\nd\n', skip_bad=True)

    def test_a_byte_order_mark_is_taken_off_the_header(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, b"\xef\xbb\xbftext,other\na,b\n") == ["a"]

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            (b"text,text", "more than one column 'text'"),
            (b"id;text", r"no column 'text', only \['id;text'\]"),
            (b"caf\xe9,text", "line 1: the header is expected here, but it is not UTF-8"),
            (b"\n\n", "expected a header"),
        ],
    )
    def test_a_header_that_cannot_be_used_is_an_error(
        self, tmp_path: Path, header: bytes, reason: str
    ) -> None:
        with pytest.raises(CorpusError, match=reason):
            self.load(tmp_path, header + (b"\n1,2\n" if header.strip() else b""), skip_bad=True)

    @given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
        path = tmp_path_factory.mktemp("csv") / "own.csv"
        write_csv(path, [{"text": f"<{text}>"} for text in texts])
        assert load_corpus(path).texts == [f"<{text}>" for text in texts]


class TestParquet:
    def test_a_folder_of_shards_is_read_in_order_of_name(self, tmp_path: Path) -> None:
        write_parquet(tmp_path / "train-1.parquet", RECORDS[2:])
        write_parquet(tmp_path / "train-0.parquet", RECORDS[:2])
        (tmp_path / "README.md").write_text("about")
        assert load_corpus(tmp_path).ids == ["a", "b", "c"]

    def test_nulls_are_named_by_file_and_row(self, tmp_path: Path) -> None:
        pq.write_table(
            pa.table({"text": ["a", None, "c"], "title": [None, "t", "u"]}), tmp_path / "own.parquet"
        )
        with pytest.raises(CorpusError, match=r"own\.parquet, row 1: 'text' must be a string, got null"):
            load_corpus(tmp_path / "own.parquet")
        assert load_corpus(tmp_path / "own.parquet", skip_bad=True).titles == ["a", "u"]

    def test_whole_numbers_are_ids(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"text": ["a", "b"], "id": [10, 11]}), tmp_path / "own.parquet")
        assert load_corpus(tmp_path / "own.parquet").ids == ["10", "11"]

    def test_bytes_that_are_not_utf8_spoil_one_row_only(self, tmp_path: Path) -> None:
        texts = pa.array([b"good", b"caf\xe9", b"fine"]).view(pa.string())
        pq.write_table(pa.table({"text": texts}), tmp_path / "own.parquet")
        with pytest.raises(CorpusError, match="row 1: 'text' is not UTF-8"):
            load_corpus(tmp_path / "own.parquet")
        assert load_corpus(tmp_path / "own.parquet", skip_bad=True).texts == ["good", "fine"]

    @pytest.mark.parametrize("keep", [0, 50, -20])
    def test_a_damaged_file_is_an_error(self, tmp_path: Path, keep: int) -> None:
        path = tmp_path / "own.parquet"
        write_parquet(path, RECORDS)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(CorpusError, match="not a readable Parquet file"):
            load_corpus(path, skip_bad=True)

    def test_without_pyarrow_the_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_parquet(tmp_path / "own.parquet", RECORDS)
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(MissingExtraError, match=r"bitsieve\[hub\]"):
            load_corpus(tmp_path / "own.parquet")


class TestTextFolder:
    def write(self, folder: Path, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def test_files_are_read_in_order_of_their_relative_path(self, tmp_path: Path) -> None:
        self.write(
            tmp_path,
            {
                "b.md": b"B\r\n",
                "a/z.txt": b"\xef\xbb\xbfZ",
                "a/Y.TXT": "Ÿ".encode(),
                "image.png": b"\x89",
                ".git/x.md": b"X",
            },
        )
        corpus = load_corpus(tmp_path)
        assert corpus.ids == ["a/Y.TXT", "a/z.txt", "b.md"]
        assert corpus.titles == ["Y", "z", "b"]
        assert corpus.texts == ["Ÿ", "Z", "B"]

    def test_a_broken_file_is_named_or_skipped(self, tmp_path: Path) -> None:
        self.write(tmp_path, {"a.txt": b"caf\xe9", "b.txt": b" \n", "c.txt": b"fine"})
        with pytest.raises(CorpusError, match=r"a\.txt: it is not UTF-8"):
            load_corpus(tmp_path)
        corpus = load_corpus(tmp_path, skip_bad=True)
        assert (corpus.ids, corpus.n_skipped) == (["c.txt"], 2)

    def test_fields_do_not_apply(self, tmp_path: Path) -> None:
        self.write(tmp_path, {"a.txt": b"A"})
        with pytest.raises(InputError, match="folder of text files"):
            load_corpus(tmp_path, text_field="body")

    def test_a_folder_without_texts_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match=r"no \.txt, \.md or \.parquet file"):
            load_corpus(tmp_path)


def test_another_suffix_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "own.xlsx").write_bytes(b"PK")
    with pytest.raises(CorpusError, match=r"'\.xlsx': expected \.jsonl"):
        load_corpus(tmp_path / "own.xlsx")


def test_a_path_object_is_never_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="neither"):
        load_corpus(Path("wikipedia-en"))


def test_an_index_is_not_taken_for_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").touch()
    (tmp_path / "generation.txt").write_text("1")
    with pytest.raises(CorpusError, match="is an index, not texts"):
        load_corpus(tmp_path)
