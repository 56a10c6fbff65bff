"""The seven figures of an experiment, each drawn from the dict of report.json.

Colour never stands alone: every series has a marker and a line style of its own. The notebook's published
points are open diamonds in all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .axes import (
    SCORINGS,
    Series,
    bits_axis,
    count_axis,
    density_legend,
    label_thresholds,
    legend,
    plot_density,
    plot_pivots,
    plot_recall,
    share_axis,
)
from .numbers import milliseconds, percent, seconds
from .svg import CARD, GRID, INK, MUTED, SERIES

Report = Mapping[str, Any]

OFF = "off"
"""The pivot threshold of a search without pivots."""

STAGES = {
    "pivots": {"color": SERIES[2]},
    "codes": {"color": SERIES[0]},
    "rerank": {"color": SERIES[1], "hatch": "//", "edgecolor": CARD},
}


def recall_figure(figure: Any, report: Report) -> None:
    """recall@k against the number of candidates, with 95% intervals as bands."""
    ax = figure.add_subplot(title=f"recall@{report['protocol']['k']}", xlabel="candidates reranked")
    for scoring, series in SCORINGS.items():
        plot_recall(ax, report, scoring, series)
    published = (report["published"] or {}).get("hamming_recall", {})
    if published:
        _plot_published(
            ax, [int(depth) for depth in published], list(published.values()), "notebook, Hamming"
        )
    count_axis(ax, [point["n_candidates"] for point in report["recall"]])
    share_axis(ax, [point["recall"]["low"] for point in report["recall"]] + list(published.values()))
    legend(ax, "lower right")


def pivot_figure(figure: Any, report: Report) -> None:
    """Filter recall of the pivots against the share of the corpus they remove; a point for each threshold."""
    ax = figure.add_subplot(title="true neighbours kept", xlabel="corpus removed")
    plot_pivots(ax, report, Series("here", SERIES[0], "o", "-"))
    published = (report["published"] or {}).get("pivots", {})
    if published:
        rows = sorted(published.items(), key=lambda item: float(item[0]))
        x, y = [row["reduction"] for _, row in rows], [row["recall"] for _, row in rows]
        _plot_published(ax, x, y, "notebook")
        named = [
            (float(threshold), *point)
            for (threshold, _), point in zip(rows, zip(x, y, strict=True), strict=True)
        ]
        label_thresholds(ax, named, MUTED, above=False)
    share_axis(
        ax,
        [point["recall"]["low"] for point in report["pivots"]]
        + [row["recall"] for row in published.values()],
    )
    ax.set_xlim(-0.04, 1.04)
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, 0))
    legend(ax, "lower left")


def density_figure(figure: Any, report: Report) -> None:
    """Hamming distance against cosine over pairs of texts, and the median distance at each cosine."""
    ax = figure.add_subplot(title="Hamming distance", xlabel="cosine of two texts")
    plot_density(ax, report["correlation"]["density"])
    density_legend(figure, ax)


def combined_figure(figure: Any, report: Report) -> None:
    """recall@k of pivots and codes together, a panel for each number of candidates."""
    points = report["combined"]
    depths = sorted({point["n_candidates"] for point in points})
    panels = figure.subplots(1, len(depths), sharey=True, squeeze=False)[0]
    for ax, depth in zip(panels, depths, strict=True):
        ax.set(title=f"{depth:,} candidates", xlabel="threshold" if ax is panels[len(depths) // 2] else None)
        for scoring, series in SCORINGS.items():
            chosen = [p for p in points if (p["scoring"], p["n_candidates"]) == (scoring, depth)]
            labels = [f"{point['threshold']:.2f}".lstrip("0") for point in chosen]
            values = [point["recall"]["value"] for point in chosen]
            for point in report["recall"]:
                if (point["scoring"], point["n_candidates"]) == (scoring, depth):
                    labels, values = [*labels, OFF], [*values, point["recall"]["value"]]
            ax.plot(range(len(values)), values, **series.line())
            # Not every threshold has room for its name.
            last = len(labels) - 1
            shown = [
                label if i == last or (i % 2 == 0 and i < last - 1) else "" for i, label in enumerate(labels)
            ]
            ax.set_xticks(range(len(labels)), shown, fontsize=11.5)
        ax.set_xlim(-0.5, len(labels) - 0.5)
    share_axis(panels[0], [point["recall"]["low"] for point in points])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=12)


def variance_figure(figure: Any, report: Report) -> None:
    """Share of the variance that the first components hold, with the codec's n_bits marked."""
    codec = report["codec"]
    by_bits = {int(bits): share for bits, share in codec["explained_variance_by_bits"].items()}
    n_bits, share = codec["n_bits"], codec["explained_variance"]
    ax = figure.add_subplot(title="variance held", xlabel="bits (components)")
    ax.plot([0, *by_bits], [0, *by_bits.values()], color=SERIES[0])
    ax.fill_between([0, *by_bits], [0, *by_bits.values()], color=SERIES[0], alpha=0.12, linewidth=0)
    ax.plot([n_bits, n_bits, 0], [0, share, share], color=INK, linewidth=1, linestyle=(0, (3, 3)))
    ax.plot([n_bits], [share], "o", color=SERIES[0])
    note = f"{n_bits} bits: {percent(share)}"
    published = (report["published"] or {}).get("explained_variance")
    if published is not None:
        _plot_published(ax, [n_bits], [published], "notebook")
        note += f"\n◇ notebook: {percent(published)}"
    ax.annotate(note, (n_bits, share), (10, -8), textcoords="offset points", color=INK, va="top")
    bits_axis(ax, max(by_bits))


