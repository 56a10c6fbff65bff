"""What an experiment is asked for, and who is asked: the two protocols.

`notebook`: 100 texts of the corpus ask, each leaving itself out; the codec was fitted on them too. To the
letter, so that its figures can be compared. `held-out`: 1,000 texts that neither codec nor corpus have seen.
"""

from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, RowArray
from ..codec import ITQ, PivotFilter
from ..encoder import Encoder
from ..errors import InputError
from .corpora import Corpus

PROTOCOLS = ("notebook", "held-out")
K = 10
NOTEBOOK_QUERIES = 100
HELD_OUT_QUERIES = 1000


@dataclass(frozen=True)
class Setup:
    """What an experiment is asked for.

    Raises: InputError for a parameter out of range, before any text is read.
    """

    protocol: str = "notebook"
    n_bits: int = 128
    n_iter: int = 50
    n_pivots: int = 8
    seed: int = 42

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {self.protocol!r}")
        ITQ(self.n_bits, self.n_iter, seed=self.seed).check_parameters()
        PivotFilter(self.n_pivots, seed=self.seed).check_parameters()


@dataclass(frozen=True)
class Sample:
    """The vectors searched in, those searched with, and which row to leave out for each query."""

    vectors: FloatArray
    queries: FloatArray
    rows: RowArray
    """Rows of `vectors` in the corpus."""
    query_rows: RowArray
    """Rows of `queries` in the corpus."""
    exclude: RowArray | None


def check_size(setup: Setup, n_texts: int, dimension: int) -> None:
    """Raise InputError before anything is embedded when the corpus is too small for what is asked."""
    if setup.n_bits > dimension:
        raise InputError(
            f"n_bits is {setup.n_bits}, the model's vectors have d={dimension}: take {dimension // 8 * 8} at most"
        )
    least = max(setup.n_bits, setup.n_pivots, K + 2)
    if setup.protocol == "held-out":
        least = -(-least * 5 // 4)
    if n_texts < least:
        raise InputError(
            f"the corpus has {n_texts:,} texts; {setup.n_bits} bits and {setup.n_pivots} pivots with the "
            f"{setup.protocol} protocol need {least:,}: take more texts, or fewer bits or pivots"
        )


def choose(setup: Setup, corpus: Corpus, encoder: Encoder, vectors: FloatArray) -> Sample:
    """Split a corpus as the protocol says, with the notebook's own draws."""
    n = len(vectors)
    if setup.protocol == "notebook":
        rows = np.random.RandomState(setup.seed).choice(n, min(NOTEBOOK_QUERIES, n), replace=False)
        return Sample(vectors, vectors[rows], np.arange(n), rows, exclude=rows)
    n_queries = min(HELD_OUT_QUERIES, n // 5)
    order = np.random.RandomState(setup.seed).permutation(n)
    query_rows, rows = np.sort(order[:n_queries]), np.sort(order[n_queries:])
    if encoder.model.query_prefix == encoder.model.passage_prefix:
        queries = vectors[query_rows]
    else:
        queries = encoder.encode_queries([corpus.texts[row] for row in query_rows])
    return Sample(vectors[rows], queries, rows, query_rows, exclude=None)
