"""Where in a document the words are that it was found by: keywords are of whole documents, passages of segments."""

from collections.abc import Mapping, Sequence
from contextlib import closing

import apsw
import numpy as np

from ..store import trigrams
from ..store.documents import Document
from ..store.keywords import TOKENIZERS, weights
from .snapshot import Found, Snapshot

Place = tuple[int, int]


def with_places(
    connection: apsw.Connection,
    snapshot: Snapshot,
    lists: Sequence[Sequence[Found]],
    queries: Sequence[str],
    documents: Mapping[int, Document],
    tokenizer: str,
    *,
    syntax: bool,
) -> Sequence[Sequence[Found]]:
    """What each query found, with the places of passages also where documents were found by words alone.

    That is the passage with most of the query's words, rarer ones counting more, and the first of equals: of a document
    and a query it is always the same, whatever else is found. Of an expression it is one that the expression finds, or
    else, where no passage has all of it, one by its words.
    documents: by their keys.
    """
    unplaced = [{found.key for found in of_query if found.place is None} for of_query in lists]
    cut = {key: places for key in set().union(*unplaced) if (places := _places(snapshot, key))}
    several = {key: places for key, places in cut.items() if len(places) > 1}
    chosen = [{key: cut[key][0] for key in keys & cut.keys()} for keys in unplaced]
    if several:
        with closing(_table(tokenizer)) as table:
            for query, of_query in zip(queries, chosen, strict=True):
                if among := {key: several[key] for key in of_query.keys() & several.keys()}:
                    terms = weights(connection, tokenizer, query, syntax=syntax)
                    of_query.update(_best(table, terms, among, documents))
    return [
        [found._replace(place=places.get(found.key, found.place)) for found in of_query]
        for places, of_query in zip(chosen, lists, strict=True)
    ]


def _places(snapshot: Snapshot, key: int) -> list[Place]:
    """Of a document's passages, none where a segment has whole texts alone."""
    for view in snapshot.views:
        if view.places is not None:
            first, last = np.searchsorted(view.keys, [key, key + 1]).tolist()
            if first < last:
                return [(start, stop) for start, stop in view.places[first:last].tolist()]
    return []


def _table(tokenizer: str) -> apsw.Connection:
    """A table in memory that takes words as the catalog's does."""
    connection = apsw.Connection(":memory:")
    trigrams.register(connection)
    connection.execute(
        "CREATE VIRTUAL TABLE passages USING "
        f"fts5(text, content='', columnsize=0, tokenize='{TOKENIZERS[tokenizer]}')"
    )
    return connection


def _best(
    table: apsw.Connection,
    terms: Mapping[str, float],
    places: Mapping[int, Sequence[Place]],
    documents: Mapping[int, Document],
) -> dict[int, Place]:
    """Of each document, by its key, the passage whose terms weigh most."""
    every = [(key, place) for key, of_document in places.items() for place in of_document]
    scores = [0.0] * len(every)
    with table:
        table.execute("INSERT INTO passages (passages) VALUES ('delete-all')")
        texts = ((documents[key].text or "")[slice(*place)] for key, place in every)
        table.executemany("INSERT INTO passages (rowid, text) VALUES (?, ?)", enumerate(texts))
        for term, weight in terms.items():
            for (row,) in table.execute("SELECT rowid FROM passages WHERE passages MATCH ?", (term,)):
                scores[row] += weight
    best: dict[int, tuple[float, Place]] = {}
    for (key, place), score in zip(every, scores, strict=True):
        if key not in best or score > best[key][0]:
            best[key] = score, place
    return {key: place for key, (_, place) in best.items()}
