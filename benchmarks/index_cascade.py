"""Our index beside a bare Cascade of the same vectors: what it costs to be on disk, and to bring documents."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from fronts import TARGETS, Point, speed_at
from index_peers import OURS, system
from index_task import K, Task
from index_timing import each, recall_of

ROUNDS = 5
KINDS = ("single", "batch", "single_cpu", "batch_cpu")
"""Queries a second, one a call and all in one; and as many as a second of CPU time, whatever else the machine does."""


def cascade(task: Task, name: str, folder: Path) -> dict[str, Any]:
    """Our index, with documents and with ids alone, beside a bare Cascade, in turn, with the same settings."""
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
            "ids": (lambda query: reader.search_ids(query, K), lambda some: reader.search_ids_batch(some, K)),
            "cascade": (
                lambda query: bare.search(query[np.newaxis], K, **setting)[0],  # noqa: B023
                lambda some: bare.search(some, K, **setting)[0],  # noqa: B023
            ),
        }
        point: dict[str, Any] = {"setting": setting}
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (one, many) in ways.items():
                speeds = each(one, queries).speeds()
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
                point[f"{way}_recall"] = recall_of(found, truth)
        for way, measured in rounds.items():
            point |= {f"{way}_{kind}": median(one[kind] for one in measured) for kind in KINDS}
        points.append(point)
    reader.close()
    ratios = {way: _ratios(points, way) for way in ("index", "ids")}
    return {"build_seconds": built, "points": points, "ratios": ratios}


def _ratios(points: Sequence[dict[str, Any]], way: str) -> dict[str, dict[str, float | None]]:
    """How many times as long a way through the index takes as the Cascade, at the same recall."""
    ratios: dict[str, dict[str, float | None]] = {}
    for kind in KINDS:
        index, bare = (
            [Point(point[f"{one}_recall"], point[f"{one}_{kind}"]) for point in points]
            for one in (way, "cascade")
        )
        ratios[kind] = {}
        for target in TARGETS:
            ours, theirs = speed_at(index, target), speed_at(bare, target)
            ratios[kind][str(target)] = theirs / ours if ours and theirs else None
    return ratios
