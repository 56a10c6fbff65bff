"""Checks of the documents that a user gives. All of a batch is checked before anything of it is written."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import NORM_TOLERANCE
from ..errors import DuplicateIdError, InputError, TextError

_TO_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
"""`json.dumps` would make one for each document, which takes as long as using it."""

MAX_DEPTH = 100
"""How deep metadata may nest: SQLite takes 1,000 levels, Python's JSON about as many less those it is called from."""


@dataclass(frozen=True)
class Documents:
    """Documents to be added.

    ids: n different ones, or None for the index to number them. texts: n, or None where only vectors are given.
    metadata: n JSON objects as text, or None for {}.
    """

    n: int
    ids: list[str] | None
    texts: list[str] | None
    metadata: list[str] | None


def check_documents(texts: Any, ids: Any, metadata: Any, n_vectors: int | None) -> Documents:
    """Return documents as they are stored, or raise InputError, TextError or DuplicateIdError for what is wrong."""
    if texts is None and n_vectors is None:
        raise InputError("nothing to add: give texts, vectors, or both")
    checked = None if texts is None else check_texts(texts, blank=n_vectors is not None)
    n = len(checked) if checked is not None else n_vectors or 0
    if n_vectors is not None and n_vectors != n:
        raise InputError(f"vectors have {n_vectors} rows for {n} texts: give one for each")
    return Documents(n, None if ids is None else check_ids(ids, n), checked, _check_metadata(metadata, n))


def check_ids(ids: Any, n: int | None = None, *, unique: bool = True) -> list[str]:
    """Return ids as strings, or raise InputError; DuplicateIdError when one is there twice and may not be."""
    if n is not None and isinstance(ids, Set):
        raise InputError("ids are a set, which has no order: pass a list, an id for each document")
    checked = [check_id(item, place) for place, item in enumerate(_list(ids, "ids", "[id]"))]
    if n is not None and len(checked) != n:
        raise InputError(f"ids are {len(checked)} for {n} documents: give one for each")
    if unique and len(set(checked)) < len(checked):
        seen: set[str] = set()
        twice = next(item for item in checked if item in seen or seen.add(item))  # type: ignore[func-returns-value]
        raise DuplicateIdError(f"ids hold {twice!r} twice: give each document its own")
    return checked


def check_id(item: Any, place: int = 0) -> str:
    """Return an id as a string, or raise InputError."""
    if isinstance(item, np.integer | int) and not isinstance(item, bool):
        return str(int(item))
    if not isinstance(item, str) or not item:
        raise InputError(
            f"id {place} is {item!r:.60}, expected a string that is not empty, or a whole number"
        )
    return _encodable(item, f"id {place}")


def check_texts(texts: Any, *, blank: bool) -> list[str]:
    """Return texts as a list, or raise InputError or TextError. blank: whether one may be."""
    checked = _list(texts, "texts", "[text]")
    for place, text in enumerate(checked):
        if not isinstance(text, str):
            raise TextError(f"text {place} is {type(text).__name__}, expected str: {text!r:.60}")
        if not blank and not text.strip():
            raise TextError(
                f"text {place} is empty or blank: leave such texts out, they have no meaning to find"
            )
        _encodable(text, f"text {place}")
    return checked


def check_asked(queries: Any) -> list[str] | NDArray[Any]:
    """Return queries, one at least, as a list of texts or else an array, or raise InputError or TextError."""
    items = _list(queries, "queries", "[text]")
    if not items:
        raise InputError("queries are none: give one at least, or None to take passages of the index")
    return check_texts(items, blank=False) if isinstance(items[0], str) else np.asarray(queries)


def check_query_vector(vector: Any) -> None:
    """Raise InputError when this is not one vector of norm 1; what else it has to be is checked with others."""
    array = np.asarray(vector)
    if array.ndim != 1:
        raise InputError(
            f"vector must have shape (d,), got {array.shape}: several are for search_batch(vectors=…)"
        )
    norm = sqrt(np.dot(array, array)) if array.dtype.kind == "f" else 1.0
    if abs(norm - 1) > NORM_TOLERANCE:
        raise InputError(f"vector has L2 norm {norm:.6g}, expected 1: divide it by np.linalg.norm(vector)")


def _check_metadata(metadata: Any, n: int) -> list[str] | None:
    if metadata is None:
        return None
    items = _list(metadata, "metadata", "[{…}]")
    if len(items) != n:
        raise InputError(f"metadata are {len(items)} for {n} documents: give a dict for each")
    return [json_object(item, f"metadata {place}") for place, item in enumerate(items)]


def json_object(item: Any, what: str) -> str:
    """Return a document's metadata as JSON, or raise InputError. what: its name in the message."""
    if item is None:
        return "{}"
    if not isinstance(item, Mapping):
        raise InputError(f"{what} is {type(item).__name__}, expected a dict: {item!r:.60}")
    metadata = dict(item)
    _check_nested(metadata, what)
    try:
        text = _TO_JSON.encode(metadata)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} is not JSON ({error}): use None, bool, int, finite float, str, list, dict"
        ) from None
    return _encodable(text, what)


def _check_nested(value: Any, what: str, depth: int = 1) -> None:
    """Raise InputError where objects and lists nest too deeply, or a key is no string."""
    if depth > MAX_DEPTH:
        raise InputError(f"{what} nests deeper than {MAX_DEPTH} levels: write it flatter")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise InputError(
                    f"{what} has the key {key!r:.60}, expected a string: JSON has no others, write {str(key)!r:.60}"
                )
        value = value.values()
    for inner in value:
        if isinstance(inner, (dict, list, tuple)):
            _check_nested(inner, what, depth + 1)


def _encodable(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextError(
            f"{what} holds a lone surrogate at character {error.start}: decode its source again, "
            "or replace it with text.encode('utf-8', 'replace').decode()"
        ) from None
    return text


def _list(items: Any, name: str, example: str) -> list[Any]:
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise InputError(f"{name} must be a list, got one {type(items).__name__}: pass {example}")
    return list(items)


def first_of(items: Sequence[str], n: int = 3) -> str:
    """The first few of a list, for a message.

    >>> first_of(["a", "b", "c", "d"])
    "'a', 'b', 'c' and 1 more"
    """
    shown = ", ".join(map(repr, items[:n]))
    return shown if len(items) <= n else f"{shown} and {len(items) - n} more"
