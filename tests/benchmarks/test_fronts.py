"""Values checked by hand."""

import pytest

from fronts import Point, exponent, pareto, speed_at


def test_front_keeps_what_nothing_beats() -> None:
    points = [
        Point(0.90, 100),
        Point(0.95, 120),
        Point(0.99, 40),
        Point(0.98, 30),
        Point(0.99, 50),
        Point(0.999, 10),
    ]
    assert pareto(points) == [Point(0.95, 120), Point(0.99, 50), Point(0.999, 10)]


def test_front_of_equal_points_is_one_and_of_none_is_none() -> None:
    assert pareto([Point(0.9, 5), Point(0.9, 5)]) == [Point(0.9, 5)]
    assert pareto([]) == []


def test_speed_at_a_measured_recall_is_the_measured_speed() -> None:
    points = [Point(0.9, 1000), Point(0.99, 100)]
    assert speed_at(points, 0.9) == pytest.approx(1000)
    assert speed_at(points, 0.99) == pytest.approx(100)


def test_half_the_nines_between_costs_half_the_logarithm() -> None:
    # 1 − recall: 0.1, 0.0316…, 0.01, so half-way; speed 1000, √(1000 · 100), 100.
    points = [Point(0.9, 1000), Point(0.99, 100)]
    assert speed_at(points, 1 - 10**-1.5) == pytest.approx(10**2.5)


def test_a_point_off_the_front_changes_nothing() -> None:
    points = [Point(0.9, 1000), Point(0.99, 100)]
    assert speed_at([*points, Point(0.95, 90)], 0.96) == speed_at(points, 0.96)


def test_nothing_is_extrapolated_to_a_recall_not_reached() -> None:
    assert speed_at([Point(0.9, 1000)], 0.95) is None
    assert speed_at([], 0.95) is None


def test_below_the_least_recall_the_fastest_point_counts() -> None:
    assert speed_at([Point(0.97, 1000), Point(0.99, 100)], 0.95) == 1000


def test_recall_of_one_counts_as_a_small_miss() -> None:
    # 1 − recall: 0.01 and, in place of 0, 0.0001; 0.001 is half-way.
    assert speed_at([Point(0.99, 100), Point(1.0, 1)], 0.999) == pytest.approx(10)


def test_exponent_of_a_power_is_the_power() -> None:
    sizes = [10, 100, 1000]
    assert exponent(sizes, [3 * n**0.5 for n in sizes]) == pytest.approx(0.5)
