"""Texts that are cut into passages beside texts that are not: each call says it for its own."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from four_texts import QUERY, TEXTS
from small_index import D, add_passages, given, vectors_of

from bitsieve.encoder import Chunking, TruncationWarning
from bitsieve.index import Index
from bitsieve.index.hits import Hits

LONG = " ".join(TEXTS)
NEAREST = " ".join(TEXTS[1:3])
"""The passage of it that the query asks for."""


def passages(hits: Hits) -> dict[str, str | None]:
    return {hit.id: hit.passage and hit.passage.text for hit in hits}


def test_chunk_cuts_the_texts_it_is_given_with_and_no_others(of_minilm: Path) -> None:
    in_sentences = Chunking(max_tokens=20)
    with Index.open(of_minilm, write=True) as index:
        index.add([LONG], ids=["whole"])
        index.add([LONG, TEXTS[2]], ids=["cut", "short"], chunk=in_sentences)
        found = passages(index.search(QUERY, k=10))
        assert found == {**dict.fromkeys(["0", "1", "2", "3", "whole"]), "cut": NEAREST, "short": TEXTS[2]}
        index.compact()
        assert passages(index.search(QUERY, k=10)) == found
        index.upsert([LONG, LONG], ids=["whole", "0"], chunk=in_sentences)
        index.upsert([LONG], ids=["cut"])
        found = passages(index.search(QUERY, k=10))
        assert [found[name] for name in ("whole", "0", "cut")] == [NEAREST, NEAREST, None]


@pytest.mark.usefixtures("small_segments")
def test_merging_changes_no_answer_where_some_texts_are_cut(tmp_path: Path) -> None:
    with Index.create(tmp_path / "x", dimension=D) as index:
        index.add(**given(0, 30))
        add_passages(index, ["cut"], ["one two three four"], [4])
        before = [index.search(vector=vector, k=31) for vector in vectors_of(0, 5)]
        assert {id_ for id_, text in passages(before[0]).items() if text} == {"cut"}
        index.compact()
        assert len(index.stats().kinds) == 1
        assert [index.search(vector=vector, k=31) for vector in vectors_of(0, 5)] == before


@pytest.mark.usefixtures("small_segments")
def test_similar_to_a_document_in_passages_is_what_is_near_to_all_of_them(tmp_path: Path) -> None:
    with Index.create(tmp_path / "x", dimension=D) as index:
        index.add(**given(0, 20))
        add_passages(index, ["cut"], ["one two three four"], [4])
        mean = vectors_of(500, 4).sum(axis=0)
        nearest = [hit.id for hit in index.search(vector=mean / np.linalg.norm(mean), k=21)]
        assert [hit.id for hit in index.similar("cut", k=20)] == [id_ for id_ in nearest if id_ != "cut"]


def test_each_call_tells_how_many_of_its_texts_were_cut(of_minilm: Path) -> None:
    with Index.open(of_minilm, write=True) as index, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")  # as Python is by itself: the same warning of the same line once
        for number in range(3):
            index.add([f"{number} " + LONG * 20])
    cut = [str(one.message) for one in told if one.category is TruncationWarning]
    assert len(cut) == 3
    assert len(set(cut)) == 1
