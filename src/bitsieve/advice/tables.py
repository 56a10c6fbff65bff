"""The numbers of an advice as tables of text, for the terminal and the page alike."""

from math import floor

from ..evaluation.report.numbers import NONE, interval, milliseconds, percent
from ..evaluation.report.tables import Table
from .front import CLOSE, fastest_at
from .results import ModelAdvice, Point, Way
from .setup import Setup

FAMILIES = {"asymmetric": "asymmetric", "hamming": "Hamming", "pivots": "pivots", "cells": "cells"}
SIGNS = {"asymmetric": "", "hamming": "H ", "pivots": "P ", "cells": "C "}
LEVELS = (0.9, 0.95, 0.99)


def finalists_table(advice: ModelAdvice, setup: Setup) -> Table:
    """A row for the fastest way of each family, timed in turn, and one for exact search; ★ is the one to take.

    Certain of an effort that was found for the target is the target, whatever its own bound.
    """
    rows = []
    for place, finalist in enumerate(advice.finalists):
        way = advice.ways[finalist.way]
        failed = finalist.effort is None
        rows.append(
            [
                ("★ " if place == advice.best and advice.worth else "") + name_of(way),
                str(way.n_bits),
                str(way.n_bytes),
                "not enough" if finalist.effort is None else effort_of(way, finalist.effort),
                percent(finalist.recall),
                percent(rounded_down(finalist.low)) if failed else whole(setup.target_recall),
                milliseconds(finalist.ms),
            ]
        )
    star = "" if advice.worth else "★ "
    exact = [f"{star}exact search", NONE, f"{4 * advice.dimension:,}", "all", percent(1), percent(1)]
    rows.append([*exact, milliseconds(advice.exact_ms)])
    return Table(["way", "bits", "bytes", "candidates", "recall", "at least", "a query"], rows)


def front_table(advice: ModelAdvice, setup: Setup) -> Table:
    """A row for each size of code that is clearly faster somewhere than all smaller ones, a column for each recall."""
    levels = sorted({*LEVELS, setup.target_recall})
    best: dict[float, float] = {}
    rows = []
    for n_bytes in sorted({way.n_bytes for way in advice.ways}):
        found = {level: fastest_at(advice.ways, n_bytes, level) for level in levels}
        times = {level: one[1].ms for level, one in found.items() if one and one[1].ms is not None}
        if any(ms * CLOSE <= best.get(level, float("inf")) for level, ms in times.items()):
            rows.append([str(n_bytes), *(_cell(found[level]) for level in levels)])
            best.update({level: min(ms, best.get(level, ms)) for level, ms in times.items()})
    return Table(["bytes", *(f"{whole(level)} recall" for level in levels)], rows)


def ways_table(advice: ModelAdvice, setup: Setup) -> Table:
    """A row for each way, at the least effort that was sure to reach the target on the choosing half."""
    rows = []
    for way in sorted(advice.ways, key=lambda way: (way.n_bytes, way.n_bits)):
        point = None if way.chosen is None else way.points[way.chosen]
        least = way.points[-1] if point is None else point
        rows.append(
            [
                name_of(way),
                str(way.n_bits),
                str(way.n_bytes),
                "not enough" if point is None else effort_of(way, point.effort),
                percent(least.recall.value),
                interval({"low": least.recall.low, "high": least.recall.high}),
                milliseconds(least.ms),
            ]
        )
    return Table(
        [
            "way",
            "bits",
            "bytes",
            "candidates",
            "recall",
            f"{whole(setup.confidence)} interval",
            "a query",
        ],
        rows,
    )


def name_of(way: Way) -> str:
    """What a way looks at, and how it scores: "asymmetric", "corrected", "pivots, corrected"."""
    if way.corrections:
        return "pivots, corrected" if way.kind == "pivots" else "corrected"
    return FAMILIES[way.family]


def effort_of(way: Way, effort: float) -> str:
    """How hard it looks: so many candidates, or "margin 0.12"."""
    return f"margin {effort:g}" if way.kind == "cells" else f"{effort:,.0f}"


def whole(share: float) -> str:
    """A share that was asked for, as it was: 0.985 as "98.5%"."""
    return f"{100 * share:g}%"


def in_bytes(n: int) -> str:
    """A size in words: "1 byte", "32 bytes"."""
    return "1 byte" if n == 1 else f"{n:,} bytes"


def rounded_down(low: float) -> float:
    """A lower bound as a thousandth that it still is one at.

    >>> rounded_down(0.9539)
    0.953
    """
    return floor(1000 * low + 1e-9) / 1000


def _cell(found: tuple[Way, Point] | None) -> str:
    if found is None:
        return NONE
    way, point = found
    effort = f"{point.effort:g}" if way.kind == "cells" else f"{point.effort:,.0f}"
    return f"{milliseconds(point.ms)} ({SIGNS[way.family]}{effort})"
