"""Laws of the cascade with cells: exact when every cell is visited and nothing is cut off."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from brute_force import (
    assert_stages_add_up,
    clustered,
    exact,
    queries_near,
    recall,
    unit_rows,
    with_ties,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec import ITQ, Cells
from bitsieve.search import Cascade, native

N, D, N_CELLS = 900, 40, 24

Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return with_ties(N, D)


@pytest.fixture(scope="module")
def queries(vectors: Vectors) -> Vectors:
    return queries_near(vectors, 40, noise=0.3)


@pytest.fixture(scope="module", params=[False, True], ids=["once", "spilled"])
def sieve(request: pytest.FixtureRequest, vectors: Vectors) -> Cascade:
    return Cascade(ITQ(32, 5).fit(vectors), cells=N_CELLS, spill=request.param).build(vectors)


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("n_candidates", [N, N + 1, 10**30])
def test_every_cell_and_all_candidates_are_exact_search(
    sieve: Cascade, queries: Vectors, kernels: str, n_candidates: int
) -> None:
    with native.forced(kernels):
        for k in (1, 10, N + 3):
            rows, cosines = exact(queries, sieve.vectors_, k)
            for probes in (
                {"n_probes": N_CELLS},
                {"n_probes": 10**30},
                {"probe_margin": np.inf},
                {"probe_margin": 4},
            ):
                ids, scores = sieve.search(queries, k, n_candidates=max(k, n_candidates), **probes)
                np.testing.assert_array_equal(ids, rows)
                np.testing.assert_array_equal(scores, cosines)


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 80), d=st.sampled_from([8, 13, 31, 32, 33]), n_cells=st.integers(1, 30), spill=st.booleans(),
    k=st.sampled_from([1, 3, 100]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_exact_search_is_exact_for_any_number_of_vectors_and_cells(
    n: int, d: int, n_cells: int, spill: bool, k: int, seed: int
) -> None:
    vectors = clustered(n, d, seed)[np.random.default_rng(seed).integers(n, size=n)]
    queries = queries_near(vectors, 5, seed)
    cascade = Cascade(cells=n_cells, spill=spill).build(vectors)
    ids, scores = cascade.search(queries, k, n_candidates=max(k, n), n_probes=n_cells)
    rows, cosines = exact(queries, vectors, k)
    np.testing.assert_array_equal(ids, rows)
    np.testing.assert_array_equal(scores, cosines)


def test_equal_vectors_are_ordered_by_row(sieve: Cascade, vectors: Vectors) -> None:
    ids, scores = sieve.search(vectors[:100], 2, n_candidates=30)
    np.testing.assert_array_equal(ids, np.stack([np.arange(100), np.arange(800, 900)], axis=1))
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])


@pytest.mark.parametrize("spill", [False, True])
def test_no_more_than_n_candidates_are_reranked_even_when_all_are_equal(spill: bool) -> None:
    vectors = np.repeat(clustered(1, D), 500, axis=0)
    ids, _, stages = (
        Cascade(cells=4, spill=spill).build(vectors).search(vectors[:2], 5, n_candidates=7, explain=True)
    )
    np.testing.assert_array_equal(ids, [[0, 1, 2, 3, 4]] * 2)
    assert (stages[1].kept <= 7).all()


def search_all_ways(sieve: Cascade, queries: Vectors, **arguments: Any) -> list[NDArray[Any]]:
    """What searches of every kind find and come to."""
    mask = np.arange(N) % 3 > 0
    ways: list[dict[str, Any]] = [
        {}, {"n_probes": 3}, {"probe_margin": 0.05, "n_candidates": 20}, {"allowed": mask},
        {"n_probes": N_CELLS, "n_candidates": N}, {"scoring": "hamming", "allowed": mask},
        {"scoring": "hamming", "n_candidates": N},
    ]  # fmt: skip
    results: list[NDArray[Any]] = []
    for way in ways:
        ids, scores, stages = sieve.search(queries, 10, explain=True, **way, **arguments)
        results += [ids, scores, *(stage.kept for stage in stages)]
    return results


def test_results_do_not_depend_on_threads(sieve: Cascade, queries: Vectors) -> None:
    alone = search_all_ways(sieve, queries)
    for threads in (2, 5, 1000):
        for found, expected in zip(search_all_ways(sieve, queries, threads=threads), alone, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kernels", native.available())
def test_a_query_finds_the_same_alone_and_in_a_batch(sieve: Cascade, queries: Vectors, kernels: str) -> None:
    with native.forced(kernels):
        together = search_all_ways(sieve, queries)
        for i in range(0, len(queries), 3):
            for found, expected in zip(search_all_ways(sieve, queries[i : i + 1]), together, strict=True):
                np.testing.assert_array_equal(found[0], expected[i])


def test_searches_at_the_same_time_find_the_same(sieve: Cascade, vectors: Vectors, queries: Vectors) -> None:
    other = Cascade(cells=5).build(vectors[:50])  # of another size, for the memory that searches keep
    expected = search_all_ways(sieve, queries)
    expected_of_other = other.search(queries, 3, n_probes=2)

    def work(i: int) -> bool:
        if i % 3 == 0:
            found = other.search(queries, 3, n_probes=2)
            return all(np.array_equal(*pair) for pair in zip(found, expected_of_other, strict=True))
        found_all = search_all_ways(sieve, queries, threads=1 + i % 2)
        return all(np.array_equal(*pair) for pair in zip(found_all, expected, strict=True))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(24)))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_only_allowed_ids_are_found_and_few_of_them_exactly(
    sieve: Cascade, queries: Vectors, share: float
) -> None:
    allowed = np.random.default_rng(4).random(N) < share
    for arguments in ({}, {"n_probes": 1}, {"probe_margin": 0.0}):
        ids, scores = sieve.search(queries, 10, n_candidates=60, allowed=allowed, **arguments)
        assert allowed[ids[ids >= 0]].all()
        if allowed.sum() <= 60:
            rows, cosines = exact(queries, sieve.vectors_[allowed], 10)
            np.testing.assert_array_equal(ids, np.append(np.flatnonzero(allowed), -1)[rows])
            np.testing.assert_array_equal(scores, cosines)
    every = sieve.search(queries, 10, n_candidates=60)
    all_allowed = sieve.search(queries, 10, n_candidates=60, allowed=np.ones(N, bool))
    np.testing.assert_array_equal(all_allowed[0], every[0])


def test_what_stages_keep_and_remove_adds_up(sieve: Cascade, queries: Vectors) -> None:
    _, scores, stages = sieve.search(queries, 7, n_candidates=50, n_probes=4, explain=True)
    assert [stage.name for stage in stages] == ["cells", "codes", "rerank"]
    assert_stages_add_up(stages, 2 * N if sieve.spill else N, scores)
    assert (stages[1].kept <= 50).all()


def test_a_margin_and_a_number_of_probes_visit_what_both_allow(sieve: Cascade, queries: Vectors) -> None:
    def n_visited(**arguments: float) -> NDArray[np.int64]:
        stages = sieve.search(queries, 7, n_candidates=50, explain=True, **arguments)[2]
        return stages[0].kept

    by_margin, by_number = n_visited(probe_margin=0.1), n_visited(n_probes=6)
    np.testing.assert_array_equal(n_visited(probe_margin=0.1, n_probes=6), np.minimum(by_margin, by_number))
    assert (by_margin < by_number).any()
    assert (by_number < by_margin).any()


def test_a_wider_rerank_margin_never_finds_less(sieve: Cascade, queries: Vectors) -> None:
    before = np.full((len(queries), 10), -np.inf, np.float32)
    for margin in (0, 0.5, 1, 2, 4, np.inf):
        scores = sieve.search(queries, 10, n_candidates=N - 1, n_probes=N_CELLS, rerank_margin=margin)[1]
        assert (scores >= before).all()
        before = scores


def test_more_probes_never_find_less_when_nothing_else_is_cut_off(sieve: Cascade, queries: Vectors) -> None:
    for probes in ("n_probes", "probe_margin"):
        before = np.full((len(queries), 10), -np.inf, np.float32)
        for many in (1, 2, 4, 8, N_CELLS):
            value = many if probes == "n_probes" else many / 10
            scores = sieve.search(queries, 10, n_candidates=N, **{probes: value})[1]
            assert (scores >= before).all()
            before = scores


def test_the_default_finds_nearly_all(sieve: Cascade, queries: Vectors) -> None:
    ids, _ = sieve.search(queries, 10, n_candidates=200)
    assert recall(ids, exact(queries, sieve.vectors_, 10)[0]) > 0.95


def test_cells_given_are_fitted_once(vectors: Vectors, queries: Vectors) -> None:
    cells = Cells(10, spill=True)
    first = Cascade(cells=cells, spill=True).build(vectors)
    assert first.cells_ is cells
    centroids = cells.centroids_
    again = Cascade(cells=cells).build(vectors[:300])
    assert cells.centroids_ is centroids
    rows, _ = exact(queries, vectors[:300], 5)
    np.testing.assert_array_equal(again.search(queries, 5, n_probes=10)[0], rows)


def test_cells_of_other_vectors_may_be_more_than_the_vectors(vectors: Vectors, queries: Vectors) -> None:
    cells = Cells(40).fit(vectors)
    few = Cascade(cells=cells).build(vectors[:3])
    rows, cosines = exact(queries, vectors[:3], 5)
    for arguments in (
        {"n_probes": 40},
        {"allowed": np.ones(3, bool)},
        {"allowed": np.ones(3, bool), "n_probes": 1},
    ):
        ids, scores = few.search(queries, 5, **arguments)
        np.testing.assert_array_equal(ids, rows)
        np.testing.assert_array_equal(scores, cosines)


def test_an_empty_index_and_an_empty_batch_give_empty_arrays(sieve: Cascade, queries: Vectors) -> None:
    empty = Cascade(cells=4, spill=sieve.spill).build(np.empty((0, D), np.float32))
    for given_queries in (queries, queries[:0]):
        ids, scores, stages = empty.search(given_queries, 5, n_probes=2, explain=True)
        assert ids.shape == scores.shape == (len(given_queries), 0)
        assert [stage.name for stage in stages] == ["cells", "codes", "rerank"]
        assert all(stage.kept.shape == (len(given_queries),) for stage in stages)
    for arguments in ({}, {"n_candidates": N}, {"allowed": np.ones(N, bool)}, {"allowed": np.zeros(N, bool)}):
        ids, scores, stages = sieve.search(queries[:0], 5, explain=True, **arguments)
        assert ids.shape == scores.shape == (0, 5)
        assert all(stage.kept.shape == (0,) for stage in stages)


def test_building_again_replaces_everything(vectors: Vectors, queries: Vectors) -> None:
    cascade = Cascade(ITQ(32, 5).fit(vectors), cells=4).build(vectors, ids=np.arange(N) + 7)
    cascade.build(vectors[:200])
    assert cascade.cells_ is not None
    for arguments in ({"n_probes": 4}, {"scoring": "hamming"}):
        ids, _ = cascade.search(queries, 5, n_candidates=200, **arguments)
        np.testing.assert_array_equal(ids, exact(queries, vectors[:200], 5)[0])
    cascade.cells = None
    cascade.build(vectors[:100])
    assert cascade.cells_ is None
    np.testing.assert_array_equal(cascade.search(queries, 5)[0], exact(queries, vectors[:100], 5)[0])


def test_given_ids_are_returned(vectors: Vectors, queries: Vectors) -> None:
    rows, _ = Cascade(cells=2).build(vectors[:3]).search(queries, 4)
    names, _ = Cascade(cells=2).build(vectors[:3], ids=["a", "b", "c"]).search(queries, 4)
    assert names.tolist() == np.array(["a", "b", "c", None], object)[rows].tolist()


def test_a_mask_of_what_lies_together_far_away_loses_nothing(sieve: Cascade) -> None:
    far = np.argsort(sieve.vectors_ @ -sieve.vectors_[0])[-N // 10 :]
    allowed = np.zeros(N, bool)
    allowed[far] = True
    query = sieve.vectors_[:1]
    rows, _ = exact(query, sieve.vectors_[np.sort(far)], 10)
    ids, _ = sieve.search(query, 10, n_candidates=85, allowed=allowed, rerank_margin=100.0)
    near, _ = sieve.search(query, 10, n_candidates=85, allowed=allowed, rerank_margin=100.0, n_probes=1)
    true = set(np.sort(far)[rows[0]])
    assert len(true & set(ids[0])) >= 9
    assert len(true & set(near[0])) < 9  # it is not so easy: the cell that is near has little of it


@pytest.mark.parametrize("kernels", native.available())
def test_as_many_are_found_as_were_asked_for_where_there_are_so_many(
    sieve: Cascade, queries: Vectors, kernels: str
) -> None:
    with native.forced(kernels):
        for k in (1, 10, 200, 500, N):
            for asked in ({}, {"probe_margin": 0.0}, {"n_candidates": k}):
                ids, scores = sieve.search(queries, k, **{"n_candidates": max(k, 500), **asked})
                assert (ids >= 0).all()
                assert all(len(set(of_query)) == k for of_query in ids.tolist())
                assert np.isfinite(scores).all()
        assert (sieve.search(queries, N, n_probes=1, n_candidates=N)[0] < 0).any()  # unless cells are chosen


def test_copies_of_few_vectors_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    templates = unit_rows(rng.standard_normal((40, 384)))
    cascade = Cascade(cells=64).build(np.repeat(templates, 200, axis=0))
    pairs = np.array([(i, j) for i in range(40) for j in range(40) if i != j])
    queries = unit_rows(templates[pairs[:, 0]] + 1.001 * templates[pairs[:, 1]])
    *_, second, best = np.sort(queries @ templates.T, axis=1).T
    # Half the way between two, within what rounding leaves certain.
    worst = cascade.search(queries, 10)[1][:, -1]
    np.testing.assert_allclose(worst, best, atol=1e-3)
    assert (np.abs(worst - best) < 1e-6).mean() > 0.98
    # More than one has copies of: then those of the next best follow.
    np.testing.assert_allclose(cascade.search(queries, 300)[1][:, -1], second, atol=1e-6)


def test_cells_of_which_nothing_is_allowed_do_not_stand_in_the_way_of_others() -> None:
    vectors = clustered(4000, 32, 5)
    cascade = Cascade(cells=40).build(vectors)
    index = cascade._cell_codes
    assert index is not None
    query = vectors[:1]
    allowed = (vectors @ query[0]) < np.quantile(vectors @ query[0], 0.8)  # all that is near is gone
    plan = index.plan(10, 400, None, None, 2.0, False)
    found = index.search(query, plan, allowed=allowed, sizes=index.allowed_sizes(allowed))
    true = np.sort((vectors @ query[0])[allowed])[::-1][:10]
    assert found.scores[0, 0] == pytest.approx(true[0], abs=1e-6)
    assert np.count_nonzero(found.scores[0] >= true[-1] - 1e-6) >= 8
