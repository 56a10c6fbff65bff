"""What a corpus is: texts with ids and titles in a fixed order, and what was left out on the way."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ...errors import CorpusError

N_REASONS = 10
"""How many reasons for leaving a record out are kept; all are counted."""


@dataclass(frozen=True)
class Corpus:
    """Texts with ids and titles, all three of length n and in the same order.

    licence: what the texts may be used for, "not stated" for your own files.
    source: where they came from, with a version or a full path.
    n_skipped, skipped_reasons: records left out on the way, and why the first few were.
    metadata: a JSON object for each text, or [] where none were asked for.
    """

    name: str
    ids: list[str] = field(repr=False)
    titles: list[str] = field(repr=False)
    texts: list[str] = field(repr=False)
    licence: str
    source: str
    n_skipped: int = 0
    skipped_reasons: tuple[str, ...] = ()
    metadata: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def digest(self) -> str:
        """The sha256 of the texts in order, each as UTF-8 after its length in bytes (8 bytes, big-endian)."""
        digest = hashlib.sha256()
        for text in self.texts:
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "big"))
            digest.update(encoded)
        return digest.hexdigest()


class Collector:
    """Takes records one by one until `limit` of them are kept; None keeps all."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.ids: list[str] = []
        self.titles: list[str] = []
        self.texts: list[str] = []
        self.metadata: list[dict[str, Any]] = []
        self.n_skipped = 0
        self.reasons: list[str] = []

    @property
    def full(self) -> bool:
        return self.limit is not None and len(self.texts) >= self.limit

    def add(self, text_id: str, title: str, text: str, metadata: dict[str, Any] | None) -> None:
        self.ids.append(text_id)
        self.titles.append(title)
        self.texts.append(text)
        if metadata is not None:
            self.metadata.append(metadata)

    def skip(self, reason: str) -> None:
        self.n_skipped += 1
        if len(self.reasons) < N_REASONS:
            self.reasons.append(reason)

    def corpus(self, *, name: str, licence: str, source: str) -> Corpus:
        """What was collected. Raises: CorpusError when that is nothing."""
        if not self.texts:
            left_out = (
                f": {self.n_skipped} left out, the first because {self.reasons[0]}" if self.reasons else ""
            )
            raise CorpusError(f"{source} holds no text to use{left_out}")
        return Corpus(
            name=name,
            ids=self.ids,
            titles=self.titles,
            texts=self.texts,
            licence=licence,
            source=source,
            n_skipped=self.n_skipped,
            skipped_reasons=tuple(self.reasons),
            metadata=self.metadata,
        )
