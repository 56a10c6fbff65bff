"""Whatever is done to an index, it answers as a plain list of its documents does."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from plain_index import Plain, unit_vectors

from bitsieve.errors import DuplicateIdError
from bitsieve.index import Index, build, writer

D = 16
IDS = st.lists(st.integers(0, 60).map(str), min_size=1, max_size=6, unique=True)


class IndexMachine(RuleBasedStateMachine):
    """Adds, replaces, deletes, compacts and reopens; a reader that stays open follows."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(build, "FLAT_FROM", 20)
        self.patch.setattr(build, "CELLS_FROM", 60)
        self.patch.setattr(writer, "FIT_FROM", 40)
        self.folder = Path(tempfile.mkdtemp(prefix="bitsieve-test-"))
        self.plain = Plain()
        self.seed = 0

    @initialize(dtype=st.sampled_from(["float32", "float16"]))
    def create(self, dtype: str) -> None:
        self.index = Index.create(self.folder / "index", dimension=D, dtype=dtype, n_bits=16)  # type: ignore[arg-type]
        self.reader = Index.open(self.folder / "index")
        self.dtype = dtype

    def teardown(self) -> None:
        self.reader.close()
        self.index.close()
        shutil.rmtree(self.folder)
        self.patch.undo()

    def _given(self, ids: list[str]) -> dict[str, object]:
        self.seed += 1
        vectors = unit_vectors(len(ids), D, self.seed)
        stored = vectors.astype(self.dtype).astype(np.float32)
        texts = [f"text {id_} of {self.seed}" for id_ in ids]
        metadata = [{"n": int(id_)} for id_ in ids]
        self.put = (ids, texts, stored, metadata)
        return {"texts": texts, "ids": ids, "vectors": vectors, "metadata": metadata}

    @rule(ids=IDS)
    def add(self, ids: list[str]) -> None:
        given = self._given(ids)
        if any(id_ in self.plain.documents for id_ in ids):
            with pytest.raises(DuplicateIdError):
                self.index.add(**given)  # type: ignore[arg-type]
        else:
            assert self.index.add(**given) == ids  # type: ignore[arg-type]
            self.plain.put(*self.put)

    @rule(start=st.integers(61, 400), n=st.integers(10, 80))
    def upsert_many(self, start: int, n: int) -> None:
        self.index.upsert(**self._given([str(start + i) for i in range(n)]))  # type: ignore[arg-type]
        self.plain.put(*self.put)

    @rule(ids=IDS)
    def upsert(self, ids: list[str]) -> None:
        self.index.upsert(**self._given(ids))  # type: ignore[arg-type]
        self.plain.put(*self.put)

    @rule(ids=IDS)
    def delete(self, ids: list[str]) -> None:
        assert self.index.delete(ids) == self.plain.delete(ids)

    @rule(least=st.integers(0, 400))
    def delete_where(self, least: int) -> None:
        gone = [id_ for id_, (_, _, facts) in self.plain.documents.items() if facts["n"] >= least]
        assert self.index.delete(where={"n": {"$gte": least}}) == self.plain.delete(gone)

    @rule()
    def compact(self) -> None:
        self.index.compact()
        assert len(self.index.stats().kinds) <= 1

    @rule()
    def refit(self) -> None:
        assert self.index.refit() == (len(self.plain.documents) >= 40)

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = Index.open(self.folder / "index", write=True)

    @precondition(lambda self: self.plain.documents)
    @rule(data=st.data())
    def documents_are_whole(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.plain.documents)))
        text, vector, facts = self.plain.documents[id_]
        document = self.reader.get(id_)
        assert document is not None
        assert (document.id, document.text, document.metadata) == (id_, text, facts)
        vector = vector / np.linalg.norm(vector)
        assert self.reader.search(vector=vector, k=1)[0].id == id_
        assert id_ in [hit.id for hit in self.reader.search(text, 1000, mode="keyword")]

    @rule(seed=st.integers(0, 9), k=st.integers(1, 30), least=st.integers(0, 400))
    def searches_agree(self, seed: int, k: int, least: int) -> None:
        query = unit_vectors(1, D, 1000 + seed)[0]
        all_ = 10_000  # candidates: every cell is visited and every vector compared
        for index in (self.index, self.reader):
            found = [hit.id for hit in index.search(vector=query, k=k, n_candidates=all_)]
            assert found == self.plain.nearest(query, k)
            found = [
                hit.id
                for hit in index.search(vector=query, k=k, n_candidates=all_, where={"n": {"$gte": least}})
            ]
            assert found == self.plain.nearest(query, k, least)

    @invariant()
    def has_all(self) -> None:
        if hasattr(self, "index"):
            assert len(self.reader) == len(self.index) == len(self.plain.documents)


TestIndex = IndexMachine.TestCase
TestIndex.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
