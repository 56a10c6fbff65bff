"""Which plan: the path from dear to cheap that is tested, and how far down it a target is certified.

Queries of their own, the tuning ones, say in which order plans are tested. The certifying queries then give each plan
a lower bound of its recall. For a target one goes down the path as long as the bound reaches it and stops at the first
that does not. The chance that any of the plans passed falls short of the target is at most that of one bound being
wrong, however many plans there are: the first on the path that falls short has to be passed before any later one.

Sources: testing in a fixed sequence: Bauer, Multiple testing in clinical trials, Statistics in Medicine 10, 1991; for
choosing parameters: Angelopoulos, Bates, Candès, Jordan and Lei, Learn then Test, arXiv 2110.01052, 2021.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

SAVING = 0.95
"""A plan is a step of the path where it takes at most so much of the time of the step before."""


def front(recalls: ArrayLike, seconds: ArrayLike, most_seconds: float) -> list[int]:
    """The Pareto front of plans, from the highest recall to the cheapest.

    recalls, seconds: (p,) of the plans, on the tuning queries. most_seconds: what exact search takes.
    Returns: positions of the plans that are cheaper than exact search and than each plan of a higher recall.
    """
    recalls, seconds = np.asarray(recalls), np.asarray(seconds)
    path = []
    for i in np.lexsort((seconds, -recalls)):
        if seconds[i] <= SAVING * most_seconds:
            path.append(int(i))
            most_seconds = float(seconds[i])
    return path


def passed(lower_bounds: Sequence[float], target_recall: float) -> int:
    """How many plans, from the first of the path on, reach the target.

    >>> passed([1.0, 0.97, 0.94, 0.96], 0.95)
    2
    """
    for i, lower in enumerate(lower_bounds):
        if lower < target_recall:
            return i
    return len(lower_bounds)
