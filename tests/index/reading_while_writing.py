"""One process writes, others search: is each answer of one generation, and does any search wait for anything?

The writer's commits follow from a seed, one generation each, so readers know what every generation holds.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from small_index import WORDS, D, small_thresholds, vectors_of

from bitsieve.arrays import FloatArray
from bitsieve.index import Hits, Index

FIRST = 150
"""Pairs of documents in the first commit. The two of a pair are written and deleted together."""
COMPACT_EVERY = 40
QUERIES = vectors_of(900, 32)

T = TypeVar("T")
Versions = dict[int, int]
"""Which pairs a generation holds, and of which commit each is."""


@dataclass(frozen=True)
class Commit:
    """What one commit does. number: of the commit; its generation is one more. put, deleted: pairs."""

    number: int
    put: tuple[int, ...] = ()
    deleted: tuple[int, ...] = ()
    compacts: bool = False

    def apply_to(self, held: Versions) -> None:
        for pair in self.deleted:
            del held[pair]
        for pair in self.put:
            held.pop(pair, None)
            held[pair] = self.number

    def write(self, index: Index) -> None:
        if self.compacts:
            index.compact()
        elif self.deleted:
            index.delete([id_ for pair in self.deleted for id_ in ids_of(pair)])
        else:
            rows = [(pair, side) for pair in self.put for side in "ab"]
            index.upsert(
                [text_of(pair, side, self.number) for pair, side in rows],
                ids=[f"{pair}{side}" for pair, side in rows],
                metadata=[{"pair": pair, "version": self.number} for pair, _ in rows],
                vectors=np.concatenate([vector_of(pair, side, self.number) for pair, side in rows]),
            )


def commits(n: int, seed: int = 0) -> Iterator[Commit]:
    """Adds, upserts, deletes, and now and then a compaction of what has just been deleted from."""
    rng = random.Random(seed)
    held: Versions = {}
    for number in range(1, n + 1):
        if number == 1:
            commit = Commit(number, put=tuple(range(FIRST)))
        elif number % COMPACT_EVERY == 0:
            commit = Commit(number, compacts=True)
        elif number % COMPACT_EVERY == COMPACT_EVERY - 1:
            commit = Commit(number, deleted=(next(iter(held)),))
        elif len(held) > FIRST and rng.random() < 0.3:
            commit = Commit(number, deleted=tuple(rng.sample(sorted(held), rng.randint(1, 2))))
        else:
            commit = Commit(number, put=tuple(rng.sample(range(2 * FIRST), rng.randint(1, 3))))
        commit.apply_to(held)
        yield commit


def ids_of(pair: int) -> tuple[str, str]:
    return f"{pair}a", f"{pair}b"


def text_of(pair: int, side: str, version: int) -> str:
    return f"{WORDS[version % len(WORDS)]} {side} of pair{pair} as commit{version} wrote it"


def vector_of(pair: int, side: str, version: int) -> FloatArray:
    return vectors_of(2 * pair + (side == "b"), 1, seed=version)


@dataclass
class Times:
    """Seconds of one search: in all, on a processor, and waiting for one; the rest is waiting for anything else."""

    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    queued: list[float] = field(default_factory=list)

    @property
    def blocked(self) -> list[float]:
        return [max(0.0, w - b - q) for w, b, q in zip(self.wall, self.busy, self.queued, strict=True)]


@dataclass(frozen=True)
class Answer:
    """What a search found. question: see `ask`. found: id, score, text and version of each hit."""

    generation: int
    question: tuple[str, int]
    found: list[tuple[str, float, str | None, int]]


@dataclass
class Report:
    """What a reader did. generations: that it saw."""

    searches: int = 0
    generations: set[int] = field(default_factory=set)
    times: Times = field(default_factory=Times)
    problems: list[str] = field(default_factory=list)


def write_all(root: Path, n: int, seed: int = 0, pause: float = 0.0) -> float:
    """Make the index and do all commits. Returns: seconds it took."""
    started = time.perf_counter()
    with small_thresholds(), Index.create(root, dimension=D, n_bits=16) as index:
        for commit in commits(n, seed):
            commit.write(index)
            time.sleep(pause)
        assert index.stats().generation == n + 1
    return time.perf_counter() - started


def read_until(root: Path, n: int, reader: int, seed: int = 0, pause: float = 0.002) -> Report:
    """Search until the last generation is seen, then compare every answer with what its generation holds."""
    rng = random.Random(reader)
    report, answers = Report(), list[Answer]()
    while not (root / "generation.txt").exists():  # the index is being made
        time.sleep(0.01)
    with Index.open(root) as index:
        last = 0
        while last <= n:
            answer = timed(report.times, lambda: ask(index, rng))
            if answer.generation < last:
                report.problems.append(f"generation {answer.generation} after {last}")
            last = answer.generation
            answers.append(answer)
            check_pair(index, rng, report)
            time.sleep(pause)
    report.searches = len(answers)
    report.generations = {answer.generation for answer in answers}
    report.problems += compared(answers, n, seed)
    return report


def timed(times: Times, work: Callable[[], T]) -> T:
    # What is queued is read first and last: reading it takes long enough to be queued oneself.
    queued, busy, wall = _queued(), time.thread_time(), time.perf_counter()
    result = work()
    times.wall.append(time.perf_counter() - wall)
    times.busy.append(time.thread_time() - busy)
    times.queued.append(_queued() - queued)
    return result


def ask(index: Index, rng: random.Random) -> Answer:
    """One of four questions at random."""
    kind, number = rng.choice(["nearest", "where", "similar words", "hybrid"]), rng.randrange(len(QUERIES))
    hits: Hits
    if kind == "nearest":
        hits = index.search(vector=QUERIES[number], k=5)
    elif kind == "where":
        hits = index.search(vector=QUERIES[number], k=5, where={"pair": {"$lt": 4 * number}})
    elif kind == "hybrid":
        hits = index.search(WORDS[number % len(WORDS)], k=3, vector=QUERIES[number], mode="hybrid")
    else:
        hits = index.search(f"pair{number}", k=5, mode="keyword")
    found = [(hit.id, hit.score, hit.text, hit.metadata["version"]) for hit in hits]
    return Answer(hits.generation, (kind, number), found)


def check_pair(index: Index, rng: random.Random, report: Report) -> None:
    """Documents that were written together are got together."""
    first, second = index.get(ids_of(rng.randrange(2 * FIRST)))
    if (first and first.metadata) != (second and second.metadata):
        report.problems.append(f"a pair torn apart: {first} and {second}")


def compared(answers: list[Answer], n: int, seed: int) -> list[str]:
    """What is wrong with answers, which are in the order of their generations."""
    problems = []
    following = commits(n, seed)
    held: Versions = {}
    generation, vectors = 1, {}
    for answer in answers:
        while generation < answer.generation:
            next(following).apply_to(held)
            generation += 1
            vectors = {}
        if not vectors:
            vectors = {f"{p}{s}": vector_of(p, s, v)[0] for p, v in held.items() for s in "ab"}
        problem = wrong(answer, held, vectors)
        if problem:
            problems.append(f"generation {generation}, {answer.question}: {problem}")
    return problems


def wrong(answer: Answer, held: Versions, vectors: dict[str, FloatArray]) -> str:
    """What is wrong with an answer, nothing when it is what a generation gives."""
    kind, number = answer.question
    for id_, _, text, version in answer.found:
        pair, side = int(id_[:-1]), id_[-1]
        if held.get(pair) != version or text != text_of(pair, side, version):
            return f"{id_} is {text!r} of {version}, not of {held.get(pair)}"
    ids = [id_ for id_, *_ in answer.found]
    if kind == "similar words":
        expected = list(ids_of(number)) if number in held else []
        return "" if sorted(ids) == expected else f"found {ids}, not {expected}"
    if kind == "hybrid":
        expected_n = min(3, len(vectors))
        return "" if len(set(ids)) == expected_n else f"found {ids}"
    allowed = [id_ for id_ in vectors if kind == "nearest" or int(id_[:-1]) < 4 * number]
    scores = {id_: float(vectors[id_] @ QUERIES[number]) for id_ in allowed}
    best = sorted(scores.values(), reverse=True)[:5]
    found = [score for _, score, *_ in answer.found]
    own = [scores.get(id_, -2.0) for id_ in ids]
    # Ties of less than what float32 tells apart may be in either order.
    if (
        len(found) != len(best)
        or not np.allclose(found, best, atol=1e-5)
        or not np.allclose(found, own, atol=1e-5)
    ):
        return f"found {list(zip(ids, found, strict=True))}, best are {best}"
    return ""


def _queued() -> float:
    """Seconds this thread has been ready to run and did not, since it began; 0 where the system does not say."""
    with suppress(OSError, IndexError):
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return int(os.read(descriptor, 100).split()[1]) / 1e9
        finally:
            os.close(descriptor)
    return 0.0
