"""Rows of segments, on their way to a new one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray, FloatArray, RowArray
from ..codec.blocks import row_blocks
from ..store.arrays import RowBlocks
from .ids import RowIds
from .view import SegmentView

WHOLE = -1
"""The stop of a passage that is all of its document's text, among others that are not."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Passages in the order of their documents' keys. keys: (n,).

    vectors: (n, d); or more, perhaps in a file, of which `kept`, (n_vectors,), tells which n are meant.
    places: (n, 2) int32, start and stop in the document's text, or None where each passage is all of it.
    ids: of the documents, n; None as long as they have none.
    """

    keys: RowArray
    vectors: NDArray[Any]
    places: NDArray[np.int32] | None = None
    kept: BoolArray | None = None
    ids: RowIds | None = None

    @classmethod
    def alive_in(cls, view: SegmentView) -> "Rows":
        """What is still there of a segment, all of it checked, since what is copied gets checksums of its own.

        Raises: DamageError.
        """
        view.stored.check_rows("vectors", slice(None))
        if view.live is None:
            return cls(view.keys, view.vectors, view.places, ids=view.ids)
        places = None if view.places is None else view.places[view.live]
        return cls(view.keys[view.live], view.vectors, places, view.live, view.ids.kept(view.live))

    def of_documents(self, ids: Sequence[str], keys: Sequence[int] | RowArray) -> "Rows":
        """The rows of documents, whose keys here are their places in `ids` and `keys`."""
        own = RowIds.of([ids[place] for place in self.keys])
        return replace(self, keys=np.asarray(keys, np.int64)[self.keys], ids=own)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The vectors, a block at a time."""
        for rows in row_blocks(len(self.vectors)):
            yield self.vectors[rows] if self.kept is None else self.vectors[rows][self.kept[rows]]

    def sample(self, rows: RowArray) -> FloatArray:
        """The vectors of some rows, (m, d) float32."""
        of_all = rows if self.kept is None else np.flatnonzero(self.kept)[rows]
        return self.vectors[of_all].astype(np.float32)


def joined_vectors(parts: Sequence[Rows], dtype: np.dtype[Any]) -> RowBlocks:
    """The vectors of parts, one after another, without all of them in memory."""
    n, d = sum(len(part.keys) for part in parts), parts[0].vectors.shape[1]
    blocks = (block.astype(dtype, copy=False) for part in parts for block in part.blocks())
    return RowBlocks((n, d), dtype, blocks)


def joined_places(parts: Sequence[Rows]) -> NDArray[np.int32] | None:
    """The places of parts, one after another, None where all passages are whole texts."""
    if all(part.places is None for part in parts):
        return None
    whole = np.array([[0, WHOLE]], np.int32)
    return np.concatenate(
        [np.repeat(whole, len(part.keys), axis=0) if part.places is None else part.places for part in parts]
    )


def sampled_vectors(parts: Sequence[Rows], most: int) -> FloatArray:
    """At most so many vectors of parts, drawn evenly, (m, d) float32."""
    samples, n, start = [], sum(len(part.keys) for part in parts), 0
    chosen = np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)
    for part in parts:
        stop = start + len(part.keys)
        samples.append(part.sample(chosen[(chosen >= start) & (chosen < stop)] - start))
        start = stop
    return np.concatenate(samples)
