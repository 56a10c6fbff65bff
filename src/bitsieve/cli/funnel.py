"""How a search went, in bars and words: what `bitsieve explain` draws."""

from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ..index.hits import Hits, Step
    from ..recall import Plan

BAR = 28
"""Characters of the widest bar of a funnel."""


def print_funnel(console: "Console", hits: "Hits", k: int, target_recall: float | None) -> None:
    """Print what a search did: a bar for what came to each stage, its time, and what was lost where.

    target_recall: that it was asked for, which is certain of the plan chosen; the plan's own bound is not.
    """
    from .console import print_plain

    stages = [step for step in hits.steps if step.name not in ("calibrate", "embed")]
    most = max((step.n_in for step in stages), default=0)
    lines = [(stages[0].n_in if stages else 0, "passages", "")]
    lines += [(step.n_out, _kept_by(step), f"{1e3 * step.seconds:8.3f} ms") for step in stages]
    for n, name, took in lines:
        bar = "█" * _width(n, most)
        print_plain(console, f"{name:>14} {n:>11,}  {bar:<{BAR}}{took}", soft_wrap=True)
    print_plain(console, f"{'':>28}(bars on a logarithmic scale)")
    for step in hits.steps:
        if step not in stages:
            print_plain(console, f"{step.name} took {1e3 * step.seconds:.1f} ms besides")
    if hits.chosen is not None:
        chosen = hits.chosen
        certified = (
            "" if chosen.plan.exact else f", certified for {target_recall:g} ({chosen.recall:.4f} measured)"
        )
        print_plain(console, in_words(chosen.plan) + certified)
    if not hits.lost:
        print_plain(console, f"all of the {min(k, len(hits))} nearest were found")
    for one in hits.lost:
        print_plain(console, f"lost at {one.stage}: #{one.rank} {one.id}  {one.score:.3f}")


def _kept_by(step: "Step") -> str:
    kept = {
        "cells": "in cells",
        "codes": "candidates",
        "rerank": "nearest",
        "filter": "match",
        "documents": "hits",
    }
    return kept.get(step.name, step.name)


def _width(n: int, most: int) -> int:
    """Of a bar, by the logarithm: stages differ by powers of ten."""
    return round(BAR * log(n + 1) / log(most + 1)) if most else 0


def in_words(plan: "Plan") -> str:
    """What a plan does."""
    if plan.exact:
        return "compare every vector"
    cells = ""
    if plan.n_probes is not None:
        cells = f"{plan.n_probes:,} cells, "
    elif plan.probe_margin is not None:
        cells = f"cells within {plan.probe_margin:.3f}, "
    return f"{cells}{plan.n_candidates:,} candidates"
