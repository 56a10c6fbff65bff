"""Laws of the cascade: exact when nothing is cut off, decided at every edge, better with the query's floats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitsieve.codec import ITQ, PivotFilter
from bitsieve.errors import DimensionError, InputError, NotFittedError
from bitsieve.search import Cascade, cascade

N, D = 600, 48
BENCH = Path(__file__).parents[2].parent / "shared" / "bench"


def unit_rows(x: NDArray[Any]) -> NDArray[np.float32]:
    x = x.astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def exact(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Brute force, equal scores by row."""
    scores = np.stack([np.einsum("nd,d->n", vectors, query) for query in queries])
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, axis=1)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """Clustered, and the last 100 equal to the first: ties in every stage."""
    rng = np.random.default_rng(0)
    x = unit_rows(rng.standard_normal((8, D))[rng.integers(8, size=N)] + rng.standard_normal((N, D)))
    x[-100:] = x[:100]
    return x


@pytest.fixture(scope="module")
def queries(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    noise = np.random.default_rng(1).standard_normal((30, D))
    return unit_rows(vectors[:30] + 0.1 * noise)


@pytest.fixture(scope="module")
def itq(vectors: NDArray[np.float32]) -> ITQ:
    return ITQ(32, 10).fit(vectors)


@pytest.fixture(scope="module")
def sieve(itq: ITQ, vectors: NDArray[np.float32]) -> Cascade:
    return Cascade(itq, PivotFilter(4)).build(vectors)


@pytest.mark.parametrize("n_candidates", [N, N + 1])
@pytest.mark.parametrize("scoring", ["asymmetric", "hamming"])
def test_search_with_all_as_candidates_is_exact_search(
    sieve: Cascade, queries: NDArray[np.float32], scoring: Any, n_candidates: int
) -> None:
    ids, scores = sieve.search(queries, 20, n_candidates=n_candidates, scoring=scoring)
    rows, cosines = exact(queries, sieve.vectors_, 20)
    np.testing.assert_array_equal(ids, rows)
    np.testing.assert_array_equal(scores, cosines)
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("scoring", ["asymmetric", "hamming"])
def test_equal_vectors_are_ordered_by_row_in_every_stage(itq: ITQ, scoring: Any) -> None:
    vectors = np.repeat(unit_rows(np.random.default_rng(3).standard_normal((1, D))), 77, axis=0)
    ids, _ = Cascade(itq).build(vectors).search(vectors[:2], 5, n_candidates=7, scoring=scoring)
    np.testing.assert_array_equal(ids, [[0, 1, 2, 3, 4]] * 2)


def test_a_query_finds_itself_first(sieve: Cascade) -> None:
    ids, scores = sieve.search(sieve.vectors_[200:400], 1, n_candidates=20)
    np.testing.assert_array_equal(ids[:, 0], np.arange(200, 400))
    np.testing.assert_allclose(scores, 1, atol=1e-6)


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
    ids, scores, stages = empty.search(queries, 5, pivot_threshold=0.2, explain=True)
    assert ids.shape == scores.shape == (len(queries), 0)
    assert all((stage.kept == 0).all() and (stage.removed == 0).all() for stage in stages)
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
    left = np.full(len(queries), N)
    for stage in stages:
        assert stage.kept.dtype == stage.removed.dtype == np.int64
        assert stage.seconds >= 0
        np.testing.assert_array_equal(stage.kept + stage.removed, left)
        left = stage.kept
    np.testing.assert_array_equal(left, (scores > -np.inf).sum(axis=1))
    assert (stages[1].kept == np.minimum(stages[0].kept, 50)).all()
    names = [stage.name for stage in sieve.search(queries, 7, explain=True)[2]]
    assert names == ["codes", "rerank"]


def test_pivots_remove_and_the_removed_are_never_found(sieve: Cascade, queries: NDArray[np.float32]) -> None:
    assert sieve.pivots is not None
    passed = sieve.pivots.passes(sieve.pivots.distances(queries), sieve.pivot_distances_, 0.15)
    assert 0 < passed.mean() < 1
    ids, _ = sieve.search(queries, 20, n_candidates=N, pivot_threshold=0.15)
    for i, query in enumerate(queries):
        left = np.flatnonzero(passed[i])
        expected = left[exact(query[np.newaxis], sieve.vectors_[left], 20)[0][0]]
        np.testing.assert_array_equal(ids[i][ids[i] >= 0], expected)
    nothing, scores = sieve.search(queries, 5, pivot_threshold=0.0)
    assert (nothing == -1).all()
    assert (scores == -np.inf).all()


def test_build_fits_pivots_only_when_they_are_not(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    fitted = PivotFilter(4).fit(vectors[:50])
    pivots = fitted.pivots_.copy()
    built = Cascade(itq, fitted).build(vectors)
    np.testing.assert_array_equal(fitted.pivots_, pivots)
    assert built.pivot_distances_ is not None
    assert built.pivot_distances_.shape == (N, 4)


def test_blocks_of_queries_change_nothing(
    sieve: Cascade, queries: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, scores, stages = sieve.search(queries, 10, n_candidates=50, pivot_threshold=0.3, explain=True)
    monkeypatch.setattr(cascade, "BLOCK_BYTES", 7 * (8 * N + 16 * 50 + 4 * 32))
    in_blocks = sieve.search(queries, 10, n_candidates=50, pivot_threshold=0.3, explain=True)
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


def test_bad_ids_are_refused(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    for ids in (["a", 1, "b"], [1.0, 2.0, 3.0], [True, False, True], [2**63, 1, 2], [None, "a", "b"]):
        with pytest.raises(InputError, match="whole numbers"):
            Cascade(itq).build(vectors[:3], ids=ids)
    for wrong in ([1, 2], [[1], [2], [3]], "abc"):
        with pytest.raises(InputError, match=r"expected \(3,\)"):
            Cascade(itq).build(vectors[:3], ids=wrong)


def test_bad_input_is_refused(sieve: Cascade, queries: NDArray[np.float32]) -> None:
    plain = Cascade(sieve.itq).build(sieve.vectors_)
    wrong: list[tuple[Cascade, dict[str, Any], str]] = [
        (sieve, {"k": 0}, "k must be"),
        (sieve, {"n_candidates": 0}, "n_candidates must be"),
        (sieve, {"k": 20, "n_candidates": 10}, "raise n_candidates"),
        (sieve, {"scoring": "cosine"}, "scoring"),
        (sieve, {"pivot_threshold": -1.0}, "threshold"),
        (plain, {"pivot_threshold": 0.2}, "needs pivots"),
    ]
    for searched, arguments, message in wrong:
        with pytest.raises(InputError, match=message):
            searched.search(queries, **arguments)
    with pytest.raises(InputError, match="queries must have rows of L2 norm 1"):
        sieve.search(2 * queries)
    with pytest.raises(InputError, match="vectors must have rows of L2 norm 1"):
        Cascade(sieve.itq).build(2 * queries)
    with pytest.raises(DimensionError, match="queries have d=24, expected d=48"):
        sieve.search(unit_rows(queries[:, :24]))
    with pytest.raises(DimensionError):
        Cascade(sieve.itq).build(unit_rows(queries[:, :24]))


def test_nothing_works_before_fit_and_build(sieve: Cascade, queries: NDArray[np.float32]) -> None:
    with pytest.raises(NotFittedError, match="build"):
        Cascade(sieve.itq).search(queries)
    with pytest.raises(NotFittedError, match="fit"):
        Cascade(ITQ(32)).build(queries)


def test_asymmetric_scores_find_more_than_hamming_on_real_vectors() -> None:
    files = [BENCH / "summaries_100k_minilm_int8.npy", BENCH / "summaries_queries_500_minilm_int8.npy"]
    if not all(file.exists() for file in files):
        pytest.skip(f"no benchmark vectors in {BENCH}")
    vectors, queries = (unit_rows(np.load(file, mmap_mode="r")[:20_000]) for file in files)
    sieve = Cascade(ITQ(128, 10, max_fit_rows=5_000).fit(vectors)).build(vectors)
    truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    recall = {}
    for scoring in ("asymmetric", "hamming"):
        ids, _ = sieve.search(queries, 10, n_candidates=100, scoring=scoring)
        recall[scoring] = np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(ids, truth, strict=True)])
    # On all 100,000 and 50 iterations: .88 and .72.
    assert recall["asymmetric"] > recall["hamming"] + 0.05
    assert recall["asymmetric"] > 0.9
