"""Joining hits of vectors and of keywords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_index import unit_vectors

from bitsieve.index import Index
from bitsieve.index.answering import FUSED
from bitsieve.index.fusion import WEIGHT, fuse

NEAR = [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.5)]
WORDS = [(3, 12.0), (5, 9.0), (2, 3.0), (6, 2.0)]
Hits = list[tuple[int, float]]


def keys(hits: Hits) -> list[int]:
    return [key for key, _ in hits]


@st.composite
def hit_lists(draw: st.DrawFn) -> Hits:
    """Different keys, scores from the highest down."""
    chosen = draw(st.lists(st.integers(0, 12), unique=True, max_size=8))
    floats = st.floats(-1, 100, width=32)
    return list(zip(chosen, sorted((draw(floats) for _ in chosen), reverse=True), strict=True))


@given(hit_lists(), hit_lists(), st.floats(0, 1))
def test_all_hits_are_there_once_from_1_to_0(near: Hits, words: Hits, weight: float) -> None:
    words = [(key, score + 1) for key, score in words]  # BM25 is not negative
    joined = fuse(near, words, 8, weight=weight)
    assert sorted(keys(joined)) == sorted({*keys(near), *keys(words)})
    scores = [score for _, score in joined]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)


def test_the_best_by_both_scores_1_and_the_best_by_one_its_weight() -> None:
    assert fuse(NEAR, [(1, 3.0), (9, 1.0)], 4)[0] == (1, 1.0)
    assert dict(fuse(NEAR, [(9, 3.0)], 4, weight=0.7)) == pytest.approx(
        {1: 0.7, 2: 0.525, 3: 0.35, 9: 0.3, 4: 0}
    )


@pytest.mark.parametrize(("weight", "order"), [(1, keys(NEAR)), (0, keys(WORDS))])
def test_all_the_weight_keeps_the_order_of_one_list(weight: float, order: list[int]) -> None:
    assert keys(fuse(NEAR, WORDS, 9, weight=weight))[: len(order)] == order


def test_it_does_not_matter_on_what_scale_scores_are() -> None:
    joined = fuse(NEAR, WORDS, 4)
    others = fuse(
        [(key, 0.2 * score + 0.7) for key, score in NEAR], [(key, 3 * score) for key, score in WORDS], 4
    )
    assert keys(others) == keys(joined)
    assert [score for _, score in others] == pytest.approx([score for _, score in joined])


def test_the_last_of_a_full_list_is_worth_nothing_but_one_of_few_hits_by_words_is() -> None:
    assert dict(fuse(NEAR, WORDS, 4, weight=0.5))[6] == 0
    assert dict(fuse(NEAR, WORDS, 5, weight=0.5))[6] == pytest.approx(0.5 * 2 / 12)


def test_hits_that_score_alike_are_worth_alike() -> None:
    assert fuse([(1, 0.5), (2, 0.5)], [], 2, weight=0.6) == [(1, 0.6), (2, 0.6)]
    assert fuse([], [(2, 4.0), (1, 4.0)], 2, weight=0.6) == [(2, 0.4), (1, 0.4)]


def test_an_empty_list_leaves_the_order_of_the_other() -> None:
    assert keys(fuse(NEAR, [], 4)) == keys(NEAR)
    assert keys(fuse([], WORDS, 4)) == keys(WORDS)
    assert fuse([], [], 4) == []


def test_equal_scores_are_ordered_as_the_vectors_found_them_then_as_the_words_did() -> None:
    assert keys(fuse([(8, 0.9), (7, 0.1), (5, 0.1)], [(9, 2.0)], 3, weight=0.5)) == [8, 9, 7, 5]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory):
    vectors = unit_vectors(300)
    texts = [" ".join(f"word{row % n}" for n in (2, 3, 5, 7, 11, 13) if row % n < 6) for row in range(300)]
    with Index.create(tmp_path_factory.mktemp("fusion") / "index", dimension=32) as made:
        made.add(texts, ids=range(300), vectors=vectors)
        yield made


@pytest.mark.parametrize("k", [1, 10, 150])
def test_a_hybrid_search_joins_what_its_halves_find(index: Index, k: int) -> None:
    query, vector, n = "word4 word5", unit_vectors(1, seed=1)[0], max(k, FUSED)
    halves = [index.search(query, n, vector=vector, mode=mode) for mode in ("vector", "keyword")]
    near, words = ([(int(hit.id), hit.score) for hit in half] for half in halves)
    hits = index.search(query, k, vector=vector, mode="hybrid")
    assert [(int(hit.id), hit.score) for hit in hits] == fuse(near, words, n, weight=WEIGHT)[:k]
    for hit in hits:
        assert hit.vector_rank == (keys(near).index(int(hit.id)) + 1 if int(hit.id) in keys(near) else None)
        assert hit.keyword_rank == (
            keys(words).index(int(hit.id)) + 1 if int(hit.id) in keys(words) else None
        )


def test_min_score_of_a_hybrid_search_is_of_the_joined_scores(index: Index) -> None:
    def search(**how: float) -> list[tuple[str, float]]:
        hits = index.search("word4 word5", 20, vector=unit_vectors(1, seed=1)[0], mode="hybrid", **how)
        return [(hit.id, hit.score) for hit in hits]

    assert 0 < len(search(min_score=0.5)) < 20
    assert search(min_score=0.5) == [hit for hit in search() if hit[1] >= 0.5]
