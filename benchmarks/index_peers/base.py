"""What a system must do, and what they share."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from index_documents import Batch

Setting = dict[str, int | float]
"""Search parameters by the system's own names."""


class Below(NamedTuple):
    """A filter: documents whose field of metadata, a whole number, is less than a limit."""

    field: str
    limit: int


class Found(NamedTuple):
    """A document that was found, as it was added."""

    id: str
    text: str
    metadata: dict[str, Any]


class MissingSystemError(ImportError):
    """A system's package is not installed; the message has the command that installs it."""


class System(Protocol):
    """One system as its documentation says to use it: on this machine's disk, without a server."""

    package: str
    """Its distribution on PyPI, whose version is reported."""
    config: str
    """How it was used, in a few words."""

    def create(self, folder: Path, d: int) -> None:
        """Make it, empty, in a folder that is there, open for writing."""

    def add(self, batch: Batch) -> None:
        """Add documents; they are on the disk when this returns, as far as the system ever promises that."""

    def finish(self) -> None:
        """Whatever its documentation says to do once all has been added."""

    def open(self, folder: Path, *, write: bool = False) -> None:
        """Open what `create` made."""

    def close(self) -> None:
        """Let go of it."""

    def ladder(self) -> list[Setting]:
        """Settings to search with, from quick to thorough; the first without any is its default."""

    def prepare(self, setting: Setting) -> None:
        """Set what is set once and not for every query."""

    def search(self, query: NDArray[np.float32], k: int, below: Below | None = None) -> list[Found]:
        """The nearest documents, best first, with their texts and metadata."""

    def search_batch(self, queries: NDArray[np.float32], k: int) -> list[list[Found]]:
        """Those of many queries at once; NotImplementedError where there is no such thing."""

    def delete(self, below: Below) -> None:
        """Delete what a filter matches; it stays deleted when this returns."""


def require(module: str, package: str) -> ModuleType:
    """Import what a system needs.

    Raises: MissingSystemError when it is not there.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingSystemError(
            f"{package} is not installed: pip install 'bitsieve[bench-index]'"
        ) from error


def ladder(name: str, values: Sequence[int | float], **fixed: int | float) -> list[Setting]:
    """The default, and settings that differ in one parameter."""
    return [{}, *({name: value, **fixed} for value in values)]
