"""Chroma: an HNSW graph that grows as documents are added, with its default parameters but for the cosine."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index_documents import Batch

from .base import Below, Found, Setting, ladder, require

NAME = "documents"
DEFAULT = {"ef_search": 100}
EFFORTS = (20, 50, 200, 400, 800)
"""`ef_search`."""


def make() -> "Chroma":
    return Chroma()


class Chroma:
    package = "chromadb"
    config = "PersistentClient, HNSW M=16, ef_construction=100"

    def __init__(self) -> None:
        self.module = require("chromadb", self.package)

    def _connect(self, folder: Path) -> None:
        self.folder = folder
        settings = self.module.config.Settings(anonymized_telemetry=False)
        self.client = self.module.PersistentClient(str(folder), settings)

    def create(self, folder: Path, d: int) -> None:
        self._connect(folder)
        self.collection = self.client.create_collection(
            NAME, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def add(self, batch: Batch) -> None:
        most = self.client.get_max_batch_size()
        for start in range(0, len(batch.ids), most):
            part = slice(start, start + most)
            self.collection.add(
                ids=batch.ids[part],
                embeddings=batch.vectors[part],
                documents=batch.texts[part],
                metadatas=batch.metadata[part],
            )

    def finish(self) -> None:
        pass

    def open(self, folder: Path, *, write: bool = False) -> None:
        self._connect(folder)
        self.collection = self.client.get_collection(NAME, embedding_function=None)

    def close(self) -> None:
        self.client.close()

    def ladder(self) -> list[Setting]:
        return ladder("ef_search", EFFORTS)

    def prepare(self, setting: Setting) -> None:
        self.collection.modify(configuration={"hnsw": setting or DEFAULT})
        self.client.close()  # it is kept with the collection, and heeded by who opens it next
        self.open(self.folder)

    def search(self, query: NDArray[np.float32], k: int, below: Below | None = None) -> list[Found]:
        return self._query(query[np.newaxis], k, below)[0]

    def search_batch(self, queries: NDArray[np.float32], k: int) -> list[list[Found]]:
        return self._query(queries, k, None)

    def delete(self, below: Below) -> None:
        self.collection.delete(where={below.field: {"$lt": below.limit}})

    def _query(self, queries: NDArray[np.float32], k: int, below: Below | None) -> list[list[Found]]:
        found: Any = self.collection.query(
            query_embeddings=queries,
            n_results=k,
            where=None if below is None else {below.field: {"$lt": below.limit}},
            include=["documents", "metadatas"],
        )
        parts = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        return [[Found(*hit) for hit in zip(*part, strict=True)] for part in parts]
