"""Which texts go into one call of the model.

A batch is padded to its longest text, so texts of like length belong together, and small batches stay in the
CPU's cache: 512 tokens a call were as fast as any from 256 to 4,096 (docs/decisions/0001).
"""

import random
from collections.abc import Sequence

import numpy as np

TOKENS_PER_CALL = 512


def batches_by_length(
    lengths: Sequence[int], *, tokens_per_call: int = TOKENS_PER_CALL, one_text_a_call: bool = False
) -> list[list[int]]:
    """Group texts of like length so that a padded batch holds about `tokens_per_call` tokens.

    lengths: tokens of each text. Each index appears once in the result. The batches come in a shuffled order
    (always the same), so that the time left can be told from the time gone.

    >>> sorted(sorted(batch) for batch in batches_by_length([3, 200, 4, 210], tokens_per_call=420))
    [[0, 2], [1, 3]]
    """
    batches: list[list[int]] = []
    longest = 0
    for index in np.argsort(lengths, kind="stable")[::-1].tolist():
        if one_text_a_call or not batches or (len(batches[-1]) + 1) * longest > tokens_per_call:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    random.Random(0).shuffle(batches)
    return batches
