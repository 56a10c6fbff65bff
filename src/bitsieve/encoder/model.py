"""What made the vectors: the description that goes with them wherever they go."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Model:
    """A model as it ran: two of them give the same vectors when their fingerprints are equal.

    files: name → sha256 of the ONNX file, of what lies beside it, and of the tokenizer. size_bytes: of the ONNX file.
    one_text_a_call: vectors depend on the texts beside them in a batch, so each text is a call of its own.
    """

    name: str
    weights: str
    dimension: int
    pooling: str
    max_tokens: int
    query_prefix: str
    passage_prefix: str
    licence: str
    files: Mapping[str, str]
    size_bytes: int
    source: str
    one_text_a_call: bool

    @property
    def vectors_digest(self) -> str:
        """sha256 of what decides the vector of a text with its prefix on: files, pooling, limit."""
        return _digest(
            {
                "dimension": self.dimension,
                "files": dict(self.files),
                "max_tokens": self.max_tokens,
                "pooling": self.pooling,
            }
        )

    @property
    def fingerprint(self) -> str:
        """sha256 of what decides the vectors: files, pooling, limit and both prefixes."""
        return _digest(
            {
                "passage_prefix": self.passage_prefix,
                "query_prefix": self.query_prefix,
                "vectors": self.vectors_digest,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON keeps it, fingerprint included."""
        return asdict(self) | {"files": dict(self.files), "fingerprint": self.fingerprint}


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
