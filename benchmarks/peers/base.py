"""What a peer must answer, and what they share."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

Setting = dict[str, int | float]
"""Search parameters by the peer's own names."""

EFFORTS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
"""The usual ladder of a graph's search list, from k up; measuring stops early once recall is reached."""

PROBES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""The usual ladder of lists visited in an inverted file."""


class Sizes(TypedDict):
    """Bytes a vector: the codes scanned or floats walked, the copy that reranks, everything; and how that is known."""

    codes: float
    rerank: float
    total: float
    how: str


class MissingPeerError(ImportError):
    """A peer's package is not installed; the message has the command that installs it."""


class Peer(Protocol):
    """One library built one way.

    `prepare` is outside the clock: whatever a caller sets once and not for every query.
    """

    package: str
    """Its distribution on PyPI, whose version is reported."""
    config: str
    """How it was built, in a few words."""

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        """Index (n, d) unit vectors."""

    def ladders(self) -> Sequence[Sequence[Setting]]:
        """Settings to try: each ladder in order of growing effort, so that its end can be left out."""

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        """Search like this from now on."""

    def search(self, queries: NDArray[np.float32]) -> Any:
        """(q, d) unit queries → (q, k) rows, in a batch."""

    def search_one(self, query: NDArray[np.float32]) -> Any:
        """(d,) a query → its k rows, by the quickest way the peer documents for one query."""

    def sizes(self) -> Sizes:
        """What a vector takes."""


def require(module: str, package: str) -> ModuleType:
    """Import a peer's module, or say which command installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPeerError(f"{package} is not installed: pip install '{package}'") from error


def saved_bytes(save: Any, folder_too: bool = False) -> int:
    """Bytes that an index takes once `save(path)` has written it: all a vector costs, whatever it is made of."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        if folder_too:
            path.mkdir()
        save(str(path))
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def ladder(name: str, values: Sequence[int | float], **fixed: int | float) -> list[Setting]:
    """Settings that differ in one parameter."""
    return [{name: value, **fixed} for value in values]
