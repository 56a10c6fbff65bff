"""Write the golden indexes: one folder for each format version, kept for good so that old indexes stay readable.

    python tests/index/golden/make.py

An existing folder is never overwritten. After a change of format, name another: after the new version, or where older
versions of bitsieve read the new format too, after the old one and what is new, as v1-ids is.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from small_index import D, build_index, vectors_of

from bitsieve.index import Hits, Index

HERE = Path(__file__).resolve().parent
FOLDER = "v1-ids"
QUESTIONS = [
    {"n_candidates": 200},
    {"where": {"even": True}, "n_candidates": 200},
    {"query": "amber number", "mode": "keyword"},
    {"query": "水墨 Kase", "mode": "keyword", "where": {"n": {"$lt": 60}}},
]
"""What `search` is asked with, and with each of the vectors unless it is keywords. No hybrid: how lists are joined is
no part of the format."""


def main() -> None:
    target = HERE / FOLDER
    if target.exists():
        sys.exit(f"{target} is there already: a golden index is never changed")
    target.mkdir()
    build_index(target / "index")
    (target / "index" / "writer.lock").unlink()
    vectors = np.concatenate([vectors_of(0, 12), vectors_of(64, 6), vectors_of(500, 6)])
    np.save(target / "vectors.npy", vectors)
    with Index.open(target / "index") as index:
        answers = [
            {"question": question, "vector": row, "hits": found(index.search(**arguments, k=5))}
            for question in QUESTIONS
            for row, vector in enumerate(vectors)
            if row == 0 or "query" not in question
            for arguments in [
                question if question.get("mode") == "keyword" else question | {"vector": vector}
            ]
        ]
        documents = [
            {"id": document.id, "text": document.text, "metadata": document.metadata}
            for document in index.get([f"id-{n}" for n in range(91)])
            if document is not None
        ]
    for left in (target / "index").glob("catalog.sqlite-*"):
        left.unlink()
    expected = {"dimension": D, "answers": answers, "documents": documents}
    (target / "expected.json").write_text(
        json.dumps(expected, ensure_ascii=False, indent=0) + "\n", encoding="utf-8"
    )


def found(hits: Hits) -> list[list[object]]:
    """Of each hit its id, score and passage's place."""
    return [[hit.id, hit.score, hit.passage and [hit.passage.start, hit.passage.stop]] for hit in hits]


if __name__ == "__main__":
    main()
