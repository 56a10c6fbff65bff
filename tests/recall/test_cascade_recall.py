"""A cascade that is asked for a recall."""

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from small_sieve import clustered

from bitsieve.codec import ITQ, PivotFilter
from bitsieve.errors import DimensionError, InputError, NotFittedError, RecallWarning
from bitsieve.recall import Calibration, Plan, Point, recalls
from bitsieve.search import Cascade
from bitsieve.search.calibrated import CascadeSieve

N, D = 4000, 40


@pytest.fixture(scope="module")
def vectors() -> Any:
    return clustered(N, D)


@pytest.fixture(scope="module", params=["codes", "cells", "pivots"])
def cascade(request: pytest.FixtureRequest, vectors: Any) -> Cascade:
    if request.param == "cells":
        return Cascade(cells=40).build(vectors)
    pivots = PivotFilter(4) if request.param == "pivots" else None
    return Cascade(ITQ(32, 5).fit(vectors), pivots).build(vectors, ids=[f"text {i}" for i in range(N)])


def planned(cascade: Cascade, *points: Point, k: int = 10) -> Calibration:
    """A calibration as if it had been measured."""
    exact = Point(Plan(exact=True), 1.0, 1.0, 1.0)
    cascade.calibration_ = Calibration(
        k=k, confidence=0.95, points=(exact, *points), n_queries=100, sampled=True, queries_digest="", n=N,
        seconds=0.0, seed=0, date="",
    )  # fmt: skip
    return cascade.calibration_


def test_every_plan_of_a_cascade_can_be_searched_and_an_exact_one_finds_what_is_true(
    cascade: Cascade,
) -> None:
    sieve, queries = CascadeSieve(cascade), clustered(20, D, seed=1)
    for k in (1, 10):
        true_rows, true_scores = sieve.exact(queries, k)
        plans = sieve.plans(k)
        assert len(plans) == len(set(plans)) > 5
        for plan in plans:
            rows, scores = sieve.search(queries, k, plan)
            assert rows.shape == scores.shape == (20, k)
        rows, scores = sieve.search(queries, k, Plan(exact=True))
        np.testing.assert_array_equal(rows, true_rows)
        np.testing.assert_allclose(scores, true_scores, atol=1e-6)


def test_a_target_is_reached_on_queries_that_calibration_never_saw(cascade: Cascade) -> None:
    calibration = cascade.calibrate(0.9, 10, clustered(400, D, seed=2))
    assert calibration is cascade.calibration_
    queries = clustered(1000, D, seed=3)
    true = CascadeSieve(cascade).exact(queries, 10)[1]
    for target in (0.7, 0.9):
        found = recalls(cascade.search(queries, 10, target_recall=target)[1], true)
        assert found.mean() >= target


def test_without_queries_its_vectors_are_asked(cascade: Cascade) -> None:
    calibration = cascade.calibrate(0.8, 5, n_queries=200, seed=4)
    assert (calibration.k, calibration.n, calibration.n_queries) == (5, N, 200)
    assert calibration.sampled
    assert cascade.search(cascade.vectors_[:3], 5, target_recall=0.8)[0].shape == (3, 5)


def test_a_target_is_the_same_search_as_its_plan(cascade: Cascade) -> None:
    cells = cascade.cells_ is not None
    plan = Plan(n_candidates=40, probe_margin=0.1 if cells else None, rerank_margin=1.5)
    planned(cascade, Point(plan, 0.9, 0.9, 0.1))
    queries = clustered(30, D, seed=5)
    chosen: dict[str, Any] = {"n_candidates": 40, "probe_margin": plan.probe_margin, "rerank_margin": 1.5}
    mask = np.arange(N) % 3 > 0
    for more in ({}, {"allowed": mask}, {"threads": 2}):
        ids, scores = cascade.search(queries, target_recall=0.9, **more)
        expected_ids, expected_scores = cascade.search(queries, **chosen, **more)
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_array_equal(scores, expected_scores)


def test_a_target_that_nothing_else_reaches_is_searched_exactly_with_a_warning(cascade: Cascade) -> None:
    planned(cascade, Point(Plan(n_candidates=20), 0.7, 0.6, 0.1))
    queries, mask = clustered(30, D, seed=6), np.arange(N) % 2 == 0
    with pytest.warns(RecallWarning, match="only certain by exact search") as warned:
        ids, scores, stages = cascade.search(queries, target_recall=0.9, allowed=mask, explain=True)
    assert warned[0].filename == __file__
    true_rows, true_scores = CascadeSieve(cascade).exact(queries, 10)
    every = cascade.ids_[np.flatnonzero(mask)]
    assert np.isin(ids, every).all()
    exact = np.sort(queries @ cascade.vectors_[mask].T, axis=1)[:, ::-1][:, :10]
    np.testing.assert_allclose(scores, exact, atol=1e-6)
    assert (stages[-1].kept == 10).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(cascade.search(queries, target_recall=1.0)[0], cascade.ids_[true_rows])
    np.testing.assert_allclose(true_scores[:, 0], (queries @ cascade.vectors_.T).max(axis=1), atol=1e-6)


