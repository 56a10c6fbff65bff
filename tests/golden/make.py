"""Write the golden codecs: one folder for each format version, kept for good so that old files stay readable.

    python tests/golden/make.py

An existing folder is never overwritten. After a change of format, raise the version in the names below.
"""

from pathlib import Path

import numpy as np

from bitsieve import ITQ, PivotFilter

HERE = Path(__file__).parent


def main() -> None:
    rng = np.random.default_rng(42)
    vectors = rng.standard_normal((400, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    itq = ITQ(n_bits=16, n_iter=20).fit(vectors)
    # Only vectors whose bits hold on any processor: no projection next to 0.
    safe = vectors[(np.abs(itq.project(vectors)) > 1e-3).all(axis=1)][:20]
    itq.save(HERE / "itq-v1")
    np.save(HERE / "itq-v1-vectors.npy", safe)
    np.save(HERE / "itq-v1-codes.npy", itq.transform(safe))

    pivots = PivotFilter(n_pivots=4).fit(vectors)
    pivots.save(HERE / "pivots-v1")
    np.save(HERE / "pivots-v1-distances.npy", pivots.distances(safe))


if __name__ == "__main__":
    main()
