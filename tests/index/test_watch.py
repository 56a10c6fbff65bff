"""A watch beside searches, writers and forks: it never holds them up, and nothing ends it but its end."""

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from children import in_child
from small_index import build_index, vectors_of

from bitsieve.errors import RecallWarning
from bitsieve.index import Index, watch
from bitsieve.index.recalls import WATCHED
from bitsieve.index.snapshot import Snapshot
from bitsieve.index.watch import WAITING

QUERIES = vectors_of(1000, WAITING - 4)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    build_index(tmp_path / "index")
    with Index.open(tmp_path / "index", write=True) as opened:
        yield opened


def test_days_are_kept_while_searches_go_on_without_a_pause(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    monkeypatch.setattr(watch, "KEPT_EVERY", 0.0)
    monkeypatch.setattr(index, "_keep_days", lambda days, wait: kept.append(days[-1].n) or True)
    with index.watch(1.0, target_recall=0.01) as watching:
        index.search_batch(vectors=QUERIES)
        watching.wait()
    assert kept == [*range(1, len(QUERIES) + 1)]


def test_days_that_a_newer_version_keeps_in_another_way_are_left_out(index: Index) -> None:
    day = {"date": "2026-01-01", "n": 1, "recall": 1.0, "lower": 0.0, "upper": 1.0, "n_of_recall": {"1": 1}}
    index._writer.set_fact(WATCHED, [day, {**day, "date": "2026-01-02", "of_tomorrow": 1}])  # type: ignore[union-attr]
    assert [known.date for known in index.recall_by_day()] == ["2026-01-01"]
    with index.watch(1.0, target_recall=0.01) as watching:
        index.search_batch(vectors=QUERIES)
        watching.wait()
    assert [known.n for known in index.recall_by_day()] == [1, len(QUERIES)]


def test_a_watch_goes_on_while_another_thread_writes(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "KEPT_EVERY", 0.0)
    with index.watch(1.0, target_recall=0.01) as watching:
        with index._alone():  # as an `add` that embeds for an hour
            for _ in range(3):
                index.search_batch(vectors=QUERIES)
                watching.wait()
        assert (watching.days()[-1].n, watching.dropped) == (3 * len(QUERIES), 0)
    index.unwatch()
    assert index.recall_by_day()[-1].n == 3 * len(QUERIES)


def test_an_error_in_the_thread_is_told_and_the_watch_goes_on(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    nearest = Snapshot.nearest

    def failing(snapshot: Snapshot, queries: Any, k: int, plan: Any, *others: Any) -> Any:
        if plan.exact and (queries == QUERIES[7]).all():
            raise MemoryError
        return nearest(snapshot, queries, k, plan, *others)

    monkeypatch.setattr(Snapshot, "nearest", failing)
    with index.watch(1.0, target_recall=0.01) as watching:
        for _ in range(3):
            index.search_batch(vectors=QUERIES)
            watching.wait()
        assert watching.days()[-1].n == 3 * (len(QUERIES) - 1)
    assert [type(error) for error in told] == [MemoryError] * 3


def test_a_warning_that_is_an_error_to_the_user_is_told_and_the_watch_goes_on(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    with warnings.catch_warnings(), index.watch(1.0, target_recall=1.0) as watching:
        warnings.simplefilter("error")
        index.search_batch(vectors=QUERIES, n_candidates=1, n_probes=1)
        watching.wait()
        assert watching.days()[-1].n == len(QUERIES)
    assert [type(error) for error in told] == [RecallWarning]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_waits_for_nothing_whatever_its_parent_was_doing(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    monkeypatch.setattr(watch, "today", lambda: held.wait() and "2026-01-01")

    def in_fork() -> tuple[int, int]:
        watching.wait()
        watching.stop()
        hits = index.search(vector=QUERIES[0])
        return len(watching.days()), len(hits)

    with index.watch(1.0, target_recall=0.01) as watching:
        index.search_batch(vectors=QUERIES)
        with watching._lock:
            assert in_child(in_fork) == (0, 10)
        held.set()
        watching.wait()
        assert watching.days()[0].n == len(QUERIES)


def test_a_watch_that_was_stopped_takes_nothing_and_is_waited_for_by_nobody(index: Index) -> None:
    watching = index.watch(1.0, target_recall=0.01)
    ends = [threading.Thread(target=watching.stop) for _ in range(4)]
    for end in ends:
        end.start()
    for end in ends:
        end.join()
    index.search_batch(vectors=QUERIES)
    watching.wait()
    assert watching.days() == []


NEVER_CLOSED = """
import sys
import numpy as np
from bitsieve import Index

vectors = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
with Index.create(sys.argv[1], dimension=64) as index:
    index.add(vectors=vectors)
index = Index.open(sys.argv[1])
index.watch(1.0)
for vector in vectors[:50]:
    index.search(vector=vector)
print(index.stats().kinds)
"""


def test_a_process_ends_in_good_order_while_a_search_is_compared(tmp_path: Path) -> None:
    for number in range(3):
        command = [sys.executable, "-c", NEVER_CLOSED, str(tmp_path / f"{number}")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "('flat',)\n", "")
