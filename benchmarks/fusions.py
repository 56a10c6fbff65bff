"""Ways to join a list of vectors and a list of keywords, to choose the library's from.

Each takes two lists of (key, score), best first, how many were asked for, and the weight of the vectors' list. It
gives keys, best first.
"""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean, pstdev
from typing import TypeAlias

from bitsieve.index.fusion import fuse

Scored: TypeAlias = Sequence[tuple[int, float]]
Fusion: TypeAlias = Callable[[Scored, Scored, int, float], list[int]]


def by_scores(vector: Scored, keyword: Scored, n: int, weight: float) -> list[int]:
    """The library's own."""
    return [key for key, _ in fuse(vector, keyword, n, weight=weight)]


def by_ranks(vector: Scored, keyword: Scored, n: int, weight: float, *, offset: int) -> list[int]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), whose article takes 60 for the offset."""
    return _joined(
        *(
            {key: 1 / (offset + rank) for rank, (key, _) in enumerate(found, 1)}
            for found in (vector, keyword)
        ),
        weight,
    )


def by_best(vector: Scored, keyword: Scored, n: int, weight: float) -> list[int]:
    """Scores as shares of the way from the least possible (a cosine of −1, a BM25 of 0) to the best there is."""
    return _joined(
        {key: (score + 1) / (vector[0][1] + 1) for key, score in vector},
        {key: score / keyword[0][1] for key, score in keyword},
        weight,
        others=(vector[-1][1] + 1) / (vector[0][1] + 1),
    )


def by_deviations(vector: Scored, keyword: Scored, n: int, weight: float) -> list[int]:
    """Scores in standard deviations of their list from its mean; what is not in a list counts as its last."""
    lists = []
    for found in (vector, keyword):
        scores = [score for _, score in found] or [0.0]
        mean, deviation = fmean(scores), pstdev(scores) or 1.0
        last = (scores[-1] - mean) / deviation
        lists.append({key: (score - mean) / deviation - last for key, score in found})
    return _joined(*lists, weight)


OURS = "scores between worst and best"
FUSIONS: dict[str, Fusion] = {
    OURS: by_scores,
    "standard deviations": by_deviations,
    "scores between least possible and best": by_best,
    "ranks, 60": partial(by_ranks, offset=60),
    "ranks, 10": partial(by_ranks, offset=10),
}
WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PLAIN = ("ranks, 60", 0.5)
"""Rank fusion as in its article."""


def _joined(
    vector: dict[int, float], keyword: dict[int, float], weight: float, *, others: float = 0.0
) -> list[int]:
    """others: what a document is worth that is not among the vectors' hits."""
    worth = {
        key: weight * vector.get(key, others) + (1 - weight) * keyword.get(key, 0.0)
        for key in (*vector, *keyword)
    }
    return sorted(worth, key=lambda key: -worth[key])
