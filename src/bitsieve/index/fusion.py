"""Joining two lists of hits into one by their scores: what each is worth between the worst and the best of its list.

Ranks alone lose recall where one list is better than the other; docs/decisions/0005-fusion.md has the figures.

Source: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 42, 2023: the convex
combination of scores normalised by minimum and maximum.
"""

from collections.abc import Sequence

WEIGHT = 0.6
"""Of what is found by meaning; words have the rest."""


def fuse(
    vector: Sequence[tuple[int, float]],
    keyword: Sequence[tuple[int, float]],
    n: int,
    *,
    weight: float = WEIGHT,
) -> list[tuple[int, float]]:
    """Join the hits of vectors and of keywords.

    vector, keyword: keys and scores, best first. n: how many were asked for; a list of fewer holds all there are.
    weight: of the vectors' list, 0 to 1; the other's is what is missing to 1.
    Returns: keys and scores from 0 to 1, best first, equal ones in the order of the vectors' list, then of the other.

    >>> fuse([(7, 0.9), (8, 0.8), (9, 0.5)], [(8, 12.0)], n=10, weight=0.5)
    [(8, 0.875), (7, 0.5), (9, 0.0)]
    """
    scores: dict[int, float] = {}
    # BM25 is 0 for a document without the words. Cosines have no such end: what unlike texts get differs by model.
    for found, low, share in (
        (vector, vector[-1][1] if vector else 0.0, weight),
        (keyword, keyword[-1][1] if len(keyword) == n else 0.0, 1 - weight),
    ):
        for key, score in found:
            span = found[0][1] - low
            scores[key] = scores.get(key, 0.0) + share * ((score - low) / span if span > 0 else 1.0)
    return sorted(scores.items(), key=lambda item: -item[1])
