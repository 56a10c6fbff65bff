"""Joining two lists of hits into one by their ranks.

Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods", SIGIR 2009.
"""

from collections.abc import Sequence

RANK_OFFSET = 60
"""The article's k: how slowly the worth of a rank falls."""


def fuse(vector: Sequence[int], keyword: Sequence[int], *, weight: float = 0.5) -> list[tuple[int, float]]:
    """Keys of both lists, best first, equal ones in the order of the vectors' list, then of the other.

    vector, keyword: keys, best first. weight: of the vectors' list; the other's is what is missing to 1.
    Returns: keys and scores, 2 · Σ weight / (60 + rank).

    >>> fuse([7, 8], [8, 9])[0][0]
    8
    """
    scores: dict[int, float] = {}
    for ranked, share in ((vector, weight), (keyword, 1 - weight)):
        for rank, key in enumerate(ranked, 1):
            scores[key] = scores.get(key, 0.0) + 2 * share / (RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda item: -item[1])
