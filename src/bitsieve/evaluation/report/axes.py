"""What the figures of an experiment and of a comparison have in common: series, scales, curves, densities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor
from typing import Any

from .numbers import percent
from .svg import CARD, HEAT, INK, SERIES

LEVELS = (1, 3, 10, 30, 100, 300, 1000)
"""Counts at which a density takes the next colour: a logarithmic scale in seven steps."""

LEAST_PAIRS = 10
"""The median of fewer is not drawn: it jumps about."""

LABEL_GAP = 0.12
"""Points nearer than this, in shares of the axis, have no room for two labels."""


@dataclass(frozen=True)
class Series:
    """How one curve looks, in colour and without."""

    label: str
    colour: str
    marker: str
    dash: str

    def line(self) -> dict[str, Any]:
        """Arguments for `Axes.plot`."""
        return {"label": self.label, "color": self.colour, "marker": self.marker, "linestyle": self.dash}


SCORINGS = {
    "asymmetric": Series("asymmetric", SERIES[0], "o", "-"),
    "hamming": Series("Hamming", SERIES[1], "s", "--"),
}


def plot_recall(
    ax: Any, report: Mapping[str, Any], scoring: str, series: Series, *, band: bool = True
) -> None:
    """One scoring's recall against candidates, with its 95% interval as a band."""
    points = [point for point in report["recall"] if point["scoring"] == scoring]
    depths = [point["n_candidates"] for point in points]
    recalls = [point["recall"] for point in points]
    ax.plot(depths, [recall["value"] for recall in recalls], **series.line())
    if band:
        low, high = ([recall[end] for recall in recalls] for end in ("low", "high"))
        ax.fill_between(depths, low, high, color=series.colour, alpha=0.16, linewidth=0)


def plot_pivots(ax: Any, report: Mapping[str, Any], series: Series, *, only: float | None = None) -> None:
    """Filter recall against reduction, with 95% intervals; each point, or `only` one, named by its threshold."""
    points = report["pivots"]
    x = [point["reduction"] for point in points]
    recalls = [point["recall"] for point in points]
    ax.plot(x, [recall["value"] for recall in recalls], **series.line())
    low, high = ([recall[end] for recall in recalls] for end in ("low", "high"))
    ax.vlines(x, low, high, color=series.colour, linewidth=1.2, alpha=0.7)
    named = [
        (point["threshold"], point["reduction"], point["recall"]["value"])
        for point in points
        if only is None or abs(point["threshold"] - only) < 1e-9
    ]
    label_thresholds(ax, named, series.colour, above=True)


def label_thresholds(
    ax: Any, points: Sequence[tuple[float, float, float]], colour: str, *, above: bool
) -> None:
    """Name points (threshold, x, y) by their thresholds, leaving out those that crowd the one before."""
    last = float("inf")
    for threshold, x, y in sorted(points):
        if last - x > LABEL_GAP:
            last = x
            # Below, it is clear of the curve, and of an interval that hangs from it.
            offset = (4, 6) if above else (5, -22)
            ax.annotate(
                f"{threshold:.2f}", (x, y), offset, textcoords="offset points", fontsize=11.5, color=colour
            )


