"""An index is of one model: another is refused with what to do, and moving to another is one commit like any other."""

import os
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from children import in_child
from four_texts import BREAD, QUERY, TEXTS, index_of
from plain_index import unit_vectors

from bitsieve.encoder import Encoder
from bitsieve.errors import InputError, ModelError, ModelMismatchError, TextError
from bitsieve.index import Index

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def test_another_model_is_refused_with_the_remedy(of_minilm: Path, e5: Encoder) -> None:
    remedy = "open it with the model it was made with, or move it to this one with Index.reembed"
    with pytest.raises(ModelMismatchError, match=remedy) as caught:
        Index.open(of_minilm, model=e5)
    assert "all-MiniLM-L6-v2" in str(caught.value)
    assert "e5-small-v2" in str(caught.value)


@pytest.mark.parametrize("write", [False, True])
def test_another_model_that_is_named_is_refused_before_anything_is_opened(
    of_minilm: Path, models: Path, tmp_path: Path, write: bool
) -> None:
    others: dict[str | Path, str] = {
        models / "e5-small-v2-int8": "its files differ",
        str(models / "bge-small-en-v1.5"): "its files differ",
        "intfloat/multilingual-e5-large": "of which there are no files here",
    }
    for other, why in others.items():
        with pytest.raises(ModelMismatchError, match=rf"{why}.* with Index\.reembed") as caught:
            Index.open(of_minilm, write=write, model=other)
        assert "made with 'sentence-transformers/all-MiniLM-L6-v2'" in str(caught.value)
    for nothing, message in ((tmp_path / "gone", "is no folder"), ("acme/none", "no model is called")):
        with pytest.raises(ModelError, match=message):
            Index.open(of_minilm, write=write, model=nothing)
    with Index.open(of_minilm, write=True) as index:  # nobody has kept the lock
        assert len(index) == 4


def test_a_model_is_not_loaded_for_what_needs_none(of_minilm: Path, models: Path) -> None:
    with Index.open(of_minilm, model=models / "all-MiniLM-L6-v2-int8") as index:
        assert index.get("0").text == TEXTS[0]
        assert index.search("yeast", mode="keyword")[0].id == BREAD
        assert index._source._encoder is None


def test_a_folder_in_which_another_model_has_come_to_lie_is_refused(models: Path, tmp_path: Path) -> None:
    for name in ("bge-small-en-v1.5", "all-MiniLM-L6-v2-int8"):  # which takes fewer tokens
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        shutil.copytree(models / name, tmp_path / "model", copy_function=shutil.copyfile)
        (tmp_path / "model").chmod(0o755)
        if not (tmp_path / "index").exists():
            index_of(tmp_path / "model", tmp_path / "index")
    with Index.open(tmp_path / "index", write=True) as index:
        with pytest.raises(ModelMismatchError, match=r"max_tokens is 512.*Index\.reembed"):
            index.search(QUERY)
        with pytest.raises(ModelMismatchError):
            index.add(["A text that the wrong model would embed."])
        assert len(index) == 4


def test_queries_are_texts_in_whatever_they_come(of_minilm: Path) -> None:
    with Index.open(of_minilm) as index:
        expected = index.search_batch([QUERY, "a bird"], k=2)
        assert expected[0][0].id == BREAD
        for queries in (np.array([QUERY, "a bird"]), (QUERY, "a bird"), {QUERY: 1, "a bird": 2}.keys()):
            assert index.search_batch(queries, k=2) == expected  # type: ignore[arg-type]
            assert index.measure_recall(queries, 2).n_queries == 2  # type: ignore[arg-type]
        for wrong in (QUERY, {QUERY: 1}, 5):
            with pytest.raises(InputError, match="must be a list"):
                index.search_batch(wrong)  # type: ignore[arg-type]
            with pytest.raises(InputError, match="queries must be a list"):
                index.measure_recall(wrong)  # type: ignore[arg-type]
        for ask in (index.search_batch, index.measure_recall):
            with pytest.raises(TextError, match="text 1 is int"):
                ask([QUERY, 5])


