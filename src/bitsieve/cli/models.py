"""`bitsieve models`: the models there are, which of them are here, and how to get one."""

from pathlib import Path
from typing import Annotated

import typer

from .options import ModelDir

app = typer.Typer(
    help="List the models and what is here of them; `bitsieve models fetch NAME` gets one.",
    invoke_without_command=True,
)


@app.callback()
def show(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also every other model that FastEmbed lists.")
    ] = False,
    model_dir: ModelDir = None,
) -> None:
    """List the models: what is here, dimension, size, licence, prefixes, source."""
    if context.invoked_subcommand:
        return
    from ..encoder import hub
    from ..encoder.registry import KNOWN
    from .console import told

    with told():
        listed = hub.listed()
        for name, known in KNOWN.items():
            description = listed[name][0] if name in listed else None
            typer.echo(
                f"{name}   d={known.dimension}, {known.pooling} pooling, {known.max_tokens} tokens, {known.licence}"
            )
            typer.echo(f"    here      {_here(name, model_dir)}")
            prefixes = (
                f"query {known.query_prefix!r}, passage {known.passage_prefix!r}"
                if known.query_prefix
                else "none"
            )
            if known.optional_query_prefix:
                prefixes = f"none; optional for queries: {known.optional_query_prefix!r}"
            typer.echo(f"    prefixes  {prefixes}")
            for weights in known.weights:
                typer.echo(f"    source    {weights.packages}: {weights.label}, {weights.size / 1e6:.0f} MB")
            if repository := hub.entry(name, known):
                size = f", {repository.size_in_GB * 1000:,.0f} MB"
                typer.echo(f"    source    hub {repository.sources.hf}: {repository.model_file}{size}")
        others = sorted(set(listed) - set(KNOWN))
        if not everything:
            typer.echo(f"{len(others)} more that FastEmbed lists: bitsieve models --all")
            return
        for name in others:
            description = listed[name][0]
            size = f"{description.size_in_GB * 1000:,.0f} MB"
            here = _here(name, model_dir)
            typer.echo(f"{name:60} d={description.dim:<5} {size:>9}  {description.license:14} here: {here}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A model's name, as `bitsieve models` lists it.")],
    model_dir: ModelDir = None,
) -> None:
    """Get a model's files, from the first source that has them, and check them."""
    import time

    from ..encoder.files import locate
    from ..encoder.settings import canonical_name
    from .console import make_console, print_plain, told, waiting

    with told(), waiting(f"looking for {name}"):
        started = time.perf_counter()
        files = locate(canonical_name(name), model_dir=model_dir)
    console = make_console()
    print_plain(console, f"{name}: {files.label}, {files.size_bytes / 1e6:.1f} MB, from {files.source}")
    print_plain(console, f"in {files.folder}, checked by sha256, in {time.perf_counter() - started:.1f} s")
    for file, digest in files.digests.items():
        print_plain(console, f"  {digest}  {file}")


def _here(name: str, model_dir: Path | None) -> str:
    from ..encoder.files import cached
    from ..errors import DigestError

    try:
        files = cached(name, model_dir)
    except DigestError:
        return "damaged"
    return files.label if files else "no"
