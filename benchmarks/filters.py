"""Recall under filters: what our Index finds of what exact search finds among the documents that a filter leaves.

    make bench-filters                                       100,000 real vectors, about a minute

Filters leave 50 %, 10 %, 1 % and 0.1 % of the documents, spread over all of them (`year`) or lying together (`region`).
The index is asked as documents were added (several segments, of several kinds), compacted, and when a tenth of the
documents, of the regions in the middle, has been deleted. Settings are the defaults.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitsieve import Index
from bitsieve.evaluation.machine import describe_machine
from commit import commit
from index_documents import N_GROUPS, SELECTIVITIES, Documents, limits, wikipedia_words
from index_task import K, exact_among
from vectors import Data, load

RESULTS = Path(__file__).parent / "results"
DELETED = {"region": {"$gte": N_GROUPS * 45 // 100, "$lt": N_GROUPS * 55 // 100}}


def main() -> None:
    options = parse()
    measured = commit()  # before the first result is written over
    data = load(options.data)
    print(data.description, flush=True)
    words = wikipedia_words() if options.words is None else options.words.read_bytes()
    with tempfile.TemporaryDirectory(prefix="bitsieve-filters-") as folder:
        points = list(measure(data, Documents(data.vectors, words), Path(folder) / "index", options.queries))
    report = {
        "what": "recall@10 under filters against exact search among what they leave, default settings",
        "data": data.named() | {"n": len(data.vectors), "d": data.vectors.shape[1]},
        "n_queries": options.queries,
        "k": K,
        "commit": measured,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "least_recall": min(point["recall"] for point in points),
        "points": points,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"filters-{data.name}.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"least recall {report['least_recall']:.4f}; wrote {path}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="bench", help="see vectors.py")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--words", type=Path, help="text to cut the texts from; Wikipedia's leads where left out"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser.parse_args()


def measure(data: Data, documents: Documents, path: Path, n_queries: int) -> Iterator[dict[str, Any]]:
    """Each filter, in each state of the index."""
    vectors, queries = data.vectors, data.queries[:n_queries]
    kept = np.ones(len(vectors), bool)
    with Index.create(path, dimension=vectors.shape[1]) as index:
        for batch in documents.batches():
            index.add(batch.texts, ids=batch.ids, metadata=batch.metadata, vectors=batch.vectors)
        yield from _under_filters(index, "as added", queries, vectors, documents, kept)
        index.compact()
        yield from _under_filters(index, "compacted", queries, vectors, documents, kept)
        index.delete(where=DELETED)
        middle = DELETED["region"]
        kept = (documents.regions < middle["$gte"]) | (documents.regions >= middle["$lt"])
        yield from _under_filters(index, "a tenth deleted", queries, vectors, documents, kept)


def _under_filters(
    index: Index, state: str, queries: NDArray[np.float32], vectors: NDArray[np.float32], documents: Documents,
    kept: NDArray[np.bool_],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    for field in ("year", "region"):
        for selectivity in SELECTIVITIES:
            limit = limits(field)(selectivity)
            allowed = np.flatnonzero(kept & (documents.values(field) < limit))
            truth, seconds, found = exact_among(queries, vectors, allowed), [], 0
            for query, true in zip(queries, truth, strict=True):
                started = time.perf_counter()
                hits = index.search(vector=query, k=K, where={field: {"$lt": limit}})
                seconds.append(time.perf_counter() - started)
                found += len({hit.metadata["n"] for hit in hits} & set(true.tolist()))
            point = {
                "state": state,
                "segments": list(index.stats().kinds),
                "field": field,
                "selectivity": selectivity,
                "n_allowed": len(allowed),
                "recall": found / int((truth >= 0).sum()),
                "p50_ms": 1000 * float(np.percentile(seconds, 50)),
                "p99_ms": 1000 * float(np.percentile(seconds, 99)),
            }
            print(
                f"{state:16} {field:7} {selectivity:6.1%} ({len(allowed):,} documents): recall {point['recall']:.4f}, "
                f"p50 {point['p50_ms']:.1f} ms",
                flush=True,
            )
            yield point


if __name__ == "__main__":
    main()
