"""The stages of a measurement, each run in a process of its own, so that memory and opening are its alone."""

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index_cascade import cascade
from index_peers import OURS, Found, Setting, System, system
from index_task import DELETED, KEPT, N_FILTERED, K, Task, file_of, filters
from index_timing import Rows, disk, each, memory, recall_of, rounded

WARM_QUERIES = 100
HEAVY = ("fastembed", "onnxruntime", "scipy", "pandas", "pyarrow", "torch")
"""Modules whose import would be noticed."""


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
            and recall_of([reader.search(query, K) for query in queries[:100]], task.truth()[:100]) >= 0.95
        ):
            chosen.append(setting)
            break
    points = []
    for setting in chosen:
        reader.prepare(setting)
        for below in filters():
            ask: Callable[[Any], list[Found]] = lambda query: reader.search(query, K, below)  # noqa: B023, E731
            asked = each(ask, queries)
            points.append(
                {
                    "setting": setting,
                    "field": below.field,
                    "limit": below.limit,
                    "recall": recall_of(asked.found, task.truth(file_of(below))),
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
    asked = each(lambda query: reader.search(query, K), queries)
    reader.close()
    deleted = [hit for hits in asked.found for hit in hits if hit.metadata[DELETED.field] < DELETED.limit]
    return {
        **result,
        "deleted_found": len(deleted),
        "recall": recall_of(asked.found, task.truth(KEPT)),
        **asked.speeds(),
    }


STAGES: dict[str, Callable[[Task, str, Path], dict[str, Any]]] = {
    stage.__name__: stage for stage in (add, added, finish, read, filtered, cascade, delete, reopen)
}
"""In order. Only our index has the one beside a Cascade."""


def _searched(reader: System, queries: NDArray[np.float32], truth: Rows) -> dict[str, Any]:
    each(lambda query: reader.search(query, K), queries)  # warms up
    asked = each(lambda query: reader.search(query, K), queries)
    some = queries[: len(asked.found)]
    point: dict[str, Any] = {
        "recall": recall_of(asked.found, truth),
        "n_queries": len(some),
        **asked.speeds(),
    }
    started = time.perf_counter()
    try:
        reader.search_batch(some, K)
        point["batch_queries_per_second"] = len(some) / (time.perf_counter() - started)
    except NotImplementedError:
        point["batch_queries_per_second"] = None
    return point
