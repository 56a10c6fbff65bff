"""Laws of cells: nearest means nearest, a code and its scale estimate a residual, and odd inputs have an answer."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec import cells as cells_module
from bitsieve.codec import kmeans
from bitsieve.codec.bits import unpack_signs
from bitsieve.codec.cells import Cells, choose_n_cells
from bitsieve.codec.kmeans import nearest_centroids, second_centroids, train_centroids
from bitsieve.errors import DimensionError, FormatError, InputError, NewerFormatError, NotFittedError

N, D, N_CELLS = 4_000, 48, 40


def unit(x: NDArray[np.floating]) -> NDArray[np.float32]:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """Unit vectors in 60 clusters of unlike sizes."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((60, D))
    of_cluster = rng.choice(60, N, p=np.arange(1, 61) / 1830)
    return unit(centres[of_cluster] + 0.7 * rng.standard_normal((N, D)))


@pytest.fixture(scope="module")
def fitted(vectors: NDArray[np.float32]) -> Cells:
    return Cells(N_CELLS).fit(vectors)


def test_learned_arrays_have_the_documented_types(fitted: Cells) -> None:
    assert (fitted.centroids_.shape, fitted.centroids_.dtype) == ((N_CELLS, D), np.float32)
    assert (fitted.radii_.shape, fitted.radii_.dtype) == ((N_CELLS,), np.float32)
    assert (fitted.projection_.shape, fitted.projection_.dtype) == ((D, D), np.float32)
    assert all(array.flags.c_contiguous for array in (fitted.centroids_, fitted.projection_))
    assert fitted.n_fit_rows_ == N
    assert fitted.n_bits is None  # as given: what was chosen shows in projection_
    np.testing.assert_allclose(fitted.projection_.T @ fitted.projection_, np.eye(D), atol=1e-5)


def test_assigned_cell_is_the_nearest_by_brute_force(fitted: Cells, vectors: NDArray[np.float32]) -> None:
    cells = fitted.assign(vectors)
    assert cells.dtype == np.int32
    distances = np.linalg.norm(vectors[:, np.newaxis].astype(np.float64) - fitted.centroids_, axis=2)
    nearest = distances.min(axis=1)
    np.testing.assert_allclose(distances[np.arange(N), cells], nearest, atol=1e-6)
    assert np.mean(cells == distances.argmin(axis=1)) > 0.999


def test_radii_are_root_mean_squares_of_distances(fitted: Cells, vectors: NDArray[np.float32]) -> None:
    # Few vectors changed cells in training's last turn.
    cells = fitted.assign(vectors)
    squares = np.square(vectors - fitted.centroids_[cells]).sum(axis=1)
    radii = np.sqrt(np.bincount(cells, squares, N_CELLS) / np.bincount(cells, minlength=N_CELLS))
    np.testing.assert_allclose(fitted.radii_, radii, rtol=0.1)


def test_training_is_as_good_as_lloyd_on_everything(vectors: NDArray[np.float32]) -> None:
    def error(centroids: NDArray[np.float32]) -> float:
        return float(np.square(vectors - centroids[nearest_centroids(vectors, centroids)]).sum())

    rows = np.random.default_rng(0).permutation(N)
    plain = vectors[rows[:N_CELLS]]
    for _ in range(10):
        of_vector = nearest_centroids(vectors, plain)
        plain = np.stack(
            [
                vectors[of_vector == cell].mean(axis=0) if (of_vector == cell).any() else place
                for cell, place in enumerate(plain)
            ]
        )
    ours, radii, cells = train_centroids(vectors, rows, N_CELLS)
    assert error(ours) < 1.05 * error(plain)
    assert (len(radii), len(cells)) == (len(ours), N)


