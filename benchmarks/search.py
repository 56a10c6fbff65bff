"""Our Cascade and its peers on the same vectors in one run: recall@10 against queries/s, batches and single queries.

    make bench                                              100,000 real vectors, one thread and two
    .venv/bin/python benchmarks/search.py --quick --peers bitsieve scann hnswlib
    .venv/bin/python benchmarks/search.py --data synthetic:1000000 --threads 1 --build-threads 2

Each thread count is measured in a process of its own, whose environment was set before anything was imported.
Truth is exact cosine over the same float32 rows; queries are held out. Missing peers are named and left out.
"""

import argparse
import gc
import shlex
import subprocess
import sys
import tempfile
import time
from copy import copy
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bitsieve.evaluation.machine import describe_machine
from commit import commit, write
from machine import free_memory, pin, thread_environment
from peers import OURS, PEERS, MissingPeerError, Peer, configurations
from rounds import Task, build, explore, run_rounds
from tables import print_tables, summarise
from vectors import Data, exact, load, restore, save

RESULTS = Path(__file__).parent / "results"
K = 10
COPIES = 2.5
"""What an index takes, in copies of the float32 vectors: the widest here, a graph with codes of neighbours."""
TOGETHER = 0.8
"""Share of free memory that all indexes together may take, to be measured in rounds over all of them."""


def main() -> None:
    options = parse()
    if options.worker:
        work(options)
        return
    with tempfile.TemporaryDirectory(prefix="bitsieve-bench-") as folder:
        started = time.perf_counter()
        data = load(options.data)
        truth = exact(data.queries, data.vectors, K)
        save(data, truth, Path(folder))
        print(
            f"{data.description}\n{time.perf_counter() - started:.0f} s to load and to find the exact neighbours"
        )
        del data, truth
        measured = commit()  # before the first result is written over
        for threads in options.threads:
            arguments = [*sys.argv[1:], "--worker", folder, "--threads", str(threads), "--measured", measured]
            command = [sys.executable, __file__, *arguments]
            subprocess.run(command, check=True, env=thread_environment(threads))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = "bench, wikipedia:bge-small, wikipedia:minilm, FILE.npy, synthetic:N"
    parser.add_argument("--data", default="bench", help=f"{kinds}; see vectors.py")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1], help="search threads; a result file for each"
    )
    parser.add_argument("--build-threads", type=int, help="to build with; as many as search where left out")
    parser.add_argument("--peers", nargs="+", choices=PEERS, metavar="PEER", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--configurations", type=int, help="at most so many a peer; all where left out")
    parser.add_argument("--repeat", type=int, default=5, help="rounds, whose median counts")
    parser.add_argument(
        "--quick", action="store_true", help="2 rounds, one configuration a peer, half the settings"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measured", default="unknown", help=argparse.SUPPRESS)
    return parser.parse_args()


def work(options: argparse.Namespace) -> None:
    """Build, explore and time everything at one thread count."""
    threads, machine = options.threads[0], describe_machine()  # before it is held to fewer cores
    build_threads = options.build_threads or threads
    data, truth = restore(options.worker)
    task = Task(data.queries, truth, threads, every=2 if options.quick else 1)
    repeat = 2 if options.quick else options.repeat
    chosen, missing = choose(options, *data.vectors.shape)
    together = COPIES * data.vectors.nbytes * len(chosen) < TOGETHER * free_memory()
    if together:
        measured = measure(chosen, data, task, repeat, build_threads)
    else:
        print("not all fit in memory at once: one after another, ours again at the end", flush=True)
        again = [pair for pair in chosen if pair[0] == OURS]
        measured = []
        for number, pair in enumerate([*chosen, *again]):
            pair = (pair[0], copy(pair[1]))  # so that the index goes when its turn is over
            for entry in measure([pair], data, task, repeat, build_threads):
                measured.append(entry | {"pass": 2 if number >= len(chosen) else 1})
            gc.collect()
    report = {
        "what": "recall@10 and queries a second of bitsieve and its peers, same vectors, same run",
        "data": data.named()
        | {"n": len(data.vectors), "d": data.vectors.shape[1], "n_queries": len(data.queries)},
        "k": task.k,
        "threads": threads,
        "build_threads": build_threads,
        "repeat": repeat,
        "order": "rounds over all configurations" if together else "one configuration after another",
        "single": "one query a call in the calling thread, each timed",
        "commit": options.measured,
        "command": shlex.join(["python", "benchmarks/search.py", *sys.argv[1 : sys.argv.index("--worker")]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine | {"kernels": kernels()},
        "missing": missing,
        "entries": measured,
        **summarise(measured),
    }
    print_tables(report)
    write(report, options.out / f"search-{data.name}-{threads}t.json")


def kernels() -> str:
    """Which of our kernels ran."""
    from bitsieve.search import native

    return native.active()


def choose(options: argparse.Namespace, n: int, d: int) -> tuple[list[tuple[str, Peer]], dict[str, str]]:
    """The configurations to measure, ours first, and why which peers are missing."""
    chosen: list[tuple[str, Peer]] = []
    missing = {}
    for name in options.peers or PEERS:
        try:
            made = configurations(name, n, d)
        except MissingPeerError as error:
            if options.peers:
                raise SystemExit(str(error)) from error
            missing[name] = str(error)
            print(f"left out: {error}", flush=True)
            continue
        chosen += [(name, peer) for peer in made[: 1 if options.quick else options.configurations]]
    return chosen, missing


def measure(
    pairs: list[tuple[str, Peer]], data: Data, task: Task, repeat: int, build_threads: int
) -> list[dict[str, Any]]:
    """Build these, walk their ladders, then time them in rounds."""
    entries = []
    for name, peer in pairs:
        pin(build_threads)
        entry = build(name, peer, data.vectors, build_threads)
        pin(task.threads)
        explore(entry, task)
        entries.append(entry)
        recalls = [point.recall for point in entry.points]
        print(
            f"{name:18} {peer.config:44} built in {entry.build_seconds:6.1f} s, "
            f"recall {min(recalls):.3f} to {max(recalls):.4f}",
            flush=True,
        )
    for line in run_rounds(entries, task, repeat):
        print(line, flush=True)
    return [entry.to_dict() for entry in entries]


if __name__ == "__main__":
    main()
