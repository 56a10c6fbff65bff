"""What a search by keywords takes as an index grows, and what passing over common words saves.

    make bench-search                                                up to 1,000,000 documents, about 10 minutes
    .venv/bin/python benchmarks/keyword_speed.py --sizes 10000 20000 --out /tmp    a quick look

Documents are texts of 200 bytes of Wikipedia's leads (`index_documents.py`), queries 200 descriptions of its articles.
Times are CPU time of one query at a time: the index is in the system's cache, and nothing waits.
"""

import argparse
import json
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from bitsieve import Index
from bitsieve.evaluation.corpora import load_corpus
from bitsieve.evaluation.machine import describe_machine
from bitsieve.store import keywords
from commit import commit
from index_documents import Documents, limits, wikipedia_words
from vectors import unit

RESULTS = Path(__file__).parent / "results"
SIZES = (10_000, 100_000, 1_000_000)
N_QUERIES = 200
K = 10
ADDED_AT_ONCE = 50_000
SHARES = (0.5, 0.001)
"""Of the documents that a filter leaves."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="documents, ascending")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    measured = commit()  # before the first result is written over
    # Nobody looks at the vectors, so they are short ones.
    vectors = unit(np.random.default_rng(0).standard_normal((options.sizes[-1], 8)))
    documents, queries, points = Documents(vectors, wikipedia_words()), descriptions(), []
    with (
        tempfile.TemporaryDirectory(prefix="bitsieve-keyword-speed-") as folder,
        Index.create(Path(folder) / "index", dimension=8, n_bits=8) as index,
    ):
        for batch in documents.batches(min(ADDED_AT_ONCE, options.sizes[0])):
            index.add(batch.texts, ids=batch.ids, metadata=batch.metadata, vectors=batch.vectors)
            if len(index) in options.sizes:
                points += measure(index, queries)
    report = {
        "what": "CPU milliseconds of a search by keywords (unicode61, k=10), one at a time",
        "n_queries": N_QUERIES,
        "commit": measured,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "points": points,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "keyword-speed.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


def descriptions() -> list[str]:
    """Some of the queries of `known_items.py`."""
    metadata = load_corpus("wikipedia-en", metadata=None).metadata
    every = [about["description"] for about in metadata if about.get("description")]
    return [every[i] for i in np.random.default_rng(0).permutation(len(every))[:N_QUERIES]]


def measure(index: Index, queries: list[str]) -> list[dict[str, Any]]:
    """Searches as they are, with every word, and under filters."""
    n = len(index)
    points = [{"n": n, "words": "uncommon", "where": 1.0, **milliseconds(index, queries)}]
    with patch.object(keywords, "SPARED", n):
        points.append({"n": n, "words": "all", "where": 1.0, **milliseconds(index, queries)})
    for share in SHARES:
        where = {"year": {"$lt": limits("year")(share)}}
        points.append({"n": n, "words": "uncommon", "where": share, **milliseconds(index, queries, where)})
    for point in points:
        print(point, flush=True)
    return points


def milliseconds(index: Index, queries: list[str], where: dict[str, Any] | None = None) -> dict[str, float]:
    """CPU time of a search, after one that warms up."""
    index.search(queries[0], K, mode="keyword", where=where)
    taken = []
    for query in queries:
        started = time.process_time()
        index.search(query, K, mode="keyword", where=where)
        taken.append(1000 * (time.process_time() - started))
    p50, p95, p99 = np.percentile(taken, (50, 95, 99)).tolist()
    return {"mean": float(np.mean(taken)), "p50": p50, "p95": p95, "p99": p99, "most": max(taken)}


if __name__ == "__main__":
    main()
