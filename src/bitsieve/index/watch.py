"""Watching recall as it is used: some live searches are answered exactly too, in the background, and compared."""

import atexit
import os
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray
from ..errors import BitsieveError, RecallWarning, warn_caller
from ..recall import ConfidenceSequence, recalls
from .snapshot import Nearest, Snapshot
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
    scores: FloatArray


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
        keep: Callable[[Sequence[DayOfRecall], bool], bool],
    ) -> None:
        """before: days to go on with. keep: called with all days and whether to wait, tells whether they are kept."""
        self.rate, self.target_recall, self.confidence = rate, target_recall, confidence
        self.dropped = 0
        self._random, self._keep = random.Random(seed), keep
        # Replaced whole by the thread, so that nobody needs a lock to read it, which a fork might find held for ever.
        self._told = {day.date: day for day in sorted(before, key=lambda day: day.date)}
        self._day: _Day | None = None
        self._changed, self._due = False, 0.0
        self._samples: queue.Queue[_Sample | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()  # of what is taken and dropped: nothing is taken once it was stopped
        self._pid, self._stopped, self._ended = os.getpid(), False, False
        self._thread = threading.Thread(target=self._work, name="bitsieve-watch", daemon=True)
        self._thread.start()
        atexit.register(self._leave)

    def offer(
        self,
        snapshot: Snapshot,
        vectors: FloatArray,
        k: int,
        allowed: Sequence[BoolArray] | None,
        near: Nearest,
    ) -> None:
        """What was just searched for, and found: some of it is taken."""
        if not self._is_here():
            return
        for i in range(len(vectors)):
            if self._random.random() < self.rate:
                own = slice(i, i + 1)
                sample = _Sample(snapshot, vectors[own].copy(), k, allowed, near.scores[own].copy())
                with self._lock:
                    if self._stopped:
                        return
                    try:
                        self._samples.put_nowait(sample)
                    except queue.Full:
                        self.dropped += 1

    def days(self) -> list[DayOfRecall]:
        """What is known by now, by day."""
        told = self._told
        return [told[date] for date in sorted(told)]

    def wait(self) -> None:
        """Until all that was taken has been compared."""
        if self._is_here():
            self._samples.join()

    def stop(self) -> None:
        """Compare what is waiting, keep what was found out, and end. A second call does nothing."""
        if not self._is_here():
            return
        with self._lock:
            stopped, self._stopped = self._stopped, True
        if not stopped:
            self._samples.put(None)
        self._thread.join()
        atexit.unregister(self._leave)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _leave(self) -> None:
        """End with the process, which aborts when Python is gone and the thread comes back to it from C++."""
        if self._is_here():
            with suppress(queue.Empty):
                while True:
                    self._samples.get_nowait()
                    self._samples.task_done()
            self.stop()

    def _is_here(self) -> bool:
        """Whether this process has the thread: a fork has not, and may find locks held by threads it has not either."""
        return self._pid == os.getpid()

    def _work(self) -> None:
        while not self._ended:
            try:
                self._step()
            except Exception:  # such as a warning that is an error to the user: told, and the watch goes on
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self._thread)))

    def _step(self) -> None:
        """Compare the next search, or keep the days when it is time."""
        now = time.monotonic()
        if self._changed and now >= self._due:
            self._due = now + KEPT_EVERY
            self._keep_days(wait=False)
        try:
            sample = self._samples.get(timeout=max(0.0, self._due - now) if self._changed else None)
        except queue.Empty:
            return
        try:
            if sample is not None:
                self._compare(sample)
            else:
                self._ended = True
                self._keep_days(wait=True)
        finally:
            self._samples.task_done()

    def _compare(self, sample: _Sample) -> None:
        snapshot, vector, k, allowed, scores = sample
        try:
            true = snapshot.nearest(vector, k, Plan(exact=True), allowed)
        except BitsieveError:  # swept away, perhaps: the next search of a user will say it if it is damaged
            with self._lock:
                self.dropped += 1
            return
        day = self._today()
        day.add(float(recalls(scores, true.scores)[0]))
        told = day.told()
        self._told, self._changed = {**self._told, told.date: told}, True
        if told.upper < self.target_recall and not day.warned:
            day.warned = True
            warn_caller(
                f"recall has fallen: {told.recall:.3f} in {told.n:,} searches of {told.date} that exact search was "
                f"asked too, at most {told.upper:.3f} of all at {self.confidence:.0%}, and {self.target_recall:g} is "
                "wanted. Calibrate the index again with queries like those of now (calibrate), after learning its "
                "codec anew if it holds other texts than it did (refit)",
                RecallWarning,
            )

    def _today(self) -> "_Day":
        date = today()
        if self._day is None or self._day.date != date:
            dates, known = list(self._told), self._told.get(date)
            number = 1 + (len(dates) if known is None else dates.index(date))
            counts = {} if known is None else known.n_of_recall
            self._day = _Day(date, _confidence_of(self.confidence, number), counts)
        return self._day

    def _keep_days(self, *, wait: bool) -> None:
        """Keep what has changed; what cannot be kept now is tried again later. wait: for those who are writing."""
        if self._changed:
            try:
                self._changed = not self._keep(self.days(), wait)
            except BitsieveError as error:
                warn_caller(f"recall by day could not be kept: {error}", RecallWarning)


class _Day:
    def __init__(self, date: str, confidence: float, n_of_recall: Mapping[str, int]) -> None:
        self.date, self.warned = date, False
        self._n_of_recall = dict(n_of_recall)
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
            self.date, of_day.n, of_day.mean, of_day.lower, of_day.upper, dict(self._n_of_recall)
        )


def today() -> str:
    """The day that a search counts for: ISO 8601, in UTC."""
    return datetime.now(timezone.utc).date().isoformat()


def _confidence_of(confidence: float, number: int) -> float:
    """Of the day of a number, from 1, so that all days together are wrong at most as often as `confidence` allows."""
    return 1 - (1 - confidence) / (number * (number + 1))


def from_json(stored: Iterable[Mapping[str, Any]] | None) -> list[DayOfRecall]:
    """Days as the catalog keeps them, by `asdict`; those that a newer version keeps in another way are left out."""
    days = []
    for day in stored or ():
        with suppress(TypeError):
            days.append(DayOfRecall(**day))
    return days
