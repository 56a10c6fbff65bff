"""Scalable Vector Search (SVS): a Vamana graph over float32 or float16 vectors; over LVQ and LeanVec codes on Intel.

α = 0.95 for inner product and a window of 128 or more, above the degree, are its documentation's values; degree 64 with
full vectors, and 32 with half of the bytes.
The LVQ and LeanVec codes of its wheel refuse to run on other makers' CPUs, so they are tried on Intel alone.
A matrix of one query is searched in the calling thread with num_threads=1.
Source: https://intel.github.io/ScalableVectorSearch/python/vamana.html and
https://intel.github.io/ScalableVectorSearch/advanced/graph_search.html
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import EFFORTS, Peer, Setting, Sizes, ladder, require

KINDS = {"float32": 4.0, "float16": 2.0, "LVQ4x8": 1.5, "LeanVec4x8": 1.25}
"""Storage → bytes a dimension, about; LeanVec's first step keeps half the dimensions at 4 bits."""


def configurations(n: int, d: int) -> list[Peer]:
    require("svs", "scalable-vs")
    made: list[Peer] = [Vamana(storage="float32", degree=64), Vamana(storage="float16", degree=32)]
    if is_intel():
        made += [Vamana(storage="LVQ4x8", degree=64), Vamana(storage="LeanVec4x8", degree=64)]
    return made


def is_intel() -> bool:
    cpu = Path("/proc/cpuinfo")
    return cpu.is_file() and "GenuineIntel" in cpu.read_text()


class Vamana:
    package = "scalable-vs"

    def __init__(self, *, storage: str, degree: int) -> None:
        self.storage = storage
        self.degree = degree
        self.config = f"Vamana, {storage}, degree {degree}"

    def build(self, vectors: NDArray[np.float32], threads: int) -> None:
        import svs

        self.n, self.d = vectors.shape
        how = svs.VamanaBuildParameters(graph_max_degree=self.degree, window_size=128, alpha=0.95)
        with TemporaryDirectory() as folder:
            data = self._data(vectors, Path(folder) / "vectors.fvecs")
            self.index = svs.Vamana.build(how, data, svs.DistanceType.MIP, num_threads=threads)

    def _data(self, vectors: NDArray[np.float32], path: Path) -> Any:
        import svs

        if self.storage.startswith("float"):
            return vectors.astype(self.storage, copy=False)
        svs.write_vecs(vectors, str(path))
        file = svs.VectorDataLoader(str(path), svs.DataType.float32, dims=self.d)
        if self.storage == "LVQ4x8":
            return svs.LVQLoader(file, primary=4, residual=8, padding=32, strategy=svs.LVQStrategy.Turbo)
        kinds = {"primary_kind": svs.LeanVecKind.lvq4, "secondary_kind": svs.LeanVecKind.lvq8}
        return svs.LeanVecLoader(file, leanvec_dims=self.d // 2, **kinds)

    def ladders(self) -> list[list[Setting]]:
        return [ladder("search_window_size", EFFORTS)]

    def prepare(self, setting: Setting, k: int, threads: int) -> None:
        self.k = k
        self.index.num_threads = threads
        self.index.search_window_size = setting["search_window_size"]

    def search(self, queries: NDArray[np.float32]) -> Any:
        return self.index.search(self._typed(queries), self.k)[0]

    def search_one(self, query: NDArray[np.float32]) -> Any:
        return self.index.search(self._typed(query), self.k)[0][0]

    def _typed(self, queries: NDArray[np.float32]) -> NDArray[Any]:
        # An index built from a float16 array asks for queries of that type.
        return queries.astype(np.float16) if self.storage == "float16" else queries

    def sizes(self) -> Sizes:
        with TemporaryDirectory() as folder:
            self.index.save(*(f"{folder}/{part}" for part in ("config", "graph", "data")))
            total = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / self.n
        return Sizes(codes=KINDS[self.storage] * self.d, rerank=0, total=total, how="saved index")
