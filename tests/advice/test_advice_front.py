"""Fronts hold what nothing beats, and the fastest is chosen beyond the noise of timing."""

from advice_numbers import finalist, model_advice, point, usual, way
from hypothesis import given
from hypothesis import strategies as st

from bitsieve.advice.front import envelope, fastest, fastest_at, pareto_front, steps_down
from bitsieve.advice.plot import draw_points
from bitsieve.advice.results import Way
from bitsieve.advice.setup import Setup
from bitsieve.advice.tables import finalists_table, front_table, rounded_down, ways_table

measured = st.tuples(
    st.sampled_from([8, 16, 24]),
    st.sampled_from([0.1, 0.2, 0.4, None]),
    st.sampled_from([0.8, 0.9, 0.95, 1.0]),
)


def ways_of(points: list[tuple[int, float | None, float]]) -> list[Way]:
    return [
        way(n_bits=8 * n_bytes, points=[point(100, recall, ms)], chosen=0) for n_bytes, ms, recall in points
    ]


@given(st.lists(measured, max_size=12))
def test_the_front_holds_just_what_no_other_beats(points: list[tuple[int, float | None, float]]) -> None:
    timed = {(n_bytes, ms, -recall) for n_bytes, ms, recall in points if ms is not None}
    unbeaten = {
        one
        for one in timed
        if not any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in timed)
    }
    front = pareto_front(ways_of(points))
    found = [(points[i][0], points[i][1], -points[i][2]) for i, _ in front]
    assert set(found) == unbeaten
    assert len(found) == len(unbeaten)


def test_of_ways_about_as_fast_the_one_of_fewer_bytes_is_chosen() -> None:
    ways = [way(n_bits=256, ms=0.100), way(n_bits=192, ms=0.105), way(n_bits=64, ms=0.2)]
    assert fastest(ways, range(3)) == 1
    assert fastest(ways, [0, 2]) == 0
    assert fastest([way(chosen=None)], [0]) is None


def test_the_fastest_of_a_size_reaches_the_recall_asked_for() -> None:
    ways = [way(n_bits=64, ms=0.1), way(n_bits=64, ms=0.2, points=[point(50, 0.97, 0.01)], chosen=0)]
    found = fastest_at(ways, 8, 0.95)
    assert found is not None
    assert found[1].ms == 0.01
    assert fastest_at(ways, 8, 0.999) is None
    assert fastest_at(ways, 16, 0.5) is None


def test_the_envelope_rises_and_keeps_to_the_budget() -> None:
    ways = [way(n_bits=64, ms=0.3), way(n_bits=192, ms=0.1), way(n_bits=384, ms=0.001)]
    curve = envelope(ways, "asymmetric", 32)
    assert curve == sorted(curve)
    assert [recall for _, recall in curve] == sorted({recall for _, recall in curve})
    assert curve[0][0] > 0.01


def test_more_bytes_are_shown_where_they_are_faster() -> None:
    ways = [way(n_bits=64, ms=0.3), way(n_bits=128, ms=0.4), way(n_bits=192, ms=0.1)]
    assert steps_down(ways, "asymmetric") == [(8, 0.3), (24, 0.1)]


def test_a_row_of_the_front_is_faster_somewhere_than_all_smaller_codes() -> None:
    table = front_table(usual(), Setup(target_recall=0.97))
    assert table.columns == ["bytes", "90% recall", "95% recall", "97% recall", "99% recall"]
    # 64 bits of 0.34 ms, 192 of 0.12; 256 by Hamming distance and the pivots are slower than these.
    assert [row[0] for row in table.rows] == ["8", "24"]
    assert table.rows[1][1] == "0.096 ms (70)"


def test_the_finalists_table_stars_what_to_take_and_ends_in_exact_search() -> None:
    rows = finalists_table(usual(), Setup()).rows
    assert rows[0] == ["★ asymmetric", "192", "24", "140", "96.1%", "95%", "0.12 ms"]
    assert rows[-1][0] == "exact search"
    assert [row[0] for row in rows].count("★ asymmetric") == 1
    assert len(ways_table(usual(), Setup()).rows) == 4


def test_of_a_finalist_the_target_is_certain_and_of_one_that_failed_its_own_bound() -> None:
    ways = [way(), way("hamming", 256)]
    tried = [finalist(0, ways[0], low=0.9517), finalist(1, ways[1], effort=None, low=0.9417)]
    rows = finalists_table(model_advice(ways, tried, best=0), Setup()).rows
    assert [row[5] for row in rows] == ["95%", "94.1%", "100.0%"]


@given(st.floats(0, 1))
def test_a_bound_is_rounded_to_what_it_holds_for(low: float) -> None:
    assert low - 0.001 < rounded_down(low) <= low + 1e-9


def test_the_plot_puts_quick_points_left_and_good_ones_high_within_its_width() -> None:
    lines = draw_points([(0.1, 0.9, "a"), (1.0, 0.999, "E"), (0.05, 0.5, "x")], 60)
    assert max(map(len, lines)) <= 60
    top, ninety = lines[0], next(line for line in lines if line.startswith("   90%"))
    assert top.rstrip().endswith("E")
    assert ninety.split("│")[1].startswith("a")
    assert not any("x" in line for line in lines)
    assert draw_points([], 60) == []
    assert any("a" in line for line in draw_points([(0.1, 0.9, "a")], 60))
