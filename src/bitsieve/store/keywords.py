"""Keywords: texts ranked by BM25 through SQLite's FTS5.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, k1 = 1.2, b = 0.75.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import apsw
import apsw.fts5

from ..errors import InputError
from . import trigrams
from .filters import to_sql

TOKENIZERS = {
    "unicode61": "unicode61 remove_diacritics 2",
    "porter": "porter unicode61 remove_diacritics 2",
    "trigram": "trigram remove_diacritics 1",
}
"""By the name a user chooses, in FTS5's words: words as they are; English words by their stem; three characters each,
for languages without spaces (`trigrams`)."""

COMMON = {"unicode61": (0.1, 0.5), "porter": (0.1, 0.5), "trigram": (0.5,)}
"""Shares of the documents. Terms that more than the first of them have are passed over where a query has others, else
those that more than the second have, which FTS5 gives no weight. Scoring the half million documents of a million that
have "in" takes a quarter of a second. Three characters are more common than words, and tell less each."""

SPARED = 10_000
"""Terms that no more documents have than this are never passed over: scoring them takes milliseconds."""


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
    """Documents that have at least one of the query's terms, not counting common ones among others (`COMMON`).

    syntax: the query is an expression of FTS5's own (sqlite.org/fts5.html); otherwise all of it is text.
    Returns: at most k keys and scores (BM25, higher is better), best first, equal scores by key.
    Raises: InputError for an expression that FTS5 does not take.
    """
    expression = query if syntax else " OR ".join(_terms(connection, tokenizer, query))
    if not expression:
        return []
    condition, parameters = ("TRUE", []) if where is None else to_sql(where)
    # With `rowid IN (…)` SQLite would ask FTS5 about one allowed document after the other.
    among = f"AND EXISTS (SELECT 1 FROM documents WHERE key = keywords.rowid AND {condition})"
    allowed = "" if where is None else among
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


def weights(connection: apsw.Connection, tokenizer: str, query: str, *, syntax: bool) -> dict[str, float]:
    """How much each term of a query tells of where in a document it is found: the rarer, the more.

    syntax: the query is an expression, which weighs more than all of its words.
    Returns: by the term as FTS5 takes it.
    """
    n = _n_keys(connection)
    weights = {
        term: math.log1p(n / max(1, _n_documents(connection, term, SPARED)))
        for term in _terms(connection, tokenizer, query)
    }
    return {query: 1 + sum(weights.values()), **weights} if syntax else weights


def _terms(connection: apsw.Connection, tokenizer: str, query: str) -> list[str]:
    """The terms of a text that are looked for, each in quotes so that none is taken for an operator."""
    # A stemmer would be asked again about what stays of a word, so words are cut by the tokenizer beneath it.
    name, *arguments = TOKENIZERS[tokenizer].removeprefix("porter ").split()
    cut = connection.fts5_tokenizer(name, arguments)
    flags = apsw.FTS5_TOKENIZE_QUERY
    terms: Any = cut(query.encode(), flags, None, include_offsets=False, include_colocated=False)
    quoted = [_quoted(term) for term in dict.fromkeys(terms)]
    if tokenizer == "trigram":
        quoted += [f"{_quoted(word)} *" for word in trigrams.short_words(cut, query)]
    return _telling(connection, quoted, COMMON[tokenizer])


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


def _telling(connection: apsw.Connection, terms: list[str], shares: Iterable[float]) -> list[str]:
    """The terms that no more documents have than the first of `shares` that leaves any, else all of them."""
    n = _n_keys(connection)
    for share in shares:
        most = max(int(share * n), SPARED)
        if most >= n:
            break
        if rare := [term for term in terms if 0 < _n_documents(connection, term, most + 1) <= most]:
            return rare
    return terms


def _n_keys(connection: apsw.Connection) -> int:
    """How many documents there are, or a few more."""
    # Of deleted documents too, so never too few; counting those that are there takes longer than most searches.
    first_and_last = "SELECT (SELECT max(key) FROM documents) - (SELECT min(key) FROM documents) + 1"
    n: int = connection.execute(first_and_last).get or 0
    return n


def _n_documents(connection: apsw.Connection, term: str, most: int) -> int:
    """How many documents have a term, counted up to `most`."""
    select = "SELECT count(*) FROM (SELECT 1 FROM keywords WHERE keywords MATCH ? LIMIT ?)"
    n: int = connection.execute(select, (term, most)).get
    return n
