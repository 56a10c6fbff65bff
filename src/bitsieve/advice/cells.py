"""Ways through cells: a query looks at the codes of the cells it is near, the more the wider its margin."""

from typing import Any

import numpy as np

from ..codec import Cells
from ..search import Cascade
from .results import Way
from .setup import cell_candidates, probe_margins
from .trial import ALL_FOUND, Trial, search_by

LEAST_VECTORS = 20_000
"""Fewer are not divided into cells: flat codes take microseconds."""

BITS = (120, 248)
"""With the byte of the scale, codes of 16 and 32 bytes."""

MOST_VISITED = 0.5
"""Share of the codes beyond which cells are no sieve any more."""


def cell_bits(d: int, n: int) -> list[int]:
    """Bits that codes in cells are measured with; none where there are too few vectors."""
    return [bits for bits in BITS if bits <= d] if n >= LEAST_VECTORS else []


def fit_cells(trial: Trial, n_bits: int) -> Cells:
    """Cells, as many as suit the vectors, with codes of so many bits."""
    return Cells(n_bits=n_bits, seed=trial.setup.seed).fit(trial.vectors)


def measure_cells(trial: Trial, cells: Cells) -> Way:
    """Recall and time at every margin until the choosing queries find all, or visit half of the codes."""
    cascade, k = Cascade(cells=cells).build(trial.vectors), trial.setup.k
    n_bits = cells.projection_.shape[1]
    facts: dict[str, Any] = {
        "kind": "cells", "n_bits": n_bits, "scoring": "asymmetric", "corrections": False,
        "n_bytes": n_bits // 8 + 1, "n_cells": len(cells.centroids_),
    }  # fmt: skip
    efforts, recalls = [], []
    for margin in probe_margins():
        rows, _, stages = cascade.search(
            trial.queries, k, n_candidates=cell_candidates(k), probe_margin=margin, explain=True
        )
        efforts.append(margin)
        recalls.append(trial.recalls(rows))
        visited = stages[0].kept[trial.choosing].mean() / len(trial.vectors)
        if recalls[-1][trial.choosing].mean() >= ALL_FOUND or visited >= MOST_VISITED:
            break
    return trial.way(efforts, np.stack(recalls, axis=1), search_by(cascade, k, "cells"), facts)
