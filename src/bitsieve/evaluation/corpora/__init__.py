"""Texts to measure on: Wikipedia by name, or your own files by path.

    load_corpus("wikipedia-en")                            10,000 lead texts, from a Python package
    load_corpus("wikimedia/wikipedia/20231101.fr")         article openings, from the Hugging Face hub
    load_corpus("articles.jsonl", text_field="body")       JSON Lines, CSV, TSV, Parquet
    load_corpus("notes/")                                  a folder of .txt and .md files

`wikipedia.py` and `hub.py` know the named corpora, `files.py` and `parquet.py` your own; `corpus.py` is what
all of them return.
"""

from collections.abc import Sequence
from pathlib import Path

from ...arrays import check_count
from ...errors import CorpusError, InputError
from .corpus import Corpus
from .fields import Fields
from .files import load_path
from .wikipedia import HUB_CONFIG, HUB_NAME, LEADS, LICENCE, load_hub, load_leads

__all__ = ["Corpus", "list_corpora", "load_corpus"]


def list_corpora() -> dict[str, str]:
    """The corpora known by name, each with a line about it."""
    listed = {
        name: f"{leads.n_texts:,} lead texts of {leads.language} Wikipedia ({LICENCE})"
        for name, leads in LEADS.items()
    }
    listed[HUB_NAME] = (
        f"article openings of Wikipedia ({LICENCE}) from the Hugging Face hub, {HUB_CONFIG}; "
        f"other dates and languages as {HUB_NAME}/20231101.fr"
    )
    return listed


def load_corpus(
    name_or_path: str | Path,
    *,
    text_field: str = "text",
    id_field: str | None = None,
    title_field: str | None = None,
    metadata: Sequence[str] | None = (),
    limit: int | None = None,
    skip_bad: bool = False,
) -> Corpus:
    """Load a corpus known by name, or your own from a file or folder.

    name_or_path: a name of `list_corpora()`, or a path; a `Path` is always a path.
        By name, texts are prepared as in the notebook: first 500 characters, stripped, at least 50 long.
        By path, they are only stripped: .jsonl, .ndjson, .csv, .tsv (UTF-8, with a header), .parquet,
        a folder of .parquet files, or one of .txt and .md files (id: the relative path, title: the stem).
    text_field, id_field, title_field: columns of your own file. Without `id_field` the id is "id" where a
        record has it, else the record's number from 0; without `title_field` the title is "title" where a
        record has it, else the first words of the text.
    metadata: columns to keep for each text, as "year:number" those whose strings are numbers; None keeps all but
        text and id, and what there is of a corpus known by name.
    limit: keep the first `limit` texts; None means 10,000 by name and all by path.
    skip_bad: leave broken records of your own file out, and count them, instead of raising.
    Raises: CorpusError for an unknown name, a broken record (with file, line and reason) or an empty result;
        InputError for a bad limit or fields that do not apply; DownloadError, DigestError when a package
        cannot be had or is not the pinned one; MissingExtraError when Parquet needs pyarrow.
    """
    limit = None if limit is None else check_count(limit, "limit")
    fields = Fields(text_field, id_field, title_field, None if metadata is None else tuple(metadata))
    if isinstance(name_or_path, str):
        is_hub = name_or_path == HUB_NAME or name_or_path.startswith(f"{HUB_NAME}/")
        if is_hub or name_or_path in LEADS:
            if fields.named or fields.metadata_names:
                raise InputError(
                    f"{name_or_path} has fields of its own: leave out text_field, id_field, title_field, metadata"
                )
            return (load_hub if is_hub else load_leads)(name_or_path, limit=limit, metadata=metadata is None)
    path = Path(name_or_path).expanduser()
    if not str(name_or_path).strip() or not path.exists():
        raise CorpusError(
            f"{str(name_or_path)!r} is neither a file or folder nor a known corpus: "
            f"expected a path or one of {', '.join(list_corpora())}"
        )
    return load_path(path, fields, limit=limit, skip_bad=skip_bad)
