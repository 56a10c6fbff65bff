"""`Index`: a collection of texts on disk that is searched by meaning, by keywords, or both."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

import apsw
import numpy as np
from numpy.typing import ArrayLike

from ..arrays import check_count
from ..errors import BitsieveError, InputError
from ..store import documents
from ..store.catalog import fact
from ..store.disk import Disk
from ..store.documents import Document
from ..store.filters import to_sql
from .backup import backup
from .given import check_documents, check_id, check_texts
from .hits import Hits
from .inspection import Finding, Stats, stats_of, verify
from .model import VectorSource, check_chunking, describe
from .opening import DTypeName, Files, create_files, open_files
from .reading import Reader
from .rows import Rows
from .searching import Mode, Request, Steps, answer, check_mode, mean_direction, query_vectors
from .snapshot import Snapshot
from .view import Plan, check_plan
from .writer import Writer

if TYPE_CHECKING:
    from ..encoder import Chunking, Encoder
    from ..encoder.encoder import Progress


class Index:
    """An index on disk. Make one with `Index.create` or `Index.open`; close it, or use it in a `with`.

    Any number of processes may read while one writes. A search sees everything that was committed before it began,
    and nothing of what is committed meanwhile. Threads may share an index, and a fork goes on reading it.
    """

    def __init__(self, files: Files) -> None:
        self.path = files.root
        self._files, self._catalog, self._source = files, files.catalog, files.source
        try:
            self._reader = Reader(files.root, files.catalog)
            self._writer = None if files.lock is None else Writer(files.root, files.catalog, files.disk)
        except BaseException:
            files.close()
            raise
        self._writing = threading.Lock()

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        model: "str | Path | Encoder | None" = None,
        dimension: int | None = None,
        dtype: DTypeName = "float32",
        n_bits: int = 128,
        tokenizer: str = "unicode61",
        disk: Disk | None = None,
    ) -> "Index":
        """Make an empty index, open for writing.

        path: of a folder that is made; it may be there if it is empty.
        model: to embed texts with, a name, a folder or an Encoder; the default is BAAI/bge-small-en-v1.5.
        dimension: for vectors of your own instead, which `model` may then name.
        dtype: vectors are stored as "float32", or as "float16" in half the space.
        n_bits: of the codes; a multiple of 8.
        tokenizer: for keywords: "unicode61" takes words without their diacritics, "porter" English words by their
            stem, "trigram" three characters each, for languages without spaces.
        disk: for tests.
        Raises: InputError when there is an index already or a parameter is out of range; ModelError;
            IndexLockedError; DiskError.
        """
        return cls(create_files(path, model, dimension, dtype, n_bits, tokenizer, disk or Disk()))

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        write: bool = False,
        model: "str | Path | Encoder | None" = None,
        disk: Disk | None = None,
    ) -> "Index":
        """Open an index that is there.

        write: to add and delete, as the only writer. model: where the index's model is now, a name, a folder or an
            Encoder, if it is not where it was. disk: for tests.
        Raises: FormatError where there is no index; NewerFormatError when a newer bitsieve made it; DamageError;
            ModelMismatchError when `model` is another one; IndexLockedError when another is writing; DiskError.
        """
        return cls(open_files(path, write, model, disk or Disk()))

    def close(self) -> None:
        """Let go of the files, and let another writer in. A second call does nothing."""
        self._files.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(
        self,
        texts: Sequence[str] | None = None,
        *,
        ids: Sequence[str | int] | None = None,
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        vectors: ArrayLike | None = None,
        chunk: "bool | Chunking" = False,
        progress: "Progress | None" = None,
    ) -> list[str]:
        """Add documents, all of them or none; they are on the disk, and found, when this returns.

        texts: n strings; None when only vectors are given. ids: n different strings or whole numbers that are not in
            the index yet; None numbers them. metadata: n JSON objects.
        vectors: (n, d) floating point of L2 norm 1, of your own; None embeds the texts, whose vectors stay in the
            cache of the encoder: adding again after an interruption takes up where it stopped.
        chunk: cut long texts on sentence ends into passages that the model takes whole, as many as it needs; a
            Chunking says how. Otherwise a TruncationWarning says how many texts were longer than the model takes.
        progress: called with (done, n) as passages are embedded.
        Returns: the ids.
        Raises: DuplicateIdError; TextError; InputError; ModelMismatchError for vectors of another dimension;
            ModelError; DiskError.
        """
        return self._put(texts, ids, metadata, vectors, chunk, progress, replace=False)

    def upsert(
        self,
        texts: Sequence[str] | None = None,
        *,
        ids: Sequence[str | int],
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        vectors: ArrayLike | None = None,
        chunk: "bool | Chunking" = False,
        progress: "Progress | None" = None,
    ) -> list[str]:
        """Add documents as `add` does; those of ids that are in the index already are replaced, whole."""
        return self._put(texts, ids, metadata, vectors, chunk, progress, replace=True)

    def delete(
        self, ids: Iterable[str | int] | None = None, *, where: Mapping[str, Any] | None = None
    ) -> int:
        """Delete documents by their ids, or those that a `where` matches; they stay deleted when this returns.

        Returns: how many there were. Ids that are not in the index are passed over.
        Raises: InputError unless one of the two is given; DiskError.
        """
        if (ids is None) == (where is None):
            raise InputError("delete takes ids or a where, one of them")
        with self._alone() as writer:
            with self._catalog.reading() as connection:
                if where is not None:
                    keys = documents.matching(connection, where)
                else:
                    there = documents.keys_of(connection, list(dict.fromkeys(map(check_id, ids or ()))))
                    keys = np.sort(np.fromiter(there.values(), np.int64))
            writer.delete(keys)
        return len(keys)

    def search(
        self,
        query: str | None = None,
        k: int = 10,
        *,
        vector: ArrayLike | None = None,
        where: Mapping[str, Any] | None = None,
        mode: Mode = "vector",
        min_score: float | None = None,
        syntax: bool = False,
        n_candidates: int | None = None,
        n_probes: int | None = None,
        probe_margin: float | None = None,
        ids_only: bool = False,
        explain: bool = False,
    ) -> Hits:
        """The k best documents for a query.

        query: a text. vector: (d,) of L2 norm 1, to look for in place of the text's own.
        where: which documents may be found; `bitsieve.store.filters` has the language.
        mode: "vector" by meaning, "keyword" by words (BM25; a document has at least one of them), "hybrid" by both,
            their scores joined.
        min_score: leave out what scores less. syntax: the text is an expression of FTS5 (sqlite.org/fts5.html).
        n_candidates, n_probes, probe_margin: how hard to look, as in `Cascade.search`; None for what suits most.
        ids_only: leave texts and metadata where they are, which takes most of the time of a search by vector.
        explain: tell what was done, in the hits' `steps`.
        Returns: hits, best first, fewer than k where there are no more.
        Raises: InputError; ModelMismatchError; ModelError; DamageError when what the answer rests on is damaged.
        """
        return self.search_batch(
            None if query is None else [query],
            k,
            vectors=None if vector is None else np.asarray(vector)[np.newaxis],
            where=where,
            mode=mode,
            min_score=min_score,
            syntax=syntax,
            n_candidates=n_candidates,
            n_probes=n_probes,
            probe_margin=probe_margin,
            ids_only=ids_only,
            explain=explain,
        )[0]

    def search_batch(
        self,
        queries: Sequence[str] | None = None,
        k: int = 10,
        *,
        vectors: ArrayLike | None = None,
        where: Mapping[str, Any] | None = None,
        mode: Mode = "vector",
        min_score: float | None = None,
        syntax: bool = False,
        n_candidates: int | None = None,
        n_probes: int | None = None,
        probe_margin: float | None = None,
        ids_only: bool = False,
        threads: int = 1,
        explain: bool = False,
    ) -> list[Hits]:
        """The k best documents for each of several queries, all answers of one generation.

        queries: q texts. vectors: (q, d) of L2 norm 1. threads: that share the queries. The rest as in `search`.
        """
        check_mode(mode)
        check_count(k, "k")
        if queries is None and (vectors is None or mode != "vector"):
            raise InputError(f"nothing to search for: mode={mode!r} needs a text")
        if where is not None:
            to_sql(where)
        plan = check_plan(n_candidates, n_probes, probe_margin, threads)
        texts = None if queries is None or mode == "vector" else check_texts(queries, blank=True)
        if texts is not None and vectors is not None and np.shape(vectors)[:1] != (len(texts),):
            raise InputError(
                f"vectors have shape {np.shape(vectors)} for {len(texts)} queries: give one for each"
            )
        request = Request(k, mode, where, min_score, syntax, ids_only, self._files.tokenizer, plan)
        found: list[Hits] | None = None
        while found is None:
            source, steps = self._source, Steps()
            try:
                checked = query_vectors(source, queries, vectors, mode, steps)
            except BitsieveError:
                if self._follow(source):
                    continue
                raise

            def work(connection: apsw.Connection, snapshot: Snapshot) -> list[Hits] | None:
                if snapshot.model_epoch != source.epoch:  # noqa: B023
                    return None
                return answer(connection, snapshot, request, texts, checked, steps)  # noqa: B023

            found = self._reader.read(work)
            if found is None:
                self._follow(source)
        if explain:
            for hits in found:
                hits.steps = tuple(steps.done)
        return found

    def similar(self, id: str | int, k: int = 10, *, where: Mapping[str, Any] | None = None) -> Hits:  # noqa: A002
        """The documents nearest to one of the index, without itself; of several passages, to their mean direction.

        Raises: InputError when there is no such document.
        """
        check_count(k, "k")
        name = check_id(id)
        request = Request(k + 1, "vector", where, None, False, False, self._files.tokenizer, Plan())

        def work(connection: apsw.Connection, snapshot: Snapshot) -> Hits:
            key = documents.keys_of(connection, [name]).get(name)
            if key is None:
                raise InputError(f"the index has no document {name!r}")
            direction = mean_direction(snapshot.vectors_of(key))
            (found,) = answer(connection, snapshot, request, None, direction, Steps())
            return Hits([hit for hit in found if hit.id != name][:k], found.generation)

        return self._reader.read(work)

    @overload
    def get(self, ids: str | int) -> Document | None: ...  # type: ignore[overload-overlap]

    @overload
    def get(self, ids: Iterable[str | int]) -> list[Document | None]: ...

    def get(self, ids: str | int | Iterable[str | int]) -> Document | list[Document | None] | None:
        """The documents of ids, None where there is none; one id gives one document."""
        if isinstance(ids, str | int | np.integer):
            return self.get([ids])[0]
        names = [check_id(item, place) for place, item in enumerate(ids)]
        with self._catalog.reading() as connection:
            keys = documents.keys_of(connection, list(dict.fromkeys(names)))
            found = documents.by_keys(connection, keys.values())
        return [found[keys[name]] if name in keys else None for name in names]

    def __len__(self) -> int:
        """How many documents there are."""
        with self._catalog.reading() as connection:
            return documents.count(connection)

    def __contains__(self, id: object) -> bool:  # noqa: A002
        """Whether there is a document of this id."""
        name = check_id(id)
        with self._catalog.reading() as connection:
            return name in documents.keys_of(connection, [name])

    @property
    def dimension(self) -> int:
        """Of the vectors."""
        return self._source.dimension

    @property
    def encoder(self) -> "Encoder":
        """The model that embeds texts and queries, loaded when it is first asked for.

        Raises: InputError when the index is of vectors of your own; ModelError; ModelMismatchError.
        """
        return self._source.encoder

    def stats(self) -> Stats:
        """What the index holds, and what it takes on the disk."""
        return self._reader.read(lambda connection, snapshot: stats_of(self.path, connection, snapshot))

    def verify(self) -> list[Finding]:
        """Read everything and compare it with its checksums. Returns: what is wrong, nothing when all is well."""
        return verify(self.path, self._catalog)

    def backup(self, target: str | os.PathLike[str]) -> int:
        """Copy the newest generation into a new folder, which is an index, while readers and a writer go on.

        target: of a path where nothing is. It is there when all of it is, checked as it was copied; a process that is
            killed before leaves a folder of the name and .tmp behind it.
        Returns: the generation. Raises: InputError when something is there; DamageError; DiskError.
        """
        return backup(self.path, self._reader, self._files.disk, target)

    def compact(self) -> None:
        """Write all segments as one, without what was deleted, while readers go on with the old ones."""
        with self._alone() as writer:
            writer.compact()

    def refit(self) -> bool:
        """Learn the codec anew from all vectors, and code them with it, while readers go on with the old one.

        Returns: whether there were enough of them.
        """
        with self._alone() as writer:
            return writer.refit() is not None

    def reembed(
        self,
        model: "str | Path | Encoder",
        *,
        chunk: "bool | Chunking" = False,
        progress: "Progress | None" = None,
    ) -> None:
        """Move to another model: embed all texts with it, while readers go on with the old one until it is committed.

        chunk: as in `add`, for all texts. progress: called with (done, n) as passages are embedded.
        Raises: InputError when there are documents without a text; ModelError; DiskError.
        """
        with self._alone() as writer:
            facts, encoder = describe(model, None)
            facts["epoch"] = self._source.epoch + 1
            source = VectorSource(facts, encoder)
            with self._catalog.reading() as connection:
                keys, ids, texts = documents.all_texts(connection)
            rows = source.passages(texts, check_chunking(chunk), progress)
            writer.replace_vectors(facts, rows.of_documents(ids, keys))
            self._source = source

    def _put(
        self, texts: Any, ids: Any, metadata: Any, vectors: Any, chunk: Any, progress: Any, *, replace: bool
    ) -> list[str]:
        with self._alone() as writer:
            own = None if vectors is None else self._source.check(vectors)
            given = check_documents(texts, ids, metadata, None if own is None else len(own))
            if own is not None and chunk:
                raise InputError("chunk cuts texts before they are embedded: give texts without vectors")
            if replace and given.ids is None:
                raise InputError("upsert replaces by id: give ids")
            if not given.n:
                return []
            if not replace and given.ids:
                writer.refuse_existing(given.ids)  # before texts are embedded for hours
            if own is not None:
                passages = Rows(np.arange(given.n), own, None)
            else:
                passages = self._source.passages(given.texts or [], check_chunking(chunk), progress)
            return writer.add(given, passages, replace=replace)

    def _follow(self, source: VectorSource) -> bool:
        """Whether the index has moved to another model than the source's, to which this then moves too."""
        with self._catalog.reading() as connection:
            facts = fact(connection, "model")
        if facts["epoch"] == source.epoch:
            return False
        self._source = VectorSource(facts)
        return True

    @contextmanager
    def _alone(self) -> Iterator[Writer]:
        # Refused before it waits: in a fork nobody would let go of the lock that a thread of the parent has.
        if self._writer is None:
            raise InputError(f"{self.path} is open for reading: open it with Index.open(path, write=True)")
        if self._files.pid != os.getpid():
            raise InputError(
                f"{self.path} is written to by process {self._files.pid}, which this one was forked from"
            )
        with self._writing:
            yield self._writer
