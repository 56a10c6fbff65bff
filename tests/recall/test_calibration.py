"""Calibration of any sieve: who is asked, what is certified, what time may do and what not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_sieve import SmallSieve, clustered

from bitsieve.errors import InputError
from bitsieve.recall import Calibration, Plan, calibrate, lower_bound, recalls
from bitsieve.recall.measuring import BATCH

N = 3000


TICK = 2.0**-20  # of a second; sums of these are exact


class TimedSieve(SmallSieve):
    """pace: ticks that a search by a plan takes for a query; nothing else takes time."""

    now = 0.0

    def pace(self, plan: Plan) -> float:
        return 10_000 if plan.exact else plan.n_candidates

    def search(self, queries: Any, k: int, plan: Plan) -> Any:
        TimedSieve.now += len(queries) * TICK * self.pace(plan)
        return super().search(queries, k, plan)


@pytest.fixture(autouse=True)
def _time_of_sieves(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("measuring", "calibration"):
        monkeypatch.setattr(f"bitsieve.recall.{module}.perf_counter", lambda: TimedSieve.now)


@pytest.fixture
def sieve() -> TimedSieve:
    return TimedSieve(clustered(N))


def true_recall(sieve: TimedSieve, plan: Plan, k: int) -> float:
    queries = clustered(2000, seed=5)
    return float(recalls(sieve.search(queries, k, plan)[1], sieve.exact(queries, k)[1]).mean())


@pytest.mark.parametrize("k", [1, 10])
@pytest.mark.parametrize("given", [True, False], ids=["queries", "documents"])
def test_the_plan_chosen_reaches_the_target_on_other_queries(sieve: TimedSieve, k: int, given: bool) -> None:
    found = calibrate(sieve, k, clustered(600, seed=4) if given else None, n_queries=600)
    assert (found.k, found.n, found.n_queries, found.sampled) == (k, N, 600, not given)
    chosen = [found.plan_for(target).plan for target in (0.5, 0.8, 0.9)]
    for target, plan in zip((0.5, 0.8, 0.9), chosen, strict=True):
        assert true_recall(sieve, plan, k) >= target
    depths = [plan.n_candidates for plan in chosen]
    assert depths == sorted(depths)
    assert depths[0] < depths[-1]
    assert not any(plan.exact for plan in chosen)


def test_points_lead_from_exact_search_to_the_cheapest_plan_with_the_bounds_of_their_recalls(
    sieve: TimedSieve,
) -> None:
    queries = clustered(300, seed=4)
    found = calibrate(sieve, 5, queries, confidence=0.9)
    exact, *points = found.points
    assert (exact.plan.exact, exact.recall, exact.lower) == (True, 1, 1)
    seconds = [point.seconds for point in found.points]
    assert seconds == sorted(seconds, reverse=True)
    true = sieve.exact(queries, 5)[1]
    for point in points:
        of_queries = recalls(sieve.search(queries, 5, point.plan)[1], true)
        assert point.recall == pytest.approx(of_queries.mean())
        assert point.lower == pytest.approx(lower_bound(of_queries, 0.9))
        assert point.seconds == pytest.approx(TICK * point.plan.n_candidates)


def asked(sieve: TimedSieve) -> list[bytes]:
    """The queries of all searches, each once, in order."""
    return list(dict.fromkeys(row.tobytes() for queries, _, _ in sieve.searched for row in queries))


def test_a_seed_makes_queries_recalls_and_bounds_again_and_another_draws_others(sieve: TimedSieve) -> None:
    results = []
    for seed in (1, 1, 2):
        sieve.searched.clear()
        results.append((calibrate(sieve, n_queries=300, seed=seed), asked(sieve)))
    (first, its), (again, agains), (other, others) = results
    assert its == agains
    assert replace(again, date=first.date) == first
    assert set(its) != set(others)
    assert other.queries_digest != first.queries_digest


def test_times_change_the_path_but_not_what_was_found(
    sieve: TimedSieve, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [calibrate(sieve, n_queries=150)]
    monkeypatch.setattr(sieve, "pace", lambda plan: 10_000 if plan.exact else abs(plan.n_candidates - 81))
    found.append(calibrate(sieve, n_queries=150))
    of_plans = [{point.plan: (point.recall, point.lower) for point in each.points} for each in found]
    common = of_plans[0].keys() & of_plans[1].keys()
    assert 1 < len(common) < len(of_plans[0])
    assert all(of_plans[0][plan] == of_plans[1][plan] for plan in common)
    assert found[0].queries_digest == found[1].queries_digest


def test_tuning_documents_are_not_among_those_that_certify(sieve: TimedSieve) -> None:
    calibrate(sieve, n_queries=250, n_tuning=150)
    plan = min({plan for _, _, plan in sieve.searched}, key=lambda plan: plan.n_candidates)
    rows = [row.tobytes() for queries, _, of in sieve.searched if of == plan for row in queries]
    assert len(rows) == len(set(rows)) == 400


def test_a_sampled_document_is_left_out_of_its_own_answer() -> None:
    # The only plan finds the document itself and nothing else: of a document's neighbours, that is none.
    only_itself = TimedSieve(clustered(500), n_dims=24, depths=(1,))
    found = calibrate(only_itself, 1, n_queries=100)
    assert found.sampled
    assert [point.recall for point in found.points] == [1, 0]
    own = calibrate(only_itself, 1, only_itself.vectors[:100])
    assert not own.sampled
    assert [point.recall for point in own.points] == [1, 1]


def test_copies_of_a_document_are_its_neighbours() -> None:
    vectors = np.repeat(clustered(40), 6, axis=0)
    found = calibrate(TimedSieve(vectors, n_dims=24, depths=(20,)), 5, n_queries=60)
    assert [point.recall for point in found.points] == [1, 1]


def test_plans_dearer_than_exact_search_are_not_certified(sieve: TimedSieve) -> None:
    sieve.depths = (20, 80, 20_000)
    found = calibrate(sieve, n_queries=200)
    assert {point.plan.n_candidates for point in found.points if not point.plan.exact} == {20, 80}
    sieve.depths = (20_000, 30_000)
    found = calibrate(sieve, n_queries=200)
    assert len(found.points) == 1
    assert found.plan_for(0.5).plan.exact
    assert found.n_queries == 0


def test_where_nothing_can_be_turned_exact_search_is_timed_and_no_more(sieve: TimedSieve) -> None:
    sieve.depths = ()
    found = calibrate(sieve, n_queries=1000)
    assert found.points[0].seconds == 10_000 * TICK
    assert (len(found.points), found.n_queries) == (1, 0)


def test_a_plan_that_finds_no_more_for_twice_the_time_is_asked_once_only(sieve: TimedSieve) -> None:
    sieve.n_dims, sieve.depths = 24, (20, 60, 100)  # all of them find everything
    calibrate(sieve, n_queries=600)
    n_asked = {
        depth: sum(len(q) for q, _, plan in sieve.searched if plan.n_candidates == depth)
        for depth in (20, 60)
    }
    assert n_asked == {20: 800, 60: BATCH}


def test_when_time_is_up_the_queries_asked_by_then_count(sieve: TimedSieve) -> None:
    whole = calibrate(sieve, n_queries=2000, n_tuning=100)
    cut = calibrate(sieve, n_queries=2000, n_tuning=100, seconds=0.7 * whole.seconds)
    assert cut.seconds < 0.9 * whole.seconds
    assert 0 < cut.n_queries < 2000
    assert cut.queries_digest != whole.queries_digest
    least = calibrate(sieve, n_queries=1000, seconds=0)
    assert least.n_queries == BATCH  # some are always asked
    assert len(least.points) == 2


def test_when_time_is_up_bounds_are_those_of_the_bets_made_for_all_queries(sieve: TimedSieve) -> None:
    queries = clustered(2000, seed=4)
    whole = calibrate(sieve, queries=queries, n_queries=2000, n_tuning=100)
    sieve.searched.clear()
    cut = calibrate(sieve, queries=queries, n_queries=2000, n_tuning=100, seconds=0.7 * whole.seconds)
    were_asked = set(asked(sieve))
    queries = np.array([row for row in queries if row.tobytes() in were_asked])
    assert 0 < cut.n_queries == len(queries) < 2000
    true = sieve.exact(queries, 10)[1]
    assert len(cut.points) > 2
    for point in cut.points[1:]:
        of_queries = recalls(sieve.search(queries, 10, point.plan)[1], true)
        assert point.lower == pytest.approx(lower_bound(of_queries, planned=2000), abs=1e-8)
        assert point.lower != pytest.approx(lower_bound(of_queries), abs=1e-5)


def test_without_a_query_nothing_is_calibrated(sieve: TimedSieve) -> None:
    with pytest.raises(InputError, match="queries are none: give some"):
        calibrate(sieve, queries=clustered(0))
    assert not sieve.searched


def test_of_many_queries_given_some_are_drawn(sieve: TimedSieve) -> None:
    queries = clustered(500, seed=4)
    some = calibrate(sieve, queries=queries, n_queries=120)
    assert some.n_queries == 120
    certifying = {row.tobytes() for row in queries} & set(asked(sieve))
    assert len(certifying) == 120


@pytest.mark.parametrize("seconds", [None, 0])
def test_progress_is_told_up_to_the_end(sieve: TimedSieve, seconds: int | None) -> None:
    told: list[tuple[int, int]] = []
    calibrate(
        sieve, n_queries=300, n_tuning=120, seconds=seconds, progress=lambda done, n: told.append((done, n))
    )
    done = [at[0] for at in told]
    assert done == sorted(set(done))
    assert told[-1] == (420, 420)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_of_next_to_nothing_exact_search_is_the_plan(n: int) -> None:
    found = calibrate(TimedSieve(clustered(n)), n_queries=50)
    assert found.plan_for(0.9).plan.exact
    assert found.n_queries <= n
    assert Calibration.from_dict(found.to_dict()) == found


def test_fewer_documents_than_queries_wanted_are_shared_out() -> None:
    found = calibrate(TimedSieve(clustered(400)), n_queries=900, n_tuning=300)
    assert found.n_queries == 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0}, {"k": 1.5}, {"confidence": 1}, {"n_queries": 0}, {"n_tuning": 0}, {"seed": -1}, {"seconds": -1},
        {"seconds": "5"}, {"queries": np.ones((3, 24), np.float32)}, {"queries": ["text"]},
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_searched(sieve: TimedSieve, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        calibrate(sieve, **{"n_queries": 50, **wrong})
    assert not sieve.searched
