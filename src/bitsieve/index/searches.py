"""Searches of an index."""

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import apsw
import numpy as np
from numpy.typing import ArrayLike

from ..arrays import check_count
from ..errors import BitsieveError, InputError, MissingFileError
from ..recall import Point
from ..recall.record import check_target
from ..store import documents
from ..store.filters import to_sql
from .answering import (
    Mode,
    Request,
    Steps,
    answer,
    check_min_score,
    check_mode,
    mean_direction,
    n_listed,
    query_vectors,
)
from .calibrations import QUICK_QUERIES, QUICK_SECONDS, calibrate_snapshot
from .given import check_id, check_query_vector, check_texts
from .hits import Hits
from .model import VectorSource
from .opened import OpenIndex
from .reading import ATTEMPTS
from .sieve import index_plan
from .snapshot import Snapshot
from .view import Plan, check_plan

log = logging.getLogger(__name__)

T = TypeVar("T")
Explain: TypeAlias = Literal["lost"] | bool


class Searches(OpenIndex):
    """An open index that is searched."""

    def search(
        self,
        query: str | None = None,
        k: int = 10,
        *,
        vector: ArrayLike | None = None,
        where: Mapping[str, Any] | None = None,
        mode: Mode = "vector",
        min_score: float | None = None,
        syntax: bool = False,
        n_candidates: int | None = None,
        n_probes: int | None = None,
        probe_margin: float | None = None,
        ids_only: bool = False,
        target_recall: float | None = None,
        explain: Explain = False,
    ) -> Hits:
        """The k best documents for a query.

        query: a text. vector: (d,) of L2 norm 1, to look for in place of the text's own.
        where: which documents may be found; `bitsieve.store.filters` has the language.
        mode: "vector" by meaning, "keyword" by words (BM25; a document has at least one of them), "hybrid" by both,
            their scores joined.
        min_score: leave out what scores less. syntax: of keywords, the text is an expression of FTS5
            (sqlite.org/fts5.html).
        n_candidates, n_probes, probe_margin: how hard to look, as in `Cascade.search`; None for what suits most.
        ids_only: leave texts and metadata where they are, which takes most of the time of a search by vector.
        target_recall: in place of those, the recall of the nearest vectors that is wanted: the cheapest way that
            `calibrate` has found to reach it, or exact search. An index that was never calibrated for this k is now,
            for a few seconds. Under a `where` every cell is visited besides, and nothing is certified.
        explain: tell what was done, in the hits' `steps`; "lost" also which true neighbours were not found, and at
            which stage they were lost.
        Returns: hits, best first, fewer than k where there are no more.
        Raises: InputError; ModelMismatchError; ModelError; DamageError when what the answer rests on is damaged.
        Warns: RecallWarning when nothing but exact search reaches the target.
        """
        if vector is not None:
            check_query_vector(vector)
        elif mode != "keyword" and isinstance(query, str) and not query.strip():
            raise InputError("the query is blank: say what to look for")
        return self.search_batch(
            None if query is None else [query],
            k,
            vectors=None if vector is None else np.asarray(vector)[np.newaxis],
            where=where,
            mode=mode,
            min_score=min_score,
            syntax=syntax,
            n_candidates=n_candidates,
            n_probes=n_probes,
            probe_margin=probe_margin,
            ids_only=ids_only,
            target_recall=target_recall,
            explain=explain,
        )[0]

    def search_batch(
        self,
        queries: Sequence[str] | None = None,
        k: int = 10,
        *,
        vectors: ArrayLike | None = None,
        where: Mapping[str, Any] | None = None,
        mode: Mode = "vector",
        min_score: float | None = None,
        syntax: bool = False,
        n_candidates: int | None = None,
        n_probes: int | None = None,
        probe_margin: float | None = None,
        ids_only: bool = False,
        threads: int = 1,
        target_recall: float | None = None,
        explain: Explain = False,
    ) -> list[Hits]:
        """The k best documents for each of several queries, all answers of one generation.

        queries: q texts. vectors: (q, d) of L2 norm 1. threads: that share the queries. The rest as in `search`.
        """
        check_mode(
            mode, syntax=syntax, explain=explain, target_recall=target_recall, n_candidates=n_candidates,
            n_probes=n_probes, probe_margin=probe_margin,
        )  # fmt: skip
        check_min_score(min_score)
        k = check_count(k, "k")
        if queries is None and (vectors is None or mode != "vector"):
            raise InputError(f"nothing to search for: mode={mode!r} needs a text")
        if where is not None:
            to_sql(where)
        if explain not in (False, True, "lost"):
            raise InputError(f"explain must be False, True or 'lost', got {explain!r}")
        plan = check_plan(n_candidates, n_probes, probe_margin, threads)
        if target_recall is not None and (n_candidates, n_probes, probe_margin) != (None, None, None):
            raise InputError("target_recall chooses n_candidates, n_probes and probe_margin: give it alone")
        texts = None if queries is None else check_texts(queries, blank=True)
        words = None if mode == "vector" else texts
        if words is not None and vectors is not None and np.shape(vectors)[:1] != (len(words),):
            raise InputError(
                f"vectors have shape {np.shape(vectors)} for {len(words)} queries: give one for each"
            )
        target = None if target_recall is None else check_target(target_recall)
        found: list[Hits] | None = None
        while found is None:
            source, steps = self._source, Steps(explain=bool(explain))
            chosen = None
            if target is not None:
                chosen = self._choose(target, n_listed(k, mode), steps)
                plan = index_plan(chosen.plan, threads, filtered=where is not None)
            request = Request(
                k, mode, plan, self._files.tokenizer, where, min_score, syntax, ids_only,
                lost=explain == "lost", watch=self._watch,
            )  # fmt: skip
            try:
                checked = query_vectors(source, texts, vectors, mode, steps)
            except BitsieveError:
                if self._follow(source):
                    continue
                raise

            def work(connection: apsw.Connection, snapshot: Snapshot) -> list[Hits] | None:
                if snapshot.model_epoch != source.epoch:  # noqa: B023
                    return None
                attempt = steps.attempt()  # noqa: B023
                answers = answer(connection, snapshot, request, words, checked, attempt)  # noqa: B023
                for hits in answers:
                    hits.steps = tuple(attempt.done) if explain else ()
                return answers

            found = self._reader.read(work)
            if found is None:
                self._follow(source)
        for hits in found:
            hits.chosen = None if where is not None else chosen  # under a filter nothing is certified
        return found

    def similar(
        self,
        id: str | int,  # noqa: A002
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        min_score: float | None = None,
        ids_only: bool = False,
    ) -> Hits:
        """The documents nearest to one of the index, without itself; of several passages, to their mean direction.

        where, min_score, ids_only: as in `search`. Raises: InputError when there is no such document.
        """
        k = check_count(k, "k")
        name = check_id(id)
        check_min_score(min_score)
        request = Request(k + 1, "vector", Plan(), self._files.tokenizer, where, min_score, ids_only=ids_only)

        def work(connection: apsw.Connection, snapshot: Snapshot) -> Hits:
            key = documents.keys_of(connection, [name]).get(name)
            if key is None:
                raise InputError(f"the index has no document {name!r}")
            direction = mean_direction(snapshot.vectors_of(key))
            (found,) = answer(connection, snapshot, request, None, direction, Steps())
            return Hits([hit for hit in found if hit.id != name][:k], found.generation)

        return self._reader.read(work)

    def _choose(self, target: float, k: int, steps: Steps) -> Point:
        """What reaches a target: by what is known of the index, or else by what a few seconds tell."""
        calibrated = self._reader.read(
            lambda connection, snapshot: self._calibrations.of(connection, snapshot, k)
        )
        if calibrated is None:
            calibrated = self._on_newest(
                lambda source, snapshot: calibrate_snapshot(
                    snapshot, k, n_queries=QUICK_QUERIES, seconds=QUICK_SECONDS
                )
            )
            self._calibrations.keep(calibrated)
            if calibrated.calibration.n_queries:
                log.info(
                    "calibrated for recall@%d with %d passages of the index, for this process alone: "
                    "bitsieve calibrate %s -k %d keeps what it finds out, best with --queries of your own",
                    k, calibrated.calibration.n_queries, shlex.quote(str(self.path)), k,
                )  # fmt: skip
            steps.add("calibrate", calibrated.calibration.n_queries, len(calibrated.calibration.points))
        calibrated.calibration.warn_unless_reached(target)
        return calibrated.calibration.plan_for(target)

    def _on_newest(self, work: Callable[[VectorSource, Snapshot], T], attempts: int = ATTEMPTS) -> T:
        """What `work` makes of the newest generation; it may take minutes, since no transaction is held meanwhile.

        work: gets what made the vectors too. It begins anew where a writer has swept files of its generation away.
        """
        source, snapshot = self._newest()
        try:
            return work(source, snapshot)
        except MissingFileError:
            if attempts == 1 or self._newest()[1].generation == snapshot.generation:
                raise
        return self._on_newest(work, attempts - 1)

    def _newest(self) -> tuple[VectorSource, Snapshot]:
        while True:
            source = self._source
            snapshot = self._reader.read(lambda connection, snapshot: snapshot)
            if snapshot.model_epoch == source.epoch:
                return source, snapshot
            self._follow(source)
