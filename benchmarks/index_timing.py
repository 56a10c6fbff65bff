"""What a stage of the index's benchmark measures with: answers and their times, recall, memory, disk."""

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index_peers import Found

MOST_SECONDS = 20.0
"""What a setting is timed for, at most; queries are left out then."""
LEAST_QUERIES = 20

Rows = NDArray[np.int64]


class Asked(NamedTuple):
    """Answers to single queries, and the seconds of each; cpu: of all of them, which other work does not change."""

    found: list[Any]
    seconds: list[float]
    cpu: float

    def speeds(self) -> dict[str, float]:
        """What is told of them."""
        n = len(self.seconds)
        latency = {f"p{p}_ms": 1000 * float(np.percentile(self.seconds, p)) for p in (50, 95, 99)}
        return {**latency, "queries_per_second": n / sum(self.seconds), "cpu_ms": 1000 * self.cpu / n}


def each(ask: Callable[[NDArray[np.float32]], Any], queries: NDArray[np.float32]) -> Asked:
    """Ask one query after another, until MOST_SECONDS have passed."""
    found, seconds = [], []
    gc.collect()
    gc.disable()
    began, used = time.perf_counter(), time.process_time()
    try:
        for i, query in enumerate(queries):
            started = time.perf_counter()
            if i >= LEAST_QUERIES and started - began > MOST_SECONDS:
                break
            found.append(ask(query))
            seconds.append(time.perf_counter() - started)
    finally:
        gc.enable()
    return Asked(found, seconds, time.process_time() - used)


def recall_of(found: Sequence[Any], truth: Rows) -> float:
    """Share of the true rows that were found, of the queries that were asked. found: documents or rows."""
    rows = [{_row(hit) for hit in hits} for hits in found]
    true = [set(of_query[of_query >= 0].tolist()) for of_query in truth[: len(rows)]]
    return sum(len(a & b) for a, b in zip(rows, true, strict=True)) / max(1, sum(map(len, true)))


def _row(hit: Any) -> int:
    return int(hit.id.removeprefix("doc-")) if isinstance(hit, Found) else int(hit)


def memory() -> dict[str, int]:
    """This process's, bytes: what it has written to, that no file has; its most (Linux; elsewhere nothing)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    names = {"anonymous": "RssAnon", "mapped": "RssFile", "most": "VmHWM"}
    return {name: 1024 * int(lines[key].split()[0]) for name, key in names.items()}


def disk(folder: Path) -> dict[str, int]:
    """Bytes of files, by the first two names of their paths, and of all."""
    parts: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            part = "/".join(path.relative_to(folder).parts[:2])
            parts[part] = parts.get(part, 0) + path.stat().st_size
    return {**dict(sorted(parts.items())), "total": sum(parts.values())}


def rounded(seconds: Sequence[float]) -> list[float]:
    """For the file of results."""
    return [round(value, 4) for value in seconds]
