"""Fit ITQ on 100,000 vectors and hash a million, ours and FAISS's in turn: seconds, and quantization error.

    .venv/bin/python benchmarks/itq.py                   one thread, 5 rounds, about 2 minutes
    .venv/bin/python benchmarks/itq.py --threads 2 --save

FAISS's ITQTransform trains on 32,768 rows unless told otherwise, and scales rows to norm 1 after centring; both
ways are measured. The million is the data encoded over and over. Errors are means of (B − V R)² over entries, of
the rows fitted on and of held-out queries: of centred rows (what ours lowers), of centred rows scaled to norm 1
(what FAISS's lowers), and what is lost when a scale for each row is free: 1 − (Σ|v|)² / (n_bits Σv²).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bitsieve import ITQ
from bitsieve.evaluation.machine import describe_machine
from commit import commit, how_made, write
from machine import begin_with, pin
from vectors import FloatArray, load

RESULT = Path(__file__).parent / "results" / "itq.json"
FIT_ROWS, ENCODED_ROWS, FAISS_BLOCK = 100_000, 1_000_000, 8_192
"""In blocks of 8,192 rows FAISS encodes several times faster than all at once."""


class Faiss:
    """FAISS's ITQ behind `fit` and `transform`; rows_per_dimension None leaves its own 10."""

    def __init__(self, n_bits: int, rows_per_dimension: int | None, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.faiss, self.n_bits, self.rows_per_dimension = faiss, n_bits, rows_per_dimension

    def fit(self, vectors: FloatArray) -> None:
        self.itq = self.faiss.ITQTransform(vectors.shape[1], self.n_bits, True)
        if self.rows_per_dimension:
            self.itq.max_train_per_dim = self.rows_per_dimension
        self.itq.train(vectors)

    def transform(self, vectors: FloatArray) -> np.ndarray:
        codes = np.empty((len(vectors), self.n_bits // 8), np.uint8)
        pointer = self.faiss.swig_ptr
        for start in range(0, len(vectors), FAISS_BLOCK):
            part = codes[start : start + FAISS_BLOCK]
            projections = self.itq.apply(vectors[start : start + FAISS_BLOCK])
            self.faiss.fvecs2bitvecs(pointer(projections), pointer(part), self.n_bits, len(part))
        return codes

    def matrices(self) -> tuple[FloatArray, FloatArray]:
        """The mean (d,), and components times rotation (d, n_bits)."""
        linear = self.faiss.vector_to_array(self.itq.pca_then_itq.A).reshape(self.n_bits, -1)
        return self.faiss.vector_to_array(self.itq.mean), linear.T


class Ours:
    """bitsieve's ITQ as it comes."""

    def __init__(self, n_bits: int) -> None:
        self.itq = ITQ(n_bits)

    def fit(self, vectors: FloatArray) -> None:
        self.itq.fit(vectors)

    def transform(self, vectors: FloatArray) -> np.ndarray:
        return self.itq.transform(vectors)

    def matrices(self) -> tuple[FloatArray, FloatArray]:
        return self.itq.mean_, self.itq.projection_


def main() -> None:
    options = parse()
    begin_with(options.threads)
    measured = commit()
    report = measure(options) | how_made(measured)
    if options.save:
        write(report, RESULT)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="bench", help="as `vectors.py` has them")
    parser.add_argument("--bits", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5, help="rounds, whose median counts")
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name} into the results")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything in turn, round by round, after one round that does not count."""
    machine = describe_machine()
    data = load(options.data)
    fitted = data.vectors[:FIT_ROWS]
    all_rows = -(-len(fitted) // fitted.shape[1])
    try:
        ways = {
            "bitsieve": Ours(options.bits),
            "faiss": Faiss(options.bits, None, options.threads),
            "faiss, all rows": Faiss(options.bits, all_rows, options.threads),
        }
    except ImportError:
        raise SystemExit("FAISS is not installed: pip install faiss-cpu") from None
    pin(options.threads)
    print(f"{data.description}; {options.bits} bits, {options.threads} threads", flush=True)
    passes = -(-ENCODED_ROWS // len(data.vectors))
    seconds: dict[str, dict[str, list[float]]] = {name: {"fit": [], "encode": []} for name in ways}
    for number in range(options.repeat + 1):
        for name, way in ways.items():
            fit = clock(lambda way=way: way.fit(fitted))
            encode = clock(lambda way=way: [way.transform(data.vectors) for _ in range(passes)])
            if number:
                seconds[name]["fit"].append(fit)
                seconds[name]["encode"].append(encode * ENCODED_ROWS / (passes * len(data.vectors)))
    entries = []
    for name, way in ways.items():
        entry: dict[str, Any] = {"name": name}
        for step, times in seconds[name].items():
            entry |= {f"{step}_seconds": median(times), f"{step}_seconds_each": times}
        for of, rows in (("fitted", fitted), ("held_out", data.queries)):
            entry[f"errors_{of}"] = errors(rows, *way.matrices())
        entries.append(entry)
        print(
            f"{name:16s} fit {entry['fit_seconds']:5.2f} s, encode {ENCODED_ROWS:,} {entry['encode_seconds']:5.2f} s, "
            + ", ".join(f"{kind} {error:.4f}" for kind, error in entry["errors_fitted"].items()),
            flush=True,
        )
    return {
        "what": "fitting ITQ and hashing, bitsieve and FAISS in turn, medians",
        "data": data.named(),
        "n_fitted": len(fitted),
        "n_encoded": ENCODED_ROWS,
        "n_bits": options.bits,
        "threads": options.threads,
        "repeat": options.repeat,
        "machine": machine | {"faiss": ways["faiss"].faiss.__version__, "numpy": np.__version__},
        "entries": entries,
    }


def clock(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def errors(rows: FloatArray, mean: FloatArray, projection: FloatArray) -> dict[str, float]:
    """The three errors of the module's text, of rows (n, d)."""
    centred = rows.astype(np.float64) - mean
    result = {}
    for kind, scaled in (
        ("centred", centred),
        ("scaled", centred / np.linalg.norm(centred, axis=1, keepdims=True)),
    ):
        turned = scaled @ projection
        result[kind] = float(np.mean((np.where(turned >= 0, 1, -1) - turned) ** 2))
    lost = 1 - np.abs(turned).sum(axis=1) ** 2 / (projection.shape[1] * np.square(turned).sum(axis=1))
    return result | {"scale_free": float(lost.mean())}


if __name__ == "__main__":
    main()
