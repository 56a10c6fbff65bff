"""Laws of ITQ: the rotation is one, the error falls, and nothing hangs on LAPACK's choices."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from bitsieve.codec import ITQ
from bitsieve.codec import itq as itq_module
from bitsieve.codec.itq import learn_rotation
from bitsieve.errors import DimensionError, InputError, NotFittedError

N, D, N_BITS = 3_000, 64, 32
EYE = np.eye(N_BITS)


def random_rotation(d: int, seed: int) -> NDArray[np.float64]:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """Clustered unit vectors off centre, variance falling from dimension to dimension, as text embeddings'."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((20, D))
    x = centres[rng.integers(20, size=N)] + rng.standard_normal((N, D))
    x = x * np.linspace(2, 0.2, D) @ random_rotation(D, 2) + 0.3
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def itq(vectors: NDArray[np.float32]) -> ITQ:
    return ITQ(N_BITS).fit(vectors)


def plain_itq(x: NDArray[np.float32], n_bits: int, n_iter: int, seed: int) -> NDArray[np.bool_]:
    """The algorithm as a notebook has it: everything in float64 and in memory at once."""
    v = x.astype(np.float64)
    v -= v.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(v.T))
    components = vectors[:, ::-1][:, :n_bits]
    for j in range(n_bits):
        if components[np.argmax(np.abs(components[:, j])), j] < 0:
            components[:, j] = -components[:, j]
    v = v @ components
    r, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((n_bits, n_bits)))
    for _ in range(n_iter):
        b = np.where(v @ r >= 0, 1.0, -1.0)
        u, _, wt = np.linalg.svd(b.T @ v)
        r = wt.T @ u.T
    return v @ r >= 0


