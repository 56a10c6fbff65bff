"""Long texts → passages that a model takes whole, each with as many sentences as its limit allows.

Tokens are counted in the text where they stand. A passage alone may come out a token or two longer where a tokenizer
looks beyond spaces, so each is counted again as the model will see it, and a text with one over the limit is cut
once more with that much less room.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np

from ..arrays import RowArray, check_count
from ..errors import InputError
from .breaks import CLAUSE_END, WORD_END, sentence_ends, skip_space, splits_cluster
from .model import Model
from .runtime import Runtime

Span: TypeAlias = tuple[int, int]
"""A passage's place in its text: offsets of its first character and of the one behind its last."""

LEAST_ROOM = 16
"""Tokens that a limit must leave to a passage's own text; hardly a character takes more than four."""

_BLOCK = 8_192
"""Characters tokenized as one piece, up to a sentence's end: so threads share a long text, and less memory does."""
_CALL = 256
"""Pieces in one call of the tokenizer, which takes some 100 bytes a token until the offsets are read."""

T = TypeVar("T")


@dataclass(frozen=True)
class Chunking:
    """How texts are cut into passages.

    max_tokens: a passage's limit, special tokens and prefix included; None: the model's.
    overlap: tokens at most that a passage repeats of the one before it: whole sentences, else clauses, else words.
    Raises: InputError for a number that is none or is too small.
    """

    max_tokens: int | None = None
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens is not None:
            check_count(self.max_tokens, "max_tokens")
        check_count(self.overlap, "overlap", least=0)


