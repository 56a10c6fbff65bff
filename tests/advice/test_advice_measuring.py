"""What is measured of ways: recall is that of the search, efforts that are given keep the target on other queries."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from advice_numbers import SETUP, clustered, finalist, point, way
from numpy.typing import NDArray

from bitsieve.advice import finalists, timing, trial
from bitsieve.advice.cells import cell_bits, fit_cells, measure_cells
from bitsieve.advice.codes import fit_itq, fit_pivots, measure_codes
from bitsieve.advice.finalists import best_of, choose_finalists, try_finalists
from bitsieve.advice.run import Fitted, advise
from bitsieve.advice.setup import Setup, bits_for, candidate_numbers, cell_candidates, probe_margins
from bitsieve.advice.sources import Sample
from bitsieve.advice.trial import Trial, first_enough
from bitsieve.arrays import FloatArray, RowArray
from bitsieve.errors import InputError
from bitsieve.evaluation.measures import exact_neighbours
from bitsieve.recall.bounds import lower_bound

N, D, Q = 1_200, 32, 200


@pytest.fixture
def counted_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that are the same in every run: a search's place among those timed in turn."""

    def count(
        searches: Sequence[Callable[[FloatArray], object]], queries: FloatArray, **_: object
    ) -> list[float]:
        return [float(place) for place, _ in enumerate(searches, 1)]

    monkeypatch.setattr(trial, "milliseconds", count)
    monkeypatch.setattr(finalists, "milliseconds", count)


def make_trial(setup: Setup = SETUP) -> Trial:
    rows = clustered(N + Q, D)
    vectors, queries = rows[Q:], rows[:Q]
    return Trial(setup, vectors, queries, exact_neighbours(queries, vectors, setup.k))


@pytest.mark.usefixtures("counted_time")
def test_recall_by_ranks_is_the_recall_of_the_search_with_so_many_candidates() -> None:
    measured = make_trial()
    pivots, itq = fit_pivots(measured), fit_itq(measured, 24)
    ways = measure_codes(measured, itq, pivots)
    fitted = Fitted(pivots, {24: itq})
    assert {(one.family, one.corrections) for one in ways} == {
        ("asymmetric", False), ("asymmetric", True), ("hamming", False), ("pivots", False), ("pivots", True),
    }  # fmt: skip
    for one in ways:
        search = fitted.search(measured, one)
        for of_way in one.points[::6]:
            found = measured.recalls(search(measured.queries, of_way.effort)).mean()
            # The search rounds queries to whole numbers, and corrections to bytes, which the ranks do not.
            assert found == pytest.approx(of_way.recall.value, abs=0.01), (one.family, of_way)


@pytest.mark.usefixtures("counted_time")
def test_recall_rises_with_candidates_and_bounds_lie_around_it() -> None:
    measured = make_trial()
    for one in measure_codes(measured, fit_itq(measured, 24), fit_pivots(measured)):
        recalls = [of_way.recall.value for of_way in one.points]
        assert recalls == sorted(recalls)
        assert all(p.recall.low <= p.recall.value <= p.recall.high and p.low <= 1 for p in one.points)
        assert one.chosen is None or one.points[one.chosen].ms is not None
        assert one.n_bytes == 3 + 2 * one.corrections + 32 * (one.kind == "pivots")


@pytest.mark.usefixtures("counted_time")
def test_margins_of_cells_are_measured_until_all_is_found_or_half_is_visited() -> None:
    measured = make_trial()
    one = measure_cells(measured, fit_cells(measured, 24))
    assert (one.family, one.n_bytes) == ("cells", 4)
    assert one.points[-1].recall.value > one.points[0].recall.value
    assert [p.effort for p in one.points] == probe_margins()[: len(one.points)]


@pytest.mark.usefixtures("counted_time")
def test_cells_are_asked_for_as_many_as_the_codes() -> None:
    measured = make_trial(Setup(k=600))
    one = measure_cells(measured, fit_cells(measured, 24))
    cells = fit_cells(measured, 24)
    found = Fitted(None, cells={24: cells}).search(measured, one)(measured.queries[:2], 0.82)
    assert found.shape == (2, 600)
    assert one.points[-1].recall.value > 0.9


