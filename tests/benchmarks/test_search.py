"""Every peer through the interface, and a whole small run."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fronts import TARGETS
from machine import thread_environment
from peers import PEERS, MissingPeerError, configurations
from rounds import Task, build, explore, recall_of, run_rounds
from tables import drift, summarise
from vectors import exact, unit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def task() -> tuple[np.ndarray, Task]:
    """3,000 vectors in groups, 60 queries."""
    draws = np.random.default_rng(0)
    groups = draws.standard_normal((30, 64))
    rows = unit(groups[draws.integers(30, size=3060)] + 0.7 * draws.standard_normal((3060, 64)))
    vectors, queries = np.ascontiguousarray(rows[60:]), np.ascontiguousarray(rows[:60])
    return vectors, Task(queries, exact(queries, vectors, 10), threads=1, every=2)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.filterwarnings("ignore")
def test_peer_answers_alike_alone_and_in_a_batch(name: str, task: tuple[np.ndarray, Task]) -> None:
    vectors, asked = task
    try:
        peer = configurations(name, *vectors.shape)[0]
    except MissingPeerError as error:
        pytest.skip(str(error))
    entry = build(name, peer, vectors, 1)
    explore(entry, asked)
    assert max(point.recall for point in entry.points) > (0.7 if name == "turbovec" else 0.9)
    peer.prepare(entry.points[-1].setting, 10, 1)
    batch = peer.search(asked.queries)
    alone = [peer.search_one(query) for query in asked.queries]
    assert recall_of([np.ravel(rows) for rows in alone], np.asarray(batch, dtype=np.int64)) > 0.97
    assert entry.sizes["total"] >= entry.sizes["codes"] > 0


def test_rounds_time_what_is_on_the_front(task: tuple[np.ndarray, Task]) -> None:
    vectors, asked = task
    entry = build("blas", configurations("blas", *vectors.shape)[0], vectors, 1)
    explore(entry, asked)
    assert len(list(run_rounds([entry], asked, 3))) == 3
    point = entry.to_dict()["points"][0]
    assert point["recall"] == 1
    assert point["rounds"] == len(point["single_rounds"]) == 3
    assert point["p50_ms"] <= point["p95_ms"] <= point["p99_ms"]


def test_a_row_found_twice_counts_once() -> None:
    assert recall_of([[1, 1, 2], [4, 5, 6]], np.array([[1, 2, 3], [4, 5, 6]])) == pytest.approx(
        (2 / 3 + 1) / 2
    )


def entry(peer: str, recalls: list[float], speeds: list[float], number: int = 1) -> dict:
    points = [
        {
            "setting": {"effort": i},
            "recall": recall,
            "rounds": 1,
            "batch_rounds": [speed],
            "single_rounds": [speed / 2],
            "batch_queries_per_second": speed,
        }
        for i, (recall, speed) in enumerate(zip(recalls, speeds, strict=True))
    ]
    return {"peer": peer, "config": "one", "points": points, "pass": number}


def test_ratio_is_ours_over_the_fastest_that_reaches_the_target() -> None:
    ours = entry("bitsieve", [0.9, 0.995], [3000, 600])
    slow = entry("hnswlib", [0.9, 0.999], [100, 50])
    fast = entry("scann", [0.9, 0.98], [1000, 300])
    ratios = summarise([ours, slow, fast])["ours_over_best_peer"]["batch"]
    assert ratios["0.98"]["best_peer"] == "scann"
    at_ours = 3000 * (600 / 3000) ** (math.log(0.1 / 0.02) / math.log(0.1 / 0.005))
    assert ratios["0.98"]["ratio"] == pytest.approx(at_ours / 300)
    assert ratios["0.995"]["best_peer"] == "hnswlib"


def test_our_two_passes_tell_the_drift_and_count_together() -> None:
    first, second = entry("bitsieve", [0.96], [100]), entry("bitsieve", [0.96], [80], number=2)
    assert drift([first, second]) == pytest.approx(0.8)
    assert summarise([first, second])["at_recall"]["batch"]["bitsieve"]["0.95"] == pytest.approx(90)


def test_environment_holds_every_thread_pool() -> None:
    assert thread_environment(1)["OMP_NUM_THREADS"] == thread_environment(1)["RAYON_NUM_THREADS"] == "1"


def test_a_script_begins_again_once_where_its_libraries_have_other_threads(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nfrom machine import begin_with\nprint('begun', flush=True)\nbegin_with(3)\n"
        "print(os.environ['OMP_NUM_THREADS'], *sys.argv[1:])\nraise SystemExit(7)\n"
    )
    environment = thread_environment(2) | {"PYTHONPATH": str(ROOT / "benchmarks")}
    command = [sys.executable, str(script), "--a", "b"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout.split("\n"), done.returncode) == (["begun", "begun", "3 --a b", ""], 7)


def test_a_run_leaves_a_result_that_says_how_it_was_made(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    np.save(tmp_path / "mine.npy", draws.standard_normal((2500, 32)).astype(np.float32))
    script = ROOT / "benchmarks" / "search.py"
    options = ["--data", str(tmp_path / "mine.npy"), "--peers", "blas", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(script), *options], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "search-mine-1t.json").read_text())
    assert {"commit", "date", "machine", "threads", "entries", "at_recall", "interpolation"} <= report.keys()
    assert (report["data"]["n"], report["data"]["n_queries"], report["threads"], report["k"]) == (
        2000,
        500,
        1,
        10,
    )
    assert len(report["data"]["digest"]) == 16
    assert report["entries"][0]["points"][0]["recall"] == 1
    assert set(report["at_recall"]["batch"]["blas"]) == set(map(str, TARGETS))
