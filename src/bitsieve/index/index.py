"""`Index`: a collection of texts on disk that is searched by meaning, by keywords, or both."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import check_progress
from ..errors import InputError
from ..store import documents
from ..store.disk import Disk
from ..store.documents import Document
from ..store.filters import matches_all
from .backup import backup
from .given import check_documents, check_id, check_ids
from .inspection import Finding, Stats, stats_of, verify
from .model import VectorSource, check_chunking, describe
from .opening import DTypeName, create_files, open_files
from .recalls import Recalls
from .rows import Rows

if TYPE_CHECKING:
    from ..encoder import Chunking, Encoder
    from ..encoder.encoder import Progress


class Index(Recalls):
    """An index on disk. Make one with `Index.create` or `Index.open`; close it, or use it in a `with`.

    Any number of processes may read while one writes. A search sees everything that was committed before it began,
    and nothing of what is committed meanwhile. Threads may share an index, and a fork goes on reading it.
    """

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        model: "str | Path | Encoder | None" = None,
        dimension: int | None = None,
        dtype: DTypeName = "float32",
        n_bits: int | None = None,
        tokenizer: str = "unicode61",
        disk: Disk | None = None,
    ) -> "Index":
        """Make an empty index, open for writing.

        path: of a folder that is made; it may be there if it is empty.
        model: to embed texts with, a name, a folder or an Encoder; the default is BAAI/bge-small-en-v1.5.
        dimension: for vectors of your own instead, which `model` may then name.
        dtype: vectors are stored as "float32", or as "float16" in half the space.
        n_bits: of the codes; a multiple of 8, at most the vectors' dimensions. None is 128, or as many as those.
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
            ModelMismatchError when `model` is another one, as far as its files tell: settings are compared when it is
            first used; ModelError when it is none; IndexLockedError when another is writing; DiskError.
        """
        return cls(open_files(path, write, model, disk or Disk()))

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
            the index yet; None numbers them. metadata: n JSON objects, at most 100 levels deep.
        vectors: (n, d) floating point of L2 norm 1, of your own; None embeds the texts, whose vectors stay in the
            cache of the encoder: adding again after an interruption takes up where it stopped.
        chunk: cut long texts on sentence ends into passages that the model takes whole, as many as it needs; a
            Chunking says how. Otherwise a TruncationWarning says how many texts were longer than the model takes.
            Texts that are in the index already stay as they are, cut or whole, until `upsert` or `reembed`.
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
        self, ids: str | int | Iterable[str | int] | None = None, *, where: Mapping[str, Any] | None = None
    ) -> int:
        """Delete documents by their ids, or those that a `where` matches; they stay deleted when this returns.

        ids: one, or several.
        Returns: how many there were. Ids that are not in the index are passed over.
        Raises: InputError unless one of the two is given, or for a `where` that every document matches; DiskError.
        """
        if (ids is None) == (where is None):
            raise InputError("delete takes ids or a where, one of them")
        if where is not None and matches_all(where):
            raise InputError(
                f"where={where!r} matches every document: say which to delete, or make a new index"
            )
        one = isinstance(ids, str | int | np.integer)
        names = [] if ids is None else check_ids([ids] if one else ids, unique=False)
        with self._alone() as writer:
            with self._catalog.reading() as connection:
                if where is not None:
                    keys = documents.matching(connection, where)
                else:
                    there = documents.keys_of(connection, list(dict.fromkeys(names)))
                    keys = np.sort(np.fromiter(there.values(), np.int64))
            writer.delete(keys)
        return len(keys)

    @overload
    def get(self, ids: str | int) -> Document | None: ...  # type: ignore[overload-overlap]

    @overload
    def get(self, ids: Iterable[str | int]) -> list[Document | None]: ...

    def get(self, ids: str | int | Iterable[str | int]) -> Document | list[Document | None] | None:
        """The documents of ids, None where there is none; one id gives one document."""
        if isinstance(ids, str | int | np.integer):
            return self.get([ids])[0]
        names = check_ids(ids, unique=False)
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

    def stats(self) -> Stats:
        """What the index holds, and what it takes on the disk."""
        return self._reader.read(
            lambda connection, snapshot: stats_of(self._files.root, connection, snapshot)
        )

    def verify(self) -> list[Finding]:
        """Read everything and compare it with its checksums. Returns: what is wrong, nothing when all is well."""
        return verify(self._files.root, self._catalog)

    def backup(self, target: str | os.PathLike[str]) -> int:
        """Copy the newest generation into a new folder, which is an index, while readers and a writer go on.

        target: of a path where nothing is. It is there when all of it is, checked as it was copied; a process that is
            killed before leaves a folder behind it, of the name, eight hexadecimal digits and .tmp.
        Returns: the generation. Raises: InputError when something is there; DamageError; DiskError.
        """
        return backup(self._files.root, self._reader, self._files.disk, target)

    def compact(self) -> None:
        """Write all segments as one, without what was deleted, while readers go on with the old ones."""
        with self._alone() as writer:
            writer.compact()

    def refit(self) -> bool:
        """Learn the codec anew from 100,000 vectors at most, and code all with it; readers go on with the old one.

        Returns: whether there were enough of them, and not all equal.
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
        check_progress(progress)
        with self._alone() as writer:
            self._follow(self._source)  # one that was interrupted may have been committed
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
            self._follow(self._source)  # a `reembed` that was interrupted may have been committed
            own = None if vectors is None else self._source.check(vectors)
            given = check_documents(texts, ids, metadata, None if own is None else len(own))
            check_progress(progress)
            chunking = check_chunking(chunk)
            if own is not None and chunking:
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
                passages = self._source.passages(given.texts or [], chunking, progress)
            return writer.add(given, passages, replace=replace)
