"""bitsieve with every vector in two cells, as SOAR does: 64 bytes a vector, for the highest recall."""

from .base import Peer
from .bitsieve_cells import configurations as cells


def configurations(n: int, d: int) -> list[Peer]:
    return cells(n, d, spill=True)
