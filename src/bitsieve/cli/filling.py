"""Texts of a corpus into an index, a commit every so many: what `index`, `add` and `demo` share."""

import sys
import warnings
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .options import DEMO_MODEL

if TYPE_CHECKING:
    from ..arrays import FloatArray
    from ..encoder import Encoder
    from ..evaluation.corpora import Corpus
    from ..index import Index

COMMIT_TEXTS = 4_096
"""Texts in a commit: enough that embedding can sort them by length, and that few segments come to be merged."""


class IfExists(Enum):
    """What to do about ids that the index has."""

    error = "error"
    skip = "skip"
    replace = "replace"


def load(
    corpus: str,
    *,
    text: str,
    id_: str | None,
    metadata: str | None,
    id_prefix: str,
    limit: int | None,
    skip_bad: bool,
) -> "Corpus":
    """The corpus that a command names, with its metadata; what is left out is said."""
    from ..evaluation.corpora import load_corpus

    columns = None if metadata is None else [name.strip() for name in metadata.split(",") if name.strip()]
    texts = load_corpus(
        corpus, text_field=text, id_field=id_, metadata=columns, limit=limit, skip_bad=skip_bad
    )
    if texts.n_skipped:
        print(f"{texts.n_skipped:,} left out, the first because: {texts.skipped_reasons[0]}", file=sys.stderr)
    return replace(texts, ids=[id_prefix + own for own in texts.ids]) if id_prefix else texts


def open_or_create(
    path: Path, model: "str | Encoder | None", of_model: dict[str, Any], settings: dict[str, Any]
) -> "Index":
    """Open an index for writing, or make it where there is none.

    model: None is the index's own, or the default. of_model, settings: keywords of `Encoder` and `Index.create`, None
        where nothing was asked for.
    Raises: as these do; InputError when there is an index with other settings.
    """
    from ..encoder import Encoder
    from ..errors import FormatError, InputError, NewerFormatError
    from ..index import Index
    from .console import waiting

    def load() -> Encoder:
        if isinstance(model, Encoder):
            return model
        with waiting("loading the model"):
            return Encoder(model or DEMO_MODEL, **of_model)

    asked = model is not None or any(value is not None for value in of_model.values())
    encoder = load() if asked else None
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        opened = Index.open(path, write=True, model=encoder)
    except NewerFormatError:
        raise
    except FormatError:  # none yet, or killed before its first commit; where other things are, create refuses
        return Index.create(path, model=encoder or load(), **given)
    present = opened.stats().settings
    for name, value in given.items():
        if value != present[name]:
            opened.close()
            raise InputError(
                f"{path} was made with {name} {present[name]}, not {value}: leave --{name.replace('_', '-')} out, "
                "or make another index"
            )
    return opened


def fill(opened: "Index", corpus: "Corpus", if_exists: IfExists, *, chunk: bool, threads: int | None) -> None:
    """Add what an index does not have, and say what was done.

    Raises: DuplicateIdError before anything is added; what `Index.add` does, and the commits before stay.
    """
    missing, n_same, changed = compare(opened, corpus)
    if if_exists is IfExists.error and len(missing) < len(corpus):
        _refuse(opened, corpus, set(missing))
    rows = sorted(missing + changed) if if_exists is IfExists.replace else missing
    n_cut = _put(opened, corpus, rows, chunk=chunk, threads=threads) if rows else 0

    said = [f"{len(rows):,} added"]
    if n_same:
        said.append(f"{n_same:,} were there already" + (", cut or whole as they were" if chunk else ""))
    if changed and if_exists is IfExists.replace:
        said.append(f"{len(changed):,} of those added replace others")
    elif changed:
        said.append(
            f"{len(changed):,} not added, since the index has other texts or metadata under their ids, "
            f"{corpus.ids[changed[0]]!r} for one: `bitsieve add --if-exists replace` takes the new ones, and "
            "--id-prefix tells files apart"
        )
    stats = opened.stats()
    size = sum(stats.bytes_.values()) / 1e6
    typer.echo(f"{opened.path}: {'; '.join(said)}\ndocuments in it: {stats.n_documents:,}, {size:,.1f} MB")
    if n_cut:
        typer.echo(
            f"longer than {opened.encoder.model.max_tokens} tokens: {n_cut:,}. They are found by what they begin with "
            "alone; --chunk cuts such texts into passages: delete them and add them with it, or make another index"
        )


def compare(opened: "Index", corpus: "Corpus") -> tuple[list[int], int, list[int]]:
    """Rows of the corpus that an index does not have, how many it has as they are, and rows it has otherwise."""
    missing, n_same, changed = list[int](), 0, list[int]()
    for start in range(0, len(corpus), COMMIT_TEXTS):
        for row, document in enumerate(opened.get(corpus.ids[start : start + COMMIT_TEXTS]), start):
            metadata = corpus.metadata[row] if corpus.metadata else {}
            if document is None:
                missing.append(row)
            elif (document.text, document.metadata) == (corpus.texts[row], metadata):
                n_same += 1
            else:
                changed.append(row)
    return missing, n_same, changed


def write_index(path: Path, corpus: "Corpus", encoder: "Encoder", vectors: "FloatArray") -> None:
    """Make an index of texts that are embedded already, or add to it what it does not have.

    vectors: (n, d) float32, the corpus's texts through `encoder.encode_passages`.
    Raises: ModelMismatchError when there is an index of another model.
    """
    with open_or_create(path, encoder, {}, {}) as opened:
        missing, _, _ = compare(opened, corpus)
        if missing:
            opened.add(**_documents(corpus, missing), vectors=vectors[missing])


def _put(opened: "Index", corpus: "Corpus", rows: list[int], *, chunk: bool, threads: int | None) -> int:
    """Write rows of the corpus, a commit every `COMMIT_TEXTS`. Returns: how many texts were cut by the model."""
    from ..encoder import TruncationWarning
    from .console import encode_progress, waiting

    with waiting("loading the model"):
        encoder = opened.encoder
    if threads is not None:
        encoder.threads = threads
    n_cut = 0
    with encode_progress(f"indexing, {encoder.model.name.rsplit('/', 1)[-1]}") as progress:
        for start in range(0, len(rows), COMMIT_TEXTS):
            part = rows[start : start + COMMIT_TEXTS]

            def step(done: int, n: int, start: int = start, size: int = len(part)) -> None:
                progress(start + done * size // n, len(rows))  # n is of passages

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TruncationWarning)  # said once, of all commits
                opened.upsert(**_documents(corpus, part), chunk=chunk, progress=step)
            n_cut += encoder.stats.n_truncated
    return n_cut


def _documents(corpus: "Corpus", rows: list[int]) -> dict[str, Any]:
    return {
        "texts": [corpus.texts[row] for row in rows],
        "ids": [corpus.ids[row] for row in rows],
        "metadata": [corpus.metadata[row] for row in rows] if corpus.metadata else None,
    }


def _refuse(opened: "Index", corpus: "Corpus", missing: set[int]) -> None:
    from ..errors import DuplicateIdError

    there = [own for row, own in enumerate(corpus.ids) if row not in missing]
    raise DuplicateIdError(
        f"{opened.path} has {len(there):,} of these {len(corpus):,} ids already, {there[0]!r} for one. Nothing was "
        "added. --if-exists skip passes over them, --if-exists replace takes the new texts, and --id-prefix tells "
        "files apart that count from 0"
    )
