"""Every system through the interface, recall under filters, and a whole small run."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from filters import measure
from index_cascade import _ratios
from index_documents import N_BYTES, Documents, limits
from index_peers import OURS, SYSTEMS, Below, MissingSystemError, system
from index_stages import STAGES
from machine import thread_environment
from vectors import Data, unit

ROOT = Path(__file__).resolve().parents[2]
WORDS = " ".join(f"word{i} Café naïve" for i in range(2000)).encode()


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """6,000 vectors in groups; rows of texts in one language lie together too."""
    draws = np.random.default_rng(0)
    groups = draws.standard_normal((60, 32))
    return unit(groups[draws.integers(60, size=6000)] + 0.7 * draws.standard_normal((6000, 32)))


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.filterwarnings("ignore")
def test_system_finds_filters_and_forgets(name: str, vectors: np.ndarray, tmp_path: Path) -> None:
    documents = Documents(vectors[:2000], WORDS)
    try:
        writer = system(name)
    except MissingSystemError as error:
        pytest.skip(str(error))
    writer.create(tmp_path, vectors.shape[1])
    for batch in documents.batches(1000):
        writer.add(batch)
    writer.finish()
    writer.close()

    reader, early = system(name), Below("year", limits("year")(0.5))
    reader.open(tmp_path)
    reader.prepare(reader.ladder()[-1])
    first = reader.search(vectors[7], 5)
    assert (first[0].id, first[0].text, first[0].metadata["n"]) == ("doc-7", documents.text(7), 7)
    filtered = reader.search(vectors[7], 5, early)
    assert len(filtered) == 5
    assert all(hit.metadata["year"] < early.limit for hit in filtered)
    reader.close()

    writer = system(name)
    writer.open(tmp_path, write=True)
    writer.delete(early)
    writer.close()
    reader = system(name)
    reader.open(tmp_path)
    assert all(
        hit.metadata["year"] >= early.limit for row in range(20) for hit in reader.search(vectors[row], 5)
    )
    reader.close()


def test_texts_are_all_different_of_200_bytes_and_always_the_same(vectors: np.ndarray) -> None:
    documents = Documents(vectors, WORDS)
    texts = [documents.text(row) for row in range(1000)]
    assert len(set(texts)) == 1000
    assert all(N_BYTES - 4 <= len(text.encode()) <= N_BYTES for text in texts)
    again = Documents(vectors, WORDS)
    assert texts == [again.text(row) for row in range(1000)]


@pytest.mark.parametrize("field", ["year", "region"])
def test_a_limit_leaves_the_share_that_it_is_for(field: str, vectors: np.ndarray) -> None:
    documents = Documents(vectors, WORDS)
    for share in (0.5, 0.1):
        assert np.mean(documents.values(field) < limits(field)(share)) == pytest.approx(share, abs=0.02)


def test_recall_under_filters_is_at_least_99_percent(vectors: np.ndarray, tmp_path: Path) -> None:
    data = Data("groups", "in groups", vectors[50:], vectors[:50], "")
    points = list(measure(data, Documents(data.vectors, WORDS), tmp_path / "index", 50))
    assert len(points) == 3 * 2 * 4
    assert min(point["recall"] for point in points) >= 0.99


def test_ratio_is_how_many_times_as_long_the_index_takes_at_the_same_recall() -> None:
    point = {f"{way}_{kind}": speed for way, speed in (("index", 50), ("cascade", 100))
             for kind in ("single", "batch", "single_cpu", "batch_cpu")}  # fmt: skip
    assert _ratios([{**point, "index_recall": 0.99, "cascade_recall": 0.99}], "index")["single"]["0.95"] == 2


STAGES_HERE = [stage for stage in STAGES if stage != "cascade"]
"""That one takes longest, and only compares."""


def test_stages_run_and_leave_their_figures(vectors: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", vectors[:2600])
    (tmp_path / "words.txt").write_bytes(WORDS)
    command = [sys.executable, "benchmarks/index.py", "--data", str(tmp_path / "own.npy"), "--systems", OURS,
               "--words", str(tmp_path / "words.txt"), "--out", str(tmp_path), "--stages", *STAGES_HERE]  # fmt: skip
    subprocess.run(command, check=True, cwd=ROOT, env=thread_environment(1), stdout=subprocess.DEVNULL)
    (path,) = tmp_path.glob("index-*.json")
    result = json.loads(path.read_text())["systems"][OURS]
    assert all(result[stage]["load"] for stage in STAGES_HERE)
    assert result["read"]["loaded"] == []
    assert result["read"]["points"][0]["recall"] > 0.99
    assert result["reopen"]["deleted_found"] == 0
    assert min(point["recall"] for point in result["filtered"]["points"]) > 0.99
