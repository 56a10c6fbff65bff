"""Draw a result of `search.py`: recall against queries/s, one line a peer, batches and single queries side by side.

    .venv/bin/python benchmarks/plots.py benchmarks/results/search-bench-1t.json       → docs/search-bench-1t.png

A line is a peer's Pareto front over all its configurations, measured points marked, drawn from recall 0.88 up. Recall
is spaced by the share missed, so that 0.95, 0.99 and 0.995 are as far apart as they are hard.
"""

import argparse
import json
from math import log10
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from fronts import LEAST_MISS, TARGETS, Point, pareto, speed_at
from peers import OURS
from tables import KINDS, cloud

DOCS = Path(__file__).resolve().parents[1] / "docs"
LEAST = 0.88
MOST = 0.999
TICKS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998)
OUR_COLOUR = "#c2410c"
LABELS = {
    "bitsieve": "bitsieve",
    "bitsieve-spilled": "bitsieve, spilled",
    "bitsieve-flat": "bitsieve, flat",
    "scann": "ScaNN",
    "svs": "SVS",
    "symphonyqg": "SymphonyQG",
    "rabitqlib": "RaBitQ IVF",
    "blas": "brute force",
}
COLOURS = ("#2563eb", "#0d9488", "#7c3aed", "#64748b", "#b45309", "#be185d", "#4d7c0f", "#0891b2", "#475569")
TITLES = {"batch": "in batches of {q}", "single": "one query at a time"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", help="JSON files of search.py")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the pictures")
    options = parser.parse_args()
    for path in options.results:
        picture = options.out / f"{path.stem}.png"
        draw(json.loads(path.read_text(encoding="utf-8")), picture)
        print(f"wrote {picture}")


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the picture of one result."""
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": "#94a3b8"})
    figure, axes = plt.subplots(1, 2, figsize=(13.5, 6.4), sharey=True)
    peers = list(report["at_recall"]["batch"])
    others = [peer for peer in peers if not peer.startswith(OURS)]
    colours = {peer: COLOURS[i % len(COLOURS)] for i, peer in enumerate(others)}
    for axis, kind in zip(axes, KINDS, strict=True):
        prepare(axis)
        axis.set_title(TITLES[kind].format(q=report["data"]["n_queries"]), fontsize=11, color="#334155")
        ends = []
        for peer in [*others, *(peer for peer in reversed(peers) if peer.startswith(OURS))]:
            front = pareto(cloud(report["entries"], peer, kind))
            ends += line(axis, peer, front, colours.get(peer, OUR_COLOUR))
        spread_labels(axis, ends)
        note_ratios(axis, report["ours_over_best_peer"][kind])
    axes[0].set_ylabel("queries a second (log)")
    data, machine = report["data"], report["machine"]
    threads = "one thread" if report["threads"] == 1 else f"{report['threads']} threads"
    figure.suptitle(
        f"recall@{report['k']} against speed: {data['n']:,} vectors of {data['d']} dimensions, {threads}",
        fontsize=14, x=0.06, ha="left", weight="bold", color="#0f172a",
    )  # fmt: skip
    figure.text(0.06, 0.915, f"{data['description']}  ·  {machine['cpu']}", fontsize=9, color="#64748b")
    figure.text(
        0.06, 0.015,
        "Pareto front of each peer over its configurations; "
        f"median of {report['repeat']} rounds; commit {report['commit']}",
        fontsize=8, color="#94a3b8",
    )  # fmt: skip
    figure.subplots_adjust(left=0.06, right=0.9, top=0.85, bottom=0.115, wspace=0.33)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    plt.close(figure)


def place(recall: float) -> float:
    """Where a recall lies on the axis: the number of nines."""
    return -log10(max(1 - recall, LEAST_MISS))


def prepare(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.set_xlim(place(LEAST), place(MOST))
    axis.set_xticks([place(tick) for tick in TICKS], [f"{tick:g}" for tick in TICKS])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("recall@10")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.grid(color="#e2e8f0", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors="#475569", labelleft=True, length=0)


def line(axis: Axes, peer: str, front: list[Point], colour: str) -> list[tuple[float, float, str, str, bool]]:
    """Draw a front within the picture; its right end and label, or none when nothing of it is in sight."""
    seen = [Point(recall, speed) for recall in (LEAST, MOST) if (speed := _inside(front, recall))]
    seen = sorted({*seen, *(point for point in front if LEAST <= point.recall <= MOST)})
    exact = [point for point in front if point.recall > MOST]
    if not seen and exact:
        seen = [Point(MOST, exact[0].speed)]
    if not seen:
        return []
    ours = peer == OURS
    style = {"linewidth": 3.2 if ours else 1.5, "zorder": 5 if ours else 3, "color": colour}
    dashes = "--" if peer.startswith(OURS) and not ours else "-"
    axis.plot([place(p.recall) for p in seen], [p.speed for p in seen], dashes, **style)
    marked = [p for p in front if LEAST <= p.recall <= MOST]
    axis.plot([place(p.recall) for p in marked], [p.speed for p in marked], "o", ms=4 if ours else 3, **style)
    if len(front) == 1 and exact:
        axis.axhline(exact[0].speed, color=colour, linewidth=1.2, linestyle=":")
    last = seen[-1]
    return [(place(last.recall), last.speed, LABELS.get(peer, peer), colour, ours)]


def _inside(front: list[Point], recall: float) -> float | None:
    """The front's speed at the picture's edge, where it passes through it."""
    return speed_at(front, recall) if front and front[0].recall <= recall else None


def spread_labels(axis: Axes, ends: list[tuple[float, float, str, str, bool]]) -> None:
    """Name each line beside its right end, at the picture's edge, moved apart where names would overlap."""
    low, high = (log10(value) for value in axis.get_ylim())
    gap = 0.042 * (high - low)
    heights: list[float] = []
    ordered = sorted(ends, key=lambda end: end[1])
    for _, speed, *_ in ordered:
        heights.append(max(log10(speed), heights[-1] + gap if heights else low))
    if heights and heights[-1] > high:
        heights = [height - (heights[-1] - high) for height in heights]
    edge = place(MOST)
    for (x, speed, label, colour, ours), height in zip(ordered, heights, strict=True):
        axis.annotate(
            label, (x, speed), xytext=(edge + 0.05, 10**height), va="center", color=colour, annotation_clip=False,
            fontsize=11 if ours else 9.5, weight="bold" if ours else "normal",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 2},
        )  # fmt: skip


def note_ratios(axis: Axes, ratios: dict[str, Any]) -> None:
    """Ours over the best peer, at the top of each target's line."""
    for target in TARGETS:
        found = ratios.get(str(target))
        if found:
            axis.axvline(place(target), color=OUR_COLOUR, linewidth=0.7, alpha=0.35, linestyle=":")
            axis.annotate(
                f"{found['ratio']:.1f} ×", (place(target), 1.0), xycoords=("data", "axes fraction"),
                xytext=(0, -2), textcoords="offset points", ha="center", va="top", fontsize=9,
                color=OUR_COLOUR, weight="bold", backgroundcolor="white",
            )  # fmt: skip


if __name__ == "__main__":
    main()
