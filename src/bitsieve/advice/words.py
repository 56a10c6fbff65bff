"""What follows from the numbers, in plain words; the same numbers always give the same words."""

from collections.abc import Sequence

import numpy as np

from ..evaluation.report.numbers import megabytes, milliseconds, number, percent
from ..recall.bounds import lower_bound
from .having import compares_all, with_codes, without_choice
from .results import Finalist, ModelAdvice, Way
from .setup import Setup
from .tables import in_bytes, rounded_down, whole

WORTH_MS = 2.0
"""What codes have to save of a query's time to be worth their making: embedding the query takes several times that."""


def is_worth(saved_ms: float, n_vectors: int, n_total: int) -> bool:
    """Whether codes save enough of a query's time, with all vectors that there are: it grows as they do."""
    return saved_ms * n_total / n_vectors >= WORTH_MS


def of_model(advice: ModelAdvice, setup: Setup) -> list[str]:
    """The recommendation for the vectors of one model, a sentence or two each; `advice.text` is not read."""
    best = None if advice.best is None else advice.finalists[advice.best]
    said = [_verdict(advice, best, setup)]
    if best is None and compares_all(advice):
        said.append(without_choice(advice, setup))
    if best is not None and not advice.worth:
        said.append(f"If you take codes all the same, take {_which(advice, best)}: {milliseconds(best.ms)}.")
    if best is not None:
        said.append(_bound(advice, best, setup))
        said.append(with_codes(advice, best, setup))
        said.append(_memory(advice, best))
    said += _others(advice, best, setup)
    return [*said, *_caveats(advice)]


def of_models(models: Sequence[ModelAdvice], setup: Setup) -> list[str]:
    """What several models have beside each other; nothing of one alone."""
    if len(models) < 2:
        return []
    said = []
    for model in models:
        embedding = f"embedding a query {milliseconds(model.embed_ms)}" if model.embed_ms is not None else ""
        if _most_sure(model, setup) < setup.target_recall:
            searching = f"too few queries to be sure of {whole(setup.target_recall)}"
        elif model.best is None:
            searching = f"nothing within the budget surely reaches {whole(setup.target_recall)}"
        else:
            best = model.finalists[model.best]
            searching = f"{plan(model.ways[best.way], best.effort)}, searching {milliseconds(best.ms)}"
        said.append(f"{model.model}: {'; '.join(filter(None, [searching, embedding]))}.")
    said.append(
        "Recall is measured against each model's own exact search. It tells what codes lose, not which model finds the "
        "better texts."
    )
    return said


def plan(way: Way, effort: float | None) -> str:
    """A way and how hard it looks, without its scoring: "192 bits, 140 candidates"."""
    if way.kind == "cells":
        margin = "" if effort is None else f", probe margin {effort:g}"
        return f"{way.n_cells:,} cells with codes of {way.n_bits} bits{margin}"
    words = f"{way.n_bits} bits" + (" with corrections" if way.corrections else "")
    if way.kind == "pivots":
        words += f" after pivots at {way.pivot_threshold:.2f}"
    if effort is not None:
        words += f", {effort:,.0f} candidates"
    return words


def _verdict(advice: ModelAdvice, best: Finalist | None, setup: Setup) -> str:
    exact = f"exact search through {advice.n_vectors:,} vectors takes {milliseconds(advice.exact_ms)}"
    if best is None:
        target = whole(setup.target_recall)
        most = _most_sure(advice, setup)
        if most < setup.target_recall:
            queries = "query" if advice.n_choosing == 1 else "queries"
            capped = advice.n_choosing + advice.n_trying == setup.n_queries
            return (
                f"{advice.n_choosing:,} {queries} to choose and {advice.n_trying:,} to try are too few to be sure of "
                f"{target}: had they found everything, no more than {percent(rounded_down(most))} would be sure. "
                f"{'Ask more of them: --n-queries' if capped else 'Give more with --queries'}. "
                f"Without codes, {exact} a query."
            )
        return (
            f"Within {in_bytes(setup.budget_bytes)} a vector no codes keep {target} recall@{setup.k} for sure"
            f"{_beyond(advice, setup)}. Without codes, {exact} a query."
        )
    if advice.worth:
        return f"Take {_which(advice, best)}: {milliseconds(best.ms)} a query, where {exact}."
    saved = advice.exact_ms - best.ms
    would = f"codes would save {milliseconds(saved)} of it" if saved > 0 else "no codes are faster"
    embedding = (
        f"; embedding the query takes {milliseconds(advice.embed_ms)}" if advice.embed_ms is not None else ""
    )
    return f"Codes are not worth it here: {exact} a query, and {would}{embedding}. {without_choice(advice, setup)}"


def _most_sure(advice: ModelAdvice, setup: Setup) -> float:
    """The recall that both halves would be sure of, had they found everything."""
    halves = (advice.n_choosing, setup.confidence), (advice.n_trying, advice.confidence)
    return min(float(lower_bound(np.ones(n), confidence)) for n, confidence in halves)


def _which(advice: ModelAdvice, best: Finalist) -> str:
    """What to take."""
    way = advice.ways[best.way]
    scoring = " by Hamming distance" if way.scoring == "hamming" else ""
    return f"{plan(way, best.effort)}{scoring}, {in_bytes(way.n_bytes)} a vector"


