"""Recall of an index: asked for, measured, and watched."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import apsw
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray, check_count, check_progress
from ..errors import InputError
from ..recall import Calibration, Progress, interval
from ..recall.bounds import check_confidence
from ..recall.measuring import BATCH, Queries
from ..recall.record import check_target
from ..recall.truth import recalls
from ..store.facts import fact
from .answering import Steps
from .calibrations import Calibrated, all_in_catalog, calibrate_snapshot, name_of, to_json
from .given import check_asked
from .model import VectorSource
from .searches import Searches
from .sieve import IndexSieve, index_plan
from .snapshot import Snapshot
from .view import Plan, check_plan
from .watch import DayOfRecall, Watch, from_json

log = logging.getLogger(__name__)

WATCHED = "recall by day"
"""The name of the fact that the catalog keeps the days under."""


@dataclass(frozen=True)
class MeasuredRecall:
    """The recall of searches, measured.

    recall: mean of recall@k over n_queries. lower, upper: of all queries like these, with this confidence. sampled:
    whether they were documents, each left out of its own answer. generation: of the index.
    """

    k: int
    recall: float
    lower: float
    upper: float
    confidence: float
    n_queries: int
    sampled: bool
    generation: int


class Recalls(Searches):
    """An open index whose recall is known."""

    def calibrate(
        self,
        target_recall: float = 0.95,
        k: int = 10,
        queries: Sequence[str] | ArrayLike | None = None,
        *,
        confidence: float = 0.95,
        n_queries: int = 1000,
        seconds: float | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Calibration:
        """Measure recall@k and time of the ways to search, so that `search(target_recall=…)` can choose.

        Open for writing, the index keeps the result in its catalog, for everybody; otherwise in the memory of this
        process.

        target_recall: to be warned when nothing but exact search reaches it. Any other can be asked for later.
        queries: texts, or vectors (q, d), like those to come; None takes passages of the index, each left out of its
            own answer, which are not queries: recall of real ones may differ.
        confidence: that a plan which is chosen reaches its target. n_queries: that are asked, at most.
        seconds: after which no further queries are asked. seed: of the draws.
        progress: called with (done, n) as queries are answered.
        Raises: InputError; ModelError. Warns: RecallWarning when the target is not reached.
        """
        target, k = check_target(target_recall), check_count(k, "k")
        check_progress(progress)
        asked = None if queries is None else check_asked(queries)
        calibrated = self._on_newest(
            lambda source, snapshot: calibrate_snapshot(
                snapshot, k, _vectors_of(source, asked), confidence=confidence, n_queries=n_queries, seconds=seconds,
                seed=seed, progress=progress,
            )
        )  # fmt: skip
        if self._writer is None:
            self._calibrations.keep(calibrated)
            log.info("the index is open for reading: this process alone has the calibration of recall@%d", k)
        else:
            with self._alone() as writer:
                writer.set_fact(name_of(k), to_json(calibrated))
        calibrated.calibration.warn_unless_reached(target)
        return calibrated.calibration

    def calibrations(self) -> list[Calibrated]:
        """What is known of the recall of this generation, by k.

        A calibration that a newer bitsieve made in a way that this one cannot read is not among them, and a search
        with a target calibrates quickly for itself.
        """

        def work(connection: apsw.Connection, snapshot: Snapshot) -> list[Calibrated]:
            ks = {one.calibration.k for one in all_in_catalog(connection)} | self._calibrations.own()
            found = (self._calibrations.of(connection, snapshot, k) for k in sorted(ks))
            return [one for one in found if one is not None]

        return self._reader.read(work)

    def measure_recall(
        self,
        queries: Sequence[str] | ArrayLike | None = None,
        k: int = 10,
        *,
        target_recall: float | None = None,
        n_candidates: int | None = None,
        n_probes: int | None = None,
        probe_margin: float | None = None,
        confidence: float = 0.95,
        n_queries: int = 1000,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> MeasuredRecall:
        """Measure the recall@k that searches have, by asking exact search too.

        queries: as in `calibrate`. target_recall, n_candidates, n_probes, probe_margin: as in `search`.
        confidence: of both bounds together. n_queries: that are asked, at most. seed: of the draw.
        progress: called with (done, n).
        Raises: InputError; ModelError.
        """
        k, n_queries = check_count(k, "k"), check_count(n_queries, "n_queries")
        check_progress(progress)
        confidence, seed = check_confidence(confidence), check_count(seed, "seed", least=0)
        asked = None if queries is None else check_asked(queries)
        plan = check_plan(n_candidates, n_probes, probe_margin, 1)
        if target_recall is not None:
            plan = index_plan(self._choose(check_target(target_recall), k, Steps()).plan)

        def measure(source: VectorSource, snapshot: Snapshot) -> MeasuredRecall:
            sieve, rng = IndexSieve(snapshot), np.random.default_rng(seed)
            vectors = _vectors_of(source, asked)
            if vectors is None:
                sample = Queries(*sieve.sample(n_queries, rng))
            else:
                sample = Queries(vectors[rng.permutation(len(vectors))[:n_queries]])
            values = _recalls_of(sieve, sample, k, plan, progress)
            lower, upper = interval(values, confidence)
            return MeasuredRecall(
                k, float(values.mean()) if len(values) else 1.0, lower, upper, confidence, len(values),
                vectors is None, snapshot.generation,
            )  # fmt: skip

        return self._on_newest(measure)

    def watch(
        self,
        rate: float = 0.01,
        *,
        target_recall: float = 0.95,
        confidence: float = 0.95,
        seed: int | None = None,
    ) -> Watch:
        """Answer a share of the searches from now on exactly too, in the background, and keep their recall by day.

        A RecallWarning with the remedy comes on a day when the recall of its searches is certainly below the target.
        Open for writing, the index keeps the days in its catalog; otherwise they are this process's own. A watch
        before is stopped.

        rate: of searches, 0 to 1. confidence: that no warning is false, on any day, at any time. seed: of the draws.
        Raises: InputError.
        """
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise InputError(f"rate must be from 0 to 1, a share of the searches, got {rate!r}")
        target, confidence = check_target(target_recall), check_confidence(confidence)
        self.unwatch()
        self._watch = Watch(rate, target, confidence, seed, self.recall_by_day(), self._keep_days)
        return self._watch

    def unwatch(self) -> None:
        """Stop watching, if anybody does. Raises: InputError within a call that writes, which it would wait for."""
        if self._watch is not None:
            self._refuse_within_a_turn()
            self._watch.stop()
            self._watch = None

    def recall_by_day(self) -> list[DayOfRecall]:
        """The recall of live searches that a watch has found out, by day."""
        if self._watch is not None:
            return self._watch.days()
        with self._catalog.reading() as connection:
            return from_json(fact(connection, WATCHED))

    def close(self) -> None:
        """Let go of the files, and let another writer in. A second call does nothing.

        It waits for a thread that writes. Raises: InputError within a call that writes, such as in its `progress`.
        """
        self.unwatch()
        super().close()

    def _keep_days(self, days: Sequence[DayOfRecall], wait: bool) -> bool:
        """Whether they are where they are to be. wait: for another thread that writes, such as an `add` that embeds."""
        if self._writer is None:
            return True
        if not wait and self._writing.locked():
            return False
        with self._alone() as writer:
            writer.set_fact(WATCHED, [asdict(day) for day in days])
        return True


def _vectors_of(source: VectorSource, asked: list[str] | NDArray[Any] | None) -> FloatArray | None:
    """Queries as vectors, None for passages of the index."""
    if asked is None:
        return None
    return source.queries(asked) if isinstance(asked, list) else source.check_queries(asked)


def _recalls_of(
    sieve: IndexSieve, asked: Queries, k: int, plan: Plan, progress: Progress | None
) -> NDArray[np.float64]:
    """The recall of each query by a plan."""
    k = min(k, max(1, sieve.n))  # whatever is asked for, there are no more
    parts = [np.empty(0)]
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        found = batch.scores(lambda vectors, k: sieve.found(vectors, k, plan), k)
        parts.append(recalls(found, batch.scores(sieve.exact, k)))
        if progress is not None:
            progress(start + len(batch), len(asked))
    return np.concatenate(parts)
