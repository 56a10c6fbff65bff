"""Where vectors come from: who asks is held out, what is wrong with a file is said, an index gives what is there."""

from pathlib import Path

import numpy as np
import pytest
from advice_numbers import clustered

from bitsieve.advice.setup import Setup
from bitsieve.advice.sources import (
    is_index,
    read_queries,
    read_vectors,
    sample_corpus,
    sample_file,
    sample_index,
)
from bitsieve.arrays import FloatArray
from bitsieve.encoder import Encoder
from bitsieve.errors import CorpusError, InputError
from bitsieve.evaluation.corpora import Corpus
from bitsieve.index import Index
from bitsieve.index.vectors import live_vectors

N, D = 500, 16
SMALL = Setup(n_queries=60, rows=200)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.npy"
    np.save(path, clustered(N, D))
    return path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """200 passages in two segments, of which every fifth was deleted."""
    path, vectors = tmp_path / "small.sieve", clustered(200, D)
    with Index.create(path, dimension=D, model="my own") as opened:
        for start in (0, 120):
            rows = range(start, start + 120) if not start else range(start, 200)
            opened.add(ids=[f"d{row}" for row in rows], vectors=vectors[list(rows)])
        opened.delete([f"d{row}" for row in range(0, 200, 5)])
    return path


def places(rows: FloatArray, among: FloatArray) -> list[int]:
    """Of each row, which one of others it is."""
    products = rows @ among.T
    assert np.allclose(products.max(axis=1), 1, atol=1e-5)
    return [int(place) for place in products.argmax(axis=1)]


def test_who_asks_is_left_out_of_what_is_searched_and_drawn_by_the_seed(file: Path) -> None:
    vectors = np.load(file)
    sample = sample_file(file, SMALL, None)
    asking, searched = places(sample.queries, vectors), places(sample.vectors, vectors)
    assert not set(asking) & set(searched)
    assert (len(set(asking)), len(set(searched)), sample.n_total) == (60, 200, N)
    assert searched == sorted(searched)
    again = sample_file(file, SMALL, None)
    assert again.digest == sample.digest
    assert sample_file(file, Setup(n_queries=60, rows=200, seed=1), None).digest != sample.digest


def test_a_fifth_of_a_small_corpus_asks_at_most(file: Path) -> None:
    sample = sample_file(file, Setup(), None)
    assert (len(sample.queries), len(sample.vectors)) == (100, 400)


def test_queries_of_your_own_hold_nothing_out(file: Path) -> None:
    own = clustered(80, D, seed=3)
    sample = sample_file(file, Setup(n_queries=50), own)
    assert len(sample.vectors) == N
    assert len(set(places(sample.queries, own))) == 50
    assert sample.asked_by == "queries of your own"


@pytest.mark.parametrize("dtype", ["int8", "float16", "float64"])
def test_vectors_of_any_numbers_are_scaled_to_norm_1(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "v.npy", (clustered(120, D) * 100).astype(dtype))
    found = read_vectors(tmp_path / "v.npy")
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((120, D), np.float32), "vector of zeros, first in row 0"),
        (np.full((120, D), np.nan, np.float32), "NaN"),
        (np.zeros(120, np.float32), r"expected numbers, \(n, d\)"),
        (np.array([["a"]]), "expected numbers"),
    ],
)
def test_a_file_of_other_things_is_refused(tmp_path: Path, array: np.ndarray, says: str) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises((CorpusError, InputError), match=says):
        read_vectors(tmp_path / "v.npy")


def test_a_broken_file_and_too_few_vectors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "v.npy").write_text("no numbers")
    with pytest.raises(CorpusError, match="is no readable"):
        read_vectors(tmp_path / "v.npy")
    (tmp_path / "v.npy").write_bytes(b"")
    with pytest.raises(CorpusError, match="is no readable"):
        read_vectors(tmp_path / "v.npy")
    np.savez(tmp_path / "some.npz", vectors=clustered(120, D))
    (tmp_path / "some.npz").rename(tmp_path / "v.npy")
    with pytest.raises(CorpusError, match="is no readable"):
        read_vectors(tmp_path / "v.npy")
    np.save(tmp_path / "few.npy", clustered(99, D))
    with pytest.raises(InputError, match="99 vectors are too few"):
        sample_file(tmp_path / "few.npy", Setup(), None)