def plot_density(ax: Any, density: Mapping[str, Any]) -> None:
    """Pairs counted by cosine and Hamming distance, one path for each level, with the median on top."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    highest = max((max(row, default=0) for row in density["counts"]), default=0)
    for level, (least, colour) in enumerate(zip(LEVELS, HEAT, strict=True)):
        if least > highest:
            break
        corners = _rectangles(density, level)
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * (len(corners) // 5)
        shape = Path(corners, codes) if corners else Path([(0, 0)])
        ax.add_patch(PathPatch(shape, facecolor=colour, linewidth=0, label=f"{least:,}+"))
    rows = [row for row in medians(density) if row[4] >= LEAST_PAIRS]
    x, y = [row[0] for row in rows], [row[1] for row in rows]
    ax.plot(x, y, color=CARD, linewidth=3.2)  # so that the line shows on dark and light squares alike
    ax.plot(x, y, color=INK, linewidth=1.3, label="median")
    ax.set_xlim(density["cosine_edges"][0], density["cosine_edges"][-1])
    ax.set_ylim(density["distances"][0] - 1, density["distances"][-1] + 1)


def _rectangles(density: Mapping[str, Any], level: int) -> list[tuple[float, float]]:
    """Corners of all cells of a level; neighbours in a column are one rectangle, so that no seams show."""
    edges, distances = density["cosine_edges"], density["distances"]
    corners: list[tuple[float, float]] = []
    for left, right, counts in zip(edges, edges[1:], density["counts"], strict=False):
        cells = [
            (sum(count >= least for least in LEVELS) - 1, distance)
            for count, distance in zip(counts, distances, strict=True)
        ]
        for found, run in groupby(cells, key=lambda cell: cell[0]):
            if found == level:
                column = [distance for _, distance in run]
                bottom, top = column[0] - 0.5, column[-1] + 0.5
                corners += [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    return corners


def density_legend(figure: Any, ax: Any) -> None:
    """The levels of a density in one row under it, where no pair of texts can lie."""
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=len(LEVELS) + 1, fontsize=11,
        handlelength=0.9, handletextpad=0.35, columnspacing=0.8,
    )  # fmt: skip


def medians(density: Mapping[str, Any]) -> list[tuple[float, int, int, int, int]]:
    """For each cosine bin with pairs: its middle, the median distance, the 10th and 90th percentile, the pairs."""
    rows = []
    edges = density["cosine_edges"]
    for left, right, counts in zip(edges, edges[1:], density["counts"], strict=False):
        if total := sum(counts):
            median, low, high = (
                _quantile(density["distances"], counts, share * total) for share in (0.5, 0.1, 0.9)
            )
            rows.append(((left + right) / 2, median, low, high, total))
    return rows


def _quantile(values: Sequence[int], counts: Sequence[int], rank: float) -> int:
    seen = 0
    for value, count in zip(values, counts, strict=True):
        seen += count
        if seen >= rank and count:
            return value
    return values[-1]


def share_axis(ax: Any, values: Sequence[float]) -> None:
    """A vertical axis of percents from just under the lowest value to 100%."""
    lowest = min([value for value in values if value is not None], default=0.0)
    bottom = max(0.0, floor(lowest * 10 - 1e-9) / 10)
    ax.set_ylim(bottom, 1.0 + 0.05 * (1 - bottom))
    ax.yaxis.set_major_formatter(lambda value, _: percent(value, 0))


def bits_axis(ax: Any, most: int) -> None:
    """Bits from 0 to the most, against shares of the variance."""
    from matplotlib.ticker import MultipleLocator

    ax.set(xlim=(0, most), ylim=(0, 1.03))
    ax.xaxis.set_major_locator(MultipleLocator(64 if most <= 512 else 128))
    ax.yaxis.set_major_formatter(lambda value, _: percent(value, 0))


def count_axis(ax: Any, counts: Sequence[int]) -> None:
    """A logarithmic axis of candidates with plain numbers: 10, 30, 100, 300, 1,000."""
    from matplotlib.ticker import FixedLocator, NullLocator

    ax.set_xscale("log")
    ax.set_xlim(min(counts) / 1.1, max(counts) * 1.1)
    ticks = [base * 10**power for power in range(9) for base in (1, 3)]
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if min(counts) <= tick <= max(counts)]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def legend(ax: Any, place: str, **options: Any) -> None:
    """A legend when there is more than one thing to tell apart."""
    handles, labels = ax.get_legend_handles_labels()
    if len(handles) > 1:
        ax.legend(handles, labels, loc=place, **{"fontsize": 12, **options})
