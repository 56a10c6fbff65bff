"""The searches of `native/` in NumPy: what runs where there is no compiler, and what the kernels are tested against.

Everything up to the last rerank is whole numbers, and the last rerank adds in one fixed order; so the results are
those of the kernels, to the last bit.
"""

from .cells import search_cells
from .exact import search_rows
from .flat import search_flat

__all__ = ["search_cells", "search_flat", "search_rows"]
