"""Recall and time of plans: what a sieve finds beside what is true."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from .record import Plan
from .truth import Ids, recalls, without_own

Clock: TypeAlias = Callable[[], float]

BATCH = 100
"""Queries that are asked at once."""

EXACT_SECONDS = 0.1
"""About how long exact search is measured for at a time."""


class Sieve(Protocol):
    """What can be calibrated."""

    @property
    def n(self) -> int:
        """How many vectors are searched."""

    def plans(self, k: int) -> Sequence[Plan]:
        """Plans to try, from what there is to turn, before any query is known; exact search is not among them."""

    def sample(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, Ids]:
        """Different documents, in the order drawn, to be queries: vectors (m, d), ids (m,); m is less than n where
        there are not so many."""

    def search(self, queries: FloatArray, k: int, plan: Plan) -> tuple[Ids, FloatArray]:
        """Ids and scores, (q, k), on one thread, as a user's search would find them."""

    def exact(self, queries: FloatArray, k: int) -> tuple[Ids, FloatArray]:
        """The true ids and scores, (q, k), as fast as can be."""


@dataclass(frozen=True, eq=False)
class Queries:
    """vectors: (q, d). own: (q,) ids of the documents that they are, each left out of its own answer, or None."""

    vectors: FloatArray
    own: Ids | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, part: slice) -> "Queries":
        return Queries(self.vectors[part], None if self.own is None else self.own[part])

    def scores(self, search: Callable[..., tuple[Ids, FloatArray]], k: int, *plan: Plan) -> FloatArray:
        """What a search finds, without the documents themselves: (q, k)."""
        if self.own is None:
            return search(self.vectors, k, *plan)[1]
        return without_own(*search(self.vectors, k + 1, *plan), self.own)


def measure(
    sieve: Sieve,
    k: int,
    queries: Queries,
    plans: Sequence[Plan],
    *,
    go_on: Callable[[], bool] | None = None,
    clock: Clock | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ask a batch of queries by each plan.

    go_on: asked before each plan but the first, whether to try it and those behind it. clock: None is `perf_counter`.
    Returns: recalls (q, p), and seconds (p,) for a query, of the plans that were tried.
    """
    true = queries.scores(sieve.exact, k)
    columns: list[NDArray[np.float64]] = [np.empty((len(queries), 0))]
    seconds: list[float] = []
    for plan in plans:
        if seconds and go_on is not None and not go_on():
            break
        found, took = _timed(sieve, k, queries, plan, clock)
        columns.append(recalls(found, true)[:, np.newaxis])
        seconds.append(took)
    return np.hstack(columns), np.array(seconds)


def exact_seconds(sieve: Sieve, k: int, queries: Queries, clock: Clock | None = None) -> float:
    """What exact search takes for a query: measured with few of them where it takes long."""
    exact = Plan(exact=True)
    seconds = _timed(sieve, k, queries[:4], exact, clock)[1]
    n = min(BATCH, int(EXACT_SECONDS / max(seconds, 1e-9)))
    return min(_timed(sieve, k, queries[:n], exact, clock)[1] for _ in range(3)) if n > 4 else seconds


def _timed(
    sieve: Sieve, k: int, queries: Queries, plan: Plan, clock: Clock | None
) -> tuple[FloatArray, float]:
    """Scores, and seconds for a query."""
    clock = clock or perf_counter
    started = clock()
    scores = queries.scores(sieve.search, k, plan)
    return scores, (clock() - started) / len(queries)
