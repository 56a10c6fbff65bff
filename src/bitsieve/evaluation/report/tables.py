"""The numbers behind each figure as tables of text, and those that have no figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .axes import medians
from .figures import searches_of
from .numbers import NONE, interval, megabytes, milliseconds, number, percent, seconds

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows of text under a header. text_columns: which of them read from the left, as the first one does."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: tuple[int, ...] = (0,)


def recall_table(report: Report) -> Table:
    """A row for each number of candidates, both scorings side by side, with the notebook's where it has one."""
    recalls: dict[int, dict[str, Mapping[str, float]]] = {}
    for point in report["recall"]:
        recalls.setdefault(point["n_candidates"], {})[point["scoring"]] = point["recall"]
    published = {int(k): v for k, v in (report["published"] or {}).get("hamming_recall", {}).items()}
    columns = ["candidates", "asymmetric", "95% interval", "Hamming", "95% interval"]
    rows = []
    for depth in sorted(recalls.keys() | published.keys()):
        row = [number(depth)]
        for scoring in ("asymmetric", "hamming"):
            recall = recalls.get(depth, {}).get(scoring)
            row += [percent(recall["value"]), interval(recall)] if recall else [NONE, NONE]
        rows.append(row + ([percent(published.get(depth))] if published else []))
    return Table([*columns, "notebook, Hamming"] if published else columns, rows)


def pivot_table(report: Report) -> Table:
    """A row for each threshold, the notebook's beside it where it has one."""
    published = {float(k): v for k, v in (report["published"] or {}).get("pivots", {}).items()}
    columns = ["threshold", "neighbours kept", "95% interval", "corpus removed", "texts passed"]
    if published:
        columns += ["notebook: kept", "removed", "passed"]
    rows = []
    for point in report["pivots"]:
        row = [
            f"{point['threshold']:.2f}",
            percent(point["recall"]["value"]),
            interval(point["recall"]),
            percent(point["reduction"]),
            number(point["passed"]),
        ]
        if published:
            theirs = published.get(point["threshold"], {})
            passed = number(theirs.get("passed"))
            row += [percent(theirs.get("recall")), percent(theirs.get("reduction")), passed]
        rows.append(row)
    return Table(columns, rows)


def density_table(report: Report) -> Table:
    """A row for each bin of the cosine: how many pairs, and where their Hamming distances lie."""
    rows = [
        [number(cosine, 2), number(total), number(median), f"{low} to {high}"]
        for cosine, median, low, high, total in medians(report["correlation"]["density"])
    ]
    return Table(["cosine (middle of the bin)", "pairs", "median distance", "10th to 90th percentile"], rows)


def combined_table(report: Report) -> Table:
    """A row for each threshold, a column for each scoring and number of candidates; the last one without pivots."""
    points = report["combined"]
    depths = sorted({point["n_candidates"] for point in points})
    keys = [(scoring, depth) for scoring in ("asymmetric", "hamming") for depth in depths]
    names = {"asymmetric": "asymmetric", "hamming": "Hamming"}
    rows = []
    for threshold in sorted({point["threshold"] for point in points}):
        found = {
            (p["scoring"], p["n_candidates"]): p["recall"] for p in points if p["threshold"] == threshold
        }
        rows.append([f"{threshold:.2f}", *(_with_interval(found.get(key)) for key in keys)])
    plain = {(p["scoring"], p["n_candidates"]): p["recall"] for p in report["recall"]}
    rows.append(["off", *(_with_interval(plain.get(key)) for key in keys)])
    return Table(["threshold", *(f"{names[scoring]}, {depth:,}" for scoring, depth in keys)], rows)


def variance_table(report: Report) -> Table:
    """A row for each number of bits."""
    codec = report["codec"]
    shares = {int(bits): share for bits, share in codec["explained_variance_by_bits"].items()}
    shares[codec["n_bits"]] = codec["explained_variance"]
    published = (report["published"] or {}).get("explained_variance")
    rows = [[number(bits), percent(shares[bits])] for bits in sorted(shares)]
    if published is None:
        return Table(["bits", "variance held"], rows)
    mine = number(codec["n_bits"])
    return Table(
        ["bits", "variance held", "notebook"],
        [[*row, percent(published) if row[0] == mine else NONE] for row in rows],
    )


