"""Searches mark every block of a file that an answer depends on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from brute_force import any_itq, clustered, queries_near
from numpy.typing import NDArray

from bitsieve.codec import Cells
from bitsieve.search import native
from bitsieve.search.arrays import Found
from bitsieve.search.cells import CellCodes
from bitsieve.search.exact import search_exact
from bitsieve.search.flat import FlatCodes
from bitsieve.search.layout import ByteRows
from bitsieve.search.marks import MARKED_BYTES, Marks

N, D, OFFSET = 20_000, 100, 128
ALLOWED = np.random.default_rng(0).random(N) < 0.3
FEW = np.arange(N) % 500 == 7

Index = FlatCodes | CellCodes
Bytes = NDArray[np.uint8]


def fresh_marks(array: NDArray[Any]) -> Marks:
    """For a file that has a header before the array."""
    return Marks(np.zeros(-(-(OFFSET + array.nbytes) // MARKED_BYTES), np.uint8), OFFSET)


def marked(index: Index, vectors: NDArray[Any], bytes_: Bytes) -> tuple[Index, Marks, Marks]:
    """The same index over other vectors and bytes, with marks for both."""
    vector_marks, byte_marks = fresh_marks(vectors), fresh_marks(bytes_)
    arrays: Any = replace(
        index.arrays,
        vectors=vectors,
        bytes_=ByteRows(bytes_, index.arrays.bytes_.steps, index.arrays.bytes_.typical_step),
        vector_marks=vector_marks,
        byte_marks=byte_marks,
    )
    return type(index).of(arrays), vector_marks, byte_marks


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return clustered(N, D)


@pytest.fixture(scope="module")
def queries(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return queries_near(vectors, 3, noise=0.2)


@pytest.fixture(scope="module", params=["flat", "cells", "spilled", "flat-float16", "cells-float16"])
def index(request: pytest.FixtureRequest, vectors: NDArray[np.float32]) -> Index:
    kind, _, half = request.param.partition("-")
    kept = vectors.astype(np.float16) if half else vectors
    if kind == "flat":
        return FlatCodes.encode(any_itq(D, 64), kept, corrected=False)
    return CellCodes(Cells(40, n_bits=64, spill=kind == "spilled", max_fit_rows=4000).fit(vectors), kept)


def ways_to_search(index: Index, queries: NDArray[np.float32]) -> dict[str, Callable[[Index], Found]]:
    """Through codes, among some, among few, all."""
    if isinstance(index, FlatCodes):
        return {
            "codes": lambda flat: flat.search(queries, 5, n_candidates=40),
            "some": lambda flat: flat.search(queries, 5, n_candidates=40, allowed=ALLOWED),
            "few": lambda flat: flat.search(queries, 5, n_candidates=5, allowed=FEW),
            "all": lambda flat: flat.search(queries, 5, n_candidates=N, allowed=ALLOWED),
        }
    plan, every = index.plan(5, 40, None, 0.2, 2.0, False), index.plan(5, N, 2, None, 2.0, False)
    return {
        "codes": lambda cells: cells.search(queries, plan),
        "some": lambda cells: cells.search(queries, plan, allowed=ALLOWED),
        "few": lambda cells: cells.search(queries, plan, allowed=FEW),
        "all": lambda cells: cells.search(queries, every),
    }


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("way", ["codes", "some", "few", "all"])
def test_where_damage_changes_an_answer_its_block_is_marked(
    index: Index, queries: NDArray[np.float32], way: str, kernels: str
) -> None:
    search = ways_to_search(index, queries)[way]
    arrays = index.arrays
    n_changed = 0
    with native.forced(kernels):
        expected = search(index)
        files = (arrays.vectors.view(np.uint8).reshape(-1), arrays.bytes_.values.reshape(-1))
        for which, file in enumerate(files):
            for block in range(-(-(OFFSET + file.size) // MARKED_BYTES)):
                damaged = [array.copy() for array in files]
                start = max(0, block * MARKED_BYTES - OFFSET)
                damaged[which][start : (block + 1) * MARKED_BYTES - OFFSET] ^= 0xA5
                other, *marks = marked(
                    index,
                    damaged[0].view(arrays.vectors.dtype).reshape(arrays.vectors.shape),
                    damaged[1].reshape(arrays.bytes_.values.shape),
                )
                found = search(other)
                changed = (found.rows != expected.rows).any() or (found.scores != expected.scores).any()
                n_changed += changed
                assert marks[which].blocks[block] or not changed
    assert n_changed > 0


def test_all_kernels_mark_the_same_and_not_what_they_do_not_read(
    index: Index, queries: NDArray[np.float32]
) -> None:
    for way, search in ways_to_search(index, queries[:1]).items():
        seen = []
        for kernels in native.available():
            other, *marks = marked(index, index.arrays.vectors, index.arrays.bytes_.values)
            with native.forced(kernels):
                search(other)
            seen.append(np.concatenate([of_file.blocks for of_file in marks]))
        for of_kernels in seen:
            np.testing.assert_array_equal(of_kernels, seen[0], err_msg=way)
        if way in ("few", "all"):
            assert not marks[1].blocks.any()  # no bytes are looked at
        if way == "codes":
            assert marks[0].blocks.any()
            assert not marks[0].blocks.all()


@pytest.mark.parametrize("kernels", native.available())
def test_exact_search_marks_the_rows_that_are_allowed(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], kernels: str
) -> None:
    row_bytes = vectors.shape[1] * vectors.itemsize
    with native.forced(kernels):
        for rows in (np.array([0]), np.array([N - 1]), np.array([2621, 10_000])):
            marks = fresh_marks(vectors)
            search_exact(vectors, queries, 5, rows, marks=marks)
            first = (OFFSET + rows * row_bytes) // MARKED_BYTES
            last = (OFFSET + (rows + 1) * row_bytes - 1) // MARKED_BYTES
            np.testing.assert_array_equal(np.flatnonzero(marks.blocks), np.union1d(first, last))
        marks = fresh_marks(vectors)
        search_exact(vectors, queries, 5, marks=marks)
        assert marks.blocks.all()


def test_a_row_marks_all_blocks_that_it_reaches_into() -> None:
    marks = Marks(np.zeros(9, np.uint8), OFFSET)
    marks.mark(np.array([1]), 2 * MARKED_BYTES)
    assert np.flatnonzero(marks.blocks).tolist() == [2, 3, 4]
    marks = Marks(np.zeros(3, np.uint8), OFFSET)
    marks.mark(np.empty(0, np.int64), 100)
    assert not marks.blocks.any()
    marks.mark(np.array([0, 20]), MARKED_BYTES // 10)
    assert np.flatnonzero(marks.blocks).tolist() == [0, 2]


def test_threads_mark_what_one_marks(index: Index, vectors: NDArray[np.float32]) -> None:
    queries = queries_near(vectors, 40, seed=3)
    alone, *marks_alone = marked(index, index.arrays.vectors, index.arrays.bytes_.values)
    ways_to_search(index, queries)["codes"](alone)
    shared, *marks = marked(index, index.arrays.vectors, index.arrays.bytes_.values)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda query: ways_to_search(index, query[np.newaxis])["codes"](shared), queries))
    for one, other in zip(marks_alone, marks, strict=True):
        np.testing.assert_array_equal(one.blocks, other.blocks)


def test_marks_that_do_not_reach_the_end_of_the_file_are_refused(
    vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> None:
    if native.module() is None:
        pytest.skip("NumPy does not write beyond an array")
    short = Marks(fresh_marks(vectors).blocks[:-1].copy(), OFFSET)
    with pytest.raises(ValueError, match="a mark for each MiB"):
        search_exact(vectors, queries, 5, marks=short)
    index = FlatCodes.encode(any_itq(D, 8), vectors, corrected=False)
    for field in ("vector_marks", "byte_marks"):
        unsafe = FlatCodes.of(replace(index.arrays, **{field: Marks(np.zeros(1, np.uint8), OFFSET)}))
        with pytest.raises(ValueError, match="a mark for each MiB"):
            unsafe.search(queries, 5, n_candidates=40)


@pytest.mark.parametrize("kernels", native.available())
@pytest.mark.parametrize("damage", [np.nan, np.inf, 3e38])
def test_a_search_of_damaged_vectors_ends(
    index: Index, queries: NDArray[np.float32], kernels: str, damage: float
) -> None:
    with np.errstate(over="ignore"):
        damaged = np.full_like(index.arrays.vectors, damage)
    other, *_ = marked(index, damaged, index.arrays.bytes_.values)
    with native.forced(kernels):
        for search in ways_to_search(index, queries).values():
            assert search(other).rows.shape == (3, 5)
