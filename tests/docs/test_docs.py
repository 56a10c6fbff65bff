"""What README and docs promise: commands that exist, Python that runs, numbers that were measured."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from bitsieve.cli import app

ROOT = Path(__file__).parents[2]
SHARED_MODELS = ROOT.parent / "shared" / "models"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def shell_lines() -> list[str]:
    lines = [
        line.split("#")[0].strip()
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.splitlines()
    ]
    inline = [
        line for page in PAGES for line in re.findall(r"`(bitsieve [^`]+)`", page.read_text(encoding="utf-8"))
    ]
    return sorted({line for line in [*lines, *inline] if line})


def commands() -> list[str]:
    group = get_command(app)
    names = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        names.append(name)
        names += [f"{name} {inner}" for inner in getattr(command, "commands", {})]
    return names


@pytest.mark.parametrize("line", shell_lines())
def test_commands_in_the_docs_exist_with_their_options(line: str) -> None:
    program, *words = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        return
    assert program == "bitsieve", line
    command = get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if not words or words == ["--help"]:
        return
    command.make_context("bitsieve", words, resilient_parsing=False)


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`bitsieve {command}[ `]", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name
)
def test_python_in_the_docs_runs(page: Path, tmp_path: Path) -> None:
    if not SHARED_MODELS.is_dir():
        pytest.skip(f"needs the models of {SHARED_MODELS}")
    env = {
        **os.environ,
        "BITSIEVE_MODEL_DIR": str(SHARED_MODELS),
    }
    for block in blocks(page, "python"):
        done = subprocess.run(
            [sys.executable, "-c", block], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        if "DownloadError" in done.stderr:
            pytest.skip(f"no package registry: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_tables_are_the_committed_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    tables, of_docs = importlib.import_module("readme_tables"), importlib.import_module("docs_tables")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for table in (
        tables.notebook_table(),
        tables.held_out_table(),
        tables.encoder_table(),
        tables.flat_table(),
        tables.speed_table(),
        tables.known_items_table(),
    ):
        assert table in readme
    of_search = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    assert of_docs.scaling_table() in of_search
    assert tables.speed_table("search-synthetic-1000000-1t.json") in of_search
    assert of_docs.threads_table() in of_search
    of_recall = (ROOT / "docs" / "recall.md").read_text(encoding="utf-8")
    assert of_docs.coverage_table() in of_recall
    assert of_docs.drift_table() in of_recall
    of_index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for table in (of_docs.index_table(), of_docs.cascade_table()):
        assert table in of_index
    assert [words for words in of_docs.hardships() if words not in " ".join(of_index.split())] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "ARCHITECTURE.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


@pytest.mark.skipif(not SHARED_MODELS.is_dir(), reason=f"needs the models of {SHARED_MODELS}")
def test_the_notebook_runs_and_keeps_its_outputs(tmp_path: Path) -> None:
    path = ROOT / "examples" / "experiment_67.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    printed = "".join("".join(out.get("text", [])) for cell in code for out in cell["outputs"])
    assert "10,000 texts, CC BY-SA 4.0" in printed
    assert "torch in sys.modules: True" not in printed

    run = (
        "import sys, nbformat; from nbclient import NotebookClient; notebook = nbformat.read(sys.argv[1], 4); "
        "NotebookClient(notebook, timeout=300).execute(); nbformat.write(notebook, sys.argv[2])"
    )
    env = {
        **os.environ,
        "BITSIEVE_EXAMPLE_TEXTS": "600",
        "BITSIEVE_MODEL_DIR": str(SHARED_MODELS),
    }
    done = subprocess.run(
        [sys.executable, "-c", run, str(path), str(tmp_path / "out.ipynb")],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "DownloadError" in done.stderr:
        pytest.skip("no package registry for the Wikipedia leads")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "600 texts" in (tmp_path / "out.ipynb").read_text(encoding="utf-8")
