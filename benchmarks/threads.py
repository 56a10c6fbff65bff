"""What a second thread brings: batches of bitsieve with cells, with one thread and with several in turn.

    .venv/bin/python benchmarks/threads.py            two threads, about two minutes
    .venv/bin/python benchmarks/threads.py --save

4,000 of the 100,000 real vectors are held out as queries, so that a batch may be larger than the 500 that come with
them: threads share a batch's queries, and each looks a cell up once for all of its own.
"""

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bitsieve import Cascade
from bitsieve.evaluation.machine import describe_machine
from bitsieve.search import native
from commit import commit, how_made, write
from machine import begin_with, pin
from vectors import exact, load

RESULT = Path(__file__).parent / "results" / "threads.json"
HELD_OUT, K, ROUNDS, LEAST_SECONDS = 4000, 10, 9, 0.2
BATCHES = (500, 1000, 4000)
MARGINS = (0.05, 0.08, 0.11, 0.17)


def main() -> None:
    options = parse()
    begin_with(1)
    measured, data = commit(), load("bench")
    order = np.random.default_rng(0).permutation(len(data.vectors))
    queries, vectors = data.vectors[order[:HELD_OUT]], data.vectors[order[HELD_OUT:]]
    truth = exact(queries, vectors, K)
    cascade = Cascade(cells=512).build(vectors)
    pin(options.threads)
    report = {
        "what": f"batches of bitsieve, 512 cells, with {options.threads} threads and with one, in turn",
        "data": data.named() | {"held_out": HELD_OUT},
        "k": K,
        "threads": options.threads,
        "rounds": ROUNDS,
        "points": [
            point_of(cascade, queries, truth, margin, batch, options.threads)
            for margin in MARGINS
            for batch in BATCHES
        ],
        "machine": describe_machine() | {"kernels": native.active()},
        **how_made(measured),
    }
    if options.save:
        write(report, RESULT)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2, help="to compare with one")
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name} into the results")
    return parser.parse_args()


def point_of(
    cascade: Cascade, queries: Any, truth: Any, margin: float, batch: int, threads: int
) -> dict[str, Any]:
    """Recall at a setting, and medians of queries a second and of the ratio, each ratio of two neighbours in time."""
    asked: dict[str, Any] = {"probe_margin": margin, "n_candidates": 400}
    ids, _ = cascade.search(queries, K, **asked)
    recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(ids.tolist(), truth.tolist(), strict=True)])
    speeds: dict[int, list[float]] = {1: [], threads: []}
    for _ in range(ROUNDS):
        for n, of_n in speeds.items():
            of_n.append(speed(cascade, queries, batch, {**asked, "threads": n}))
    ratio = median(many / one for one, many in zip(speeds[1], speeds[threads], strict=True))
    print(
        f"recall {recall:.3f}, batches of {batch:,}: {median(speeds[1]):,.0f} → {median(speeds[threads]):,.0f} "
        f"queries/s, {ratio:.2f} ×",
        flush=True,
    )
    return {
        "probe_margin": margin,
        "recall": float(recall),
        "batch": batch,
        "queries_per_second": {str(n): median(of_n) for n, of_n in speeds.items()},
        "ratio": ratio,
    }


def speed(cascade: Cascade, queries: Any, batch: int, asked: dict[str, Any]) -> float:
    """Queries a second, of batch after batch until there is something to time."""
    n, started = 0, time.perf_counter()
    while time.perf_counter() - started < LEAST_SECONDS:
        start = n % len(queries)
        n += len(cascade.search(queries[start : start + batch], K, **asked)[0])
    return n / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
