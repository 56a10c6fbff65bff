"""An index made again from what a segment keeps of it is the index that was stored."""

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import any_itq, clustered, queries_near
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec import Cells
from bitsieve.codec.corrections import byte_grids, corrections
from bitsieve.search import native
from bitsieve.search.arrays import CellArrays, FlatArrays, Found
from bitsieve.search.cells import CellCodes
from bitsieve.search.flat import FlatCodes, ItqPanels
from bitsieve.search.layout import ByteRows, Panels
from bitsieve.search.stored import cells_from_stored, flat_from_stored, to_stored

D, N_BITS = 40, 32
ITQ = any_itq(D, N_BITS)

Vectors = NDArray[Any]


def through_files(
    arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, float], folder: Path
) -> tuple[dict[str, NDArray[Any]], dict[str, float]]:
    """Arrays as .npy files that are mapped, facts as JSON."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    mapped = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    return mapped, json.loads(json.dumps(facts))


def assert_same(left: object, right: object) -> None:
    """Whether two values are equal, arrays to the last bit and in dtype."""
    assert type(left) is type(right) or isinstance(left, np.ndarray)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    elif isinstance(left, (FlatArrays, CellArrays, ByteRows, Panels)):
        for field in fields(left):
            assert_same(getattr(left, field.name), getattr(right, field.name))
    else:
        assert left == right


def assert_stored_alike(left: FlatCodes | CellCodes, right: FlatCodes | CellCodes) -> None:
    (arrays, facts), (other_arrays, other_facts) = to_stored(left), to_stored(right)
    assert arrays.keys() == other_arrays.keys()
    for name in arrays:
        assert_same(arrays[name], other_arrays[name])
    assert facts == other_facts


def assert_found_alike(left: Found, right: Found) -> None:
    np.testing.assert_array_equal(left.rows, right.rows)
    np.testing.assert_array_equal(left.scores.view(np.int32), right.scores.view(np.int32))
    np.testing.assert_array_equal(left.effort, right.effort)


def search(index: FlatCodes | CellCodes, queries: Vectors) -> Found:
    if isinstance(index, FlatCodes):
        return index.search(queries, 5, n_candidates=20)
    return index.search(queries, index.plan(5, 20, None, 0.3, 2.0, False))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 500])
def test_flat_codes_are_what_was_stored(tmp_path: Path, n: int, corrected: bool, dtype: type) -> None:
    vectors = clustered(n, D).astype(dtype)
    index = FlatCodes.encode(ITQ, vectors, corrected=corrected)
    again = flat_from_stored(ItqPanels.of(ITQ), vectors, *through_files(*to_stored(index), tmp_path))
    assert_same(again.arrays, index.arrays)
    queries = queries_near(clustered(100, D), 7)
    for kernels in native.available():
        with native.forced(kernels):
            assert_found_alike(search(again, queries), search(index, queries))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("spill", [False, True])
@pytest.mark.parametrize("n", [1, 40, 500])
def test_cells_are_what_was_stored(tmp_path: Path, n: int, spill: bool, dtype: type) -> None:
    vectors = clustered(n, D).astype(dtype)
    index = CellCodes(Cells(9, spill=spill).fit(vectors), vectors)
    again = cells_from_stored(vectors, *through_files(*to_stored(index), tmp_path))
    assert_same(again.arrays, index.arrays)
    for name in ("n_cells", "n_codes", "estimate_error", "default_probe_margin"):
        assert_same(getattr(again, name), getattr(index, name))
    queries = queries_near(clustered(100, D), 7)
    for kernels in native.available():
        with native.forced(kernels):
            assert_found_alike(search(again, queries), search(index, queries))


def both_kinds(vectors: Vectors) -> list[FlatCodes | CellCodes]:
    cells = Cells(9, spill=True).fit(vectors)
    return [FlatCodes.encode(ITQ, vectors, corrected=True), CellCodes(cells, vectors)]


@pytest.mark.parametrize("kind", [0, 1], ids=["flat", "cells"])
def test_what_is_stored_has_names_for_files_and_numbers_for_json(kind: int) -> None:
    vectors = clustered(300, D)
    arrays, facts = to_stored(both_kinds(vectors)[kind])
    for name, array in arrays.items():
        assert re.fullmatch("[a-z][a-z0-9_]*", name)
        assert array.dtype.kind in "iuf"
        assert array.ndim
        assert not np.shares_memory(array, vectors)
    assert json.loads(json.dumps(facts)) == facts
    assert all(type(fact) in (int, float) for fact in facts.values())


def test_stored_codes_are_those_of_the_itq_in_the_order_of_the_vectors() -> None:
    vectors = clustered(300, D)
    arrays, facts = to_stored(FlatCodes.encode(ITQ, vectors, corrected=True))
    np.testing.assert_array_equal(arrays["codes"], ITQ.transform(vectors))
    exact = corrections(ITQ, vectors)
    for name, values, grid in zip(("scale", "offset"), exact, byte_grids(*exact), strict=True):
        # What a trial measures: where the grid begins is 0, or common to all codes.
        np.testing.assert_array_equal(arrays[f"code_{name}s"], grid.to_bytes(values))
        assert facts[f"{name}_step"] == np.float32(grid.step)


def test_the_stored_copy_in_bytes_stands_for_the_vectors() -> None:
    vectors = clustered(300, D)
    flat, cells = both_kinds(vectors)
    for index, order in ((flat, np.arange(300)), (cells, cells.arrays.row_ids)):  # type: ignore[union-attr]
        arrays, _ = to_stored(index)
        steps = arrays["rerank_steps"][:, np.newaxis]
        restored = (arrays["rerank_int8"][:, :D].astype(np.float32) - 128) * steps
        assert (np.abs(restored - vectors[order]) <= 0.501 * steps).all()


def test_an_opened_index_reads_rows_where_they_are_and_shares_what_belongs_to_the_itq(tmp_path: Path) -> None:
    vectors = clustered(300, D)
    itq = ItqPanels.of(ITQ)
    for kind, index in enumerate(both_kinds(vectors)):
        folder = tmp_path / str(kind)
        folder.mkdir()
        arrays, facts = through_files(*to_stored(index), folder)
        if isinstance(index, FlatCodes):
            opened: FlatCodes | CellCodes = flat_from_stored(itq, vectors, arrays, facts)
            assert opened.arrays.projection is itq.projection  # type: ignore[union-attr]
        else:
            opened = cells_from_stored(vectors, arrays, facts)
            assert np.shares_memory(opened.arrays.codes, arrays["cell_codes"])
        assert np.shares_memory(opened.arrays.vectors, vectors)
        assert np.shares_memory(opened.arrays.bytes_.values, arrays["rerank_int8"])
        pickled = pickle.loads(pickle.dumps(opened))  # noqa: S301
        queries = queries_near(vectors, 5)
        assert_found_alike(search(pickled, queries), search(index, queries))


@settings(deadline=None, max_examples=40)
@given(
    n=st.sampled_from([1, 2, 33, 400]), corrected=st.booleans(), spill=st.booleans(), seed=st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_float16_is_indexed_and_searched_as_the_float32_it_stands_for(
    n: int, corrected: bool, spill: bool, seed: int
) -> None:
    halves = clustered(n, D, seed).astype(np.float16)
    halves[:, :3] *= np.float16(1e-4)  # subnormal
    floats = halves.astype(np.float32)
    cells = Cells(9, spill=spill).fit(floats)
    queries = queries_near(clustered(100, D), 7, seed)
    pairs = [
        [FlatCodes.encode(ITQ, vectors, corrected=corrected) for vectors in (halves, floats)],
        [CellCodes(cells, vectors) for vectors in (halves, floats)],
    ]
    for of_halves, of_floats in pairs:
        assert_stored_alike(of_halves, of_floats)
        with native.forced("numpy"):
            expected = search(of_floats, queries)
        for kernels in native.available():
            with native.forced(kernels):
                assert_found_alike(search(of_halves, queries), expected)


@pytest.mark.parametrize("n", [1, 5000, 20_000])
def test_float16_in_many_blocks_is_assigned_to_the_cells_of_its_float32(n: int) -> None:
    halves = clustered(n, 8).astype(np.float16)
    floats = halves.astype(np.float32)
    cells = Cells(24, spill=True, n_bits=8).fit(floats)
    assert_stored_alike(CellCodes(cells, halves), CellCodes(cells, floats))


@pytest.mark.parametrize("corrected", [False, True])
def test_encoding_by_blocks_is_encoding_at_once(corrected: bool) -> None:
    vectors = clustered(20_000, D)
    of_codes = corrections(ITQ, vectors) if corrected else None
    at_once = FlatCodes(ITQ, vectors, ITQ.transform(vectors), of_codes)
    assert_same(FlatCodes.encode(ITQ, vectors, corrected=corrected).arrays, at_once.arrays)
