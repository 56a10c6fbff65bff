"""bitsieve: search text by meaning on a CPU through 16-byte codes, and know what recall you get.

The names below are the whole public interface; each is imported when it is first used, so that
`bitsieve --help` does not wait for NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .codec import ITQ, Cells, PivotFilter
    from .encoder import Encoder
    from .errors import BitsieveError
    from .index import Index
    from .search import Cascade, hamming_distances

__all__ = [
    "ITQ",
    "BitsieveError",
    "Cascade",
    "Cells",
    "Encoder",
    "Index",
    "PivotFilter",
    "__version__",
    "hamming_distances",
]

_HOME = {
    "Index": "index",
    "Encoder": "encoder",
    "ITQ": "codec",
    "Cells": "codec",
    "PivotFilter": "codec",
    "Cascade": "search",
    "hamming_distances": "search",
    "BitsieveError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bitsieve' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