@pytest.mark.parametrize(
    ("n", "d", "n_cells"), [(0, 8, 3), (1, 8, 1), (7, 13, 5), (65, 9, 33), (1_000, 31, 7)]
)
def test_second_cell_is_the_least_of_soars_loss(n: int, d: int, n_cells: int) -> None:
    rng = np.random.default_rng(n)
    vectors, centroids = unit(rng.standard_normal((n, d))), 0.8 * unit(rng.standard_normal((n_cells, d)))
    first = nearest_centroids(vectors, centroids)
    second = second_centroids(vectors, centroids, first, 1.5)
    assert (second.shape, second.dtype) == ((n,), np.int32)
    if n_cells == 1:
        assert (second == -1).all()
        return
    gaps = vectors[:, np.newaxis].astype(np.float64) - centroids
    residuals = gaps[np.arange(n), first]
    residuals /= np.linalg.norm(residuals, axis=1, keepdims=True)
    losses = np.square(gaps).sum(axis=2) + 1.5 * np.einsum("ncd,nd->nc", gaps, residuals) ** 2
    losses[np.arange(n), first] = np.inf
    np.testing.assert_allclose(losses[np.arange(n), second], losses.min(axis=1), rtol=1e-5)
    assert (second != first).all()


def test_a_vector_on_its_centroid_gets_the_next_nearest_as_second() -> None:
    centroids = np.diag(np.array([1, 0.9, 0.8, 0, 0, 0, 0, 0], np.float32))[:3]
    assert second_centroids(centroids[:1], centroids, np.zeros(1, np.int32), 1.5)[0] == 2


def test_first_of_equal_centroids_is_taken() -> None:
    centroids = np.zeros((5, 8), np.float32)
    centroids[[1, 3], 0] = 1
    vectors = np.zeros((40, 8), np.float32)
    vectors[:20, 0] = 1
    np.testing.assert_array_equal(nearest_centroids(vectors, centroids), np.repeat([1, 0], 20))


