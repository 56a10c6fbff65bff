"""bitsieve's Index: `compact()` once all has been added. It indexes keywords too, which is not asked of the others."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index_documents import Batch

from .base import Below, Found, Setting, ladder

MARGINS = (0.03, 0.05, 0.07, 0.09, 0.11, 0.13, 0.16, 0.2, 0.25)


def make() -> "BitsieveIndex":
    return BitsieveIndex()


class BitsieveIndex:
    package = "bitsieve"
    config = "Index of float32 vectors, compacted; with a keyword index"

    def __init__(self) -> None:
        from bitsieve import Index

        self.module = Index

    def create(self, folder: Path, d: int) -> None:
        self.index = self.module.create(folder / "index", dimension=d)

    def add(self, batch: Batch) -> None:
        self.index.add(batch.texts, ids=batch.ids, metadata=batch.metadata, vectors=batch.vectors)

    def finish(self) -> None:
        self.index.compact()

    def open(self, folder: Path, *, write: bool = False) -> None:
        self.index = self.module.open(folder / "index", write=write)
        self.prepare({})

    def close(self) -> None:
        self.index.close()

    def ladder(self) -> list[Setting]:
        return ladder("probe_margin", MARGINS)

    def prepare(self, setting: Setting) -> None:
        self.setting = setting

    def search(self, query: NDArray[np.float32], k: int, below: Below | None = None) -> list[Found]:
        where = None if below is None else {below.field: {"$lt": below.limit}}
        hits = self.index.search(vector=query, k=k, where=where, **self.setting)  # type: ignore[arg-type]
        return [Found(hit.id, hit.text or "", hit.metadata) for hit in hits]

    def search_batch(self, queries: NDArray[np.float32], k: int) -> list[list[Found]]:
        found = self.index.search_batch(vectors=queries, k=k, **self.setting)  # type: ignore[arg-type]
        return [[Found(hit.id, hit.text or "", hit.metadata) for hit in hits] for hits in found]

    def search_ids(self, query: NDArray[np.float32], k: int) -> list[int]:
        """Rows of documents, without the rest."""
        hits = self.index.search(vector=query, k=k, ids_only=True, **self.setting)  # type: ignore[arg-type]
        return [int(hit.id[4:]) for hit in hits]

    def search_ids_batch(self, queries: NDArray[np.float32], k: int) -> list[list[int]]:
        found = self.index.search_batch(vectors=queries, k=k, ids_only=True, **self.setting)  # type: ignore[arg-type]
        return [[int(hit.id[4:]) for hit in hits] for hits in found]

    def delete(self, below: Below) -> None:
        self.index.delete(where={below.field: {"$lt": below.limit}})
