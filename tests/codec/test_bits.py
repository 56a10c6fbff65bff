"""Packing of signs."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsieve.codec import bits, blocks
from bitsieve.codec.bits import pack_signs, unpack_signs


@settings(deadline=None)
@given(n=st.integers(0, 5), n_bytes=st.integers(1, 17), seed=st.integers(0, 2**32 - 1))
def test_unpack_undoes_pack(n: int, n_bytes: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 256, (n, n_bytes), dtype=np.uint8)
    signs = unpack_signs(codes)
    assert signs.shape == (n, 8 * n_bytes)
    assert signs.dtype == np.float32
    assert set(np.unique(signs)) <= {-1, 1}
    np.testing.assert_array_equal(pack_signs(signs), codes)


def test_bit_is_one_at_zero_and_negative_zero_and_first_is_most_significant() -> None:
    projections = np.array([[0.0, -1e-30, -1, -1, -1, -1, -1, -0.0]], np.float32)
    np.testing.assert_array_equal(pack_signs(projections), [[0b1000_0001]])


@pytest.mark.parametrize("module", [bits, blocks])
def test_examples_in_docstrings(module: object) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
