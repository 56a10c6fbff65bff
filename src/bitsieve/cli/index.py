"""`bitsieve index` and `add`: writing texts to an index."""

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .filling import IfExists, fill, load, open_or_create
from .options import (
    DEMO_MODEL,
    Chunk,
    CorpusArgument,
    Id,
    IdPrefix,
    IndexFolder,
    Limit,
    MaxTokens,
    Metadata,
    MovedModel,
    PassagePrefix,
    Pooling,
    QueryPrefix,
    SkipBad,
    Text,
    Threads,
)

NEW = "Settings of a new index"
"""A heading in the command's help."""

GO_ON = "stopped: what is committed stays, the same command with --if-exists skip goes on from there"


class DType(str, Enum):
    """How vectors are stored."""

    float32 = "float32"
    float16 = "float16"


class Tokenizer(str, Enum):
    """How texts are cut for keywords."""

    unicode61 = "unicode61"
    porter = "porter"
    trigram = "trigram"


def index(
    corpus: CorpusArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the index.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(help="A model's name, or the path of a model folder.", show_default=DEMO_MODEL),
    ] = None,
    chunk: Chunk = False,
    text: Text = "text",
    id_: Id = None,
    metadata: Metadata = None,
    id_prefix: IdPrefix = "",
    limit: Limit = None,
    skip_bad: SkipBad = False,
    dtype: Annotated[
        DType | None,
        typer.Option(
            help="Of vectors; float16 takes half the space.", show_default="float32", rich_help_panel=NEW
        ),
    ] = None,
    tokenizer: Annotated[
        Tokenizer | None,
        typer.Option(
            metavar="NAME",
            help="Of keywords: unicode61 (words), porter (English words by their stem), or trigram (three characters "
            "each, for languages without spaces).",
            show_default="unicode61",
            rich_help_panel=NEW,
        ),
    ] = None,
    n_bits: Annotated[
        int | None,
        typer.Option(
            "--n-bits",
            "--bits",
            help="Bits a code, a multiple of 8.",
            show_default="128",
            rich_help_panel=NEW,
        ),
    ] = None,
    pooling: Pooling = None,
    query_prefix: QueryPrefix = None,
    passage_prefix: PassagePrefix = None,
    max_tokens: MaxTokens = None,
    threads: Threads = None,
) -> None:
    """Make an index of a corpus, or go on with one that was stopped.

    Texts whose ids are in the index are passed over, so the same command also takes what was added to the corpus.

    For example: bitsieve index articles.csv --text body --metadata topic,year:number -o articles.sieve
    """
    from .console import told

    of_model = {
        "pooling": pooling, "query_prefix": query_prefix, "passage_prefix": passage_prefix, "max_tokens": max_tokens,
    }  # fmt: skip
    settings = {"dtype": dtype and dtype.value, "tokenizer": tokenizer and tokenizer.value, "n_bits": n_bits}
    with told():
        texts = load(
            corpus, text=text, id_=id_, metadata=metadata, id_prefix=id_prefix, limit=limit, skip_bad=skip_bad
        )
        with open_or_create(out, model, of_model, settings) as opened:
            fill(opened, texts, IfExists.skip, chunk=chunk, threads=threads)
    typer.echo(f'search it: bitsieve search {shlex.quote(str(out))} "…"')


def add(
    index: IndexFolder,
    corpus: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A path, or a name (`bitsieve corpora`).", show_default=False),
    ],
    if_exists: Annotated[
        IfExists,
        typer.Option(help="Where ids are in the index: add nothing, pass over them, or replace their texts."),
    ] = IfExists.error,
    chunk: Chunk = False,
    text: Text = "text",
    id_: Id = None,
    metadata: Metadata = None,
    id_prefix: IdPrefix = "",
    limit: Limit = None,
    skip_bad: SkipBad = False,
    model: MovedModel = None,
    threads: Threads = None,
) -> None:
    """Add the texts of a file to an index, or replace changed ones.

    For example: bitsieve add articles.sieve today.csv --text body --if-exists replace
    """
    from ..index import Index
    from .console import KEPT, told

    with told(GO_ON if if_exists is IfExists.error else KEPT):
        texts = load(
            corpus, text=text, id_=id_, metadata=metadata, id_prefix=id_prefix, limit=limit, skip_bad=skip_bad
        )
        with Index.open(index, write=True, model=model) as opened:
            fill(opened, texts, if_exists, chunk=chunk, threads=threads)
