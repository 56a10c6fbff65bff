"""float16 is widened to the float32 of the same value, to the last bit."""

import numpy as np
import pytest

native = pytest.importorskip("bitsieve._native", reason="built without a C++ compiler")

EVERY = np.arange(2**16).astype(np.uint16)
FINITE = EVERY[np.isfinite(EVERY.view(np.float16))]


def test_every_float16_that_is_finite_is_widened_exactly() -> None:
    out = np.full(len(FINITE), np.nan, np.float32)
    native.testing.widen(FINITE, out)
    np.testing.assert_array_equal(
        out.view(np.int32), FINITE.view(np.float16).astype(np.float32).view(np.int32)
    )


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 7, 8, 9, 13, 31, 33])
def test_numbers_that_fill_no_register_are_widened_and_nothing_beyond(n: int) -> None:
    halves = np.random.default_rng(n).permutation(FINITE)[:n]
    out = np.full(n + 1, 7, np.float32)
    native.testing.widen(halves, out)
    np.testing.assert_array_equal(out[:n], halves.view(np.float16).astype(np.float32))
    assert out[n] == 7
