"""The HTML page of an advice: figures, tables and words in one file that needs nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..evaluation.report.numbers import NONE, milliseconds, percent, seconds
from ..evaluation.report.tables import Table, machine_facts
from ..evaluation.report.write import require_extra, write_page
from .results import Advice, ModelAdvice
from .setup import Setup
from .tables import finalists_table, front_table, in_bytes, ways_table, whole
from .words import plan


def write_advice(advice: Advice, path: str | Path) -> Path:
    """Write an advice as one HTML file: nothing fetched, no script.

    Returns: the path written. Raises: MissingExtraError without matplotlib or Jinja2.
    """
    require_extra()
    return write_page("advice.html.j2", advice_page(advice), path, package="bitsieve.advice")


def advice_page(advice: Advice) -> dict[str, Any]:
    """Everything advice.html.j2 shows."""
    from ..evaluation.report.pages import bits_of

    setup, models = advice.setup, advice.models
    return {
        "title": f"What codes are worth on {advice.name}",
        "asked": asked(advice),
        "bits": bits_of("".join(model.digest for model in models)),
        "text": advice.text,
        "models": [
            {
                "name": model.model or "",
                "headlines": headlines(model, setup),
                "text": model.text,
                "cards": cards(model, setup, f"m{i}"),
                "finalists": finalists_table(model, setup),
                "facts": facts(model, setup),
            }
            for i, model in enumerate(models)
        ],
        "seconds": {step: seconds(took) for step, took in advice.seconds.items()},
        "machine": machine_facts(advice.machine),
        "command": advice.command,
        "version": advice.machine.get("bitsieve", ""),
    }


def asked(advice: Advice) -> str:
    """The question in one sentence."""
    setup = advice.setup
    return (
        f"Which codes of at most {in_bytes(setup.budget_bytes)} find {whole(setup.target_recall)} of the {setup.k} "
        f"nearest among {advice.models[0].n_vectors:,} vectors of {advice.name} soonest, and are they worth it?"
    )


def headlines(model: ModelAdvice, setup: Setup) -> list[Any]:
    """The numbers to remember."""
    from ..evaluation.report.pages import Headline

    exact = Headline(
        "exact search", milliseconds(model.exact_ms), f"a query, through {model.n_vectors:,} vectors"
    )
    if model.best is None:
        return [exact]
    best = model.finalists[model.best]
    way = model.ways[best.way]
    return [
        Headline("codes", milliseconds(best.ms), f"a query: {plan(way, best.effort)}"),
        exact,
        Headline("in memory to filter", in_bytes(way.n_bytes), f"a vector; {4 * model.dimension:,} as float32"),
        Headline(
            f"recall@{setup.k}", percent(best.recall),
            f"on {model.n_trying:,} queries that had no part in the choice; at least {whole(setup.target_recall)}",
        ),
    ]  # fmt: skip


def cards(model: ModelAdvice, setup: Setup, prefix: str) -> list[Any]:
    """The three figures."""
    from ..evaluation.report.pages import Card
    from ..evaluation.report.svg import draw
    from . import figures

    target = whole(setup.target_recall)
    ways = ways_table(model, setup)
    plan: list[tuple[str, str, str, Callable[[Any, ModelAdvice, Setup], None], Table, float]] = [
        (
            "recall", "What does recall cost?",
            f"Each curve is the best of a family within {in_bytes(setup.budget_bytes)} (with pivots: of any size); up "
            "and to the left is better. The dashed line is the target. In the table, candidates are in brackets; H is "
            "Hamming distance, P pivots, C cells and their margin.",
            figures.recall_figure, front_table(model, setup), 310,
        ),
        (
            "bytes", f"What do bytes buy at {target}?",
            "Down and to the left is better. The dashed line is the budget.",
            figures.bytes_figure, ways, 310,
        ),
        (
            "candidates", f"How many candidates does {target} take?",
            "More bits order texts better, so fewer of them have to be compared.",
            figures.candidates_figure, ways, 300,
        ),
    ]  # fmt: skip
    drawn = []
    for name, title, caption, paint, table, height in plan:

        def with_numbers(figure: Any, paint: Callable[..., None] = paint) -> None:
            paint(figure, model, setup)

        svg = draw(with_numbers, f"{prefix}-{name}", f"{title} {caption}", height=height)
        drawn.append(Card(f"{prefix}-{name}", title, caption, svg, table))
    return drawn


def facts(model: ModelAdvice, setup: Setup) -> dict[str, str]:
    """What was searched, and who asked."""
    return {
        "model": model.model or NONE,
        "vectors": f"{model.n_vectors:,} of {model.n_total:,}, {model.dimension} dimensions",
        "queries": f"{model.n_choosing + model.n_trying:,}: {model.asked_by}",
        "who chose": f"{model.n_choosing:,} of them; the other {model.n_trying:,} tried what was chosen",
        "embedding a query": milliseconds(model.embed_ms),
        "to rerank": f"{model.rerank_bytes:,} bytes a vector: a copy in bytes and float32",
        "seed": str(setup.seed),
        "sha256 of vectors and queries": f"{model.digest}…",
    }
