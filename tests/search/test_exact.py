"""Exact search finds what looking at every vector finds, and scores it as a search through codes does."""

from typing import Any

import numpy as np
import pytest
from brute_force import any_itq, clustered, exact, queries_near
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec import Cells, PivotFilter
from bitsieve.search import Cascade, native
from bitsieve.search.cells import CellCodes
from bitsieve.search.exact import answers_exactly, search_exact
from bitsieve.search.flat import FlatCodes

SEEDS = st.integers(0, 2**32 - 1)

Vectors = NDArray[Any]


def with_duplicates(n: int, d: int, seed: int) -> Vectors:
    return clustered(n, d, seed)[np.random.default_rng(seed).integers(max(1, n // 2), size=n)]


def assert_finds(
    found: Any, expected: tuple[NDArray[np.int64], NDArray[np.float32]], rows: NDArray[np.int64], what: str
) -> None:
    """Whether this was found, rows counted among those that are allowed."""
    of_allowed = np.append(rows, -1)[expected[0]]
    np.testing.assert_array_equal(found.rows, of_allowed, err_msg=what)
    np.testing.assert_array_equal(found.scores.view(np.int32), expected[1].view(np.int32), err_msg=what)


@settings(deadline=None, max_examples=80)
@given(
    n=st.sampled_from([0, 1, 2, 5, 7, 13, 100, 700]), d=st.sampled_from([1, 8, 13, 31, 32, 33, 384]),
    q=st.sampled_from([0, 1, 2, 9]), k=st.sampled_from([1, 2, 10, 1000]), half=st.booleans(),
    share=st.sampled_from([None, 0.0, 0.05, 0.5, 1.0]), threads=st.sampled_from([1, 3]), seed=SEEDS,
)  # fmt: skip
def test_exact_search_is_looking_at_every_allowed_vector(
    n: int, d: int, q: int, k: int, half: bool, share: float | None, threads: int, seed: int
) -> None:
    vectors = with_duplicates(n, d, seed).astype(np.float16 if half else np.float32)
    queries = queries_near(clustered(50, d, seed), q, seed)
    mask = np.ones(n, bool) if share is None else np.random.default_rng(seed).random(n) < share
    rows = np.flatnonzero(mask)
    expected = exact(queries, vectors[mask].astype(np.float32), k)
    shuffled = np.random.default_rng(seed).permutation(rows)
    for kernels in native.available():
        with native.forced(kernels):
            for allowed in [mask, rows, shuffled, *([None] if share is None else [])]:
                found = search_exact(vectors, queries, k, allowed, threads=threads)
                assert_finds(found, expected, rows, kernels)
                np.testing.assert_array_equal(found.effort, np.full((2, q), len(rows)))
                assert found.rows.dtype == found.effort.dtype == np.int64
                assert len(found.seconds) == 3


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_row_has_the_score_that_codes_give_it(kernels: str, dtype: type) -> None:
    vectors = clustered(2000, 48).astype(dtype)
    queries = queries_near(clustered(2000, 48), 20)
    flat = FlatCodes.encode(any_itq(48, 32), vectors, corrected=False)
    cells = CellCodes(Cells(20).fit(vectors), vectors)
    with native.forced(kernels):
        every = search_exact(vectors, queries, 2000)
        scores = np.empty((20, 2000), np.float32)
        np.put_along_axis(scores, every.rows, every.scores, axis=1)
        by_codes = flat.search(queries, 10, n_candidates=100)
        by_cells = cells.search(queries, cells.plan(10, 100, None, 0.2, 2.0, False))
        for found in (by_codes, by_cells):
            np.testing.assert_array_equal(np.take_along_axis(scores, found.rows, axis=1), found.scores)


def test_vectors_in_many_tiles_and_read_only_are_searched() -> None:
    vectors = with_duplicates(5000, 384, 0)
    vectors.flags.writeable = False
    queries = queries_near(vectors, 30)
    expected = exact(queries, vectors, 10)
    for kernels in native.available():
        with native.forced(kernels):
            assert_finds(search_exact(vectors, queries, 10), expected, np.arange(5000), kernels)


def test_rows_that_are_not_there_and_other_floats_are_refused() -> None:
    if native.module() is None:
        pytest.skip("NumPy refuses them in its own words")
    vectors, queries = clustered(10, 8), clustered(2, 8)
    for rows in (np.array([10]), np.array([3, -1])):
        with pytest.raises(ValueError, match="rows that the vectors have"):
            search_exact(vectors, queries, 5, rows)
    with pytest.raises(ValueError, match="float32 or float16"):
        search_exact(vectors.astype(np.float64), queries, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="queries of the dimension"):
        search_exact(vectors, queries[:, :7].copy(), 5)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return clustered(13_000, 32)


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("q", [1, 4])
def test_few_allowed_are_answered_exactly_however_few_candidates(
    vectors: NDArray[np.float32], kernels: str, q: int
) -> None:
    queries = queries_near(vectors, q, noise=0.5)
    allowed = np.arange(len(vectors)) % 100 == 5
    assert answers_exactly(int(allowed.sum()), len(vectors))
    expected = exact(queries, vectors[allowed], 10)
    flat = FlatCodes.encode(any_itq(32, 16), vectors, corrected=False)
    cells = CellCodes(Cells(60, max_fit_rows=3000).fit(vectors), vectors)
    cascade = Cascade(any_itq(32, 16), cells=Cells(60, max_fit_rows=3000)).build(vectors)
    with native.forced(kernels):
        by_codes = flat.search(queries, 10, n_candidates=10, allowed=allowed)
        by_cells = cells.search(queries, cells.plan(10, 10, 1, None, 0.0, False), allowed=allowed)
        for found in (by_codes, by_cells):
            assert_finds(found, expected, np.flatnonzero(allowed), kernels)
            assert (found.effort[-2:] == np.count_nonzero(allowed)).all()
        ids, scores, stages = cascade.search(
            queries, 10, n_candidates=10, n_probes=1, allowed=allowed, explain=True
        )
    np.testing.assert_array_equal(ids, np.flatnonzero(allowed)[expected[0]])
    np.testing.assert_array_equal(scores, expected[1])
    assert [stage.name for stage in stages] == ["cells", "codes", "rerank"]
    assert all((stage.removed >= 0).all() for stage in stages)


def test_few_that_pivots_leave_are_answered_alike_alone_and_in_company(vectors: NDArray[np.float32]) -> None:
    queries = queries_near(vectors, 6)
    cascade = Cascade(any_itq(32, 16), PivotFilter(4)).build(vectors)
    *together, stages = cascade.search(queries, 3, n_candidates=3, pivot_threshold=0.08, explain=True)
    assert any(kept > 3 and answers_exactly(kept, len(vectors)) for kept in stages[0].kept.tolist())
    for i in range(6):
        alone = cascade.search(queries[i : i + 1], 3, n_candidates=3, pivot_threshold=0.08)
        np.testing.assert_array_equal(alone[0][0], together[0][i])
        np.testing.assert_array_equal(alone[1][0], together[1][i])


def test_whether_few_are_allowed_depends_on_how_many_there_are() -> None:
    for n in (1, 100, 10**4, 10**6):
        assert answers_exactly(0, n)
        assert not answers_exactly(n, n)
        answers = [answers_exactly(n_allowed, n) for n_allowed in range(0, n + 1, max(1, n // 1000))]
        assert answers == sorted(answers, reverse=True)
        assert answers_exactly(7, 10 * n) >= answers_exactly(7, n)
    assert answers_exactly(1000, 10**6)
