"""The index's codec: an ITQ fitted on its documents, and whether its codes carry corrections."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..codec import ITQ
from ..codec.corrections import try_corrections
from ..search.flat import ItqPanels
from ..store.arrays import ArraysRecord, StoredArrays
from .lazily import lazily

FIT_FROM = 4_096
"""Passages from which a codec is fitted. Exact search through fewer takes less than a millisecond."""


LEARNED_FROM = 100_000
"""Passages that a codec is fitted on, at most."""


@dataclass(frozen=True, eq=False)
class Codec:
    """A codec as the catalog numbers it. facts: what `learn` found out about the documents it was fitted on."""

    number: int
    itq: ITQ
    facts: Mapping[str, Any]

    @property
    def corrections(self) -> bool:
        """Whether a byte of scale and one of offset go with each code."""
        return bool(self.facts["corrections"])

    @lazily
    def panels(self) -> ItqPanels:
        """What queries are projected with, in all segments of this codec."""
        return ItqPanels.of(self.itq)


def learn(number: int, vectors: FloatArray, n_bits: int) -> Codec | None:
    """Fit a codec, and measure whether corrections pay; None where all vectors are equal.

    vectors: (n, d), n ≥ FIT_FROM.
    """
    if not np.ptp(vectors, axis=0).any():
        return None
    # By default, or moved to a model of fewer dimensions, the index may have been promised more bits than there can be.
    itq = ITQ(min(n_bits, vectors.shape[1] // 8 * 8)).fit(vectors)
    trial = try_corrections(itq, vectors)
    facts = {
        "parameters": itq.parts()[0],
        "corrections": trial.pays,
        "n_vectors": len(vectors),
        "mean_norm": float(np.linalg.norm(itq.mean_)),
        "explained_variance": float(itq.explained_variance_ratio_.sum()),
        "quantization_error": float(itq.quantization_error_[-1]),
    }
    return Codec(number, itq, facts)


def codec_arrays(codec: Codec) -> dict[str, NDArray[Any]]:
    """The arrays to keep of a codec."""
    return codec.itq.parts()[1]


def open_codec(root: Path, number: int, facts: Mapping[str, Any], record: ArraysRecord) -> Codec:
    """Read a codec, all of it checked. Raises: DamageError."""
    stored = StoredArrays.open(root, record)
    arrays = {name: stored.load(name) for name in stored.names}
    return Codec(number, ITQ.of(facts["parameters"], arrays), facts)
