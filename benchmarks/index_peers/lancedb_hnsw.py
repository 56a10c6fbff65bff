"""LanceDB with a graph over bytes: IVF_HNSW_SQ."""

from typing import Any

from .base import Setting
from .lancedb_ivf import LanceDB

EFFORTS = ((50, 2), (100, 2), (200, 4), (400, 4), (800, 4))
"""`ef` and `refine_factor`."""


def make() -> "LanceHnsw":
    return LanceHnsw()


class LanceHnsw(LanceDB):
    config = "IVF_HNSW_SQ, cosine, default parameters, B-trees on filtered fields, optimize()"

    def vector_index(self) -> Any:
        return self.indexes.HnswSq(distance_type="cosine")

    def ladder(self) -> list[Setting]:
        return [{}, *({"ef": ef, "refine_factor": factor} for ef, factor in EFFORTS)]
