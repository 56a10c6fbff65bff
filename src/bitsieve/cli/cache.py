"""`bitsieve cache`: what is kept on disk, and how to be rid of it."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Show what is kept on disk; `bitsieve cache clear` removes it.", invoke_without_command=True
)

PARTS = {"models": "model files", "hub": "model files from the hub", "corpora": "corpora"}


@app.callback()
def show(context: typer.Context) -> None:
    """Show what is kept on disk: vectors, models, corpora."""
    if context.invoked_subcommand:
        return
    from rich.markup import escape
    from rich.table import Table

    from ..downloads import cache_dir
    from ..encoder.cache import VectorCache, max_bytes
    from .console import make_console, print_plain, told

    with told():
        folder = cache_dir()
        title = f"cache in {folder}"
        table = Table("what", "of", "how many", "size", title=escape(title), title_justify="left")
        for model in VectorCache(folder).contents():
            of = escape(f"{model.name} {model.digest[:8]}")
            table.add_row("vectors", of, f"{model.n_vectors:,}", _size(model.size_bytes))
        for part, label in PARTS.items():
            for entry in sorted((folder / part).glob("*")):
                if entry.is_dir():
                    table.add_row(label, escape(entry.name), "", _size(_bytes(entry)))
        console = make_console()
        if table.row_count:
            console.print(table)
        else:
            print_plain(console, f"{title}: empty")
        console.print(
            f"vectors are bounded to {_size(max_bytes())} (BITSIEVE_CACHE_MAX_BYTES), oldest first out"
        )


@app.command()
def clear(
    everything: Annotated[
        bool, typer.Option("--all", help="Model files and corpora too, not only vectors.")
    ] = False,
) -> None:
    """Remove the cached vectors (with --all: also fetched models and corpora)."""
    import shutil

    from ..downloads import cache_dir
    from ..encoder.cache import VectorCache

    folder = cache_dir()
    before = _bytes(folder)
    VectorCache(folder).clear()
    if everything:
        for part in PARTS:
            shutil.rmtree(folder / part, ignore_errors=True)
    typer.echo(f"removed {_size(before - _bytes(folder))} from {folder}")


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"
