"""Rows a block at a time, so that temporaries stay small beside the arrays they come from."""

from collections.abc import Iterator

BLOCK_ROWS = 8_192
"""Rows worked on at once: 25 MB in float64 at d = 384, and enough for BLAS to run at full speed."""


def row_blocks(n: int, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """Slices of at most `size` rows that cover `range(n)` in order; none when n is 0.

    >>> list(row_blocks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
