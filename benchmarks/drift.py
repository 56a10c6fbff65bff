"""Does a watch notice that recall falls as data drift, and do its remedies help? Real texts, and days set by hand.

    make bench-drift        a few minutes, once the texts are embedded

An index of leads of English Wikipedia is calibrated for recall@10 of 0.95, with queries of its own kind. Then documents
of another kind come: French leads, or those of a topic that had been left out. A day is 5,000 searches, of which the
watch compares a tenth. Queries are held-out texts, on the first day of the old kind and from then on of the new.

    before         the old documents alone
    added          new ones, in a segment of their own; not so many that the calibration lapses
    compacted      all new ones, in one segment with the old; asked for the first day's candidates
    target_recall  the same index; where the calibration has lapsed, the search makes one
    calibrated     anew, with documents, as without queries
    with queries   calibrated with queries of the new kind
    refit          the codec learned anew, then calibrated with queries of the new kind

In calibrations a search is taken to last as long as it has candidates, so that plans do not depend on what else the
machine does meanwhile, and results come out the same again.
"""

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from bitsieve import Encoder, Index
from bitsieve.encoder import TruncationWarning
from bitsieve.evaluation.corpora import Corpus, load_corpus
from bitsieve.evaluation.machine import describe_machine
from bitsieve.index import watch
from bitsieve.index.sieve import IndexSieve
from bitsieve.recall import Plan, calibration, measuring
from commit import commit, how_made, write
from vectors import MODELS, exact

RESULT = Path(__file__).parent / "results" / "drift.json"
K, TARGET = 10, 0.95
N_SEARCHES, RATE = 5000, 0.1
HELD_OUT, MOST_HELD_OUT = 0.22, 1500
N_TOPICS = 2
GROWTH = 0.4
"""New documents added at first, for each old one: a calibration lapses at 0.5."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Vectors of one kind: documents (n, d), queries (q, d) to calibrate with, and others to search for."""

    documents: NDArray[np.float32]
    calibrating: NDArray[np.float32]
    live: NDArray[np.float32]

    @classmethod
    def split(cls, vectors: NDArray[np.float32]) -> "Kind":
        """Hold queries out, half of them for each use."""
        order = np.random.default_rng(0).permutation(len(vectors))
        half = min(MOST_HELD_OUT, int(HELD_OUT * len(vectors))) // 2
        return cls(*(vectors[rows] for rows in (order[2 * half :], order[:half], order[half : 2 * half])))


@dataclass(frozen=True, eq=False)
class Phase:
    """What the index holds by now, and how it is searched, for what."""

    name: str
    documents: NDArray[np.float32]
    queries: NDArray[np.float32]
    asked: dict[str, Any]


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    measured = commit()
    encoder = Encoder(MODELS["minilm"])
    english, french = (load_corpus(name, metadata=None) for name in ("wikipedia-en", "wikipedia-fr"))
    results = []
    for name, old, new in drifts(encoder, english, french):
        with tempfile.TemporaryDirectory(prefix="bitsieve-drift-") as folder:
            days = drift(old, new, Path(folder) / "index")
        results.append({"added": name, "days": days})
        for day in days:
            print(f"{name}: {day}", flush=True)
    report = how_made(measured) | {
        "machine": describe_machine(),
        "model": encoder.model.name,
        "corpora": {corpus.name: corpus.digest for corpus in (english, french)},
        "k": K,
        "target": TARGET,
        "n_searches": N_SEARCHES,
        "rate": RATE,
        "results": results,
    }
    write(report, RESULT)