@pytest.mark.usefixtures("counted_time")
def test_where_too_few_vectors_differ_there_are_no_pivots() -> None:
    rows = np.repeat(clustered(7, D), 40, axis=0)
    sample = Sample(None, rows[:200], rows[200:], len(rows), "held out")
    (found,) = advise([sample], Setup(target_recall=0.5), name="rows").models
    assert {one.kind for one in found.ways} == {"codes"}
    assert found.best is not None


def test_pivots_keep_half_of_the_loss_allowed_on_the_choosing_queries() -> None:
    measured = make_trial()
    pivots = fit_pivots(measured)
    passed = np.unpackbits(pivots.passed, axis=1, count=N).astype(bool)
    kept = np.take_along_axis(passed, measured.truth, axis=1)
    assert kept[measured.choosing].mean() >= 0.975
    assert pivots.reduction == pytest.approx(1 - passed.mean())


def test_the_halves_of_the_queries_share_none() -> None:
    measured = make_trial()
    every = np.arange(Q)
    assert not set(every[measured.choosing]) & set(every[measured.trying])
    assert len(every[measured.choosing]) + len(every[measured.trying]) == Q


def test_the_chosen_effort_is_the_first_from_which_on_all_reach_the_target() -> None:
    assert first_enough(np.array([0.9, 0.96, 0.94, 0.95, 0.97]), 0.95) == 3
    assert first_enough(np.array([0.96, 0.97]), 0.95) == 0
    assert first_enough(np.array([0.96, 0.9]), 0.95) is None


def finding(
    recall_at: Callable[[float], float], measured: Trial, draws: np.random.Generator
) -> Callable[..., Any]:
    """A search that finds each query's true rows all or not at all, with a probability by its effort."""

    def search(queries: FloatArray, effort: float) -> RowArray:
        truth = measured.truth[measured.trying]
        lucky = draws.random(len(truth)) < recall_at(effort)
        return np.where(lucky[:, np.newaxis], truth, -1)

    return search


def any_trial(q: int, setup: Setup = SETUP) -> Trial:
    empty: NDArray[np.float32] = np.zeros((1, 8), np.float32)
    return Trial(setup, empty, np.zeros((q, 8), np.float32), np.tile(np.arange(10), (q, 1)))


@pytest.mark.usefixtures("counted_time")
def test_in_few_of_many_trials_is_the_true_recall_below_the_target() -> None:
    def true_recall(effort: float) -> float:
        return 1 - 5.1 / effort  # at 100 just below 0.95

    efforts = candidate_numbers(10, 2_000)
    one = way(
        points=[point(effort, true_recall(effort), 1.0) for effort in efforts], chosen=efforts.index(150)
    )
    measured, draws = any_trial(1_000), np.random.default_rng(5)
    search = finding(true_recall, measured, draws)
    below = sure = 0
    for _ in range(400):
        ((found,), _) = try_finalists(measured, [one], [0], lambda _: search, 0.95)
        sure += found.effort is not None
        below += found.effort is not None and true_recall(found.effort) < 0.95
    assert sure > 390
    assert below <= 400 * 0.05 + 2 * (400 * 0.05 * 0.95) ** 0.5


@pytest.mark.usefixtures("counted_time")
def test_an_effort_is_given_only_when_it_and_all_greater_ones_tried_kept_the_target() -> None:
    efforts = [100, 120, 150, 180, 220]
    one = way(points=[point(effort, 0.97, 1.0) for effort in efforts], chosen=2)
    measured = any_trial(600)
    draws = np.random.default_rng(1)

    def tried(kept: set[float]) -> float | None:
        search = finding(lambda effort: 1.0 if effort in kept else 0.5, measured, draws)
        ((found,), _) = try_finalists(measured, [one], [0], lambda _: search, 0.95)
        assert (found.low >= 0.95) == (found.effort is not None)
        assert found.effort is None or found.low == pytest.approx(lower_bound(np.ones(300), 0.95))
        return found.effort

    assert tried({150, 180, 220}) == 150
    assert tried({100, 120, 180, 220}) == 180  # 150 failed, so what 120 gives is not asked
    assert tried({100, 120, 150, 180}) is None
    assert tried(set(efforts)) == 100


