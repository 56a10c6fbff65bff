"""The measures against their definitions: scipy, sorting, hand-checked values, simulated coverage."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from bitsieve.errors import DimensionError, InputError
from bitsieve.evaluation.measures import (
    exact_neighbours,
    neighbour_ranks,
    pair_cosines,
    recall_at,
    recall_interval,
    spearman,
    spread,
)


def unit_rows(n: int, d: int, *, seed: int = 0, centre: float = 0.0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((n, d)) + centre
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class TestSpearman:
    @pytest.mark.parametrize("n_values", [2, 5, 1_000], ids="n_values={}".format)
    def test_equals_scipy_with_ties(self, n_values: int) -> None:
        draws = np.random.default_rng(n_values)
        a = draws.integers(n_values, size=500)
        b = a + draws.integers(n_values, size=500)
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)

    def test_cosines_against_distances_equal_scipy(self) -> None:
        draws = np.random.default_rng(1)
        cosines = draws.standard_normal(5_000).astype(np.float32)
        distances = np.clip(np.rint(64 - 20 * cosines + 10 * draws.standard_normal(5_000)), 0, 128).astype(
            np.uint8
        )
        assert spearman(cosines, distances) == pytest.approx(
            spearmanr(cosines, distances).statistic, abs=1e-12
        )

    def test_only_the_order_counts(self) -> None:
        a = np.random.default_rng(2).standard_normal(100)
        assert spearman(a, np.exp(a)) == pytest.approx(1)
        assert spearman(a, -(a**3)) == pytest.approx(-1)

    def test_a_constant_has_no_order(self) -> None:
        assert np.isnan(spearman(np.ones(5), np.arange(5)))

    @pytest.mark.parametrize("a", [np.arange(4), np.zeros((5, 1)), [1, 2, 3, 4, np.nan]])
    def test_other_shapes_and_nan_are_refused(self, a: object) -> None:
        with pytest.raises(InputError):
            spearman(a, np.arange(5))  # type: ignore[arg-type]

    def test_a_single_pair_is_refused(self) -> None:
        with pytest.raises(InputError, match="n ≥ 2"):
            spearman([1], [2])


class TestExactNeighbours:
    def test_equal_sorting_all_cosines(self) -> None:
        queries, vectors = unit_rows(20, 48, seed=1), unit_rows(300, 48)
        cosines = queries.astype(np.float64) @ vectors.T.astype(np.float64)
        expected = np.argsort(-cosines, axis=1, kind="stable")[:, :10]
        np.testing.assert_array_equal(exact_neighbours(queries, vectors, 10), expected)

    def test_blocks_do_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        queries, vectors = unit_rows(20, 48, seed=1), unit_rows(300, 48)
        whole = exact_neighbours(queries, vectors, 10)
        monkeypatch.setattr("bitsieve.evaluation.measures.BLOCK", 7 * 300)
        np.testing.assert_array_equal(exact_neighbours(queries, vectors, 10), whole)

    @pytest.mark.parametrize("d", [7, 13, 384], ids="d={}".format)
    def test_copies_are_ordered_by_row(self, d: int) -> None:
        vectors = np.tile(unit_rows(3, d), (40, 1))
        rows = exact_neighbours(vectors[:3], vectors, 40)
        for i in range(3):
            assert rows[i].tolist() == list(range(i, 120, 3))

    def test_the_excluded_row_is_left_out_and_its_copy_is_not(self) -> None:
        vectors = unit_rows(50, 16)
        vectors[30] = vectors[4]
        rows = exact_neighbours(vectors[[4, 9]], vectors, 5, exclude=[4, 9])
        assert rows.dtype == np.int64
        assert rows[0, 0] == 30
        assert not (rows == [[4], [9]]).any()

    def test_all_other_rows_can_be_asked_for(self) -> None:
        vectors = unit_rows(6, 8)
        rows = exact_neighbours(vectors[:1], vectors, 5, exclude=[0])
        assert sorted(rows[0].tolist()) == [1, 2, 3, 4, 5]
        with pytest.raises(InputError, match="k=6"):
            exact_neighbours(vectors[:1], vectors, 6, exclude=[0])

    def test_no_query_gives_no_row(self) -> None:
        assert exact_neighbours(np.empty((0, 8), np.float32), unit_rows(6, 8), 3).shape == (0, 3)

    def test_another_dimension_is_refused(self) -> None:
        with pytest.raises(DimensionError):
            exact_neighbours(unit_rows(2, 9), unit_rows(6, 8), 3)

    @pytest.mark.parametrize("exclude", [[0], [0, 6], [-1, 0], [0.0, 1.0]])
    def test_bad_exclusions_are_refused(self, exclude: list[int]) -> None:
        with pytest.raises(InputError, match="exclude"):
            exact_neighbours(unit_rows(2, 8), unit_rows(6, 8), 3, exclude=exclude)


class TestNeighbourRanks:
    def test_hand_checked(self) -> None:
        scores = np.array([[5, 9, 5, 1, 9]])
        truth = np.array([[0, 1, 2, 3, 4]])
        assert neighbour_ranks(scores, truth).tolist() == [[2, 0, 3, 4, 1]]
        assert neighbour_ranks(scores, truth[:, [0, 2, 3, 4]], exclude=[1]).tolist() == [[1, 2, 3, 0]]
        assert neighbour_ranks(scores, truth[:, [0, 1, 3, 4]], exclude=[2]).tolist() == [[2, 0, 3, 1]]

    @pytest.mark.parametrize("levels", [3, 40, 10_000], ids="levels={}".format)
    def test_equal_a_stable_sort_without_the_excluded_row(self, levels: int) -> None:
        draws = np.random.default_rng(levels)
        distances = draws.integers(levels, size=(30, 200))
        exclude = draws.integers(200, size=30)
        for i in range(30):
            order = np.argsort(distances[i], kind="stable")
            order = order[order != exclude[i]]
            truth = draws.choice(order, size=(1, 10), replace=False)
            ranks = neighbour_ranks(-distances[[i]], truth, exclude=exclude[[i]])
            np.testing.assert_array_equal(order[ranks[0]], truth[0])

    def test_exact_scores_give_ranks_0_to_k(self) -> None:
        vectors = unit_rows(100, 32)
        truth = exact_neighbours(vectors[:9], vectors, 10, exclude=np.arange(9))
        ranks = neighbour_ranks(vectors[:9] @ vectors.T, truth, exclude=np.arange(9))
        np.testing.assert_array_equal(ranks, np.tile(np.arange(10), (9, 1)))

    def test_rows_that_were_filtered_out_come_last(self) -> None:
        scores = np.array([[-np.inf, 0.5, -np.inf]])
        assert neighbour_ranks(scores, [[0, 1, 2]]).tolist() == [[1, 0, 2]]

    def test_the_notebooks_size_takes_well_under_5_seconds(self) -> None:
        draws = np.random.default_rng(3)
        scores = draws.integers(128, size=(1_000, 10_000), dtype=np.int16)
        truth = draws.integers(1, 10_000, size=(1_000, 10))
        start = time.perf_counter()
        neighbour_ranks(scores, truth, exclude=np.zeros(1_000, np.int64))
        assert time.perf_counter() - start < 4

    def test_an_excluded_true_row_is_refused(self) -> None:
        with pytest.raises(InputError, match="excluded"):
            neighbour_ranks(np.zeros((1, 4)), [[2]], exclude=[2])

    def test_nan_and_other_shapes_are_refused(self) -> None:
        with pytest.raises(InputError, match="NaN"):
            neighbour_ranks([[np.nan, 1.0]], [[0]])
        with pytest.raises(InputError, match="truth"):
            neighbour_ranks(np.zeros((2, 4)), [[0]])
        with pytest.raises(InputError, match="truth"):
            neighbour_ranks(np.zeros((1, 4)), [[4]])


class TestRecall:
    def test_hand_checked(self) -> None:
        ranks = np.array([[0, 1, 99], [100, 5, 300]])
        np.testing.assert_allclose(recall_at(ranks, 100), [1, 1 / 3])
        np.testing.assert_allclose(recall_at(ranks, 1), [1 / 3, 0])

    def test_interval_of_full_recall_is_wilsons_at_q(self) -> None:
        estimate = recall_interval(np.ones(100), 10)
        assert estimate.value == estimate.high == 1
        assert estimate.low == pytest.approx(100 / (100 + 1.959964**2))  # 1 / (1 + z² / n)

    def test_interval_of_single_neighbours_is_wilsons(self) -> None:
        # 45 of 50: Wilson's interval is 0.7864 to 0.9565.
        estimate = recall_interval([1.0] * 45 + [0.0] * 5, 1)
        assert estimate.value == pytest.approx(0.9)
        assert (estimate.low, estimate.high) == pytest.approx((0.7864, 0.9565), abs=1e-4)

    def test_neighbours_missed_together_tell_less(self) -> None:
        together = recall_interval([1.0] * 45 + [0.0] * 5, 10)
        apart = recall_interval([0.9] * 48 + [0.8, 1.0], 10)
        assert together.value == pytest.approx(apart.value)
        assert together.high - together.low > 2 * (apart.high - apart.low)

    @pytest.mark.parametrize("share", [0.02, 0.7, 0.95, 0.98, 0.99], ids="recall={}".format)
    @pytest.mark.parametrize("correlation", [0.02, 0.3, 0.6], ids="correlation={}".format)
    def test_coverage_is_at_least_93_percent(self, share: float, correlation: float) -> None:
        draws = np.random.default_rng(4)
        strength = 1 / correlation - 1
        chances = draws.beta(share * strength, (1 - share) * strength, size=(1_000, 100))
        samples = draws.binomial(10, chances) / 10
        intervals = [recall_interval(sample, 10) for sample in samples]
        assert np.mean([i.low <= share <= i.high for i in intervals]) >= 0.93

    @pytest.mark.parametrize("per_query", [[], [1.1], [-0.1], [np.nan], [[1.0]]])
    def test_what_is_no_recall_is_refused(self, per_query: object) -> None:
        with pytest.raises(InputError):
            recall_interval(per_query, 10)  # type: ignore[arg-type]

    @pytest.mark.parametrize("level", [0, 1, 95])
    def test_levels_lie_between_0_and_1(self, level: float) -> None:
        with pytest.raises(InputError, match="level"):
            recall_interval([1.0], 10, level=level)


class TestSpread:
    def test_isotropic_vectors_fill_their_dimension(self) -> None:
        found = spread(unit_rows(20_000, 32))
        assert found.effective_dimension == pytest.approx(32, rel=0.02)
        assert found.mean_norm < 0.02
        assert found.cosine_mean == pytest.approx(0, abs=0.005)
        assert found.cosine_std == pytest.approx(32**-0.5, rel=0.02)

    def test_effective_dimension_counts_the_dimensions_in_use(self) -> None:
        vectors = np.zeros((5_000, 40), np.float32)
        vectors[:, 10:18] = unit_rows(5_000, 8)
        assert spread(vectors).effective_dimension == pytest.approx(8, rel=0.02)

    def test_effective_dimension_is_the_participation_ratio_of_the_eigenvalues(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bitsieve.evaluation.measures.BLOCK", 16 * 7)
        vectors = unit_rows(300, 16, centre=0.5)
        eigenvalues = np.linalg.eigvalsh(np.cov(vectors.T.astype(np.float64)))
        expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
        assert spread(vectors).effective_dimension == pytest.approx(expected)

    def test_mean_cosine_follows_from_the_norm_of_the_mean(self) -> None:
        n = 400
        found = spread(unit_rows(n, 16, centre=0.5))
        assert found.cosine_mean == pytest.approx((n * found.mean_norm**2 - 1) / (n - 1), abs=1e-6)

    def test_equal_vectors_have_no_dimension(self) -> None:
        found = spread(np.repeat(unit_rows(1, 24), 50, axis=0))
        assert found.effective_dimension == 0
        assert found.mean_norm == pytest.approx(1)
        assert found.cosine_percentiles == pytest.approx(dict.fromkeys((1, 5, 25, 50, 75, 95, 99), 1.0))

    def test_pairs_are_of_different_rows_and_follow_the_seed(self) -> None:
        vectors = unit_rows(1_000, 64)
        cosines = pair_cosines(vectors, n_pairs=50_000, seed=1)
        assert cosines.shape == (50_000,)
        assert cosines.max() < 0.9
        np.testing.assert_array_equal(cosines, pair_cosines(vectors, n_pairs=50_000, seed=1))
        assert (cosines != pair_cosines(vectors, n_pairs=50_000, seed=2)).any()

    def test_few_vectors_give_each_pair_once(self) -> None:
        vectors = unit_rows(4, 8)
        expected = (vectors @ vectors.T)[np.triu_indices(4, k=1)]
        np.testing.assert_allclose(pair_cosines(vectors), expected, atol=1e-6)

    def test_one_vector_has_no_pair(self) -> None:
        with pytest.raises(InputError, match="2 vectors"):
            spread(unit_rows(1, 8))
