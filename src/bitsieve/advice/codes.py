"""Ways through codes of an ITQ: two scorings, with and without corrections, with and without pivots.

For each true neighbour its rank in the filter's order is computed once; recall with any number of candidates is
then the share of ranks below it, since the exact rerank keeps a true neighbour that reaches it.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..arrays import CodeArray, FloatArray, RowArray
from ..codec import ITQ, PivotFilter
from ..codec.blocks import row_blocks
from ..codec.corrections import corrections, try_corrections
from ..errors import InputError
from ..evaluation.measures import neighbour_ranks, recall_at
from ..search import Cascade, hamming_distances
from ..search.cascade import Scoring
from ..search.kernels import asymmetric_scores
from .results import Kind, Way
from .setup import candidate_numbers
from .trial import Trial, search_by

N_PIVOTS = 8
BLOCK_QUERIES = 128

Key: TypeAlias = tuple[Kind, Scoring, bool]
"""Of a way: what it looks at, how it scores, whether with corrections."""


@dataclass(frozen=True, eq=False)
class Pivots:
    """Pivots with the threshold that leaves half of the loss allowed to the codes.

    passed: (q, n / 8) uint8, which vectors pass for which query, as packed bits.
    """

    filter: PivotFilter
    threshold: float
    reduction: float
    passed: CodeArray


def fit_pivots(trial: Trial) -> Pivots | None:
    """Choose pivots among the vectors, and a threshold on the choosing queries; None where too few vectors differ."""
    try:
        pivots = PivotFilter(N_PIVOTS, seed=trial.setup.seed).fit(trial.vectors)
    except InputError:
        return None
    of_queries = pivots.distances(trial.queries)
    of_true = pivots.distances_[trial.truth[trial.choosing]]
    gaps = np.abs(of_queries[trial.choosing, np.newaxis] - of_true).max(axis=2)
    share = (1 + trial.setup.target_recall) / 2
    threshold = (np.floor(100 * np.quantile(gaps, share, method="higher")) + 1) / 100
    passed = [
        np.packbits(pivots.passes(of_queries[block], pivots.distances_, threshold), axis=1)
        for block in row_blocks(len(of_queries), BLOCK_QUERIES)
    ]
    packed = np.concatenate(passed)
    reduction = 1 - int(np.bitwise_count(packed).sum()) / (len(packed) * len(trial.vectors))
    return Pivots(pivots, float(threshold), reduction, packed)


def fit_itq(trial: Trial, n_bits: int) -> ITQ:
    """The ITQ of so many bits."""
    return ITQ(n_bits, seed=trial.setup.seed).fit(trial.vectors)


def measure_codes(trial: Trial, itq: ITQ, pivots: Pivots | None) -> list[Way]:
    """Every way through the codes of one ITQ. Corrected ones are there where corrections pay, pivots where they are."""
    pays = try_corrections(itq, trial.vectors, seed=trial.setup.seed).pays
    efforts = candidate_numbers(trial.setup.k, len(trial.vectors))
    ranks = filter_ranks(trial, itq, pivots, corrected=pays)
    cascades = {
        corrected: Cascade(itq, pivots.filter if pivots else None, corrections=corrected).build(trial.vectors)
        for corrected in (False, True)[: 1 + pays]
    }
    measured = []
    for (kind, scoring, corrected), of_way in ranks.items():
        behind = pivots if kind == "pivots" else None
        facts = _facts(itq.n_bits, scoring, corrected=corrected, pivots=behind)
        search = search_by(
            cascades[corrected], trial.setup.k, kind, scoring, behind.threshold if behind else None
        )
        recalls = np.stack([recall_at(of_way, effort) for effort in efforts], axis=1)
        measured.append(trial.way(efforts, recalls, search, facts))
    return measured


def _facts(n_bits: int, scoring: Scoring, *, corrected: bool, pivots: Pivots | None) -> dict[str, Any]:
    """What there is to know of a way before it is measured."""
    facts: dict[str, Any] = {"n_bits": n_bits, "scoring": scoring, "corrections": corrected}
    n_bytes = n_bits // 8 + 2 * corrected
    if pivots is None:
        return {**facts, "kind": "codes", "n_bytes": n_bytes}
    n_bytes += pivots.filter.distances_.itemsize * N_PIVOTS
    of_pivots = {"pivot_threshold": pivots.threshold, "reduction": pivots.reduction}
    return {**facts, "kind": "pivots", "n_bytes": n_bytes, **of_pivots}


def filter_ranks(trial: Trial, itq: ITQ, pivots: Pivots | None, *, corrected: bool) -> dict[Key, RowArray]:
    """Of every way, the rank of each true neighbour among the candidates, (q, k); n where the pivots lose it."""
    codes, n = itq.transform(trial.vectors), len(trial.vectors)
    scales, offsets = corrections(itq, trial.vectors) if corrected else (None, None)
    parts: dict[Key, list[RowArray]] = {}
    for block in row_blocks(len(trial.queries), BLOCK_QUERIES):
        queries, truth = trial.queries[block], trial.truth[block]
        distances = hamming_distances(itq.transform(queries), codes)
        tables: dict[tuple[Scoring, bool], FloatArray] = {
            ("hamming", False): -distances.astype(np.float32),
            ("asymmetric", False): asymmetric_scores(itq.project(queries), codes),
        }
        if scales is not None and offsets is not None:
            tables["asymmetric", True] = tables["asymmetric", False] * scales + offsets
        for (scoring, with_corrections), scores in tables.items():
            ranks = neighbour_ranks(scores, truth)
            parts.setdefault(("codes", scoring, with_corrections), []).append(ranks)
            if scoring == "asymmetric" and pivots is not None:
                passed = np.unpackbits(pivots.passed[block], axis=1, count=n).view(np.bool_)
                ranks = neighbour_ranks(np.where(passed, scores, np.float32(-np.inf)), truth)
                ranks[~np.take_along_axis(passed, truth, axis=1)] = n
                parts.setdefault(("pivots", scoring, with_corrections), []).append(ranks)
    return {key: np.concatenate(blocks) for key, blocks in parts.items()}
