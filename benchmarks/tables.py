"""From measured points to the figures that are quoted: speed at each target recall, and ours over the best peer's.

.venv/bin/python benchmarks/tables.py benchmarks/results/search-bench-1t.json    the table again
.venv/bin/python benchmarks/tables.py search-bench-1t.json search-synthetic-100000-1t.json    do both rank alike?
"""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bitsieve.evaluation.measures import spearman
from fronts import TARGETS, Point, speed_at
from peers import OURS

KINDS = ("batch", "single")
HOW = "log(queries/s) linear in log(1 − recall) between neighbours on a peer's Pareto front over its configurations"


def cloud(entries: list[dict[str, Any]], peer: str, kind: str) -> list[Point]:
    """All points of a peer; a setting measured in two passes counts once, with the median of all its rounds."""
    rounds: dict[tuple[str, str], list[float]] = {}
    recalls: dict[tuple[str, str], float] = {}
    for entry in entries:
        if entry["peer"] == peer:
            for point in entry["points"]:
                key = (entry["config"], str(point["setting"]))
                rounds.setdefault(key, []).extend(point[f"{kind}_rounds"])
                recalls[key] = min(recalls.get(key, 1), point["recall"])
    return [Point(recalls[key], median(speeds)) for key, speeds in rounds.items() if speeds]


def summarise(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Queries/s at each target by kind and peer, ours over the best other library's, and how far ours drifted."""
    peers = list(dict.fromkeys(entry["peer"] for entry in entries))
    at = {
        kind: {peer: {str(t): speed_at(cloud(entries, peer, kind), t) for t in TARGETS} for peer in peers}
        for kind in KINDS
    }
    ratios = {kind: {str(t): ratio(at[kind], str(t)) for t in TARGETS} for kind in KINDS}
    return {"interpolation": HOW, "at_recall": at, "ours_over_best_peer": ratios, "drift": drift(entries)}


def ratio(speeds: dict[str, dict[str, float | None]], target: str) -> dict[str, Any] | None:
    """Ours over the fastest peer that reaches the target, and who that is."""
    ours = speeds.get(OURS, {}).get(target)
    others = {p: s[target] for p, s in speeds.items() if not p.startswith(OURS) and s[target]}
    if not ours or not others:
        return None
    best = max(others, key=lambda peer: others[peer] or 0)
    return {"ratio": ours / (others[best] or 1), "best_peer": best}


def drift(entries: list[dict[str, Any]]) -> float | None:
    """Speed of our second pass over our first, median over settings: what the machine did meanwhile."""
    passes: dict[int, dict[Any, float]] = {1: {}, 2: {}}
    for entry in entries:
        if entry["peer"] == OURS:
            for point in entry["points"]:
                if point["rounds"]:
                    key = (entry["config"], str(point["setting"]))
                    passes[entry.get("pass", 1)][key] = point["batch_queries_per_second"]
    both = passes[1].keys() & passes[2].keys()
    return median(passes[2][key] / passes[1][key] for key in both) if both else None


def print_tables(report: dict[str, Any]) -> None:
    """Show what a reader asks first: speed at the targets, build, bytes."""
    data, machine = report["data"], report["machine"]
    title = (
        f"{data['n']:,} vectors ({data['name']}), d={data['d']}, {data['n_queries']} held-out queries, "
        f"recall@{report['k']}, {report['threads']} thread(s), {machine['cpu']}"
    )
    table = Table(title=title)
    table.add_column("queries/s at recall")
    for kind in KINDS:
        for target in TARGETS:
            table.add_column(f"{kind}\n{target:g}", justify="right")
    for name in ("build s", "code B", "all B"):
        table.add_column(name, justify="right")
    at = report["at_recall"]
    for peer in at["batch"]:
        cells = [number(at[kind][peer][str(target)]) for kind in KINDS for target in TARGETS]
        mine = [entry for entry in report["entries"] if entry["peer"] == peer]
        builds = [entry["build_seconds"] for entry in mine]
        sizes = [entry["bytes_per_vector"] for entry in mine]
        ranges = [span(builds), span([s["codes"] for s in sizes]), span([s["total"] for s in sizes])]
        table.add_row(peer, *cells, *ranges)
    ratios = [report["ours_over_best_peer"][kind][str(target)] for kind in KINDS for target in TARGETS]
    table.add_section()
    table.add_row(
        "ours / best peer", *(f"{r['ratio']:.2f} ×\n{r['best_peer']}" if r else "–" for r in ratios)
    )
    Console(width=max(Console().width, 180)).print(table)
    if report["drift"]:
        print(f"ours at the end ran {report['drift']:.2f} times as fast as at the start")


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def span(values: list[float]) -> str:
    low, high = (f"{value:,.0f}" for value in (min(values), max(values)))
    return low if low == high else f"{low}–{high}"


def compare_orders(first: dict[str, Any], second: dict[str, Any]) -> None:
    """How two results rank the peers at each target, fastest first, and Spearman's correlation of their speeds."""
    for kind in KINDS:
        for target in map(str, TARGETS):
            speeds = [report["at_recall"][kind] for report in (first, second)]
            shared = [p for p in speeds[0] if all(found.get(p, {}).get(target) for found in speeds)]
            if len(shared) < 2:
                continue
            for report, found in zip((first, second), speeds, strict=True):
                order = sorted(shared, key=lambda peer, found=found: -found[peer][target])
                print(f"{kind:7}{target:6} {report['data']['name']:18} {' > '.join(order)}")
            both = ([found[peer][target] for peer in shared] for found in speeds)
            print(f"{'':14}rank correlation {spearman(*both):.2f}")


def main() -> None:
    reports = [json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:]]
    for report in reports:
        print_tables(report)
    if len(reports) == 2:
        compare_orders(*reports)


if __name__ == "__main__":
    main()
