"""Is a target recall reached as often as promised, and what does that cost? Calibrations of random splits of real data.

    make bench-coverage        200 splits, some minutes

Of each data set, 5,000 vectors are a pool of queries and the others are searched. What recall a plan has for each query
of the pool is measured once. A split then draws 500 queries from the pool, calibrates with them, and chooses a plan for
each target; its true recall is that over the whole pool. The plans' order comes from documents, as without queries.

missed: share of splits whose plan's true recall is below the target; promised is at most 0.05.
missed_at_worst: the same for the target nearby that is hardest to keep, a hair above the true recall of a plan that
    is on the path of most splits.
dearer: median of the plan's time over that of the cheapest plan which reaches the target on the whole pool.
dearer_at_best: the same of the cheapest plan that any bet could be expected to certify: one that was made for the
    recalls which the plan has on the whole pool. No e-value grows faster.
exact: share of splits that had to take exact search. Beside our bound, by betting, two others are put in its place.
Times are those of the thread, so that other processes count for little.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist, fmean, median
from time import thread_time
from typing import Any, TypeAlias

from machine import begin_with, pin

begin_with(1)

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from bitsieve import ITQ, Cascade  # noqa: E402
from bitsieve.evaluation.machine import describe_machine  # noqa: E402
from bitsieve.recall import Plan, Point, front, lower_bound  # noqa: E402
from bitsieve.recall.measuring import BATCH, Queries, exact_seconds, measure  # noqa: E402
from bitsieve.recall.record import certified, cheapest  # noqa: E402
from bitsieve.search.calibrated import CascadeSieve  # noqa: E402
from commit import commit, how_made, write  # noqa: E402
from vectors import Data, load  # noqa: E402

RESULT = Path(__file__).parent / "results" / "coverage.json"
K = 10
CONFIDENCE = 0.95
TARGETS = (0.90, 0.95, 0.99)
N_POOL, N_DOCUMENTS = 5000, 2000
N_QUERIES = (500, 1000, 2000)
DATA = ("wikipedia:bge-small", "wikipedia:minilm", "bench")
N_CELLS = 1024
BETS = 200


@dataclass(frozen=True, eq=False)
class Table:
    """What every plan finds, measured once. recalls: (5000, p) of the pool, (2000, p) of documents; seconds: (p,)."""

    plans: list[Plan]
    exact_seconds: float
    pool: NDArray[np.float64]
    pool_seconds: NDArray[np.float64]
    documents: NDArray[np.float64]
    document_seconds: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--data", nargs="+", default=DATA, help="see vectors.py")
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    machine, measured, rows = describe_machine(), commit(), []
    pin(1)
    sets = [load(name) for name in options.data]
    for data in sets:
        for search, table in tables(data):
            for row in simulated(table, options.splits):
                rows.append({"data": data.name, "search": search} | row)
                print(rows[-1], flush=True)
    report = how_made(measured) | {
        "machine": machine,
        "data": [data.named() for data in sets],
        "k": K,
        "confidence": CONFIDENCE,
        "splits": options.splits,
        "n_pool": N_POOL,
        "results": rows,
    }
    if options.save:
        write(report, RESULT)


def tables(data: Data) -> Iterator[tuple[str, Table]]:
    """The searches of a data set, each measured."""
    vectors = np.concatenate([data.vectors, data.queries])
    order = np.random.default_rng(0).permutation(len(vectors))
    pool, corpus = vectors[order[:N_POOL]], vectors[order[N_POOL:]]
    flat = CascadeSieve(Cascade(ITQ(128).fit(corpus)).build(corpus))
    for scoring in ("asymmetric", "hamming"):
        plans = [plan for plan in flat.plans(K) if plan.scoring == scoring]
        yield f"codes, {scoring}", table_of(flat, plans, pool)
    if len(corpus) >= 50_000:
        cells = CascadeSieve(Cascade(cells=N_CELLS).build(corpus))
        yield f"{N_CELLS:,} cells", table_of(cells, cells.plans(K), pool)


def table_of(sieve: CascadeSieve, plans: list[Plan], pool: NDArray[np.float32]) -> Table:
    """Ask every query of the pool, and documents, by every plan."""
    documents = Queries(*sieve.sample(N_DOCUMENTS, np.random.default_rng(1)))
    of_exact = exact_seconds(sieve, K, documents, thread_time)
    return Table(plans, of_exact, *ask(sieve, plans, Queries(pool)), *ask(sieve, plans, documents))


def ask(
    sieve: CascadeSieve, plans: list[Plan], queries: Queries
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recalls (q, p) and seconds (p,) for a query, as a calibration measures them."""
    batches = (queries[start : start + BATCH] for start in range(0, len(queries), BATCH))
    measured = [measure(sieve, K, batch, plans, clock=thread_time) for batch in batches]
    return np.concatenate([recalls for recalls, _ in measured]), np.min(
        [took for _, took in measured], axis=0
    )


