"""The three figures of an advice. Colour never stands alone: each family has a marker and a line style of its own."""

from collections.abc import Sequence
from typing import Any

from ..evaluation.report.axes import SCORINGS, Series, legend, share_axis
from ..evaluation.report.numbers import number
from ..evaluation.report.svg import INK, SERIES
from .front import envelope, steps_down
from .results import ModelAdvice
from .setup import Setup
from .tables import FAMILIES

STEPS = (
    (1.0,),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0),
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
)
"""Ticks of a decade, from coarse to fine."""

LEAST_TICKS = 4
"""An axis with fewer takes the next finer steps."""

FAMILY = {
    "asymmetric": SCORINGS["asymmetric"],
    "hamming": SCORINGS["hamming"],
    "cells": Series(FAMILIES["cells"], SERIES[2], "^", "-."),
    "pivots": Series(FAMILIES["pivots"], SERIES[3], "D", ":"),
}


def recall_figure(figure: Any, advice: ModelAdvice, setup: Setup) -> None:
    """Recall against milliseconds a query: what each family gives at best within the budget, and exact search."""
    from matplotlib.ticker import MultipleLocator

    ax = figure.add_subplot(title=f"recall@{setup.k}", xlabel="milliseconds a query")
    times, recalls = [advice.exact_ms], [setup.target_recall]
    for family, series in FAMILY.items():
        if points := envelope(advice.ways, family, setup.budget_bytes):
            x, y = zip(*points, strict=True)
            ax.plot(x, y, **series.line())
            times += x
            recalls += y
    ax.plot([advice.exact_ms], [1.0], "*", color=INK, markersize=11, label="exact search", clip_on=False)
    ax.axhline(setup.target_recall, color=INK, linewidth=1, linestyle=(0, (3, 3)))
    _log(ax, "x", times, milliseconds_short)
    share_axis(ax, recalls)
    ax.yaxis.set_major_locator(MultipleLocator(0.05))
    legend(ax, "best")


def bytes_figure(figure: Any, advice: ModelAdvice, setup: Setup) -> None:
    """Milliseconds a query at the target against bytes a vector, where more bytes make a family faster."""
    ax = figure.add_subplot(title="milliseconds a query at the target", xlabel="bytes a vector")
    times = [advice.exact_ms]
    for family, series in FAMILY.items():
        if points := steps_down(advice.ways, family):
            x, y = zip(*points, strict=True)
            ax.plot(x, y, **series.line())
            times += y
    ax.axhline(advice.exact_ms, color=INK, linewidth=1.2, label="exact search")
    ax.axvline(setup.budget_bytes, color=INK, linewidth=1, linestyle=(0, (3, 3)))
    _log(ax, "y", times, milliseconds_short)
    ax.set_xlim(left=0)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=12)


def candidates_figure(figure: Any, advice: ModelAdvice, setup: Setup) -> None:
    """Candidates at the target against bits a code."""
    ax = figure.add_subplot(title="candidates at the target", xlabel="bits a code")
    needed: list[float] = []
    corrected = Series("corrected", SERIES[2], "^", "-.")
    for series, scoring, corrections in (
        (FAMILY["hamming"], "hamming", False),
        (FAMILY["asymmetric"], "asymmetric", False),
        (corrected, "asymmetric", True),
    ):
        points = [
            (way.n_bits, way.points[way.chosen].effort)
            for way in advice.ways
            if (way.kind, way.scoring, way.corrections) == ("codes", scoring, corrections)
            and way.chosen is not None
        ]
        if points:
            x, y = zip(*points, strict=True)
            ax.plot(x, y, **series.line())
            needed += y
    if needed:
        _log(ax, "y", needed, lambda value: number(value))
    ax.set_xticks(sorted({way.n_bits for way in advice.ways if way.kind == "codes"}))
    legend(ax, "upper right")


def milliseconds_short(value: float) -> str:
    """0.03, 0.1, 3: a tick's number."""
    return f"{value:g}"


def ticks_between(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: the coarsest steps of which enough lie on it.

    >>> ticks_between(0.04, 3), ticks_between(1.1, 2.1)
    ([0.05, 0.1, 0.2, 0.5, 1.0, 2.0], [1.2, 1.4, 1.6, 1.8, 2.0])
    """
    ticks = list[float]()
    for steps in STEPS:
        decades = (10.0**power for power in range(-5, 10))
        ticks = [tick for decade in decades for step in steps if low <= (tick := step * decade) <= high]
        if len(ticks) >= LEAST_TICKS:
            break
    return ticks


def _log(ax: Any, which: str, values: Sequence[float], show: Any) -> None:
    """A logarithmic axis over some values, with plain numbers at as fine steps as it takes."""
    from matplotlib.ticker import FixedLocator, NullLocator

    low, high = min(values) / 1.25, max(values) * 1.25
    ax.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks_between(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: show(value))
