"""How well lists of hits are ranked where each query has one right answer, with intervals over queries."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitsieve.evaluation.measures import Estimate, recall_interval

K = 10
N_RESAMPLES = 2_000
INTERVALS = f"95 %: bootstrap over queries, {N_RESAMPLES:,} resamples, paired for differences; recall: Wilson"


def ranks(lists: Sequence[Sequence[int]], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """(q,) places of the right answers in their lists, from 1; infinite where they are not in them."""
    places = [
        found.index(row) + 1 if row in found else np.inf for found, row in zip(lists, right, strict=True)
    ]
    return np.array(places, np.float64)


def reciprocal(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(q,) 1 over each rank up to K, else 0: their mean is MRR@K."""
    return np.where(places <= K, 1 / places, 0.0)


def found(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(q,) 1 for each rank up to K, else 0: their mean is recall@K."""
    return (places <= K).astype(np.float64)


def estimates(places: NDArray[np.float64]) -> dict[str, Any]:
    """MRR@K and recall@K with their intervals."""
    return {"mrr": bootstrap(reciprocal(places)), "recall": asdict(recall_interval(found(places), 1))}


def differences(places: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, Any]:
    """What MRR@K and recall@K are above those of another search of the same queries."""
    return {
        "mrr": bootstrap(reciprocal(places) - reciprocal(others)),
        "recall": bootstrap(found(places) - found(others)),
    }


def bootstrap(values: NDArray[np.float64]) -> dict[str, float]:
    """The mean of values (q,), and the middle 95 % of the means of resampled queries."""
    means = values[_resamples(len(values))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return asdict(Estimate(float(values.mean()), float(low), float(high)))


@cache
def _resamples(q: int) -> NDArray[np.int32]:
    return np.random.default_rng(0).integers(q, size=(N_RESAMPLES, q), dtype=np.int32)
