"""Advice with invented numbers, and vectors small enough to be measured in a test."""

from typing import Any

import numpy as np

from bitsieve.advice.front import pareto_front
from bitsieve.advice.results import Advice, Finalist, ModelAdvice, Point, Way
from bitsieve.advice.setup import Setup
from bitsieve.advice.words import is_worth, of_model, of_models
from bitsieve.arrays import FloatArray
from bitsieve.evaluation.measures import Estimate

SETUP = Setup()


def point(effort: float, recall: float, ms: float | None) -> Point:
    """A point whose lower bound is a hundredth below its recall."""
    return Point(
        effort, Estimate(recall, max(0.0, recall - 0.015), min(1.0, recall + 0.01)), recall - 0.01, ms
    )


def way(
    family: str = "asymmetric", n_bits: int = 192, ms: float = 0.12, effort: float = 140, **facts: Any
) -> Way:
    """A way with three points, the second of which is chosen and takes `ms`."""
    kind = family if family in ("pivots", "cells") else "codes"
    scoring = "hamming" if family == "hamming" else "asymmetric"
    corrected = bool(facts.get("corrections", False))
    n_bytes = n_bits // 8 + 2 * corrected + {"pivots": 32, "cells": 1}.get(kind, 0)
    points = [point(effort / 2, 0.91, ms * 0.8), point(effort, 0.965, ms), point(effort * 2, 0.992, ms * 1.6)]
    of_kind: dict[str, Any] = {
        "pivots": {"pivot_threshold": 0.17, "reduction": 0.4}, "cells": {"n_cells": 512},
    }.get(kind, {})  # fmt: skip
    own = {"corrections": False, "n_bytes": n_bytes, "points": points, "chosen": 1, **of_kind, **facts}
    return Way(kind=kind, n_bits=n_bits, scoring=scoring, **own)  # type: ignore[arg-type]


def finalist(place: int, of: Way, **facts: Any) -> Finalist:
    """The finalist of a way, at its chosen effort."""
    chosen = of.points[of.chosen or 0]
    return Finalist(
        **{"way": place, "effort": chosen.effort, "recall": 0.961, "low": 0.9517, "ms": chosen.ms, **facts}
    )


def model_advice(ways: list[Way], finalists: list[Finalist], best: int | None, **facts: Any) -> ModelAdvice:
    """Advice for 100,000 vectors of 384 dimensions through which exact search takes 6.5 ms."""
    given: dict[str, Any] = {
        "model": None, "index": None, "dimension": 384, "n_total": 101_000, "n_vectors": 100_000,
        "n_choosing": 500, "n_trying": 500, "confidence": 0.9875,
        "asked_by": "vectors of the file, held out", "digest": "ab" * 8, "embed_ms": None,
        "exact_ms": 6.5, "front": pareto_front(ways), "text": [], **facts,
    }  # fmt: skip
    worth = best is not None and is_worth(
        given["exact_ms"] - finalists[best].ms, given["n_vectors"], given["n_total"]
    )
    return ModelAdvice(ways=ways, finalists=finalists, best=best, worth=worth, **given)


def usual() -> ModelAdvice:
    """Codes win; pivots and Hamming distance cost more."""
    ways = [
        way(),
        way("hamming", 256, 0.23, 470),
        way("pivots", 192, 3.5, 180),
        way("asymmetric", 64, 0.34, 1_800),
    ]
    return model_advice(ways, [finalist(i, ways[i]) for i in range(3)], best=0)


def advice(*models: ModelAdvice, setup: Setup = SETUP, name: str = "articles.jsonl") -> Advice:
    """A whole advice, its words made."""
    from dataclasses import replace

    said = [replace(model, text=of_model(model, setup)) for model in models]
    machine = {"cpu": "a CPU", "bitsieve": "0", "kernels": "avx2"}
    return Advice(
        name, setup, said, of_models(said, setup), machine, "bitsieve advise articles.jsonl", {"64 bits": 1.5}
    )


def clustered(n: int, d: int = 64, seed: int = 0) -> FloatArray:
    """Unit vectors in clusters that lean to one side."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, d)) + 0.8
    rows = (centres[rng.integers(40, size=n)] + 0.8 * rng.standard_normal((n, d))).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
