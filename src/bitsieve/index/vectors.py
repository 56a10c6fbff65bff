"""The vectors of an index, for whoever measures on them."""

from typing import NamedTuple

import apsw
import numpy as np

from ..arrays import FloatArray
from ..store.facts import fact
from .index import Index
from .rows import Rows
from .snapshot import Snapshot


class LiveVectors(NamedTuple):
    """vectors: (m, d) float32, in the order of their documents. n_passages: that there are, at `generation`."""

    vectors: FloatArray
    n_passages: int
    generation: int


def live_vectors(index: Index, most: int | None = None, *, seed: int = 42) -> LiveVectors:
    """The vectors of all passages that are there, or so many drawn at random, all of one generation.

    Raises: DamageError; DiskError.
    """

    def read(connection: apsw.Connection, snapshot: Snapshot) -> LiveVectors:
        n, d = snapshot.n_passages, fact(connection, "model")["dimension"]
        chosen = np.arange(n)
        if most is not None and n > most:
            chosen = np.sort(np.random.default_rng(seed).choice(n, most, replace=False, shuffle=False))
        parts, start = [np.empty((0, d), np.float32)], 0
        for view in snapshot.views:
            first, last = np.searchsorted(chosen, [start, start + view.n_live])
            parts.append(Rows.alive_in(view).sample(chosen[first:last] - start))
            start += view.n_live
        return LiveVectors(np.concatenate(parts), n, snapshot.generation)

    return index._reader.read(read)
