"""Watching recall as it is used: some live searches are answered exactly too, in the background, and compared."""

import os
import queue
import random
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray
from ..errors import BitsieveError, RecallWarning
from ..recall import ConfidenceSequence, recalls
from .snapshot import Found, Snapshot
from .view import Plan

WAITING = 64
"""Searches that may wait to be answered exactly; further ones are passed over, so that nothing is held up."""

KEPT_EVERY = 60.0
"""Seconds between two commits of what was found out, where this process may write."""


@dataclass(frozen=True)
class DayOfRecall:
    """The recall of a day's searches, of those that were answered exactly too.

    date: ISO 8601, in UTC. n: how many. recall: their mean. lower, upper: of all searches like these, at any time one
    looks. n_of_recall: how many had each recall, as a text of it.
    """

    date: str
    n: int
    recall: float
    lower: float
    upper: float
    n_of_recall: Mapping[str, int]


class _Sample(NamedTuple):
    snapshot: Snapshot
    vector: FloatArray
    k: int
    allowed: Sequence[BoolArray] | None
    scores: list[float]


class Watch:
    """Answers a share of searches exactly, in a thread of its own. `Index.watch` makes one; stop it, or use `with`.

    target_recall: below which a day's recall is warned of. dropped: searches that were passed over because too many
    were waiting, or because what they had searched in was gone.
    """

    def __init__(
        self,
        rate: float,
        target_recall: float,
        confidence: float,
        seed: int | None,
        before: Iterable[DayOfRecall],
        keep: Callable[[Sequence[DayOfRecall]], None] | None,
    ) -> None:
        self.rate, self.target_recall, self.confidence = rate, target_recall, confidence
        self.dropped = 0
        self._random, self._keep = random.Random(seed), keep
        self._days: dict[str, _Day] = {}
        for number, day in enumerate(sorted(before, key=lambda day: day.date), 1):
            self._days[day.date] = _Day(day.date, _confidence_of(confidence, number), day.n_of_recall)
        self._samples: queue.Queue[_Sample | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._pid, self._stopped = os.getpid(), False
        self._thread = threading.Thread(target=self._work, name="bitsieve-watch", daemon=True)
        self._thread.start()

    def offer(
        self,
        snapshot: Snapshot,
        vectors: FloatArray,
        k: int,
        allowed: Sequence[BoolArray] | None,
        lists: Sequence[Sequence[Found]],
    ) -> None:
        """What was just searched for, and found: some of it is taken."""
        if self._stopped or self._pid != os.getpid():  # in a fork there is no thread
            return
        for vector, found in zip(vectors, lists, strict=True):
            if self._random.random() < self.rate:
                sample = _Sample(
                    snapshot, vector[np.newaxis].copy(), k, allowed, [one.score for one in found]
                )
                try:
                    self._samples.put_nowait(sample)
                except queue.Full:
                    self.dropped += 1

    def days(self) -> list[DayOfRecall]:
        """What is known by now, by day."""
        with self._lock:
            return [self._days[date].told() for date in sorted(self._days)]

    def wait(self) -> None:
        """Until all that was taken has been compared."""
        self._samples.join()

    def stop(self) -> None:
        """Compare what is waiting, keep what was found out, and end. A second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        if self._pid == os.getpid():
            self._samples.put(None)
            self._thread.join()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _work(self) -> None:
        changed, wait = False, KEPT_EVERY
        while True:
            try:
                sample = self._samples.get(timeout=wait if changed else None)
            except queue.Empty:
                changed = not self._kept()
                continue
            try:
                if sample is None:
                    if changed:
                        self._kept()
                    return
                changed |= self._compare(sample)
            finally:
                self._samples.task_done()

    def _compare(self, sample: _Sample) -> bool:
        """Whether the sample could be compared."""
        snapshot, vector, k, allowed, scores = sample
        try:
            (true,) = snapshot.nearest(vector, k, Plan(exact=True), allowed)
        except BitsieveError:  # swept away, perhaps: the next search of a user will say it if it is damaged
            self.dropped += 1
            return False
        recall = float(recalls(_padded(scores, k), _padded([one.score for one in true], k))[0])
        date = datetime.now(timezone.utc).date().isoformat()
        with self._lock:
            day = self._days.get(date)
            if day is None:
                number = len(self._days) + 1
                day = self._days[date] = _Day(date, _confidence_of(self.confidence, number), {})
            day.add(recall)
            warned, told = day.warned, day.told()
            day.warned = warned or told.upper < self.target_recall
        if day.warned and not warned:
            warnings.warn(
                f"recall has fallen: {told.recall:.3f} in {told.n:,} searches of {date} that exact search was asked "
                f"too, at most {told.upper:.3f} of all at {self.confidence:.0%}, and {self.target_recall:g} is wanted. "
                "Calibrate the index again (calibrate), or learn its codec anew from what it holds now (refit)",
                RecallWarning,
                stacklevel=2,
            )
        return True

    def _kept(self) -> bool:
        if self._keep is not None:
            try:
                self._keep(self.days())
            except BitsieveError as error:
                warnings.warn(f"recall by day could not be kept: {error}", RecallWarning, stacklevel=2)
                return False
        return True


class _Day:
    def __init__(self, date: str, confidence: float, n_of_recall: Mapping[str, int]) -> None:
        self.warned = False
        self._date, self._n_of_recall = date, dict(n_of_recall)
        self._sequence = ConfidenceSequence(confidence)
        for recall, n in n_of_recall.items():
            self._sequence.add(np.full(n, float(recall)))

    def add(self, recall: float) -> None:
        self._sequence.add([recall])
        text = f"{recall:.9g}"
        self._n_of_recall[text] = self._n_of_recall.get(text, 0) + 1

    def told(self) -> DayOfRecall:
        of_day = self._sequence
        return DayOfRecall(
            self._date, of_day.n, of_day.mean, of_day.lower, of_day.upper, dict(self._n_of_recall)
        )


def _confidence_of(confidence: float, number: int) -> float:
    """Of the day of a number, from 1, so that all days together are wrong at most as often as `confidence` allows."""
    return 1 - (1 - confidence) / (number * (number + 1))


def _padded(scores: Sequence[float], k: int) -> FloatArray:
    row = np.full((1, k), -np.inf, np.float32)
    row[0, : len(scores)] = scores[:k]
    return row


def to_json(days: Iterable[DayOfRecall]) -> list[dict[str, Any]]:
    """As the catalog keeps them."""
    return [
        {
            "date": day.date, "n": day.n, "recall": day.recall, "lower": day.lower, "upper": day.upper,
            "n_of_recall": dict(day.n_of_recall),
        }
        for day in days
    ]  # fmt: skip


def from_json(stored: Iterable[Mapping[str, Any]] | None) -> list[DayOfRecall]:
    """What `to_json` made."""
    return [DayOfRecall(**day) for day in stored or ()]
