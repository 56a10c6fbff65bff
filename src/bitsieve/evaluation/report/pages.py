"""What stands where on the page of an experiment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import FormatError
from . import captions, figures, tables
from .beside import NOTEBOOK_TEXTS, beside_table
from .numbers import number, percent
from .svg import draw

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """One figure with its caption and the table of its numbers."""

    name: str
    title: str
    caption: str
    svg: str
    table: tables.Table


@dataclass(frozen=True)
class Headline:
    """One large number: what it is, the number, what it means."""

    label: str
    value: str
    meaning: str


def experiment_page(report: Report) -> dict[str, Any]:
    """Everything experiment.html.j2 shows.

    Raises: FormatError when the dict lacks something a report has.
    """
    try:
        return {
            "title": f"{short_name(report['model']['name'])} on {report['corpus']['name']}",
            "asked": asked(report),
            "bits": bits_of(report["corpus"]["digest"]),
            "imported": report["imported"],
            "headlines": headlines(report),
            "advice": report["recommendation"]["text"],
            "cards": cards(report),
            "angular": captions.angular_text(report),
            "beside": beside_table(report) if report["published"] else None,
            "beside_notes": beside_notes(report),
            "spread": tables.spread_table({short_name(report["model"]["name"]): report}),
            "model": tables.model_facts(report),
            "corpus": tables.corpus_facts(report),
            "machine": tables.machine_facts(report["machine"]),
            "command": report["command"],
            "version": report["machine"].get("bitsieve", ""),
        }
    except (KeyError, IndexError) as error:
        raise FormatError(f"this report lacks {error}: make it again with `bitsieve experiment`") from error


def short_name(model: str) -> str:
    """A model's name without its owner."""
    return model.rstrip("/").rsplit("/", 1)[-1]


def asked(report: Report) -> str:
    """The question of the experiment in one sentence."""
    protocol, codec, model = report["protocol"], report["codec"], report["model"]
    queries = (
        f"{protocol['n_queries']:,} of them ask in turn, each leaving itself out"
        if protocol["in_sample"]
        else f"{protocol['n_queries']:,} others ask that neither codec nor corpus has seen"
    )
    return (
        f"Do {codec['n_bits'] // 8}-byte codes ({codec['n_bits']} bits) find what exact search finds among "
        f"{protocol['n_vectors']:,} texts of {report['corpus']['name']}, embedded by {model['name']} "
        f"(weights: {model['weights']})? In the {protocol['name']} protocol {queries}."
    )


def headlines(report: Report) -> list[Headline]:
    """The numbers to remember."""
    protocol, codec, d = report["protocol"], report["codec"], report["model"]["dimension"]
    recalls = {(p["scoring"], p["n_candidates"]): p["recall"]["value"] for p in report["recall"]}
    found = [
        Headline(
            f"{depth:,} candidates",
            percent(recalls["asymmetric", depth]),
            f"recall@{protocol['k']}, asymmetric; by Hamming distance {percent(recalls['hamming', depth])}",
        )
        for depth in captions.headline_depths(report)
    ]
    n_bytes = codec["n_bits"] // 8
    found.append(
        Headline(
            "code of a text",
            f"{n_bytes} bytes",
            f"{4 * d / n_bytes:,.0f} times smaller than its vector of {4 * d:,} bytes",
        )
    )
    rho = report["correlation"]["spearman"]
    found.append(
        Headline(
            "Spearman", number(rho, 3), "Hamming distance against cosine; \N{MINUS SIGN}1 is the same order"
        )
    )
    return found


def cards(report: Report) -> dict[str, Card]:
    """The seven figures by name."""
    k = report["protocol"]["k"]
    plan: dict[str, tuple[str, Callable[[Any, Report], None], Any, Any, float]] = {
        "recall": (
            f"How many candidates find the true {k}?",
            figures.recall_figure, captions.recall_caption, tables.recall_table, 300,
        ),
        "density": (
            "Does Hamming distance follow cosine?",
            figures.density_figure, captions.density_caption, tables.density_table, 300,
        ),
        "pivots": (
            "What do pivots remove, and what do they lose?",
            figures.pivot_figure, captions.pivot_caption, tables.pivot_table, 300,
        ),
        "combined": (
            "Pivots first, then codes",
            figures.combined_figure, captions.combined_caption, tables.combined_table, 300,
        ),
        "variance": (
            "How much do the bits hold?",
            figures.variance_figure, captions.variance_caption, tables.variance_table, 280,
        ),
        "error": (
            "What does the rotation bring?",
            figures.error_figure, captions.error_caption, tables.error_table, 280,
        ),
        "time": (
            "Where does the time go?",
            figures.time_figure, captions.time_caption, tables.time_table, 130 + 26 * len(report["seconds"]),
        ),
    }  # fmt: skip
    drawn = {}
    for name, (title, paint, caption, table, height) in plan.items():
        if name == "combined" and not report["combined"]:
            continue  # a corpus of fewer than 100 texts has no such numbers of candidates

        def with_report(figure: Any, paint: Callable[[Any, Report], None] = paint) -> None:
            paint(figure, report)

        words = caption(report)
        svg = draw(with_report, name, f"{title} {words}", height=height)
        drawn[name] = Card(name, title, words, svg, table(report))
    return drawn


def beside_notes(report: Report) -> list[str]:
    """What to bear in mind when reading the notebook's figures beside ours."""
    model, protocol = report["model"], report["protocol"]
    notes = [
        "The notebook searched the openings of 10,000 English Wikipedia articles; "
        f"here it is {protocol['n_vectors']:,} texts of {report['corpus']['name']} ({report['corpus']['source']}).",
    ]
    size = (report["published"] or {}).get("size_mb")
    if size and abs(model["size_bytes"] / 1e6 - size) > 0.5:
        notes.append(
            f"Its model file had {number(size, 1)} MB; the weights of the same model that ran here "
            f"({model['weights']}) have {number(model['size_bytes'] / 1e6, 1)} MB, so that vectors differ a little."
        )
    if abs(protocol["n_vectors"] - NOTEBOOK_TEXTS) > NOTEBOOK_TEXTS // 100:
        notes.append(
            "The corpora differ in size, so that the same number of candidates is another share of the corpus."
        )
    if not protocol["in_sample"]:
        notes.append("Its queries were texts of the corpus; here they are held out.")
    return notes


def bits_of(digest: str) -> list[bool]:
    """The first 128 bits of a hex digest, most significant first: the pattern at the head of the page."""
    try:
        value = bytes.fromhex(digest)[:16]
    except ValueError:
        return []
    return [bool(byte >> bit & 1) for byte in value for bit in range(7, -1, -1)]
