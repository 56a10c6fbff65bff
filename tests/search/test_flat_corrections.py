"""Scales and offsets in a byte each: what is odd in one vector takes nothing from the others."""

import numpy as np
import pytest
from brute_force import exact, queries_near, recall, unit_rows
from numpy.typing import NDArray

from bitsieve.codec import ITQ
from bitsieve.codec.corrections import corrections, try_corrections
from bitsieve.search import Cascade, native

N, D = 3000, 48

Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def leaning() -> Vectors:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((150, D))[rng.integers(150, size=N)] + rng.standard_normal((N, D))
    rows *= rng.uniform(0.4, 1.6, (N, 1))
    rows[:, 0] += 7
    return unit_rows(rows)


@pytest.fixture(scope="module")
def itq(leaning: Vectors) -> ITQ:
    return ITQ(32, 10).fit(leaning)


def odd_one(itq: ITQ) -> Vectors:
    """A vector of norm 1 of which the code knows nothing: the mean, and a step across all components."""
    mean = itq.mean_.astype(np.float64)
    across = np.linalg.svd(itq.projection_.T.astype(np.float64))[2][-1]
    along = float(across @ mean)
    step = -along + np.sqrt(along**2 + 1 - mean @ mean)
    return (mean + step * across).astype(np.float32)[np.newaxis]


@pytest.mark.parametrize("kernels", native.available())
def test_a_vector_of_a_huge_scale_costs_the_others_next_to_nothing(
    itq: ITQ, leaning: Vectors, kernels: str
) -> None:
    with_odd = np.concatenate([leaning, odd_one(itq)])
    scales, _ = corrections(itq, with_odd)
    assert scales[-1] > 1000 * scales[:-1].max()
    queries, found = queries_near(leaning, 200), []
    with native.forced(kernels):
        for rows in (leaning, with_odd):
            cascade = Cascade(itq, corrections=True).build(rows)
            ids, _ = cascade.search(queries, 10, n_candidates=60)
            found.append(recall(ids, exact(queries, rows, 10)[0]))
    assert found[1] > found[0] - 0.01
    assert try_corrections(itq, with_odd).pays == try_corrections(itq, leaning).pays
