"""`bitsieve advise`: measure what codes are worth on a corpus, an index or a file of vectors, and recommend some."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .experiments import command_line, encoder_of, write_html
from .options import DEMO_MODEL, AsJson, ModelDir, Seed, SkipBad, Text, Threads, check_queries_file

if TYPE_CHECKING:
    from rich.console import Console

    from ..advice import Advice, Setup
    from ..advice.results import ModelAdvice
    from ..advice.sources import Sample
    from ..evaluation.report.tables import Table

STOPPED = "stopped: what was embedded is kept"
PLOT_WIDTH = 76
PLOT_SIGNS = {"pivots": "p", "hamming": "h", "asymmetric": "a", "cells": "c"}


def advise(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS|INDEX|FILE.npy",
            help="A name (`bitsieve corpora`) or a path of texts, the folder of an index, or vectors.",
            show_default=False,
        ),
    ],
    budget_bytes: Annotated[int, typer.Option(help="Of memory a vector, for what filters.")] = 32,
    target_recall: Annotated[float, typer.Option(help="Share of the true nearest to be found.")] = 0.95,
    models: Annotated[
        str | None,
        typer.Option(help="For texts: names or paths, separated by commas.", show_default=DEMO_MODEL),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many nearest are looked for.")] = 10,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=check_queries_file,
            help="Your own queries: texts, one a line, or vectors in a .npy file.",
            show_default="held out",
        ),
    ] = None,
    n_queries: Annotated[int, typer.Option(help="Queries, at most.")] = 1_000,
    rows: Annotated[
        int, typer.Option(help="Texts or vectors to search, at most; of more, so many are drawn.")
    ] = 100_000,
    seed: Seed = 42,
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the JSON there as well.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with plots.", show_default=False)
    ] = None,
    text: Text = "text",
    skip_bad: SkipBad = False,
    model_dir: ModelDir = None,
    threads: Threads = None,
) -> None:
    """Measure which codes find enough of your texts soonest, and whether codes are worth it at all.

    For example: bitsieve advise articles.csv --text body --target-recall 0.98 --html advice.html
    """
    from ..advice import Setup, write_advice
    from ..advice import advise as measure
    from .console import make_console, print_json, told

    for path in filter(None, (out, html)):
        if path.is_dir():
            raise typer.BadParameter(f"{path} is a folder: name a file in it")
        if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise typer.BadParameter(f"{path} cannot be written: there is no folder for it, or no right to")
    with told(STOPPED):
        setup = Setup(
            target_recall=target_recall,
            budget_bytes=budget_bytes,
            k=k,
            n_queries=n_queries,
            rows=rows,
            seed=seed,
        )
        of_texts = {"text": text, "skip_bad": skip_bad, "model_dir": model_dir, "threads": threads}
        name, samples = _samples(source, setup, models, queries, of_texts)
        with _steps() as progress:
            advice = measure(samples, setup, name=name, command=command_line(), progress=progress)
        facts = advice.to_dict()
        written = []
        if out is not None:
            out.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            written.append(f"wrote {out}")
        if html is not None:
            written.append(write_html(lambda path: write_advice(advice, path), html))
        if as_json:
            print_json(facts)
        else:
            print_advice(make_console(), advice)
        for line in written:
            typer.echo(line, err=as_json)


def _samples(
    source: str, setup: "Setup", models: str | None, queries: Path | None, of_texts: dict[str, Any]
) -> "tuple[str, list[Sample]]":
    """What is measured: a sample for each model, and what to call their source."""
    from ..advice.sources import is_index, read_queries, sample_corpus, sample_file, sample_index
    from ..errors import InputError
    from ..evaluation.corpora import load_corpus
    from ..index import Index
    from .console import encode_progress, waiting

    own = None if queries is None else read_queries(queries)
    path = Path(source)
    if is_index(path) or path.suffix == ".npy":
        if models is not None:
            raise InputError(f"{source} holds vectors of one model: --models is for texts")
        with waiting("reading vectors"):
            if path.suffix == ".npy":
                return path.name, [sample_file(path, setup, own)]
            with Index.open(path) as index:
                return path.name, [sample_index(index, setup, own)]
    corpus = load_corpus(source, text_field=of_texts["text"], skip_bad=of_texts["skip_bad"])
    names = [name.strip() for name in (models or DEMO_MODEL).split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise InputError(f"--models needs different models, separated by commas, got {models!r}")
    samples = []
    for name in names:
        encoder = encoder_of(name, model_dir=of_texts["model_dir"], threads=of_texts["threads"])
        with encode_progress(f"embedding, {encoder.model.name.rsplit('/', 1)[-1]}") as progress:
            samples.append(sample_corpus(corpus, encoder, setup, own, progress))
    return corpus.name, samples


@contextmanager
def _steps() -> "Iterator[Callable[[str, int, int], None]]":
    """What is being measured and how far it is: a bar on a terminal, a line for each step elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: print(f"{done} of {total}: {what}", file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("measuring", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def print_advice(console: "Console", advice: "Advice") -> None:
    """Print the tables, the front, and what follows in words."""
    from rich.markup import escape

    for model in advice.models:
        console.rule(escape(f"{model.model} on {advice.name}" if model.model else advice.name))
        _print_model(console, model, advice.setup)
    for sentence in advice.text:
        console.print(f"- {sentence}", markup=False)


def _print_model(console: "Console", model: "ModelAdvice", setup: "Setup") -> None:
    from ..advice.front import envelope
    from ..advice.plot import draw_points
    from ..advice.tables import finalists_table, front_table

    console.print(
        f"{model.n_vectors:,} of {model.n_total:,} vectors, {model.dimension} dimensions, "
        f"{model.n_choosing + model.n_trying:,} queries ({model.asked_by})\n",
        markup=False,
    )
    front = front_table(model, setup)
    console.print(_table("the front: milliseconds a query (candidates), by recall", front))
    console.print("H by Hamming distance, P after pivots, C in cells, with their margin\n", style="dim")
    points = [
        (*point, sign)
        for family, sign in PLOT_SIGNS.items()
        for point in envelope(model.ways, family, setup.budget_bytes)
    ]
    for line in draw_points([*points, (model.exact_ms, 1.0, "E")], min(console.width, PLOT_WIDTH)):
        console.print(line, markup=False)
    console.print("a asymmetric, h Hamming, p with pivots, c cells, E exact search\n", style="dim")
    console.print(_table("the fastest of each family", finalists_table(model, setup)))
    for sentence in model.text:
        console.print(f"- {sentence}", markup=False)
    console.print()


def _table(title: str, table: "Table") -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    drawn = RichTable(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for i, column in enumerate(table.columns):
        drawn.add_column(column, justify="left" if i in table.text_columns else "right")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
