"""What a search may take from memory: ids from the segments, and the rows that a `where` matched before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_index import D, build_index, given, small_thresholds, vectors_of

from bitsieve.errors import InputError
from bitsieve.index import Index, matches, view
from bitsieve.index.ids import RowIds

WHERES: list[dict[str, Any]] = [
    {"even": True},
    {"n": {"$gte": 70}},
    {"$not": {"even": True}},
    {"of.seed": 0, "n": {"$lt": 30}},
    {"n": {"$exists": False}},
]


@pytest.mark.parametrize("segments", ["one", "two", "of passages"])
def test_ids_only_finds_what_a_search_finds(tmp_path: Path, segments: str) -> None:
    if segments == "of passages":
        build_index(tmp_path / "x")
    else:
        with small_thresholds(), Index.create(tmp_path / "x", dimension=D, n_bits=16) as index:
            index.add(**given(0, 50))
            if segments == "two":
                index.add(**given(50, 20))
            index.delete(["id-3"])
    queries = vectors_of(0, 30)
    asked: list[dict[str, Any]] = [
        {"vectors": queries},
        {"vectors": queries, "where": {"even": True}},
        {"vectors": queries, "where": {"n": {"$lt": 4}}, "k": 5},
        {"vectors": queries, "min_score": 0.3},
        {"queries": ["amber number", "水墨", "nothing of it"], "mode": "keyword"},
        {"queries": ["amber number"] * 30, "vectors": queries, "mode": "hybrid"},
    ]
    with Index.open(tmp_path / "x") as index:
        for arguments in asked:
            whole = index.search_batch(**arguments)
            short = index.search_batch(**arguments, ids_only=True)
            assert any(len(hits) > 2 for hits in whole)
            ranked = [
                [(hit.id, hit.score, hit.vector_rank, hit.keyword_rank) for hit in hits] for hits in whole
            ]
            assert ranked == [
                [(hit.id, hit.score, hit.vector_rank, hit.keyword_rank) for hit in hits] for hits in short
            ]


def test_a_hit_of_ids_only_says_that_it_has_no_text(tmp_path: Path) -> None:
    build_index(tmp_path / "x")
    with Index.open(tmp_path / "x") as index:
        hit = index.search(vector=vectors_of(0, 1)[0], ids_only=True)[0]
        assert (hit.document, hit.passage) == (None, None)
        with pytest.raises(InputError, match="ids only"):
            _ = hit.text
        with pytest.raises(InputError, match="ids only"):
            _ = hit.metadata


def test_ids_keep_every_letter_when_rows_are_left_out_and_joined() -> None:
    ids = ["a", "Käse", "水墨", "x" * 300, "0"]
    some = RowIds.of(ids)
    mask = some.lengths() > 1
    both = RowIds.joined([some.kept(mask), RowIds.of([]), some])
    rows = [name for name in ids if len(name.encode()) > 1] + ids
    assert both.at(np.arange(len(rows))) == rows
    assert both.at(np.array([3, 0])) == [rows[3], rows[0]]


def asked(index: Index, again: bool = True) -> list[list[tuple[str, float]]]:
    query = vectors_of(3, 1)[0]
    found = []
    for where in WHERES:
        hits = [index.search(vector=query, k=100, where=where) for _ in range(1 + again)]
        assert hits[0] == hits[-1]
        found.append([(hit.id, hit.score) for hit in hits[0]])
    return found


def test_what_a_where_matched_is_remembered_only_as_long_as_it_holds(tmp_path: Path) -> None:
    root = tmp_path / "x"
    build_index(root)
    reader = Index.open(root)
    changes: list[tuple[str, dict[str, Any]]] = [
        ("add", given(200, 5)),
        ("delete", {"where": {"n": {"$in": [2, 4, 6, 71]}}}),
        ("upsert", {**given(8, 20), "metadata": [{"n": 1000, "even": False}] * 20}),
        ("delete", {"ids": ["id-200", "id-90"]}),
        ("compact", {}),
        ("add", given(300, 40)),
    ]
    seen = [asked(reader)]
    for name, arguments in changes:
        with small_thresholds(), Index.open(root, write=True) as index:
            getattr(index, name)(**arguments)
        with Index.open(root) as fresh:
            expected = asked(fresh, again=False)
        assert asked(reader) == expected
        seen.append(expected)
    reader.close()
    assert len({repr(found) for found in seen}) == len(changes)  # compact changes no answer


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_filter_passes_on_documents_that_are_there_alone(tmp_path: Path, asked_before: bool) -> None:
    root, where = tmp_path / "x", {"n": {"$lt": 80}}
    build_index(root)

    def passed_on(index: Index) -> tuple[int, int]:
        hits = index.search(vector=vectors_of(3, 1)[0], k=100, where=where, explain=True)
        assert hits.steps[0].name == "filter"
        return hits.steps[0].n_out, len(hits)

    with Index.open(root) as reader, Index.open(root, write=True) as writer:
        if asked_before:
            assert passed_on(reader) == (77, 77)  # three of the eighty are deleted already
        assert writer.delete(["id-0", "id-3", "id-20", "id-71", "id-85"]) == 4
        assert passed_on(reader) == (74, 74)


def test_a_where_is_asked_of_the_catalog_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_index(tmp_path / "x")
    calls: list[Any] = []
    matching = view.documents.matching
    monkeypatch.setattr(
        view.documents, "matching", lambda *arguments: calls.append(arguments) or matching(*arguments)
    )
    with Index.open(tmp_path / "x") as index:
        asked(index)
        n_segments = len(index.stats().kinds)
        assert len(calls) == len(WHERES) * n_segments
        asked(index)
        assert len(calls) == len(WHERES) * n_segments


def test_true_and_one_are_different_conditions(tmp_path: Path) -> None:
    with Index.create(tmp_path / "x", dimension=16) as index:
        index.add(vectors=vectors_of(0, 3), ids=list("abc"), metadata=[{"a": 1}, {"a": True}, {"a": 1.5}])
        query = vectors_of(0, 1)[0]
        found = [
            {hit.id for hit in index.search(vector=query, where={"a": value})} for value in (1, True, 1, 1.5)
        ]
        assert found == [{"a"}, {"b"}, {"a"}, {"c"}]


def test_only_so_many_conditions_are_remembered(tmp_path: Path) -> None:
    build_index(tmp_path / "x")
    with Index.open(tmp_path / "x") as index:
        query = vectors_of(0, 1)[0]
        for n in range(3 * matches.REMEMBERED):
            index.search(vector=query, where={"n": {"$lt": n}})
        for segment in index._reader._snapshot.views:
            assert len(segment.matches._packed) == matches.REMEMBERED