def test_codes_agree_with_the_plain_algorithm(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    bits = np.unpackbits(itq.transform(vectors), axis=1)
    assert np.mean(bits == plain_itq(vectors, N_BITS, itq.n_iter, itq.seed)) >= 0.999


def test_components_are_orthonormal_and_the_rotation_is_orthogonal(itq: ITQ) -> None:
    np.testing.assert_allclose(itq.components_.T @ itq.components_, EYE, atol=1e-5)
    np.testing.assert_allclose(itq.rotation_.T @ itq.rotation_, EYE, atol=1e-5)
    np.testing.assert_allclose(itq.projection_, itq.components_ @ itq.rotation_, atol=1e-6)


def test_learned_arrays_have_the_documented_types(itq: ITQ) -> None:
    assert (itq.mean_.shape, itq.mean_.dtype) == ((D,), np.float32)
    assert (itq.components_.shape, itq.components_.dtype) == ((D, N_BITS), np.float32)
    assert (itq.rotation_.shape, itq.rotation_.dtype) == ((N_BITS, N_BITS), np.float32)
    assert (itq.projection_.shape, itq.projection_.dtype) == ((D, N_BITS), np.float32)
    assert itq.n_fit_rows_ == N


def test_error_never_rises_and_is_the_mean_over_entries(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    assert itq.quantization_error_.shape == (itq.n_iter,)
    assert np.diff(itq.quantization_error_).max() < 1e-7
    V = (vectors - itq.mean_).astype(np.float64) @ itq.components_
    start = random_rotation(N_BITS, itq.seed)
    R, errors = learn_rotation(V, start, 1)
    B = np.where(V @ start >= 0, 1, -1)
    assert errors[0] == pytest.approx(np.mean((B - V @ R) ** 2), abs=1e-12)
    assert itq.quantization_error_[0] == pytest.approx(errors[0], abs=1e-6)


def test_a_projection_of_zero_counts_as_plus_one_in_fitting_too() -> None:
    V = np.array([[0.0, 2.0], [1.0, 0.0], [-3.0, 1.0]])
    U, _, Wt = np.linalg.svd(np.array([[1, 1], [1, 1], [-1, 1]]).T @ V)
    R, _ = learn_rotation(V, np.eye(2), 1)
    np.testing.assert_allclose(R, Wt.T @ U.T, atol=1e-12)


def test_error_hardly_changes_when_the_data_is_rotated(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    rotated = ITQ(N_BITS).fit(vectors @ random_rotation(D, 3))
    assert rotated.quantization_error_[-1] == pytest.approx(itq.quantization_error_[-1], rel=2e-3)
    np.testing.assert_allclose(
        rotated.explained_variance_ratio_, itq.explained_variance_ratio_, rtol=1e-4, atol=1e-7
    )


def test_signs_and_order_of_the_components_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    V = rng.standard_normal((500, 16)) * np.linspace(2, 0.5, 16)
    start = random_rotation(16, 5)
    P = np.eye(16)[rng.permutation(16)] * rng.choice([-1, 1], 16)
    R, errors = learn_rotation(V, start, 20)
    R_of_P, errors_of_P = learn_rotation(V @ P, P.T @ start, 20)
    np.testing.assert_array_equal(V @ R >= 0, V @ P @ R_of_P >= 0)
    np.testing.assert_allclose(errors, errors_of_P)


def test_largest_entry_of_each_component_is_positive(itq: ITQ) -> None:
    assert (itq.components_.max(axis=0) == np.abs(itq.components_).max(axis=0)).all()


def test_explained_variance_agrees_with_the_svd(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    x = vectors.astype(np.float64)
    variances = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    expected = variances[:N_BITS] / variances.sum()
    np.testing.assert_allclose(itq.explained_variance_ratio_, expected, rtol=1e-6)


def test_the_same_seed_repeats_and_another_differs(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    codes = itq.transform(vectors)
    np.testing.assert_array_equal(ITQ(N_BITS).fit(vectors).transform(vectors), codes)
    assert (ITQ(N_BITS, seed=7).fit(vectors).transform(vectors) != codes).any()


def test_a_sample_is_used_and_reported_when_there_are_more_rows(vectors: NDArray[np.float32]) -> None:
    sampled = ITQ(N_BITS, 5, max_fit_rows=1_000).fit(vectors)
    assert sampled.n_fit_rows_ == 1_000
    assert (sampled.mean_ != ITQ(N_BITS, 5, max_fit_rows=None).fit(vectors).mean_).any()
    again = ITQ(N_BITS, 5, max_fit_rows=1_000).fit(vectors)
    np.testing.assert_array_equal(sampled.projection_, again.projection_)
    exactly = ITQ(N_BITS, 5, max_fit_rows=N).fit(vectors)
    assert exactly.n_fit_rows_ == N


def test_turns_on_a_sample_first_lead_to_the_same_error(
    itq: ITQ, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(itq_module, "COARSE_ROWS", 1_000)
    sampled = ITQ(N_BITS).fit(vectors)
    assert (sampled.rotation_ != itq.rotation_).any()
    assert sampled.quantization_error_.shape == (itq.n_iter,)
    assert sampled.quantization_error_[-1] == pytest.approx(itq.quantization_error_[-1], rel=2e-3)
    assert sampled.n_fit_rows_ == N
    one_turn = ITQ(N_BITS, 1).fit(vectors)
    assert one_turn.quantization_error_.shape == (1,)


def test_codes_are_the_signs_of_the_projections(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    projections = itq.project(vectors)
    assert projections.dtype == np.float32
    np.testing.assert_array_equal(itq.transform(vectors), np.packbits(projections >= 0, axis=1))
    # Fitting centres, so the mean vector itself projects to exactly 0: all its bits are 1.
    assert (itq.transform(itq.mean_[np.newaxis]) == 255).all()


def test_an_empty_batch_gives_empty_arrays(itq: ITQ) -> None:
    assert itq.project(np.empty((0, D), np.float32)).shape == (0, N_BITS)
    assert itq.transform(np.empty((0, D), np.float32)).shape == (0, N_BITS // 8)


def test_float64_and_float16_input_is_converted(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    half = vectors.astype(np.float16)
    np.testing.assert_array_equal(itq.transform(half), itq.transform(half.astype(np.float64)))


def test_fit_and_transform_copy_neither_the_input_nor_the_sample() -> None:
    vectors = np.random.default_rng(6).random((200_000, 384), np.float32)
    tracemalloc.start()
    try:
        itq = ITQ(128, 1, max_fit_rows=50_000).fit(vectors)
        # Two float64 blocks and the sample's projections; the sample itself would be another 0.25.
        assert tracemalloc.get_traced_memory()[1] < 0.35 * vectors.nbytes
        tracemalloc.reset_peak()
        itq.transform(vectors)
        assert tracemalloc.get_traced_memory()[1] < 0.15 * vectors.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_bits": 12}, "multiple of 8"),
        ({"n_bits": 0}, "at least 8"),
        ({"n_bits": 32.0}, "whole number"),
        ({"n_bits": 72}, "n_bits=72 is more than d=64: choose at most 64"),
        ({"n_iter": 0}, "n_iter"),
        ({"seed": -1}, "seed"),
        ({"max_fit_rows": 16}, "max_fit_rows must be a whole number of at least 32"),
    ],
)
def test_bad_parameters_are_refused_by_fit(
    vectors: NDArray[np.float32], parameters: dict[str, int], message: str
) -> None:
    itq = ITQ(**{"n_bits": N_BITS, **parameters})
    with pytest.raises(InputError, match=message):
        itq.fit(vectors)


def test_bad_vectors_are_refused_by_fit(vectors: NDArray[np.float32]) -> None:
    for value in (np.nan, np.inf):
        broken = vectors.copy()
        broken[5, 3] = value
        with pytest.raises(InputError, match="row 5"):
            ITQ(N_BITS).fit(broken)
    with pytest.raises(InputError, match="floating point"):
        ITQ(N_BITS).fit(np.ones((100, D), np.int32))
    with pytest.raises(InputError, match="shape"):
        ITQ(N_BITS).fit(vectors[0])
    with pytest.raises(InputError, match="31 rows; need at least n_bits=32"):
        ITQ(N_BITS).fit(vectors[:31])
    with pytest.raises(InputError, match="no variance"):
        ITQ(N_BITS).fit(np.repeat(vectors[:1], 100, axis=0))


def test_another_dimension_is_refused_by_transform(itq: ITQ, vectors: NDArray[np.float32]) -> None:
    for method in (itq.project, itq.transform):
        with pytest.raises(DimensionError, match="d=63, expected d=64"):
            method(vectors[:, :-1])


def test_nothing_works_before_fit(vectors: NDArray[np.float32], tmp_path: object) -> None:
    itq = ITQ(N_BITS)
    for call in (
        lambda: itq.project(vectors),
        lambda: itq.transform(vectors),
        lambda: itq.save(f"{tmp_path}/x"),
    ):
        with pytest.raises(NotFittedError, match="fit"):
            call()