def hoeffding(recalls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower bounds that know of recalls only that they are from 0 to 1."""
    return recalls.mean(axis=0) - np.sqrt(-np.log(1 - CONFIDENCE) / (2 * len(recalls)))


def normal(recalls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower bounds that would hold if means of recalls were distributed normally."""
    error = recalls.std(axis=0, ddof=1) / np.sqrt(len(recalls))
    return recalls.mean(axis=0) - NormalDist().inv_cdf(CONFIDENCE) * error


Bound: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]

BOUNDS: dict[str, Bound] = {
    "betting": lambda recalls: lower_bound(recalls, CONFIDENCE),
    "Hoeffding": hoeffding,
    "normal": normal,
}


def simulated(table: Table, splits: int) -> Iterator[dict[str, Any]]:
    """A row for each number of queries, bound and target."""
    for n_queries in N_QUERIES:
        for name, bound in BOUNDS.items():
            if n_queries > N_QUERIES[0] and name != "betting":
                continue
            calibrations = [
                calibration(table, bound, n_queries, np.random.default_rng(seed)) for seed in range(splits)
            ]
            for target in TARGETS:
                yield {"n_queries": n_queries, "bound": name, "target": target} | summary(
                    table, calibrations, n_queries, target
                )


def calibration(table: Table, bound: Bound, n_queries: int, rng: np.random.Generator) -> list[Point]:
    """What is certified with some queries of the pool."""
    tuning = rng.choice(len(table.documents), n_queries // 3, replace=False)
    path = front(table.documents[tuning].mean(axis=0), table.document_seconds, table.exact_seconds)
    drawn = rng.choice(len(table.pool), n_queries, replace=False)
    recalls, seconds = table.pool[drawn][:, path], table.pool_seconds[path]
    points = certified(table.exact_seconds, [table.plans[i] for i in path], recalls, seconds, CONFIDENCE)
    return [replace(point, lower=low) for point, low in zip(points, (1, *bound(recalls)), strict=True)]


def certifiable(table: Table, n_queries: int, target: float) -> NDArray[np.bool_]:
    """Which plans the best bet, were their recalls known, would certify for a target by so many queries."""
    stakes = np.linspace(0, 1 / target, BETS, endpoint=False)
    gains = np.array([np.log1p(stake * (table.pool - target)).mean(axis=0) for stake in stakes])
    return gains.max(axis=0) * n_queries >= -np.log(1 - CONFIDENCE)


def summary(table: Table, calibrations: list[list[Point]], n_queries: int, target: float) -> dict[str, float]:
    """What the splits chose, beside what the whole pool says."""
    of_pool = table.pool.mean(axis=0)
    true = dict(zip(table.plans, of_pool.tolist(), strict=True)) | {Plan(exact=True): 1.0}
    paths = Counter(point.plan for points in calibrations for point in points[1:])
    usual = [true[plan] for plan, n in paths.items() if 2 * n > len(calibrations)]
    worst = float(np.nextafter(min(usual, key=lambda recall: abs(recall - target)), 1))
    chosen = [cheapest(points, target) for points in calibrations]
    at_worst = [cheapest(points, worst) for points in calibrations]
    oracle = float(min([table.exact_seconds, *table.pool_seconds[of_pool >= target]]))
    best = float(min([table.exact_seconds, *table.pool_seconds[certifiable(table, n_queries, target)]]))
    return {
        "missed": fmean(true[point.plan] < target for point in chosen),
        "missed_at_worst": fmean(true[point.plan] < worst for point in at_worst),
        "worst_target": worst,
        "dearer": median(point.seconds / oracle for point in chosen),
        "dearer_at_best": best / oracle,
        "exact": fmean(point.plan.exact for point in chosen),
        "recall": fmean(true[point.plan] for point in chosen),
        "oracle_microseconds": 1e6 * oracle,
    }


if __name__ == "__main__":
    main()
