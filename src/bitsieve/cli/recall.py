"""`bitsieve calibrate`, `recall` and `explain`: how much of the truth an index finds, and at what cost."""

import json
from dataclasses import asdict
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AsJson, IndexFolder, MovedModel, TargetRecall, Where

if TYPE_CHECKING:
    from rich.console import Console

    from ..index.hits import Hits, Step
    from ..recall import Calibration, Plan

BAR = 28
"""Characters of the widest bar of a funnel."""

Queries = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own queries: texts, one a line, or vectors in a .npy file.",
        show_default="passages of the index",
    ),
]
NQueries = Annotated[int, typer.Option(help="Queries to ask, at most.")]
K = Annotated[int, typer.Option("-k", help="How many nearest are looked for.")]


def calibrate(
    index: IndexFolder,
    target_recall: Annotated[float, typer.Option(help="Share of the true nearest to be found.")] = 0.95,
    k: K = 10,
    queries: Queries = None,
    n_queries: NQueries = 1000,
    confidence: Annotated[
        float, typer.Option(help="That the way which is chosen reaches the target.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    as_json: AsJson = False,
    model: MovedModel = None,
) -> None:
    """Measure recall and time of the ways to search an index, so that a search can be asked for a recall.

    The index keeps the result. For example: bitsieve calibrate wiki.sieve --target-recall 0.99
    """
    from ..advice.sources import read_queries
    from ..index import Index
    from .console import encode_progress, make_console, told

    with told("stopped: nothing was kept"), Index.open(index, write=True, model=model) as opened:
        asked = None if queries is None else read_queries(queries)
        with encode_progress("calibrating", "queries") as progress:
            found = opened.calibrate(
                target_recall,
                k,
                asked,
                n_queries=n_queries,
                confidence=confidence,
                seed=seed,
                progress=progress,
            )
        chosen = found.plan_for(target_recall)
        if as_json:
            _print_json({"target_recall": target_recall, "chosen": asdict(chosen), **found.to_dict()})
            return
        _print_calibration(make_console(), found, target_recall)


def recall(
    index: IndexFolder,
    k: K = 10,
    queries: Queries = None,
    target_recall: TargetRecall = None,
    n_queries: NQueries = 1000,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    as_json: AsJson = False,
    model: MovedModel = None,
) -> None:
    """Measure what share of the true nearest a search of an index finds."""
    from ..advice.sources import read_queries
    from ..index import Index
    from .console import encode_progress, told

    with told("stopped"), Index.open(index, model=model) as opened:
        asked = None if queries is None else read_queries(queries)
        with encode_progress("measuring", "queries") as progress:
            found = opened.measure_recall(
                asked, k, target_recall=target_recall, n_queries=n_queries, seed=seed, progress=progress
            )
        days = opened.recall_by_day()
    if as_json:
        _print_json({**asdict(found), "by_day": [asdict(day) for day in days]})
        return
    typer.echo(
        f"recall@{found.k} {found.recall:.4f} of {_queries(found.n_queries, found.sampled)}; of all like these "
        f"{found.lower:.4f} to {found.upper:.4f}, at {found.confidence:.0%}"
    )
    for day in days:
        typer.echo(f"{day.date}  {day.recall:.4f} of {day.n:,} searches, {day.lower:.4f} to {day.upper:.4f}")


def explain(
    index: IndexFolder,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="What to look for, in quotes.", show_default=False)
    ],
    k: K = 10,
    where: Where = None,
    target_recall: TargetRecall = None,
    as_json: AsJson = False,
    model: MovedModel = None,
) -> None:
    """Show what a search by meaning did: how many passages came to each stage, and what it lost of the truth."""
    from ..index import Index
    from .console import make_console, told

    with told("stopped"), Index.open(index, model=model) as opened:
        opened.encoder  # noqa: B018, loaded before anything is measured
        hits = opened.search(query, k, where=where, target_recall=target_recall, explain="lost")
    if as_json:
        _print_json({
            "query": query, "k": k, "generation": hits.generation,
            "steps": [step._asdict() for step in hits.steps], "lost": [one._asdict() for one in hits.lost],
            "hits": [{"id": hit.id, "score": hit.score} for hit in hits],
            "chosen": hits.chosen and asdict(hits.chosen),
        })  # fmt: skip
        return
    _print_funnel(make_console(), hits, k)


def in_words(plan: "Plan") -> str:
    """What a plan does."""
    if plan.exact:
        return "compare every vector"
    cells = ""
    if plan.n_probes is not None:
        cells = f"{plan.n_probes:,} cells, "
    elif plan.probe_margin is not None:
        cells = f"cells within {plan.probe_margin:.3f}, "
    return f"{cells}{plan.n_candidates:,} candidates"


def _print_calibration(console: "Console", found: "Calibration", target: float) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("recall", "certain", "ms/query", "way"):
        table.add_column(name, justify="left" if name == "way" else "right")
    chosen = found.plan_for(target)
    for point in found.points:
        mark = f"  ← for {target:g}" if point == chosen else ""
        table.add_row(
            f"{point.recall:.4f}",
            f"{point.lower:.4f}",
            f"{1e3 * point.seconds:.3f}",
            in_words(point.plan) + mark,
        )
    console.print(table)
    asked = _queries(found.n_queries, found.sampled)
    console.print(
        f"recall@{found.k} on {asked}, one thread, {found.seconds:.0f} s; certain with {found.confidence:.0%}. "
        f"Search by it: bitsieve search … -k {found.k} --target-recall {target:g}",
        soft_wrap=True,
    )


def _queries(n: int, sampled: bool) -> str:
    return f"{n:,} passages of the index, each left out of its own answer" if sampled else f"{n:,} queries"


def _print_funnel(console: "Console", hits: "Hits", k: int) -> None:
    stages = [step for step in hits.steps if step.name not in ("calibrate", "embed")]
    most = max((step.n_in for step in stages), default=0)
    lines = [(stages[0].n_in if stages else 0, "passages", "")]
    lines += [(step.n_out, _kept_by(step), f"{1e3 * step.seconds:8.3f} ms") for step in stages]
    for n, name, took in lines:
        bar = "█" * _width(n, most)
        console.print(f"{name:>14} {n:>11,}  {bar:<{BAR}}{took}", markup=False, soft_wrap=True)
    for step in hits.steps:
        if step not in stages:
            console.print(f"{step.name} took {1e3 * step.seconds:.1f} ms besides", markup=False)
    if hits.chosen is not None:
        console.print(
            f"by {in_words(hits.chosen.plan)}: recall {hits.chosen.recall:.4f} when it was calibrated, at least "
            f"{hits.chosen.lower:.4f}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    if not hits.lost:
        console.print(f"all of the {min(k, len(hits))} nearest were found", markup=False)
    for one in hits.lost:
        console.print(
            f"lost at {one.stage}: #{one.rank} {one.id}  {one.score:.3f}", markup=False, soft_wrap=True
        )


def _kept_by(step: "Step") -> str:
    kept = {
        "cells": "in cells",
        "codes": "candidates",
        "rerank": "nearest",
        "filter": "match",
        "documents": "hits",
    }
    return kept.get(step.name, step.name)


def _width(n: int, most: int) -> int:
    """Of a bar, by the logarithm: stages differ by powers of ten."""
    return round(BAR * log(n + 1) / log(most + 1)) if most else 0


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
