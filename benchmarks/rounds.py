"""Measuring: walk each configuration's ladders once, then time what is worth timing in rounds over all of them.

The first walk warms up, gives recall and a rough speed; it ends a ladder once recall is past every target or has
stopped rising, and settings far behind their own configuration's front are not timed further. Rounds go over all
configurations in turn, in a new order each, so that a machine that slows down slows all of them.
"""

import gc
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fronts import Point, speed_at
from peers import Peer, Setting

ENOUGH = 0.9985
"""Recall past which a ladder ends: above the last target, so that it is interpolated and not extrapolated."""
RISE = 0.0004
"""Two steps in turn that add less than this: saturated."""
BEHIND = 0.6
"""Slower than this share of the configuration's own front at the same recall: measured once only."""
LEAST_SECONDS = 0.1
"""A batch is searched again until so much time has passed, for speed's sake on a coarse clock."""
WARM_QUERIES = 50


@dataclass
class Measured:
    """One setting of one configuration. batch: queries/s of each round; single: seconds of each query of each round."""

    setting: Setting
    recall: float
    rough: float
    timed: bool = True
    batch: list[float] = field(default_factory=list)
    single: list[NDArray[np.float64]] = field(default_factory=list)

    def batch_speed(self) -> float:
        return median(self.batch) if self.batch else self.rough

    def single_speed(self) -> float | None:
        return median(1 / float(seconds.mean()) for seconds in self.single) if self.single else None

    def to_dict(self) -> dict[str, Any]:
        percentiles = {}
        if self.single:
            pooled = 1000 * np.concatenate(self.single)
            percentiles = {f"p{p}_ms": float(np.percentile(pooled, p)) for p in (50, 95, 99)}
        return {
            "setting": self.setting,
            "recall": self.recall,
            "rounds": len(self.batch),
            "batch_queries_per_second": self.batch_speed(),
            "batch_rounds": self.batch,
            "single_queries_per_second": self.single_speed(),
            "single_rounds": [1 / float(seconds.mean()) for seconds in self.single],
            **percentiles,
        }


@dataclass
class Entry:
    """One built configuration and what was measured of it."""

    name: str
    peer: Peer
    build_seconds: float
    sizes: dict[str, Any]
    points: list[Measured] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        try:
            installed = version(self.peer.package)
        except PackageNotFoundError:
            installed = None
        return {
            "peer": self.name,
            "config": self.peer.config,
            "package": self.peer.package,
            "version": installed,
            "build_seconds": self.build_seconds,
            "bytes_per_vector": self.sizes,
            "points": [point.to_dict() for point in self.points],
        }


@dataclass(frozen=True)
class Task:
    """queries (q, d), their true rows (q, k), and how to measure."""

    queries: NDArray[np.float32]
    truth: NDArray[np.int64]
    threads: int
    every: int = 1
    """Only every so-manyth step of a ladder: for a quick look."""

    @property
    def k(self) -> int:
        return self.truth.shape[1]


def recall_of(found: Any, truth: NDArray[np.int64]) -> float:
    """Mean share of the true rows among those found; an id that comes twice counts once."""
    return (
        float(np.mean([len(set(map(int, a)) & set(b.tolist())) for a, b in zip(found, truth, strict=True)]))
        / (truth.shape[1])
    )


def build(name: str, peer: Peer, vectors: NDArray[np.float32], threads: int) -> Entry:
    started = time.perf_counter()
    peer.build(vectors, threads)
    seconds = time.perf_counter() - started
    sizes = {part: round(value, 1) if part != "how" else value for part, value in peer.sizes().items()}
    return Entry(name, peer, seconds, sizes)


def explore(entry: Entry, task: Task) -> None:
    """Walk the ladders: recall and a rough speed of each step, and which steps are worth timing."""
    for steps in entry.peer.ladders():
        recalls: list[float] = []
        for setting in steps[:: task.every]:
            entry.peer.prepare(setting, task.k, task.threads)
            entry.peer.search(task.queries[:WARM_QUERIES])
            started = time.perf_counter()
            found = entry.peer.search(task.queries)
            seconds = time.perf_counter() - started
            recalls.append(recall_of(found, task.truth))
            entry.points.append(Measured(setting, recalls[-1], len(task.queries) / seconds))
            saturated = len(recalls) > 2 and recalls[-1] - recalls[-3] < 2 * RISE and recalls[-1] > 0.5
            if recalls[-1] >= ENOUGH or saturated:
                break
    cloud = [Point(point.recall, point.rough) for point in entry.points]
    for point in entry.points:
        point.timed = point.rough >= BEHIND * (speed_at(cloud, point.recall) or 0)


def run_rounds(entries: list[Entry], task: Task, repeat: int) -> Iterator[str]:
    """Time all entries `repeat` times, in turn; yields a line on each round."""
    order = random.Random(0)
    for number in range(repeat):
        started = time.perf_counter()
        shuffled = order.sample(entries, len(entries))
        for entry in shuffled:
            for point in entry.points:
                if point.timed:
                    _time(entry.peer, point, task)
        yield f"round {number + 1} of {repeat}: {time.perf_counter() - started:.0f} s"


def _time(peer: Peer, point: Measured, task: Task) -> None:
    peer.prepare(point.setting, task.k, task.threads)
    peer.search(task.queries[:WARM_QUERIES])
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < LEAST_SECONDS:
        peer.search(task.queries)
        calls += 1
    point.batch.append(calls * len(task.queries) / passed)
    peer.prepare(point.setting, task.k, 1)
    point.single.append(_time_each(peer, task.queries))


def _time_each(peer: Peer, queries: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = list(np.ascontiguousarray(queries))
    clock, ask = time.perf_counter, peer.search_one
    for row in rows[:WARM_QUERIES]:
        ask(row)
    seconds = np.empty(len(rows))
    gc.disable()
    try:
        for i, row in enumerate(rows):
            started = clock()
            ask(row)
            seconds[i] = clock() - started
    finally:
        gc.enable()
    return seconds
