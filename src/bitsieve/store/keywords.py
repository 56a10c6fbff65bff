"""Keywords: texts ranked by BM25 through SQLite's FTS5.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, k1 = 1.2, b = 0.75.
"""

from collections.abc import Mapping
from typing import Any

import apsw
import apsw.fts5

from ..errors import InputError
from .filters import to_sql

TOKENIZERS = {
    "unicode61": "unicode61 remove_diacritics 2",
    "porter": "porter unicode61 remove_diacritics 2",
    "trigram": "trigram remove_diacritics 1",
}
"""By the name a user chooses, in FTS5's words: words as they are; English words by their stem; three characters each,
for languages without spaces."""


def check_tokenizer(tokenizer: str) -> str:
    """What FTS5 calls a tokenizer, or InputError."""
    if tokenizer not in TOKENIZERS:
        raise InputError(f"tokenizer must be one of {', '.join(TOKENIZERS)}, got {tokenizer!r}")
    return TOKENIZERS[tokenizer]


def best_by_keywords(
    connection: apsw.Connection,
    tokenizer: str,
    query: str,
    k: int,
    *,
    where: Mapping[str, Any] | None = None,
    syntax: bool = False,
) -> list[tuple[int, float]]:
    """Documents that have at least one of the query's terms.

    syntax: the query is an expression of FTS5's own (sqlite.org/fts5.html); otherwise all of it is text.
    Returns: at most k keys and scores (BM25, higher is better), best first, equal scores by key.
    Raises: InputError for an expression that FTS5 does not take.
    """
    expression = query if syntax else _any_term(connection, tokenizer, query)
    if not expression:
        return []
    condition, parameters = ("TRUE", []) if where is None else to_sql(where)
    allowed = "" if where is None else f"AND rowid IN (SELECT key FROM documents WHERE {condition})"
    try:
        found: Any = connection.execute(
            f"SELECT rowid, -rank FROM keywords WHERE keywords MATCH ? {allowed} ORDER BY rank, rowid LIMIT ?",
            (expression, *parameters, k),
        )
        return [(int(key), float(score)) for key, score in found]
    except apsw.SQLError as error:
        if not syntax:
            raise
        raise InputError(
            f"{query!r} is no expression of FTS5 ({error}): see sqlite.org/fts5.html, or leave syntax out"
        ) from None


def _any_term(connection: apsw.Connection, tokenizer: str, query: str) -> str:
    """The terms of a text, each in quotes so that none is taken for an operator, joined by OR."""
    # A stemmer would be asked again about what stays of a word, so words are cut by the tokenizer beneath it.
    name, *arguments = TOKENIZERS[tokenizer].removeprefix("porter ").split()
    cut = connection.fts5_tokenizer(name, arguments)
    flags = apsw.FTS5_TOKENIZE_QUERY
    terms: Any = cut(query.encode(), flags, None, include_offsets=False, include_colocated=False)
    return " OR ".join(f'"{term.replace(chr(34), chr(34) * 2)}"' for term in dict.fromkeys(terms))
