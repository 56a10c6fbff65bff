"""Vectors → codes: ITQ hashes them to bits, pivots bound how far they can be from a query."""

from .itq import ITQ
from .pivots import PivotFilter

__all__ = ["ITQ", "PivotFilter"]
