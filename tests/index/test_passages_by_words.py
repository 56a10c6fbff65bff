"""A document that is found by words alone says in which of its passages they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_index import D, add_passages, given, vectors_of

from bitsieve.index import Index, bringing
from bitsieve.index.hits import Hits

TEXT = "lily a a rose a a a a a a a lily a rose a a a a oak oak"
"""In four passages of about 14 characters."""


@pytest.fixture
def index(tmp_path: Path):
    """Thirty whole texts, and two in passages."""
    with Index.create(tmp_path / "x", dimension=D, tokenizer="porter") as made:
        made.add(**given(0, 30))
        add_passages(made, ["cut", "short"], [TEXT, "oak and elm"], [4, 1])
        yield made


def by_words(index: Index, query: str, **how: Any) -> dict[str, str | None]:
    return texts_of(index.search(query, mode="keyword", **how))


def texts_of(hits: Hits) -> dict[str, str | None]:
    for hit in hits:
        assert hit.passage is None or hit.text[hit.passage.start : hit.passage.stop] == hit.passage.text
    return {hit.id: hit.passage and hit.passage.text for hit in hits}


PASSAGES = ["lily a a rose", " a a a a a a a", " lily a rose a", " a a a oak oak"]


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("oak", 3),
        ("OAKS", 3),  # as the index takes words
        ("rose lily", 0),  # the first of two that have both
        ("a number oak", 3),  # rarer words count more
        ("rose oak elm oak oak", 0),  # of equals the first, and each word once
    ],
)
def test_the_passage_is_the_first_that_has_most_of_the_words(index: Index, query: str, n: int) -> None:
    assert by_words(index, query, k=50)["cut"] == PASSAGES[n]


def test_rarer_words_count_more(tmp_path: Path) -> None:
    with Index.create(tmp_path / "y", dimension=D) as index:
        index.add(["who is it"] * 20, vectors=vectors_of(0, 20))
        add_passages(index, ["cut"], ["who is it.oak is red"], [2])
        assert by_words(index, "who is it: oak?", k=30)["cut"] == "oak is red"


def test_whole_texts_have_no_passage_and_one_passage_is_named(index: Index) -> None:
    found = by_words(index, "number oak", k=50)
    assert len(found) == 32
    assert {id_: text for id_, text in found.items() if text} == {"cut": PASSAGES[3], "short": "oak and elm"}
    index.compact()  # whole texts and passages in one segment
    assert by_words(index, "number oak", k=50) == found


def test_a_passage_is_the_same_whatever_else_is_found(index: Index) -> None:
    queries = ["rose number", "oak", "amber", "lily oak"]
    batch = index.search_batch(queries, mode="keyword", k=50)
    assert batch == [index.search(query, mode="keyword", k=50) for query in queries]
    assert [texts_of(hits).get("cut") for hits in batch] == [PASSAGES[0], PASSAGES[3], None, PASSAGES[0]]
    assert index.search("oak", mode="keyword", k=1)[0] == batch[1][0]


@pytest.mark.parametrize(
    ("expression", "n"),
    [
        ("lily AND oak", 0),  # in no passage: by its words
        ("oak OR lily", 0),
        ("lily NOT elm", 0),
        ('"a oak"', 3),
        ("text : (oak AND a)", 3),
        ("li* AND oa*", 0),  # in no passage, nor are its words: the first
        ('"lily rose" OR "rose a a a"', 0),  # across a cut
    ],
)
def test_an_expression_names_a_passage_that_it_finds_or_one_by_its_words(
    index: Index, expression: str, n: int
) -> None:
    assert by_words(index, expression, syntax=True)["cut"] == PASSAGES[n]


def test_a_hybrid_hit_by_words_alone_has_a_passage(tmp_path: Path) -> None:
    with Index.create(tmp_path / "x", dimension=D) as index:
        index.add(**given(0, 150))
        add_passages(index, ["cut"], [TEXT], [4])
        away = -vectors_of(500, 4).sum(axis=0)
        hits = index.search("oak", vector=away / np.linalg.norm(away), mode="hybrid", k=100)
        found = next(hit for hit in hits if hit.id == "cut")
        assert (found.vector_rank is None, found.passage and found.passage.text) == (True, PASSAGES[3])
        near = index.search("oak", vector=vectors_of(500, 1)[0], mode="hybrid", k=5)[0]
        assert (near.vector_rank, near.passage and near.passage.text) == (1, PASSAGES[0])


def test_words_of_two_characters_have_their_passage(tmp_path: Path) -> None:
    with Index.create(tmp_path / "x", dimension=D, tokenizer="trigram") as index:
        add_passages(index, ["cut"], ["水墨画を見る。京都。東京。日本"], [3])
    with Index.open(tmp_path / "x") as index:
        assert [by_words(index, word) for word in ("東京", "水墨", "日本", "本")] == [
            {"cut": text} for text in ("東京。日本", "水墨画を見", "東京。日本", "東京。日本")
        ]


def test_nothing_is_looked_for_where_no_passage_is_asked_for(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("passages were looked for")

    monkeypatch.setattr(bringing, "with_places", never)
    assert len(index.search("oak", mode="keyword", ids_only=True)) == 2
    assert len(index.search(vector=vectors_of(0, 1)[0], k=5)) == 5
    with Index.create(tmp_path / "whole", dimension=D) as whole:
        whole.add(**given(0, 30))
        assert len(whole.search("number", mode="keyword", k=50)) == 30
    with pytest.raises(AssertionError, match="were looked for"):
        index.search("oak", mode="keyword")
