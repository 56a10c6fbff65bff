"""A cascade keeps what it was built with: without the extension, pickled, on files that are only read."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from brute_force import any_itq, clustered, queries_near
from numpy.typing import NDArray

from bitsieve.search import Cascade, native

Vectors = NDArray[np.float32]


@pytest.fixture
def searched() -> tuple[Cascade, Vectors, list[NDArray[np.float32]]]:
    """A cascade of both kinds, queries, and what it found."""
    vectors = clustered(300, 24)
    cascade = Cascade(any_itq(24, 16), cells=8, corrections=True).build(vectors)
    queries = queries_near(vectors, 5)
    return cascade, queries, search_both(cascade, queries)


def search_both(cascade: Cascade, queries: Vectors) -> list[NDArray[np.float32]]:
    return [*cascade.search(queries, 5, n_candidates=20), *cascade.search(queries, 5, scoring="hamming")]


def test_without_the_extension_everything_works(
    searched: tuple[Cascade, Vectors, list[NDArray[np.float32]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cascade, queries, expected = searched
    caches = (native.active, native._load, native._say_once)
    monkeypatch.delenv(native.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "bitsieve._native", None)
    for cache in caches:
        cache.cache_clear()
    try:
        assert native.module() is None
        built_without = Cascade(cascade.itq, cells=8, corrections=True).build(cascade.vectors_)
        for searching in (cascade, built_without):
            for found, as_before in zip(search_both(searching, queries), expected, strict=True):
                np.testing.assert_array_equal(found, as_before)
    finally:
        for cache in caches:
            cache.cache_clear()


def test_a_cascade_that_has_searched_can_be_pickled(
    searched: tuple[Cascade, Vectors, list[NDArray[np.float32]]],
) -> None:
    cascade, queries, expected = searched
    loaded = pickle.loads(pickle.dumps(cascade))  # noqa: S301
    for found, as_before in zip(search_both(loaded, queries), expected, strict=True):
        np.testing.assert_array_equal(found, as_before)


def test_read_only_vectors_are_searched_where_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", clustered(300, 24))
    vectors = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    cascade = Cascade(any_itq(24, 16), cells=8).build(vectors)
    assert np.shares_memory(cascade.vectors_, vectors)
    mask = np.arange(300) % 2 == 0
    mask.flags.writeable = False
    for arguments in ({}, {"scoring": "hamming"}, {"n_probes": 8}):
        ids, _ = cascade.search(vectors[:40:2], 1, n_candidates=100, allowed=mask, **arguments)
        np.testing.assert_array_equal(ids[:, 0], np.arange(0, 40, 2))