def test_the_same_model_elsewhere_is_the_same(
    of_minilm: Path, models: Path, tmp_path: Path, minilm: Encoder
) -> None:
    shutil.copytree(models / "all-MiniLM-L6-v2-int8", tmp_path / "moved")
    for model in (tmp_path / "moved", str(tmp_path / "moved"), minilm):
        with Index.open(of_minilm, model=model) as index:
            assert index.search(QUERY, k=1)[0].id == BREAD


def test_one_changed_file_makes_it_another_model(models: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(models / "all-MiniLM-L6-v2-int8", model)
    for path in (model, *model.iterdir()):
        path.chmod(0o755)
    index_of(model, tmp_path / "index")
    tokenizer = model / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b"\n")
    with (
        Index.open(tmp_path / "index") as index,
        pytest.raises(ModelMismatchError, match="files, pooling, limit"),
    ):
        index.search(QUERY)


def test_a_model_that_is_gone_is_named_with_what_to_do(models: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(models / "all-MiniLM-L6-v2-int8", model)
    index_of(model, tmp_path / "index")
    model.rename(tmp_path / "renamed")
    with Index.open(tmp_path / "index") as index:
        with pytest.raises(ModelError, match="open it with model=, the folder where it is now"):
            index.search(QUERY)
        assert index.search("yeast", mode="keyword")[0].id == BREAD
    with Index.open(tmp_path / "index", model=tmp_path / "renamed") as index:
        assert index.search(QUERY, k=1)[0].id == BREAD


def test_vectors_of_another_dimension_are_refused_with_both_dimensions(of_vectors: Path) -> None:
    message = "vectors have d=24, the index holds d=16 of 'acme/embedder-3'"
    with Index.open(of_vectors, write=True) as index:
        with pytest.raises(ModelMismatchError, match=message):
            index.add(["x"], vectors=unit_vectors(1, 24))
        with pytest.raises(ModelMismatchError, match=message):
            index.search(vector=unit_vectors(1, 24)[0])
        assert len(index) == 4


def test_vectors_of_another_name_are_refused(of_vectors: Path) -> None:
    with pytest.raises(
        ModelMismatchError, match="holds vectors of 'acme/embedder-3', not of 'acme/embedder-4'"
    ):
        Index.open(of_vectors, model="acme/embedder-4")
    with (
        Index.open(of_vectors, model="acme/embedder-3") as index,
        pytest.raises(InputError, match="give vectors"),
    ):
        index.search(QUERY)


def test_a_model_that_embeds_is_refused_where_vectors_are_of_a_name(
    of_vectors: Path, minilm: Encoder
) -> None:
    with pytest.raises(ModelMismatchError, match="acme/embedder-3"):
        Index.open(of_vectors, model=minilm)


@needs_fork
def test_a_fork_embeds_with_the_model_its_parent_has_loaded(of_minilm: Path) -> None:
    with Index.open(of_minilm) as index:
        expected = index.search(QUERY, k=4)

        def in_fork() -> bool:
            signal.alarm(60)  # rather die than wait for threads of the parent
            return index.search(QUERY, k=4) == expected

        assert in_child(in_fork)
        assert index.search(QUERY, k=4) == expected


@needs_fork
def test_forks_embed_while_threads_of_their_parent_do(of_minilm: Path) -> None:
    stop = threading.Event()
    with Index.open(of_minilm) as index:
        expected = index.search(QUERY, k=4)

        def search(number: int) -> None:
            while not stop.is_set():
                number += 1
                index.search(f"query {number}", k=1)

        def in_fork() -> bool:
            signal.alarm(60)
            return index.search(QUERY, k=4) == expected and len(index.search("never asked before", k=1)) == 1

        threads = [threading.Thread(target=search, args=(start,)) for start in (0, 10_000, 20_000)]
        for thread in threads:
            thread.start()
        try:
            assert all(in_child(in_fork) for _ in range(15))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
