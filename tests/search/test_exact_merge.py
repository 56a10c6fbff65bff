"""What parts find, put together, is what the whole finds."""

from itertools import pairwise

import numpy as np
import pytest
from brute_force import clustered, exact, queries_near
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsieve.search import native
from bitsieve.search.exact import search_exact
from bitsieve.search.merge import merge_found


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 2, 5, 40]), min_size=1, max_size=5), q=st.sampled_from([0, 1, 2, 7]),
    k=st.sampled_from([1, 3, 50]), n_different=st.sampled_from([1, 4, 100]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_merging_parts_is_searching_the_whole(
    sizes: list[int], q: int, k: int, n_different: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = clustered(n_different, 12, seed)[rng.integers(n_different, size=sum(sizes))]
    queries = queries_near(clustered(20, 12, seed), q, seed)
    rows, scores = exact(queries, vectors, k)
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    for kernels in native.available():
        with native.forced(kernels):
            parts = [(start, search_exact(vectors[start:end], queries, k)) for start, end in pairwise(starts)]
            merged_rows, merged_scores = merge_found(parts, k)
        np.testing.assert_array_equal(merged_rows, rows, err_msg=kernels)
        np.testing.assert_array_equal(merged_scores, scores, err_msg=kernels)
        assert merged_rows.dtype == np.int64
        assert merged_scores.dtype == np.float32


def test_one_part_at_the_beginning_is_the_whole_as_it_is() -> None:
    vectors = clustered(30, 8)
    found = search_exact(vectors, vectors[:2], 5)
    rows, scores = merge_found([(0, found)], 5)
    assert rows is found.rows
    assert scores is found.scores


@pytest.mark.parametrize("kernels", native.available())
def test_a_part_that_begins_later_has_its_rows_moved_and_its_padding_kept(kernels: str) -> None:
    vectors = clustered(3, 8)
    with native.forced(kernels):
        rows, scores = merge_found([(2**40, search_exact(vectors, vectors[:1], 5))], 5)
    assert sorted(rows[0, :3].tolist()) == [2**40, 2**40 + 1, 2**40 + 2]
    assert rows[0, 3:].tolist() == [-1, -1]
    assert (scores[0, 3:] == -np.inf).all()


def test_parts_of_different_k_are_refused() -> None:
    vectors = clustered(30, 8)
    parts = [(0, search_exact(vectors, vectors[:2], 5)), (30, search_exact(vectors, vectors[:2], 6))]
    if native.module() is None:
        pytest.skip("NumPy takes the best of them")
    with pytest.raises(ValueError, match="ids and scores of one shape"):
        merge_found(parts, 5)