def test_codes_are_signs_and_scales_ratios_of_the_projected_residual(
    fitted: Cells, vectors: NDArray[np.float32]
) -> None:
    cells = fitted.assign(vectors)
    codes, scales = fitted.encode(vectors, cells)
    assert (codes.shape, codes.dtype, scales.shape, scales.dtype) == ((N, D // 8), np.uint8, (N,), np.float32)
    y = (vectors - fitted.centroids_[cells]).astype(np.float64) @ fitted.projection_
    bits = np.unpackbits(codes, axis=1)
    sure = np.abs(y) > 1e-6
    np.testing.assert_array_equal(bits[sure], (y >= 0)[sure])
    np.testing.assert_allclose(scales, np.square(y).sum(axis=1) / np.abs(y).sum(axis=1), rtol=1e-4)


def test_the_estimate_is_exact_for_the_vector_itself_and_near_for_its_neighbours(
    fitted: Cells, vectors: NDArray[np.float32]
) -> None:
    # With n_bits = d nothing of the residual is lost, so x · c + scale · Σ z b is x · x for the query x.
    cells = fitted.assign(vectors)
    codes, scales = fitted.encode(vectors, cells)
    residual_parts = (vectors - fitted.centroids_[cells]) @ fitted.projection_
    along = scales * np.einsum("nb,nb->n", residual_parts, unpack_signs(codes))
    np.testing.assert_allclose(along, np.square(residual_parts).sum(axis=1), rtol=1e-4)
    queries = vectors[:50]
    signs = scales[:, np.newaxis] * unpack_signs(codes)
    estimates = (queries @ fitted.centroids_.T)[:, cells] + queries @ fitted.projection_ @ signs.T
    errors = estimates - queries @ vectors.T
    assert np.sqrt(np.mean(errors**2)) < 0.1
    assert abs(errors.mean()) < 0.01


def test_cells_and_codes_find_more_neighbours_than_a_random_partition(
    fitted: Cells, vectors: NDArray[np.float32]
) -> None:
    queries = vectors[:200]
    cosines = queries @ vectors.T
    true = np.argsort(-cosines, axis=1)[:, 1:11]
    cells = fitted.assign(vectors)
    scores = queries @ fitted.centroids_.T + 0.4 * fitted.radii_
    visited = np.argsort(-scores, axis=1)[:, :4]  # a tenth of the cells
    assert np.mean((cells[true][:, :, np.newaxis] == visited[:, np.newaxis]).any(axis=2)) > 0.8


def test_the_same_seed_repeats_and_another_differs(fitted: Cells, vectors: NDArray[np.float32]) -> None:
    again = Cells(N_CELLS).fit(vectors)
    for name in ("centroids_", "radii_", "projection_", "scale_limit_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fitted, name))
    assert (Cells(N_CELLS, seed=7).fit(vectors).centroids_ != fitted.centroids_).any()


def test_a_sample_is_used_and_reported_when_there_are_more_rows(vectors: NDArray[np.float32]) -> None:
    assert Cells(N_CELLS, max_fit_rows=500).fit(vectors).n_fit_rows_ == 500
    assert Cells(8).fit(vectors).n_fit_rows_ == 800
    assert Cells(N_CELLS, max_fit_rows=3).fit(vectors).n_fit_rows_ == N_CELLS


def test_a_chosen_number_of_cells_grows_with_the_root_of_the_rows() -> None:
    assert doctest.testmod(cells_module).failed == 0
    chosen = [choose_n_cells(n) for n in range(1, 100_000, 7)]
    assert min(chosen) == 1
    assert (np.diff(chosen) >= 0).all()
    assert all(n_cells % 16 == 0 for n_cells in chosen if n_cells > 100)
    assert Cells().fit(unit(np.random.default_rng(0).standard_normal((200, 16)))).centroids_.shape == (16, 16)


@settings(deadline=None, max_examples=40)
@given(
    n=st.sampled_from([1, 2, 5, 7, 8, 13, 31, 32, 33, 100]),
    d=st.sampled_from([8, 9, 15, 16, 70, 130, 256]),
    n_cells=st.sampled_from([None, 1, 2, 7, 33]),
    n_different=st.sampled_from([1, 2, 3, 100]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_rows_are_fitted_assigned_and_encoded(
    n: int, d: int, n_cells: int | None, n_different: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((n_different, d)))[rng.integers(n_different, size=n)]
    fitted = Cells(n_cells, seed=seed).fit(vectors)
    found = len(fitted.centroids_)
    assert 1 <= found <= min(n, n_cells or n)
    cells = fitted.assign(vectors)
    assert cells.min() >= 0
    assert cells.max() < found
    codes, scales = fitted.encode(vectors, cells)
    assert codes.shape == (n, min(248, d // 8 * 8) // 8)
    assert np.isfinite(scales).all()
    assert (scales >= 0).all()
    assert 0 < fitted.scale_limit_ < 2
    for array in (fitted.centroids_, fitted.radii_, fitted.projection_):
        assert np.isfinite(array).all()
    second = fitted.assign_second(vectors, cells)
    assert (second != cells).all()
    assert (second >= 0).all() == (found > 1)


def test_rows_all_equal_give_one_cell_and_scales_of_zero() -> None:
    vectors = np.repeat(unit(np.random.default_rng(0).standard_normal((1, 24))), 100, axis=0)
    fitted = Cells(10).fit(vectors)
    assert len(fitted.centroids_) == 1
    assert fitted.encode(vectors, fitted.assign(vectors))[1].max() < 1e-6
    assert fitted.radii_.max() < 1e-6


def test_as_many_cells_as_different_rows_are_found() -> None:
    different = unit(np.random.default_rng(3).standard_normal((5, 24)))
    fitted = Cells(5).fit(np.repeat(different, 40, axis=0))
    np.testing.assert_allclose(np.sort(fitted.centroids_, axis=0), np.sort(different, axis=0), atol=1e-6)
    assert fitted.radii_.max() < 1e-6


def test_an_empty_batch_gives_empty_arrays(fitted: Cells) -> None:
    none = np.empty((0, D), np.float32)
    cells = fitted.assign(none)
    assert cells.shape == fitted.assign_second(none, cells).shape == (0,)
    codes, scales = fitted.encode(none, cells)
    assert (codes.shape, scales.shape) == ((0, D // 8), (0,))


def test_scores_of_blocks_agree_with_scores_of_all(
    vectors: NDArray[np.float32], fitted: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.assign(vectors), fitted.assign_second(vectors, fitted.assign(vectors))
    monkeypatch.setattr(kmeans, "SCORES", 1)
    parts = fitted.assign(vectors), fitted.assign_second(vectors, whole[0])
    for one, other in zip(whole, parts, strict=True):
        assert np.mean(one == other) > 0.999  # BLAS may add in another order where two are equally near


def test_loaded_cells_are_the_saved_ones_bit_for_bit(vectors: NDArray[np.float32], tmp_path: Path) -> None:
    for number, parameters in enumerate(
        [{}, {"n_cells": 20, "n_bits": 16, "spill": True, "max_fit_rows": 900}]
    ):
        saved = Cells(seed=3, **parameters).fit(vectors)
        saved.save(tmp_path / str(number))
        loaded = Cells.load(tmp_path / str(number))
        assert vars(loaded).keys() == vars(saved).keys()
        for name, value in vars(saved).items():
            np.testing.assert_array_equal(getattr(loaded, name), value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale_limit", 0, "scale_limit must be a positive number"),
        ("scale_limit", "1", "scale_limit"),
        ("scale_limit", True, "scale_limit"),
        ("n_bits", 16, r"\(d, n_bits\)"),
        ("n_cells", 0, "n_cells"),
        ("spill", 1, "spill must be True or False"),
        ("n_fit_rows", None, "n_fit_rows"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    fitted: Cells, tmp_path: Path, name: str, value: object, message: str
) -> None:
    fitted.save(tmp_path / "cells")
    path = tmp_path / "cells" / "codec.json"
    description = json.loads(path.read_text())
    description["parameters"][name] = value
    path.write_text(json.dumps(description))
    with pytest.raises(FormatError, match=message):
        Cells.load(tmp_path / "cells")
    path.write_text(json.dumps({**description, "format_version": 2}))
    with pytest.raises(NewerFormatError):
        Cells.load(tmp_path / "cells")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_cells": 0}, "n_cells must be a whole number of at least 1"),
        ({"n_cells": 3.0}, "n_cells"),
        ({"n_bits": 12}, "multiple of 8"),
        ({"n_bits": 0}, "at least 8"),
        ({"n_bits": 56}, "n_bits=56 is more than d=48: choose at most 48"),
        ({"spill": 1}, "spill must be True or False"),
        ({"seed": -1}, "seed"),
        ({"max_fit_rows": 0}, "max_fit_rows"),
    ],
)
def test_bad_parameters_are_refused_by_fit(
    vectors: NDArray[np.float32], parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Cells(**parameters).fit(vectors)


def test_bad_vectors_are_refused(fitted: Cells, vectors: NDArray[np.float32]) -> None:
    with pytest.raises(InputError, match="0 rows; need at least 1"):
        Cells().fit(vectors[:0])
    with pytest.raises(InputError, match="d=7"):
        Cells().fit(vectors[:, :7])
    broken = vectors.copy()
    broken[5, 3] = np.nan
    with pytest.raises(InputError, match="row 5"):
        Cells().fit(broken)
    with pytest.raises(DimensionError, match="d=47, expected d=48"):
        fitted.assign(vectors[:, :-1])


def test_bad_cells_are_refused_by_encode(fitted: Cells, vectors: NDArray[np.float32]) -> None:
    cells = fitted.assign(vectors)
    for wrong, message in [
        (cells[:-1], r"shape \(4000,\)"),
        (cells.astype(np.float32), "integers"),
        (np.full(N, N_CELLS), "from 0 to 39, got 40 to 40"),
        (np.full(N, -1), "got -1"),
    ]:
        for method in (fitted.encode, fitted.assign_second):
            with pytest.raises(InputError, match=message):
                method(vectors, wrong)


def test_nothing_works_before_fit(vectors: NDArray[np.float32], tmp_path: Path) -> None:
    unfitted = Cells()
    for call in (
        lambda: unfitted.assign(vectors),
        lambda: unfitted.assign_second(vectors, np.zeros(N, np.int32)),
        lambda: unfitted.encode(vectors, np.zeros(N, np.int32)),
        lambda: unfitted.save(tmp_path / "x"),
    ):
        with pytest.raises(NotFittedError, match="fit"):
            call()
