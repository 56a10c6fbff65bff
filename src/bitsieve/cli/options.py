"""The options that commands share: name, type, help."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

DEMO_MODEL = "BAAI/bge-small-en-v1.5"

FILES = "Your own files"
MODEL = "How a model folder is run"
"""Headings in a command's help."""


class Protocol(str, Enum):
    """Who is asked: corpus texts, as in the notebook, or texts that codec and corpus never saw."""

    notebook = "notebook"
    held_out = "held-out"


CorpusArgument = Annotated[
    str, typer.Argument(metavar="CORPUS", help="A name (`bitsieve corpora`) or a path.", show_default=False)
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
Text = Annotated[str, typer.Option("--text", help="Column that holds the text.", rich_help_panel=FILES)]
Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        help="Column that holds the id.",
        show_default="id, else the row's number",
        rich_help_panel=FILES,
    ),
]
Limit = Annotated[int | None, typer.Option(help="At most so many texts.", show_default=False)]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave broken lines out and count them.", rich_help_panel=FILES)
]
ModelDir = Annotated[
    Path | None, typer.Option(help="A folder that holds model folders (default: BITSIEVE_MODEL_DIR).")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads (default: all CPUs).", show_default=False)]


def _json_object(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(
            f'{text!r} is not JSON ({error}): expected such as \'{{"year": {{"$gte": 1870}}}}\', in single quotes'
        ) from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f'{text!r} is no JSON object: expected such as \'{{"topic": "Arts"}}\'')
    return value


NO_LINES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""Suffixes of files whose lines are not what one asks."""


def check_queries_file(path: Path | None) -> Path | None:
    """Refuse a file of queries that is not plain text, or vectors, by its suffix."""
    if path is not None and path.suffix.lower() in NO_LINES:
        raise typer.BadParameter(
            f"{path} is not plain text: write the queries into a .txt file, one a line and nothing else"
        )
    return path


IndexFolder = Annotated[
    Path, typer.Argument(metavar="INDEX", help="The folder of an index.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
Where = Annotated[
    dict | None,  # type: ignore[type-arg]
    typer.Option(
        parser=_json_object,
        metavar="JSON",
        help="""Only documents whose metadata match, such as '{"year": {"$gte": 1870}}'.""",
        show_default=False,
    ),
]
TargetRecall = Annotated[
    float | None,
    typer.Option(
        help="Share of the true nearest to be found: the cheapest way known to.", show_default=False
    ),
]
Candidates = Annotated[
    int | None,
    typer.Option(
        help="How many passages the codes leave to compare exactly, such as `bitsieve advise` names.",
        show_default="enough for most",
    ),
]
ProbeMargin = Annotated[
    float | None,
    typer.Option(
        help="In an index with cells, how far around the query to look: the wider, the more cells.",
        show_default="enough for most",
    ),
]


def check_effort(candidates: int | None, probe_margin: float | None, target_recall: float | None) -> None:
    """Refuse to be told both how hard to look and what recall that shall come to."""
    if target_recall is not None and (candidates, probe_margin) != (None, None):
        raise typer.BadParameter(
            "--target-recall chooses how hard to look: leave out --candidates and --probe-margin, or --target-recall"
        )


MovedModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="Where the index's model is now, if it has moved: a folder.", show_default=False
    ),
]
Chunk = Annotated[
    bool, typer.Option("--chunk", help="Cut long texts at sentence ends into passages the model takes whole.")
]
Metadata = Annotated[
    str | None,
    typer.Option(
        help="Columns to keep, such as topic,year:number; :number reads numbers out of CSV, '' keeps none.",
        show_default="all but text and id",
        rich_help_panel=FILES,
    ),
]
IdPrefix = Annotated[
    str,
    typer.Option(
        help="Put before each id, to tell files apart whose ids are the same.",
        show_default=False,
        rich_help_panel=FILES,
    ),
]


Pooling = Annotated[
    str | None,
    typer.Option(help="cls or mean.", show_default="what the folder says", rich_help_panel=MODEL),
]
QueryPrefix = Annotated[
    str | None, typer.Option(help="Put before each query.", show_default="the model's", rich_help_panel=MODEL)
]
PassagePrefix = Annotated[
    str | None, typer.Option(help="Put before each text.", show_default="the model's", rich_help_panel=MODEL)
]
MaxTokens = Annotated[
    int | None,
    typer.Option(help="Where texts are cut.", show_default="the model's limit", rich_help_panel=MODEL),
]
