"""`bitsieve search`, `get` and `stats`: reading an index."""

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    AsJson,
    Candidates,
    IndexFolder,
    MovedModel,
    ProbeMargin,
    TargetRecall,
    Where,
    check_effort,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ..index import Hit, Hits
    from ..index.inspection import Stats
    from ..recall import Calibration

SNIPPET_LINES = 2
INDENT = " " * 4


class Mode(str, Enum):
    """What is compared."""

    vector = "vector"
    keyword = "keyword"
    hybrid = "hybrid"


def search(
    index: IndexFolder,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="What to look for, in quotes.", show_default=False)
    ],
    k: Annotated[int, typer.Option("-k", help="Hits at most.")] = 10,
    mode: Annotated[Mode, typer.Option(help="By meaning, by words, or by both.")] = Mode.vector,
    where: Where = None,
    min_score: Annotated[
        float | None, typer.Option(help="Leave out hits that score less.", show_default=False)
    ] = None,
    syntax: Annotated[
        bool, typer.Option("--syntax", help="The query is an FTS5 expression, such as 'lily NOT rose'.")
    ] = False,
    target_recall: TargetRecall = None,
    candidates: Candidates = None,
    probe_margin: ProbeMargin = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also tell what was done, and how long it took.")
    ] = False,
    as_json: AsJson = False,
    model: MovedModel = None,
) -> None:
    """Search an index by meaning, by words, or by both.

    For example: bitsieve search wiki.sieve "who painted water lilies" --where '{"topic": "Arts"}'
    """
    from ..index import Index
    from .console import make_console, print_json, told, waiting

    check_effort(candidates, probe_margin, target_recall)
    with told("stopped"), Index.open(index, model=model) as opened:
        with waiting("searching"):
            if mode is not Mode.keyword:
                opened.encoder  # noqa: B018, loaded before --explain measures
            hits = opened.search(
                query, k, mode=mode.value, where=where, min_score=min_score, syntax=syntax,
                target_recall=target_recall, n_candidates=candidates, probe_margin=probe_margin, explain=explain,
            )  # fmt: skip
        if as_json:
            print_json({
                "query": query, "mode": mode.value, "k": k, "generation": hits.generation,
                "hits": [_as_dict(rank, hit) for rank, hit in enumerate(hits, 1)],
                "steps": [{"name": step.name, "n_in": step.n_in, "n_out": step.n_out, "seconds": step.seconds}
                          for step in hits.steps],
            })  # fmt: skip
            return
        _print_hits(make_console(), hits, query)


