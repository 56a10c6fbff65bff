"""Vectors to measure on: real ones, your own, or any number drawn from a mixture fitted to the real ones.

    bench                      100,000 MiniLM vectors of package summaries and 500 held-out queries (../shared/bench)
    wikipedia:bge-small        9,000 leads of English Wikipedia and 1,000 held out, embedded here or from the cache
    wikipedia:minilm
    FILE.npy                   (n, d) floating point; 500 rows drawn with a seed are held out as queries
    synthetic:N, synthetic:N:SEED    see `synthetic.py`

Rows are float32 of L2 norm 1.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthetic import FloatArray, Mixture

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT.parent / "shared" / "bench"
N_QUERIES = 500
LEAST_ROWS = 1000
MODELS = {"bge-small": "BAAI/bge-small-en-v1.5", "minilm": "sentence-transformers/all-MiniLM-L6-v2"}
BLOCK = 1 << 24


@dataclass(frozen=True, eq=False)
class Data:
    """name: as in file names. vectors (n, d), queries (q, d): held out. digest: sha256 of both, 16 digits."""

    name: str
    description: str
    vectors: FloatArray
    queries: FloatArray
    digest: str

    def named(self) -> dict[str, str]:
        """What tells these vectors from others, as results have it."""
        return {"name": self.name, "description": self.description, "digest": self.digest}


class DataError(SystemExit):
    """Vectors that cannot be had; the message says why and what to do."""


def load(name: str) -> Data:
    """Load vectors by name or path.

    Raises: DataError when they are not there, or the name is not known.
    """
    kind, _, rest = name.partition(":")
    if name == "bench":
        vectors, queries = load_bench()
        return _described(name, "real all-MiniLM-L6-v2 vectors of package summaries", vectors, queries)
    if kind == "wikipedia" and rest in MODELS:
        what = f"leads of English Wikipedia by {MODELS[rest]}"
        return _described(f"wikipedia-{rest}", what, *_wikipedia(MODELS[rest]))
    if kind == "synthetic":
        return _synthetic(rest)
    path = Path(name)
    if path.suffix == ".npy" and path.is_file():
        return _described(path.stem, f"rows of {path.name}", *_held_out(np.load(path, allow_pickle=False)))
    raise DataError(
        f"no vectors by the name {name!r}: expected bench, wikipedia:bge-small, wikipedia:minilm, synthetic:N "
        "or the path of a .npy file that is there"
    )


def load_bench() -> tuple[FloatArray, FloatArray]:
    """The 100,000 real vectors and their 500 queries.

    Raises: DataError when the folder is not beside this repository.
    """
    files = [BENCH / f"summaries_{part}_minilm_int8.npy" for part in ("100k", "queries_500")]
    if not all(file.is_file() for file in files):
        raise DataError(f"the real vectors are not in {BENCH}: take --data with your own .npy file")
    vectors, queries = (unit(np.load(file, allow_pickle=False).astype(np.float32)) for file in files)
    return vectors, queries


def unit(rows: NDArray[Any]) -> FloatArray:
    """Rows scaled to L2 norm 1, in float32."""
    floats: FloatArray = np.ascontiguousarray(rows, dtype=np.float32)
    return floats / np.linalg.norm(floats, axis=1, keepdims=True)


def exact(queries: FloatArray, vectors: FloatArray, k: int) -> NDArray[np.int64]:
    """(q, k) rows of highest cosine, block by block of vectors, so that memory stays bounded at any n."""
    best = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    step = max(k, BLOCK // len(queries))
    for start in range(0, len(vectors), step):
        scores = queries @ vectors[start : start + step].T
        top = np.argpartition(scores, -min(k, scores.shape[1]), axis=1)[:, -k:]
        best = np.hstack([best, np.take_along_axis(scores, top, axis=1)])
        rows = np.hstack([rows, top + start])
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        best, rows = np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return rows


def save(data: Data, truth: NDArray[np.int64], folder: Path) -> None:
    """Leave everything for the processes that measure."""
    for part, array in (("vectors", data.vectors), ("queries", data.queries), ("truth", truth)):
        np.save(folder / f"{part}.npy", array)
    (folder / "data.json").write_text(json.dumps(data.named()), encoding="utf-8")


def restore(folder: Path) -> tuple[Data, NDArray[np.int64]]:
    """What `save` left."""
    arrays = {part: np.load(folder / f"{part}.npy") for part in ("vectors", "queries", "truth")}
    texts = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    return Data(**texts, vectors=arrays["vectors"], queries=arrays["queries"]), arrays["truth"]


def _described(name: str, what: str, vectors: FloatArray, queries: FloatArray) -> Data:
    description = f"{len(vectors):,} × {vectors.shape[1]}: {what}; {len(queries):,} held-out queries"
    digest = hashlib.sha256(vectors.data)
    digest.update(np.ascontiguousarray(queries).data)
    return Data(name, description, vectors, queries, digest.hexdigest()[:16])


def _held_out(rows: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    if rows.ndim != 2 or len(rows) < LEAST_ROWS or not np.issubdtype(rows.dtype, np.number):
        raise DataError(
            f"the file holds {rows.dtype} of shape {rows.shape}: expected (n, d), n ≥ {LEAST_ROWS}"
        )
    asked = np.zeros(len(rows), bool)
    asked[np.random.default_rng(0).choice(len(rows), N_QUERIES, replace=False)] = True
    return unit(rows[~asked]), unit(rows[asked])


def _wikipedia(model: str) -> tuple[FloatArray, FloatArray]:
    """The held-out protocol of `bitsieve compare`: its corpus, its split, its cache of vectors."""
    from bitsieve import Encoder
    from bitsieve.evaluation.corpora import load_corpus
    from bitsieve.evaluation.protocol import Setup, choose

    corpus, encoder = load_corpus("wikipedia-en"), Encoder(model)
    sample = choose(Setup("held-out"), corpus, encoder, encoder.encode_passages(corpus.texts))
    return sample.vectors, sample.queries


def _synthetic(rest: str) -> Data:
    parts = rest.split(":")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts) or int(parts[0]) < LEAST_ROWS:
        raise DataError(f"synthetic:{rest} is not synthetic:N or synthetic:N:SEED with N ≥ {LEAST_ROWS}")
    n, seed = int(parts[0]), int(parts[1]) if len(parts) == 2 else 0
    mixture = Mixture().fit(load_bench()[0])
    vectors, queries = mixture.draw(n, seed=seed), mixture.draw(N_QUERIES, seed=seed, queries=True)
    name = f"synthetic-{n}" + (f"-seed{seed}" if seed else "")
    what = f"SYNTHETIC, drawn with seed {seed} from a mixture fitted to 100,000 real MiniLM vectors"
    return _described(name, what, vectors, queries)
