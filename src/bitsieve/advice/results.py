"""The shape of an advice: what was measured of each way to search, and what follows. JSON keeps all of it.

Shares are 0 to 1, times are milliseconds a query unless the name says seconds, sizes are bytes a vector.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..evaluation.measures import Estimate
from ..search.layout import ALIGNMENT, padded
from .setup import Setup

FORMAT = "bitsieve-advice"
FORMAT_VERSION = 1

Kind = Literal["codes", "pivots", "cells"]
"""What a query looks at: every code, the codes of what the pivots pass, or the codes of some cells."""


@dataclass(frozen=True)
class Point:
    """How hard a way looks, and what that gives.

    effort: n_candidates, or with cells the probe margin. recall: of all queries, with its interval.
    low: lower bound of the recall on the queries that choose. ms: None where it was not timed.
    """

    effort: float
    recall: Estimate
    low: float
    ms: float | None


@dataclass(frozen=True)
class Way:
    """A way to search, and its points from the least effort to the most.

    n_bytes: what must be in memory of a vector to filter: code, corrections, scale, distances to pivots.
    chosen: place of the least effort from which on each point's `low` reaches the target; None where there is none.
    reduction: share of the corpus that the pivots remove.
    """

    kind: Kind
    n_bits: int
    scoring: Literal["asymmetric", "hamming"]
    corrections: bool
    n_bytes: int
    points: list[Point]
    chosen: int | None
    pivot_threshold: float | None = None
    reduction: float | None = None
    n_cells: int | None = None

    @property
    def family(self) -> str:
        """What it is compared as: asymmetric, hamming, pivots or cells."""
        return self.scoring if self.kind == "codes" else self.kind

    @property
    def chosen_ms(self) -> float | None:
        """What a query takes at the chosen effort."""
        return None if self.chosen is None else self.points[self.chosen].ms


@dataclass(frozen=True)
class Finalist:
    """The fastest way of a family, tried on the queries that had no part in choosing it.

    way: its place. effort: the least for which it and all greater ones tried kept the target; None where none did.
    recall: mean of those queries. low: its lower bound, taken by itself; what is certain, with the confidence that all
    finalists share, is that recall reaches the target. ms: timed in turn with the others and with exact search.
    Where nothing was kept, recall and low are of the greatest effort tried, ms of the chosen one.
    """

    way: int
    effort: float | None
    recall: float
    low: float
    ms: float


@dataclass(frozen=True)
class Held:
    """The index whose vectors were measured.

    path: of its folder. n_bits: of its codes, None where it has none. embeds: whether its model embeds texts.
    """

    path: str
    n_bits: int | None
    embeds: bool


@dataclass(frozen=True)
class ModelAdvice:
    """What was measured with the vectors of one model, and what follows.

    model: None where the vectors came without. index: None where they came from elsewhere.
    n_total: vectors there are, n_vectors of which were searched.
    n_choosing, n_trying: queries. confidence: of each finalist by itself. asked_by: who asked, in words.
    digest: see `Sample`. embed_ms: of one query. exact_ms: of exact search, in turn with the finalists.
    front: places of a way and of its point that no other beats.
    best: place of the finalist to take, None where none kept the target within the budget.
    worth: whether it saves enough beside exact search. text: all that in plain words.
    """

    model: str | None
    index: Held | None
    dimension: int
    n_total: int
    n_vectors: int
    n_choosing: int
    n_trying: int
    confidence: float
    asked_by: str
    digest: str
    embed_ms: float | None
    exact_ms: float
    ways: list[Way]
    front: list[tuple[int, int]]
    finalists: list[Finalist]
    best: int | None
    worth: bool
    text: list[str]

    @property
    def rerank_bytes(self) -> int:
        """Of a vector, what candidates are compared with: a copy in bytes with its step, and the float32 one."""
        return padded(self.dimension, ALIGNMENT) + 4 + 4 * self.dimension


@dataclass(frozen=True)
class Advice:
    """All of an advice. name: of the corpus, index or file. text: what follows from several models."""

    name: str
    setup: Setup
    models: list[ModelAdvice]
    text: list[str]
    machine: dict[str, Any]
    command: str
    seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The advice as JSON keeps it."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
