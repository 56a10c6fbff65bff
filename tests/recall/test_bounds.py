"""Laws of bounds for means: they hold as often as promised, whatever the distribution, and are not loose."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.errors import InputError
from bitsieve.recall import ConfidenceSequence, interval, lower_bound, upper_bound
from bitsieve.recall.bounds import ANY_TIME, BOLDEST, SPREADS

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def recalls_near_one(rng: np.random.Generator, n: int) -> Floats:
    return rng.choice([1, 0.9, 0.8, 0.5], n, p=[0.95, 0.03, 0.01, 0.01])


DISTRIBUTIONS: dict[str, tuple[float, Draw]] = {
    "one query in a hundred finds nothing": (0.99, lambda rng, n: 1.0 - rng.binomial(1, 0.01, n)),
    "recalls near one": (0.99, recalls_near_one),
    "two points": (0.3, lambda rng, n: rng.choice([0.1, 0.9], n, p=[0.75, 0.25])),
    "uniform": (0.5, lambda rng, n: rng.random(n)),
    "coins": (0.5, lambda rng, n: rng.binomial(1, 0.5, n).astype(float)),
    "rarely one": (0.02, lambda rng, n: rng.binomial(1, 0.02, n).astype(float)),
    "no spread": (0.7, lambda rng, n: np.full(n, 0.7)),
}

unit_values = st.lists(
    st.sampled_from([i / 10 for i in range(11)]) | st.floats(0, 1), min_size=1, max_size=40
)


def capital(values: Floats, m: float, bets: Floats, shares: Floats) -> float:
    """What a bettor on values above m has in the end, one value after the other."""
    purses = shares / shares.sum()
    for value in values:
        purses *= 1 + np.minimum(bets, BOLDEST / m) * (value - m)
    return float(purses.sum())


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("n", [20, 300])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_bound_is_wrong_no_more_often_than_promised(name: str, n: int, confidence: float) -> None:
    mean, draw = DISTRIBUTIONS[name]
    rng, times = np.random.default_rng(7), 400
    samples = np.stack([draw(rng, n) for _ in range(times)], axis=1)
    most = times * (1 - confidence) + 3 * math.sqrt(times * confidence * (1 - confidence))
    assert np.count_nonzero(lower_bound(samples, confidence) > mean + 1e-9) <= most
    assert np.count_nonzero(upper_bound(samples, confidence) < mean - 1e-9) <= most
    low, high = interval(samples, confidence)
    assert np.count_nonzero((low > mean + 1e-9) | (high < mean - 1e-9)) <= most


@pytest.mark.parametrize("name", ["one query in a hundred finds nothing", "two points", "coins"])
def test_looking_after_every_few_values_is_wrong_no_more_often_than_promised(name: str) -> None:
    mean, draw = DISTRIBUTIONS[name]
    rng, times, wrong = np.random.default_rng(8), 150, np.zeros(2)
    for _ in range(times):
        values, sequence, ever = draw(rng, 200), ConfidenceSequence(0.9), np.zeros(2, bool)
        for start in range(0, 200, 20):
            sequence.add(values[start : start + 20])
            ever |= [sequence.lower > mean + 1e-9, sequence.upper < mean - 1e-9]
        wrong += ever
    assert (wrong <= times * 0.1 + 3 * math.sqrt(times * 0.09)).all()


@settings(deadline=None, max_examples=60)
@given(values=unit_values, confidence=st.sampled_from([0.5, 0.9, 0.99]))
def test_the_bound_is_the_mean_at_which_the_capital_suffices(values: list[float], confidence: float) -> None:
    table, alpha = np.array(values), 1 - confidence
    lower = lower_bound(table, confidence)
    assert 0 <= lower <= table.mean()
    bets = np.sqrt(2 * (1 + math.log(1 / alpha)) / len(table)) / SPREADS
    if lower > 1e-6:
        assert capital(table, lower - 1e-7, bets, bets) >= 1 / alpha * (1 - 1e-9)
    if lower < table.mean() - 1e-6:
        assert capital(table, lower + 1e-7, bets, bets) <= 1 / alpha * (1 + 1e-9)


@settings(deadline=None, max_examples=60)
@given(values=unit_values, data=st.data())
def test_bounds_rise_with_every_value_and_fall_with_confidence(values: list[float], data: Any) -> None:
    table = np.array(values)
    higher = table.copy()
    higher[data.draw(st.integers(0, len(table) - 1))] = 1.0
    for bound in (lower_bound, upper_bound):
        assert bound(higher) >= bound(table) - 1e-8
    assert lower_bound(table, 0.99) <= lower_bound(table, 0.9) + 1e-8
    assert upper_bound(table, 0.99) >= upper_bound(table, 0.9) - 1e-8


@settings(deadline=None, max_examples=30)
@given(values=unit_values)
def test_an_upper_bound_is_the_lower_bound_of_what_is_missing(values: list[float]) -> None:
    table = np.array(values)
    assert upper_bound(table) == 1 - lower_bound(1 - table)
    assert interval(table, 0.9) == (lower_bound(table, 0.95), upper_bound(table, 0.95))


def test_neither_order_nor_parts_matter() -> None:
    values = recalls_near_one(np.random.default_rng(0), 200)
    assert lower_bound(values) == lower_bound(np.sort(values))
    whole, parts = ConfidenceSequence(), ConfidenceSequence()
    whole.add(values)
    for part in np.split(values[::-1], 10):
        parts.add(part)
    assert (parts.n, parts.lower, parts.upper) == pytest.approx((200, whole.lower, whole.upper), abs=1e-8)
    assert whole.mean == pytest.approx(values.mean())


def test_a_sequences_bounds_are_those_of_its_bets() -> None:
    values = recalls_near_one(np.random.default_rng(1), 100)
    sequence = ConfidenceSequence(0.9)
    sequence.add(values)
    equal = np.ones(len(ANY_TIME))
    assert capital(values, sequence.lower, ANY_TIME, equal) == pytest.approx(10, rel=1e-5)
    assert capital(1 - values, 1 - sequence.upper, ANY_TIME, equal) == pytest.approx(10, rel=1e-5)


def test_columns_are_bounded_each_on_its_own() -> None:
    table = np.random.default_rng(2).random((50, 3))
    for bound in (lower_bound, upper_bound):
        np.testing.assert_array_equal(bound(table), [bound(column) for column in table.T])


def test_more_values_of_a_kind_bring_the_bounds_together() -> None:
    some = np.repeat([1.0, 0.9, 0.5], [90, 8, 2])
    margins = [some.mean() - lower_bound(np.tile(some, times)) for times in (1, 4, 16)]
    assert margins[0] > 1.9 * margins[1] > 3.5 * margins[2] > 0


def test_near_one_the_margin_is_a_fraction_of_hoeffdings_and_half_of_bernsteins() -> None:
    values = recalls_near_one(np.random.default_rng(3), 500)
    margin = values.mean() - lower_bound(values)
    hoeffding = math.sqrt(math.log(20) / 1000)
    bernstein = math.sqrt(2 * values.var(ddof=1) * math.log(40) / 500) + 7 * math.log(40) / (3 * 499)
    assert margin < hoeffding / 4
    assert margin < bernstein / 2


def test_five_hundred_perfect_recalls_are_certified_to_be_above_0_993() -> None:
    # No bound that holds for every distribution can be above 0.05 ** (1 / 500) = .9940.
    assert 0.993 < lower_bound(np.ones(500)) < 0.05 ** (1 / 500)


@settings(deadline=None, max_examples=40)
@given(values=unit_values, more=st.integers(0, 500))
def test_fewer_values_than_planned_are_bounded_by_the_bets_for_all_of_them(
    values: list[float], more: int
) -> None:
    table, alpha, planned = np.array(values), 0.05, len(values) + more
    lower = lower_bound(table, planned=planned)
    bets = np.sqrt(2 * (1 + math.log(1 / alpha)) / planned) / SPREADS
    if lower > 1e-6:
        assert capital(table, lower - 1e-7, bets, bets) >= 1 / alpha * (1 - 1e-9)
    if lower < table.mean() - 1e-6:
        assert capital(table, lower + 1e-7, bets, bets) <= 1 / alpha * (1 + 1e-9)
    assert lower_bound(table, planned=len(table)) == lower_bound(table)


@pytest.mark.parametrize("name", ["one query in a hundred finds nothing", "two points", "coins"])
def test_a_planned_bound_is_wrong_no_more_often_than_promised_wherever_one_stops(name: str) -> None:
    mean, draw = DISTRIBUTIONS[name]
    rng, times, wrong = np.random.default_rng(9), 150, 0
    for _ in range(times):
        values = draw(rng, 200)
        wrong += any(lower_bound(values[:n], 0.9, planned=200) > mean + 1e-9 for n in range(20, 201, 20))
    assert wrong <= times * 0.1 + 3 * math.sqrt(times * 0.09)


def test_without_values_nothing_is_known() -> None:
    assert (lower_bound([]), upper_bound([])) == (0, 1)
    np.testing.assert_array_equal(lower_bound(np.empty((0, 3))), np.zeros(3))
    assert lower_bound(np.empty((5, 0))).shape == (0,)
    sequence = ConfidenceSequence()
    sequence.add([])
    assert (sequence.n, sequence.lower, sequence.upper) == (0, 0, 1)
    assert math.isnan(sequence.mean)
    assert (lower_bound(np.zeros(9)), upper_bound(np.ones(9))) == (0, 1)


@pytest.mark.parametrize(
    "values", [[1.1], [-0.1], [np.nan], [np.inf], np.ones((2, 2, 2)), 0.5, ["x"], [[1, 0], [1]]]
)
def test_values_that_are_not_from_0_to_1_are_refused(values: Any) -> None:
    for bound in (lower_bound, upper_bound, interval, ConfidenceSequence().add):
        with pytest.raises(InputError, match="values must be"):
            bound(values)


@pytest.mark.parametrize("confidence", [0, 1, -1, 95, np.nan, "0.95", None, True])
def test_a_confidence_out_of_range_is_refused(confidence: Any) -> None:
    for bound in (lower_bound, upper_bound, interval):
        with pytest.raises(InputError, match="confidence must be"):
            bound([1.0], confidence)
    with pytest.raises(InputError, match="confidence must be"):
        ConfidenceSequence(confidence)
    with pytest.raises(InputError, match="of shape"):
        ConfidenceSequence().add(np.ones((2, 2)))
