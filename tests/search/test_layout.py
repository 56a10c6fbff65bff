"""Layouts: what is arranged for the kernels is all there, where they look for it."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitsieve.search import arrays, layout
from bitsieve.search.arrays import block_arrays, to_bytes
from bitsieve.search.layout import (
    ALIGNMENT,
    BLOCK,
    PANEL,
    byte_rows,
    deinterleave,
    interleave,
    padded,
    panels,
    quantize,
    spread_over_blocks,
    unpanel,
)

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.lists(st.sampled_from([0, 0, 1, 2, 5, 7, 13, 31, 32, 33, 64, 100]), max_size=6)


def places_of(starts: NDArray[np.int64], block_starts: NDArray[np.int64]) -> list[int]:
    """Where each code is among the blocks, cell by cell."""
    return [
        int(block_starts[cell]) * BLOCK + within
        for cell in range(len(starts) - 1)
        for within in range(int(starts[cell + 1] - starts[cell]))
    ]


@settings(deadline=None)
@given(sizes=SIZES, n_bytes=st.integers(1, 70), seed=SEEDS)
def test_deinterleaving_gives_back_what_was_interleaved(sizes: list[int], n_bytes: int, seed: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    codes = np.random.default_rng(seed).integers(0, 256, (starts[-1], n_bytes), dtype=np.uint8)
    blocks, block_starts = interleave(codes, starts)
    assert blocks.shape == (sum(-(-size // BLOCK) for size in sizes), n_bytes, BLOCK)
    assert (np.diff(block_starts) == [-(-size // BLOCK) for size in sizes]).all()
    given_back = deinterleave(blocks)
    assert given_back.shape == (len(blocks) * BLOCK, n_bytes)
    places = places_of(starts, block_starts)
    np.testing.assert_array_equal(given_back[places], codes)
    filling = np.delete(given_back, places, axis=0)
    assert not filling.any()


def test_a_row_of_a_block_is_one_byte_of_each_code() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (32, 5), dtype=np.uint8)
    (block,), _ = interleave(codes, np.array([0, 32]))
    for i in range(32):
        for r in range(5):
            assert block[r, i] == codes[i, r]


@settings(deadline=None)
@given(sizes=SIZES, width=st.sampled_from([(), (1,), (3,)]), seed=SEEDS)
def test_values_are_spread_as_their_codes_are(sizes: list[int], width: tuple[int, ...], seed: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (starts[-1], 2), dtype=np.uint8)
    values = rng.integers(1, 256, (starts[-1], *width), dtype=np.uint8)
    blocks, block_starts = interleave(codes, starts)
    spread = spread_over_blocks(values, starts, block_starts)
    assert spread.shape == (len(blocks), BLOCK, *width)
    in_order = spread.reshape(-1, *width)
    places = places_of(starts, block_starts)
    np.testing.assert_array_equal(in_order[places], values)
    assert not np.delete(in_order, places, axis=0).any()
    if not width:
        same_blocks, (same,), same_starts = block_arrays(codes, starts, values)
        np.testing.assert_array_equal(same_blocks, blocks)
        np.testing.assert_array_equal(same, spread)
        np.testing.assert_array_equal(same_starts, block_starts)


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    d=st.sampled_from([1, 5, 13, 64, 65, 200]),
    seed=SEEDS,
)
def test_unpanelling_gives_back_the_whole_numbers(sizes: list[int], d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = [rng.standard_normal((n, d)).astype(np.float32) for n in sizes]
    made = panels(*groups)
    rows = unpanel(made)
    assert rows.shape == (sum(padded(n, PANEL) for n in sizes), padded(d, ALIGNMENT))
    assert made.values.shape == (len(rows) // PANEL, padded(d, ALIGNMENT) // 4, PANEL, 4)
    np.testing.assert_array_equal(made.sums, 64 * rows.astype(np.int64).sum(axis=1))
    start, used = 0, np.zeros(len(rows), bool)
    for group in groups:
        of_group = slice(start, start + len(group))
        used[of_group] = True
        assert (np.abs(rows[of_group]).max(axis=1, initial=0) == 63).all()
        error = np.abs(rows[of_group, :d] * made.steps[of_group, np.newaxis] - group)
        assert (error <= 0.501 * made.steps[of_group, np.newaxis]).all()
        start += padded(len(group), PANEL)
    assert not rows[~used].any()
    assert not rows[:, d:].any()
    assert not made.steps[~used].any()


def test_panels_hold_four_values_of_each_row_together() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 70)).astype(np.float32)
    made = panels(rows)
    whole = quantize(rows, 63)[0]
    for row, i in ((0, 0), (3, 1), (15, 69), (16, 4), (19, 63)):
        assert made.values[row // PANEL, i // 4, row % PANEL, i % 4] == whole[row, i]


@settings(deadline=None)
@given(
    n=st.sampled_from([0, 1, 7, 33]),
    d=st.sampled_from([1, 8, 63, 64, 65]),
    scale=st.integers(-18, 18),
    seed=SEEDS,
)
def test_bytes_are_within_half_a_step_and_never_zero(n: int, d: int, scale: int, seed: int) -> None:
    vectors = (np.random.default_rng(seed).standard_normal((n, d)) * 10.0**scale).astype(np.float32)
    made = byte_rows(vectors)
    assert made.values.shape == (n, padded(d, ALIGNMENT))
    assert (made.values >= 1).all()  # −127 … 127: −128 would not fit what the kernels multiply with
    assert (made.values[:, d:] == 128).all()
    whole = made.values[:, :d].astype(np.float64) - 128
    assert (np.abs(whole).max(axis=1, initial=0) == 127).all()
    steps = made.steps[:, np.newaxis].astype(np.float64)
    assert (np.abs(whole * steps - vectors) <= 0.501 * steps).all()
    if n:
        np.testing.assert_allclose(made.typical_step, np.sqrt(np.mean(steps**2)), rtol=1e-6)


def test_a_row_of_zeros_has_no_step_and_no_bytes() -> None:
    made = byte_rows(np.zeros((2, 5), np.float32))
    assert (made.values == 128).all()
    assert (made.steps == 0).all()
    assert made.typical_step == byte_rows(np.zeros((0, 5), np.float32)).typical_step == 0


@pytest.mark.parametrize("n", [1, 33, 9000])
def test_bytes_in_another_order_are_those_of_the_rows(n: int) -> None:
    rng = np.random.default_rng(n)
    vectors = rng.standard_normal((n, 3)).astype(np.float32)
    order = rng.permutation(n)
    made, expected = byte_rows(vectors, order), byte_rows(vectors)
    np.testing.assert_array_equal(made.values, expected.values[order])
    np.testing.assert_array_equal(made.steps, expected.steps[order])


@settings(deadline=None)
@given(low=st.floats(-3, 3), width=st.floats(1e-3, 10), seed=SEEDS)
def test_values_in_steps_are_within_half_a_step(low: float, width: float, seed: int) -> None:
    values = (low + width * np.random.default_rng(seed).random(50)).astype(np.float32)
    step = width / 255
    steps = to_bytes(values, step, low)
    assert (np.abs(low + step * steps - values) <= 0.51 * step + 1e-5).all()
    assert to_bytes(np.array([low - 1, low + 2 * width], np.float32), step, low).tolist() == [0, 255]


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(layout).attempted
    for module in (layout, arrays):
        assert not doctest.testmod(module).failed
