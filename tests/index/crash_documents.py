"""Documents that say which version they are, so that what a crash leaves can be compared with what was done."""

import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import apsw
import numpy as np

from bitsieve.arrays import FloatArray
from bitsieve.index import Index, build, writer

D = 16
EVERY = "BITSIEVE_EVERY_CRASH" in os.environ
"""Try everything, as `make crash` does, and not a sample."""

Versions = Mapping[str, int]
"""What an index holds: ids, and which version each document is."""
LATER: Versions = {f"later{i}": 1 for i in range(6)}
"""What is added when all is over: as many as make segments merge."""


def given(versions: Versions) -> dict[str, Any]:
    """Documents as `add` and `upsert` take them."""
    return {
        "ids": list(versions),
        "texts": [text_of(id_, version) for id_, version in versions.items()],
        "metadata": [{"version": version, "even": version % 2 == 0} for version in versions.values()],
        "vectors": vectors_of(versions),
    }


def found_in(index: Index) -> dict[str, int]:
    """The documents that a search finds which asks for all of them."""
    n = len(index)
    hits = index.search(vector=_vector("", 0), k=n) if n else []
    return {hit.id: hit.metadata["version"] for hit in hits}


def problems(index: Index, versions: Versions) -> Iterator[str]:
    """What is not as it should be in an index that holds these documents and no others."""
    held = {"documents": len(index), "found": found_in(index), "passages": index.stats().n_passages}
    if held != {"documents": len(versions), "found": dict(versions), "passages": len(versions)}:
        yield f"it holds {held}, expected {dict(versions)}"
        return
    wanted = given(versions)
    documents = index.get(wanted["ids"])
    nearest = index.search_batch(vectors=wanted["vectors"], k=1)
    for id_, text, metadata, document, hits in zip(
        wanted["ids"], wanted["texts"], wanted["metadata"], documents, nearest, strict=True
    ):
        if document is None or (document.text, document.metadata) != (text, metadata):
            yield f"{id_} is {document}, expected {text!r} and {metadata}"
        if [hit.id for hit in hits] != [id_] or abs(hits[0].score - 1) > 1e-5:
            yield f"the vector of {id_} finds {hits}"
    for words in ("version", " ".join(text.split()[-1] for text in wanted["texts"])):
        by_words = {hit.id for hit in index.search(words, k=len(versions) + 1, mode="keyword")}
        if by_words != set(versions):
            yield f"{words!r} finds {by_words}, expected {set(versions)}"
    for finding in index.verify():
        yield f"verify: {finding}"


def text_of(id_: str, version: int) -> str:
    """A text whose last word is in no other."""
    return f"version {version} of a text {id_}v{version}"


def vectors_of(versions: Versions) -> FloatArray:
    """(n, D) of norm 1."""
    return np.array([_vector(id_, version) for id_, version in versions.items()]).reshape(-1, D)


@lru_cache(100_000)
def _vector(id_: str, version: int) -> FloatArray:
    vector = np.random.default_rng([zlib.crc32(id_.encode()), version]).standard_normal(D).astype(np.float32)
    return vector / np.linalg.norm(vector)


def shrink(setting: Callable[[object, str, Any], None]) -> None:
    """Codes from 20 rows on, cells from 60, a codec from 40 passages; four segments are merged; a log of 30 pages."""
    setting(build, "FLAT_FROM", 20)
    setting(build, "CELLS_FROM", 60)
    setting(writer, "FIT_FROM", 40)
    setting(writer, "FAN", 4)
    setting(apsw, "connection_hooks", [lambda connection: connection.wal_autocheckpoint(30)])
