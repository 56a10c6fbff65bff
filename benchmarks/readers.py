"""Eight processes search an index while one commits to it a thousand times: is every answer of one generation?

    .venv/bin/python benchmarks/readers.py            a minute or two
    .venv/bin/python benchmarks/readers.py --save

Commits add, replace and delete pairs of documents, and now and then compact; tests/index/reading_while_writing.py has
the plan and compares every answer with what its generation holds. Of each search is measured how long it took, how long
it ran, and how long it was ready to run and another process had the processor: what remains is the time it was blocked,
by a lock, a disk or anything else (Linux). More than 100 ms of that, or an answer of no generation, and the exit
code is 1. Meanwhile a second writer asks for the index, and has to be refused at once with the number of the first.
"""

import argparse
import json
import multiprocessing
import os
import shlex
import shutil
import sys
import tempfile
import time
from datetime import datetime, timezone
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import numpy as np

from bitsieve.errors import IndexLockedError
from bitsieve.evaluation.machine import describe_machine
from bitsieve.index import Index
from commit import commit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "index"))

from reading_while_writing import Report, read_until, write_all

RESULT = Path(__file__).parent / "results" / "readers.json"
LONGEST = 0.1
"""Seconds a search may be blocked, and a second writer may wait."""


def main() -> None:
    options = parse()
    measured = commit()
    folder = Path(tempfile.mkdtemp(prefix="bitsieve-readers-", dir=options.folder))
    root = folder / "index"
    spawn = multiprocessing.get_context("spawn")
    try:
        with spawn.Pool(options.readers + 1) as pool:
            reading = [
                pool.apply_async(read_until, (root, options.commits, reader, options.seed, options.pause))
                for reader in range(options.readers)
            ]
            writing = pool.apply_async(
                write_and_tell, (root, options.commits, options.seed, options.write_pause)
            )
            refusals = ask_to_write(root, writing)
            pid, seconds = writing.get()
            reports = [result.get() for result in reading]
    finally:
        shutil.rmtree(folder)
    report = {
        "what": "answers and waiting of readers beside a writer",
        "commits": options.commits,
        "write_seconds": seconds,
        "readers": [described(reader) for reader in reports],
        "generations": len(set().union(*(reader.generations for reader in reports))),
        "all_readers": times_of(reports),
        "problems": [problem for reader in reports for problem in reader.problems],
        "second_writers": {
            "refused": len(refusals),
            "longest_seconds": max(seconds for seconds, _ in refusals),
            "told_who_is_first": sum(f"process {pid} on" in message for _, message in refusals),
        },
        "options": {"seed": options.seed, "pause": options.pause, "write_pause": options.write_pause},
        "machine": describe_machine(),
        "commit": measured,
        "command": shlex.join(["python", "benchmarks/readers.py", *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    failed = show(report)
    if options.save:
        RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {RESULT}")
    sys.exit(failed)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commits", type=int, default=1_000)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between a reader's searches")
    parser.add_argument("--write-pause", type=float, default=0.02, help="seconds between commits")
    parser.add_argument("--folder", help="to work in, on the disk that is to be measured")
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name} into the results")
    return parser.parse_args()


def write_and_tell(root: Path, n: int, seed: int, pause: float) -> tuple[int, float]:
    """All commits. Returns: who made them, and the seconds it took."""
    return os.getpid(), write_all(root, n, seed, pause)


def ask_to_write(root: Path, writing: "AsyncResult[Any]") -> list[tuple[float, str]]:
    """Ask for the index several times a second. Returns: how long each refusal took, and what it said."""
    refusals = []
    while not writing.ready():
        writing.wait(0.2)
        if writing.ready() or not (root / "generation.txt").exists():
            continue
        started = time.perf_counter()
        try:
            Index.open(root, write=True).close()
        except IndexLockedError as error:
            refusals.append((time.perf_counter() - started, str(error)))
    return refusals


def described(report: Report) -> dict[str, Any]:
    return {"searches": report.searches, "generations": len(report.generations), **times_of([report])}


def times_of(reports: list[Report]) -> dict[str, dict[str, float]]:
    """Seconds of searches, by what they passed in: median, 99th percentile, longest."""
    found = {}
    for name in ("wall", "busy", "queued", "blocked"):
        seconds = np.concatenate([getattr(report.times, name) for report in reports])
        found[name] = {
            "median": float(np.median(seconds)),
            "p99": float(np.quantile(seconds, 0.99)),
            "longest": float(seconds.max()),
        }
    return found


def show(report: dict[str, Any]) -> bool:
    """Print it. Returns: whether something is not as promised."""
    searches = sum(reader["searches"] for reader in report["readers"])
    print(
        f"{report['commits']:,} commits in {report['write_seconds']:.0f} s, {searches:,} searches "
        f"of {report['generations']:,} generations"
    )
    for name, seconds in report["all_readers"].items():
        print(f"  {name:8} " + ", ".join(f"{key} {1e3 * value:.2f} ms" for key, value in seconds.items()))
    second = report["second_writers"]
    print(f"  {second['refused']} second writers refused within {1e3 * second['longest_seconds']:.0f} ms")
    for problem in report["problems"][:20]:
        print(problem)
    blocked = report["all_readers"]["blocked"]["longest"] > LONGEST
    untold = second["told_who_is_first"] < second["refused"]
    return bool(report["problems"]) or blocked or untold


if __name__ == "__main__":
    main()
