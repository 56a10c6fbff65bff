"""What was found, as hits: with the ids of documents alone, or with the documents and the passages that were found."""

from collections.abc import Sequence
from itertools import islice

import apsw

from ..errors import DamageError
from ..store import documents
from ..store.documents import Document
from ..store.sqlite_errors import CATALOG
from .hits import Hit, Passage
from .passages_by_words import with_places
from .rows import WHOLE
from .snapshot import Found, Nearest, Snapshot


def near_with_ids(snapshot: Snapshot, near: Nearest, least: float | None) -> list[list[Hit]]:
    """What is near as it was found, since nothing but ids has to be looked up. least: score, None for any."""
    if least is not None:
        near = near.not_below(least)
    ids = iter(snapshot.ids_of_rows(near.rows[near.rows >= 0]))
    # The ids end where the hits of the last query do, so each query takes as many as it has scores.
    return [list(map(Hit, islice(ids, len(scores)), scores)) for _, scores in near.each()]


def with_ids(snapshot: Snapshot, lists: Sequence[Sequence[Found]]) -> list[list[Hit]]:
    """Hits without their documents."""
    ids = iter(snapshot.ids_of([one.key for found in lists for one in found]))
    return [[Hit(next(ids), score, None, None, *ranks) for _, score, _, *ranks in found] for found in lists]


def with_documents(
    connection: apsw.Connection,
    snapshot: Snapshot,
    lists: Sequence[Sequence[Found]],
    queries: Sequence[str] | None,
    tokenizer: str,
    *,
    syntax: bool,
) -> list[list[Hit]]:
    """Hits with their documents. queries: whose words were looked for.

    Raises: DamageError when one is not there.
    """
    keys = {one.key for found in lists for one in found}
    of_keys = documents.by_keys(connection, sorted(keys))  # in the order in which they lie on the disk
    if len(of_keys) < len(keys):
        raise DamageError(f"{CATALOG} has not all documents that the segments have: restore it from a backup")
    if queries is not None and snapshot.is_cut:
        lists = with_places(connection, snapshot, lists, queries, of_keys, tokenizer, syntax=syntax)
    return [[_hit(of_keys[one.key], one) for one in found] for found in lists]


def _hit(document: Document, found: Found) -> Hit:
    _, score, place, vector_rank, keyword_rank = found
    return Hit(document.id, score, document, _passage(document, place), vector_rank, keyword_rank)


def _passage(document: Document, place: tuple[int, int] | None) -> Passage | None:
    if place is None or place[1] == WHOLE or document.text is None:
        return None
    start, stop = place
    return Passage(start, stop, document.text[start:stop])
