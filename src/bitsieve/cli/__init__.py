"""The command line: parse, call, print. Heavy imports happen inside the command that needs them."""

import os
import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import BitsieveError
from ..version import __version__
from . import advise, cache, experiments, index, info, interrupts, models, recall, search, upkeep


class Commands(TyperGroup):
    """The commands; of a value that cannot be read they say what was expected and what came, in no checker's words."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            said = error.message.removeprefix("Value error, ")
            expected = said.removeprefix("Input should be ")
            if expected != said:
                (finding, *_) = error.__cause__.errors()  # type: ignore[union-attr]
                said = f"expected {expected.partition(',')[0]}, got {finding['input']!r}"
            error.message = said
            raise


app = typer.Typer(
    name="bitsieve",
    cls=Commands,
    help="Search text by meaning on a CPU through 16-byte codes, and know what recall you get.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
INDEX = "An index on disk"
RECALL = "How much of the truth it finds"
MEASURE = "What codes find of your texts"
HERE = "What is here"
app.command(rich_help_panel=INDEX)(index.index)
app.command(rich_help_panel=INDEX)(search.search)
app.command(rich_help_panel=INDEX)(search.get)
app.command(rich_help_panel=INDEX)(index.add)
app.command(rich_help_panel=INDEX)(upkeep.delete)
app.command(rich_help_panel=INDEX)(search.stats)
app.command(rich_help_panel=INDEX)(upkeep.compact)
app.command(rich_help_panel=INDEX)(upkeep.verify)
app.command(rich_help_panel=INDEX)(upkeep.backup)
app.command(rich_help_panel=RECALL)(recall.calibrate)
app.command(rich_help_panel=RECALL)(recall.recall)
app.command(rich_help_panel=RECALL)(recall.explain)
app.command(rich_help_panel=MEASURE)(experiments.demo)
app.command(rich_help_panel=MEASURE)(experiments.experiment)
app.command(rich_help_panel=MEASURE)(experiments.compare)
app.command(rich_help_panel=MEASURE)(advise.advise)
app.command(rich_help_panel=MEASURE)(experiments.corpora)
app.command(rich_help_panel=HERE)(info.info)
app.add_typer(models.app, name="models", rich_help_panel=HERE)
app.add_typer(cache.app, name="cache", rich_help_panel=HERE)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bitsieve {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run a command; an error is one message and exit code 1, Ctrl-C is exit code 130."""
    interrupts.listen()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe may take less than UTF-8, on Windows for one
    try:
        app()
    except SystemExit as end:
        if end.code == interrupts.EXIT_CODE:
            interrupts.leave()
        raise
    except BitsieveError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on, as with `| head`
        sys.exit(1)
    except OSError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