def split(texts: Sequence[str], chunking: Chunking, *, runtime: Runtime, model: Model) -> list[list[Span]]:
    """The passages of each text, as `Encoder.split` describes them; `runtime` has the model's tokenizer."""
    limit = model.max_tokens if chunking.max_tokens is None else chunking.max_tokens
    if limit > model.max_tokens:
        raise InputError(
            f"max_tokens is {limit}, but {model.name} takes {model.max_tokens} at most: pass that or less"
        )
    taken = runtime.lengths([model.passage_prefix])[0]
    room = limit - taken
    if room < LEAST_ROOM:
        raise InputError(
            f"max_tokens is {limit}, of which special tokens and the prefix take {taken}: "
            f"pass at least {taken + LEAST_ROOM}"
        )
    if chunking.overlap > room // 2:
        raise InputError(
            f"overlap is {chunking.overlap}, but a passage has room for {room} tokens: pass {room // 2} or less"
        )
    documents = _documents(texts, runtime)
    passages: list[list[Span]] = [[] for _ in texts]
    rooms = dict.fromkeys(range(len(texts)), room)
    while rooms:
        for row, room in rooms.items():
            passages[row] = documents[row].passages(room, min(chunking.overlap, room // 2))
        prefixed = [
            model.passage_prefix + texts[row][start:stop] for row in rooms for start, stop in passages[row]
        ]
        lengths = iter(_in_calls(runtime.lengths, prefixed))
        excess = {row: max(next(lengths) for _ in passages[row]) - limit for row in rooms}
        # With room for one token a passage is as short as it can be.
        rooms = {
            row: max(1, room - excess[row]) for row, room in rooms.items() if excess[row] > 0 and room > 1
        }
    return passages


class _Document:
    """A text, where its sentences end, and where its tokens start and end."""

    def __init__(self, text: str, sentences: list[int], tokens: RowArray) -> None:
        self._text = text
        self._end = len(text.rstrip())
        self._sentences = sentences
        # Views give Python's own numbers, at eight bytes each.
        self._token_starts, self._token_ends = (memoryview(column) for column in tokens.T.copy())

    def passages(self, room: int, overlap: int) -> list[Span]:
        """Cut the text into passages of at most `room` tokens, at least one more character each."""
        passages: list[Span] = []
        start = fresh = skip_space(self._text, 0)
        while fresh < self._end:
            stop = self._stop(start, fresh, room)
            passages.append((start, start + len(self._text[start:stop].rstrip())))
            fresh = skip_space(self._text, stop)
            start = self._start(passages[-1], fresh, room, overlap) if overlap else fresh
        return passages

    def _stop(self, start: int, fresh: int, room: int) -> int:
        """Where the passage from `start` ends. fresh: its first character that no passage has yet."""
        first = bisect_right(self._token_ends, start)
        if first + room >= len(self._token_ends):
            return self._end
        reach = self._token_ends[first + room] - 1
        within = bisect_right(self._sentences, reach)
        if within and self._sentences[within - 1] > fresh:
            return self._sentences[within - 1]
        half = max(fresh, self._token_ends[first + room // 2])  # a comma before it would waste too much
        for mark, least in ((CLAUSE_END, half), (WORD_END, fresh)):
            places = [match.end() for match in mark.finditer(self._text, least, reach + 1)]
            for place in reversed(places):
                if least < place <= reach and not splits_cluster(self._text, skip_space(self._text, place)):
                    return place
        return self._token_boundary(fresh, reach)

    def _token_boundary(self, fresh: int, reach: int) -> int:
        """The last place up to `reach` between tokens and, if there is one, between clusters."""
        place = reach
        while place > fresh:
            token_start = self._token_starts[bisect_right(self._token_ends, place)]
            if token_start < place:
                place = token_start
            elif splits_cluster(self._text, place):
                place -= 1
            else:
                return place
        ends = self._token_ends
        within = bisect_right(ends, reach)
        if within and ends[within - 1] > fresh:
            return ends[within - 1]
        beyond = bisect_right(ends, fresh)
        return ends[beyond] if beyond < len(ends) else self._end

    def _start(self, before: Span, fresh: int, room: int, overlap: int) -> int:
        """Where the passage after `before` starts so that they overlap, and the next sentence still fits."""
        if fresh >= self._end:
            return fresh
        next_end = self._sentences[bisect_right(self._sentences, fresh)]
        needed = bisect_right(self._token_ends, next_end) - bisect_right(self._token_ends, fresh)
        if needed <= room:  # a longer sentence is cut anyway
            overlap = min(overlap, room - needed)
        start, stop = before
        last_left_out = bisect_right(self._token_ends, stop) - overlap - 1
        least = max(start + 1, self._token_ends[last_left_out] if last_left_out >= 0 else 0)
        shared_from = self._sentences[bisect_left(self._sentences, least)]
        if shared_from < stop:
            return skip_space(self._text, shared_from)
        for mark in (CLAUSE_END, WORD_END):
            for match in mark.finditer(self._text, least, stop):
                letter = skip_space(self._text, match.end())
                if letter < stop and not splits_cluster(self._text, letter):
                    return letter
        return fresh


def _documents(texts: Sequence[str], runtime: Runtime) -> list[_Document]:
    """Tokenize the texts, long ones in blocks of whole sentences."""
    sentences = [sentence_ends(text) for text in texts]
    blocks = [_blocks(ends) for ends in sentences]
    pieces = [text[start:stop] for text, places in zip(texts, blocks, strict=True) for start, stop in places]
    tokens = iter(_in_calls(runtime.token_spans, pieces))
    return [
        _Document(text, ends, np.concatenate([start + next(tokens) for start, _ in places]))
        for text, ends, places in zip(texts, sentences, blocks, strict=True)
    ]


def _blocks(sentences: Sequence[int]) -> list[Span]:
    cuts = [0]
    for end in sentences:
        if end - cuts[-1] >= _BLOCK or end == sentences[-1]:
            cuts.append(end)
    return list(pairwise(cuts))


def _in_calls(call: Callable[[Sequence[str]], list[T]], texts: Sequence[str]) -> list[T]:
    return [result for start in range(0, len(texts), _CALL) for result in call(texts[start : start + _CALL])]
