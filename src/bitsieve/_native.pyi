"""The extension module that native/bindings.cpp makes. It is missing where there was no C++ compiler."""

from types import ModuleType
from typing import Any

testing: ModuleType  # each kernel by itself, for tests/native

def available() -> list[str]:
    """Names of the kernels this machine can run, best first."""

def unit_rows(vectors: Any, d: int, tolerance: float) -> bool:
    """Whether vectors are C-contiguous float32 of shape (n, d), all rows of L2 norm 1 within the tolerance."""

def search_exact(
    kernels: str,
    vectors: Any,
    queries: Any,
    k: int,
    rows: Any,
    marks: Any,
    threads: int,
    ids: Any,
    scores: Any,
) -> None:
    """Find the k nearest vectors of each query among all or some rows."""

def merge(firsts: list[int], ids: list[Any], scores: list[Any], ids_out: Any, scores_out: Any) -> None:
    """Put together what parts of an index found."""
