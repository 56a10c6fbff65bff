"""The options that commands share: name, type, help."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Protocol(str, Enum):
    """Who is asked: corpus texts, as in the notebook, or texts that codec and corpus never saw."""

    notebook = "notebook"
    held_out = "held-out"


CorpusArgument = Annotated[
    str, typer.Argument(help="A name (`bitsieve corpora`) or a path.", show_default=False)
]
Bits = Annotated[int, typer.Option("--n-bits", help="Bits a code, a multiple of 8.")]
Pivots = Annotated[int, typer.Option("--n-pivots", help="Pivots of the distance filter.")]
ProtocolOption = Annotated[
    Protocol, typer.Option(help="notebook: in-sample queries, to the letter. held-out: unseen.")
]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the report and the arrays (default: demo, or experiment-CORPUS-MODEL-…).",
        show_default=False,
    ),
]
Text = Annotated[str, typer.Option("--text", help="Column that holds the text (own files).")]
Id = Annotated[
    str | None, typer.Option("--id", help="Column that holds the id (own files).", show_default=False)
]
Limit = Annotated[int | None, typer.Option(help="At most so many texts.", show_default=False)]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave broken lines out and count them.")]
ModelDir = Annotated[
    Path | None, typer.Option(help="A folder that holds model folders (default: BITSIEVE_MODEL_DIR).")
]
Threads = Annotated[int | None, typer.Option(help="Threads (default: all CPUs).", show_default=False)]


Pooling = Annotated[str | None, typer.Option(help="cls or mean (a folder's model).", show_default=False)]
QueryPrefix = Annotated[str | None, typer.Option(help="Put before each query.", show_default="the model's")]
PassagePrefix = Annotated[str | None, typer.Option(help="Put before each text.", show_default="the model's")]
MaxTokens = Annotated[int | None, typer.Option(help="Where texts are cut.", show_default="the model's limit")]
