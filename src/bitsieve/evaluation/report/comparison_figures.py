"""The figures of a comparison: the same four measurements of two to four models in one drawing each."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from .axes import (
    Series,
    bits_axis,
    count_axis,
    density_legend,
    legend,
    plot_density,
    plot_pivots,
    plot_recall,
    share_axis,
)
from .numbers import number, percent
from .svg import CARD, INK, MUTED, SERIES

Reports = Mapping[str, Mapping[str, Any]]
"""Reports by the name their model has on the page."""

MARKERS = ("o", "s", "^", "D")
DASHES = ("-", "--", "-.", ":")

NAMED = 0.20
"""The pivot threshold that is written at the curves: where all were, they would cover each other."""


def looks(reports: Reports, *, dashed: bool = False) -> dict[str, Series]:
    """A colour and a marker for each model; with `dashed` a line style too."""
    return {
        name: Series(name, SERIES[i % 4], MARKERS[i % 4], DASHES[i % 4] if dashed else "-")
        for i, name in enumerate(reports)
    }


def recall_figure(figure: Any, reports: Reports) -> None:
    """recall@k against candidates: asymmetric scoring solid, Hamming distance dashed."""
    k = next(iter(reports.values()))["protocol"]["k"]
    ax = figure.add_subplot(title=f"recall@{k}", xlabel="candidates reranked")
    for name, series in looks(reports).items():
        plot_recall(ax, reports[name], "asymmetric", series)
        dashed = Series("_" + name, series.colour, series.marker, "--")
        plot_recall(ax, reports[name], "hamming", dashed, band=False)
    ax.plot([], [], color=MUTED, linestyle="-", label="asymmetric")
    ax.plot([], [], color=MUTED, linestyle="--", label="Hamming")
    points = [point for report in reports.values() for point in report["recall"]]
    count_axis(ax, [point["n_candidates"] for point in points])
    share_axis(ax, [point["recall"]["low"] for point in points])
    legend(ax, "lower right")


def pivot_figure(figure: Any, reports: Reports) -> None:
    """Filter recall against reduction, a curve for each model and the notebook's points as open diamonds."""
    ax = figure.add_subplot(title="true neighbours kept", xlabel="corpus removed")
    lowest = []
    for name, series in looks(reports, dashed=True).items():
        plot_pivots(ax, reports[name], series, only=NAMED)
        lowest += [point["recall"]["low"] for point in reports[name]["pivots"]]
        published = (reports[name]["published"] or {}).get("pivots", {})
        points = [(float(key), row["reduction"], row["recall"]) for key, row in published.items()]
        ax.plot(
            [x for _, x, _ in points], [y for _, _, y in points], "D", color=series.colour,
            markerfacecolor=CARD, markersize=6, markeredgewidth=1.3, zorder=4,
        )  # fmt: skip
        lowest += [recall for _, _, recall in points]
    if any(report["published"] for report in reports.values()):
        ax.plot([], [], "D", color=INK, markerfacecolor=CARD, markersize=6, label="notebook")
    share_axis(ax, lowest)
    ax.set_xlim(-0.04, 1.04)
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, 0))
    legend(ax, "lower left")


def density_figure(figure: Any, reports: Reports) -> None:
    """Hamming distance against cosine, a panel for each model on the same axes."""
    rows = ceil(len(reports) / 2)
    panels = figure.subplots(rows, min(2, len(reports)), sharex=True, sharey=True, squeeze=False).ravel()
    densities = [report["correlation"]["density"] for report in reports.values()]
    for ax, (name, report) in zip(panels, reports.items(), strict=False):
        plot_density(ax, report["correlation"]["density"])
        ax.set_title(f"{_short(name)}\nSpearman {number(report['correlation']['spearman'], 3)}", fontsize=12)
    for ax in panels[len(reports) :]:
        ax.set_visible(False)
    panels[0].set_xlim(
        min(d["cosine_edges"][0] for d in densities), max(d["cosine_edges"][-1] for d in densities)
    )
    panels[0].set_ylim(
        min(d["distances"][0] for d in densities) - 1, max(d["distances"][-1] for d in densities) + 1
    )
    fullest = max(range(len(reports)), key=lambda i: len(panels[i].patches))
    density_legend(figure, panels[fullest])
    for ax in panels[max(0, len(reports) - 2) : len(reports)]:
        ax.set_xlabel("cosine of two texts")
        ax.tick_params(labelbottom=True)
    figure.supylabel("Hamming distance", fontsize=13, color=MUTED)


def variance_figure(figure: Any, reports: Reports) -> None:
    """Explained variance by bits, each model's codec marked."""
    ax = figure.add_subplot(title="variance held", xlabel="bits (components)")
    most = 1
    for name, series in looks(reports, dashed=True).items():
        codec = reports[name]["codec"]
        by_bits = {int(bits): share for bits, share in codec["explained_variance_by_bits"].items()}
        most = max(most, *by_bits)
        line = {**series.line(), "marker": "none", "label": "_" + name}
        ax.plot([0, *by_bits], [0, *by_bits.values()], **line)
        ax.plot([codec["n_bits"]], [codec["explained_variance"]], **series.line())
    ax.axvline(codec["n_bits"], color=INK, linewidth=1, linestyle=(0, (3, 3)))
    bits_axis(ax, most)
    legend(ax, "lower right")


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
