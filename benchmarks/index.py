"""Our Index and its peers doing the same job on disk: add documents, search, filter, delete, open again.

    make bench-index                                         1,000,000 synthetic vectors with texts of 200 bytes
    .venv/bin/python benchmarks/index.py --data bench --systems bitsieve chroma
    .venv/bin/python benchmarks/index.py --work /big/disk    keeps vectors and truth, to go on there

Every stage of every system is a process of its own (`index_stages.py`). To write, a system may use all cores; to
search, one, to which it is pinned. Files are in the machine's cache, as they are after writing. Systems are added to
the file of results, or take their own place in it.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bitsieve.evaluation.machine import describe_machine
from commit import commit
from index_documents import BATCH
from index_peers import OURS, SYSTEMS, MissingSystemError, system
from index_stages import STAGES
from index_task import K, Task, prepare
from machine import ALLOWED, pin, thread_environment

RESULTS = Path(__file__).parent / "results"
WRITING = ("add", "finish", "delete")


def main() -> None:
    options = parse()
    if options.stage:
        work(options)
        return
    measured = commit()  # before the first result is written over
    with ExitStack() as stack:
        folder = options.work or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="bitsieve-index-"))
        )
        task = prepare(
            folder / f"data-{options.data.replace(':', '-').replace('/', '-')}", options.data, options.words
        )
        n = len(task.vectors)
        path = options.out / f"index-{n}.json"
        print(task.data["description"], flush=True)
        for name in options.systems:
            try:
                made = system(name)
            except MissingSystemError as error:
                print(f"left out: {error}", flush=True)
                continue
            result: dict[str, Any] = {
                "package": made.package,
                "version": version(made.package),
                "config": made.config,
                "commit": measured,
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "machine": describe_machine(),
            }
            for stage, figures in run(task, name, folder, options):
                result[stage] = figures
                write(path, task, name, result)  # a later stage may take an hour, or fail
            show(name, result)
        print(f"wrote {path}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="synthetic:1000000", help="see vectors.py")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="SYSTEM")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE")
    parser.add_argument("--work", type=Path, help="a folder to keep vectors and truth in")
    parser.add_argument("--keep", action="store_true", help="keep the indexes there too, for later stages")
    parser.add_argument(
        "--words", type=Path, help="text to cut the texts from; Wikipedia's leads where left out"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--stage", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(
    task: Task, name: str, folder: Path, options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, Any]]]:
    """All stages of a system, one process after another, and their figures."""
    index = folder / f"{task.folder.name}-{name}"
    if "add" in options.stages:
        shutil.rmtree(index, ignore_errors=True)
        index.mkdir(parents=True)
    for stage in options.stages:
        if stage == "cascade" and name != OURS:
            continue
        threads = len(ALLOWED) or os.cpu_count() or 1 if stage in WRITING else 1
        written = folder / "stage.json"
        command = [sys.executable, __file__, "--stage", stage, name, str(task.folder), str(index)]
        subprocess.run([*command, "--work", str(written)], check=True, env=environment(threads))
        print(f"{name}: {stage} done", flush=True)
        yield stage, {"threads": threads, **json.loads(written.read_text(encoding="utf-8"))}
    if not options.keep:
        shutil.rmtree(index)


def environment(threads: int) -> dict[str, str]:
    """Also for LanceDB, whose pools have variables of their own."""
    own = dict.fromkeys(("LANCE_CPU_THREADS", "TOKIO_WORKER_THREADS"), str(threads))
    return {**thread_environment(threads), **own}


def work(options: argparse.Namespace) -> None:
    """One stage."""
    stage, name, data, index = options.stage
    if stage not in WRITING:
        pin(1)
    load_before = os.getloadavg()
    result = STAGES[stage](Task(Path(data)), name, Path(index))
    result["load"] = {"before": load_before, "after": os.getloadavg()}
    options.work.write_text(json.dumps(result), encoding="utf-8")


def write(path: Path, task: Task, name: str, result: dict[str, Any]) -> None:
    """Put a system's result into the file. Stages that were not run again stay as they were."""
    n, d = task.vectors.shape
    report: dict[str, Any] = {
        "what": "an index on disk: add, search, filter, delete, open again; bitsieve and its peers",
        "data": task.data | {"n": n, "d": d},
        "k": K,
        "documents_a_batch": BATCH,
        "recall": "recall@10 against exact cosine over the same float32 rows; queries are held out",
        "latency": "one query a call, document texts and metadata included; one thread, pinned to a core",
        "systems": {},
    }
    if path.exists():
        report["systems"] = json.loads(path.read_text(encoding="utf-8"))["systems"]
    report["systems"][name] = {**report["systems"].get(name, {}), **result, "command": command_line()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def command_line() -> str:
    """How this was started."""
    return shlex.join(["python", "benchmarks/index.py", *sys.argv[1:]])


def show(name: str, result: dict[str, Any]) -> None:
    """The few numbers that one looks for first."""
    print(f"{name} {result['version']}: {result['config']}")
    if "add" in result:
        print(f"  add {result['add']['documents_per_second']:,.0f} documents/s", end="")
        print(f", {result['add']['disk']['total'] / 1e6:,.0f} MB")
    if "finish" in result:
        print(
            f"  finish {result['finish']['seconds']:.1f} s, {result['finish']['disk']['total'] / 1e6:,.0f} MB"
        )
    for stage in ("added", "read"):
        if stage not in result:
            continue
        read = result[stage]
        print(
            f"  {stage}: first answer after {read['first_answer_seconds']:.3f} s, anonymous memory "
            f"{read['memory_searched'].get('anonymous', 0) / 1e6:.0f} MB"
        )
        for point in read["points"]:
            batch = point["batch_queries_per_second"]
            print(
                f"    {point['setting']}: recall {point['recall']:.4f}, p50 {point['p50_ms']:.2f} ms, p99 "
                f"{point['p99_ms']:.2f} ms, {point['queries_per_second']:,.0f}/s"
                + (f", {batch:,.0f}/s in a batch" if batch else "")
            )
    for point in result.get("filtered", {}).get("points", []):
        where = f"{point['field']} < {point['limit']}"
        print(f"    {where} {point['setting']}: recall {point['recall']:.4f}, p50 {point['p50_ms']:.2f} ms")
    if "cascade" in result:
        for way, ratios in result["cascade"]["ratios"].items():
            print(f"  {way}, times a bare Cascade's: {ratios}")
    if "delete" in result:
        print(f"  delete {result['delete']['seconds']:.2f} s")
    if "reopen" in result:
        again = result["reopen"]
        print(f"  reopened: recall {again['recall']:.4f}, of what was deleted {again['deleted_found']} found")


if __name__ == "__main__":
    main()
