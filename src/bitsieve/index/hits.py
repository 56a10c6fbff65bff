"""What a search finds."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..errors import InputError
from ..recall import Point
from ..store.documents import Document


@dataclass(frozen=True)
class Passage:
    """The part of a document that was found, where documents are cut into passages.

    start, stop: its place in the document's text, characters.
    """

    start: int
    stop: int
    text: str


class Hit(NamedTuple):
    """A document that was found; `text` and `metadata` are the document's.

    id: of the document. score: of the search's mode: the cosine, BM25, or for hybrid 0 to 1, 1 being best by both;
        higher is better.
    document: None where the search was asked for ids only, and then there is no passage, text or metadata either.
    passage: what of the text was found, None where it is not cut.
    vector_rank, keyword_rank: its places in the two lists that a hybrid search joins, from 1; None where it is not in
        one, and for other modes.
    """

    id: str
    score: float
    document: Document | None = None
    passage: Passage | None = None
    vector_rank: int | None = None
    keyword_rank: int | None = None

    @property
    def text(self) -> str | None:
        """Of the whole document; None where only its vector was added."""
        return self._found().text

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the document."""
        return self._found().metadata

    def _found(self) -> Document:
        if self.document is None:
            raise InputError(
                f"the search was asked for ids only: search without ids_only, or get({self.id!r}) from the index"
            )
        return self.document


class Step(NamedTuple):
    """What a part of a search did: `n_in` candidates came to it and `n_out` went on; `seconds` it took."""

    name: str
    n_in: int
    n_out: int
    seconds: float


class Lost(NamedTuple):
    """A document that exact search finds and this one did not.

    rank: its place in the true answer, from 1. score: its cosine. stage: where it was lost: "cells" when it lies in
    one that was not visited, "codes" when there were better codes than its own, "rerank" when its copy in bytes or its
    code's estimate seemed to be too far below.
    """

    id: str
    rank: int
    score: float
    stage: Literal["cells", "codes", "rerank"]


class Hits(list[Hit]):
    """Hits of one query, best first.

    generation: of the index, all of whose answer this is. steps: what was done, where `explain` asked for it, for all
    queries of a batch together. lost: with explain="lost", what was not found. chosen: with target_recall, the plan
    that was taken, and the recall that was measured of it; None under a `where`.
    """

    generation: int
    steps: tuple[Step, ...]
    lost: tuple[Lost, ...]
    chosen: Point | None

    def __init__(self, hits: list[Hit], generation: int) -> None:
        super().__init__(hits)
        self.generation = generation
        self.steps, self.lost, self.chosen = (), (), None
