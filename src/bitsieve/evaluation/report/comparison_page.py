"""What stands where on the page of a comparison."""

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import FormatError
from . import comparison_figures as figures
from . import tables
from .beside import figures_table
from .comparison_figures import Reports
from .numbers import NONE, interval, milliseconds, number, percent
from .pages import Card, Headline, bits_of, short_name
from .svg import draw
from .tables import Table


def comparison_page(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Everything comparison.html.j2 shows.

    Raises: FormatError when there is nothing to compare, or the dict lacks something a comparison has.
    """
    try:
        reports = by_name(comparison["reports"])
        if not reports:
            raise FormatError("this comparison holds no reports: compare one model or more")
        first = next(iter(reports.values()))
        return {
            "title": f"{_listed(list(reports))} on {first['corpus']['name']}",
            "asked": asked(first, len(reports)),
            "bits": bits_of(first["corpus"]["digest"]),
            "imported": {
                package: any(report["imported"].get(package) for report in reports.values())
                for package in first["imported"]
            },
            "models": {
                name: headlines(report, comparison["ms_per_text"]) for name, report in reports.items()
            },
            "conclusions": conclusions_table(comparison["conclusions"], reports),
            "findings": comparison["findings"],
            "cards": cards(reports),
            "spread": tables.spread_table(reports),
            "figures": figures_table(reports, comparison["ms_per_text"]),
            "model_facts": {name: tables.model_facts(report) for name, report in reports.items()},
            "corpus": tables.corpus_facts(first),
            "machine": tables.machine_facts(comparison["machine"]),
            "command": comparison["command"],
            "version": comparison["machine"].get("bitsieve", ""),
        }
    except (KeyError, IndexError) as error:
        raise FormatError(f"this comparison lacks {error}: make it again with `bitsieve compare`") from error


def by_name(reports: list[Mapping[str, Any]]) -> Reports:
    """Reports by the shortest name that tells their models apart: without owner, with owner, with weights."""
    models = [report["model"] for report in reports]
    candidates = (
        [short_name(model["name"]) for model in models],
        [model["name"] for model in models],
        [f"{model['name']} ({model['weights']})" for model in models],
        [f"{i}. {model['name']} ({model['weights']})" for i, model in enumerate(models, 1)],
    )
    names = next(names for names in candidates if len(set(names)) == len(names))
    return dict(zip(names, reports, strict=True))


def asked(report: Mapping[str, Any], n_models: int) -> str:
    """The question of the comparison in one sentence."""
    codec, protocol = report["codec"], report["protocol"]
    return (
        f"Which of these {n_models} models is best for {codec['n_bits'] // 8}-byte codes ({codec['n_bits']} bits)? "
        f"The same {protocol['n_vectors']:,} texts of {report['corpus']['name']}, the same "
        f"{protocol['n_queries']:,} queries and the same steps with each, in the {protocol['name']} protocol."
    )


def headlines(report: Mapping[str, Any], ms_per_text: Mapping[str, float]) -> list[Headline]:
    """What to remember of one model."""
    model = report["model"]
    depth = (
        100
        if any(p["n_candidates"] == 100 for p in report["recall"])
        else report["recall"][-1]["n_candidates"]
    )
    recalls = {p["scoring"]: p["recall"]["value"] for p in report["recall"] if p["n_candidates"] == depth}
    return [
        Headline(
            f"recall@{report['protocol']['k']}, {depth:,} candidates",
            percent(recalls["asymmetric"]),
            f"asymmetric; by Hamming distance {percent(recalls['hamming'])}",
        ),
        Headline("embedding", milliseconds(ms_per_text.get(model["name"])), "a text, measured in turn"),
        Headline("model file", f"{number(model['size_bytes'] / 1e6, 1)} MB", model["weights"]),
        Headline("Spearman", number(report["correlation"]["spearman"], 3), "Hamming distance against cosine"),
    ]


def conclusions_table(conclusions: list[Mapping[str, Any]], reports: Reports) -> Table:
    """Which model for which use; the winner's figure has a star, and no star means no clear difference."""
    rows = []
    for conclusion in conclusions:
        values = []
        for report in reports.values():
            name = report["model"]["name"]
            value = conclusion["values"].get(name, NONE)
            values.append(f"★ {value}" if name == conclusion["winner"] else value)
        rows.append([conclusion["use"], *values, conclusion["reason"]])
    return Table(["use", *reports, "why"], rows, text_columns=tuple(range(len(reports) + 2)))


def cards(reports: Reports) -> dict[str, Card]:
    """The four figures by name."""
    plan: dict[str, tuple[str, str, Callable[[Any, Reports], None], Table, float]] = {
        "recall": (
            "How many candidates does each need?", _recall_caption(reports),
            figures.recall_figure, _recall_table(reports), 310,
        ),
        "pivots": (
            "What do pivots remove, and what do they lose?", _pivot_caption(reports),
            figures.pivot_figure, _pivot_table(reports), 310,
        ),
        "density": (
            "Does Hamming distance follow cosine?", _density_caption(reports),
            figures.density_figure, _density_table(reports), 330 if len(reports) < 3 else 460,
        ),
        "variance": (
            "How much do the bits hold?", _variance_caption(reports),
            figures.variance_figure, _variance_table(reports), 310,
        ),
    }  # fmt: skip
    drawn = {}
    for name, (title, caption, paint, table, height) in plan.items():

        def with_reports(figure: Any, paint: Callable[[Any, Reports], None] = paint) -> None:
            paint(figure, reports)

        drawn[name] = Card(
            name, title, caption, draw(with_reports, name, f"{title} {caption}", height=height), table
        )
    return drawn


def _recall_caption(reports: Reports) -> str:
    found = []
    for name, report in reports.items():
        enough = report["recommendation"]["n_candidates"]["asymmetric"]
        found.append(f"{name} {f'{enough:,}' if enough else 'none'}")
    target = next(iter(reports.values()))["recommendation"]["target"]
    return (
        f"Fewest candidates measured at {percent(target, 0)} or more, asymmetric: "
        f"{', '.join(found)}. Bands are 95% intervals of asymmetric scoring."
    )


def _pivot_caption(reports: Reports) -> str:
    found = []
    for name, report in reports.items():
        point = min(report["pivots"], key=lambda point: abs(point["threshold"] - figures.NAMED))
        found.append(
            f"{name} loses {percent(1 - point['recall']['value'])} to remove {percent(point['reduction'])}"
        )
    return (
        f"Up and to the right is better. At a threshold of {point['threshold']:.2f} {', '.join(found)}: "
        "a threshold means something else for each model. Open diamonds are the notebook’s."
    )


def _density_caption(reports: Reports) -> str:
    found = [f"{name} {number(report['correlation']['spearman'], 3)}" for name, report in reports.items()]
    return (
        "Pairs of texts on the same axes; the stronger a square’s colour, the more of them. "
        f"The closer to one falling line, the better. Spearman: {', '.join(found)}."
    )


def _variance_caption(reports: Reports) -> str:
    found = [
        f"{report['codec']['n_bits']} of {name}’s {report['model']['dimension']} components hold "
        f"{percent(report['codec']['explained_variance'])}"
        for name, report in reports.items()
    ]
    return f"{'; '.join(found)}."


def _recall_table(reports: Reports) -> Table:
    points = {
        (name, p["scoring"], p["n_candidates"]): p["recall"]
        for name, report in reports.items()
        for p in report["recall"]
    }
    keys = [(name, scoring) for name in reports for scoring in ("asymmetric", "hamming")]
    rows = []
    for depth in sorted({depth for _, _, depth in points}):
        found = [points.get((*key, depth)) for key in keys]
        rows.append(
            [number(depth), *(f"{percent(r['value'])} ({interval(r)})" if r else NONE for r in found)]
        )
    names = {"asymmetric": "asymmetric", "hamming": "Hamming"}
    return Table(["candidates", *(f"{name}, {names[scoring]}" for name, scoring in keys)], rows)


def _pivot_table(reports: Reports) -> Table:
    rows = [
        [f"{name}, {row[0]}", *row[1:5], *(row[5:7] or [NONE, NONE])]
        for name, report in reports.items()
        for row in tables.pivot_table(report).rows
    ]
    columns = ["threshold", "neighbours kept", "95% interval", "corpus removed", "texts passed"]
    return Table([*columns, "notebook: kept", "removed"], rows)


def _density_table(reports: Reports) -> Table:
    rows = [
        [f"{name}, {row[0]}", *row[1:]]
        for name, report in reports.items()
        for row in tables.density_table(report).rows
    ]
    return Table(["cosine (middle of the bin)", "pairs", "median distance", "10th to 90th percentile"], rows)


def _variance_table(reports: Reports) -> Table:
    shares = {
        name: {int(bits): share for bits, share in report["codec"]["explained_variance_by_bits"].items()}
        for name, report in reports.items()
    }
    for name, report in reports.items():
        shares[name][report["codec"]["n_bits"]] = report["codec"]["explained_variance"]
    rows = [
        [number(bits), *(percent(shares[name].get(bits)) for name in reports)]
        for bits in sorted({bits for by_bits in shares.values() for bits in by_bits})
    ]
    return Table(["bits", *reports], rows)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
