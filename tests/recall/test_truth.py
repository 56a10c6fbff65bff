"""True neighbours, and the share of them that was found."""

import numpy as np
import pytest
from small_sieve import clustered

from bitsieve.recall import nearest, recalls, without_own

INF = np.inf


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_neighbours_are_those_of_all_vectors_at_once_however_they_come_in_blocks(block: int, k: int) -> None:
    vectors, queries = clustered(200), clustered(15, seed=1)
    vectors[150:] = vectors[:50]  # ties
    ids = np.arange(1000, 1200)
    blocks = [(ids[start : start + block], vectors[start : start + block]) for start in range(0, 200, block)]
    found, scores = nearest(queries, blocks, k)
    exact = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    for i, of_query in enumerate(exact):
        # Equal vectors have equal scores in nearest(), as they are added up one by one.
        order = np.lexsort((np.arange(200), -of_query.round(9)))[:k]
        np.testing.assert_array_equal(found[i, : len(order)], ids[order])
        np.testing.assert_allclose(scores[i, : len(order)], of_query[order], atol=1e-6)
        assert (found[i, len(order) :] == -1).all()
        assert (scores[i, len(order) :] == -INF).all()


def test_without_vectors_nothing_is_near() -> None:
    ids, scores = nearest(clustered(2), [], 3)
    assert (ids == -1).all()
    assert (scores == -INF).all()


def test_recall_counts_scores_that_reach_the_last_true_one() -> None:
    true = np.array([[0.9, 0.8, 0.7, 0.7]])
    for found, recall in (
        ([0.9, 0.8, 0.7, 0.7], 1.0),
        ([0.9, 0.7, 0.7, 0.7], 1.0),  # others that tie with the last
        ([0.9, 0.8, 0.7 - 5e-7, 0.69], 0.75),  # rounding is no loss
        ([0.9, 0.8, 0.7 - 5e-6, 0.69], 0.5),
        ([0.9, -INF, -INF, -INF], 0.25),
        ([-INF] * 4, 0.0),
    ):
        assert recalls(np.array([found], np.float32), true.astype(np.float32)) == pytest.approx([recall])


def test_of_fewer_true_neighbours_than_asked_for_all_can_be_found() -> None:
    true = np.array([[0.9, 0.8, -INF], [-INF, -INF, -INF]], np.float32)
    found = np.array([[0.9, -INF, -INF], [-INF, -INF, -INF]], np.float32)
    np.testing.assert_array_equal(recalls(found, true), [0.5, 1])
    np.testing.assert_array_equal(recalls(true, true), [1, 1])
    np.testing.assert_array_equal(recalls(true[:, :0], true[:, :0]), [1, 1])


def test_a_document_is_left_out_of_its_own_answer_and_if_it_is_not_there_the_last_place() -> None:
    ids = np.array([[5, 3, 1], [3, 5, 1], [3, 1, 5], [3, 1, 7]])
    scores = np.array([[0.9, 0.8, 0.7]] * 4, np.float32)
    kept = without_own(ids, scores, np.array([5, 5, 5, 5]))
    np.testing.assert_array_equal(
        kept, np.array([[0.8, 0.7], [0.9, 0.7], [0.9, 0.8], [0.9, 0.8]], np.float32)
    )
    named = np.array([["a", "b"], ["b", None]], dtype=object)
    np.testing.assert_array_equal(without_own(named, scores[:2, :2], np.array(["b", "a"], object))[:, 0],
                                  np.array([0.9, 0.9], np.float32))  # fmt: skip
