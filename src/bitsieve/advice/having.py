"""How to have what is recommended: commands, or calls of Python where no model embeds texts."""

import shlex

from ..codec.cells import MOST_BITS
from ..index.build import CELLS_FROM
from ..index.codec import FIT_FROM
from ..recall import Plan
from .results import Finalist, ModelAdvice
from .setup import Setup, cell_candidates

USUAL_K = 10
"""Of `bitsieve search` and `calibrate`."""


def compares_all(advice: ModelAdvice) -> bool:
    """Whether an index makes no codes of so few vectors; one that has shrunk keeps those it had."""
    return advice.n_total < FIT_FROM and (advice.index is None or advice.index.n_bits is None)


def without_choice(advice: ModelAdvice, setup: Setup) -> str:
    """An index for which no codes have to be chosen."""
    recall = f"{setup.target_recall:g}"
    made = "`bitsieve index CORPUS -o INDEX`" if _embeds(advice) else "Index.create"
    if compares_all(advice):
        said = f"An index compares all of fewer than {FIT_FROM:,} vectors and needs no choice"
        if advice.index is not None:
            return f"{said}."
        return f"{said}: {made}, then {_search(advice, setup) or 'search'}."
    which = "An index as it comes"
    if advice.index is not None:
        which, made = "The index as it is", _calibrate(advice, setup)
    search = _search(advice, setup, f"--target-recall {recall}") or f"search with target_recall={recall}"
    return f"{which} will do, and can be asked for a recall: {made}, then {search}."


def with_codes(advice: ModelAdvice, best: Finalist, setup: Setup) -> str:
    """The codes to take, and how hard to look."""
    way, n_total, held = advice.ways[best.way], advice.n_total, advice.index
    effort = f"{best.effort:g}" if way.kind == "cells" else f"{best.effort:.0f}"
    if way.kind == "cells":
        n_candidates = cell_candidates(setup.k)
        more = n_candidates > Plan.n_candidates
        arguments = f"probe_margin={effort}" + (f", n_candidates={n_candidates}" if more else "")
        options = f"--probe-margin {effort}" + (f" --candidates {n_candidates}" if more else "")
        if n_total >= CELLS_FROM and way.n_bits == MOST_BITS:
            search = _search(advice, setup, options) or arguments
            return f"An index of so many passages has such cells: search it with {search}."
        return f"That is Cascade(cells=Cells({way.n_cells}, n_bits={way.n_bits})), searched with {arguments}."
    arguments = f"n_candidates={effort}"
    if way.kind == "pivots":
        return (
            f"That is Cascade(ITQ({way.n_bits}), PivotFilter()), searched with "
            f"pivot_threshold={way.pivot_threshold:.2f}, {arguments}."
        )
    if way.scoring == "hamming":
        arguments = f"scoring='hamming', {arguments}"
    if way.scoring == "hamming" or n_total >= CELLS_FROM or compares_all(advice):
        return f"That is Cascade(ITQ({way.n_bits})), searched with {arguments}."
    search = _search(advice, setup, f"--candidates {effort}") or arguments
    if held is not None and held.n_bits == way.n_bits:
        return f"The index has codes of so many bits: search it with {search}."
    made = f"n_bits={way.n_bits} (Index.create)"
    if _embeds(advice):
        made = f"`bitsieve index CORPUS --n-bits {way.n_bits} -o INDEX`"
        search = f'`bitsieve search INDEX "…" --candidates {effort}{_of_k(setup)}`'
    if held is None:
        return f"Make the index with {made} and search it with {search}."
    return (
        f"Make another index with {made} and search it with {search}. How hard to look in the one that is there, "
        f"{_calibrate(advice, setup)} finds out."
    )


def _embeds(advice: ModelAdvice) -> bool:
    """Whether there is a model for the texts and queries that the commands take."""
    return advice.model is not None and (advice.index is None or advice.index.embeds)


def _search(advice: ModelAdvice, setup: Setup, options: str = "") -> str:
    """The command that searches, "" where it could not embed a query."""
    if not _embeds(advice):
        return ""
    return f'`bitsieve search {_path(advice)} "…"{options and " "}{options}{_of_k(setup)}`'


def _calibrate(advice: ModelAdvice, setup: Setup) -> str:
    return f"`bitsieve calibrate {_path(advice)} --target-recall {setup.target_recall:g}{_of_k(setup)}`"


def _path(advice: ModelAdvice) -> str:
    return "INDEX" if advice.index is None else shlex.quote(advice.index.path)


def _of_k(setup: Setup) -> str:
    return "" if setup.k == USUAL_K else f" -k {setup.k}"
