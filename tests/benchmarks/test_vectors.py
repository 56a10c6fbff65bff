"""Data sets, and the synthetic one's laws."""

from pathlib import Path

import numpy as np
import pytest

from synthetic import BLOCK, Mixture, near_neighbours
from vectors import BENCH, DataError, exact, load, restore, save, unit


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    """2,000 unit vectors that lie in groups."""
    draws = np.random.default_rng(0)
    groups = draws.standard_normal((20, 16))
    return unit(groups[draws.integers(20, size=2000)] + 0.3 * draws.standard_normal((2000, 16)))


def test_drawn_vectors_are_unit_and_float32(real: np.ndarray) -> None:
    drawn = Mixture(neighbours=8).fit(real).draw(1500)
    assert drawn.shape == (1500, 16)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-6)


def test_a_seed_draws_the_same_again_and_another_seed_others(real: np.ndarray) -> None:
    mixture = Mixture(neighbours=8).fit(real)
    again = Mixture(neighbours=8).fit(real)
    np.testing.assert_array_equal(mixture.draw(100, seed=1), again.draw(100, seed=1))
    assert not np.array_equal(mixture.draw(100, seed=1), mixture.draw(100, seed=2))


def test_queries_are_not_rows(real: np.ndarray) -> None:
    mixture = Mixture(neighbours=8).fit(real)
    rows, queries = mixture.draw(1000), mixture.draw(100, queries=True)
    assert (rows @ queries.T).max() < 1 - 1e-6


def test_a_longer_draw_begins_with_the_shorter(real: np.ndarray) -> None:
    mixture = Mixture(neighbours=8).fit(real)
    np.testing.assert_array_equal(mixture.draw(BLOCK + 10)[:500], mixture.draw(500))


def test_drawn_vectors_lie_where_the_real_ones_do(real: np.ndarray) -> None:
    drawn = Mixture().fit(real).draw(2000)
    far = unit(np.random.default_rng(1).standard_normal((2000, 16)))
    nearest = [np.median((rows @ real.T).max(axis=1)) for rows in (drawn, far)]
    assert nearest[0] > 0.9 > nearest[1]


def test_most_near_neighbours_are_the_nearest(real: np.ndarray) -> None:
    found = near_neighbours(real, 5)
    scores = real @ real.T
    np.fill_diagonal(scores, -2)
    true = np.argsort(-scores, axis=1)[:, :5]
    assert (found != np.arange(2000)[:, np.newaxis]).all()
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(found, true, strict=True)]) > 0.9


def test_exact_neighbours_do_not_depend_on_blocks(real: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exact(real[:30], real, 10)
    monkeypatch.setattr("vectors.BLOCK", 30 * 64)
    np.testing.assert_array_equal(exact(real[:30], real, 10), whole)
    assert (whole[:, 0] == np.arange(30)).all()


def test_own_file_is_normalised_and_its_queries_are_held_out(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((1200, 8)) * 5
    np.save(tmp_path / "mine.npy", rows)
    data = load(str(tmp_path / "mine.npy"))
    assert (data.name, data.vectors.shape, data.queries.shape) == ("mine", (700, 8), (500, 8))
    np.testing.assert_allclose(np.linalg.norm(data.vectors, axis=1), 1, atol=1e-6)
    assert (data.vectors @ data.queries.T).max() < 1 - 1e-6


def test_saved_data_comes_back(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).standard_normal((1200, 8)))
    data = load(str(tmp_path / "mine.npy"))
    truth = exact(data.queries, data.vectors, 10)
    save(data, truth, tmp_path)
    back, same = restore(tmp_path)
    np.testing.assert_array_equal(back.vectors, data.vectors)
    np.testing.assert_array_equal(same, truth)
    assert back.digest == data.digest


@pytest.mark.parametrize(
    "name", ["wikipedia:gpt", "nowhere.npy", "synthetic:", "synthetic:5", "synthetic:1000:x"]
)
def test_unknown_data_is_an_error_that_says_so(name: str) -> None:
    with pytest.raises(DataError, match=r"expected|is not synthetic"):
        load(name)


def test_missing_real_vectors_name_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("vectors.BENCH", tmp_path)
    with pytest.raises(DataError, match="--data"):
        load("bench")


def test_real_vectors_are_unit() -> None:
    if not BENCH.is_dir():
        pytest.skip(f"needs the real vectors in {BENCH}")
    data = load("bench")
    assert data.vectors.shape == (100_000, 384)
    np.testing.assert_allclose(np.linalg.norm(data.vectors[::1000], axis=1), 1, atol=1e-6)
