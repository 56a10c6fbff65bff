"""Recall that was measured, with a bound that holds: which plan of a search reaches a target."""

from .bounds import ConfidenceSequence, interval, lower_bound, upper_bound
from .calibration import Progress, calibrate
from .choice import front, passed
from .measuring import Sieve
from .record import Calibration, Plan, Point
from .truth import nearest, recalls, without_own

__all__ = [
    "Calibration",
    "ConfidenceSequence",
    "Plan",
    "Point",
    "Progress",
    "Sieve",
    "calibrate",
    "front",
    "interval",
    "lower_bound",
    "nearest",
    "passed",
    "recalls",
    "upper_bound",
    "without_own",
]
