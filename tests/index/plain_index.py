"""Vectors and an oracle for tests of the index."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bitsieve.arrays import FloatArray


def unit_vectors(n: int, d: int = 32, seed: int = 0) -> FloatArray:
    """Random directions, (n, d)."""
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass
class Plain:
    """What an index should be: documents in the order they were added, compared one by one."""

    documents: dict[str, tuple[str, FloatArray, dict[str, Any]]] = field(default_factory=dict)

    def put(
        self, ids: list[str], texts: list[str], vectors: FloatArray, metadata: list[dict[str, Any]]
    ) -> None:
        for id_, text, vector, facts in zip(ids, texts, vectors, metadata, strict=True):
            self.documents.pop(id_, None)  # what is replaced moves to the end
            self.documents[id_] = (text, vector, facts)

    def delete(self, ids: list[str]) -> int:
        return sum(self.documents.pop(id_, None) is not None for id_ in ids)

    def nearest(self, query: FloatArray, k: int, least: int = 0) -> list[str]:
        """Ids of the k nearest, of those whose `n` is `least` or more; equal ones in order."""
        kept = [(id_, vector) for id_, (_, vector, facts) in self.documents.items() if facts["n"] >= least]
        if not kept:
            return []
        scores = np.stack([vector for _, vector in kept]).astype(np.float64) @ query
        return [kept[row][0] for row in np.argsort(-scores, kind="stable")[:k]]
