"""The fastest way of each family, on trial: queries that had no part in choosing it say how hard it has to look.

The other half of the queries tries a sequence of efforts that is fixed beforehand, from great to small, and stops at
the first whose lower bound misses the target: each that passed has the confidence of a single test (fixed-sequence
testing). Of the last that passed the target is certain, and not its own bound, since that is one of several that might
have been the last. Finalists, of all models, share the error (Bonferroni), so that any may be taken for its time.

Sources: Maurer, Hothorn and Lehmacher, "Multiple comparisons in drug clinical trials and preclinical assays: a-priori
ordered hypotheses", 1995; Angelopoulos et al., "Learn then Test", arXiv 2110.01052, 2021.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..recall.bounds import lower_bound
from ..search.exact import search_exact
from .front import CLOSE, fastest
from .results import Finalist, Way
from .timing import milliseconds
from .trial import Search, Trial, at_effort

HEADROOM = 8
"""How many efforts above the chosen one the sequence begins: some four times as many candidates."""

ROUND_SECONDS = 0.05


def choose_finalists(ways: Sequence[Way], budget_bytes: int) -> list[int]:
    """Places of the fastest way of each family within the budget.

    Pivots come with the codes of the asymmetric finalist, whatever they take: what they cost and save is to be told.
    """
    chosen = []
    for family in ("asymmetric", "hamming", "cells"):
        within = [i for i, way in enumerate(ways) if way.family == family and way.n_bytes <= budget_bytes]
        place = fastest(ways, within)
        if place is None:
            continue
        chosen.append(place)
        if family == "asymmetric":
            codes = ways[place].n_bits, ways[place].corrections
            chosen += [
                i
                for i, way in enumerate(ways)
                if way.kind == "pivots" and (way.n_bits, way.corrections) == codes and way.chosen is not None
            ]
    return chosen


def try_finalists(
    trial: Trial,
    ways: Sequence[Way],
    places: Sequence[int],
    search_of: Callable[[Way], Search],
    confidence: float,
) -> tuple[list[Finalist], float]:
    """Find the effort of each finalist, then time them all in turn with exact search.

    places: of ways that have a chosen effort. search_of: the search of a way. confidence: of each finalist by itself.
    Returns: the finalists, and the milliseconds of exact search.
    """
    found = [search_of(ways[place]) for place in places]
    tried = [
        _try(trial, ways[place], search, confidence) for place, search in zip(places, found, strict=True)
    ]
    efforts = [
        ways[place].points[ways[place].chosen or 0].effort if effort is None else effort
        for place, (effort, _, _) in zip(places, tried, strict=True)
    ]
    exact_ms, *times = milliseconds(
        [
            lambda queries: search_exact(trial.vectors, queries, trial.setup.k),
            *(at_effort(search, effort) for search, effort in zip(found, efforts, strict=True)),
        ],
        trial.queries,
        round_seconds=ROUND_SECONDS,
    )
    finalists = [
        Finalist(place, effort, recall, low, ms)
        for place, (effort, recall, low), ms in zip(places, tried, times, strict=True)
    ]
    return finalists, exact_ms


def best_of(ways: Sequence[Way], finalists: Sequence[Finalist], budget_bytes: int) -> int | None:
    """The place of the fastest finalist that kept the target within the budget; of about as fast ones, the smallest."""
    within = [
        (finalist.ms, ways[finalist.way].n_bytes, place)
        for place, finalist in enumerate(finalists)
        if finalist.effort is not None and ways[finalist.way].n_bytes <= budget_bytes
    ]
    if not within:
        return None
    enough = CLOSE * min(within)[0]
    return min((n_bytes, ms, place) for ms, n_bytes, place in within if ms <= enough)[2]


def _try(trial: Trial, way: Way, search: Search, confidence: float) -> tuple[float | None, float, float]:
    """The least effort that kept the target with all greater ones, its recall, and the bound of that by itself.

    None where the greatest did not keep it, with recall and bound of that one.
    """
    kept: tuple[float | None, float, float] = None, 0.0, 0.0
    for point in reversed(way.points[: (way.chosen or 0) + HEADROOM + 1]):
        recalls = trial.recalls(search(trial.queries[trial.trying], point.effort), trial.trying)
        mean, low = float(np.mean(recalls)), float(lower_bound(recalls, confidence))
        if low < trial.setup.target_recall:
            return kept if kept[0] is not None else (None, mean, low)
        kept = point.effort, mean, low
    return kept
