"""Recall that is asked for, measured, explained and watched; vectors lie in clumps, as those of texts do."""

import shutil
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_index import add_passages, small_thresholds, vectors_of

from bitsieve.arrays import FloatArray
from bitsieve.errors import InputError, RecallWarning
from bitsieve.index import Index, calibrations, watch
from bitsieve.index.sieve import IndexSieve
from bitsieve.index.snapshot import Snapshot
from bitsieve.search.cells import CellCodes

D = 32
N = 3000
K = 10


def clumps(n: int, seed: int, *, around: int = 7) -> FloatArray:
    """Vectors near 60 points, which are those of `around`."""
    points = np.random.default_rng(around).normal(size=(60, D))
    rng = np.random.default_rng(seed)
    vectors = points[rng.integers(len(points), size=n)] + 0.9 * rng.normal(size=(n, D))
    unit: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


VECTORS, QUERIES = clumps(N, 1), clumps(800, 2)


def true_ids(queries: FloatArray, vectors: FloatArray, k: int = K) -> list[set[str]]:
    order = np.argsort(-(queries @ vectors.T), axis=1)[:, :k]
    return [{str(row) for row in rows} for rows in order.tolist()]


def mean_recall(index: Index, queries: FloatArray, **asked: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecallWarning)
        found = index.search_batch(vectors=queries, k=K, ids_only=True, **asked)
    true = true_ids(queries, VECTORS)
    return float(
        np.mean(
            [len({hit.id for hit in hits} & of_query) / K for hits, of_query in zip(found, true, strict=True)]
        )
    )


