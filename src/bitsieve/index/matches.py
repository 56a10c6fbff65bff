"""What a `where` matches in a segment, remembered: documents do not change, so only the first search has to ask."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray

REMEMBERED = 16
"""Conditions of a segment, at an eighth of a byte for each row."""


class Matches:
    """Which rows of a segment match conditions. Threads may share it."""

    def __init__(self, packed: dict[str, NDArray[np.uint8]] | None = None) -> None:
        # Replaced, never changed: so that nobody waits for a lock.
        self._packed = packed or {}

    def copy(self) -> "Matches":
        """For the same segment when documents are gone: what is found out there does not hold for before."""
        return Matches(self._packed)

    def mask(self, condition: str, n: int, find_out: Callable[[], BoolArray]) -> BoolArray:
        """(n,), which rows match. condition: that tells it from others. find_out: asked once."""
        packed = self._packed.get(condition)
        if packed is not None:
            return np.unpackbits(packed, count=n).view(np.bool_)
        mask = find_out()
        others = {name: bits for name, bits in self._packed.items() if name != condition}
        while len(others) >= REMEMBERED:
            del others[next(iter(others))]
        self._packed = {**others, condition: np.packbits(mask)}
        return mask
