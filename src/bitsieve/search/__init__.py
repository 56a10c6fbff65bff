"""Codes → candidates → hits."""

from .cascade import Cascade
from .kernels import hamming_distances

__all__ = ["Cascade", "hamming_distances"]
