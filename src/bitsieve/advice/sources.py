"""Where vectors come from: texts through a model, a file of vectors, an index; and who asks them.

Who asks is held out: drawn with the seed and left out of what is searched, unless queries of your own are given.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, RowArray
from ..errors import CorpusError, InputError
from ..evaluation.corpora import Corpus
from ..index import Index
from ..index.vectors import live_vectors
from ..store.sqlite_errors import CATALOG
from .results import Held
from .setup import LEAST_VECTORS, Setup, candidate_numbers

if TYPE_CHECKING:
    from ..encoder import Encoder
    from ..encoder.encoder import Progress

HELD_OUT = 5
"""At most one vector in so many asks."""

LEAST_QUERIES = 20
"""So many are held out of the smallest corpus."""

OWN = "queries of your own"
TIMED_TEXTS = 7


@dataclass(frozen=True, eq=False)
class Sample:
    """What is searched and who asks, by one model.

    vectors: (n, d), queries: (q, d), both float32 of norm 1, the queries in random order. n_total: vectors there are.
    asked_by: in words. embed_ms: what embedding one query takes, where a model was there.
    index: that the vectors came from.
    """

    model: str | None
    vectors: FloatArray
    queries: FloatArray
    n_total: int
    asked_by: str
    embed_ms: float | None = None
    index: Held | None = None

    @property
    def digest(self) -> str:
        """Of vectors and queries: the first 16 digits of their sha256."""
        digest = hashlib.sha256(self.vectors.data)
        digest.update(self.queries.data)
        return digest.hexdigest()[:16]


def is_index(path: Path) -> bool:
    """Whether a path is the folder of an index."""
    return (path / CATALOG).is_file()


def read_queries(path: Path) -> "list[str] | FloatArray":
    """Queries of your own: vectors from a .npy file, or texts, one a line, from any other.

    Raises: CorpusError when the file cannot be read or holds no query.
    """
    queries: list[str] | FloatArray
    if path.suffix == ".npy":
        queries = read_vectors(path)
    else:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"{path} cannot be read as queries, one a line, in UTF-8: {error}") from error
        queries = [line.strip() for line in lines if line.strip()]
    if len(queries) < LEAST_QUERIES:
        raise CorpusError(f"{path} holds {len(queries)} queries: need at least {LEAST_QUERIES}, better 500")
    return queries


def read_vectors(path: Path, rows: RowArray | None = None) -> FloatArray:
    """Vectors of a .npy file, scaled to norm 1. rows: those wanted; None is all.

    Raises: CorpusError when the file cannot be read, or is not (n, d) of numbers; InputError for NaN, Inf, or zeros.
    """
    array = _open_npy(path)
    vectors = np.array(array if rows is None else array[rows], dtype=np.float32, order="C")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(norms) & (norms > 0)).all():
        row = int(np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))[0])
        row = row if rows is None else int(rows[row])
        raise InputError(
            f"{path} holds NaN, Inf or a vector of zeros, first in row {row}: leave such rows out"
        )
    vectors /= norms
    return vectors


def sample_file(path: Path, setup: Setup, queries: "list[str] | FloatArray | None") -> Sample:
    """A sample of a .npy file of vectors. Raises: as `read_vectors`; InputError for queries that are texts."""
    if isinstance(queries, list):
        raise InputError(
            f"{path} says no model that could embed the queries: give them as vectors, in a .npy file"
        )
    n = len(_open_npy(path))
    rows, asking = _draw(n, setup, held_out=queries is None)
    if queries is None:
        return Sample(
            None, read_vectors(path, rows), read_vectors(path, asking), n, "vectors of the file, held out"
        )
    return Sample(None, read_vectors(path, rows), _capped(queries, setup), n, OWN)


def sample_corpus(
    corpus: Corpus,
    encoder: "Encoder",
    setup: Setup,
    queries: "list[str] | FloatArray | None",
    progress: "Progress | None",
) -> Sample:
    """A sample of a corpus's texts through a model; only what is drawn is embedded, or comes from the cache."""
    rows, asking = _draw(len(corpus), setup, held_out=queries is None)
    model, n = encoder.model, len(corpus)
    own = queries is not None
    texts = [corpus.texts[row] for row in asking] if queries is None else _capped(queries, setup)
    # Without prefixes a held-out text is embedded once and kept, whether it is searched or asks.
    together = not own and model.query_prefix == model.passage_prefix
    vectors = encoder.encode_passages(
        [corpus.texts[row] for row in rows] + (texts if together else []), progress=progress
    )
    if together:
        asked, vectors = vectors[len(rows) :], vectors[: len(rows)]
    else:
        asked = texts if isinstance(texts, np.ndarray) else encoder.encode_queries(texts)
    embed_ms = None if isinstance(texts, np.ndarray) else _embed_ms(encoder, texts)
    return Sample(model.name, vectors, asked, n, OWN if own else "texts of the corpus, held out", embed_ms)


def sample_index(index: Index, setup: Setup, queries: "list[str] | FloatArray | None") -> Sample:
    """A sample of the vectors that an index holds."""
    live = live_vectors(index, setup.rows + setup.n_queries, seed=setup.seed)
    rows, asking = _draw(len(live.vectors), setup, held_out=queries is None)
    asked = live.vectors[asking] if queries is None else _capped(queries, setup)
    embed_ms = None
    if isinstance(asked, list):
        embed_ms = _embed_ms(index.encoder, asked)
        asked = index.encoder.encode_queries(asked)
    who = "passages of the index, held out" if queries is None else OWN
    stats = index.stats()
    held = Held(str(index.path), stats.n_bits, index.embeds)
    return Sample(stats.model, live.vectors[rows], asked, live.n_passages, who, embed_ms, held)


def _draw(n: int, setup: Setup, *, held_out: bool) -> tuple[RowArray, RowArray]:
    """Rows to search, in order, and rows that ask, in random order."""
    if n < LEAST_VECTORS:
        raise InputError(
            f"{n} vectors are too few to measure on, need {LEAST_VECTORS}: exact search through so few takes no time"
        )
    order = np.random.default_rng(setup.seed).permutation(n)
    n_asking = min(setup.n_queries, n // HELD_OUT) if held_out else 0
    rows = np.sort(order[n_asking : n_asking + setup.rows])
    candidate_numbers(setup.k, len(rows))  # a k that is too large is refused before texts are embedded
    return rows, order[:n_asking]


def _capped(queries: Any, setup: Setup) -> Any:
    """At most so many queries, in random order."""
    order = np.random.default_rng(setup.seed).permutation(len(queries))[: setup.n_queries]
    return queries[order] if isinstance(queries, np.ndarray) else [queries[i] for i in order]


def _open_npy(path: Path) -> NDArray[Any]:
    try:
        # np.load would open a zip as well, and raises EOFError where there is nothing.
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} is no readable .npy file: {error}") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise CorpusError(f"{path} holds {array.dtype} of shape {array.shape}: expected numbers, (n, d)")
    return array


def _embed_ms(encoder: "Encoder", texts: list[str]) -> float:
    """What embedding one query takes, the median of a few, past the cache."""
    times = []
    for text in texts[:TIMED_TEXTS]:
        started = time.perf_counter()
        encoder.encode_queries([text])
        times.append(1000 * (time.perf_counter() - started))
    return median(times)
