"""The tables of docs/, made from the committed results as those of the README are; the same test compares them."""

from typing import Any

from markdown_table import load, table


def threads_table() -> str:
    """What a second thread brings to batches, of docs/search.md."""
    report = load("threads.json")
    batches = sorted({point["batch"] for point in report["points"]})
    rows = []
    for recall in sorted({point["recall"] for point in report["points"]}):
        ratios = {point["batch"]: point["ratio"] for point in report["points"] if point["recall"] == recall}
        rows.append((f"{recall:.3f}", *(f"{ratios[batch]:.2f} ×" for batch in batches)))
    return table(("recall@10", *(f"batches of {batch:,}" for batch in batches)), rows)


def scaling_table() -> str:
    """What more vectors cost, of docs/search.md."""
    report = load("scaling.json")
    rows = []
    for size in report["sizes"]:
        build = min(entry["build_seconds"] for entry in size["entries"])
        speeds = (
            size["at_recall"][kind][target] for kind in ("batch", "single") for target in ("0.95", "0.99")
        )
        rows.append((f"{size['n']:,}", f"{build:.1f} s", *(f"{speed:,.0f}" for speed in speeds)))
    exponents = (
        report["exponents"][kind][target] for kind in ("batch", "single") for target in ("0.95", "0.99")
    )
    rows.append(("a query's cost grows as", "", *(f"n^{exponent:.2f}" for exponent in exponents)))
    head = ("synthetic vectors", "build", "batch .95", ".99", "single .95", ".99")
    return table(head, rows)


def coverage_table() -> str:
    """How often calibrations miss, by the bound they rest on, and what the plans they choose cost."""
    groups: dict[str, dict[tuple[int, str, float], dict[str, float]]] = {}
    for result in load("coverage.json")["results"]:
        key = (result["n_queries"], result["bound"], result["target"])
        groups.setdefault(f"{result['data']}, {result['search']}", {})[key] = result
    asked = ((500, 0.9), (500, 0.95), (500, 0.99), (1000, 0.99), (2000, 0.99))
    rows = []
    for name, of in groups.items():
        missed = [
            max(of[500, bound, target]["missed_at_worst"] for target in (0.9, 0.95, 0.99))
            for bound in ("betting", "normal", "Hoeffding")
        ]
        dearer = [of[n, "betting", target]["dearer"] for n, target in asked]
        dearer.insert(3, of[500, "betting", 0.99]["dearer_at_best"])
        by_hoeffding = of[500, "Hoeffding", 0.95]["dearer"]
        rows.append(
            (name, *map("{:.1%}".format, missed), *map("{:.2f}".format, dearer), f"{by_hoeffding:.0f}")
        )
    head = ("", "missed: betting", "normal", "Hoeffding", "times as dear: 0.90", "0.95", "0.99")
    return table((*head, "0.99 at best", "0.99, 1,000 queries", "0.99, 2,000", "0.95 by Hoeffding"), rows)


def drift_table() -> str:
    """What searches find as data drift, and after how many that a watch compared it warned."""
    rows = []
    for result in load("drift.json")["results"]:
        cells = []
        for day in result["days"]:
            warned = f", warned after {day['warned_after']}" if day["warned_after"] else ""
            cells.append(f"{day['recall']:.3f} ({day['n_candidates'] or 'exact'}){warned}")
        rows.append((result["added"], *cells))
    return table(("added", *(day["phase"] for day in result["days"])), rows)


def index_table() -> str:
    """A million documents on disk, ours and peers', of docs/index.md."""
    rows = []
    for name, of in load("index-1000000.json")["systems"].items():
        written = of["add"]["seconds"] + of["finish"]["seconds"]
        read, under = of["read"], _surest(of["filtered"]["points"])
        point = _quickest(read["points"], 0.95)
        rows.append(
            (
                f"{name} {of['version']}",
                f"{of['add']['documents_per_second']:,.0f}",
                f"{written:,.0f}",
                f"{of['finish']['disk']['total'] / 1e9:.2f}",
                f"{read['first_answer_seconds']:.2f}",
                f"{read['memory_searched']['anonymous'] / 1e6:,.0f}",
                f"{point['p50_ms']:,.2f} ({point['recall']:.3f})",
                f"{max(one['p50_ms'] for one in under):,.1f} ({min(one['recall'] for one in under):.3f})",
                f"{of['delete']['seconds']:,.1f}",
            )
        )
    head = (
        "1,000,000 documents", "added/s", "written, s", "GB", "first answer, s", "memory, MB",
        "ms a query (recall@10)", "ms under a filter (recall)", "10,000 deleted, s",
    )  # fmt: skip
    return table(head, rows)


def cascade_table() -> str:
    """A search of an index on disk beside the same search in memory, of docs/index.md."""
    ratios = load("index-1000000.json")["systems"]["bitsieve"]["cascade"]["ratios"]
    rows = [
        (f"{asked}, {brought}", *(f"{ratio:.2f}" for ratio in ratios[way][kind].values()))
        for kind, asked in (("single", "one query"), ("batch", "a batch"))
        for way, brought in (("ids", "ids"), ("index", "documents"))
    ]
    return table(("times a bare `Cascade`, at recall", *ratios["ids"]["single"]), rows)


def hardships() -> tuple[str, ...]:
    """What an index went through, in the words of docs/index.md."""
    kills, cuts, damage = load("crash.json"), load("power-cuts.json"), load("damage.json")
    return (
        f"({kills['kills']:,} kills)",
        f"({cuts['power_cuts']:,} states of a disk",
        f"({cuts['faults'] + cuts['interruptions']:,} times)",
        f"({damage['damages']:,} damages). None",
    )


def _quickest(points: list[dict[str, Any]], target: float) -> dict[str, Any]:
    """Of the settings that reach a recall the quickest, or else the one of the highest recall."""
    there = [point for point in points if point["recall"] >= target]
    return (
        min(there, key=lambda point: point["p50_ms"]) if there else max(points, key=lambda one: one["recall"])
    )


def _surest(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each filter came to, by the setting whose least recall is the highest."""
    by_setting: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        by_setting.setdefault(str(point["setting"]), []).append(point)
    return max(by_setting.values(), key=lambda some: min(one["recall"] for one in some))
