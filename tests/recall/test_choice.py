"""The path of plans, how far down it a target goes, and what is kept of it."""

import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsieve.errors import FormatError, InputError, RecallWarning
from bitsieve.recall import Calibration, Plan, Point, front, passed
from bitsieve.recall.choice import SAVING
from bitsieve.recall.record import certified

EXACT = Point(Plan(exact=True), 1.0, 1.0, 1e-3)


def calibration(*lower_and_seconds: tuple[float, float]) -> Calibration:
    points = [
        Point(Plan(n_candidates=1000 - i, probe_margin=0.1 * i), lower + 0.01, lower, seconds)
        for i, (lower, seconds) in enumerate(lower_and_seconds)
    ]
    return Calibration(
        k=10, confidence=0.95, points=(EXACT, *points), n_queries=1000, sampled=True, queries_digest="0" * 16,
        n=5000, seconds=1.5, seed=3, date="2025-01-01T00:00:00+00:00",
    )  # fmt: skip


costs = st.lists(st.tuples(st.floats(0, 1), st.floats(1e-6, 1)), max_size=20)


@given(plans=costs, most=st.floats(1e-6, 1))
def test_the_path_leads_from_high_recall_and_cost_to_low_and_misses_no_plan_that_is_better(
    plans: list[tuple[float, float]], most: float
) -> None:
    recalls, seconds = np.array(plans).reshape(-1, 2).T
    path = front(recalls, seconds, most)
    assert (np.diff(recalls[path]) <= 0).all()
    steps = np.append(most, seconds[path])
    assert (steps[1:] <= SAVING * steps[:-1]).all()
    for recall, cost in plans:  # one of the path finds as much, and takes hardly longer
        as_good = [EXACT.recall >= recall and SAVING * most <= cost]
        as_good += [recalls[i] >= recall and SAVING * seconds[i] <= cost for i in path]
        assert any(as_good)


@given(lower=st.lists(st.floats(0, 1), max_size=10), target=st.floats(0.01, 1))
def test_plans_are_passed_up_to_the_first_that_falls_short(lower: list[float], target: float) -> None:
    n = passed(lower, target)
    assert all(bound >= target for bound in lower[:n])
    assert n == len(lower) or lower[n] < target


def test_the_cheapest_plan_passed_is_chosen_and_none_behind_one_that_fell_short() -> None:
    found = calibration((0.99, 5e-4), (0.97, 3e-4), (0.96, 4e-4), (0.94, 2e-4), (0.95, 1e-4))
    assert found.plan_for(0.95).seconds == 3e-4
    assert found.plan_for(0.94).seconds == 1e-4
    assert found.plan_for(0.99).seconds == 5e-4
    assert found.plan_for(0.995) == found.plan_for(1) == EXACT


def test_exact_search_is_chosen_where_it_is_cheapest() -> None:
    assert calibration((0.99, 2e-3)).plan_for(0.9) == EXACT
    assert calibration().plan_for(0.9) == EXACT


def test_a_warning_says_that_only_exact_search_reaches_the_target_and_what_to_do() -> None:
    found = calibration((0.98, 1e-4), (0.9, 5e-5))
    with pytest.warns(
        RecallWarning, match=r"of 0\.99 .* takes 10\.0 times as long .* Calibrate with more queries"
    ):
        found.warn_unless_reached(0.99)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for target in (0.5, 0.98, 1):
            found.warn_unless_reached(target)
        calibration().warn_unless_reached(0.99)  # there is nothing cheaper than exact search
        calibration((0.98, 1e-4)).warn_unless_reached(1.0)  # asked for


def test_certified_points_begin_with_exact_search_and_have_the_means_and_bounds_of_their_plans() -> None:
    plans, recalls = [Plan(n_candidates=40), Plan(n_candidates=20)], np.tile([[1, 0.5], [0.8, 0.4]], (50, 1))
    points = certified(1e-3, plans, recalls, np.array([2e-4, 1e-4]), 0.95)
    assert points[0] == EXACT
    assert [point.plan for point in points[1:]] == plans
    assert [point.recall for point in points[1:]] == pytest.approx([0.9, 0.45])
    assert all(0 < point.recall - point.lower < 0.1 for point in points[1:])
    assert certified(1e-3, [], np.empty((0, 0)), np.empty(0), 0.95) == (EXACT,)


def test_a_calibration_survives_json() -> None:
    found = calibration((0.99, 5e-4), (0.97, 3e-4))
    found = replace(
        found, points=(*found.points, Point(Plan(scoring="hamming", pivot_threshold=0.2), 0.9, 0.8, 1e-5))
    )
    again = Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found


@pytest.mark.parametrize(
    "change",
    [
        {"points": []},
        {"points": [{"plan": {"n_candidates": 5}, "recall": 1, "lower": 1, "seconds": 1}]},
        {"points": [{"plan": {"speed": 5}, "recall": 1, "lower": 1, "seconds": 1}]},
        {"points": [{"recall": 1}]},
        {"points": 5},
        {"surprise": 1},
    ],
)
def test_what_is_no_calibration_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="calibrate again"):
        Calibration.from_dict(calibration().to_dict() | change)
    with pytest.raises(FormatError, match="calibrate again"):
        Calibration.from_dict({})


@pytest.mark.parametrize("target", [0, -0.1, 1.01, 95, np.nan, "0.9", None, True])
def test_a_target_out_of_range_is_refused(target: Any) -> None:
    with pytest.raises(InputError, match="target_recall must be"):
        calibration().plan_for(target)
