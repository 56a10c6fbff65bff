"""LanceDB with its default index: IVF_PQ by the cosine, B-trees for the fields to filter by, compacted.

Without `refine_factor` it ranks by what product quantization keeps of a vector.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index_documents import Batch

from .base import Below, Found, Setting, require

NAME = "documents"
FIELDS = ("id", "text", "metadata")
EFFORTS = ((10, 10), (20, 10), (40, 20), (80, 20), (160, 40))
"""`nprobes` and `refine_factor`."""


def make() -> "LanceDB":
    return LanceDB()


class LanceDB:
    package = "lancedb"
    config = "IVF_PQ, cosine, default parameters, B-trees on filtered fields, optimize()"

    def __init__(self) -> None:
        self.module, self.arrow = require("lancedb", self.package), require("pyarrow", "pyarrow")
        self.indexes = require("lancedb.index", self.package)
        self.setting: Setting = {}

    def vector_index(self) -> Any:
        return self.indexes.IvfPq(distance_type="cosine")

    def create(self, folder: Path, d: int) -> None:
        arrow = self.arrow
        self.schema = arrow.schema(
            [(name, arrow.string()) for name in FIELDS]
            + [(name, arrow.int32()) for name in ("year", "region")]
            + [("vector", arrow.list_(arrow.float32(), d))]
        )
        self.table = self.module.connect(folder).create_table(NAME, schema=self.schema)

    def add(self, batch: Batch) -> None:
        arrow, d = self.arrow, batch.vectors.shape[1]
        self.table.add(
            arrow.table(
                {
                    "id": batch.ids,
                    "text": batch.texts,
                    "metadata": [json.dumps(m) for m in batch.metadata],
                    "year": [m["year"] for m in batch.metadata],
                    "region": [m["region"] for m in batch.metadata],
                    "vector": arrow.FixedSizeListArray.from_arrays(arrow.array(batch.vectors.ravel()), d),
                },
                schema=self.schema,
            )
        )

    def finish(self) -> None:
        self.table.create_index("vector", config=self.vector_index())
        for field in ("year", "region"):
            self.table.create_index(field, config=self.indexes.BTree())
        self.table.optimize()

    def open(self, folder: Path, *, write: bool = False) -> None:
        self.table = self.module.connect(folder).open_table(NAME)

    def close(self) -> None:
        del self.table

    def ladder(self) -> list[Setting]:
        return [{}, *({"nprobes": n, "refine_factor": factor} for n, factor in EFFORTS)]

    def prepare(self, setting: Setting) -> None:
        self.setting = setting

    def search(self, query: NDArray[np.float32], k: int, below: Below | None = None) -> list[Found]:
        asked = self.table.search(query).distance_type("cosine")
        for name, value in self.setting.items():
            asked = getattr(asked, name)(value)
        if below is not None:
            asked = asked.where(f"{below.field} < {below.limit}")  # before the search, which is the default
        rows = asked.select([*FIELDS, "_distance"]).limit(k).to_list()
        return [Found(row["id"], row["text"], json.loads(row["metadata"])) for row in rows]

    def search_batch(self, queries: NDArray[np.float32], k: int) -> list[list[Found]]:
        raise NotImplementedError

    def delete(self, below: Below) -> None:
        self.table.delete(f"{below.field} < {below.limit}")