def drifts(encoder: Encoder, english: Corpus, french: Corpus) -> Iterator[tuple[str, Kind, Kind]]:
    """What comes, the old kind, and the new: French, and each of the largest topics."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        vectors, of_french = (encoder.encode_passages(corpus.texts) for corpus in (english, french))
    yield "French", Kind.split(vectors), Kind.split(of_french)
    topics = np.array([about["topic"] for about in english.metadata])
    names, sizes = np.unique(topics, return_counts=True)
    for name in names[np.argsort(-sizes)][:N_TOPICS]:
        yield str(name), Kind.split(vectors[topics != name]), Kind.split(vectors[topics == name])


def drift(
    old: Kind, new: Kind, path: Path, *, n_bits: int = 128, n_searches: int = N_SEARCHES, rate: float = RATE
) -> list[dict[str, Any]]:
    """What a watch told of each day, beside what was true. path: of an index that is made."""
    days, rng = [], np.random.default_rng(1)
    with (
        time_is_candidates(),
        patch.object(watch, "today") as today,
        warnings.catch_warnings(record=True) as caught,
        Index.create(path, dimension=old.documents.shape[1], n_bits=n_bits) as index,
        index.watch(rate, target_recall=TARGET, seed=0) as watching,
    ):
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", "recall has fallen")
        for number, phase in enumerate(phases(index, old, new), 1):
            today.return_value = f"2026-01-{number:02}"
            caught.clear()
            days.append(
                searched(index, watching, phase, rng.integers(len(phase.queries), size=n_searches), caught)
            )
    with Index.open(path) as index:
        kept = index.recall_by_day()
    for day, of_watch in zip(days, kept, strict=True):
        day["watch"] = {name: getattr(of_watch, name) for name in ("date", "n", "recall", "lower", "upper")}
    return days


def phases(index: Index, old: Kind, new: Kind) -> Iterator[Phase]:
    """What is done with the index, a day each; the day's searches are made where it yields."""
    by_target = {"target_recall": TARGET}
    every = np.concatenate([old.documents, new.documents])
    n_old = len(old.documents)
    n_some = min(n_old + int(GROWTH * n_old), len(every))

    def add(first: int, last: int) -> None:
        if first < last:
            index.add(vectors=every[first:last], ids=range(first, last))

    add(0, n_old)
    plan = index.calibrate(TARGET, K, old.calibrating).plan_for(TARGET).plan
    if plan.exact:
        raise SystemExit("exact search is the cheapest here: take more documents")
    yield Phase("before", old.documents, old.live, by_target)
    add(n_old, n_some)
    yield Phase("added", every[:n_some], new.live, by_target)
    add(n_some, len(every))
    index.compact()
    yield Phase("compacted", every, new.live, {"n_candidates": plan.n_candidates})
    yield Phase("target_recall", every, new.live, by_target)
    index.calibrate(TARGET, K)
    yield Phase("calibrated", every, new.live, by_target)
    index.calibrate(TARGET, K, new.calibrating)
    yield Phase("with queries", every, new.live, by_target)
    index.refit()
    index.calibrate(TARGET, K, new.calibrating)
    yield Phase("refit", every, new.live, by_target)


@contextmanager
def time_is_candidates() -> Iterator[None]:
    """Calibrations in a time of their own: a microsecond for a candidate, and for a document of exact search."""
    now, search = [0.0], IndexSieve.search

    def paced(sieve: IndexSieve, queries: NDArray[np.float32], k: int, plan: Plan) -> Any:
        now[0] += 1e-6 * len(queries) * (sieve.n if plan.exact else plan.n_candidates)
        return search(sieve, queries, k, plan)

    with (
        patch.object(IndexSieve, "search", paced),
        patch.object(measuring, "perf_counter", lambda: now[0]),
        patch.object(calibration, "perf_counter", lambda: now[0]),
    ):
        yield


def searched(
    index: Index, watching: watch.Watch, phase: Phase, rows: NDArray[np.int64], caught: list[Any]
) -> dict[str, Any]:
    """A day's searches, one by one. rows: of the queries. caught: to which warnings are added."""
    held = bool(index.calibrations())
    true = [set(of_query) for of_query in exact(phase.queries, phase.documents, K).tolist()]
    n_found, warned_after = 0, None
    for row in rows.tolist():
        hits = index.search(vector=phase.queries[row], k=K, ids_only=True, **phase.asked)
        n_found += len({int(hit.id) for hit in hits} & true[row])
        watching.wait()
        if caught and warned_after is None:
            warned_after = watching.days()[-1].n
    chosen = phase.asked.get("n_candidates") if hits.chosen is None else hits.chosen.plan.n_candidates
    return {
        "phase": phase.name,
        "n_documents": len(phase.documents),
        "segments": list(index.stats().kinds),
        "calibration_held": held,
        "n_candidates": None if hits.chosen is not None and hits.chosen.plan.exact else chosen,
        "recall": n_found / (K * len(rows)),
        "warned_after": warned_after,
    }


if __name__ == "__main__":
    main()
