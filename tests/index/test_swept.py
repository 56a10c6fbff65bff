"""Files that a writer sweeps away while an answer is made: it is made anew, of the newest generation, and once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_index import build_index, small_thresholds, vectors_of

from bitsieve.arrays import RowArray
from bitsieve.errors import MissingFileError
from bitsieve.index import Index, recalls, searches
from bitsieve.index.snapshot import Snapshot

QUERIES = vectors_of(1000, 20)
ASKED: dict[str, Callable[[Index], object]] = {
    "calibrate": lambda index: index.calibrate(0.5, 3, QUERIES).n,
    "measure_recall": lambda index: index.measure_recall(QUERIES, 3).n_queries,
    "target_recall": lambda index: len(index.search(vector=QUERIES[0], k=3, target_recall=0.5)),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build_index(tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def writer(root: Path) -> Iterator[Index]:
    with small_thresholds(), Index.open(root, write=True) as opened:
        yield opened


@pytest.mark.parametrize("name", ASKED)
def test_what_takes_long_begins_anew_when_its_files_are_swept(
    root: Path, writer: Index, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ask = ASKED[name]
    with Index.open(root) as index:
        expected = ask(index)
    commits = [writer.compact, writer.refit, writer.refit]
    generations = []

    def late(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(of_snapshot: Any, *others: Any, **options: Any) -> Any:
            generations.append(writer.stats().generation)
            if commits:
                commits.pop(0)()
            return function(of_snapshot, *others, **options)

        return called

    for module, function in (
        (searches, "calibrate_snapshot"),
        (recalls, "calibrate_snapshot"),
        (recalls, "IndexSieve"),
    ):
        monkeypatch.setattr(module, function, late(getattr(module, function)))
    with Index.open(root) as index:
        assert ask(index) == expected
    assert len(generations) == len(set(generations)) == 4  # it was begun four times, each time of another


@pytest.mark.parametrize("name", ASKED)
def test_a_file_that_nobody_swept_is_missed_at_once(root: Path, name: str) -> None:
    attempts = []
    with Index.open(root) as index, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Snapshot, "nearest", lambda *_: attempts.append(1) or _missing())
        patch.setattr("bitsieve.index.sieve.nearest", lambda *_: attempts.append(1) or _missing())
        with pytest.raises(MissingFileError, match="restore it"):
            ASKED[name](index)
    assert len(attempts) == 1


def test_a_search_that_is_tried_again_is_told_and_watched_once(
    root: Path, writer: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"vectors": QUERIES, "where": {"even": True}, "ids_only": True, "explain": True}
    ids_of_rows = Snapshot.ids_of_rows
    commits = [lambda: writer.calibrate(0.5, 3, QUERIES)]

    def swept(snapshot: Snapshot, rows: RowArray) -> list[str]:
        if commits:
            commits.pop()()
            _missing()
        return ids_of_rows(snapshot, rows)

    with Index.open(root) as index:
        expected = [step[:3] for step in index.search_batch(**asked)[0].steps]
        monkeypatch.setattr(Snapshot, "ids_of_rows", swept)
        with index.watch(1.0, target_recall=0.01) as watching:
            found = index.search_batch(**asked)
            watching.wait()
            assert watching.days()[0].n == len(QUERIES)
    assert commits == []
    assert found[0].generation == writer.stats().generation
    assert [step[:3] for step in found[0].steps] == expected


def _missing() -> None:
    raise MissingFileError("vectors.npy is missing: restore it from a backup")
