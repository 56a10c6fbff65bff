"""What a calibration found out, and the plan it chooses for a target."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, InputError, RecallWarning, warn_caller
from .bounds import lower_bound
from .choice import passed


@dataclass(frozen=True)
class Plan:
    """How hard to look; see `Cascade.search`. With `exact` every vector is compared, and the rest says nothing."""

    exact: bool = False
    n_candidates: int = 500
    n_probes: int | None = None
    probe_margin: float | None = None
    scoring: Literal["asymmetric", "hamming"] = "asymmetric"
    pivot_threshold: float | None = None
    rerank_margin: float = 2.0


@dataclass(frozen=True)
class Point:
    """A plan, measured.

    recall: mean over the certifying queries. lower: what the recall over all such queries is at least, with the
    calibration's confidence and of this plan by itself; where it was chosen for a target, the target is what is
    certain. seconds: for a query, in the quickest of some batches of a hundred, on one thread of the
    machine that calibrated.
    """

    plan: Plan
    recall: float
    lower: float
    seconds: float


@dataclass(frozen=True)
class Calibration:
    """Recall and time of plans, measured on one set of queries.

    k: of recall@k. confidence: of a choice by `plan_for`.
    points: in the order in which they are tested, dearest and safest first; the first is exact search.
    n_queries: that certified, 0 where there is only exact search.
    sampled: whether these were documents, each left out of its own answer.
    queries_digest: of their vectors, 16 digits of a sha256. n: vectors that were searched.
    seconds: that it took. seed: what queries were drawn with. date: when it ended, ISO 8601 in UTC.
    """

    k: int
    confidence: float
    points: tuple[Point, ...]
    n_queries: int
    sampled: bool
    queries_digest: str
    n: int
    seconds: float
    seed: int
    date: str

    def plan_for(self, target_recall: float) -> Point:
        """The cheapest plan that is certified to reach a recall, exact search if there is no other.

        target_recall: above 0, at most 1. The confidence is that of one target, whichever it is.
        Raises: InputError.
        """
        return cheapest(self.points, check_target(target_recall))

    @property
    def highest(self) -> float:
        """The highest recall that a plan other than exact search is certified for; 1 where there is no other."""
        return self.points[1].lower if len(self.points) > 1 else 1.0

    def reaches(self, target_recall: float) -> bool:
        """Whether a plan other than exact search is certified for the target, if there is any cheaper one at all."""
        return self.highest >= check_target(target_recall)

    def warn_unless_reached(self, target_recall: float) -> None:
        """Warn where `plan_for` has only exact search to offer, though it is not the cheapest plan."""
        if target_recall == 1 or self.reaches(target_recall):
            return
        exact, safest = self.points[:2]
        warn_caller(
            f"recall@{self.k} of {target_recall:g} is only certain by exact search, which takes "
            f"{exact.seconds / safest.seconds:.1f} times as long as the best plan: that found {safest.recall:.4f}, "
            f"and {self.n_queries:,} queries make {safest.lower:.4f} of it certain at {self.confidence:.0%}. "
            "Calibrate with more queries, or ask for less",
            RecallWarning,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it; see `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Calibration":
        """What `to_dict` made. Raises: FormatError for anything else."""
        try:
            points = tuple(Point(**{**point, "plan": Plan(**point["plan"])}) for point in fields["points"])
            calibration = cls(**{**fields, "points": points})
        except (TypeError, KeyError) as error:
            raise FormatError(
                f"this is not a calibration that this bitsieve knows ({error}): calibrate again"
            ) from None
        if not points or not points[0].plan.exact:
            raise FormatError(
                "a calibration begins with exact search, and this one does not: calibrate again"
            )
        return calibration


def certified(
    of_exact: float,
    plans: Sequence[Plan],
    recalls: NDArray[np.float64],
    seconds: NDArray[np.float64],
    confidence: float,
    planned: int | None = None,
) -> tuple[Point, ...]:
    """Exact search, and the plans of a path with what certifying queries make certain of them.

    of_exact: seconds for a query. recalls: (q, p). seconds: (p,). planned: queries there were to be; None is q.
    """
    points = [Point(Plan(exact=True), 1.0, 1.0, of_exact)]
    if plans:
        lower = lower_bound(recalls, confidence, planned=planned)
        points += map(Point, plans, recalls.mean(axis=0).tolist(), lower.tolist(), seconds.tolist())
    return tuple(points)


def cheapest(points: Sequence[Point], target_recall: float) -> Point:
    """The cheapest of the points that are passed on the way down the path to a target."""
    n_passed = passed([point.lower for point in points], target_recall)
    return min(points[:n_passed], key=lambda point: point.seconds)


def check_target(target_recall: Any) -> float:
    """Return a target recall, above 0 and at most 1, or raise InputError."""
    number = isinstance(target_recall, (int, float, np.floating)) and not isinstance(target_recall, bool)
    if not number or not 0 < target_recall <= 1:
        raise InputError(f"target_recall must be above 0 and at most 1, such as 0.95, got {target_recall!r}")
    return float(target_recall)