def error_table(report: Report) -> Table:
    """A row for each iteration."""
    published = {int(k): v for k, v in (report["published"] or {}).get("quantization_error", {}).items()}
    rows = [
        [number(step), number(error, 4), *([number(published.get(step), 4)] if published else [])]
        for step, error in enumerate(report["codec"]["quantization_error"], 1)
    ]
    return Table(["iteration", "error", *(["notebook"] if published else [])], rows)


def time_table(report: Report) -> Table:
    """Steps of the experiment, then the stages of one query and what each passed on."""
    rows = [[name, seconds(value), NONE, NONE] for name, value in report["seconds"].items()]
    for way, stages in searches_of(report).items():
        total = sum(stage["ms_per_query"] for stage in stages.values())
        rows += [
            [f"{way}: {name}", NONE, milliseconds(stage["ms_per_query"]), number(stage["kept"])]
            for name, stage in stages.items()
        ]
        rows.append([f"{way}: together", NONE, milliseconds(total), NONE])
    return Table(["step", "whole run", "one query", "texts passed on"], rows)


def spread_table(reports: Mapping[str, Report]) -> Table:
    """How vectors lie on the sphere, a column for each model."""
    spreads = [report["spread"] for report in reports.values()]
    rows = [
        ["norm of the mean", *(number(s["mean_norm"], 3) for s in spreads)],
        ["cosine of random pairs, mean", *(number(s["cosine_mean"], 3) for s in spreads)],
        ["cosine of random pairs, standard deviation", *(number(s["cosine_std"], 3) for s in spreads)],
    ]
    for rank in spreads[0]["cosine_percentiles"]:
        values = (s["cosine_percentiles"].get(rank) for s in spreads)
        rows.append([f"cosine, percentile {rank}", *(number(value, 3) for value in values)])
    rows.append(["effective dimension", *(number(s["effective_dimension"], 1) for s in spreads)])
    return Table(["", *reports], rows)


def model_facts(report: Report) -> dict[str, str]:
    """What made the vectors."""
    model, encoding = report["model"], report["encoding"]
    speed = (
        f"{milliseconds(encoding['ms_per_text'])} a text on {encoding['threads']} threads"
        if encoding["ms_per_text"] is not None
        else f"not measured: {encoding['n_cached']:,} vectors came from the cache"
    )
    return {
        "name": model["name"],
        "weights": f"{model['weights']}, {megabytes(model['size_bytes'])}",
        "licence": model["licence"],
        "dimension": number(model["dimension"]),
        "pooling": model["pooling"],
        "longest text": f"{model['max_tokens']:,} tokens",
        "prefixes": f"query “{model['query_prefix']}”, passage “{model['passage_prefix']}”"
        if model["query_prefix"] or model["passage_prefix"]
        else "none",
        "loading": seconds(encoding["load_seconds"]),
        "embedding": speed,
        "source": model["source"],
        **{f"sha256 of {name}": digest for name, digest in model["files"].items()},
        "fingerprint": model["fingerprint"],
    }


def corpus_facts(report: Report) -> dict[str, str]:
    """Which texts were searched, and which were asked."""
    corpus, protocol = report["corpus"], report["protocol"]
    return {
        "name": corpus["name"],
        "texts": f"{corpus['n_texts']:,}, {corpus['mean_characters']:.0f} characters on average",
        "records left out": number(corpus["n_skipped"]),
        "texts cut at the model’s limit": number(corpus["n_truncated"]),
        "licence": corpus["licence"],
        "source": corpus["source"],
        "searched": f"{protocol['n_vectors']:,} texts",
        "queries": f"{protocol['n_queries']:,}, "
        + (
            "texts of the corpus, each leaving itself out"
            if protocol["in_sample"]
            else "held out of the corpus"
        ),
        "seed": str(protocol["seed"]),
        "codec": f"{report['codec']['n_bits']} bits, learned from {report['codec']['n_fit_rows']:,} texts",
        "pivots": f"rows {', '.join(str(row) for row in report['pivot_rows'])}",
        "sha256 of the texts": corpus["digest"],
    }


def machine_facts(machine: Mapping[str, Any]) -> dict[str, str]:
    """Machine and versions."""
    return {name: NONE if value is None else str(value) for name, value in machine.items()}


def _with_interval(estimate: Mapping[str, float] | None) -> str:
    return f"{percent(estimate['value'])} ({interval(estimate)})" if estimate else NONE
