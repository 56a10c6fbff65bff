"""A search: the lists of vectors and keywords, joined if both are asked for, and the documents that they name."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

import apsw
import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import InputError
from ..store.keywords import best_by_keywords
from .bringing import near_with_ids, with_documents, with_ids
from .effort import Effort
from .fusion import fuse
from .hits import Hits, Step
from .lost import find_lost
from .model import VectorSource
from .snapshot import Found, Nearest, Snapshot
from .view import Plan
from .watch import Watch

Mode: TypeAlias = Literal["vector", "keyword", "hybrid"]

FUSED = 100
"""How many of either list a hybrid search joins, at least."""


@dataclass(frozen=True)
class Request:
    """What is asked of every query of a search. Checked by the index."""

    k: int
    mode: Mode
    plan: Plan
    tokenizer: str
    where: Mapping[str, Any] | None = None
    min_score: float | None = None
    syntax: bool = False
    ids_only: bool = False
    lost: bool = False
    watch: Watch | None = None


class Steps:
    """What was done, as it is done; a step begins where the one before it ended.

    effort: of the stages of the search for vectors, where that is asked for.
    """

    def __init__(self, *, explain: bool = False) -> None:
        self.done: list[Step] = []
        self.effort = Effort() if explain else None
        self._ended = time.perf_counter()

    def attempt(self) -> "Steps":
        """A copy to go on with: what is tried again begins anew."""
        copy = Steps(explain=self.effort is not None)
        copy.done = [*self.done]
        return copy

    def add(self, name: str, n_in: int, n_out: int) -> None:
        """A step has ended: `n_in` came to it, `n_out` went on."""
        now = time.perf_counter()
        self.done.append(Step(name, n_in, n_out, now - self._ended))
        self._ended = now

    def add_stages(self) -> None:
        """The search for vectors has ended."""
        if self.effort is not None:
            self.done += self.effort.steps()
        self._ended = time.perf_counter()


def check_min_score(min_score: Any) -> None:
    """Raise InputError when this is neither None nor a finite number."""
    number = isinstance(min_score, Real) and not isinstance(min_score, bool)
    if min_score is not None and not (number and -math.inf < min_score < math.inf):
        raise InputError(
            f"min_score must be a finite number, or None to leave out nothing, got {min_score!r}"
        )


def check_mode(mode: Any, *, syntax: bool, explain: Any, **effort: Any) -> None:
    """Raise InputError for a mode that there is not, or for what has no meaning in it.

    effort: by their names, how hard to look for vectors; None where nothing is said of it.
    """
    if mode not in get_args(Mode):
        raise InputError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
    if mode == "vector" and syntax:
        raise InputError(
            "syntax=True is for the words of mode='keyword' or 'hybrid': give one of them, or leave syntax out"
        )
    of_vectors = [name for name, value in effort.items() if value is not None]
    if explain == "lost":
        of_vectors.append("explain='lost'")
    if mode == "keyword" and of_vectors:
        raise InputError(
            f"{of_vectors[0]} is of the nearest vectors, and mode='keyword' searches by words alone: "
            f"give mode='vector' or 'hybrid', or leave {of_vectors[0]} out"
        )


def n_listed(k: int, mode: Mode) -> int:
    """How many of the nearest vectors a search of k documents asks for."""
    return max(k, FUSED) if mode == "hybrid" else k


def query_vectors(
    source: VectorSource, queries: Sequence[str] | None, vectors: ArrayLike | None, mode: Mode, steps: Steps
) -> FloatArray | None:
    """The vectors to look for, (q, d), or None where only keywords are."""
    if mode == "keyword":
        return None
    if vectors is not None:
        return source.check_queries(vectors)
    embedded = source.queries(queries or ())
    steps.add("embed", len(embedded), len(embedded))
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
    n_all = snapshot.n_passages
    if request.where is not None and vectors is not None:
        allowed = snapshot.matching(connection, request.where)
        steps.add("filter", n_all, sum(int(np.count_nonzero(mask)) for mask in allowed))
    k = min(n_listed(request.k, request.mode), max(1, n_all))  # whatever is asked for, there are no more
    near = None
    if vectors is not None:
        near = snapshot.nearest(vectors, k, request.plan, allowed, steps.effort)
        steps.add_stages()
    words = None
    if texts is not None:
        words = [_by_keywords(connection, request, text, k) for text in texts]
        steps.add("keywords", n_all, sum(map(len, words)))
    if near is not None and words is None and request.ids_only:
        hits = near_with_ids(snapshot, near, request.min_score)
    else:
        lists = _lists(snapshot, request, near, words)
        if request.ids_only:
            hits = with_ids(snapshot, lists)
        else:
            hits = with_documents(
                connection, snapshot, lists, texts, request.tokenizer, syntax=request.syntax
            )
    n_hits = sum(map(len, hits))
    steps.add("documents", n_hits, n_hits)
    answers = [Hits(of_query, snapshot.generation) for of_query in hits]
    if vectors is not None and near is not None:
        if request.lost:
            lost = find_lost(snapshot, vectors, k, request.plan, allowed, near)
            for of_query, of_lost in zip(answers, lost, strict=True):
                of_query.lost = of_lost
        if request.watch is not None:
            request.watch.offer(snapshot, vectors, k, allowed, near)
    return answers


def _lists(
    snapshot: Snapshot, request: Request, near: Nearest | None, words: list[list[Found]] | None
) -> list[list[Found]]:
    """What each query found, by vectors, by keywords, or by both."""
    lists = words or []
    if near is not None:
        nearest = snapshot.found(near)
        lists = nearest if words is None else [
            _joined(*both, request.k) for both in zip(nearest, words, strict=True)
        ]  # fmt: skip
    least = request.min_score
    if least is None:
        return lists
    return [[found for found in of_query if found.score >= least] for of_query in lists]


def _by_keywords(connection: apsw.Connection, request: Request, text: str, k: int) -> list[Found]:
    ranked = best_by_keywords(
        connection, request.tokenizer, text, k, where=request.where, syntax=request.syntax
    )
    return [Found(key, score) for key, score in ranked]


def _joined(near: Sequence[Found], words: Sequence[Found], k: int) -> list[Found]:
    vector_ranks = {found.key: rank for rank, found in enumerate(near, 1)}
    keyword_ranks = {found.key: rank for rank, found in enumerate(words, 1)}
    places = {found.key: found.place for found in near}
    fused = fuse([found[:2] for found in near], [found[:2] for found in words], max(k, FUSED))[:k]
    return [
        Found(key, score, places.get(key), vector_ranks.get(key), keyword_ranks.get(key))
        for key, score in fused
    ]


def mean_direction(vectors: FloatArray) -> FloatArray:
    """The direction of the sum of unit vectors, (1, d); the first of them where they cancel out."""
    total = vectors.sum(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(total))
    direction = vectors[0] if norm < 1e-6 else total / norm
    return np.asarray(direction, np.float32)[np.newaxis]
