"""How hard an index is searched, and what that finds: `search --candidates`, `recall`, `calibrate`, `explain`."""

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bitsieve import Encoder, Index
from bitsieve.arrays import FloatArray

from .conftest import SHARED_MODELS, Run

N, D = 4_200, 384


def drawn(seed: int) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((N, D)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def coded(minilm: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with codes: texts of a model, whose vectors are drawn to be quick."""
    path = tmp_path_factory.mktemp("coded") / "coded.sieve"
    with Index.create(path, model=minilm) as index:
        index.add([f"text {i}" for i in range(N)], vectors=drawn(0))
    return path


@pytest.fixture
def index(coded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(coded, tmp_path / "coded.sieve")


@pytest.fixture
def empty(minilm: Encoder, tmp_path: Path) -> Path:
    path = tmp_path / "empty.sieve"
    Index.create(path, model=minilm).close()
    return path


def on_a_terminal(folder: Path, *arguments: str, width: int = 80, stderr: bool = False) -> list[str]:
    """What a command prints on a terminal of a width, line by line, without colours.

    stderr: what comes there too, with the bars and spinners, each drawing of which begins a line.
    """
    ours, theirs = pty.openpty()
    env = {
        **os.environ,
        "BITSIEVE_MODEL_DIR": str(SHARED_MODELS),
        "COLUMNS": str(width),
        "TERM": "xterm" if stderr else "dumb",
        "NO_COLOR": "1",
    }
    running = subprocess.Popen(
        [sys.executable, "-m", "bitsieve", *arguments], cwd=folder, env=env, stdout=theirs,
        stderr=theirs if stderr else subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    printed = b""
    try:
        while part := os.read(ours, 65536):
            printed += part
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    assert running.wait() == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode()).replace("\r\n", "\n").splitlines()


@pytest.mark.usefixtures("needs_models", "index")
def test_as_many_candidates_are_compared_as_were_asked_for(bitsieve: Run) -> None:
    for n in (20, 300):
        options = ("coded.sieve", "sand", "--candidates", str(n), "--json")
        found = json.loads(bitsieve("search", *options, "--explain").stdout)
        (codes,) = [step for step in found["steps"] if step["name"] == "codes"]
        assert (codes["n_in"], codes["n_out"]) == (N, n)
        shown = json.loads(bitsieve("explain", *options).stdout)
        assert [step["n_out"] for step in shown["steps"] if step["name"] == "codes"] == [n]


@pytest.mark.usefixtures("index")
def test_more_candidates_have_more_recall(bitsieve: Run) -> None:
    few, many = (
        json.loads(bitsieve("recall", "coded.sieve", "--candidates", n, "--n-queries", "60", "--json").stdout)
        for n in ("12", "1200")
    )
    assert few["recall"] < many["recall"] - 0.05


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("command", [("search", "x"), ("explain", "x"), ("recall",)], ids=lambda one: one[0])
@pytest.mark.parametrize(
    "option", [("--candidates", "50"), ("--probe-margin", "0.1")], ids=lambda one: one[0]
)
def test_a_recall_and_how_hard_to_look_exclude_each_other(
    bitsieve: Run, command: tuple[str, ...], option: tuple[str, ...]
) -> None:
    name, *query = command
    done = bitsieve(name, "coded.sieve", *query, *option, "--target-recall", "0.9", fails=2)
    assert "leave out --candidates" in " ".join(done.stderr.replace("│", "").split())
    assert done.stdout == ""


@pytest.mark.usefixtures("needs_models")
@pytest.mark.parametrize(
    "command", [("recall",), ("calibrate",), ("explain", "x")], ids=lambda command: command[0]
)
def test_an_empty_index_has_no_recall_to_tell_and_is_not_changed(
    bitsieve: Run, empty: Path, command: tuple[str, ...]
) -> None:
    name, *query = command
    with Index.open(empty) as opened:
        generation = opened.stats().generation
    done = bitsieve(name, "empty.sieve", *query, fails=1)
    assert done.stderr.startswith("error: empty.sieve holds no documents")
    assert "bitsieve add empty.sieve FILE" in done.stderr
    assert done.stdout == ""
    with Index.open(empty) as opened:
        assert opened.stats().generation == generation


@pytest.mark.usefixtures("needs_models", "index")
def test_a_warning_is_one_line_without_a_place_in_the_source(bitsieve: Run) -> None:
    told = bitsieve("search", "coded.sieve", "sand", "--target-recall", "0.9999").stderr.splitlines()
    notes = [line for line in told if "certain by exact search" in line]
    assert len(notes) == 1
    assert notes[0].startswith("note: recall@10 of 0.9999 is only certain by exact search")
    assert not any(".py" in line or "RecallWarning" in line or "warnings.warn" in line for line in told)


@pytest.mark.usefixtures("needs_models", "index")
def test_of_the_way_that_was_chosen_for_a_target_the_target_is_certain(bitsieve: Run) -> None:
    told = bitsieve("calibrate", "coded.sieve", "--target-recall", "0.5", "--n-queries", "100").stdout
    assert "It is 95% certain that the way marked ← has a recall of at least 0.5,\n" in told
    assert "\nReal queries may be harder: give yours with --queries.\n" in told
    shown = bitsieve("explain", "coded.sieve", "sand", "--target-recall", "0.5").stdout
    assert re.search(r"^[\d,]+ candidates, certified for 0\.5 \([01]\.\d{4} measured\)$", shown, re.MULTILINE)


@pytest.mark.usefixtures("needs_models")
def test_a_search_that_calibrates_says_how_to_keep_that_in_one_note_above_the_spinner(
    index: Path, tmp_path: Path
) -> None:
    command = ("search", index.name, "sand", "-k", "7", "--target-recall", "0.5")
    told = on_a_terminal(tmp_path, *command, width=240, stderr=True)
    assert any("searching" in line for line in told), "there was a spinner"
    (note,) = [line for line in told if "calibrated" in line]
    assert note.startswith("note: calibrated for recall@7 with ")
    assert "bitsieve calibrate coded.sieve -k 7 keeps" in note


@pytest.mark.usefixtures("index")
def test_a_target_that_queries_miss_is_noted_with_the_remedy_which_helps(
    bitsieve: Run, tmp_path: Path
) -> None:
    # Documents that ask are their own nearest, which few candidates find; queries from anywhere take many.
    np.save(tmp_path / "easy.npy", drawn(0)[:400])
    np.save(tmp_path / "hard ones.npy", drawn(1)[:200])
    asked = ("recall", "coded.sieve", "-k", "1", "--target-recall", "0.9", "--queries", "hard ones.npy")
    bitsieve("calibrate", "coded.sieve", "-k", "1", "--target-recall", "0.9", "--queries", "easy.npy")
    (note,) = [line for line in bitsieve(*asked).stderr.splitlines() if line.startswith("note: ")]
    assert note.startswith("note: recall@1 of 0.9 is not reached")
    remedy = shlex.split(note[note.index("bitsieve calibrate") :])
    assert remedy[2:] == [*asked[1:]]
    bitsieve(*remedy[1:])
    assert "not reached" not in bitsieve(*asked).stderr


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("command", ["calibrate", "recall"])
@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".CSV"])
def test_a_file_of_queries_that_is_not_plain_text_is_refused(
    bitsieve: Run, tmp_path: Path, command: str, suffix: str
) -> None:
    (tmp_path / f"asked{suffix}").write_text("what is sand\n" * 30)
    done = bitsieve(command, "coded.sieve", "--queries", f"asked{suffix}", fails=2)
    said = " ".join(done.stderr.replace("│", "").split())
    assert f"asked{suffix} is not plain text" in said
    assert "one a line" in said
    assert done.stdout == ""
    with Index.open(tmp_path / "coded.sieve") as opened:
        assert opened.calibrations() == []


@pytest.mark.usefixtures("needs_models")
def test_where_every_vector_is_compared_there_is_nothing_to_calibrate(
    bitsieve: Run, minilm: Encoder, tmp_path: Path
) -> None:
    with Index.create(tmp_path / "small.sieve", model=minilm) as opened:
        opened.add([f"text {i}" for i in range(50)], vectors=drawn(0)[:50])
    (line,) = bitsieve("calibrate", "small.sieve").stdout.splitlines()
    assert line.startswith("small.sieve: every vector is compared")
    assert line.endswith("nothing needs measuring.")
    assert bitsieve("search", "small.sieve", "sand", "--target-recall", "0.9").stderr == ""


@pytest.mark.usefixtures("needs_models", "index")
def test_the_funnel_says_that_its_bars_are_logarithmic(bitsieve: Run) -> None:
    lines = bitsieve("explain", "coded.sieve", "sand", "--candidates", "100").stdout.splitlines()
    bars = [line.count("█") for line in lines if "█" in line]
    assert bars == sorted(bars, reverse=True)
    assert bars[1] > bars[0] / 3, "a linear bar of 100 candidates would be a 42nd of that of 4,200 passages"
    assert lines[len(bars)].strip() == "(bars on a logarithmic scale)"


@pytest.mark.usefixtures("needs_models")
def test_lines_fit_a_terminal_of_80_columns_and_are_whole_in_a_pipe(
    bitsieve: Run, index: Path, tmp_path: Path
) -> None:
    text = "Long words follow. " + "abcdefghi " * 30
    vector = np.eye(1, D, dtype=np.float32)
    with Index.open(index, write=True) as opened:
        opened.add([text], ids=["long"], metadata=[{"about": "something or other " * 8}], vectors=vector)
    for command in (
        ("stats", "coded.sieve"),
        ("get", "coded.sieve", "long"),
        ("explain", "coded.sieve", "sand", "--target-recall", "0.5", "-k", "3"),
        ("recall", "coded.sieve", "--n-queries", "20"),
    ):
        lines = on_a_terminal(tmp_path, *command)
        assert max(map(len, lines)) <= 80, (command, lines)
        piped = bitsieve(*command).stdout
        if command[0] in ("get", "stats"):
            assert " ".join("".join(f"{line} " for line in lines).split()) == " ".join(piped.split())
    assert text in bitsieve("get", "coded.sieve", "long").stdout.splitlines()
    as_json = "\n".join(on_a_terminal(tmp_path, "get", "coded.sieve", "long", "--json"))
    assert json.loads(as_json)["documents"][0]["text"] == text
