"""Laws of corrections: they estimate cosines, bytes cost little, and they are chosen where they help."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.codec import ITQ
from bitsieve.codec import corrections as corrections_module
from bitsieve.codec.bits import unpack_signs
from bitsieve.codec.corrections import ByteGrid, CorrectionTrial, byte_grids, corrections, try_corrections
from bitsieve.errors import DimensionError, InputError, NotFittedError

D = 48


def clustered(n: int, lean: float, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors in small clusters; their mean grows with `lean`, as does what each has in common with it."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n // 20, D))
    x = centres[rng.integers(len(centres), size=n)] + rng.standard_normal((n, D))
    x *= rng.uniform(0.4, 1.6, (n, 1))
    x[:, 0] += lean
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def leaning() -> NDArray[np.float32]:
    return clustered(3_000, 7)


@pytest.fixture(scope="module")
def itq(leaning: NDArray[np.float32]) -> ITQ:
    return ITQ(32, 10).fit(leaning)


def test_scales_and_offsets_are_the_formulas(itq: ITQ, leaning: NDArray[np.float32]) -> None:
    scales, offsets = corrections(itq, leaning)
    assert scales.dtype == offsets.dtype == np.float32
    assert scales.shape == offsets.shape == (3_000,)
    x = leaning.astype(np.float64)
    y = (x - itq.mean_) @ itq.projection_
    inside, whole = np.square(y).sum(axis=1), np.square(x - itq.mean_).sum(axis=1)
    np.testing.assert_allclose(scales, (inside + (whole - inside) / 4) / np.abs(y).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(offsets, x @ itq.mean_, atol=1e-6)


def test_with_all_components_a_vector_finds_its_own_cosine_exactly(leaning: NDArray[np.float32]) -> None:
    itq = ITQ(D, 5).fit(leaning)
    scales, offsets = corrections(itq, leaning)
    scores = np.einsum("nb,nb->n", itq.project(leaning), unpack_signs(itq.transform(leaning)))
    # q · x = (q − m) · (x − m) + x · m + q · m − |m|², and the last two are the query's alone.
    cosines = scales * scores + offsets + leaning @ itq.mean_ - itq.mean_ @ itq.mean_
    np.testing.assert_allclose(cosines, 1, atol=1e-4)


def test_estimates_are_nearer_to_cosines_than_scores_are(itq: ITQ, leaning: NDArray[np.float32]) -> None:
    scales, offsets = corrections(itq, leaning)
    scores = itq.project(leaning[:50]) @ unpack_signs(itq.transform(leaning)).T
    cosines = leaning[:50] @ leaning.T

    def correlation(estimates: NDArray[np.float32]) -> float:
        return float(np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(estimates, cosines, strict=True)]))

    assert correlation(scores * scales + offsets) > correlation(scores) + 0.02


def test_the_mean_itself_has_scale_zero(itq: ITQ) -> None:
    scales, offsets = corrections(itq, itq.mean_[np.newaxis])
    assert scales[0] == 0
    assert offsets[0] == pytest.approx(float(itq.mean_ @ itq.mean_), rel=1e-6)


def test_an_empty_batch_gives_empty_arrays(itq: ITQ) -> None:
    scales, offsets = corrections(itq, np.empty((0, D), np.float32))
    assert scales.shape == offsets.shape == (0,)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 300),
    spread=st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_byte_is_within_half_a_step_of_values_on_the_grid(n: int, spread: float, seed: int) -> None:
    values = (3 + spread * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)
    grid = ByteGrid.over(values)
    assert grid.step > 0
    held = grid.from_bytes(grid.to_bytes(values))
    assert held.dtype == np.float32
    ends = np.clip(values.astype(np.float64), grid.low, grid.low + 255 * grid.step)
    np.testing.assert_allclose(held, ends, atol=0.5001 * grid.step + 1e-6 * np.abs(values).max())
    np.testing.assert_array_equal(grid.to_bytes(held), grid.to_bytes(values))


def test_without_outliers_the_grid_is_the_range_of_the_values(itq: ITQ, leaning: NDArray[np.float32]) -> None:
    for values in corrections(itq, leaning):
        grid = ByteGrid.over(values)
        assert (grid.low, grid.low + 255 * grid.step) == pytest.approx((values.min(), values.max()))


def test_values_beyond_the_grid_become_its_ends() -> None:
    grid = ByteGrid(1.0, 0.5)
    np.testing.assert_array_equal(
        grid.to_bytes(np.array([-9, 1, 1.6, 128.5, 9_999], np.float32)), [0, 0, 1, 255, 255]
    )
    np.testing.assert_array_equal(
        grid.from_bytes(np.array([0, 1, 255], np.uint8)), np.float32([1, 1.5, 128.5])
    )


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="need at least 1"):
        ByteGrid.over(np.empty(0, np.float32))


@pytest.mark.parametrize("n", [2_000, 100_000])
def test_one_outlier_does_not_make_the_grid_coarse(n: int) -> None:
    values = np.append(np.linspace(0, 1, n, dtype=np.float32), np.float32(1e6))
    for of_both in (values, -values):
        assert 1 / 256 < ByteGrid.over(of_both).step < 2 / 250


def test_a_grid_begins_where_it_is_told_to() -> None:
    values = np.linspace(3, 4, 5_000, dtype=np.float32)
    grid = ByteGrid.over(values, low=0.0)
    assert (grid.low, grid.step) == (0, 4 / 255)
    assert ByteGrid.over(np.append(values, np.float32(900)), low=0.0).step == pytest.approx(8 / 255, rel=1e-3)


def test_scales_are_kept_from_0_on_and_offsets_from_the_least(itq: ITQ, leaning: NDArray[np.float32]) -> None:
    scales, offsets = corrections(itq, leaning)
    assert byte_grids(scales, offsets) == (ByteGrid.over(scales, low=0.0), ByteGrid.over(offsets))


def test_corrections_pay_where_vectors_lean_and_not_where_codes_suffice(
    itq: ITQ, leaning: NDArray[np.float32]
) -> None:
    trial = try_corrections(itq, leaning)
    assert trial.n_queries == 512
    assert trial.recall_with > trial.recall_without + 0.02
    assert trial.pays
    few = leaning[:101]
    assert try_corrections(itq, few) == CorrectionTrial(1.0, 1.0, 0)
    assert not try_corrections(itq, few).pays


def test_a_trial_agrees_with_counting_by_hand(itq: ITQ, leaning: NDArray[np.float32]) -> None:
    vectors = leaning[:400]
    exact = corrections(itq, vectors)
    scales, offsets = (
        grid.from_bytes(grid.to_bytes(values)) for grid, values in zip(byte_grids(*exact), exact, strict=True)
    )
    cosines = vectors @ vectors.T
    scores = itq.project(vectors) @ unpack_signs(itq.transform(vectors)).T
    found = []
    for estimates in (scores, scores * scales + offsets):
        hits = 0
        for row in range(400):
            others = np.delete(np.arange(400), row)
            true = others[np.argsort(-cosines[row, others])[:10]]
            hits += len(np.intersect1d(true, others[np.argsort(-estimates[row, others])[:100]]))
        found.append(hits / 4_000)
    trial = try_corrections(itq, vectors)
    assert trial.n_queries == 400
    assert [trial.recall_without, trial.recall_with] == pytest.approx(found, abs=5e-4)


def test_a_trial_repeats_with_its_seed_and_samples_what_is_large(
    itq: ITQ, leaning: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert try_corrections(itq, leaning, seed=1) == try_corrections(itq, leaning, seed=1)
    assert try_corrections(itq, leaning, seed=1) != try_corrections(itq, leaning, seed=2)
    monkeypatch.setattr(corrections_module, "SAMPLE_ROWS", 300)
    assert try_corrections(itq, leaning).n_queries == 300


def test_gain_decides() -> None:
    assert CorrectionTrial(0.98, 0.99, 512).pays
    assert not CorrectionTrial(0.99, 0.9915, 512).pays
    assert not CorrectionTrial(0.99, 0.98, 512).pays


def test_bad_input_is_refused(itq: ITQ, leaning: NDArray[np.float32]) -> None:
    for call in (corrections, try_corrections):
        with pytest.raises(NotFittedError, match="fit"):
            call(ITQ(32), leaning)
        with pytest.raises(DimensionError, match="d=47, expected d=48"):
            call(itq, leaning[:, 1:])
    with pytest.raises(InputError, match="norm 1"):
        try_corrections(itq, 2 * leaning)
    with pytest.raises(InputError, match="seed"):
        try_corrections(itq, leaning, seed=-1)