def test_calibrating_says_at_once_that_a_target_takes_exact_search(
    cascade: Cascade, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the one plan that there is time for may seem no cheaper than exact search.
    monkeypatch.setattr("bitsieve.recall.calibration.exact_seconds", lambda *_: 1000.0)
    with pytest.warns(RecallWarning, match=r"of 0\.9999 is only certain"):
        cascade.calibrate(0.9999, n_queries=50, seconds=0)


@pytest.mark.parametrize(
    "chosen",
    [
        {"n_candidates": 500}, {"n_probes": 3}, {"probe_margin": 0.1}, {"pivot_threshold": 0.2},
        {"scoring": "hamming"}, {"rerank_margin": 3.0},
    ],
)  # fmt: skip
def test_a_target_stands_alone(cascade: Cascade, chosen: dict[str, Any]) -> None:
    planned(cascade)
    with pytest.raises(InputError, match="give it alone"):
        cascade.search(cascade.vectors_[:1], target_recall=0.9, **chosen)


def test_a_target_needs_a_calibration_for_this_k_and_these_vectors(vectors: Any) -> None:
    cascade = Cascade(ITQ(32, 5).fit(vectors))
    with pytest.raises(NotFittedError):
        cascade.calibrate()
    cascade.build(vectors)
    with pytest.raises(InputError, match=r"calibration of recall@10, there is none: call calibrate\(k=10\)"):
        cascade.search(vectors[:1], target_recall=0.9)
    planned(cascade, k=5)
    with pytest.raises(InputError, match="there is one of recall@5"):
        cascade.search(vectors[:1], target_recall=0.9)
    assert cascade.search(vectors[:1], 5, target_recall=0.9)[0].shape == (1, 5)
    cascade.build(vectors[:100])
    with pytest.raises(InputError, match="there is none"):
        cascade.search(vectors[:1], 5, target_recall=0.9)


def test_more_neighbours_than_a_plans_candidates_can_be_asked_for_exactly(vectors: Any) -> None:
    cascade = Cascade(ITQ(32, 5).fit(vectors)).build(vectors)
    planned(cascade, k=1000)
    assert (cascade.search(vectors[:2], 1000, target_recall=0.9)[1] > -1).all()


@pytest.mark.parametrize("cells", [True, False])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_next_to_nothing_is_searched_exactly(vectors: Any, n: int, cells: bool) -> None:
    cascade = Cascade(cells=2) if cells else Cascade(ITQ(32, 5).fit(vectors))
    cascade.build(vectors[:n])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecallWarning)
        cascade.calibrate(0.9, 10)
        ids, _ = cascade.search(vectors[:2], 10, target_recall=0.9)
    assert ids.shape == (2, 10 if n else 0)
    assert [sorted(row[row >= 0]) for row in ids] == [list(range(n))] * 2


def test_more_neighbours_than_there_are_is_exact_search_that_is_tried_once(cascade: Cascade) -> None:
    tracemalloc.start()
    try:
        calibration = cascade.calibrate(0.9, 10**9)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6
    assert (calibration.k, calibration.n_queries) == (10**9, 0)
    assert calibration.plan_for(0.9).plan.exact
    assert calibration.points[0].seconds > 0
    cascade.calibrate(0.9, N + 1)
    rows, scores = cascade.search(cascade.vectors_[:2], N + 1, target_recall=0.9)
    assert [len(set(found[:N].tolist())) for found in rows] == [N, N]
    assert np.isneginf(scores[:, N]).all()


def test_bad_input_is_refused(cascade: Cascade) -> None:
    for target in (0, 1.5, "0.9"):
        with pytest.raises(InputError, match="target_recall must be"):
            cascade.calibrate(target)  # type: ignore[arg-type]
    with pytest.raises(DimensionError):
        cascade.calibrate(queries=clustered(5, D + 1))
    with pytest.raises(InputError, match="queries are none"):
        cascade.calibrate(queries=clustered(0, D))
    planned(cascade)
    with pytest.raises(InputError, match="target_recall must be"):
        cascade.search(cascade.vectors_[:1], target_recall=1.5)
