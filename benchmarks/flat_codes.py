"""What 16 bytes a vector are worth, and 18: recall on Wikipedia by two models, and nanoseconds a code.

    .venv/bin/python benchmarks/flat_codes.py            one thread, about a minute once the corpus is embedded
    .venv/bin/python benchmarks/flat_codes.py --save

Recall is `Cascade(itq).search`'s on held-out queries against exact cosine: 128 bits, asymmetric, without corrections
and with them. The scan is timed on 100,000 real vectors in batches, with the byte rerank and without it.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bitsieve import ITQ, Cascade
from bitsieve.codec.corrections import try_corrections
from bitsieve.evaluation.machine import describe_machine
from bitsieve.evaluation.measures import recall_interval
from bitsieve.search import native
from commit import commit, how_made, write
from machine import begin_with, pin
from vectors import Data, exact, load

RESULT = Path(__file__).parent / "results" / "flat-codes.json"
N_BITS, K = 128, 10
DEPTHS = (20, 50, 100, 200, 500)
TIMED_QUERIES, ROUNDS = 2000, 9


def main() -> None:
    options = parse()
    begin_with(1)
    measured, machine = commit(), describe_machine()
    corpora = [load(name) for name in ("wikipedia:bge-small", "wikipedia:minilm")]
    pin(1)
    report = {
        "what": f"recall@{K} and speed of flat codes of {N_BITS} bits, without and with two bytes of correction",
        "recall": [recall_of(data) for data in corpora],
        "speed": speed_of(load("bench")),
        "machine": machine | {"kernels": native.active()},
        **how_made(measured),
    }
    if options.save:
        write(report, RESULT)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name} into the results")
    return parser.parse_args()


def recall_of(data: Data) -> dict[str, Any]:
    """Recall at some numbers of candidates by plain and by corrected codes, and which of them `build` takes."""
    truth = exact(data.queries, data.vectors, K)
    itq = ITQ(N_BITS).fit(data.vectors)
    chosen = try_corrections(itq, data.vectors).pays
    print(f"{data.description}; corrections {'pay' if chosen else 'do not pay'}", flush=True)
    codes = []
    for corrected in (False, True):
        cascade = Cascade(itq, corrections=corrected).build(data.vectors)
        points = []
        for depth in DEPTHS:
            ids, _ = cascade.search(data.queries, K, n_candidates=depth)
            found = [len(set(a) & set(b)) / K for a, b in zip(ids.tolist(), truth.tolist(), strict=True)]
            points.append({"n_candidates": depth, "recall": asdict(recall_interval(found, K))})
        n_bytes = N_BITS // 8 + 2 * corrected
        codes.append({"bytes": n_bytes, "corrections": corrected, "points": points})
        recalls = ", ".join(f"{point['n_candidates']}: {point['recall']['value']:.4f}" for point in points)
        print(f"  {n_bytes} bytes  {recalls}", flush=True)
    return {"data": data.named(), "corrections_pay": chosen, "codes": codes}


def speed_of(data: Data) -> dict[str, Any]:
    """Nanoseconds a code and query in batches, of the scan alone and of the whole search, medians of rounds."""
    itq = ITQ(N_BITS, max_fit_rows=20_000).fit(data.vectors)
    queries = np.resize(data.queries, (TIMED_QUERIES, data.queries.shape[1]))
    n_scored = len(data.vectors) * len(queries)
    points = []
    for corrected in (False, True):
        cascade = Cascade(itq, corrections=corrected).build(data.vectors)
        for depth in (100, 200, 400):
            scans, wholes = [], []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                stages = cascade.search(queries, K, n_candidates=depth, explain=True)[2]
                wholes.append((time.perf_counter() - started) * 1e9 / n_scored)
                scans.append(
                    next(stage.seconds for stage in stages if stage.name == "codes") * 1e9 / n_scored
                )
            point = {"scan_ns": median(scans), "search_ns": median(wholes)}
            points.append({"corrections": corrected, "n_candidates": depth, **point})
            print(
                f"  {N_BITS // 8 + 2 * corrected} bytes, {depth} candidates: scan {point['scan_ns']:.2f} ns a code, "
                f"search {point['search_ns']:.2f}",
                flush=True,
            )
    return {"data": data.named(), "batch": len(queries), "rounds": ROUNDS, "points": points}


if __name__ == "__main__":
    main()
