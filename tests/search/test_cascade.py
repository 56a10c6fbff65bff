"""Laws of the cascade without cells: exact when nothing is cut off, decided at every edge."""

from typing import Any

import numpy as np
import pytest
from brute_force import assert_stages_add_up, exact, queries_near, unit_rows, with_ties
from numpy.typing import NDArray

from bitsieve.codec import ITQ, PivotFilter
from bitsieve.search import Cascade, native, pivoted

N, D = 600, 48


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return with_ties(N, D)


@pytest.fixture(scope="module")
def queries(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return queries_near(vectors, 30)


@pytest.fixture(scope="module")
def itq(vectors: NDArray[np.float32]) -> ITQ:
    return ITQ(32, 10).fit(vectors)


@pytest.fixture(scope="module")
def sieve(itq: ITQ, vectors: NDArray[np.float32]) -> Cascade:
    return Cascade(itq, PivotFilter(4)).build(vectors)


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("n_candidates", [N, N + 1, 10**30])
@pytest.mark.parametrize("scoring", ["asymmetric", "hamming"])
def test_search_with_all_as_candidates_is_exact_search(
    sieve: Cascade, queries: NDArray[np.float32], scoring: Any, n_candidates: int, kernels: str
) -> None:
    rows, cosines = exact(queries, sieve.vectors_, 20)
    with native.forced(kernels):
        ids, scores = sieve.search(queries, 20, n_candidates=n_candidates, scoring=scoring)
    np.testing.assert_array_equal(ids, rows)
    np.testing.assert_array_equal(scores, cosines)
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("corrections", [False, True])
@pytest.mark.parametrize("scoring", ["asymmetric", "hamming"])
def test_equal_vectors_are_ordered_by_row_in_every_stage(itq: ITQ, scoring: Any, corrections: bool) -> None:
    vectors = np.repeat(unit_rows(np.random.default_rng(3).standard_normal((1, D))), 77, axis=0)
    cascade = Cascade(itq, corrections=corrections).build(vectors)
    ids, _ = cascade.search(vectors[:2], 5, n_candidates=7, scoring=scoring)
    np.testing.assert_array_equal(ids, [[0, 1, 2, 3, 4]] * 2)


def test_a_query_finds_itself_first(sieve: Cascade) -> None:
    ids, scores = sieve.search(sieve.vectors_[200:400], 1, n_candidates=20)
    np.testing.assert_array_equal(ids[:, 0], np.arange(200, 400))
    np.testing.assert_allclose(scores, 1, atol=1e-6)


def test_a_cosine_is_that_of_the_vectors_whatever_found_it(
    sieve: Cascade, queries: NDArray[np.float32]
) -> None:
    ids, scores = sieve.search(queries, 10, n_candidates=20)
    rows, cosines = exact(queries, sieve.vectors_, N)
    for i in range(len(queries)):
        places = np.argsort(rows[i])[ids[i]]
        np.testing.assert_array_equal(scores[i], cosines[i][places])
        assert (np.diff(places) > 0).all()


def test_more_candidates_never_find_less(sieve: Cascade, queries: NDArray[np.float32]) -> None:
    before = np.full(len(queries), -np.inf)
    for n_candidates in (10, 15, 40, 100, 300, N):
        scores = sieve.search(queries, 10, n_candidates=n_candidates)[1]
        assert (scores[:, -1] >= before).all()
        before = scores[:, -1]


def test_too_few_vectors_are_padded(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    ids, scores = Cascade(itq).build(vectors[:3]).search(vectors[:2], 5)
    assert ids.shape == scores.shape == (2, 5)
    assert (ids[:, 3:] == -1).all()
    assert (scores[:, 3:] == -np.inf).all()
    assert (ids[:, :3] >= 0).all()


def test_an_empty_index_and_an_empty_batch_give_empty_arrays(
    sieve: Cascade, queries: NDArray[np.float32]
) -> None:
    empty = Cascade(sieve.itq, sieve.pivots).build(np.empty((0, D), np.float32))
    for given in (queries, queries[:0]):
        for arguments in (
            {},
            {"pivot_threshold": 0.2},
            {"scoring": "hamming"},
            {"allowed": np.ones(0, bool)},
        ):
            ids, scores, stages = empty.search(given, 5, explain=True, **arguments)
            assert ids.shape == scores.shape == (len(given), 0)
            assert all((stage.kept == 0).all() and (stage.removed == 0).all() for stage in stages)
            assert stages[-1].kept.shape == (len(given),)
    ids, scores, stages = sieve.search(queries[:0], 5, pivot_threshold=0.2, explain=True)
    assert ids.shape == scores.shape == (0, 5)
    assert [(stage.name, stage.kept.shape) for stage in stages] == [
        ("pivots", (0,)),
        ("codes", (0,)),
        ("rerank", (0,)),
    ]


def test_what_stages_keep_and_remove_adds_up(sieve: Cascade, queries: NDArray[np.float32]) -> None:
    _, scores, stages = sieve.search(queries, 7, n_candidates=50, pivot_threshold=0.15, explain=True)
    assert [stage.name for stage in stages] == ["pivots", "codes", "rerank"]
    assert_stages_add_up(stages, N, scores)
    assert (stages[1].kept == np.minimum(stages[0].kept, 50)).all()
    names = [stage.name for stage in sieve.search(queries, 7, explain=True)[2]]
    assert names == ["codes", "rerank"]


def test_pivots_remove_and_the_removed_are_never_found(sieve: Cascade, queries: NDArray[np.float32]) -> None:
    assert sieve.pivots is not None
    passed = sieve.pivots.passes(sieve.pivots.distances(queries), sieve.pivot_distances_, 0.15)
    assert 0 < passed.mean() < 1
    mask = np.random.default_rng(5).random(N) < 0.5
    for allowed in (None, mask):
        ids, _ = sieve.search(queries, 20, n_candidates=N, pivot_threshold=0.15, allowed=allowed)
        for i, query in enumerate(queries):
            left = np.flatnonzero(passed[i] if allowed is None else passed[i] & allowed)
            rows = exact(query[np.newaxis], sieve.vectors_[left], 20)[0][0]
            np.testing.assert_array_equal(ids[i][ids[i] >= 0], left[rows[rows >= 0]])
    nothing, scores = sieve.search(queries, 5, pivot_threshold=0.0)
    assert (nothing == -1).all()
    assert (scores == -np.inf).all()


@pytest.mark.parametrize("scoring", ["asymmetric", "hamming"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_only_allowed_ids_are_found_and_few_of_them_exactly(
    sieve: Cascade, queries: NDArray[np.float32], share: float, scoring: Any
) -> None:
    allowed = np.random.default_rng(4).random(N) < share
    ids, scores = sieve.search(queries, 10, n_candidates=60, allowed=allowed, scoring=scoring)
    assert allowed[ids[ids >= 0]].all()
    if allowed.sum() <= 60:
        rows, cosines = exact(queries, sieve.vectors_[allowed], 10)
        np.testing.assert_array_equal(ids, np.append(np.flatnonzero(allowed), -1)[rows])
        np.testing.assert_array_equal(scores, cosines)


def test_build_fits_pivots_only_when_they_are_not(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    fitted = PivotFilter(4).fit(vectors[:50])
    pivots = fitted.pivots_.copy()
    built = Cascade(itq, fitted).build(vectors)
    np.testing.assert_array_equal(fitted.pivots_, pivots)
    assert built.pivot_distances_ is not None
    assert built.pivot_distances_.shape == (N, 4)
    unfitted = PivotFilter(4)
    Cascade(itq, unfitted).build(vectors)
    assert unfitted.pivots_.shape == (4, D)


@pytest.mark.parametrize("scoring", ["asymmetric", "hamming"])
def test_blocks_of_queries_change_nothing(
    sieve: Cascade, queries: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, scoring: Any
) -> None:
    arguments: dict[str, Any] = {"n_candidates": 50, "pivot_threshold": 0.3, "scoring": scoring}
    ids, scores, stages = sieve.search(queries, 10, explain=True, **arguments)
    monkeypatch.setattr(pivoted, "MASK_BYTES", 7 * N)
    in_blocks = sieve.search(queries, 10, explain=True, **arguments)
    np.testing.assert_array_equal(in_blocks[0], ids)
    np.testing.assert_array_equal(in_blocks[1], scores)
    for block, whole in zip(in_blocks[2], stages, strict=True):
        np.testing.assert_array_equal(block.kept, whole.kept)


def test_given_ids_are_returned(itq: ITQ, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    few = vectors[:3]
    rows, _ = Cascade(itq).build(few).search(queries, 4)
    numbers, _ = Cascade(itq).build(few, ids=np.array([70, 80, 90], np.uint16)).search(queries, 4)
    np.testing.assert_array_equal(numbers, np.array([70, 80, 90, -1])[rows])
    for given in (["a", "b", "ccc"], np.array(["a", "b", "ccc"])):
        names, _ = Cascade(itq).build(few, ids=given).search(queries, 4)
        assert names.dtype == object
        assert names.tolist() == np.array(["a", "b", "ccc", None], object)[rows].tolist()


@pytest.mark.parametrize("corrections", [None, False, True])
def test_corrections_are_used_as_asked(
    itq: ITQ, vectors: NDArray[np.float32], corrections: bool | None
) -> None:
    cascade = Cascade(itq, corrections=corrections).build(vectors)
    assert isinstance(cascade.corrections_, bool)
    assert cascade.corrections_ == (corrections or False)  # these vectors do not lean to one side
    ids = cascade.search(vectors[100:200], 1, n_candidates=20)[0]
    np.testing.assert_array_equal(ids[:, 0], np.arange(100, 200))
