"""Laws of pivots: chosen greedily, and on the angle nothing near is lost."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec import PivotFilter
from bitsieve.errors import DimensionError, InputError, NotFittedError


def unit_vectors(n: int, d: int, seed: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def at_degrees(*degrees: float) -> NDArray[np.float32]:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_hand_checked_example_in_the_plane() -> None:
    # RandomState(42).randint(5) is 3, so the first pivot is at 100°. Furthest from it is 290°, by 170°.
    # Then 0°, 40° and 175° are 70°, 60° and 75° from their nearest pivot: the third is at 175°.
    vectors = at_degrees(0, 40, 175, 100, 290)
    pivots = PivotFilter(3, "angular").fit(vectors)
    np.testing.assert_array_equal(pivots.pivot_rows_, [3, 4, 2])
    np.testing.assert_array_equal(pivots.pivots_, vectors[[3, 4, 2]])
    degrees = [[100, 70, 175], [60, 110, 135], [75, 115, 0], [0, 170, 75], [170, 0, 115]]
    np.testing.assert_allclose(np.degrees(pivots.distances_), degrees, atol=1e-4)
    cosine = PivotFilter(3).fit(vectors)
    np.testing.assert_allclose(cosine.distances_, 1 - np.cos(np.radians(degrees)), atol=1e-6)


def test_first_pivot_is_the_draw_of_the_notebook() -> None:
    # np.random.seed(42); np.random.randint(10_000) in the notebook printed 7270.
    assert PivotFilter(1).fit(unit_vectors(10_000, 8, 0)).pivot_rows_[0] == 7270


@pytest.mark.parametrize("metric", ["cosine", "angular"])
def test_each_pivot_is_the_row_furthest_from_those_before(metric: str) -> None:
    vectors = unit_vectors(300, 16, 1)
    rows = PivotFilter(8, metric, seed=3).fit(vectors).pivot_rows_
    distances = 1 - vectors.astype(np.float64) @ vectors.T
    for i in range(1, 8):
        assert rows[i] == distances[:, rows[:i]].min(axis=1).argmax()


def test_first_of_equally_far_rows_is_taken() -> None:
    first = np.random.RandomState(42).randint(6)
    vectors = np.repeat(at_degrees(180), 6, axis=0)
    vectors[first] = at_degrees(0)
    assert PivotFilter(2).fit(vectors).pivot_rows_[1] == (0 if first else 1)


def test_another_seed_chooses_other_pivots() -> None:
    vectors = unit_vectors(300, 16, 1)
    first, second = PivotFilter(8).fit(vectors), PivotFilter(8, seed=43).fit(vectors)
    assert (first.pivot_rows_ != second.pivot_rows_).any()


def test_fitted_distances_are_those_of_distances() -> None:
    vectors = unit_vectors(300, 16, 1)
    for metric in ("cosine", "angular"):
        pivots = PivotFilter(8, metric).fit(vectors)
        assert pivots.distances_.dtype == np.float32
        np.testing.assert_allclose(pivots.distances(vectors), pivots.distances_, atol=1e-6)
        assert pivots.distances(vectors[:0]).shape == (0, 8)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.sampled_from([2, 3, 16, 384]),
    spread=st.sampled_from([0.0, 1e-7, 1e-4, 1e-2, 0.3, 3.0]),
    antipodal=st.booleans(),
)
def test_angular_filter_keeps_every_vector_within_the_radius(
    seed: int, d: int, spread: float, antipodal: bool
) -> None:
    rng = np.random.default_rng(seed)
    query = unit_vectors(1, d, seed)
    x = query * (-1 if antipodal else 1) + spread * rng.standard_normal((40, d))
    x = np.concatenate([x / np.linalg.norm(x, axis=1, keepdims=True), unit_vectors(10, d, seed + 1)])
    vectors = x.astype(np.float32)
    pivots = PivotFilter(4, "angular").fit(np.concatenate([unit_vectors(20, d, seed + 2), -query, query]))
    long_vectors, long_query = vectors.astype(np.float64), query[0].astype(np.float64)
    chords = long_vectors / np.linalg.norm(long_vectors, axis=1, keepdims=True)
    chords -= long_query / np.linalg.norm(long_query)
    angles = 2 * np.arcsin(np.minimum(np.linalg.norm(chords, axis=1) / 2, 1))
    distances = pivots.distances(vectors)
    for radius in (0.0, *angles):
        rows = pivots.candidates(query[0], radius, distances=distances)
        assert set(np.flatnonzero(angles <= radius)) <= set(rows)


def test_angular_filter_allows_for_arccos_in_float32() -> None:
    query, vectors = unit_vectors(1, 384, 5), unit_vectors(50, 384, 6)
    vectors[0] = query
    pivots = PivotFilter(4, "angular").fit(np.concatenate([vectors, -query]))
    with_float32 = np.arccos(np.clip(vectors @ pivots.pivots_.T, -1, 1))
    assert 0 in pivots.candidates(query[0], 0.0, distances=with_float32)


def test_cosine_rule_is_strict_and_takes_the_largest_difference() -> None:
    pivots = PivotFilter(2)
    distances = [[0.5, 0.25], [0.5, 0.5], [0.75, 0.25], [0.625, 0.125]]
    passed = pivots.passes(np.array([[0.5, 0.25], [0.75, 0.25]]), np.array(distances), 0.25)
    np.testing.assert_array_equal(passed, [[True, False, False, True], [False, False, True, True]])
    assert not pivots.passes(np.zeros((1, 2)), np.zeros((1, 2)), 0).any()


@pytest.mark.parametrize("threshold", [2.5, 1e300, float("inf"), np.float32(3)])
def test_a_large_threshold_passes_everything(threshold: float) -> None:
    assert PivotFilter(1).passes(np.zeros((1, 1)), np.array([[0.0], [2.0]]), threshold).all()


def test_a_loaded_filter_passes_the_same_but_has_no_distances_of_its_own(tmp_path: Path) -> None:
    vectors = unit_vectors(300, 16, 1)
    pivots = PivotFilter(5, "angular", seed=9).fit(vectors)
    pivots.save(tmp_path / "pivots")
    loaded = PivotFilter.load(tmp_path / "pivots")
    assert (loaded.n_pivots, loaded.metric, loaded.seed) == (5, "angular", 9)
    np.testing.assert_array_equal(loaded.pivot_rows_, pivots.pivot_rows_)
    rows = pivots.candidates(vectors[0], 0.5)
    assert rows.dtype == np.int64
    assert 0 < len(rows) < 300
    np.testing.assert_array_equal(loaded.candidates(vectors[0], 0.5, distances=pivots.distances_), rows)
    with pytest.raises(NotFittedError, match="distances="):
        loaded.candidates(vectors[0], 0.5)


def test_bad_input_is_refused(tmp_path: Path) -> None:
    vectors = unit_vectors(20, 8, 1)
    for parameters, message in [
        ({"n_pivots": 0}, "n_pivots"),
        ({"metric": "euclidean"}, "metric must be one of"),
        ({"seed": 2**32}, "seed"),
        ({"n_pivots": 21}, "20 rows; need at least n_pivots=21"),
    ]:
        with pytest.raises(InputError, match=message):
            PivotFilter(**parameters).fit(vectors)
    with pytest.raises(InputError, match="norm 1"):
        PivotFilter(2).fit(2 * vectors)
    for metric in ("cosine", "angular"):
        with pytest.raises(InputError, match="3 different rows; need at least n_pivots=4"):
            PivotFilter(4, metric).fit(np.repeat(vectors[:3], 5, axis=0))
    pivots = PivotFilter(2).fit(vectors)
    for threshold in (-0.1, float("nan"), True, "0.1"):
        with pytest.raises(InputError, match="threshold"):
            pivots.candidates(vectors[0], threshold)
    with pytest.raises(InputError, match=r"shape \(d,\)"):
        pivots.candidates(vectors, 0.1)
    with pytest.raises(DimensionError):
        pivots.distances(vectors[:, :4] / np.linalg.norm(vectors[:, :4], axis=1, keepdims=True))
    with pytest.raises(DimensionError):
        pivots.passes(np.zeros((1, 3)), np.zeros((1, 2)), 0.1)
    unfitted = PivotFilter()
    for call in (
        lambda: unfitted.distances(vectors),
        lambda: unfitted.candidates(vectors[0], 0.1),
        lambda: unfitted.save(tmp_path / "x"),
    ):
        with pytest.raises(NotFittedError, match="fit"):
            call()
