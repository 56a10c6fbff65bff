"""What makes an index's vectors: a model that is loaded when a text is first embedded, or vectors of the user's own."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray, check_vectors
from ..errors import InputError, ModelError, ModelMismatchError
from ..search.checks import check_queries
from .rows import Rows

if TYPE_CHECKING:
    from ..encoder import Chunking, Encoder
    from ..encoder.encoder import Progress


_SETTINGS = ("pooling", "max_tokens", "query_prefix", "passage_prefix")
"""Of a model, which decide the vectors beside its files."""


class VectorSource:
    """Turns texts into vectors as those of the index were made, and checks vectors that are given.

    facts: as the catalog keeps them; `describe` makes them.
    epoch: how often the index was moved to another model.
    model: what the user opened the index with, None for what it was made with.
    Raises: ModelMismatchError when that is another model.
    """

    def __init__(self, facts: dict[str, Any], model: "str | Path | Encoder | None" = None) -> None:
        self._facts = facts
        self.dimension: int = facts["dimension"]
        self.epoch: int = facts["epoch"]
        self._source: str | Path | None = facts["source"]
        self._encoder: Encoder | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()
        if model is None:
            return
        if not isinstance(model, str | os.PathLike):
            self._check(model)
            self._encoder = model
            return
        self._source = Path(model) if isinstance(model, os.PathLike) else model
        if self.embeds:
            self._check_files(model)
        elif str(model) != self.name:
            raise ModelMismatchError(
                f"the index holds vectors of {self.name!r}, not of {str(model)!r}: open it without model=, or "
                "add these vectors to an index of their own"
            )

    @property
    def embeds(self) -> bool:
        """Whether there is a model, or only vectors that users bring."""
        return self._facts["fingerprint"] is not None

    @property
    def name(self) -> str:
        """Of the model, or what the user calls the source of their own vectors."""
        return str(self._facts["name"])

    @property
    def encoder(self) -> "Encoder":
        """The model, loaded.

        Raises: InputError when the index has none; ModelError; ModelMismatchError when its files are not those that
            made the index's vectors.
        """
        if self._encoder is None:
            if not self.embeds:
                raise InputError(
                    f"the index was made for vectors of your own ({self.name}): give vectors, since it has no model "
                    "to embed texts with"
                )
            if self._pid != os.getpid():  # another thread of the parent may have held the lock
                self._lock, self._pid = threading.Lock(), os.getpid()
            with self._lock:
                self._encoder = self._encoder or self._load()
        return self._encoder

    def passages(
        self, texts: Sequence[str], chunking: "Chunking | None", progress: "Progress | None"
    ) -> Rows:
        """The passages of texts, embedded; their keys are the texts' places.

        Raises: TextError; InputError when the chunking does not go with the model.
        """
        if chunking is None:
            return Rows(np.arange(len(texts)), self.encoder.encode_passages(texts, progress=progress), None)
        spans = self.encoder.split(texts, chunking)
        cut = [text[start:stop] for text, places in zip(texts, spans, strict=True) for start, stop in places]
        owners = np.repeat(np.arange(len(texts)), [len(places) for places in spans])
        places = np.array([place for of_text in spans for place in of_text], np.int32).reshape(-1, 2)
        return Rows(owners, self.encoder.encode_passages(cut, progress=progress), places)

    def queries(self, texts: Sequence[str]) -> FloatArray:
        """The vectors of queries, (q, d)."""
        return self.encoder.encode_queries(texts)

    def check(self, vectors: ArrayLike) -> FloatArray:
        """Return vectors to add as (n, d) float32 of norm 1, or raise InputError or ModelMismatchError."""
        return check_vectors(self._of_dimension(vectors), unit=True)

    def check_queries(self, vectors: ArrayLike) -> FloatArray:
        """Return vectors to look for as (q, d) float32 of norm 1, or raise InputError or ModelMismatchError."""
        return check_queries(self._of_dimension(vectors), self.dimension)

    def _of_dimension(self, vectors: ArrayLike) -> NDArray[Any]:
        array = np.asarray(vectors)
        if array.ndim == 2 and array.shape[1] != self.dimension:
            raise ModelMismatchError(
                f"vectors have d={array.shape[1]}, the index holds d={self.dimension} of {self.name!r}: "
                "embed with that model, or make an index for these vectors"
            )
        return array

    def _load(self) -> "Encoder":
        from ..encoder import Encoder

        settings = {name: self._facts["model"][name] for name in _SETTINGS}
        try:
            encoder = Encoder(self._source or self.name, **settings)
        except ModelError as error:
            raise ModelError(
                f"{error}\nThe index needs this model: open it with model=, the folder where it is now (--model)"
            ) from error
        except InputError as error:  # its files have become those of a model that these settings do not suit
            raise self._mismatch(str(self._source or self.name), str(error)) from error
        self._check(encoder)
        return encoder

    def _check(self, encoder: "Encoder") -> None:
        own = encoder.model
        if own.fingerprint != self._facts["fingerprint"]:
            differs = f"fingerprint {own.fingerprint[:12]}; files, pooling, limit or prefixes differ"
            raise self._mismatch(own.name, differs)

    def _check_files(self, model: str | Path) -> None:
        """Whether a model that is named has the files of the index's own, as far as they are here; nothing is run."""
        from ..encoder import files_here

        if str(model).lower() == self.name.lower():
            return  # looked for when it is first used
        files = files_here(model)
        if files is None:
            raise self._mismatch(str(model), "of which there are no files here")
        if files != self._facts["model"]["files"]:
            raise self._mismatch(str(model), "its files differ")

    def _mismatch(self, other: str, why: str) -> ModelMismatchError:
        return ModelMismatchError(
            f"the index was made with {self.name!r} (fingerprint {str(self._facts['fingerprint'])[:12]}), this is "
            f"{other!r} ({why}): open it with the model it was made with, or move it to this one with Index.reembed"
        )


def describe(
    model: "str | Path | Encoder | None", dimension: int | None
) -> tuple[dict[str, Any], "Encoder | None"]:
    """The facts of a new index's vectors, and the encoder that was loaded to know them.

    model: to embed with; or, when a dimension is given, what the user calls the source of their own vectors.
    Raises: InputError; ModelError.
    """
    if dimension is not None:
        if isinstance(dimension, bool) or not isinstance(dimension, int) or not 8 <= dimension <= 65_536:
            raise InputError(f"dimension must be a whole number from 8 to 65,536, got {dimension!r}")
        if model is not None and not isinstance(model, str):
            raise InputError("dimension is for vectors of your own, whose source model= may name in a string")
        name = "vectors of your own" if model is None else model
        return {
            "name": name,
            "source": None,
            "fingerprint": None,
            "dimension": dimension,
            "model": None,
            "epoch": 0,
        }, None
    from ..encoder import Encoder

    if model is None:
        model = "BAAI/bge-small-en-v1.5"
    encoder = Encoder(model) if isinstance(model, str | os.PathLike) else model
    own = encoder.model
    return {
        "name": own.name,
        "source": encoder.made_from,
        "fingerprint": own.fingerprint,
        "dimension": own.dimension,
        "model": own.to_dict(),
        "epoch": 0,
    }, encoder


def check_chunking(chunk: "bool | Chunking") -> "Chunking | None":
    """What `chunk` of `Index.add` says."""
    if chunk is False:
        return None
    from ..encoder import Chunking

    if chunk is not True and not isinstance(chunk, Chunking):
        raise InputError(f"chunk must be True, False or a bitsieve.encoder.Chunking, got {chunk!r}")
    return Chunking() if chunk is True else chunk
