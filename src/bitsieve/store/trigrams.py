"""The tokenizer `trigram`: three characters each, and words of one or two as what trigrams begin with.

FTS5's own makes no term of fewer than three characters, so it would find none of the many Chinese and Japanese words
that have two. Here two spaces are put behind each text, so that a trigram begins at every character; a short word is
then a prefix of terms, which FTS5 ranks as it ranks a word. Of texts that were added without the spaces, a short word
at their very end is not found.
"""

import unicodedata
from functools import cache

import apsw

_N = 3
_PADDING = b" " * (_N - 1)
_OF_A_PREFIX = apsw.FTS5_TOKENIZE_QUERY | apsw.FTS5_TOKENIZE_PREFIX


def register(connection: apsw.Connection) -> None:
    """Let a connection's tables have this tokenizer under the name of FTS5's, which others can read them with."""
    connection.register_fts5_tokenizer("trigram", _tokenizer)


def short_words(cut: apsw.FTS5Tokenizer, query: str) -> list[str]:
    """The words of a text that are too short for a trigram, as terms begin with them.

    cut: this tokenizer. Words end at spaces and punctuation.
    """
    words = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in query).split()
    starts = [_cut(cut, word.encode(), _OF_A_PREFIX)[:1] for word in dict.fromkeys(words)]
    return [start for of_word in starts for start in of_word if len(start) < _N]


def _tokenizer(_: apsw.Connection, arguments: list[str]) -> "apsw.Tokenizer":
    own = _of_fts5(tuple(arguments))

    def tokenize(text: bytes, flags: int, _: str | None) -> list[str]:
        if flags == apsw.FTS5_TOKENIZE_QUERY:
            return _cut(own, text, flags)
        terms = _cut(own, text + _PADDING, flags)  # one for each character, without case and accents
        if flags != _OF_A_PREFIX:
            return terms
        return [terms[0][: len(terms)]] if 0 < len(terms) < _N else terms[: -len(_PADDING)]

    return tokenize


@cache
def _of_fts5(arguments: tuple[str, ...]) -> apsw.FTS5Tokenizer:
    """FTS5's own, of a connection where nothing has taken its name; it keeps no state, so that threads may share it."""
    return apsw.Connection(":memory:").fts5_tokenizer("trigram", list(arguments))


def _cut(tokenizer: apsw.FTS5Tokenizer, text: bytes, flags: int) -> list[str]:
    terms: list[str] = tokenizer(text, flags, None, include_offsets=False, include_colocated=False)  # type: ignore[assignment]
    return terms
