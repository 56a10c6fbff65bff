"""A search: the lists of vectors and keywords, joined if both are asked for, and the documents that they name."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import apsw
import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import InputError
from ..store import documents
from ..store.keywords import best_by_keywords
from .fusion import fuse
from .hits import Hit, Hits, Passage, Step
from .model import VectorSource
from .snapshot import Nearest, Snapshot
from .view import Plan

Mode: TypeAlias = Literal["vector", "keyword", "hybrid"]

FUSED = 100
"""How many of either list a hybrid search joins, at least."""


@dataclass(frozen=True)
class Request:
    """What is asked of every query of a search. Checked by the index."""

    k: int
    mode: Mode
    where: Mapping[str, Any] | None
    min_score: float | None
    syntax: bool
    tokenizer: str
    plan: Plan


@dataclass
class Steps:
    """What was done, as it is done."""

    done: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, n_in: int) -> Iterator[list[int]]:
        """Time a step. The block appends how many went on."""
        counts: list[int] = []
        started = time.perf_counter()
        yield counts
        self.done.append(Step(name, n_in, sum(counts), time.perf_counter() - started))


def check_mode(mode: Any) -> Mode:
    """Return the mode, or raise InputError."""
    if mode not in get_args(Mode):
        raise InputError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
    checked: Mode = mode
    return checked


def query_vectors(
    source: VectorSource, queries: Sequence[str] | None, vectors: ArrayLike | None, mode: Mode, steps: Steps
) -> FloatArray | None:
    """The vectors to look for, (q, d), or None where only keywords are."""
    if mode == "keyword":
        return None
    if vectors is not None:
        return source.check(vectors, "the queries' vectors")
    with steps.step("embed", len(queries or ())) as counts:
        embedded = source.queries(queries or ())
        counts.append(len(embedded))
    return embedded


def answer(
    connection: apsw.Connection,
    snapshot: Snapshot,
    request: Request,
    texts: Sequence[str] | None,
    vectors: FloatArray | None,
    steps: Steps,
) -> list[Hits]:
    """The hits of each query, all of one generation.

    texts: for keywords. vectors: (q, d), for the nearest; of the same queries.
    """
    allowed = None
    n_documents = documents.count(connection) if request.where is not None else snapshot.n_passages
    if request.where is not None and vectors is not None:
        with steps.step("filter", n_documents) as counts:
            allowed = documents.matching(connection, request.where)
            counts.append(len(allowed))
    k = max(request.k, FUSED) if request.mode == "hybrid" else request.k
    nearest: list[list[Nearest]] = []
    ranked: list[list[tuple[int, float]]] = []
    if vectors is not None:
        with steps.step("vectors", n_documents if allowed is None else len(allowed)) as counts:
            nearest = snapshot.nearest(vectors, k, request.plan, allowed)
            counts += map(len, nearest)
    if texts is not None:
        with steps.step("keywords", n_documents) as counts:
            for text in texts:
                ranked.append(
                    best_by_keywords(
                        connection, request.tokenizer, text, k, where=request.where, syntax=request.syntax
                    )
                )
            counts += map(len, ranked)
    lists = _lists(request, nearest, ranked)
    with steps.step("documents", sum(map(len, lists))) as counts:
        hits = [_hits(connection, found, request.min_score) for found in lists]
        counts += map(len, hits)
    return [Hits(of_query, snapshot.generation) for of_query in hits]


@dataclass(frozen=True)
class _Found:
    key: int
    score: float
    place: tuple[int, int] | None = None
    vector_rank: int | None = None
    keyword_rank: int | None = None


def _lists(
    request: Request, nearest: Sequence[Sequence[Nearest]], ranked: Sequence[Sequence[tuple[int, float]]]
) -> list[list[_Found]]:
    if request.mode == "vector":
        return [[_Found(*near) for near in found] for found in nearest]
    if request.mode == "keyword":
        return [[_Found(key, score) for key, score in found] for found in ranked]
    return [_joined(request, near, words) for near, words in zip(nearest, ranked, strict=True)]


def _joined(request: Request, near: Sequence[Nearest], words: Sequence[tuple[int, float]]) -> list[_Found]:
    places = {found.key: (rank, found.place) for rank, found in enumerate(near, 1)}
    ranks = {key: rank for rank, (key, _) in enumerate(words, 1)}
    fused = fuse([found.key for found in near], list(ranks))[: request.k]
    return [_Found(key, score, places.get(key, (0, None))[1], places.get(key, (None, None))[0], ranks.get(key))
            for key, score in fused]  # fmt: skip


def _hits(connection: apsw.Connection, found: Sequence[_Found], min_score: float | None) -> list[Hit]:
    kept = [one for one in found if min_score is None or one.score >= min_score]
    texts = documents.by_keys(connection, [one.key for one in kept])
    hits = []
    for one in kept:
        document = texts[one.key]
        passage = None
        if one.place is not None and document.text is not None:
            start, stop = one.place
            stop = len(document.text) if stop < 0 else stop
            passage = Passage(start, stop, document.text[start:stop])
        hits.append(
            Hit(
                document.id,
                one.score,
                document.text,
                document.metadata,
                passage,
                one.vector_rank,
                one.keyword_rank,
            )
        )
    return hits


def mean_direction(vectors: FloatArray) -> FloatArray:
    """The direction of the sum of unit vectors, (1, d); the first of them where they cancel out."""
    total = vectors.sum(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(total))
    direction = vectors[0] if norm < 1e-6 else total / norm
    return np.asarray(direction, np.float32)[np.newaxis]
