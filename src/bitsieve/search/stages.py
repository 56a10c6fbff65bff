"""What the stages of a search did."""

from dataclasses import dataclass

import numpy as np

from ..arrays import RowArray
from .arrays import Found


@dataclass(frozen=True, eq=False)
class Stage:
    """What one stage of a search did.

    name: "pivots", "cells", "codes" or "rerank". kept, removed: (q,) int64, vectors of each query (of cells, the
    codes in them: a vector that lies in two cells has two). seconds: for all queries and threads together.
    """

    name: str
    kept: RowArray
    removed: RowArray
    seconds: float


def stages_of(found: Found, n: int | RowArray) -> list[Stage]:
    """The stages of a search that began with n codes, for each query or for all."""
    kept = {"codes": found.effort[-2], "rerank": np.count_nonzero(found.rows >= 0, axis=1)}
    if len(found.effort) == 4:
        kept = {"cells": found.effort[1], **kept}
    stages, before = [], np.zeros(len(found.rows), np.int64) + n
    for (name, of_stage), took in zip(kept.items(), found.seconds[-len(kept) :], strict=True):
        stages.append(Stage(name, of_stage, before - of_stage, took))
        before = of_stage
    return stages