def _beyond(advice: ModelAdvice, setup: Setup) -> str:
    """What would do if it might be larger."""
    larger = [way for way in advice.ways if way.n_bytes > setup.budget_bytes and way.chosen is not None]
    if not larger:
        return ""
    way = min(larger, key=lambda way: (way.n_bytes, way.chosen_ms or 0))
    return f"; {plan(way, way.points[way.chosen or 0].effort)} do in {in_bytes(way.n_bytes)} (--budget-bytes)"


def _bound(advice: ModelAdvice, best: Finalist, setup: Setup) -> str:
    return (
        f"Recall@{setup.k} was {percent(best.recall)} on {advice.n_trying:,} queries that had no part in this choice; "
        f"with {whole(setup.confidence)} confidence it is at least {whole(setup.target_recall)}."
    )


def _memory(advice: ModelAdvice, best: Finalist) -> str:
    n, copies = advice.n_vectors, advice.rerank_bytes
    codes = n * advice.ways[best.way].n_bytes
    size = megabytes(codes) if codes >= 1e6 else f"{number(codes / 1000)} kB"
    return (
        f"What filters takes {size} of memory. What candidates are compared with, a copy in "
        f"bytes and the float32 vectors, is {megabytes(n * copies)} more ({copies:,} bytes a vector), and may stay on "
        "disk."
    )


def _others(advice: ModelAdvice, best: Finalist | None, setup: Setup) -> list[str]:
    """What the other families cost, and the fewest bytes that do."""
    if _most_sure(advice, setup) < setup.target_recall:
        return []
    said = []
    ways = advice.ways
    by_family = {ways[finalist.way].family: finalist for finalist in advice.finalists}
    taken = None if best is None else ways[best.way].family
    plain = "Without cells" if taken == "cells" else "Asymmetric"
    for family, name in {
        "asymmetric": plain,
        "hamming": "By Hamming distance",
        "cells": "With cells",
    }.items():
        other = by_family.get(family)
        if family == taken or (family == "cells" and not any(way.kind == "cells" for way in ways)):
            continue
        if other is None or other.effort is None:
            said.append(f"{name}: {_missed(advice, family, setup)}.")
        else:
            way = ways[other.way]
            said.append(
                f"{name}: {plan(way, other.effort)}, {in_bytes(way.n_bytes)}, {milliseconds(other.ms)}."
            )
    said.append(_pivots(advice, by_family, setup))
    if best is not None:
        least = [way for way in ways if way.chosen is not None and way.n_bytes < ways[best.way].n_bytes]
        if least:
            way = min(least, key=lambda way: (way.n_bytes, way.chosen_ms or 0))
            effort = way.points[way.chosen or 0].effort
            said.append(
                f"Fewest bytes: {plan(way, effort)}, {in_bytes(way.n_bytes)}, {milliseconds(way.chosen_ms)}."
            )
    return [sentence for sentence in said if sentence]


def _missed(advice: ModelAdvice, family: str, setup: Setup) -> str:
    """Why a family does not keep the target: it finds too little, or enough but not for sure."""
    target = whole(setup.target_recall)
    most = max(
        (
            point.recall.value
            for way in advice.ways
            if way.family == family and way.n_bytes <= setup.budget_bytes
            for point in way.points
        ),
        default=0.0,
    )
    if most < setup.target_recall:
        return f"{target} is out of reach within the budget"
    n = advice.n_choosing + advice.n_trying
    return (
        f"{percent(most)} was found within the budget, but {n:,} queries are too few to be sure of {target}"
    )


def _pivots(advice: ModelAdvice, by_family: dict[str, Finalist], setup: Setup) -> str:
    pivots, codes = by_family.get("pivots"), by_family.get("asymmetric")
    if codes is None:
        return ""
    if not any(way.kind == "pivots" for way in advice.ways):
        return "Pivots were not tried: too few of the vectors differ to choose any."
    if pivots is None or pivots.effort is None:
        return f"Pivots lose too much: behind them codes do not keep {whole(setup.target_recall)}."
    way = advice.ways[pivots.way]
    extra = way.n_bytes - advice.ways[codes.way].n_bytes
    did = f"at {way.pivot_threshold:.2f} they remove {percent(way.reduction, 0)} of the corpus"
    times = f"a query takes {milliseconds(pivots.ms)} with them and {milliseconds(codes.ms)} without"
    if pivots.ms >= codes.ms:
        return f"Pivots cost more than they save here: {did}, and {times}."
    over = f", beyond the budget of {setup.budget_bytes}" if way.n_bytes > setup.budget_bytes else ""
    return f"Pivots save time here: {did}, and {times}. They take {extra} bytes a vector more{over}."


def _caveats(advice: ModelAdvice) -> list[str]:
    said = []
    if advice.n_total > advice.n_vectors + advice.n_choosing + advice.n_trying:
        times = advice.n_total / advice.n_vectors
        said.append(
            f"Measured on {advice.n_vectors:,} of {advice.n_total:,} vectors, drawn at random. Through all, exact "
            f"search and scans of codes take about {number(times, 1 if times < 10 else 0)} times as long, cells less, "
            "and the same recall takes more candidates: --rows measures more of them."
        )
    if "held out" in advice.asked_by:
        said.append(f"Who asked: {advice.asked_by}. Real queries may be harder: give yours with --queries.")
    return said
