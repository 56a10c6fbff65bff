"""The ids of a segment's rows, so that a search which asks for no more need not look into the catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray, RowArray


@dataclass(frozen=True, eq=False)
class RowIds:
    """The ids of n rows: their UTF-8, one after another in `text`, uint8; row i's is starts[i]:starts[i + 1]."""

    starts: NDArray[np.unsignedinteger[Any]]
    text: NDArray[np.uint8]

    @classmethod
    def of(cls, ids: Sequence[str]) -> "RowIds":
        """The ids of rows, in their order."""
        encoded = [id_.encode() for id_ in ids]
        return cls(
            _starts(np.fromiter(map(len, encoded), np.int64)), np.frombuffer(b"".join(encoded), np.uint8)
        )

    @classmethod
    def stored(cls, arrays: Mapping[str, NDArray[Any]]) -> "RowIds":
        """As `arrays` gave them to be stored."""
        return cls(arrays["id_starts"], arrays["id_text"])

    @classmethod
    def joined(cls, parts: Sequence["RowIds"]) -> "RowIds":
        """The ids of parts, one after another."""
        lengths = np.concatenate([part.lengths() for part in parts])
        return cls(_starts(lengths), np.concatenate([part.text for part in parts]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is to be stored, by name."""
        return {"id_starts": self.starts, "id_text": self.text}

    def kept(self, mask: BoolArray) -> "RowIds":
        """The ids of some rows. mask: (n,)."""
        lengths = self.lengths()
        return RowIds(_starts(lengths[mask]), self.text[np.repeat(mask, lengths)])

    def lengths(self) -> RowArray:
        """Bytes of each id, (n,)."""
        return (self.starts[1:] - self.starts[:-1]).astype(np.int64)

    def at(self, rows: RowArray) -> list[str]:
        """The ids of rows."""
        starts, stops = self.starts[rows].tolist(), self.starts[rows + 1].tolist()
        text = self.text.data
        return [str(text[start:stop], "utf-8") for start, stop in zip(starts, stops, strict=True)]


def _starts(lengths: RowArray) -> NDArray[np.unsignedinteger[Any]]:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return starts.astype(np.uint32 if starts[-1] < 1 << 32 else np.uint64)
