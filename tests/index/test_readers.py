"""Readers beside a writer: each answer is of one generation, and nobody waits. At length: benchmarks/readers.py."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from children import Child
from reading_while_writing import Versions, commits, read_until, write_all
from small_index import D, given, vectors_of

from bitsieve.index import Index, reading
from bitsieve.index.snapshot import Snapshot

N_COMMITS, N_READERS = 90, 3
LONGEST = 0.1
"""Seconds a search may wait for anything but a processor."""


def test_every_answer_is_of_one_generation_and_no_reader_waits(tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    root = tmp_path / "index"
    readers = [Child(partial(read_until, root, N_COMMITS, number)) for number in range(N_READERS)]
    write_all(root, N_COMMITS, pause=0.002)
    for reader in readers:
        report = reader.result()
        assert report.problems == []
        assert report.searches > 20
        assert max(report.times.blocked) < LONGEST


def test_the_commits_add_replace_delete_and_compact() -> None:
    done = list(commits(1_000))
    held: Versions = {}
    sizes = []
    for commit in done:
        commit.apply_to(held)
        sizes.append(len(held))
    assert [commit.number for commit in done] == list(range(1, 1_001))
    assert sum(commit.compacts for commit in done) == 25
    assert sum(bool(commit.deleted) for commit in done) > 100
    assert sum(len(set(commit.put)) for commit in done) > 1_000
    assert min(sizes) > 100


def test_a_reader_whose_files_are_swept_as_it_opens_them_takes_the_next_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(tmp_path / "index", dimension=D) as writer:
        writer.add(**given(0, 3))
        with Index.open(tmp_path / "index") as index:
            writer.add(**given(3, 3))
            load = reading.load
            compactions = [writer.compact]

            def late(*arguments: Any) -> Snapshot:
                if compactions:
                    compactions.pop()()
                return load(*arguments)

            monkeypatch.setattr(reading, "load", late)
            hits = index.search(vector=vectors_of(4, 1)[0], k=1)
            assert (hits[0].id, hits.generation) == ("id-4", writer.stats().generation)
