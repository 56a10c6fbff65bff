"""The notebook's figures beside ours: one line for each figure it published or could have published."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .numbers import NONE, interval, number, percent, points, signed
from .tables import Table

Kind = Literal["share", "share, 2 digits", "count", "MB", "ms", "s", "2", "3", "4"]
"""What a figure is; a digit is a bare number with so many decimals."""

NOTEBOOK_TEXTS = 10_000


@dataclass(frozen=True)
class Line:
    """One figure: measured here (None: not), published (None: not), and what to know when comparing."""

    figure: str
    ours: float | None
    published: float | None
    kind: Kind
    note: str = ""
    comparable: bool = True
    """False: a difference would say nothing, because the corpora differ in size."""

    def show(self, value: float | None) -> str:
        """A value of this kind as text."""
        if value is None:
            return NONE
        match self.kind:
            case "share":
                return percent(value)
            case "share, 2 digits":
                return percent(value, 2)
            case "count":
                return number(value)
            case "MB" | "ms" | "s":
                return f"{number(value, 1)} {self.kind}"
        return number(value, int(self.kind))

    @property
    def difference(self) -> str:
        """Ours minus the notebook's."""
        if self.ours is None or self.published is None or not self.comparable:
            return NONE
        difference = self.ours - self.published
        match self.kind:
            case "share":
                return points(difference)
            case "share, 2 digits":
                return points(difference, 2)
            case "count":
                return signed(difference)
            case "MB" | "ms" | "s":
                return f"{signed(difference, 1)} {self.kind}"
        return signed(difference, int(self.kind))


def lines(report: Mapping[str, Any], ms_per_text: float | None = None) -> list[Line]:
    """All figures of the notebook, in its order, with ours; the report's own speed unless one is given."""
    theirs: Mapping[str, Any] = report["published"] or {}
    model, codec = report["model"], report["codec"]
    weights = f"weights here: {model['weights']}"
    ours_ms = report["encoding"]["ms_per_text"] if ms_per_text is None else ms_per_text
    machine = "vectors came from the cache here" if ours_ms is None else "other machine"
    found = [
        Line("dimension", model["dimension"], theirs.get("dimension"), "count"),
        Line("model file", model["size_bytes"] / 1e6, theirs.get("size_mb"), "MB", weights),
        Line(
            "loading the model",
            report["encoding"]["load_seconds"],
            theirs.get("load_seconds"),
            "s",
            "other machine",
        ),
        Line("embedding, a text", ours_ms, theirs.get("ms_per_text"), "ms", machine),
        Line("norm of the mean", codec["mean_norm"], theirs.get("mean_norm"), "4"),
        Line(
            f"variance held by {codec['n_bits']} components",
            codec["explained_variance"],
            theirs.get("explained_variance"),
            "share, 2 digits",
        ),
    ]
    errors = codec["quantization_error"]
    published_errors = {int(k): v for k, v in theirs.get("quantization_error", {}).items()}
    for step in (10, 20, 30, 40, 50):
        ours = errors[step - 1] if step <= len(errors) else None
        found.append(Line(f"quantization error, iteration {step}", ours, published_errors.get(step), "4"))
    found.append(
        Line("Spearman, cosine and Hamming", report["correlation"]["spearman"], theirs.get("spearman"), "4")
    )
    return found + _recall_lines(report, theirs) + _pivot_lines(report, theirs)


def beside_table(report: Mapping[str, Any]) -> Table:
    """The lines that the notebook published for this model."""
    return Table(
        ["figure", "notebook", "here", "difference", ""],
        [
            [line.figure, line.show(line.published), line.show(line.ours), line.difference, line.note]
            for line in lines(report)
            if line.published is not None
        ],
        text_columns=(0, 4),
    )


def figures_table(reports: Mapping[str, Mapping[str, Any]], ms_per_text: Mapping[str, float]) -> Table:
    """All figures with a column for each model, the notebook's value after ours where it has one.

    ms_per_text: of each model by its full name, measured side by side and not in the reports' own runs.
    """
    cells: dict[str, dict[str, str]] = {}
    for name, report in reports.items():
        for line in lines(report, ms_per_text.get(report["model"]["name"])):
            theirs = "" if line.published is None else f" (notebook {line.show(line.published)})"
            cells.setdefault(line.figure, {})[name] = line.show(line.ours) + theirs
    rows = [[figure, *(values.get(name, NONE) for name in reports)] for figure, values in cells.items()]
    return Table(["figure", *reports], rows)


def _recall_lines(report: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Line]:
    published = {int(depth): recall for depth, recall in theirs.get("hamming_recall", {}).items()}
    ours = {(p["scoring"], p["n_candidates"]): p["recall"] for p in report["recall"]}
    found = []
    for scoring, label in (("hamming", "Hamming"), ("asymmetric", "asymmetric")):
        for depth in (100, 500, 1000):
            recall = ours.get((scoring, depth))
            notebook = published.get(depth) if scoring == "hamming" else None
            figure = f"recall@{report['protocol']['k']}, {depth:,} candidates, {label}"
            value = recall["value"] if recall else None
            found.append(Line(figure, value, notebook, "share", _against(recall, notebook)))
    return found


def _pivot_lines(report: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Line]:
    published = {float(threshold): row for threshold, row in theirs.get("pivots", {}).items()}
    n = report["protocol"]["n_vectors"]
    same_size = abs(n - NOTEBOOK_TEXTS) <= NOTEBOOK_TEXTS // 100
    found = []
    for point in report["pivots"]:
        row = published.get(point["threshold"], {})
        label = f"pivots at {point['threshold']:.2f}"
        recall = point["recall"]
        note = _against(recall, row.get("recall"))
        found += [
            Line(f"{label}: neighbours kept", recall["value"], row.get("recall"), "share", note),
            Line(f"{label}: corpus removed", point["reduction"], row.get("reduction"), "share"),
            Line(
                f"{label}: texts passed",
                point["passed"],
                row.get("passed"),
                "count",
                f"of {n:,} here",
                same_size,
            ),
        ]
    return found


def _against(ours: Mapping[str, float] | None, published: float | None) -> str:
    if ours is None or published is None:
        return ""
    rounding = 0.0005  # the notebook gives tenths of a percent
    within = ours["low"] - rounding <= published <= ours["high"] + rounding
    where = "within" if within else "outside"
    return f"{where} our 95% interval, {interval(ours)}"