def get(
    index: IndexFolder,
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Of documents.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Print documents by their ids.

    Exit code 1 when one of them is not there.
    """
    from ..index import Index
    from .console import make_console, print_json, print_plain, told

    with told("stopped"), Index.open(index) as opened:
        documents = opened.get(ids)
    missing = [name for name, document in zip(ids, documents, strict=True) if document is None]
    if as_json:
        print_json({
            "documents": [
                document and {"id": document.id, "text": document.text, "metadata": document.metadata}
                for document in documents
            ]
        })  # fmt: skip
    else:
        console = make_console()
        for document in filter(None, documents):
            print_plain(console, document.id, "bold", soft_wrap=True)
            if document.metadata:
                print_plain(console, json.dumps(document.metadata, ensure_ascii=False), "dim")
            print_plain(console, f"{document.text or '(a vector without a text)'}\n")
    for name in missing:
        typer.echo(f"no document has the id {name!r}", err=True)
    if missing:
        raise typer.Exit(1)


def stats(index: IndexFolder, as_json: AsJson = False) -> None:
    """Print what an index holds and takes on the disk."""
    from ..index import Index
    from .console import make_console, print_json, told

    with told("stopped"), Index.open(index) as opened:
        found, known = opened.stats(), [one.calibration for one in opened.calibrations()]
    if as_json:
        fields = {name.rstrip("_"): value for name, value in asdict(found).items()}
        names = ("k", "highest", "confidence", "n_queries", "sampled", "date")
        print_json(
            {**fields, "calibrations": [{name: getattr(one, name) for name in names} for one in known]}
        )
        return
    _print_stats(found, known, make_console().width)


def _as_dict(rank: int, hit: "Hit") -> dict[str, Any]:
    found = hit.passage
    return {
        "rank": rank,
        "id": hit.id,
        "score": hit.score,
        "text": hit.text,
        "metadata": hit.metadata,
        "passage": found and {"start": found.start, "stop": found.stop, "text": found.text},
        "vector_rank": hit.vector_rank,
        "keyword_rank": hit.keyword_rank,
    }


def _print_hits(console: "Console", hits: "Hits", query: str) -> None:
    from .console import print_plain

    for rank, hit in enumerate(hits, 1):
        ranks = {"meaning": hit.vector_rank, "words": hit.keyword_rank}
        by = " ".join(f"{name} #{of}" for name, of in ranks.items() if of)
        place = f"characters {hit.passage.start:,}–{hit.passage.stop:,}" if hit.passage else ""
        about = [hit.id, by, place, _in_short(hit.metadata, hit.id)]
        line = f"{rank:2}  {hit.score:.3f}  {'  '.join(filter(None, about))}"
        print_plain(console, line, "bold", overflow="ellipsis", no_wrap=True, crop=True, soft_wrap=False)
        text = hit.passage.text if hit.passage else hit.text
        if text:
            for line in _snippet(text, query, console.width - len(INDENT)):
                print_plain(console, f"{INDENT}{line}", "dim")
    if not hits:
        print_plain(console, "nothing found")
    for step in hits.steps:
        print_plain(
            console, f"{step.name:>10}: {step.n_in:,} → {step.n_out:,} in {step.seconds * 1e3:.2f} ms"
        )


def _in_short(metadata: dict[str, Any], id_: str) -> str:
    """The metadata on a line, without what only repeats the id."""
    parts = []
    for key, value in metadata.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if shown and shown != id_:
            parts.append(f"{key}: {textwrap.shorten(shown, 40, placeholder='…')}")
    return "  ".join(parts)


def _snippet(text: str, query: str, width: int) -> list[str]:
    """Two lines of a text: its beginning, or from where the query's first word is if the beginning has none."""
    size = SNIPPET_LINES * width
    words = "|".join(re.escape(word) for word in re.findall(r"\w{4,}", query))
    found = re.search(rf"\b(?:{words})", text, re.IGNORECASE) if words else None
    start = 0
    if found and found.end() > size:
        start = text.rfind(" ", 0, min(found.start() - width // 2, len(text) - size)) + 1
    shown = " ".join(text[start : start + 2 * size].split())
    return textwrap.wrap(
        f"… {shown}" if start else shown,
        width,
        max_lines=SNIPPET_LINES,
        placeholder=" …",
        break_on_hyphens=False,
    )


def _print_stats(found: "Stats", known: "Sequence[Calibration]", width: int) -> None:
    documents = f"{found.n_documents:,}"
    if found.n_passages != found.n_documents:
        documents += f" in {found.n_passages:,} passages"
    if found.n_deleted:
        documents += f"; {found.n_deleted:,} deleted passages take space until `bitsieve compact`"
    kinds = ", ".join(f"{found.kinds.count(kind)} {kind}" for kind in dict.fromkeys(found.kinds))
    codes = f"{found.n_bits} bits" + (" with corrections" if found.corrections else "") if found.n_bits else (
        "none yet: all are compared"
    )  # fmt: skip
    sizes = sorted(found.bytes_.items(), key=lambda item: -item[1])
    lines = {
        "documents": documents,
        "generation": f"{found.generation:,}",
        "model": f"{found.model}, d={found.dimension}",
        "vectors": found.settings["dtype"],
        "codes": codes,
        "keywords": found.settings["tokenizer"],
        "segments": f"{len(found.kinds)}" + (f" ({kinds})" if kinds else ""),
        "recall": "; ".join(map(_known_recall, known)) or "not measured: bitsieve calibrate",
        "on disk": f"{sum(found.bytes_.values()) / 1e6:,.1f} MB: "
        + ", ".join(f"{name} {size / 1e6:,.1f}" for name, size in sizes if size > 5e4),
    }
    for name, value in lines.items():
        typer.echo(
            textwrap.fill(
                value,
                width,
                initial_indent=f"{name:<11}",
                subsequent_indent=" " * 11,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def _known_recall(known: "Calibration") -> str:
    by = "passages of the index" if known.sampled else "queries"
    how = f"{known.n_queries:,} {by}" if known.n_queries else "all are compared"
    return f"recall@{known.k} up to {known.highest:.4f} can be asked for ({how}, {known.date[:10]})"
