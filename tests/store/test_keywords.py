"""Keywords: what is found, in which order, and which words count."""

import math
import re
from collections.abc import Callable
from typing import Any

import apsw
import numpy as np
import pytest

from bitsieve.errors import InputError
from bitsieve.store import documents, keywords
from bitsieve.store.keywords import best_by_keywords

pytestmark = pytest.mark.usefixtures("no_syncs")

Texts = list[str]
Open = Callable[..., Any]
RARE_AND_COMMON = [
    f"every document {'often' if row % 4 == 0 else ''} {f'rare{row}' if row < 5 else ''}"
    for row in range(100)
]
"""100 texts: "every" in all, "often" in a quarter, "rare0" to "rare4" in one each."""


@pytest.fixture
def nothing_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Common words are passed over however few documents there are."""
    monkeypatch.setattr(keywords, "SPARED", 0)


def found(
    connection: apsw.Connection, query: str, *, k: int = 100, tokenizer: str = "unicode61", **how: Any
) -> list[int]:
    return [key for key, _ in best_by_keywords(connection, tokenizer, query, k, **how)]


def bm25(texts: Texts, query: str) -> dict[int, float]:
    """By key, of words between spaces: k1 = 1.2, b = 0.75, a word of more than half of the texts weighs 0.000001."""
    split = [text.split() for text in texts]
    average = sum(map(len, split)) / len(split)
    scores: dict[int, float] = {}
    for word in set(query.split()):
        n = sum(word in words for words in split)
        weight = max(math.log((len(texts) - n + 0.5) / (n + 0.5)), 1e-6)
        for key, words in enumerate(split, 1):
            if times := words.count(word):
                share = times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(words) / average))
                scores[key] = scores.get(key, 0.0) + weight * share
    return scores


def test_scores_are_bm25_best_first_and_equal_ones_by_key(opened: Open) -> None:
    rng = np.random.default_rng(0)
    texts = [
        " ".join(rng.choice(list("abcdefgh"), rng.integers(1, 9), p=np.arange(1, 9) / 36)) for _ in range(200)
    ]
    with opened(texts) as connection:
        hits = best_by_keywords(connection, "unicode61", "a b h", 200)
    assert dict(hits) == pytest.approx(bm25(texts, "a b h"))
    assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0]))
    assert len({score for _, score in hits}) < len(hits)


def test_at_most_k_are_found_and_they_are_the_best(opened: Open) -> None:
    with opened(["a b c", "a", "b c a a", "c"]) as connection:
        assert found(connection, "a", k=2) == found(connection, "a")[:2]
        assert found(connection, "z") == found(connection, "") == found(connection, " .,!") == []


@pytest.mark.parametrize(
    ("tokenizer", "text", "query"),
    [
        ("unicode61", "Un café à Orléans", "CAFE"),
        ("porter", "she runs", "running"),
        ("trigram", "東京都の水墨画", "水墨画"),
    ],
)
def test_a_tokenizer_finds_what_it_is_for(opened: Open, tokenizer: str, text: str, query: str) -> None:
    with opened([text, "something else"], tokenizer) as connection:
        assert found(connection, query, tokenizer=tokenizer) == [1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"', []),
        ("a AND", [1]),
        ("NEAR(a b)", [1, 2, 3]),
        ("text:a", [1, 3]),
        ("-a", [1]),
        ("^b", [2]),
        ("te*", []),
        ("{text}: a", [1, 3]),
        ("\0a", [1]),
        ("'a", [1]),
        ("a + b", [1, 2]),
        ("a NOT a", [1]),
    ],
)
def test_a_text_is_never_syntax(opened: Open, query: str, expected: list[int]) -> None:
    """Words of it are looked for, each for itself, as if there were spaces in place of everything else."""
    with opened(["a", "c b", "text near"]) as connection:
        assert sorted(found(connection, query)) == expected


def test_a_text_may_be_as_long_as_a_book(opened: Open) -> None:
    book = " ".join(f"word{n}" for n in range(10_000))
    with opened(["word9999", "another"]) as connection:
        assert found(connection, book) == [1]


def test_an_expression_is_taken_as_one_only_where_it_is_asked_for(opened: Open) -> None:
    with opened(["lily", "lily rose"]) as connection:
        assert found(connection, "lily NOT rose", syntax=True) == [1]
        assert found(connection, "lily NOT rose") == [2, 1]
        with pytest.raises(InputError, match=re.escape("is no expression of FTS5")):
            found(connection, "lily NOT", syntax=True)


def test_every_word_counts_in_a_small_index(opened: Open) -> None:
    with opened(RARE_AND_COMMON) as connection:
        assert len(found(connection, "every rare1")) == 100


@pytest.mark.usefixtures("nothing_spared")
def test_common_words_are_passed_over_where_there_are_rarer_ones(opened: Open) -> None:
    with opened(RARE_AND_COMMON) as connection:
        assert found(connection, "every often rare1") == [2]
        assert len(found(connection, "every often")) == 25
        assert len(found(connection, "every")) == 100


@pytest.mark.usefixtures("nothing_spared")
def test_three_characters_are_passed_over_where_more_than_half_of_the_documents_have_them(
    opened: Open,
) -> None:
    with opened(RARE_AND_COMMON, "trigram") as connection:
        assert found(connection, "every rare1", tokenizer="trigram")[0] == 2
        assert len(found(connection, "often rare1", tokenizer="trigram")) == 28


@pytest.mark.usefixtures("nothing_spared")
def test_a_word_that_nobody_has_is_no_rarer_one(opened: Open) -> None:
    with opened(RARE_AND_COMMON) as connection:
        assert len(found(connection, "every nobody")) == 100


@pytest.mark.usefixtures("nothing_spared")
def test_all_words_of_an_expression_count(opened: Open) -> None:
    with opened(RARE_AND_COMMON) as connection:
        assert len(found(connection, "every OR rare1", syntax=True)) == 100


@pytest.mark.usefixtures("nothing_spared")
def test_passing_over_the_most_common_words_leaves_scores_as_they_are(opened: Open) -> None:
    with opened(RARE_AND_COMMON) as connection:
        hits = best_by_keywords(connection, "unicode61", "every rare1 rare4", 10)
    everything = bm25(RARE_AND_COMMON, "every rare1 rare4")
    assert dict(hits) == pytest.approx({key: everything[key] for key in (2, 5)}, abs=1e-5)


def test_deleted_documents_are_not_found(opened: Open) -> None:
    with opened(["a", "a b", "b"]) as connection:
        documents.delete(connection, np.array([1]), 2)
        assert found(connection, "a") == [2]


def test_a_filter_leaves_the_hits_that_it_matches_in_their_order(opened: Open) -> None:
    years = [f'{{"year": {row}}}' for row in range(100)]
    with opened(RARE_AND_COMMON, metadata=years) as connection:
        every = found(connection, "often rare1 rare8")
        assert found(connection, "often rare1 rare8", where={"year": {"$gte": 8}}) == [
            key for key in every if key > 8
        ]
        assert (
            found(connection, "often", k=3, where={"year": {"$gte": 50}})
            == [k for k in found(connection, "often") if k > 50][:3]
        )
        assert found(connection, "often", where={"year": -1}) == []


def test_a_filter_is_asked_about_what_words_find_not_words_about_what_it_allows(opened: Open) -> None:
    with opened(["a", "b"]) as connection:
        asked: list[tuple[str, Any]] = []
        connection.exec_trace = lambda _, sql, values: asked.append((sql, values)) is None
        found(connection, "a", where={"year": 1})
        connection.exec_trace = None
        sql, values = next((sql, values) for sql, values in asked if "rank" in sql)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    # FTS5 writes M for a MATCH, and = for a rowid that each run of it is bound to.
    assert plan[0] == "SCAN keywords VIRTUAL TABLE INDEX 0:M1"
