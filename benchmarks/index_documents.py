"""Documents to put beside vectors: texts of 200 bytes of real words, and metadata that filters can ask for.

Texts are pieces of the leads of English Wikipedia, each ending in its number, so that no two are alike: n of them have
the words of English, and a rare one each. They say nothing about the vectors.

`year` is drawn evenly from 1,000 years, whatever the vector. `region` goes with the vector: documents are numbered 0 to
999 by how far they lie in the direction in which vectors differ most, so that the first regions lie together, near to
some queries and far from others.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_BYTES = 200
BATCH = 10_000
FIRST_YEAR = 1025
N_GROUPS = 1_000
"""Years, and regions."""
TOPICS = ("Arts", "Geography", "History", "Mathematics", "People", "Philosophy", "Science", "Society")
SELECTIVITIES = (0.5, 0.1, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class Batch:
    """Documents, one for each row of vectors."""

    ids: list[str]
    texts: list[str]
    metadata: list[dict[str, Any]]
    vectors: NDArray[np.float32]


class Documents:
    """The documents of vectors (n, d). years, regions: (n,)."""

    def __init__(self, vectors: NDArray[np.float32], words: bytes) -> None:
        n = len(vectors)
        self._vectors, self._words = vectors, words
        self.years = FIRST_YEAR + np.random.default_rng(0).integers(N_GROUPS, size=n)
        ranks = np.empty(n, np.int64)
        ranks[np.argsort(vectors @ widest(vectors), kind="stable")] = np.arange(n)
        self.regions = ranks * N_GROUPS // n

    def text(self, row: int) -> str:
        """The text of a row, at most N_BYTES long."""
        ending = f" {row}"
        length = N_BYTES - len(ending)
        start = row * 1_000_003 % (len(self._words) - N_BYTES)
        return self._words[start : start + length].decode(errors="ignore").strip() + ending

    def digest(self) -> str:
        """Of what filters ask about, 16 digits of a sha256."""
        return hashlib.sha256(self.years.tobytes() + self.regions.tobytes()).hexdigest()[:16]

    def values(self, field: str) -> NDArray[np.int64]:
        """(n,), a field of all documents."""
        return {"year": self.years, "region": self.regions}[field]

    def batches(self, size: int = BATCH) -> Iterator[Batch]:
        """All of them, in order."""
        for start in range(0, len(self._vectors), size):
            rows = range(start, min(start + size, len(self._vectors)))
            yield Batch(
                [f"doc-{row}" for row in rows],
                [self.text(row) for row in rows],
                [self._metadata(row) for row in rows],
                np.ascontiguousarray(self._vectors[start : rows.stop]),
            )

    def _metadata(self, row: int) -> dict[str, Any]:
        return {
            "topic": TOPICS[row % len(TOPICS)],
            "year": int(self.years[row]),
            "region": int(self.regions[row]),
            "n": row,
        }


def widest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The direction in which vectors differ most, (d,), of a sample of them."""
    sample = vectors[:: max(1, len(vectors) // 10_000)]
    return np.linalg.eigh(np.cov(sample, rowvar=False))[1][:, -1].astype(np.float32)


def wikipedia_words() -> bytes:
    """The leads of English Wikipedia, one after another, from the cache or fetched."""
    from bitsieve.evaluation.corpora import load_corpus

    return " ".join(load_corpus("wikipedia-en").texts).encode()


def limits(field: str) -> Callable[[float], int]:
    """What a field is below in so many of all documents."""
    first = FIRST_YEAR if field == "year" else 0
    return lambda selectivity: first + round(selectivity * N_GROUPS)
