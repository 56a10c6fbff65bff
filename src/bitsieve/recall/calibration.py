"""Calibrate: measure what recall the plans of a sieve have on its own data, and what they cost on this machine."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timezone
from time import perf_counter
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import check_count, check_vectors
from ..errors import InputError
from .bounds import check_confidence
from .choice import front
from .measuring import BATCH, Queries, Sieve, exact_seconds, measure
from .record import Calibration, Plan, certified

Progress: TypeAlias = Callable[[int, int], None]

TUNING_SHARE = 0.4
"""Of a limited time, what may go by before the certifying queries are asked."""

HOPELESS = 2.0
"""A plan that takes so many times as long as one that finds no less is not tuned further."""


def calibrate(
    sieve: Sieve,
    k: int = 10,
    queries: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    n_queries: int = 1000,
    n_tuning: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Measure recall@k and time of the plans of a sieve, and certify recalls.

    queries: (q, d) floating point of norm 1, like those to come and not used to make the sieve; None takes documents.
    confidence: of a choice by the result. n_queries: that certify, at most. n_tuning: documents that order the plans
        beforehand; None is a third of n_queries.
    seconds: after which no further queries are asked; those that were count. seed: of the draws.
    progress: called with (done, n) as queries are answered.
    Raises: InputError.
    """
    started = perf_counter()
    k, n_queries = check_count(k, "k"), check_count(n_queries, "n_queries")
    n_tuning = max(1, n_queries // 3) if n_tuning is None else check_count(n_tuning, "n_tuning")
    if seconds is not None and not (isinstance(seconds, (int, float)) and seconds >= 0):
        raise InputError(f"seconds must be a number of at least 0, or None for no limit, got {seconds!r}")
    confidence, seed = check_confidence(confidence), check_count(seed, "seed", least=0)
    rng = np.random.default_rng(seed)
    tuning, certifying = _draw(sieve, queries, n_tuning, n_queries, rng)
    clock = _Clock(started, seconds, progress, len(tuning) + len(certifying))
    path: list[Plan] = []
    of_exact, recalls, of_path = 0.0, np.empty((0, 0)), np.empty(0)
    if len(tuning) and len(certifying):
        # Where all there is has to be found, nothing is cheaper than exact search, which one query times well enough.
        of_all = k >= sieve.n
        of_exact = exact_seconds(sieve, min(k, sieve.n), tuning[:1] if of_all else tuning)
        plans = [] if of_all else sieve.plans(k)
        # In any order: where time is short, those that are tried should be of all kinds.
        plans = [plans[i] for i in rng.permutation(len(plans))]
        path = _path(sieve, k, plans, tuning, of_exact, clock) if plans else []
        if path:
            recalls, of_path = _certify(sieve, k, certifying, path, clock)
    clock.finish()
    return Calibration(
        k=k,
        confidence=confidence,
        points=certified(of_exact, path, recalls, of_path, confidence, len(certifying)),
        n_queries=len(recalls),
        sampled=queries is None,
        queries_digest=hashlib.sha256(certifying.vectors[: len(recalls)].tobytes()).hexdigest()[:16],
        n=sieve.n,
        seconds=perf_counter() - started,
        seed=seed,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _draw(
    sieve: Sieve, queries: ArrayLike | None, n_tuning: int, n_queries: int, rng: np.random.Generator
) -> tuple[Queries, Queries]:
    """Tuning queries and certifying ones, which have nothing in common, in the order in which they are asked."""
    if queries is not None:
        given = check_vectors(queries, unit=True, name="queries")
        if not len(given):
            raise InputError("queries are none: give some like those to come, or None to take documents")
        given = given[rng.permutation(len(given))[:n_queries]]
        return Queries(*sieve.sample(n_tuning, rng)), Queries(given)
    drawn = Queries(*sieve.sample(n_tuning + n_queries, rng))
    n_tuning = len(drawn) * n_tuning // (n_tuning + n_queries)
    return drawn[:n_tuning], drawn[n_tuning:]


class _Clock:
    """How much time is left, and whom to tell how far it is. seconds: in all, None without limit."""

    def __init__(self, started: float, seconds: float | None, progress: Progress | None, n: int) -> None:
        self.started, self.seconds, self.progress, self.n, self.done = started, seconds, progress, n, 0

    def may_tune(self) -> bool:
        return self.left(TUNING_SHARE)

    def left(self, share: float = 1.0) -> bool:
        """Whether less than a share of the time has gone by."""
        return self.seconds is None or perf_counter() - self.started < share * self.seconds

    def answered(self, n: int) -> None:
        self.done += n
        if self.progress is not None:
            self.progress(self.done, self.n)

    def finish(self) -> None:
        if self.done < self.n:
            self.answered(self.n - self.done)


def _path(
    sieve: Sieve, k: int, plans: list[Plan], queries: Queries, of_exact: float, clock: _Clock
) -> list[Plan]:
    """The plans to certify, from dear and safe to cheap. Plans that have no chance are left out after each batch."""
    recalls, seconds = None, None
    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        if recalls is None or seconds is None:
            recalls, seconds = measure(sieve, k, batch, plans, go_on=clock.may_tune)
            plans = plans[: len(seconds)]
        else:
            of_batch, took = measure(sieve, k, batch, plans)
            recalls, seconds = np.concatenate([recalls, of_batch]), np.minimum(seconds, took)
        clock.answered(len(batch))
        promising = _promising(recalls.mean(axis=0), seconds, of_exact)
        plans = [plans[i] for i in promising]
        recalls, seconds = recalls[:, promising], seconds[promising]
        if not plans or not clock.may_tune():
            break
    if recalls is None or seconds is None:
        return []
    return [plans[i] for i in front(recalls.mean(axis=0), seconds, of_exact)]


def _promising(
    recalls: NDArray[np.float64], seconds: NDArray[np.float64], of_exact: float
) -> NDArray[np.int64]:
    """Positions of the plans that are not much dearer than exact search, or than another plan that finds as much."""
    finds_as_much = recalls[np.newaxis] >= recalls[:, np.newaxis]
    cheapest = np.where(finds_as_much, seconds[np.newaxis], np.inf).min(axis=1, initial=of_exact)
    return np.flatnonzero(seconds <= HOPELESS * cheapest)


def _certify(
    sieve: Sieve, k: int, queries: Queries, path: list[Plan], clock: _Clock
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recalls (q, p) of the queries there was time for, at least one batch, and seconds (p,) for a query."""
    parts, times = [], []
    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        of_batch, took = measure(sieve, k, batch, path)
        parts.append(of_batch)
        times.append(took)
        clock.answered(len(batch))
        if not clock.left():
            break
    return np.concatenate(parts), np.min(times, axis=0)
