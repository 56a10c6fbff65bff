"""The README's tables, made from the committed results, so that no number there is typed by hand.

make bench-recall bench-encoder                 makes the results again
.venv/bin/python benchmarks/readme_tables.py    prints the tables; a test compares them with the README
"""

from typing import Any

from markdown_table import load, table

DEPTHS = (50, 100, 200, 500, 1000)


def notebook_table() -> str:
    """The notebook's figures beside ours, both models."""
    bge, minilm = load("notebook.json")["reports"]
    both = (bge, minilm)
    rows = [
        figure("norm of the mean", both, lambda r: r["codec"]["mean_norm"], "mean_norm", ".4f"),
        figure(
            "explained variance, 128 components",
            both,
            lambda r: r["codec"]["explained_variance"],
            "explained_variance",
            ".2%",
        ),
    ]
    for step in (10, 20, 30, 40, 50):
        rows.append(
            figure(
                f"quantization error at {step}",
                both,
                lambda r, i=step: r["codec"]["quantization_error"][i - 1],
                ("quantization_error", step),
                ".4f",
            )
        )
    rows.append(
        figure(
            "Spearman, Hamming against cosine",
            both,
            lambda r: r["correlation"]["spearman"],
            "spearman",
            "+.4f",
        )
    )
    for label, scoring in (("recall@10, Hamming", "hamming"), ("recall@10, asymmetric", "asymmetric")):
        for depth in (100, 500, 1000):
            rows.append(
                figure(
                    f"{label}, {depth:,} candidates",
                    both,
                    lambda r, c=depth, s=scoring: recall(r, s, c)["value"],
                    (f"{scoring}_recall", depth),
                    ".1%",
                )
            )
    rows += [pivots(index, both) for index in range(5)]
    head = ("figure", "bge-small: notebook", "here", "MiniLM: notebook", "here")
    return table(head, rows)


def held_out_table() -> str:
    """recall@10 of 1,000 queries that codec and corpus never saw."""
    reports = load("held-out.json")["reports"]
    head = ["candidates"]
    for report in reports:
        name = "bge-small" if "bge" in report["model"]["name"] else "MiniLM"
        head += [f"{name}, Hamming", f"{name}, asymmetric"]
    rows = []
    for depth in DEPTHS:
        cells = [f"{depth:,}"]
        for report in reports:
            for scoring in ("hamming", "asymmetric"):
                found = recall(report, scoring, depth)
                cells.append(f"{found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})")
        rows.append(tuple(cells))
    return table(tuple(head), rows)


def encoder_table() -> str:
    """Texts per second, ours and FastEmbed's own."""
    rows = []
    for result in load("encoder.json")["results"]:
        speeds = result["texts_per_second"]
        rows.append(
            (
                f"{result['model']['name']} ({result['model']['weights']})",
                f"{speeds['fastembed']:.1f}",
                f"{speeds['bitsieve']:.1f}",
                f"{result['ratio']:.3f} ×",
                f"{result['target_ratio']} ×",
            )
        )
    return table(("model", "FastEmbed `embed()`, texts/s", "bitsieve, texts/s", "ratio", "target"), rows)


def speed_table(results: str = "search-bench-1t.json") -> str:
    """Queries per second at some recalls, every library on the same vectors in one run."""
    at = load(results)["at_recall"]
    columns = (
        ("batch", "0.95"),
        ("batch", "0.98"),
        ("batch", "0.99"),
        ("batch", "0.995"),
        ("single", "0.95"),
    )
    columns += (("single", "0.99"),)
    peers = sorted(at["batch"], key=lambda peer: -(at["batch"][peer]["0.95"] or 0))
    rows = []
    for peer in peers:
        speeds = (at[kind][peer][target] for kind, target in columns)
        rows.append((peer, *(f"{speed:,.0f}" if speed else "–" for speed in speeds)))
    head = (f"{'one query' if kind == 'single' else 'batch'}, {target[1:]}" for kind, target in columns)
    return table(("queries/s at recall@10 of", *head), rows)


def flat_table() -> str:
    """Recall by codes of 128 bits on Wikipedia, without and with two bytes of correction."""
    rows = []
    for corpus in load("flat-codes.json")["recall"]:
        model = corpus["data"]["name"].removeprefix("wikipedia-")
        for codes in corpus["codes"]:
            chosen = " (chosen)" if codes["corrections"] == corpus["corrections_pay"] else ""
            recalls = {point["n_candidates"]: point["recall"]["value"] for point in codes["points"]}
            label = f"{model}, {codes['bytes']} bytes{chosen}"
            rows.append((label, *(f"{recalls[depth]:.1%}" for depth in (50, 100, 200))))
    return table(("recall@10 at", "50 candidates", "100", "200"), rows)


def known_items_table() -> str:
    """Whether a search finds articles by their descriptions: by words, by meaning, by both."""
    rows = []
    for result in load("known-items.json")["reported"]:
        if result["mode"] == "ranks":
            continue
        *model, last = (name.rsplit("/", 1)[-1] for name in result["by"])
        cells = [interval(result[measure], 3) for measure in ("mrr", "recall")]
        for measure in ("mrr", "recall"):
            halves = [result[half][measure] for half in ("over_vector", "over_keyword") if half in result]
            cells.append(interval(min(halves, key=lambda over: over["value"]), 3, "+") if halves else "")
        rows.append((f"{result['mode']}: {', '.join((*model, last))}", *cells))
    return table(("", "MRR@10", "recall@10", "MRR over the better half", "recall over the better half"), rows)


def recall(report: dict[str, Any], scoring: str, depth: int) -> dict[str, float]:
    return next(
        point["recall"]
        for point in report["recall"]
        if (point["scoring"], point["n_candidates"]) == (scoring, depth)
    )


def figure(label: str, both: Any, ours: Any, theirs: str | tuple[str, int], spec: str) -> tuple[str, ...]:
    """A row: the label, then for each model what was published and what was measured."""
    cells = [label]
    for report in both:
        published = report["published"]
        name, key = theirs if isinstance(theirs, tuple) else (theirs, None)
        value = published.get(name) if key is None else published.get(name, {}).get(str(key))
        cells += ["" if value is None else signed(value, spec), signed(ours(report), spec)]
    return tuple(cells)


def pivots(index: int, both: Any) -> tuple[str, ...]:
    """A row of the pivot table."""
    cells = [f"pivots at {both[0]['pivots'][index]['threshold']:.2f}: recall, removed"]
    for report in both:
        point = report["pivots"][index]
        published = report["published"]["pivots"].get(str(point["threshold"]))
        cells.append(f"{published['recall']:.1%}, {published['reduction']:.1%}" if published else "")
        cells.append(f"{point['recall']['value']:.1%}, {point['reduction']:.1%}")
    return tuple(cells)


def interval(estimate: dict[str, float], digits: int, sign: str = "") -> str:
    """A value and its interval."""
    value, low, high = (signed(estimate[part], f"{sign}.{digits}f") for part in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def signed(value: float, spec: str) -> str:
    return format(value, spec).replace("-", "−")


if __name__ == "__main__":
    print("\n\n".join((notebook_table(), held_out_table(), encoder_table(), flat_table(), speed_table())))
