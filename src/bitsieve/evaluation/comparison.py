"""Models side by side: the same experiment with each, and which model for which use, as measured."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from ..encoder import Encoder, Model
from ..errors import InputError
from .artifacts import short_name
from .corpora import Corpus
from .measures import Estimate
from .results import ExperimentReport

FORMAT_VERSION = 1
SPEED_TEXTS = 100
SPEED_ROUNDS = 3
CLEAR_SPEED = 1.1
"""How many times as fast counts as faster, of medians taken in turn."""
CLAIMED = "BAAI/bge-small-en-v1.5"
"""The model whose vectors the notebook says spread wider."""


@dataclass(frozen=True)
class Conclusion:
    """One use, the model that is best for it (None: no difference measured), why, and each model's figure."""

    use: str
    winner: str | None
    reason: str
    values: dict[str, str]


@dataclass(frozen=True)
class ComparisonReport:
    """Several experiments on one corpus and what follows from them."""

    reports: list[ExperimentReport]
    ms_per_text: dict[str, float]
    conclusions: list[Conclusion]
    findings: list[str]
    command: str

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON keeps it."""
        return {
            "format": "bitsieve-comparison",
            "format_version": FORMAT_VERSION,
            "reports": [report.to_dict() for report in self.reports],
            "ms_per_text": self.ms_per_text,
            "conclusions": [asdict(conclusion) for conclusion in self.conclusions],
            "findings": self.findings,
            "machine": self.reports[0].machine,
            "command": self.command,
        }


def compare(
    reports: Sequence[ExperimentReport], encoders: Sequence[Encoder], corpus: Corpus, *, command: str = ""
) -> ComparisonReport:
    """Set experiments beside each other. The speed of the models is measured here, in turn, past the cache."""
    speed = measure_speed(encoders, corpus)
    return ComparisonReport(list(reports), speed, conclude(reports, speed), find(reports), command)


def check_distinct(models: Iterable[Model]) -> None:
    """Raise InputError when two of the models have one name, or one name in file names.

    What is said of them could not be told apart, and the second's files would overwrite the first's.
    """
    names = [short_name(model.name) for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{', '.join(twice)} is there twice: compare models of different names")


def measure_speed(encoders: Sequence[Encoder], corpus: Corpus) -> dict[str, float]:
    """Milliseconds a text of each model, median of 3 rounds taken in turn, over 100 texts of the corpus."""
    step = max(1, len(corpus) // SPEED_TEXTS)
    texts = corpus.texts[::step][:SPEED_TEXTS]
    seconds: dict[str, list[float]] = {encoder.model.name: [] for encoder in encoders}
    for _ in range(SPEED_ROUNDS):
        for encoder in encoders:
            started = time.perf_counter()
            encoder.encode_queries(texts)
            seconds[encoder.model.name].append(time.perf_counter() - started)
    return {name: 1000 * median(times) / len(texts) for name, times in seconds.items()}


def conclude(reports: Sequence[ExperimentReport], ms_per_text: Mapping[str, float]) -> list[Conclusion]:
    """Which model for which use. A winner's interval, or its speed, stands clear of the others'."""
    table = [_fastest(ms_per_text), _smallest(reports), _correlation(reports)]
    for scoring, depth in (("asymmetric", 100), ("hamming", 500)):
        found = {report.model["name"]: report.recall_of(scoring, depth) for report in reports}
        if all(found.values()):
            use = f"recall@10 at {depth} candidates, {scoring}"
            table.append(_by_interval(use, {name: value for name, value in found.items() if value}))
    return table


def find(reports: Sequence[ExperimentReport]) -> list[str]:
    """The notebook's claims, held against what was measured."""
    findings = []
    for report in reports:
        name, ours = report.model["name"], report.correlation.spearman
        theirs = (report.published or {}).get("spearman")
        if theirs is not None:
            verdict = "and ours is close to it" if abs(ours - theirs) < 0.1 else "which does not hold here"
            findings.append(
                f"Spearman of Hamming against cosine, {name}: {_signed(ours)}. "
                f"The notebook gives {_signed(theirs)}, {verdict}."
            )
    if len(reports) > 1:
        wide = max(reports, key=lambda report: report.spread.cosine_std)
        lean = max(reports, key=lambda report: report.spread.mean_norm)
        spreads = "; ".join(
            f"{report.model['name']}: cosines of random pairs {report.spread.cosine_mean:.2f} "
            f"± {report.spread.cosine_std:.3f}, norm of the mean {report.spread.mean_norm:.2f}, "
            f"effective dimension {report.spread.effective_dimension:.0f}"
            for report in reports
        )
        findings.append(
            f"Spread ({spreads}). {wide.model['name']} spreads widest, and {lean.model['name']} leans most to one "
            f"side.{_spread_verdict(reports, wide)}"
        )
    return findings


def _spread_verdict(reports: Sequence[ExperimentReport], wide: ExperimentReport) -> str:
    if not any(report.model["name"] == CLAIMED and report.published for report in reports):
        return ""
    claim = (
        " The notebook says that bge-small's vectors spread wider and that its pivots therefore need a smaller "
        "threshold: "
    )
    if wide.model["name"] == CLAIMED:
        return f"{claim}here they do."
    points = [(report, report.pivots_at(0.20)) for report in reports]
    removed = ", ".join(
        f"{report.model['name']} {point.reduction:.0%}" for report, point in points if point is not None
    )
    return (
        f"{claim}it is the other way round. Narrow vectors have pivot distances that differ little, so a given "
        f"threshold removes less of them (at 0.20: {removed})."
    )


def _fastest(ms_per_text: Mapping[str, float]) -> Conclusion:
    order = sorted(ms_per_text, key=lambda name: ms_per_text[name])
    ratio = ms_per_text[order[1]] / ms_per_text[order[0]] if len(order) > 1 else 1.0
    return Conclusion(
        use="embedding speed",
        winner=order[0] if ratio >= CLEAR_SPEED else None,
        reason=f"{ratio:.1f} times as fast as the next" if ratio >= CLEAR_SPEED else "no clear difference",
        values={name: f"{ms:.1f} ms a text" for name, ms in ms_per_text.items()},
    )


def _smallest(reports: Sequence[ExperimentReport]) -> Conclusion:
    sizes = {report.model["name"]: report.model["size_bytes"] / 1e6 for report in reports}
    return Conclusion(
        use="small model file",
        winner=min(sizes, key=lambda name: sizes[name]),
        reason="of the weights that ran here",
        values={name: f"{size:.1f} MB" for name, size in sizes.items()},
    )


def _correlation(reports: Sequence[ExperimentReport]) -> Conclusion:
    values = {report.model["name"]: report.correlation.spearman for report in reports}
    order = sorted(values, key=lambda name: values[name])
    clear = len(order) > 1 and values[order[1]] - values[order[0]] > 0.02
    return Conclusion(
        use="Hamming distance that follows cosine",
        winner=order[0] if clear else None,
        reason="strongest correlation" if clear else "correlations within 0.02",
        values={name: f"Spearman {_signed(value)}" for name, value in values.items()},
    )


def _by_interval(use: str, values: Mapping[str, Estimate]) -> Conclusion:
    order = sorted(values, key=lambda name: -values[name].value)
    clear = len(order) > 1 and values[order[0]].low > values[order[1]].high
    return Conclusion(
        use=use,
        winner=order[0] if clear else None,
        reason="its 95% interval is above the others'" if clear else "95% intervals overlap",
        values={name: f"{v.value:.1%} ({v.low:.1%} to {v.high:.1%})" for name, v in values.items()},
    )


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
