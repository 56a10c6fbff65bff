"""The stages of a measurement, each run in a process of its own, so that memory and opening are its alone."""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fronts import TARGETS, Point, speed_at
from index_peers import OURS, Found, Setting, System, system
from index_task import DELETED, KEPT, N_FILTERED, K, Task, file_of, filters

ROUNDS = 5
MOST_SECONDS = 20.0
"""What a setting is timed for, at most; queries are left out then."""
LEAST_QUERIES = 20
WARM_QUERIES = 100
KINDS = ("single", "batch", "single_cpu", "batch_cpu")
"""Queries a second, one a call and all in one; and as many as a second of CPU time, whatever else the machine does."""
HEAVY = ("fastembed", "onnxruntime", "scipy", "pandas", "pyarrow", "torch")
"""Modules whose import would be noticed."""

Rows = NDArray[np.int64]


def add(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Add all documents, a batch at a time."""
    documents, writer = task.documents, system(name)
    n, d = task.vectors.shape
    seconds, cpu = [], []
    writer.create(folder, d)
    for batch in documents.batches():
        gc.collect()
        started, used = time.perf_counter(), time.process_time()
        writer.add(batch)
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    started = time.perf_counter()
    writer.close()
    total = sum(seconds) + time.perf_counter() - started
    return {
        "seconds": total,
        "cpu_seconds": sum(cpu),
        "documents_per_second": n / total,
        "batch_seconds": rounded(seconds),
        "text_bytes": sum(len(documents.text(row).encode()) for row in range(n)),
        "memory": memory(),
        "disk": disk(folder),
    }


def finish(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """What is to be done once all has been added."""
    writer = system(name)
    writer.open(folder, write=True)
    started, used = time.perf_counter(), time.process_time()
    writer.finish()
    writer.close()
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - used,
        "memory": memory(),
        "disk": disk(folder),
    }


def added(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Search before that, with the default setting."""
    return _read(task, name, folder, every=False)


def read(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Open, and search with each setting."""
    return _read(task, name, folder, every=True)


def _read(task: Task, name: str, folder: Path, *, every: bool) -> dict[str, Any]:
    queries, truth = task.queries, task.truth()
    result, reader = opened(name, folder, queries)
    result["points"] = []
    for setting in reader.ladder() if every else reader.ladder()[:1]:
        reader.prepare(setting)
        result["points"].append({"setting": setting, **_searched(reader, queries, truth)})
    if name == OURS:
        result["bytes"] = reader.index.stats().bytes_  # type: ignore[attr-defined]
    reader.close()
    return result


def opened(name: str, folder: Path, queries: NDArray[np.float32]) -> tuple[dict[str, Any], System]:
    """Open it, to the first answer and the hundredth, and what memory it takes."""
    started = time.perf_counter()
    reader = system(name)
    imported, before, used = time.perf_counter(), memory(), time.process_time()
    reader.open(folder)
    there = time.perf_counter()
    reader.search(queries[0], K)
    answered, cpu, after = time.perf_counter(), time.process_time() - used, memory()
    for query in queries[:WARM_QUERIES]:
        reader.search(query, K)
    return {
        "import_seconds": imported - started,
        "open_seconds": there - imported,
        "first_answer_seconds": answered - imported,
        "first_answer_cpu_seconds": cpu,
        "memory_imported": before,
        "memory_opened": after,
        "memory_searched": memory(),
        "loaded": [module for module in HEAVY if module in sys.modules],
    }, reader


def filtered(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Search under each filter: with the default, and with the quickest setting of a recall of .95 without one."""
    reader, queries = system(name), task.queries[:N_FILTERED]
    reader.open(folder)
    chosen: list[Setting] = [{}]
    for setting in reader.ladder():
        reader.prepare(setting)
        if (
            setting
            and _recall([reader.search(query, K) for query in queries[:100]], task.truth()[:100]) >= 0.95
        ):
            chosen.append(setting)
            break
    points = []
    for setting in chosen:
        reader.prepare(setting)
        for below in filters():
            ask: Callable[[Any], list[Found]] = lambda query: reader.search(query, K, below)  # noqa: B023, E731
            asked = _each(ask, queries)
            points.append(
                {
                    "setting": setting,
                    "field": below.field,
                    "limit": below.limit,
                    "recall": _recall(asked.found, task.truth(file_of(below))),
                    **asked.speeds(),
                }
            )
    reader.close()
    return {"points": points}


def delete(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Delete one document in a hundred, by a filter."""
    writer = system(name)
    writer.open(folder, write=True)
    started = time.perf_counter()
    writer.delete(DELETED)
    deleted = time.perf_counter() - started
    writer.search(task.queries[0], K)
    writer.close()
    return {"seconds": deleted, "disk": disk(folder)}


def reopen(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Open it again: nothing of what was deleted may be found, and all that was not."""
    queries = task.queries[:N_FILTERED]
    result, reader = opened(name, folder, queries)
    reader.prepare(reader.ladder()[-1])
    asked = _each(lambda query: reader.search(query, K), queries)
    reader.close()
    deleted = [hit for hits in asked.found for hit in hits if hit.metadata[DELETED.field] < DELETED.limit]
    return {
        **result,
        "deleted_found": len(deleted),
        "recall": _recall(asked.found, task.truth(KEPT)),
        **asked.speeds(),
    }


def cascade(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Our index beside a bare Cascade of the same vectors in memory, in turn, with the same settings."""
    from bitsieve.codec import Cells
    from bitsieve.codec.cells import TRAINING_ROWS, choose_n_cells
    from bitsieve.index.rows import Rows as SegmentRows
    from bitsieve.index.rows import sampled_vectors
    from bitsieve.search import Cascade

    queries, truth, reader = task.queries, task.truth(), system(OURS)
    vectors = np.array(task.vectors)
    started = time.perf_counter()
    n_cells = choose_n_cells(len(vectors))
    # Learned from what a compacted index learns them from: other cells differ by .005 of recall at one setting.
    few = sampled_vectors([SegmentRows(np.arange(len(vectors)), vectors)], TRAINING_ROWS * n_cells)
    bare = Cascade(cells=Cells(n_cells).fit(few)).build(vectors)
    built = time.perf_counter() - started
    reader.open(folder)
    points = []
    for setting in reader.ladder():
        reader.prepare(setting)
        ways: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
            "index": (lambda query: reader.search(query, K), lambda some: reader.search_batch(some, K)),
            "cascade": (
                lambda query: bare.search(query[np.newaxis], K, **setting)[0],  # noqa: B023
                lambda some: bare.search(some, K, **setting)[0],  # noqa: B023
            ),
        }
        point: dict[str, Any] = {"setting": setting}
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (one, many) in ways.items():
                speeds = _each(one, queries).speeds()
                started, used = time.perf_counter(), time.process_time()
                found = many(queries)
                seconds, cpu = time.perf_counter() - started, time.process_time() - used
                rounds[way].append(
                    {
                        "single": speeds["queries_per_second"],
                        "batch": len(queries) / seconds,
                        "single_cpu": 1000 / speeds["cpu_ms"],
                        "batch_cpu": len(queries) / cpu,
                    }
                )
                point[f"{way}_recall"] = _recall(found, truth)
        for way, measured in rounds.items():
            point |= {f"{way}_{kind}": median(one[kind] for one in measured) for kind in KINDS}
        points.append(point)
    reader.close()
    return {"build_seconds": built, "points": points, "ratios": _ratios(points)}


def _ratios(points: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """How many times as long the index takes as the Cascade, at the same recall."""
    ratios: dict[str, dict[str, float | None]] = {}
    for kind in KINDS:
        index, bare = (
            [Point(point[f"{way}_recall"], point[f"{way}_{kind}"]) for point in points]
            for way in ("index", "cascade")
        )
        ratios[kind] = {}
        for target in TARGETS:
            ours, theirs = speed_at(index, target), speed_at(bare, target)
            ratios[kind][str(target)] = theirs / ours if ours and theirs else None
    return ratios


STAGES: dict[str, Callable[[Task, str, Path], dict[str, Any]]] = {
    stage.__name__: stage for stage in (add, added, finish, read, filtered, cascade, delete, reopen)
}
"""In order. Only our index has the one beside a Cascade."""


def _searched(reader: System, queries: NDArray[np.float32], truth: Rows) -> dict[str, Any]:
    _each(lambda query: reader.search(query, K), queries)  # warms up
    asked = _each(lambda query: reader.search(query, K), queries)
    some = queries[: len(asked.found)]
    point: dict[str, Any] = {"recall": _recall(asked.found, truth), "n_queries": len(some), **asked.speeds()}
    started = time.perf_counter()
    try:
        reader.search_batch(some, K)
        point["batch_queries_per_second"] = len(some) / (time.perf_counter() - started)
    except NotImplementedError:
        point["batch_queries_per_second"] = None
    return point


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


def _each(ask: Callable[[NDArray[np.float32]], Any], queries: NDArray[np.float32]) -> Asked:
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


def _recall(found: Sequence[Any], truth: Rows) -> float:
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
