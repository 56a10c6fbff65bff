"""Vectors → codes: ITQ hashes them to bits, Cells hash what is left beside a centroid, pivots
bound how far vectors can be from a query."""

from .cells import Cells
from .itq import ITQ
from .pivots import PivotFilter

__all__ = ["ITQ", "Cells", "PivotFilter"]
