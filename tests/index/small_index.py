"""A small index with segments of every kind, and everything that may be asked of it."""

import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import fork
from plain_index import unit_vectors

from bitsieve.arrays import FloatArray
from bitsieve.index import Index, build, writer
from bitsieve.index.given import check_documents
from bitsieve.index.rows import Rows

D = 16
WORDS = [
    "amber",
    "birch",
    "cobalt",
    "delta",
    "ember",
    "fjord",
    "garnet",
    "harbour",
    "indigo",
    "Käse",
    "nectar",
    "水墨",
]
LONG = " ".join(WORDS[i * i % len(WORDS)] + str(i) for i in range(1_000))
"""More than a page of the catalog holds, so that a part of it lies in pages of its own."""

Contents = dict[str, bytes]
"""Files of an index by their paths below its folder."""


@contextmanager
def small_thresholds() -> Iterator[None]:
    """Codes from 20 rows on, cells from 60, a codec from 40 passages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "FLAT_FROM", 20)
        patch.setattr(build, "CELLS_FROM", 60)
        patch.setattr(writer, "FIT_FROM", 40)
        yield


def vectors_of(first: int, n: int, seed: int = 0) -> FloatArray:
    """Of documents numbered from `first`."""
    return np.concatenate([unit_vectors(1, D, seed * 1_000 + number) for number in range(first, first + n)])


def given(first: int, n: int, seed: int = 0) -> dict[str, Any]:
    """Documents as `add` takes them, numbered from `first`."""
    numbers = range(first, first + n)
    return {
        "texts": [f"{WORDS[i % len(WORDS)]} {WORDS[i * 7 % 11]} number {i} of {seed}" for i in numbers],
        "ids": [f"id-{i}" for i in numbers],
        "metadata": [{"n": i, "even": i % 2 == 0, "of": {"seed": seed}} for i in numbers],
        "vectors": vectors_of(first, n, seed),
    }


def build_index(root: Path, seed: int = 0) -> Contents:
    """Segments by cells, by codes and exact, the last of passages; some documents of each are deleted.

    Returns: the index as it was before the second segment.
    """
    with small_thresholds():
        with Index.create(root, dimension=D, n_bits=16) as index:
            index.add(**given(0, 64, seed))
        older = contents(root)
        with Index.open(root, write=True) as index:
            index.add(**given(64, 24, seed))
            texts = [LONG, f"two passages of {seed}", "x"]
            add_passages(index, ["id-88", "id-89", "id-90"], texts, [4, 2, 1], seed)
            index.delete(["id-3", "id-50", "id-70", "id-90"])
            assert index.stats().kinds == ("cells", "flat", "exact")
    return older


def add_passages(index: Index, ids: list[str], texts: list[str], counts: list[int], seed: int = 0) -> None:
    """Add texts in so many passages each, without a model to cut and embed them."""
    places = []
    for text, n in zip(texts, counts, strict=True):
        cuts = [len(text) * i // n for i in range(n + 1)]
        places += pairwise(cuts)
    rows = Rows(
        np.repeat(np.arange(len(ids)), counts), vectors_of(500, sum(counts), seed), np.array(places, np.int32)
    )
    of_index = index._writer
    assert of_index is not None
    of_index.add(check_documents(texts, ids, None, None), rows)


def kill_a_writer(root: Path, seed: int = 0) -> None:
    """Commit twice to an index in a process that is killed then, and leaves its -wal."""
    child = fork()
    if not child:
        try:
            with small_thresholds():
                index = Index.open(root, write=True)
                index.upsert(**given(62, 4, seed + 1))
                index.delete(["id-10", "id-80"])
        except BaseException:
            traceback.print_exc()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (root / "catalog.sqlite-wal").stat().st_size > 0


def contents(root: Path) -> Contents:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files(root)}


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def ask(index: Index) -> list[Any]:
    """Answers that use every file and every table."""
    ids = [f"id-{i}" for i in range(95)]
    own = [vectors_of(0, 88), vectors_of(500, 7), vectors_of(62, 4, 1)]
    vectors = np.concatenate([*own, unit_vectors(8, D, 77)])
    answers: list[Any] = [
        index.search_batch(vectors=vectors, k=1),
        index.search_batch(vectors=vectors[::3], k=2, n_candidates=8, n_probes=4),
        index.search_batch(vectors=vectors[::9], k=6, where={"even": True}),
        index.search_batch(vectors=vectors[::9], k=3, where={"n": {"$in": [5, 66]}}),
        index.search_batch(["amber", "水墨", "Kase", "number", "passages"], mode="keyword", k=9),
        index.search_batch(["amber 水墨 Kase"], vectors=vectors[:1], mode="hybrid", where={"n": {"$lt": 70}}),
        index.similar("id-89", k=3),
        index.get(ids),
        len(index),
        ["id-3" in index, "id-5" in index],
        index.stats().n_deleted,
    ]
    return answers
