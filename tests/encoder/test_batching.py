"""Laws of batches: every text once, within the budget."""

import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsieve.encoder import batching
from bitsieve.encoder.batching import TOKENS_PER_CALL, batches_by_length

LENGTHS = st.lists(st.integers(1, 600), max_size=200)


@given(lengths=LENGTHS, tokens_per_call=st.integers(1, 2_000), one_text_a_call=st.booleans())
def test_each_text_is_in_exactly_one_batch(
    lengths: list[int], tokens_per_call: int, one_text_a_call: bool
) -> None:
    batches = batches_by_length(lengths, tokens_per_call=tokens_per_call, one_text_a_call=one_text_a_call)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(batches)


@given(lengths=LENGTHS, tokens_per_call=st.integers(1, 2_000))
def test_a_padded_batch_is_within_the_budget_or_one_text(lengths: list[int], tokens_per_call: int) -> None:
    for batch in batches_by_length(lengths, tokens_per_call=tokens_per_call):
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens_per_call


@given(lengths=LENGTHS)
def test_batches_hold_texts_of_neighbouring_lengths(lengths: list[int]) -> None:
    spans = sorted(
        (min(lengths[i] for i in batch), max(lengths[i] for i in batch))
        for batch in batches_by_length(lengths)
    )
    assert all(high <= low for (_, high), (low, _) in pairwise(spans))


@given(lengths=LENGTHS)
def test_one_text_a_call_is_one_text_a_batch(lengths: list[int]) -> None:
    assert all(len(batch) == 1 for batch in batches_by_length(lengths, one_text_a_call=True))


@pytest.mark.parametrize("length", [1, 16, 512])
def test_equal_lengths_fill_the_budget(length: int) -> None:
    sizes = [len(batch) for batch in batches_by_length([length] * 2_048)]
    assert set(sizes) == {TOKENS_PER_CALL // length}


def test_the_order_is_mixed_and_always_the_same() -> None:
    lengths = list(range(1, 500))
    batches = batches_by_length(lengths)
    assert batches == batches_by_length(lengths)
    longest = [lengths[batch[0]] for batch in batches]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(batching).failed == 0
