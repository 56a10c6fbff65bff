"""`bitsieve calibrate`, `recall` and `explain`: how much of the truth an index finds, and at what cost."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .funnel import in_words, print_funnel
from .options import (
    AsJson,
    Candidates,
    IndexFolder,
    MovedModel,
    ProbeMargin,
    TargetRecall,
    Where,
    check_effort,
    check_queries_file,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ..index import Index
    from ..recall import Calibration

Queries = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own queries: plain text, one a line, or vectors in a .npy file.",
        show_default="passages of the index",
        callback=check_queries_file,
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
    from .console import encode_progress, make_console, print_json, told

    with told("stopped: nothing was kept"), Index.open(index, write=True, model=model) as opened:
        _check_filled(opened)
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
            print_json({"target_recall": target_recall, "chosen": asdict(chosen), **found.to_dict()})
            return
        _print_calibration(make_console(), found, target_recall, index)


def recall(
    index: IndexFolder,
    k: K = 10,
    queries: Queries = None,
    target_recall: TargetRecall = None,
    candidates: Candidates = None,
    probe_margin: ProbeMargin = None,
    n_queries: NQueries = 1000,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    as_json: AsJson = False,
    model: MovedModel = None,
) -> None:
    """Measure what share of the true nearest a search of an index finds."""
    from ..advice.sources import read_queries
    from ..index import Index
    from .console import encode_progress, make_console, print_json, print_note, print_plain, told

    check_effort(candidates, probe_margin, target_recall)
    with told("stopped"), Index.open(index, model=model) as opened:
        _check_filled(opened)
        asked = None if queries is None else read_queries(queries)
        with encode_progress("measuring", "queries") as progress:
            found = opened.measure_recall(
                asked, k, target_recall=target_recall, n_candidates=candidates, probe_margin=probe_margin,
                n_queries=n_queries, seed=seed, progress=progress,
            )  # fmt: skip
        days = opened.recall_by_day()
    if target_recall is not None and found.upper < target_recall:
        how, asked_by = "anew", ""
        if queries is not None:
            how, asked_by = "with queries like these", f" --queries {shlex.quote(str(queries))}"
        print_note(
            f"recall@{k} of {target_recall:g} is not reached: calibrate {how}, bitsieve calibrate "
            f"{shlex.quote(str(index))} -k {k} --target-recall {target_recall:g}{asked_by}"
        )
    if as_json:
        print_json({**asdict(found), "by_day": [asdict(day) for day in days]})
        return
    print_plain(
        make_console(),
        f"recall@{found.k} {found.recall:.4f} of {_queries(found.n_queries, found.sampled)}; of all like these "
        f"{found.lower:.4f} to {found.upper:.4f}, at {found.confidence:.0%}",
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
    candidates: Candidates = None,
    probe_margin: ProbeMargin = None,
    as_json: AsJson = False,
    model: MovedModel = None,
) -> None:
    """Show what a search by meaning did: how many passages came to each stage, and what it lost of the truth."""
    from ..index import Index
    from .console import make_console, print_json, told

    check_effort(candidates, probe_margin, target_recall)
    with told("stopped"), Index.open(index, model=model) as opened:
        _check_filled(opened)
        opened.encoder  # noqa: B018, loaded before anything is measured
        hits = opened.search(
            query, k, where=where, target_recall=target_recall, n_candidates=candidates, probe_margin=probe_margin,
            explain="lost",
        )  # fmt: skip
    if as_json:
        print_json({
            "query": query, "k": k, "generation": hits.generation,
            "steps": [step._asdict() for step in hits.steps], "lost": [one._asdict() for one in hits.lost],
            "hits": [{"id": hit.id, "score": hit.score} for hit in hits],
            "chosen": hits.chosen and asdict(hits.chosen),
        })  # fmt: skip
        return
    print_funnel(make_console(), hits, k, target_recall)


def _check_filled(opened: "Index") -> None:
    """Refuse an index in which nothing can be found or missed."""
    from ..errors import InputError

    if not len(opened):
        raise InputError(
            f"{opened.path} holds no documents, so there is nothing to find: add some with "
            f"bitsieve add {shlex.quote(str(opened.path))} FILE"
        )


def _print_calibration(console: "Console", found: "Calibration", target: float, index: Path) -> None:
    from rich.table import Table

    from .console import print_plain

    if not found.n_queries:
        print_plain(
            console,
            f"{index}: every vector is compared, nothing else is quicker: all is found, and nothing needs measuring.",
        )
        return
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
    lines = [
        f"recall@{found.k} on {_queries(found.n_queries, found.sampled)}, one thread, {found.seconds:.0f} s",
        f"It is {100 * found.confidence:g}% certain that the way marked ← has a recall of at least {target:g},",
        'and that any other, if you take it by itself, has at least what is under "certain".',
        f"Search by it: bitsieve search … -k {found.k} --target-recall {target:g}",
    ]
    if found.sampled:
        lines.insert(3, "Real queries may be harder: give yours with --queries.")
    print_plain(console, "\n".join(lines))


def _queries(n: int, sampled: bool) -> str:
    return f"{n:,} passages of the index, each left out of its own answer" if sampled else f"{n:,} queries"
