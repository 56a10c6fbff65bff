"""Moving an index to another model is one commit like any other: readers go on with the old until it is there."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from children import Child, Gate
from four_texts import BREAD, QUERY, TEXTS
from plain_index import unit_vectors

from bitsieve.encoder import Encoder
from bitsieve.errors import BitsieveError, ModelMismatchError
from bitsieve.index import Index
from bitsieve.index.vectors import live_vectors

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def test_readers_go_on_with_the_old_model_until_the_new_is_committed(
    of_minilm: Path, models: Path, minilm: Encoder
) -> None:
    with Index.open(of_minilm, write=True) as writer, Index.open(of_minilm) as reader:
        old = [(hit.id, hit.score) for hit in reader.search(QUERY, k=4)]
        seen = []

        def meanwhile(done: int, n: int) -> None:
            hits = reader.search(QUERY, k=4)
            seen.append([(hit.id, hit.score) for hit in hits])

        writer.reembed(models / "e5-small-v2-int8", progress=meanwhile)
        assert seen
        assert all(hits == old for hits in seen)
        new = reader.search(QUERY, k=4)
        assert new.generation == writer.stats().generation
        assert new[0].id == BREAD
        assert reader.stats().model == writer.stats().model != minilm.model.name
        scores = Encoder(models / "e5-small-v2-int8", cache=False)
        expected = scores.encode_queries([QUERY]) @ scores.encode_passages(TEXTS).T
        found = {hit.id: hit.score for hit in new}
        np.testing.assert_allclose([found[str(i)] for i in range(4)], expected[0], atol=1e-5)


def test_a_reader_that_was_given_the_old_model_moves_too(
    of_minilm: Path, models: Path, minilm: Encoder
) -> None:
    with Index.open(of_minilm, model=minilm) as reader:
        assert reader.search(QUERY, k=1)[0].id == BREAD
        with Index.open(of_minilm, write=True) as writer:
            writer.reembed(models / "e5-small-v2-int8")
        assert reader.search(QUERY, k=1)[0].score > 0.7  # as e5 scores whatever is near
        assert reader.search("yeast", mode="hybrid", k=1)[0].id == BREAD


def test_the_old_model_is_refused_after_the_move(of_minilm: Path, models: Path, minilm: Encoder) -> None:
    with Index.open(of_minilm, write=True) as writer:
        writer.reembed(models / "e5-small-v2-int8")
        writer.add(["Added after the move: sourdough."], ids=["late"])
        assert {hit.id for hit in writer.search("sourdough bread", k=2)} == {"late", BREAD}
    with pytest.raises(ModelMismatchError, match="e5-small-v2"):
        Index.open(of_minilm, model=minilm)


def test_vectors_of_ones_own_become_those_of_a_model(of_vectors: Path, models: Path) -> None:
    with Index.open(of_vectors) as reader, Index.open(of_vectors, write=True) as writer:
        assert len(reader.search(vector=unit_vectors(1, 16)[0], k=4)) == 4
        writer.reembed(models / "all-MiniLM-L6-v2-int8")
        assert reader.search(QUERY, k=1)[0].id == BREAD
        with pytest.raises(ModelMismatchError, match="vectors have d=16, the index holds d=384"):
            reader.search(vector=unit_vectors(1, 16)[0])
        assert reader.dimension == writer.dimension == 384


@pytest.mark.parametrize(
    "ask",
    [
        lambda index: index.calibrate(0.1, 2, TEXTS).n,
        lambda index: index.measure_recall(TEXTS, 2).n_queries,
        lambda index: index.measure_recall(unit_vectors(4, 384), 2).n_queries,
        lambda index: len(live_vectors(index).vectors),
    ],
)
def test_recall_and_vectors_are_of_the_model_that_a_reader_has_not_heard_of(
    of_vectors: Path, models: Path, ask: Callable[[Index], int]
) -> None:
    with Index.open(of_vectors) as reader:
        with Index.open(of_vectors, write=True) as writer:
            writer.reembed(models / "all-MiniLM-L6-v2-int8")
        assert ask(reader) == 4


def test_moving_that_fails_leaves_the_old_model(of_minilm: Path, models: Path, tmp_path: Path) -> None:
    def stop(done: int, n: int) -> None:
        raise KeyboardInterrupt

    with Index.open(of_minilm, write=True) as writer:
        before = writer.search(QUERY, k=4)
        with pytest.raises(KeyboardInterrupt):
            writer.reembed(models / "e5-small-v2-int8", progress=stop)
        with pytest.raises(BitsieveError):
            writer.reembed(tmp_path / "no model here")
        assert writer.search(QUERY, k=4) == before
        assert writer.search(QUERY, k=4).generation == before.generation


@needs_fork
def test_another_process_follows_the_move(of_minilm: Path, models: Path) -> None:
    ready, go = Gate(), Gate()

    def read() -> tuple[float, float]:
        with Index.open(of_minilm) as index:
            first = index.search(QUERY, k=1)[0].score
            ready.open()
            go.wait()
            return first, index.search(QUERY, k=1)[0].score

    child = Child(read)
    ready.wait()
    with Index.open(of_minilm, write=True) as writer:
        writer.reembed(models / "e5-small-v2-int8")
        expected = writer.search(QUERY, k=1)[0].score
    go.open()
    before, after = child.result()
    assert after == pytest.approx(expected, abs=1e-5)
    assert before != pytest.approx(after, abs=1e-2)
