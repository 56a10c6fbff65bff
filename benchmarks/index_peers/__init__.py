"""What an index on disk is measured against: one file a system, behind the interface of `base.py`."""

from importlib import import_module
from typing import cast

from .base import Below, Found, MissingSystemError, Setting, System

__all__ = ["OURS", "SYSTEMS", "Below", "Found", "MissingSystemError", "Setting", "System", "system"]

OURS = "bitsieve"
SYSTEMS = {
    OURS: "bitsieve_index",
    "lancedb": "lancedb_ivf",
    "lancedb-hnsw": "lancedb_hnsw",
    "chroma": "chroma_hnsw",
    "sqlite-vec": "sqlite_vec_scan",
}
"""Name on the command line → module."""


def system(name: str) -> System:
    """A system, neither made nor opened yet.

    Raises: MissingSystemError when its package is not installed, with the command that installs it.
    """
    return cast(System, import_module(f"{__name__}.{SYSTEMS[name]}").make())