def snapshot_of(index: Index) -> Snapshot:
    return index._reader.read(lambda _, snapshot: snapshot)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of cells, and a few documents compared one by one."""
    path: Path = tmp_path_factory.mktemp("recall") / "x"
    with small_thresholds(), Index.create(path, dimension=D, n_bits=32) as index:
        index.add(
            vectors=VECTORS[: N - 10],
            ids=[str(i) for i in range(N - 10)],
            metadata=[{"n": i % 7} for i in range(N - 10)],
        )
        index.add(vectors=VECTORS[N - 10 :], ids=[str(i) for i in range(N - 10, N)])
        assert index.stats().kinds == ("cells", "exact")
    return path


@pytest.fixture
def index(root: Path) -> Iterator[Index]:
    with Index.open(root) as opened:
        yield opened


@pytest.mark.parametrize("target", [0.8, 0.9, 0.98])
def test_a_recall_that_is_asked_for_is_reached_on_queries_to_come(index: Index, target: float) -> None:
    calibration = index.calibrate(target, K, QUERIES[:400])
    assert (calibration.n_queries, calibration.sampled, calibration.n) == (400, False, N)
    assert mean_recall(index, QUERIES[400:], target_recall=target) >= target - 0.01
    assert mean_recall(index, QUERIES[400:], n_candidates=K, n_probes=1) < 0.8  # it is not reached anyhow


def test_more_recall_is_found_by_a_plan_that_looks_harder(index: Index) -> None:
    index.calibrate(0.9, K, QUERIES)
    recalls = [mean_recall(index, QUERIES, target_recall=target) for target in (0.7, 0.9, 0.99, 1.0)]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1.0


def test_an_index_never_calibrated_is_when_a_recall_is_asked_for(index: Index) -> None:
    first = index.search(vector=QUERIES[0], target_recall=0.9, explain=True)
    again = index.search(vector=QUERIES[0], target_recall=0.9, explain=True)
    assert [step.name for step in first.steps] == ["calibrate", *(step.name for step in again.steps)]
    assert first == again
    assert first.chosen is not None
    assert first.chosen.lower >= 0.9
    (known,) = index.calibrations()
    assert (known.in_catalog, known.calibration.sampled, known.calibration.k) == (False, True, K)


def test_a_calibration_that_a_newer_version_made_is_as_good_as_none(root: Path, tmp_path: Path) -> None:
    with Index.open(root) as reader:
        reader.backup(tmp_path / "copy")
    with Index.open(tmp_path / "copy", write=True) as writer:
        newer = calibrations.to_json(calibrations.calibrate_snapshot(snapshot_of(writer), K, n_queries=100))
        newer["calibration"]["of_tomorrow"] = 1
        writer._writer.set_fact(calibrations.name_of(K), newer)  # type: ignore[union-attr]
        writer._writer.set_fact(calibrations.name_of(4), {"another": "shape"})  # type: ignore[union-attr]
        readable = writer.calibrate(0.9, 3, QUERIES[:100])
        assert [one.calibration for one in writer.calibrations()] == [readable]
    with Index.open(tmp_path / "copy") as reader:
        for k in (4, K):
            hits = reader.search(vector=QUERIES[0], k=k, target_recall=1.0, explain=True)
            assert hits.steps[0].name == "calibrate"
            assert {hit.id for hit in hits} == true_ids(QUERIES[:1], VECTORS, k)[0]
        assert [(one.calibration.k, one.in_catalog) for one in reader.calibrations()] == [
            (3, True), (4, False), (K, False),
        ]  # fmt: skip


def test_a_writer_keeps_its_calibration_for_everybody(root: Path, tmp_path: Path) -> None:
    with Index.open(root) as reader:
        reader.backup(tmp_path / "copy")
    with Index.open(tmp_path / "copy", write=True) as writer:
        made = writer.calibrate(0.9, K, QUERIES)
        writer.calibrate(0.9, 3, QUERIES[:100])
    with Index.open(tmp_path / "copy") as reader:
        of_3, of_10 = reader.calibrations()
        assert of_3.calibration.k == 3
        assert of_10.calibration == made
        assert of_10.in_catalog
        hits = reader.search(vector=QUERIES[0], target_recall=0.95, explain=True)
        assert "calibrate" not in [step.name for step in hits.steps]
        assert hits.chosen == made.plan_for(0.95)


@pytest.mark.parametrize("change", ["refit", "grow", "shrink", "exchange", "compact"])
def test_a_calibration_holds_until_the_index_is_another(root: Path, tmp_path: Path, change: str) -> None:
    with Index.open(root) as reader:
        reader.backup(tmp_path / "copy")
    with small_thresholds(), Index.open(tmp_path / "copy", write=True) as writer:
        writer.upsert(vectors=clumps(100, 4), ids=[f"before {i}" for i in range(100)])
        writer.calibrate(0.9, K, QUERIES[:100])
        writer.add(vectors=clumps(300, 5))
        writer.delete(ids=[str(i) for i in range(N - 300, N)])
        assert len(writer.calibrations()) == 1
        if change == "refit":
            writer.refit()
        elif change == "grow":
            writer.add(vectors=clumps(int(0.52 * N), 3))
        elif change == "shrink":
            writer.delete(ids=[str(i) for i in range(int(0.35 * N))])
        elif change == "exchange":  # there are as many as before, but more than a third are others
            writer.upsert(vectors=clumps(int(0.35 * N), 3), ids=[str(i) for i in range(int(0.35 * N))])
        else:
            writer.compact()
        assert len(writer.calibrations()) == (change == "compact")


def test_a_calibration_of_several_segments_does_not_hold_for_one(tmp_path: Path) -> None:
    with small_thresholds(), Index.create(tmp_path / "x", dimension=D, n_bits=32) as index:
        for part in np.array_split(VECTORS, 3):
            index.add(vectors=part)
        index.calibrate(0.9, K, QUERIES[:100])
        index.add(vectors=clumps(500, 4))
        assert len(index.calibrations()) == 1
        index.compact()
        assert index.calibrations() == []
        index.calibrate(0.9, K, QUERIES[:100])
        index.add(vectors=clumps(500, 5))
        index.compact()
        assert len(index.calibrations()) == 1


def test_what_is_not_reached_is_found_exactly_with_a_warning(index: Index) -> None:
    with pytest.warns(RecallWarning, match="only certain by exact search"):
        index.calibrate(0.999, K, QUERIES[:50])
    with pytest.warns(RecallWarning, match="more queries, or ask for less") as warned:
        hits = index.search(vector=QUERIES[0], target_recall=0.999)
    assert warned[0].filename == __file__
    assert {hit.id for hit in hits} == true_ids(QUERIES[:1], VECTORS)[0]


def test_under_a_where_every_cell_is_visited(index: Index) -> None:
    index.calibrate(0.7, K, QUERIES)
    allowed = np.flatnonzero(np.arange(N - 10) % 7 == 3)
    found = index.search_batch(vectors=QUERIES, k=K, where={"n": 3}, target_recall=0.7, explain=True)
    assert all({int(hit.id) for hit in hits} <= set(allowed.tolist()) for hits in found)
    cells = next(step for step in found[0].steps if step.name == "cells")
    assert cells.n_in == cells.n_out == len(allowed) * len(QUERIES)
    assert found[0].chosen is None  # what was certified was certified without a filter


def test_recall_is_measured_as_it_is(index: Index) -> None:
    for asked in ({"n_candidates": 20}, {"n_probes": 2}, {}):
        measured = index.measure_recall(QUERIES, K, **asked)
        assert measured.recall == pytest.approx(mean_recall(index, QUERIES, **asked), abs=1e-9)
        assert measured.lower < measured.recall <= measured.upper
        assert measured.n_queries == len(QUERIES)
    assert index.measure_recall(k=K, n_queries=200).sampled


def test_documents_that_were_deleted_are_no_truth_and_no_queries(root: Path, tmp_path: Path) -> None:
    with Index.open(root) as reader:
        reader.backup(tmp_path / "copy")
    with Index.open(tmp_path / "copy", write=True) as writer:
        writer.delete(ids=[str(i) for i in range(0, N, 2)])
        assert writer.measure_recall(QUERIES, K, n_candidates=N, probe_margin=10.0).recall == 1.0
        sieve = IndexSieve(snapshot_of(writer))
        vectors, keys = sieve.sample(N, np.random.default_rng(0))
        assert len(set(keys.tolist())) == sieve.n == N // 2
        ids = [document.id for document in writer.get([str(i) for i in range(1, N, 2)]) if document]
        assert len(ids) == N // 2
        assert {tuple(vector) for vector in vectors.tolist()} == {tuple(v) for v in VECTORS[1::2].tolist()}


def test_recall_of_passages_is_that_of_their_documents(tmp_path: Path) -> None:
    with small_thresholds(), Index.create(tmp_path / "x", dimension=16, n_bits=16) as index:
        texts = [f"a text of some passages {i}" for i in range(100)]
        add_passages(index, [str(i) for i in range(100)], texts, [1 + i % 4 for i in range(100)])
        assert index.stats().n_passages == 250
        measured = index.measure_recall(vectors_of(3000, 40), 5, n_candidates=250)
        assert measured.recall == 1.0
        assert index.calibrate(0.9, 5).n == 250


def test_more_neighbours_than_there_are_take_no_more_room_than_all(index: Index) -> None:
    k = 10**9
    tracemalloc.start()
    try:
        calibration = index.calibrate(0.9, k, QUERIES[:20])
        hits = index.search(vector=QUERIES[0], k=k, target_recall=0.9)
        measured = index.measure_recall(QUERIES[:20], k, target_recall=0.9)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200e6
    assert (calibration.k, [point.plan.exact for point in calibration.points]) == (k, [True])
    assert calibration.points[0].seconds > 0
    assert [int(hit.id) for hit in hits[:K]] == np.argsort(-(VECTORS @ QUERIES[0]))[:K].tolist()
    assert {hit.id for hit in hits} == {str(i) for i in range(N)}
    assert (measured.k, measured.recall, measured.n_queries) == (k, 1.0, 20)


def test_lost_and_found_together_are_the_truth(index: Index) -> None:
    asked = {"n_candidates": 12, "n_probes": 3}
    found = index.search_batch(vectors=QUERIES[:200], k=K, explain="lost", **asked)
    stages = [one.stage for hits in found for one in hits.lost]
    assert stages.count("cells") > 20
    assert stages.count("codes") > 10
    for hits, true in zip(found, true_ids(QUERIES[:200], VECTORS), strict=True):
        assert {hit.id for hit in hits} & true | {one.id for one in hits.lost} == true
        assert not {hit.id for hit in hits} & {one.id for one in hits.lost}


def test_what_was_lost_at_a_stage_was_there_before_it_and_not_after(index: Index) -> None:
    lost = 0
    for query in QUERIES[:100]:
        asked = {"vector": query, "k": K, "n_candidates": 12, "n_probes": 3}
        hits = index.search(**asked, explain="lost")
        all_candidates = {hit.id for hit in index.search(**{**asked, "n_candidates": N})}
        in_cells = {one.id for one in hits.lost if one.stage != "cells"}
        assert in_cells <= all_candidates
        assert not {one.id for one in hits.lost if one.stage == "cells"} & all_candidates
        lost += len(hits.lost)
    assert lost > 100


def test_a_search_that_chooses_nothing_loses_at_the_cells_what_lies_in_others(index: Index) -> None:
    for view in snapshot_of(index).views:
        if isinstance(view.codes, CellCodes):
            view.codes.default_probe_margin = 0.0
    found = index.search_batch(vectors=QUERIES, k=K, explain="lost")
    assert sum(one.stage == "cells" for hits in found for one in hits.lost) > 10
    for hits, true in zip(found, true_ids(QUERIES, VECTORS), strict=True):
        assert {hit.id for hit in hits} & true | {one.id for one in hits.lost} == true


def test_where_all_that_was_near_is_deleted_the_next_nearest_are_found(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "x")
    with Index.open(tmp_path / "x", write=True) as index:
        cosines = VECTORS @ QUERIES[0]
        near = np.argsort(-cosines)[: N // 5]
        index.delete(ids=near.tolist())
        hits = index.search(vector=QUERIES[0], k=K)
        assert index.stats().kinds[0] == "cells"
    left = np.sort(np.delete(cosines, near))[::-1]
    assert len(hits) == K
    assert sum(hit.score >= left[K - 1] - 1e-6 for hit in hits) >= K - 2


def test_exact_search_loses_nothing(index: Index) -> None:
    hits = index.search(vector=QUERIES[0], target_recall=1.0, explain="lost")
    assert (hits.lost, len(hits)) == ((), K)


def test_stages_hand_on_what_the_next_one_gets(index: Index) -> None:
    hits = index.search(vector=QUERIES[0], explain=True)
    cells, codes, rerank, _ = hits.steps
    assert [step.name for step in hits.steps] == ["cells", "codes", "rerank", "documents"]
    assert cells.n_in == N
    assert cells.n_in > cells.n_out == codes.n_in >= codes.n_out == rerank.n_in > rerank.n_out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"target_recall": 0.9, "n_candidates": 50}, "target_recall chooses"),
        ({"target_recall": 1.5}, "above 0 and at most 1"),
        ({"target_recall": 0.0}, "above 0 and at most 1"),
        ({"query": "words", "target_recall": 0.9, "mode": "keyword"}, "give mode='vector' or 'hybrid'"),
        ({"explain": "all"}, "explain must be"),
    ],
)
def test_what_recall_cannot_be_asked_for_is_said(index: Index, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        index.search(vector=QUERIES[0], **asked)


@pytest.mark.parametrize("nothing", [[], (), np.empty((0, D), np.float32)])
def test_no_queries_have_no_recall(index: Index, nothing: Any) -> None:
    made = index.calibrate(0.9, K, QUERIES[:100])
    for ask in (index.calibrate, index.measure_recall):
        with pytest.raises(InputError, match="queries are none: give one at least"):
            ask(queries=nothing)
    assert [one.calibration for one in index.calibrations()] == [made]


def test_an_index_of_nothing_has_every_recall(tmp_path: Path) -> None:
    with Index.create(tmp_path / "x", dimension=8) as index:
        assert index.calibrate().points[0].plan.exact
        assert index.search(vector=np.eye(8)[0], target_recall=0.9, explain="lost") == []
        assert index.measure_recall().recall == 1.0


def test_a_watch_tells_what_share_live_searches_found(index: Index) -> None:
    with warnings.catch_warnings(), index.watch(1.0, target_recall=0.01, seed=0) as watching:
        warnings.simplefilter("error")
        for query in QUERIES[:60]:
            index.search(vector=query, n_probes=2)
            watching.wait()
        (day,) = watching.days()
        assert day.n == 60
        assert day.recall == pytest.approx(mean_recall(index, QUERIES[:60], n_probes=2))
        assert day.lower < day.recall < day.upper
        assert sum(day.n_of_recall.values()) == 60
    assert watching.dropped == 0


def test_a_watch_takes_its_share_and_not_more(index: Index) -> None:
    with index.watch(0.1, target_recall=0.01, seed=0) as watching:
        for start in range(0, 800, 40):
            index.search_batch(vectors=QUERIES[start : start + 40])
            watching.wait()
        assert 50 < watching.days()[0].n < 120
    index.search_batch(vectors=QUERIES)
    assert watching.days()[0].n < 120  # it has stopped


def test_recall_that_falls_is_warned_of_once_a_day(index: Index) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with index.watch(1.0, target_recall=0.95) as watching:
            for query in QUERIES[:50]:
                index.search(vector=query, n_probes=1, n_candidates=10)
                watching.wait()
    (warning,) = [one for one in caught if issubclass(one.category, RecallWarning)]
    assert "refit" in str(warning.message)
    assert warning.filename == "bitsieve"  # nobody's line, since a thread of the watch's own finds it out
    assert "0.95 is wanted" in str(warning.message)


def test_a_writer_keeps_the_days_and_goes_on_with_them(root: Path, tmp_path: Path) -> None:
    with Index.open(root) as reader:
        reader.backup(tmp_path / "copy")
    for n in (20, 50):
        with Index.open(tmp_path / "copy", write=True) as writer:
            writer.watch(1.0, target_recall=0.01)
            for query in QUERIES[:n]:
                writer.search(vector=query)
                assert writer._watch is not None
                writer._watch.wait()
    with Index.open(tmp_path / "copy") as reader:
        assert sum(day.n for day in reader.recall_by_day()) == 70


def test_days_that_are_many_are_wrong_no_more_often_than_one(index: Index) -> None:
    shares = [1 - watch._confidence_of(0.95, number) for number in range(1, 10_000)]
    assert sum(shares) < 0.05
    assert shares[0] == pytest.approx(0.025)


def test_searches_nobody_has_time_for_are_counted(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WAITING", 1)
    with index.watch(1.0, target_recall=0.01) as watching:
        index.search_batch(vectors=QUERIES)
        watching.wait()
        assert watching.dropped + watching.days()[0].n == len(QUERIES)
        assert watching.dropped > 0


@pytest.mark.parametrize("rate", [-0.1, 1.1, "all", True])
def test_a_rate_is_a_share(index: Index, rate: Any) -> None:
    with pytest.raises(InputError, match="rate must be from 0 to 1"):
        index.watch(rate)
