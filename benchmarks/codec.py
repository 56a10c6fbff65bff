"""Fit ITQ and hash a million vectors: seconds, and memory beyond the vectors themselves.

    .venv/bin/python benchmarks/codec.py               1,000,000 × 384 made-up unit vectors (1.5 GB), about 20 s
    .venv/bin/python benchmarks/codec.py --rows 100000

The vectors are random with falling variances, so nothing is said of recall. Memory is the process's peak (Unix).
"""

import argparse
import resource
import time

import numpy as np

from bitsieve import ITQ
from bitsieve.evaluation.machine import describe_machine

DIMENSION = 384
BLOCK = 50_000


def make_vectors(n: int, *, seed: int = 0) -> np.ndarray:
    """(n, 384) float32 unit vectors, made block by block so that the peak before fitting is their own size."""
    draws = np.random.default_rng(seed)
    scales = np.linspace(2, 0.3, DIMENSION, dtype=np.float32)
    vectors = np.empty((n, DIMENSION), np.float32)
    for start in range(0, n, BLOCK):
        block = draws.standard_normal((min(BLOCK, n - start), DIMENSION), dtype=np.float32) * scales
        vectors[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    vectors = make_vectors(parser.parse_args().rows)
    before, started = peak_gb(), time.perf_counter()
    itq = ITQ().fit(vectors)
    fitted = time.perf_counter()
    itq.transform(vectors)
    hashed = time.perf_counter()
    machine = describe_machine()
    print(
        f"{len(vectors):,} × {DIMENSION} float32, {vectors.nbytes / 1e9:.2f} GB; "
        f"{machine['cpu']}, {machine['cpus']} CPUs"
    )
    print(
        f"fit 128 bits on {itq.n_fit_rows_:,} of them: {fitted - started:.1f} s; hash all: {hashed - fitted:.1f} s"
    )
    print(f"peak memory {peak_gb():.2f} GB, {before:.2f} GB before fitting")


if __name__ == "__main__":
    main()
