"""`bitsieve advise` on vectors, an index and texts: tables, JSON, a page, and errors that say what to do."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from advice_numbers import advice, clustered, model_advice, usual, way
from rich.console import Console
from typer.testing import CliRunner, Result

from bitsieve.advice import trial
from bitsieve.cli import app
from bitsieve.cli.advise import print_advice
from bitsieve.errors import BitsieveError
from bitsieve.index import Index

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
D = 64


@pytest.fixture(autouse=True)
def _short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ROUND_SECONDS", 0.0001)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.npy"
    np.save(path, clustered(1_500, D))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["advise", *map(str, arguments)], catch_exceptions=False)


def test_vectors_are_measured_printed_and_written(file: Path, tmp_path: Path) -> None:
    done = run(file, "--out", tmp_path / "a.json", "--html", tmp_path / "a.html", "--target-recall", 0.9)
    assert done.exit_code == 0
    assert "1,200 of 1,500 vectors, 64 dimensions, 300 queries (vectors of the file, held out)" in done.stdout
    assert "the fastest of each family" in done.stdout
    assert "Codes are not worth it here" in done.stdout  # 1,200 vectors are compared in no time
    facts = json.loads((tmp_path / "a.json").read_text())
    assert facts["setup"]["target_recall"] == 0.9
    assert facts["models"][0]["n_vectors"] == 1_200
    assert facts["machine"]["kernels"]
    assert all(sentence in " ".join(done.stdout.split()) for sentence in facts["models"][0]["text"])
    assert "<svg" in (tmp_path / "a.html").read_text()
    assert done.stdout.endswith(f"wrote {tmp_path / 'a.json'}\nwrote {tmp_path / 'a.html'}\n")


def test_an_index_is_measured_and_json_goes_to_stdout_alone(tmp_path: Path) -> None:
    with Index.create(tmp_path / "own.sieve", dimension=D, model="my own") as index:
        index.add(vectors=clustered(400, D))
    done = run(tmp_path / "own.sieve", "--json", "-k", 5, "--n-queries", 80)
    facts = json.loads(done.stdout)
    assert facts["name"] == "own.sieve"
    assert facts["models"][0]["model"] == "my own"
    index = {"path": str(tmp_path / "own.sieve"), "n_bits": None, "embeds": False}
    assert facts["models"][0]["index"] == index
    assert not any("`bitsieve " in sentence for sentence in facts["models"][0]["text"])
    assert facts["setup"]["k"] == 5
    assert "exact neighbours" in done.stderr


def test_texts_are_embedded_and_measured(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(
        "".join(
            json.dumps({"body": f"Note {i} on {i % 7} rivers and {i % 5} stars."}) + "\n" for i in range(150)
        )
    )
    done = run(path, "--text", "body", "--models", MINILM, "--model-dir", models, "--json", "--threads", 1)
    facts = json.loads(done.stdout)
    assert facts["models"][0]["model"] == MINILM
    assert (facts["models"][0]["n_choosing"], facts["models"][0]["n_trying"]) == (15, 15)
    assert facts["models"][0]["embed_ms"] > 0
    assert "too few to be sure" in facts["models"][0]["text"][0]


def test_models_are_for_texts_and_differ(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BitsieveError, match="--models is for texts"):
        run(file, "--models", MINILM)
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(BitsieveError, match="different models"):
        run(tmp_path / "a.jsonl", "--models", f"{MINILM},{MINILM}")


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_what_cannot_be_written_is_refused_before_anything_is_measured(
    option: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitsieve.advice.advise", lambda *_, **__: pytest.fail("it was measured"))
    folder, nowhere = run(file, option, tmp_path), run(file, option, tmp_path / "no" / "a")
    assert (folder.exit_code, nowhere.exit_code) == (2, 2)
    plain = [" ".join(done.stderr.replace("│", " ").split()) for done in (folder, nowhere)]
    assert "is a folder: name a file in it" in plain[0]
    assert "cannot be written: there is no folder for it" in plain[1]


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bitsieve", "advise", "nowhere.jsonl"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: 'nowhere.jsonl' is neither a file or folder nor a known corpus")


def test_help_is_at_most_80_wide_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['bitsieve', 'advise', '--help']\nfrom bitsieve.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('numpy', 'apsw', 'fastembed', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "80", "PATH": ""},
    )
    *said, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    assert max(map(len, said)) <= 80
    assert "--budget-bytes" in done.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_printed_keeps_to_the_width(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    ways = [way("cells", 248, 0.05, 0.12), way(corrections=True), way("pivots", corrections=True)]
    for made in (advice(usual()), advice(model_advice(ways, [], best=None))):
        print_advice(Console(width=width, highlight=False), made)
        printed = capsys.readouterr().out
        assert max(map(len, printed.splitlines())) <= width
        for sentence in made.models[0].text:
            assert sentence in " ".join(printed.split())
