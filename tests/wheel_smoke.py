"""A wheel's smoke test: its kernels in C++ load, and with each of them a search finds the nearest vectors."""

import numpy as np

from bitsieve import ITQ, Cascade
from bitsieve.search import native

assert not native.why_numpy(), native.why_numpy()
vectors = np.random.default_rng(7).standard_normal((500, 48)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
queries, nearest = vectors[:20], np.argsort(-(vectors[:20] @ vectors.T), axis=1)[:, :5]
cascade = Cascade(ITQ(n_bits=32).fit(vectors)).build(vectors)
for name in native.available():
    with native.forced(name):
        ids, _ = cascade.search(queries, 5, n_candidates=500)
        np.testing.assert_array_equal(ids, nearest)
    print(f"{name}: {len(queries)} searches found what brute force finds")
