"""Reports on a terminal: the notebook's figures beside ours, in a handful of tables."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from ..encoder import Encoder
    from ..evaluation.comparison import ComparisonReport
    from ..evaluation.experiment import Experiment
    from ..evaluation.measures import Estimate
    from ..evaluation.results import ExperimentReport

DEPTHS = (100, 500, 1000)
ERROR_STEPS = (10, 20, 30, 40, 50)


def print_experiment(console: "Console", report: "ExperimentReport") -> None:
    """Print one experiment."""
    from rich.markup import escape

    model, protocol, corpus = report.model, report.protocol, report.corpus
    console.rule(escape(f"{model['name']} on {corpus.name}"))
    queries = "of the same texts" if protocol.in_sample else "that codec and corpus never saw"
    console.print(
        f"{corpus.n_texts:,} texts (licence: {corpus.licence}), {protocol.n_queries:,} queries {queries}, "
        f"weights: {model['weights']}, {model['size_bytes'] / 1e6:.1f} MB",
        markup=False,
    )
    encoding = report.encoding
    speed = f", {encoding.ms_per_text:.1f} ms a text" if encoding.ms_per_text else ""
    console.print(
        f"loaded in {encoding.load_seconds:.1f} s; embedded {encoding.n_embedded:,} in {encoding.seconds:.1f} s"
        f"{speed}, {encoding.n_cached:,} from the cache; {corpus.n_truncated:,} texts cut at "
        f"{model['max_tokens']} tokens; {corpus.n_skipped:,} left out\n"
    )
    console.print(_facts(report))
    console.print(_recall(report))
    console.print(_pivots(report))
    if report.combined:
        console.print(_combined(report))
    angular = report.angular
    console.print(
        f"Lossless angular filter at the true 10th neighbour ({angular.mean_radius:.2f} rad): recall "
        f"{angular.recall:.1%}, removes {angular.reduction:.2%} (at best {angular.best_reduction:.1%})."
    )
    spread = report.spread
    console.print(
        f"Spread: cosines of random pairs {spread.cosine_mean:.3f} ± {spread.cosine_std:.3f}, "
        f"effective dimension {spread.effective_dimension:.0f} of {model['dimension']}."
    )
    stages = ", ".join(f"{stage.stage} {stage.ms_per_query:.3f}" for stage in report.stages)
    console.print(f"Time a query, ms, in one batch: {stages}.")
    pivots = " ".join(map(str, report.pivot_rows))
    drawn = " ".join(map(str, (report.published or {}).get("pivot_rows", ())))
    console.print(f"Pivots: {pivots}" + (f" (notebook: {drawn})" if drawn else "") + ".")
    for name, was in report.imported.items():
        noted = (
            " (notebook: YES)" if name == "torch" and (report.published or {}).get("torch_imported") else ""
        )
        console.print(f"{name} imported: {'YES' if was else 'no'}{noted}")
    console.print("\n".join(["", *report.recommendation.text, ""]), markup=False)


def print_search(
    console: "Console", experiment: "Experiment", encoder: "Encoder", queries: Sequence[str], k: int = 3
) -> None:
    """Print a few searches: title, score and text."""
    rows, scores = experiment.cascade.search(
        encoder.encode_queries(queries), k, n_candidates=min(100, len(experiment.codes))
    )
    console.rule("five searches: 100 candidates by 16-byte codes, then exact cosine")
    for query, hits, cosines in zip(queries, rows, scores, strict=True):
        console.print(f"\n? {query}", style="bold", markup=False)
        for row, score in zip(hits, cosines, strict=True):
            source = int(experiment.sample.rows[row])
            console.print(f"  {score:.3f}  {experiment.corpus.titles[source]}", markup=False)
            text = " ".join(experiment.corpus.texts[source].split())
            console.print(
                f"         {textwrap.shorten(text, 100, placeholder=' …')}", style="dim", markup=False
            )
    console.print()


def print_comparison(console: "Console", comparison: "ComparisonReport") -> None:
    """Print the conclusion table and the findings."""
    names = [report.model["name"] for report in comparison.reports]
    short = {name: name.rsplit("/", 1)[-1] for name in names}
    table = _table("which model for which use, as measured", "use", *short.values(), "best")
    for line in comparison.conclusions:
        best = f"{short[line.winner]}: {line.reason}" if line.winner else f"none: {line.reason}"
        table.add_row(line.use, *(line.values[name] for name in names), best)
    console.print(table)
    for finding in comparison.findings:
        console.print(f"- {finding}", markup=False)


def _facts(report: "ExperimentReport") -> Any:
    theirs, codec = report.published or {}, report.codec
    table = _table("the codec", "figure", "notebook" if theirs else "", "here")
    table.add_row("dimension", _number(theirs.get("dimension"), "d"), str(report.model["dimension"]))
    table.add_row(
        "model file, MB", _number(theirs.get("size_mb"), ".1f"), f"{report.model['size_bytes'] / 1e6:.1f}"
    )
    encoding = report.encoding
    table.add_row("loading, s", _number(theirs.get("load_seconds"), ".1f"), f"{encoding.load_seconds:.1f}")
    speed = "from the cache" if encoding.ms_per_text is None else f"{encoding.ms_per_text:.1f}"
    table.add_row("embedding a text, ms", _number(theirs.get("ms_per_text"), ".1f"), speed)
    table.add_row("texts the codec learned from", "10,000", f"{codec.n_fit_rows:,}")
    table.add_row("norm of the mean", _number(theirs.get("mean_norm"), ".4f"), f"{codec.mean_norm:.4f}")
    table.add_row(
        f"explained variance, {codec.n_bits} components",
        _number(theirs.get("explained_variance"), ".2%"),
        f"{codec.explained_variance:.2%}",
    )
    errors = theirs.get("quantization_error") or {}
    steps = [step for step in ERROR_STEPS if step <= len(codec.quantization_error)]
    table.add_row(
        f"quantization error at {' / '.join(map(str, steps))}",
        " / ".join(_number(errors.get(step), ".4f") for step in steps) if errors else "",
        " / ".join(f"{codec.quantization_error[step - 1]:.4f}" for step in steps),
    )
    ours = report.correlation.spearman
    table.add_row(
        "Spearman, Hamming against cosine", _number(theirs.get("spearman"), "+.4f"), _number(ours, "+.4f")
    )
    return table


def _recall(report: "ExperimentReport") -> Any:
    theirs = (report.published or {}).get("hamming_recall", {})
    table = _table(
        "recall@10 after exact rerank",
        "candidates",
        "notebook, Hamming" if theirs else "",
        "Hamming",
        "asymmetric",
    )
    for depth in _depths(report):
        hamming, asymmetric = (report.recall_of(scoring, depth) for scoring in ("hamming", "asymmetric"))
        if hamming and asymmetric:
            table.add_row(
                f"{depth:,}", _number(theirs.get(depth), ".1%"), _estimate(hamming), _estimate(asymmetric)
            )
    return table


def _depths(report: "ExperimentReport") -> list[int]:
    """100, 500 and 1,000 candidates; all that were measured where the corpus is too small for 500."""
    measured = sorted({point.n_candidates for point in report.recall})
    return [depth for depth in DEPTHS if depth in measured] if DEPTHS[1] in measured else measured


def _pivots(report: "ExperimentReport") -> Any:
    theirs = (report.published or {}).get("pivots", {})
    table = _table(
        "pivot filter (cosine distance)",
        "threshold", "notebook: recall, reduction, passed" if theirs else "", "filter recall", "reduction", "passed",
    )  # fmt: skip
    for point in report.pivots:
        published = theirs.get(point.threshold)
        notebook = ""
        if published:
            passed = f", {published['passed']:,}" if published["passed"] else ""
            notebook = f"{published['recall']:.1%}, {published['reduction']:.1%}{passed}"
        table.add_row(
            f"{point.threshold:.2f}",
            notebook,
            _estimate(point.recall),
            f"{point.reduction:.1%}",
            f"{point.passed:,.0f}",
        )
    return table


def _combined(report: "ExperimentReport") -> Any:
    depths = [depth for depth in DEPTHS if any(point.n_candidates == depth for point in report.combined)]
    table = _table(
        "pivots, then codes: recall@10 (never measured in the notebook)",
        "threshold", *(f"{scoring}, {depth:,}" for scoring in ("Hamming", "asymmetric") for depth in depths),
    )  # fmt: skip
    by_key = {(p.threshold, p.scoring, p.n_candidates): p.recall for p in report.combined}
    for point in report.pivots:
        cells = [
            f"{by_key[point.threshold, scoring, depth].value:.1%}"
            for scoring in ("hamming", "asymmetric")
            for depth in depths
        ]
        table.add_row(f"{point.threshold:.2f}", *cells)
    return table


def _table(title: str, *columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def _estimate(estimate: "Estimate") -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%}–{estimate.high:.1%})"


def _number(value: float | None, spec: str) -> str:
    return "" if value is None else format(value, spec).replace("-", "−")
