"""A scale and an offset for each code of an ITQ (to be replaced)."""

import numpy as np

from ..arrays import FloatArray
from .itq import ITQ


def corrections_of(itq: ITQ, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    projections = itq.project(vectors)
    sums = np.abs(projections).sum(axis=1)
    squares = np.square(projections).sum(axis=1)
    return squares / np.maximum(sums, 1e-9), vectors @ itq.mean_


def corrections_pay(itq: ITQ, vectors: FloatArray) -> bool:
    return False
