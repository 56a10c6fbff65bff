"""How bitsieve grows: build, memory and queries/s at 10,000 to 3,000,000 synthetic vectors, and the exponents.

    make bench-scaling
    .venv/bin/python benchmarks/scaling.py --sizes 10000 100000 --quick

Every size is measured in a process of its own. Vectors are SYNTHETIC (see `synthetic.py`), a smaller set the beginning
of a larger one, the queries the same. The exponent b is that of seconds a query ≈ a · n^b at a recall, by least squares
of the logarithms over the sizes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bitsieve.evaluation.machine import describe_machine
from commit import commit, write
from fronts import exponent, speed_at
from machine import pin, thread_environment
from peers import OURS, configurations
from rounds import Task, build, explore, run_rounds
from tables import HOW, KINDS, cloud
from vectors import exact, load, restore, save

RESULTS = Path(__file__).parent / "results"
SIZES = (10_000, 100_000, 1_000_000, 3_000_000)
TARGETS = (0.95, 0.99)
K = 10


def main() -> None:
    options = parse()
    if options.worker:
        work(options)
        return
    measured, sizes = commit(), []
    for n in options.sizes:
        with tempfile.TemporaryDirectory(prefix="bitsieve-scaling-") as folder:
            data = load(f"synthetic:{n}")
            save(data, exact(data.queries, data.vectors, K), Path(folder))
            print(data.description, flush=True)
            digest = data.digest
            del data
            environment = thread_environment(max(options.threads, options.build_threads))
            command = [sys.executable, __file__, *sys.argv[1:], "--worker", folder]
            subprocess.run(command, check=True, env=environment)
            sizes.append({"n": n, "digest": digest, **json.loads((Path(folder) / "result.json").read_text())})
            show(sizes[-1])
    report = {
        "what": "build, memory and queries a second of bitsieve as the number of SYNTHETIC vectors grows",
        "k": K,
        "threads": options.threads,
        "build_threads": options.build_threads,
        "interpolation": HOW,
        "commit": measured,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "sizes": sizes,
        "exponents": exponents(sizes),
    }
    for kind, values in report["exponents"].items():
        print(
            f"{kind}: seconds a query grow as n^"
            + ", n^".join(f"{b:.2f} at {t}" for t, b in values.items() if b)
        )
    write(report, options.out)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--threads", type=int, default=1, help="to search with")
    parser.add_argument("--build-threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="one number of cells a size, half the settings, 2 rounds"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "scaling.json")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def work(options: argparse.Namespace) -> None:
    """Measure one size; leaves `result.json` in the worker's folder."""
    data, truth = restore(options.worker)
    task = Task(data.queries, truth, options.threads, every=2 if options.quick else 1)
    entries: list[dict[str, Any]] = []
    for peer in configurations(OURS, *data.vectors.shape)[: 1 if options.quick else None]:
        pin(max(options.threads, options.build_threads))
        before = reset_peak()
        entry = build(OURS, peer, data.vectors, options.build_threads)
        beyond = peak_bytes() - before
        pin(options.threads)
        explore(entry, task)
        for line in run_rounds([entry], task, 2 if options.quick else options.repeat):
            print(line, flush=True)
        entries.append({**entry.to_dict(), "build_peak_beyond_vectors_bytes": beyond})
    speeds = {kind: {str(t): speed_at(cloud(entries, OURS, kind), t) for t in TARGETS} for kind in KINDS}
    result = {"vectors_bytes": data.vectors.nbytes, "at_recall": speeds, "entries": entries}
    (options.worker / "result.json").write_text(json.dumps(result), encoding="utf-8")


def exponents(sizes: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """By kind and recall: how a query's seconds grow with n; None with fewer than two sizes that reach the recall."""
    found: dict[str, dict[str, float | None]] = {}
    for kind in KINDS:
        found[kind] = {}
        for target in map(str, TARGETS):
            speeds = {size["n"]: size["at_recall"][kind][target] for size in sizes}
            reached = {n: 1 / speed for n, speed in speeds.items() if speed}
            found[kind][target] = exponent(reached, reached.values()) if len(reached) > 1 else None
    return found


def show(size: dict[str, Any]) -> None:
    for entry in size["entries"]:
        beyond, whole = entry["build_peak_beyond_vectors_bytes"] / 1e9, size["vectors_bytes"] / 1e9
        print(
            f"{size['n']:,}: {entry['config']} built in {entry['build_seconds']:.1f} s, "
            f"peak {beyond:.2f} GB beyond the vectors' {whole:.2f}"
        )
    for kind in KINDS:
        speeds = [f"{speed:,.0f} at {t}" for t, speed in size["at_recall"][kind].items() if speed]
        print(f"{size['n']:,}: {kind}, queries/s {', '.join(speeds)}", flush=True)


def reset_peak() -> int:
    """Begin the peak anew (Linux); the bytes this process holds now."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    """The most that this process held since the last reset, or since it began."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    main()