def test_queries_are_lines_or_vectors_and_not_too_few(tmp_path: Path, file: Path) -> None:
    lines = tmp_path / "queries.txt"
    lines.write_text("\n".join(f" how to {number} \n" for number in range(25)))
    texts = read_queries(lines)
    assert texts[:2] == ["how to 0", "how to 1"]
    assert len(texts) == 25
    assert len(read_queries(file)) == N
    with pytest.raises(InputError, match="says no model"):
        sample_file(file, SMALL, list(texts))
    lines.write_text("one\ntwo\n")
    with pytest.raises(CorpusError, match="holds 2 queries: need at least 20"):
        read_queries(lines)
    lines.write_bytes(b"\xff" * 40)
    with pytest.raises(CorpusError, match="UTF-8"):
        read_queries(lines)


def test_an_index_gives_the_vectors_of_what_is_not_deleted_in_order(index: Path) -> None:
    vectors = clustered(200, D)
    left = [row for row in range(200) if row % 5]
    with Index.open(index) as opened:
        live = live_vectors(opened)
        assert places(live.vectors, vectors) == left
        assert live.n_passages == len(left)
        drawn = live_vectors(opened, 50, seed=7)
        rows = places(drawn.vectors, vectors)
        assert rows == sorted(set(rows))
        assert len(rows) == 50
        assert set(rows) <= set(left)
        np.testing.assert_array_equal(live_vectors(opened, 50, seed=7).vectors, drawn.vectors)
        assert (live_vectors(opened, 50, seed=8).vectors != drawn.vectors).any()


def test_an_empty_index_gives_no_vectors(tmp_path: Path) -> None:
    with Index.create(tmp_path / "empty.sieve", dimension=D) as opened:
        assert live_vectors(opened).vectors.shape == (0, D)


def test_an_index_is_sampled_like_a_file(index: Path, file: Path) -> None:
    assert is_index(index)
    assert not is_index(file)
    with Index.open(index) as opened:
        sample = sample_index(opened, Setup(n_queries=20, rows=100), None)
        assert (len(sample.vectors), len(sample.queries), sample.n_total, sample.model) == (
            100,
            20,
            160,
            "my own",
        )
        assert not set(places(sample.queries, clustered(200, D))) & set(
            places(sample.vectors, clustered(200, D))
        )
        own = sample_index(opened, Setup(), clustered(30, D, seed=3))
        assert (len(own.vectors), len(own.queries)) == (160, 30)


def texts_of(n: int) -> Corpus:
    texts = [f"Note {number} on {['bread', 'stars', 'rivers', 'chess'][number % 4]}." for number in range(n)]
    return Corpus("notes", [str(i) for i in range(n)], texts, texts, "not stated", "here")


def test_held_out_texts_ask_by_the_models_own_prefixes(minilm: Encoder, e5: Encoder) -> None:
    corpus = texts_of(110)
    for encoder in (minilm, e5):
        sample = sample_corpus(corpus, encoder, Setup(n_queries=5), None, None)
        as_queries = encoder.encode_queries(corpus.texts)
        assert len(set(places(sample.queries, as_queries))) == 5
        assert len(sample.vectors) == 105
        assert sample.model == encoder.model.name
        assert sample.embed_ms is not None


@pytest.mark.parametrize("k", [395, 400, 10_001])
def test_a_k_that_leaves_no_candidates_to_measure_is_refused_before_anything_is_read(
    file: Path, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitsieve.advice.sources.read_vectors", lambda *_: pytest.fail("read"))
    with pytest.raises(InputError, match=f"k={k} is too many to look for among 400 vectors: .* a smaller k"):
        sample_file(file, Setup(k=k), None)


def test_texts_of_your_own_ask_through_the_model(minilm: Encoder) -> None:
    own = [f"where do {number} whales live" for number in range(30)]
    sample = sample_corpus(texts_of(100), minilm, Setup(n_queries=25), own, None)
    assert len(sample.vectors) == 100
    assert len(set(places(sample.queries, minilm.encode_queries(own)))) == 25


def test_a_wrong_row_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(2000, 16))
    vectors[1999, 3] = np.nan
    np.save(tmp_path / "x.npy", vectors)
    with pytest.raises(InputError, match="first in row 1999"):
        sample_file(tmp_path / "x.npy", Setup(), None)
