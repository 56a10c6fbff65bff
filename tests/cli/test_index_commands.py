"""The commands of an index, as a user runs them: what they print, what they leave, and their exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitsieve import Encoder, Index
from bitsieve.cli.filling import open_or_create

from .conftest import SHARED_MODELS, Run

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
NOTES = {
    "rivers": ("Rivers carry sand to the sea.", {"topic": "earth", "year": 1872}),
    "violins": ("Violins are played with a bow.", {"topic": "music", "tags": ["strings"]}),
    "volcanoes": ("Volcanoes bring ash, lava and gas.", {"topic": "earth", "year": 1883}),
    "bread": ("Bread rises because yeast makes gas.", {"topic": "food", "year": 1901}),
    "comets": ("Comets have tails of dust and gas.", {"topic": "sky"}),
}
CSV = """key,body,year,topic
a1,Rivers carry sand to the sea.,1872,earth
a2,Violins are played with a bow.,,music
a3,"Volcanoes bring ash, lava and gas.",1883.5,earth
"""
OF_CSV = ("--text", "body", "--id", "key", "--metadata", "topic,year:number")


@pytest.fixture(scope="session")
def built(minilm: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "notes.sieve"
    texts, metadata = zip(*NOTES.values(), strict=True)
    with Index.create(path, model=minilm) as index:
        index.add(texts, ids=list(NOTES), metadata=metadata)
    return path


@pytest.fixture
def notes(built: Path, tmp_path: Path) -> Path:
    """A copy of an index of five notes, in the folder that commands run in."""
    return shutil.copytree(built, tmp_path / "notes.sieve")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    return path


def as_json(run: Run, *arguments: str, fails: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", fails=fails).stdout)


@pytest.mark.usefixtures("needs_models", "table")
def test_an_index_of_a_csv_has_its_columns_as_metadata_with_numbers_that_compare(bitsieve: Run) -> None:
    done = bitsieve("index", "table.csv", *OF_CSV, "--model", MINILM, "-o", "table.sieve")
    assert done.stdout == (
        'table.sieve: 3 added\ndocuments in it: 3, 0.2 MB\nsearch it: bitsieve search table.sieve "…"\n'
    )
    found = as_json(bitsieve, "get", "table.sieve", "a3", "a2")["documents"]
    assert [document["metadata"] for document in found] == [
        {"topic": "earth", "year": 1883.5},
        {"topic": "music"},
    ]
    hits = as_json(bitsieve, "search", "table.sieve", "water", "--where", '{"year": {"$gte": 1880}}')["hits"]
    assert [hit["id"] for hit in hits] == ["a3"]


@pytest.mark.usefixtures("needs_models")
def test_the_same_command_again_takes_what_is_new_and_tells_what_has_changed(
    bitsieve: Run, table: Path
) -> None:
    command = ("index", "table.csv", *OF_CSV, "-o", "table.sieve", "--bits", "64", "--tokenizer", "porter")
    bitsieve(*command, "--model", MINILM)
    again = bitsieve(*command, "--model", MINILM, BITSIEVE_MODEL_DIR="/nowhere", fails=1)
    assert "/nowhere" in again.stderr
    again = bitsieve(*command, BITSIEVE_MODEL_DIR="/nowhere")
    assert "0 added; 3 were there already" in again.stdout, "nothing is embedded, so no model is needed"

    table.write_text(CSV.replace("sand", "mud") + "a4,Comets have tails.,1910,sky\n")
    more = bitsieve(*command)
    assert "1 added; 2 were there already; 1 not added, since the index has other texts" in more.stdout
    assert "'a1' for one" in more.stdout
    replaced = bitsieve("add", "table.sieve", "table.csv", *OF_CSV, "--if-exists", "replace")
    assert "1 added; 3 were there already; 1 of those added replace others" in replaced.stdout
    (document,) = as_json(bitsieve, "get", "table.sieve", "a1")["documents"]
    assert document["text"] == "Rivers carry mud to the sea."
    assert as_json(bitsieve, "stats", "table.sieve")["n_documents"] == 4


@pytest.mark.usefixtures("table")
def test_adding_ids_that_are_there_adds_nothing_and_says_what_to_do(bitsieve: Run, notes: Path) -> None:
    columns = ("--text", "body", "--metadata", "")
    bitsieve("add", "notes.sieve", "table.csv", *columns, "--limit", "1")
    done = bitsieve("add", "notes.sieve", "table.csv", *columns, fails=1)
    assert "has 1 of these 3 ids already, '0' for one. Nothing was added." in done.stderr
    assert "--if-exists skip" in done.stderr
    bitsieve("add", "notes.sieve", "table.csv", *columns, "--if-exists", "skip")
    bitsieve("add", "notes.sieve", "table.csv", *columns, "--id-prefix", "second-")
    with Index.open(notes) as index:
        assert len(index) == 5 + 3 + 3
        assert "second-2" in index


def test_a_new_index_loads_its_model_once(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    class Counted(Encoder):
        def __init__(self, model: str, **options: Any) -> None:
            loaded.append(model)
            super().__init__(model, cache=False, **options)

    monkeypatch.setattr("bitsieve.encoder.Encoder", Counted)
    path = str(models / "all-MiniLM-L6-v2-int8")
    open_or_create(tmp_path / "new.sieve", path, {}, {}).close()
    assert loaded == [path]


@pytest.mark.usefixtures("needs_models", "articles")
def test_an_index_whose_making_was_killed_is_gone_on_with(bitsieve: Run, tmp_path: Path) -> None:
    path, command = tmp_path / "articles.sieve", ["index", "articles.jsonl", "--text", "body", "--id", "key"]
    small_commits = (
        "import bitsieve.cli.filling as f\nf.COMMIT_TEXTS = 20\nfrom bitsieve.cli import main\nmain()"
    )
    env = {**os.environ, "BITSIEVE_MODEL_DIR": str(SHARED_MODELS)}
    making = subprocess.Popen(
        [sys.executable, "-c", small_commits, *command, "--model", MINILM, "-o", str(path), "--threads", "1"],
        cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    committed = path / "generation.txt"
    while making.poll() is None and not (committed.exists() and int(committed.read_text()[:20] or 0) >= 3):
        time.sleep(0.005)
    making.send_signal(signal.SIGKILL)
    assert making.wait() == -signal.SIGKILL
    with Index.open(path) as index:
        n = len(index)
    assert n % 20 == 0
    assert 40 <= n < 160

    done = bitsieve(*command, "-o", "articles.sieve")
    assert f"{160 - n} added; {n} were there already" in done.stdout
    assert as_json(bitsieve, "verify", "articles.sieve") == {"ok": True, "findings": []}
    with Index.open(path) as index:
        assert {f"a{i}" for i in range(160)} == {f"a{i}" for i in range(300) if f"a{i}" in index}


@pytest.mark.usefixtures("needs_models")
def test_long_texts_are_counted_or_cut_into_passages_that_hits_show(bitsieve: Run, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "lilies.txt").write_text(
        "Water lilies grow in ponds. " * 100 + "Bees make honey. " * 20
    )
    cut = bitsieve("index", "pages", "--model", MINILM, "-o", "cut.sieve")
    assert "longer than 256 tokens: 1." in cut.stdout
    assert "--chunk" in cut.stdout
    whole = bitsieve("index", "pages", "--model", MINILM, "-o", "whole.sieve", "--chunk")
    assert "longer" not in whole.stdout
    (hit,) = as_json(bitsieve, "search", "whole.sieve", "honey")["hits"]
    assert hit["passage"]["text"].endswith("Bees make honey.")
    assert hit["text"][hit["passage"]["start"] : hit["passage"]["stop"]] == hit["passage"]["text"]
    shown = bitsieve("search", "whole.sieve", "honey").stdout
    assert f"characters {hit['passage']['start']:,}–{hit['passage']['stop']:,}" in shown


@pytest.mark.usefixtures("needs_models")
def test_a_model_folder_is_found_again_with_its_settings(bitsieve: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for file in ("model.onnx", "tokenizer.json"):
        shutil.copy(SHARED_MODELS / "e5-small-v2-int8" / file, tmp_path / "mine" / file)
    (tmp_path / "texts.jsonl").write_text('{"text": "Rivers carry sand."}\n')
    bitsieve("index", "texts.jsonl", "--model", "./mine", "--query-prefix", "ask: ", "-o", "mine.sieve")
    (tmp_path / "elsewhere").mkdir()
    found = as_json(bitsieve, "search", "mine.sieve", "sand")["hits"]
    assert found[0]["id"] == "0"
    (tmp_path / "mine").rename(tmp_path / "moved")
    assert "--model" in bitsieve("search", "mine.sieve", "sand", fails=1).stderr
    assert as_json(bitsieve, "search", "mine.sieve", "sand", "--model", "./moved")["hits"] == found


@pytest.mark.usefixtures("notes")
def test_search_prints_rank_score_id_metadata_and_passage(bitsieve: Run) -> None:
    first, second = bitsieve("search", "notes.sieve", "stringed instruments", "-k", "1").stdout.splitlines()
    assert first.split()[0] == "1"
    assert first.endswith('violins  topic: music  tags: ["strings"]')
    assert second == "    Violins are played with a bow."
    joined = bitsieve("search", "notes.sieve", "gas", "--mode", "hybrid", "--explain").stdout
    assert "meaning #" in joined
    assert "words #" in joined
    assert "keywords: 5 → 3 in " in joined
    nothing = bitsieve("search", "notes.sieve", "zebra", "--mode", "keyword")
    assert nothing.stdout == "nothing found\n"


@pytest.mark.usefixtures("notes")
def test_search_in_json_has_the_documented_shape(bitsieve: Run) -> None:
    found = as_json(
        bitsieve, "search", "notes.sieve", "gas from yeast", "-k", "2", "--mode", "hybrid", "--explain",
        "--where", '{"year": {"$exists": true}}',
    )  # fmt: skip
    assert list(found) == ["query", "mode", "k", "generation", "hits", "steps"]
    assert (found["query"], found["mode"], found["k"], found["generation"]) == (
        "gas from yeast",
        "hybrid",
        2,
        2,
    )
    first = found["hits"][0]
    assert first == {
        "rank": 1, "id": "bread", "score": first["score"], "text": NOTES["bread"][0], "metadata": NOTES["bread"][1],
        "passage": None, "vector_rank": 1, "keyword_rank": 1,
    }  # fmt: skip
    assert [step["name"] for step in found["steps"]] == [
        "embed",
        "filter",
        "rerank",
        "keywords",
        "documents",
    ]
    assert set(found["steps"][0]) == {"name", "n_in", "n_out", "seconds"}
    assert as_json(bitsieve, "search", "notes.sieve", "gas", "--mode", "keyword")["steps"] == []


def test_a_snippet_begins_where_the_query_is_found_in_a_long_text(bitsieve: Run, tmp_path: Path) -> None:
    with Index.create(tmp_path / "long.sieve", dimension=8) as index:
        index.add(
            ["A beginning. " * 100 + "The axolotl swims. " + "An end. " * 100], vectors=[[1.0] + [0.0] * 7]
        )
    _, *snippet = bitsieve("search", "long.sieve", "axolotl", "--mode", "keyword").stdout.splitlines()
    assert "axolotl" in " ".join(snippet)
    assert snippet[0].startswith("    … ")
    assert len(snippet) == 2
    refused = bitsieve("search", "long.sieve", "axolotl", fails=1)
    assert "vectors of your own" in refused.stderr


def test_texts_are_printed_as_they_are(bitsieve: Run, tmp_path: Path) -> None:
    text = "A :smile: in [bold]brackets[/bold], and \\[more]. " + "word " * 60 + "\n\nThe end."
    with Index.create(tmp_path / "odd.sieve", dimension=8) as index:
        index.add([text], ids=[":cat:[red]"], metadata=[{"a": "[b]:dog:"}], vectors=[[1.0] + [0.0] * 7])
    assert bitsieve("get", "odd.sieve", ":cat:[red]").stdout == f':cat:[red]\n{{"a": "[b]:dog:"}}\n{text}\n\n'
    head, first, *_ = bitsieve("search", "odd.sieve", "brackets", "--mode", "keyword").stdout.splitlines()
    assert head.endswith(":cat:[red]  a: [b]:dog:")
    assert first.startswith("    A :smile: in [bold]brackets[/bold], and \\[more]. word")


@pytest.mark.usefixtures("notes")
def test_get_prints_documents_and_exits_with_1_for_a_missing_one(bitsieve: Run) -> None:
    shown = bitsieve("get", "notes.sieve", "rivers").stdout
    assert shown.splitlines() == ["rivers", '{"topic": "earth", "year": 1872}', NOTES["rivers"][0], ""]
    done = bitsieve("get", "notes.sieve", "nope", "comets", fails=1)
    assert "'nope'" in done.stderr
    assert NOTES["comets"][0] in done.stdout
    documents = as_json(bitsieve, "get", "notes.sieve", "nope", "comets", fails=1)
    assert documents == {
        "documents": [None, {"id": "comets", "text": NOTES["comets"][0], "metadata": {"topic": "sky"}}]
    }


def test_delete_and_compact_say_what_is_left(bitsieve: Run, notes: Path) -> None:
    done = bitsieve("delete", "notes.sieve", "rivers", "nope")
    assert done.stdout == "deleted: 1; ids that are not in the index: 1; documents left: 4\n"
    assert "1 deleted passages take space" in bitsieve("stats", "notes.sieve").stdout
    done = bitsieve("delete", "notes.sieve", "--where", '{"topic": "earth"}')
    assert done.stdout == "deleted: 1; documents left: 3\n"
    assert " now\n" in bitsieve("compact", "notes.sieve").stdout
    with Index.open(notes) as index:
        assert [name in index for name in NOTES] == [False, True, False, True, True]
        assert index.stats().n_deleted == 0


@pytest.mark.usefixtures("notes")
def test_stats_in_json_have_the_documented_shape(bitsieve: Run) -> None:
    stats = as_json(bitsieve, "stats", "notes.sieve")
    sizes = stats.pop("bytes")
    assert stats == {
        "generation": 2, "model": MINILM, "dimension": 384, "n_documents": 5, "n_passages": 5, "n_deleted": 0,
        "kinds": ["exact"], "n_bits": None, "corrections": False,
        "settings": {"dtype": "float32", "n_bits": 128, "tokenizer": "unicode61"}, "calibrations": [],
    }  # fmt: skip
    assert sizes["vectors"] > 5 * 384 * 4
    printed = bitsieve("stats", "notes.sieve").stdout
    assert "model      sentence-transformers/all-MiniLM-L6-v2, d=384" in printed
    assert "recall     not measured: bitsieve calibrate" in printed


@pytest.mark.usefixtures("notes")
def test_stats_tell_what_recall_is_known(bitsieve: Run) -> None:
    bitsieve("calibrate", "notes.sieve", "-k", "3")
    (known,) = as_json(bitsieve, "stats", "notes.sieve")["calibrations"]
    assert (known["k"], known["highest"], known["n_queries"], known["sampled"]) == (3, 1.0, 0, True)
    printed = bitsieve("stats", "notes.sieve").stdout
    assert f"recall@3 up to 1.0000 can be asked for (all are compared, {known['date'][:10]})" in printed


def test_json_has_every_character_whatever_the_pipe_takes(bitsieve: Run, tmp_path: Path) -> None:
    with Index.create(tmp_path / "水墨.sieve", dimension=8, model="наш") as index:
        index.add(
            ["Käse 水墨"], ids=["水"], vectors=np.eye(8, dtype=np.float32)[:1], metadata=[{"тема": "🎨"}]
        )
    for command in (("get", "水"), ("search", "Käse", "--mode", "keyword"), ("stats",), ("verify",)):
        told = [
            bitsieve(command[0], "水墨.sieve", *command[1:], "--json", PYTHONIOENCODING=encoding).stdout
            for encoding in ("utf-8", "cp1252")
        ]
        assert json.loads(told[1]) == json.loads(told[0])
        assert told[1].isascii()
    assert "наш" in bitsieve("stats", "水墨.sieve", "--json", PYTHONIOENCODING="UTF8").stdout


@pytest.mark.parametrize("file", ["segments/00000001/vectors.npy", "catalog.sqlite"])
def test_verify_names_what_is_damaged_and_exits_with_1(bitsieve: Run, notes: Path, file: str) -> None:
    assert "everything is as it was written" in bitsieve("verify", "notes.sieve").stdout
    data = bytearray((notes / file).read_bytes())
    data[len(data) // 2] ^= 4
    (notes / file).write_bytes(data)
    found = as_json(bitsieve, "verify", "notes.sieve", fails=1)
    assert not found["ok"]
    assert {finding["file"] for finding in found["findings"]} == {file}
    assert bitsieve("verify", "notes.sieve", fails=1).stdout.startswith(f"{file}: ")


def test_a_backup_is_an_index_and_never_written_over_another(
    bitsieve: Run, notes: Path, tmp_path: Path
) -> None:
    done = bitsieve("backup", "notes.sieve", "copy.sieve")
    assert done.stdout.startswith("copy.sieve: generation 2, documents: 5, segments: 1")
    found = [
        as_json(bitsieve, "search", name, "gas", "-k", "3")["hits"] for name in ("notes.sieve", "copy.sieve")
    ]
    assert found[0] == found[1]
    assert "exists" in bitsieve("backup", "notes.sieve", "copy.sieve", fails=1).stderr


@pytest.mark.usefixtures("notes", "table")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("search", "notes.sieve"), 2, "Missing argument"),
        (("search", "notes.sieve", "x", "--where", '{"a": '), 2, "is not JSON"),
        (("search", "notes.sieve", "x", "--where", "[]"), 2, "no JSON object"),
        (("search", "notes.sieve", "x", "--mode", "both"), 2, "'--mode': 'both' is not one of 'vector', "),
        (("search", "notes.sieve", "x", "-k", "ten"), 2, "'-k': expected a valid integer, got 'ten'"),
        (("search", "notes.sieve", "x", "--candidates", "0"), 1, "n_candidates must be a whole number of at least 1"),
        (("search", "notes.sieve", "x", "--where", '{"a": {"$near": 1}}'), 1, "$near"),
        (("search", "notes.sieve", "x", "-k", "0"), 1, "k"),
        (("search", "notes.sieve", " "), 1, "blank"),
        (("search", "notes.sieve", "a AND (", "--syntax", "--mode", "keyword"), 1, "FTS5"),
        (("search", "nothing.sieve", "x"), 1, "holds no index: make one (bitsieve index"),
        (("get", "nothing.sieve", "x"), 1, "holds no index"),
        (("stats", "nothing.sieve"), 1, "holds no index"),
        (("verify", "nothing.sieve"), 1, "holds no index"),
        (("compact", "nothing.sieve"), 1, "holds no index"),
        (("backup", "nothing.sieve", "copy"), 1, "holds no index"),
        (("backup", "notes.sieve", "no/such/copy"), 1, "no/such"),
        (("backup", "notes.sieve", "notes.sieve/copy"), 1, "lies in the index"),
        (("add", "nothing.sieve", "table.csv", "--text", "body"), 1, "holds no index"),
        (("add", "notes.sieve", "table.csv"), 1, "--text"),
        (("add", "notes.sieve", "table.csv", "--text", "body", "--metadata", "yaer"), 1, "'yaer'"),
        (("add", "notes.sieve", "table.csv", "--text", "body", "--metadata", "topic:number"), 1, "expected a number"),
        (("add", "notes.sieve", "nothing.csv"), 1, "nothing.csv"),
        (("delete", "notes.sieve"), 2, "one of the two"),
        (("delete", "notes.sieve", "rivers", "--where", "{}"), 2, "one of the two"),
        (("delete", "notes.sieve", "--where", "{}"), 2, "matches every document"),
        (("delete", "nothing.sieve", "rivers"), 1, "holds no index"),
        (("index", "table.csv", "--text", "body"), 2, "--out"),
        (("index", "table.csv", "--text", "body", "-o", "new.sieve", "--dtype", "int8"), 2, "float16"),
        (("index", "table.csv", "--text", "body", "-o", "new.sieve", "--model", "no/such"), 1, "bitsieve models"),
        (("index", "table.csv", "--text", "body", "-o", "new.sieve", "--model", MINILM, "--bits", "12"), 1, "of 8"),
        (("index", "table.csv", "--text", "body", "-o", ".", "--model", MINILM), 1, "not an empty folder"),
        (("index", "table.csv", "--text", "body", "-o", "notes.sieve", "--dtype", "float16"), 1, "dtype float32"),
        (("index", "table.csv", "--text", "body", "-o", "notes.sieve", "--max-tokens", "99"), 1, "made with"),
        (("index", "table.csv", "--text", "body", "-o", "no/new.sieve", "--model", MINILM), 1, "no/new.sieve"),
        (("index", "no-such-corpus", "-o", "new.sieve"), 1, "wikipedia-en"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message_and_changes_nothing(
    bitsieve: Run, notes: Path, tmp_path: Path, command: tuple[str, ...], code: int, said: str
) -> None:
    before = sorted(tmp_path.iterdir())
    done = bitsieve(*command, fails=code)
    assert said in done.stderr.replace("\n", " ")
    assert "Value error" not in done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before
    with Index.open(notes) as index:
        assert (len(index), index.stats().generation) == (5, 2)


def test_a_second_writer_is_told_who_the_first_is(bitsieve: Run, notes: Path) -> None:
    with Index.open(notes, write=True):
        done = bitsieve("delete", "notes.sieve", "rivers", fails=1)
        assert f"process {os.getpid()}" in done.stderr
        assert as_json(bitsieve, "search", "notes.sieve", "sand", "-k", "1")["hits"][0]["id"] == "rivers"


def test_a_wrong_number_of_threads_makes_no_index(bitsieve: Run, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("one text\n", encoding="utf-8")
    done = bitsieve("index", "own.txt", "-o", "x.sieve", "--threads", "0", fails=2)
    assert "--threads" in done.stderr
    assert not (tmp_path / "x.sieve").exists()
