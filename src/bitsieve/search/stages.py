"""What the stages of a search did."""

from collections.abc import Sequence
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


def stages_of(found: Found, n_codes: int) -> list[Stage]:
    """The stages of a search that began with n_codes codes."""
    n_found = np.count_nonzero(found.rows >= 0, axis=1)
    if len(found.effort) == 4:
        kept = {"cells": found.effort[1], "codes": found.effort[2], "rerank": n_found}
    else:
        kept = {"codes": found.effort[0], "rerank": n_found}
    return chain(list(kept), list(kept.values()), found.seconds[-len(kept) :], n_codes)


def chain(names: Sequence[str], kept: Sequence[RowArray], seconds: Sequence[float], n: int) -> list[Stage]:
    """Stages that follow each other, the first one with n vectors of each query."""
    stages, before = [], np.full_like(kept[0], n)
    for name, of_stage, took in zip(names, kept, seconds, strict=True):
        stages.append(Stage(name, of_stage, before - of_stage, took))
        before = of_stage
    return stages
