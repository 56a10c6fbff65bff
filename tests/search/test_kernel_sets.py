"""Every set of kernels finds what NumPy finds: rows, scores to the last bit, and what it took."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from brute_force import any_itq, clustered, queries_near, unit_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec import Cells
from bitsieve.search import native
from bitsieve.search.arrays import CellPlan, Found
from bitsieve.search.cells import CellCodes
from bitsieve.search.flat import FlatCodes

SIZES = st.sampled_from([0, 1, 2, 5, 7, 8, 13, 31, 32, 33, 40, 1000])
WIDTHS = st.sampled_from([8, 13, 31, 32, 33, 40])
SEEDS = st.integers(0, 2**32 - 1)
K = st.sampled_from([1, 2, 10, 33])
FLOATS = np.float32

Vectors = NDArray[np.float32]


def random_vectors(n: int, d: int, seed: int) -> Vectors:
    return unit_rows(np.random.default_rng(seed).standard_normal((n, d)))


def equal_vectors(n: int, d: int, seed: int) -> Vectors:
    return np.repeat(random_vectors(1, d, seed), n, axis=0)


def vectors_of_two_values(n: int, d: int, seed: int) -> Vectors:
    return unit_rows(np.random.default_rng(seed).choice([-1.0, 1.0], (n, d)))


def duplicates(n: int, d: int, seed: int) -> Vectors:
    return clustered(n, d, seed)[np.random.default_rng(seed).integers(max(1, n // 3), size=n)]


def tight_clusters(n: int, d: int, seed: int) -> Vectors:
    """So far apart and so narrow that estimates of other cells are off the scale."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([np.eye(8, d), -np.eye(8, d)])
    return unit_rows(centres[rng.integers(16, size=n)] + 1e-5 * rng.standard_normal((n, d)))


def near_or_opposite(n: int, d: int, seed: int) -> Vectors:
    rng = np.random.default_rng(seed)
    return unit_rows(rng.choice([-1.0, 1.0], (n, 1)) * (1 + 0.3 * rng.standard_normal((n, d))))


KINDS = st.sampled_from(
    [
        random_vectors,
        clustered,
        equal_vectors,
        vectors_of_two_values,
        duplicates,
        tight_clusters,
        near_or_opposite,
    ]
)


def queries_for(vectors: Vectors, q: int, seed: int) -> Vectors:
    """Some near the vectors, some anywhere, and one that has a single dimension."""
    d = vectors.shape[1]
    queries = random_vectors(q, d, seed ^ 1)
    if len(vectors):
        queries[::2] = queries_near(vectors, q, seed)[::2]
    queries[1:2] = np.eye(1, d)
    return queries


def check_that_all_agree(search: Callable[[], Found]) -> Found:
    """Search by every set there is. Returns: what NumPy finds."""
    with native.forced("numpy"):
        expected = search()
    for kernels in native.available():
        with native.forced(kernels):
            found = search()
        np.testing.assert_array_equal(found.rows, expected.rows, err_msg=kernels)
        np.testing.assert_array_equal(
            found.scores.view(np.int32), expected.scores.view(np.int32), err_msg=kernels
        )
        np.testing.assert_array_equal(found.effort, expected.effort, err_msg=kernels)
        assert found.rows.dtype == found.effort.dtype == np.int64
        assert len(found.seconds) == 3
    return expected


def flat_codes(vectors: Vectors, n_bits: int, seed: int, *, corrected: bool, codes: str = "itq") -> FlatCodes:
    rng = np.random.default_rng(seed)
    itq = any_itq(vectors.shape[1], n_bits, seed)
    of_vectors = itq.transform(vectors)
    if codes != "itq":
        of_vectors[:] = int(codes)
    scales, offsets = rng.random((2, len(vectors)), FLOATS)
    return FlatCodes(
        itq, vectors, of_vectors, (scales / n_bits, offsets - FLOATS(0.5)) if corrected else None
    )