def test_finalists_are_within_the_budget_but_for_the_pivots_before_the_same_codes() -> None:
    ways = [
        way(n_bits=384, ms=0.01), way(n_bits=192, ms=0.1), way("pivots", 192, 3.0), way("pivots", 384, 3.0),
        way("hamming", 256, 0.2), way("hamming", 128, chosen=None), way("cells", 248, 0.05, 0.1),
    ]  # fmt: skip
    assert choose_finalists(ways, 32) == [1, 2, 4, 6]
    assert choose_finalists(ways, 4) == []


def test_the_best_finalist_is_sure_within_the_budget_and_smallest_of_those_about_as_fast() -> None:
    ways = [
        way(n_bits=256, ms=0.100),
        way(n_bits=192, ms=0.105),
        way(n_bits=64, ms=0.3),
        way("pivots", 64, 0.01),
    ]
    tried = [finalist(i, one) for i, one in enumerate(ways)]
    assert best_of(ways, tried, 32) == 1
    assert best_of(ways, tried, 20) == 2
    assert best_of(ways, tried, 100) == 3
    assert best_of(ways, [replace(tried[1], effort=None), tried[2]], 32) == 1
    assert best_of(ways, [], 32) is None


@pytest.mark.usefixtures("counted_time")
def test_finalists_of_all_models_share_the_error() -> None:
    rows = clustered(N + Q, D)
    samples = [Sample(name, rows[Q:], rows[:Q], N + Q, "held out") for name in ("one", "other")]
    found = advise(samples, Setup(target_recall=0.8), name="rows").models
    assert len(found[0].finalists) > 1
    assert all(one.confidence == pytest.approx(1 - 0.05 / (2 * len(one.finalists))) for one in found)


@pytest.mark.usefixtures("counted_time")
def test_the_same_seed_and_times_give_the_same_advice_and_another_seed_another() -> None:
    rows = clustered(N + Q, D)

    def run(seed: int) -> dict[str, Any]:
        setup = Setup(target_recall=0.9, seed=seed)
        sample = Sample(None, rows[Q:], rows[:Q], N + Q, "vectors of the file, held out")
        found = advise([sample], setup, name="rows").to_dict()
        return {name: found[name] for name in ("name", "models", "text")}

    assert run(1) == run(1)
    assert run(1)["models"][0]["ways"] != run(2)["models"][0]["ways"]


def test_times_are_of_the_median_round_and_a_quick_search_is_asked_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, asked = [0.0], {"quick": 0, "slow": 0}
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def search(name: str, seconds: float) -> Callable[[FloatArray], None]:
        def of_queries(queries: FloatArray) -> None:
            asked[name] += len(queries)
            clock[0] += seconds + (50.0 if name == "slow" and asked[name] == 10 else 0.0)  # in one round

        return of_queries

    times = timing.milliseconds(
        [search("quick", 0.001), search("slow", 1.0)], np.zeros((100, 4), np.float32), round_seconds=0.05
    )
    assert times == pytest.approx([1.0, 1000.0])
    assert asked == {"quick": 2 + 5 * 50, "slow": 2 + 5 * timing.LEAST_QUERIES}


def test_efforts_and_bits_keep_to_what_there_is() -> None:
    assert bits_for(1_024, 10**6) == [64, 96, 128, 192, 256, 320, 384]
    assert bits_for(384, 130) == [64, 96, 128]
    assert bits_for(40, 1_000) == [40]
    assert candidate_numbers(20, 100) == [22, 27, 33, 39, 47, 56, 68, 82]
    assert candidate_numbers(10, 10**6)[-1] == 10_000
    for k, n in ((75, 80), (10_001, 10**6), (10, 10)):
        with pytest.raises(InputError, match=f"k={k} is too many"):
            candidate_numbers(k, n)
    assert cell_candidates(31) == 500
    assert cell_candidates(32) == 512
    assert cell_bits(384, 19_999) == []
    assert cell_bits(128, 20_000) == [120]


@pytest.mark.parametrize(
    "wrong",
    [{"target_recall": 1.0}, {"budget_bytes": 0}, {"k": 0}, {"rows": 10}, {"seed": -1}, {"confidence": 2}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_setup_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Setup(**wrong)
