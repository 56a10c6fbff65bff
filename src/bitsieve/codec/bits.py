"""Signs and packed bits.

A code keeps the sign of each projection in one bit: 1 where it is ≥ 0, most significant bit first. So a
projection of exactly 0 gives bit 1, everywhere.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..arrays import CodeArray


def pack_signs(projections: NDArray[np.floating[Any]]) -> CodeArray:
    """Pack the signs of projections, eight to a byte.

    projections: (n, n_bits) floating point, n_bits a multiple of 8.
    Returns: (n, n_bits // 8) uint8.

    >>> pack_signs(np.array([[0.5, -0.1, 0.0, -2.0, -1.0, -1.0, -1.0, 3.0]]))  # bits 10100001
    array([[161]], dtype=uint8)
    """
    return np.packbits(projections >= 0, axis=1)


def unpack_signs(codes: CodeArray, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Unpack codes to the signs they hold, ready for a dot product.

    codes: (n, n_bits // 8) uint8; dtype: signed.
    Returns: (n, n_bits) of −1 and +1.

    >>> unpack_signs(np.array([[161]], dtype=np.uint8), np.int8)
    array([[ 1, -1,  1, -1, -1, -1, -1,  1]], dtype=int8)
    """
    signs = np.unpackbits(codes, axis=1).astype(dtype)
    signs *= 2
    signs -= 1
    return signs