def error_figure(figure: Any, report: Report) -> None:
    """Quantization error after each iteration of the rotation."""
    errors = report["codec"]["quantization_error"]
    ax = figure.add_subplot(title="quantization error", xlabel="iteration")
    ax.plot(range(1, len(errors) + 1), errors, color=SERIES[0], label="here")
    published = (report["published"] or {}).get("quantization_error", {})
    if published:
        _plot_published(ax, [int(step) for step in published], list(published.values()), "notebook")
        ax.margins(y=0.12)
        legend(ax, "best")
    ax.set_xlim(0, len(errors) + 1)


def time_figure(figure: Any, report: Report) -> None:
    """Seconds of every step of the experiment, and milliseconds of every stage of one query."""
    steps, searches = figure.subplots(2, 1, height_ratios=(len(report["seconds"]) + 1, 3.6))
    names = list(report["seconds"])
    _bars(steps, names, list(report["seconds"].values()), seconds)
    steps.set_title("the experiment, seconds a step")
    ways = searches_of(report)
    handles: dict[str, Any] = {}
    for row, stages in enumerate(ways.values()):
        left = 0.0
        for name, stage in stages.items():
            look = STAGES.get(name, {"color": MUTED})
            handles[name] = searches.barh(
                row, stage["ms_per_query"], left=left, height=0.62, linewidth=0, **look
            )
            left += stage["ms_per_query"]
        _label_bar(searches, left, row, milliseconds(left))
    _label_rows(searches, list(ways))
    order = [name for name in STAGES if name in handles] + [name for name in handles if name not in STAGES]
    searches.legend(
        [handles[name] for name in order], order, loc="upper left", bbox_to_anchor=(0, 0),
        ncols=3, handlelength=1, columnspacing=1.4, fontsize=12, borderpad=0,
    )  # fmt: skip
    searches.set_title("one query, milliseconds")


def searches_of(report: Report) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The stages of the two searches that were timed, with and without pivots."""
    suffix = " (pivots first)"
    ways: dict[str, dict[str, Mapping[str, Any]]] = {"codes only": {}, "pivots first": {}}
    for stage in report["stages"]:
        way = "pivots first" if stage["stage"].endswith(suffix) else "codes only"
        ways[way][stage["stage"].removesuffix(suffix)] = stage
    return ways


def _plot_published(ax: Any, x: Sequence[float], y: Sequence[float], label: str) -> None:
    ax.plot(
        x, y, "D", color=INK, markerfacecolor=CARD, markersize=6, markeredgewidth=1.3, label=label, zorder=4
    )


def _bars(ax: Any, names: Sequence[str], values: Sequence[float], show: Any) -> None:
    ax.barh(range(len(names)), values, height=0.62, color=SERIES[0])
    for row, value in enumerate(values):
        _label_bar(ax, value, row, show(value))
    _label_rows(ax, names)


def _label_bar(ax: Any, value: float, row: int, text: str) -> None:
    ax.annotate(text, (value, row), (5, 0), textcoords="offset points", va="center", fontsize=12)


def _label_rows(ax: Any, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), names, color=INK)
    ax.tick_params(axis="y", labelcolor=INK)
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.margins(x=0.22)
    ax.axvline(0, color=GRID, linewidth=1)
