"""`Index`: what a user does with it, and what they are told when it cannot be done."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_index import unit_vectors

from bitsieve.errors import (
    BitsieveError,
    DuplicateIdError,
    FormatError,
    IndexLockedError,
    InputError,
    ModelMismatchError,
    TextError,
)
from bitsieve.index import Index
from bitsieve.index.writer import FAN, n_taken

TEXTS = ["Water lilies by Monet", "A history of the printing press", "Lily of the valley, a flower"]
VECTORS = unit_vectors(3)


def nested(depth: int) -> Any:
    """Objects and lists, one within the other."""
    value: Any = 0
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.fixture
def index(tmp_path: Path):
    with Index.create(tmp_path / "index", dimension=32, tokenizer="porter") as made:
        made.add(
            TEXTS, ids=["monet", "press", 3], vectors=VECTORS, metadata=[{"year": 1906}, {"year": 1440}, None]
        )
        yield made


def test_a_hit_has_what_was_added(index: Index) -> None:
    hit = index.search(vector=VECTORS[0], k=1)[0]
    assert (hit.id, hit.text, hit.metadata, hit.passage) == ("monet", TEXTS[0], {"year": 1906}, None)
    assert hit.score == pytest.approx(1, abs=1e-6)


def test_whole_numbers_are_ids(index: Index) -> None:
    assert "3" in index
    assert 3 in index
    assert "4" not in index
    assert index.get(3) == index.get("3")


def test_get_keeps_the_order_and_leaves_gaps(index: Index) -> None:
    found = index.get(["press", "nobody", "monet"])
    assert [document and document.id for document in found] == ["press", None, "monet"]


def test_documents_without_ids_are_numbered(index: Index) -> None:
    assert index.add(["another"], vectors=unit_vectors(1, seed=5)) == ["4"]


def test_numbers_that_somebody_gave_are_not_given_again(index: Index) -> None:
    index.add(["four", "six"], ids=["4", 6], vectors=unit_vectors(2, seed=5))
    assert index.add(["a", "b"], vectors=unit_vectors(2, seed=6)) == ["7", "8"]
    assert index.add(["c"], vectors=unit_vectors(1, seed=7)) == ["9"]
    assert [document and document.text for document in index.get([4, 6, 7, 8, 9])] == [
        "four",
        "six",
        "a",
        "b",
        "c",
    ]


def test_texts_are_not_needed(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", dimension=32) as index:
        index.add(vectors=VECTORS)
        assert index.search(vector=VECTORS[1], k=1)[0].text is None


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", dimension=32) as index:
        assert index.search(vector=VECTORS[0]) == []
        assert index.search("lily", mode="keyword") == []
        assert index.add([], vectors=np.empty((0, 32), np.float32)) == []
        assert len(index) == 0


def test_keywords_are_stemmed_and_never_syntax(index: Index) -> None:
    assert {hit.id for hit in index.search("lily", mode="keyword")} == {"monet", "3"}
    for text in ('"', "lily AND (", "NEAR(", "text:lily", "lily*", "-", "\0lily", "^lily"):
        assert all(hit.id in ("monet", "3") for hit in index.search(text, mode="keyword"))
    found = index.search("lily NOT water", mode="keyword", syntax=True)
    assert [hit.id for hit in found] == ["3"]
    with pytest.raises(InputError, match=r"no expression of FTS5"):
        index.search("lily AND (", mode="keyword", syntax=True)
    with pytest.raises(InputError, match="give one of them, or leave syntax out"):
        index.search("lily NOT water", syntax=True)


def test_min_score_leaves_out_what_scores_less(index: Index) -> None:
    scores = [hit.score for hit in index.search(vector=VECTORS[0], k=3)]
    assert len(index.search(vector=VECTORS[0], k=3, min_score=scores[1])) == 2


@pytest.mark.parametrize("least", ["0.5", float("nan"), float("inf"), True, [0.5]])
def test_what_is_no_finite_number_is_no_score(index: Index, least: Any) -> None:
    for asked in ({"vector": VECTORS[0]}, {"query": "lily", "mode": "keyword"}):
        with pytest.raises(InputError, match="min_score must be a finite number"):
            index.search(**asked, min_score=least)
    assert len(index.search(vector=VECTORS[0], min_score=np.float32(0.9))) == 1


def test_numbers_of_numpy_are_numbers(index: Index) -> None:
    for k in (np.int64(1), np.uint8(1)):
        assert len(index.search("lily", k, mode="keyword")) == 1
        assert len(index.search("lily", k, vector=VECTORS[0], mode="hybrid")) == 1
        assert len(index.search(vector=VECTORS[0], k=k)) == len(index.similar("monet", k)) == 1


def test_similar_finds_the_nearest_in_order_and_leaves_itself_out(index: Index) -> None:
    expected = [hit for hit in index.search(vector=VECTORS[0], k=3) if hit.id != "monet"]
    assert len(expected) == 2
    assert index.similar("monet", k=5) == expected
    assert index.similar("monet", k=1) == expected[:1]
    assert [hit[:3] for hit in index.similar("monet", ids_only=True)] == [
        (*hit[:2], None) for hit in expected
    ]
    assert index.similar("monet", min_score=expected[0].score) == expected[:1]
    assert index.similar("monet", where={"year": {"$exists": True}}) == [
        hit for hit in expected if "year" in hit.metadata
    ]
    with pytest.raises(InputError, match="no document 'nobody'"):
        index.similar("nobody")


def test_a_batch_answers_as_single_queries_do(index: Index) -> None:
    queries = unit_vectors(20, seed=9)
    batch = index.search_batch(vectors=queries, k=2, threads=2)
    assert batch == [index.search(vector=query, k=2) for query in queries]


def test_explain_tells_what_was_done(index: Index) -> None:
    steps = index.search(vector=VECTORS[0], k=2, where={"year": {"$gt": 1500}}, explain=True).steps
    assert [(step.name, step.n_in, step.n_out) for step in steps] == [
        ("filter", 3, 1),
        ("rerank", 1, 1),
        ("documents", 1, 1),
    ]
    assert all(step.seconds > 0 for step in steps)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"texts": ["x"], "ids": ["monet"]},
            DuplicateIdError,
            "'monet' already: replace documents with upsert",
        ),
        ({"texts": ["x", "y"], "ids": ["a", "a"]}, DuplicateIdError, "'a' twice"),
        ({"texts": ["x"], "ids": [""]}, InputError, "id 0 is '', expected"),
        ({"texts": ["x"], "ids": [True]}, InputError, "id 0 is True, expected"),
        ({"texts": ["x"], "ids": ["a", "b"]}, InputError, "ids are 2 for 1 documents"),
        ({"texts": ["x"], "ids": ["\ud800"]}, TextError, "id 0 holds a lone surrogate"),
        ({"texts": "x", "ids": ["a"]}, InputError, "texts must be a list, got one str"),
        ({"texts": [3], "ids": ["a"]}, TextError, "text 0 is int"),
        ({"texts": ["\ud800"], "ids": ["a"]}, TextError, "text 0 holds a lone surrogate"),
        ({"texts": ["x"], "metadata": [{"a": float("nan")}]}, InputError, "metadata 0 is not JSON"),
        ({"texts": ["x"], "metadata": [{"a": object()}]}, InputError, "metadata 0 is not JSON"),
        (
            {"texts": ["x"], "metadata": [{"a": nested(1_500)}]},
            InputError,
            "deeper than 100 levels: write it flatter",
        ),
        (
            {"texts": ["x"], "metadata": [{"a": nested(100)}]},
            InputError,
            "deeper than 100 levels: write it flatter",
        ),
        (
            {"texts": ["x"], "metadata": [{1: "a", "1": "b"}]},
            InputError,
            "metadata 0 has the key 1, expected a string",
        ),
        ({"texts": ["x"], "metadata": [{"a": [{None: 0}]}]}, InputError, "the key None, expected a string"),
        ({"texts": ["x"], "metadata": ["a"]}, InputError, "metadata 0 is str, expected a dict"),
        ({"texts": ["x"], "metadata": [{}, {}]}, InputError, "metadata are 2 for 1"),
        ({"texts": ["x"], "vectors": unit_vectors(2)}, InputError, "vectors have 2 rows for 1 texts"),
        ({"texts": ["x"], "vectors": unit_vectors(1, 16)}, ModelMismatchError, "d=16, the index holds d=32"),
        ({"texts": ["x"], "vectors": 2 * unit_vectors(1)}, InputError, "L2 norm 1"),
        ({"texts": ["x"], "vectors": unit_vectors(1), "chunk": True}, InputError, "chunk cuts texts"),
        (
            {"texts": ["x", "y"], "ids": {"a", "b"}},
            InputError,
            "ids are a set, which has no order: pass a list",
        ),
        (
            {"texts": ["x"], "chunk": "yes"},
            InputError,
            "chunk must be True, False or a bitsieve.encoder.Chunking",
        ),
        ({"texts": ["x"], "progress": True}, InputError, "progress must be a function that is called"),
        ({}, InputError, "nothing to add"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    index: Index, given: dict[str, object], error: type[BitsieveError], message: str
) -> None:
    texts = given.get("texts")
    if "vectors" not in given and isinstance(texts, list):
        given = {**given, "vectors": unit_vectors(len(texts))}
    before = index.stats()
    with pytest.raises(error, match=message):
        index.add(**given)  # type: ignore[arg-type]
    assert index.stats().generation == before.generation
    assert len(index) == 3


def test_metadata_as_deep_as_may_be_comes_back(index: Index) -> None:
    deep = {"a": nested(99)}
    index.add(["deep"], ids=["deep"], vectors=unit_vectors(1, seed=5), metadata=[deep])
    assert index.get("deep").metadata == deep  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "nothing to search for"),
        ({"vector": VECTORS[0], "mode": "keyword"}, "needs a text"),
        ({"query": "\ud800", "mode": "keyword"}, "lone surrogate"),
        ({"query": 5, "mode": "keyword"}, "text 0 is int"),
        ({"query": " "}, "the query is blank"),
        ({"vector": VECTORS[:1]}, r"shape \(d,\), got \(1, 32\): several are for search_batch"),
        ({"vector": 2 * VECTORS[0]}, r"L2 norm 2, expected 1: divide it by np.linalg.norm\(vector\)"),
        ({"query": "x", "mode": "fuzzy"}, "mode must be one of vector, keyword, hybrid"),
        ({"query": "x", "mode": "keyword", "n_candidates": 9}, "n_candidates is of the nearest vectors"),
        ({"query": "x", "mode": "keyword", "probe_margin": 0.1}, "or leave probe_margin out"),
        ({"query": "x", "mode": "keyword", "explain": "lost"}, "explain='lost' is of the nearest vectors"),
        ({"vector": VECTORS[0], "k": 0}, "k must be a whole number"),
        ({"vector": VECTORS[0], "where": {"$bad": 1}}, "operator"),
        ({"vector": VECTORS[0], "n_probes": 0}, "n_probes must be"),
        ({"vector": unit_vectors(1, 8)[0]}, "d=8, the index holds d=32"),
        ({"query": "x"}, "made for vectors of your own"),
    ],
)
def test_what_cannot_be_searched_is_said(index: Index, asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        index.search(**asked)  # type: ignore[arg-type]


def test_a_hybrid_search_takes_a_vector_for_each_text(index: Index) -> None:
    with pytest.raises(InputError, match=r"shape \(1, 32\) for 2 queries: give one for each"):
        index.search_batch(["lily", "press"], vectors=VECTORS[:1], mode="hybrid")


def test_delete_takes_ids_or_a_where(index: Index) -> None:
    with pytest.raises(InputError, match="ids or a where"):
        index.delete()
    with pytest.raises(InputError, match="ids or a where"):
        index.delete(["monet"], where={})


@pytest.mark.parametrize(
    "where", [{"year": {"$in": []}}, {"$not": {}}, {"$and": [{"year": 1906}, {"$not": {}}]}]
)
def test_a_condition_that_nothing_matches_deletes_nothing(index: Index, where: dict[str, Any]) -> None:
    assert (index.delete(where=where), len(index)) == (0, 3)


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"$and": [{}]},
        {"$or": [{"year": 1906}, {"$and": [{}]}]},
        {"$not": {"year": {"$in": []}}},
        {"$not": {"$not": {}}},
    ],
)
def test_a_condition_that_says_nothing_deletes_nothing(index: Index, where: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="matches every document: say which to delete, or make a new index"):
        index.delete(where=where)
    assert len(index) == 3
    assert len(index.search(vector=VECTORS[0], where={})) == 3  # to find, it leaves out nothing


def test_one_id_is_one_document(index: Index) -> None:
    index.add(["twelve", "one", "two"], ids=["12", "1", "2"], vectors=unit_vectors(3, seed=8))
    assert index.delete("12") == 1
    assert [name in index for name in ("12", "1", "2")] == [False, True, True]
    assert index.delete(ids=3) == 1
    assert index.delete(["1", "1", "nobody"]) == 1
    assert len(index) == 3


@pytest.mark.parametrize("ids", [{"monet": 1}, b"\x01", 1.5, [None]])
def test_what_is_no_list_of_ids_deletes_nothing(index: Index, ids: object) -> None:
    with pytest.raises(InputError):
        index.delete(ids)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        index.get(ids)  # type: ignore[call-overload]
    assert len(index) == 3


@pytest.mark.parametrize("mode", ["vector", "keyword", "hybrid"])
def test_more_than_there_are_costs_no_more(index: Index, mode: str) -> None:
    text = None if mode == "vector" else "lily monet printing"
    vector = None if mode == "keyword" else VECTORS[0]
    for k in (10**12, 10**23):
        hits = index.search(text, k, vector=vector, mode=mode)  # type: ignore[arg-type]
        assert {hit.id for hit in hits} == {"monet", "press", "3"}


def test_an_index_is_made_once(index: Index) -> None:
    with pytest.raises(InputError, match="not an empty folder"):
        Index.create(index.path, dimension=32)


def test_no_index_is_opened_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no index"):
        Index.open(tmp_path)
    with pytest.raises(FormatError, match="holds no index"):
        Index.open(tmp_path / "nowhere", write=True)
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_told_of_the_first(index: Index) -> None:
    with pytest.raises(IndexLockedError, match=r"written to by process \d+"):
        Index.open(index.path, write=True)


def test_a_reader_cannot_write(index: Index) -> None:
    with Index.open(index.path) as reader, pytest.raises(InputError, match="write=True"):
        reader.add(["x"], vectors=VECTORS[:1])


def test_a_closed_index_says_so(index: Index) -> None:
    index.close()
    with pytest.raises(InputError, match="is closed"):
        index.search(vector=VECTORS[0])
    with Index.open(index.path, write=True) as again:
        assert len(again) == 3


@pytest.mark.parametrize(
    "parameter",
    [
        {"dtype": "int8"},
        {"n_bits": 12},
        {"n_bits": 40},
        {"n_bits": 8192, "dimension": 16384},
        {"tokenizer": "snowball"},
        {"dimension": 4},
    ],
)
def test_what_no_index_can_be_made_of_leaves_nothing(tmp_path: Path, parameter: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Index.create(tmp_path / "index", **{"dimension": 32, **parameter})  # type: ignore[arg-type]
    assert not (tmp_path / "index").exists()


def test_more_bits_than_codes_can_have_are_refused_with_how_many_they_can(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vectors with d=20 can have: give at most 16, or leave it out"):
        Index.create(tmp_path / "index", dimension=20, n_bits=24)
    Index.create(tmp_path / "index", dimension=20, n_bits=16).close()


@pytest.mark.usefixtures("small_segments")
def test_codes_have_as_many_bits_as_vectors_have_dimensions_where_nobody_says(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", dimension=32) as index:
        index.add(vectors=unit_vectors(50))
        assert index.stats().n_bits == 32


@pytest.mark.usefixtures("small_segments")
def test_vectors_that_are_all_equal_are_found_without_codes_until_others_come(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", dimension=32) as index:
        for _ in range(2):
            index.add(vectors=np.repeat(VECTORS[:1], 50, axis=0))
            assert (index.refit(), index.stats().n_bits) == (False, None)
        assert [hit.id for hit in index.search(vector=VECTORS[0], k=3)] == ["1", "2", "3"]
        index.add(vectors=VECTORS)
        assert index.stats().n_bits == 32
        assert index.search(vector=VECTORS[2], k=1)[0].id == "103"
        index.delete([101, 102, 103])
        index.add(vectors=np.repeat(VECTORS[1:2], 70, axis=0))
        assert (index.refit(), index.stats().kinds, index.verify()) == (True, ("cells",), [])


@pytest.mark.usefixtures("small_segments")
def test_codes_and_cells_come_with_numbers(tmp_path: Path) -> None:
    vectors = unit_vectors(200)
    with Index.create(tmp_path / "index", dimension=32, n_bits=16) as index:
        kinds = []
        for start, stop in ((0, 10), (10, 60), (60, 70), (70, 200)):
            index.add(vectors=vectors[start:stop])
            kinds.append(index.stats().kinds)
        assert kinds == [("exact",), ("cells",), ("cells", "exact"), ("cells", "exact", "cells")]
        index.delete(ids=[str(row) for row in range(1, 151)])
        index.compact()
        assert index.stats().kinds == ("flat",)
        assert index.verify() == []


def test_segments_of_one_size_are_merged_when_there_are_many() -> None:
    sizes: list[int] = []
    for _ in range(5000):
        taken = n_taken(sizes, 1)
        total = 1 + sum(sizes[len(sizes) - taken :])
        sizes = [*sizes[: len(sizes) - taken], total]
        assert len(sizes) <= FAN * 5
    assert sum(sizes) == 5000