@settings(deadline=None, max_examples=120)
@given(
    n=SIZES, d=WIDTHS, kind=KINDS, q=st.sampled_from([0, 1, 2, 5, 9]), k=K, seed=SEEDS,
    n_candidates=st.sampled_from([1, 5, 40, 1000]), hamming=st.booleans(), corrected=st.booleans(),
    masks=st.sampled_from(["none", "one", "each", "empty"]), codes=st.sampled_from(["itq", "0", "255"]), data=st.data(),
)  # fmt: skip
def test_flat_search_is_the_same_by_all(
    n: int, d: int, kind: Callable[..., Vectors], q: int, k: int, seed: int, n_candidates: int, hamming: bool,
    corrected: bool, masks: str, codes: str, data: st.DataObject,
) -> None:  # fmt: skip
    n_bits = data.draw(st.sampled_from(range(8, d + 1, 8)))
    vectors = kind(n, d, seed)
    index = flat_codes(vectors, n_bits, seed, corrected=corrected, codes=codes)
    queries = queries_for(vectors, q, seed)
    rng = np.random.default_rng(seed)
    allowed = {
        "none": None,
        "one": rng.random((1, n)) < 0.4,
        "each": rng.random((q, n)) < 0.4,
        "empty": np.zeros((1, n), bool),
    }[masks]
    query_codes = rng.integers(0, 256, (q, n_bits // 8), dtype=np.uint8) if hamming else None
    found = check_that_all_agree(
        lambda: index.search(queries, k, n_candidates=n_candidates, query_codes=query_codes, allowed=allowed)
    )
    if allowed is not None:
        expected = np.broadcast_to(allowed.sum(axis=1), q)
        assert (found.effort[0] == np.minimum(expected, n if n_candidates >= n else n_candidates)).all()


@pytest.mark.parametrize("n_bits", [64, 128, 192, 248, 256, 384, 512, 520, 1000])
def test_flat_search_of_long_codes_is_the_same_by_all(n_bits: int) -> None:
    vectors = clustered(1000, 1000, n_bits)
    index = flat_codes(vectors, n_bits, n_bits, corrected=n_bits % 3 == 0)
    queries = queries_for(vectors, 6, n_bits)
    check_that_all_agree(lambda: index.search(queries, 10, n_candidates=50))
    codes = index_codes(vectors, queries, n_bits)
    check_that_all_agree(lambda: index.search(queries, 10, n_candidates=50, query_codes=codes))


def index_codes(vectors: Vectors, queries: Vectors, n_bits: int) -> NDArray[np.uint8]:
    return any_itq(vectors.shape[1], n_bits, n_bits).transform(queries)


@pytest.mark.parametrize("corrected", [False, True])
def test_flat_search_across_tiles_and_chunks_is_the_same_by_all(corrected: bool) -> None:
    vectors = duplicates(7000, 16, 3)  # more than a tile, and pools that are cut
    index = flat_codes(vectors, 16, 3, corrected=corrected)
    queries = queries_for(vectors, 70, 3)
    mask = np.random.default_rng(0).random((1, 7000)) < 0.7
    for allowed in (None, mask):
        check_that_all_agree(
            lambda allowed=allowed: index.search(queries, 5, n_candidates=20, allowed=allowed)
        )


def cell_codes(vectors: Vectors, n_cells: int, n_bits: int, *, spill: bool, codes: str = "itq") -> CellCodes:
    cells = Cells(n_cells, n_bits=8, spill=spill).fit(vectors)
    if n_bits > 8:  # turned at random, since long codes take long to fit
        cells.projection_ = any_itq(vectors.shape[1], n_bits).projection_
        scales = cells.encode(vectors, cells.assign(vectors))[1]
        cells.scale_limit_ = float(np.quantile(scales, 0.9999)) or 2 / n_bits**0.5
    index = CellCodes(cells, vectors)
    if codes != "itq":
        index.arrays = replace(index.arrays, codes=np.full_like(index.arrays.codes, int(codes)))
    return index


@settings(deadline=None, max_examples=150)
@given(
    n=SIZES.filter(bool), d=WIDTHS, kind=KINDS, q=st.sampled_from([0, 1, 2, 5, 9]), k=K, seed=SEEDS,
    n_cells=st.sampled_from([1, 3, 5, 17, 40]), spill=st.booleans(), codes=st.sampled_from(["itq", "itq", "0", "255"]),
    n_candidates=st.sampled_from([1, 10, 40, 999, 1000]), n_probes=st.sampled_from([0, 0, 1, 3, 6, 40]),
    probe_margin=st.sampled_from([0.0, 0.1, 0.5, 3.0, 1e9]), margin=st.sampled_from([0.0, 0.02, 0.3, np.inf]),
    share=st.sampled_from([None, None, 0.0, 0.1, 0.7]), data=st.data(),
)  # fmt: skip
def test_search_of_cells_is_the_same_by_all(
    n: int, d: int, kind: Callable[..., Vectors], q: int, k: int, seed: int, n_cells: int, spill: bool, codes: str,
    n_candidates: int, n_probes: int, probe_margin: float, margin: float, share: float | None, data: st.DataObject,
) -> None:  # fmt: skip
    n_bits = data.draw(st.sampled_from(range(8, d + 1, 8)))
    vectors = kind(n, d, seed)
    index = cell_codes(vectors, n_cells, n_bits, spill=spill, codes=codes)
    queries = queries_for(vectors, q, seed)
    allowed = None if share is None else np.random.default_rng(seed).random(n) < share
    plan = CellPlan(k, n_candidates, min(n_probes, index.n_cells), probe_margin, margin)
    sizes = None if allowed is None or data.draw(st.booleans()) else index.allowed_sizes(allowed)
    found = check_that_all_agree(lambda: index.search(queries, plan, allowed=allowed, sizes=sizes))
    cells, of_cells, candidates, exact = found.effort
    assert (cells <= index.n_cells).all()
    assert (of_cells <= index.n_codes).all()
    assert (candidates <= np.minimum(of_cells, n)).all()
    assert (exact <= candidates).all()
    if n_candidates < n:
        assert (candidates <= n_candidates).all()


@pytest.mark.parametrize("n_bits", [64, 248, 512, 1000])
def test_search_of_cells_with_long_codes_is_the_same_by_all(n_bits: int) -> None:
    vectors = clustered(1000, 1000, n_bits)
    index = cell_codes(vectors, 20, n_bits, spill=n_bits == 248)
    queries = queries_for(vectors, 6, n_bits)
    for plan in (CellPlan(10, 100, 0, 0.1, 0.05), CellPlan(10, 100, 20, 1e9, np.inf)):
        check_that_all_agree(lambda plan=plan: index.search(queries, plan))


@pytest.mark.parametrize("worth", np.geomspace(1e-5, 1e-3, 9))
def test_flat_codes_that_are_a_little_better_than_many_equal_ones_are_found_by_all(worth: float) -> None:
    vectors = random_vectors(7000, 16, 0)
    itq = any_itq(16, 16)
    offsets = (np.arange(7000) // 2300 * worth).astype(FLOATS)
    corrections = np.full(7000, 0.1, FLOATS), offsets
    index = FlatCodes(itq, vectors, np.zeros((7000, 2), np.uint8), corrections)
    queries = queries_for(vectors, 6, 0)
    mask = np.random.default_rng(0).random((1, 7000)) < 0.9
    for allowed in (None, mask):
        check_that_all_agree(
            lambda allowed=allowed: index.search(queries, 5, n_candidates=60, allowed=allowed)
        )


@pytest.mark.parametrize("scale", [0, 1, 200])
def test_of_codes_of_many_cells_that_look_alike_the_same_are_left_out_by_all(scale: int) -> None:
    vectors = tight_clusters(3000, 16, 1)
    index = cell_codes(vectors, 16, 16, spill=False, codes="0")
    index.arrays = replace(index.arrays, scales=np.full_like(index.arrays.scales, scale))
    queries = queries_for(vectors, 15, 1)
    for n_candidates in (40, 250, 400):  # few of many, so that pools are cut, and cut again
        plan = CellPlan(5 * n_candidates // 8, n_candidates, index.n_cells, 0.0, np.inf)
        check_that_all_agree(lambda plan=plan: index.search(queries, plan))


@pytest.mark.parametrize("spill", [False, True])
def test_search_of_cells_in_batches_larger_than_a_chunk_is_the_same_by_all(spill: bool) -> None:
    vectors = duplicates(4000, 16, 3)
    index = cell_codes(vectors, 30, 16, spill=spill)
    queries = queries_for(vectors, 520, 3)
    check_that_all_agree(lambda: index.search(queries, CellPlan(5, 20, 0, 0.5, 0.5)))
    check_that_all_agree(lambda: index.search(queries[:40], CellPlan(5, 900, 30, 0.0, np.inf)))
