"""From a record of your own file to an id, a title, a text and metadata, or the reason why not."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from ...errors import CorpusError, InputError
from ...index.given import json_object
from .parquet import UNDECODABLE

TITLE_CHARACTERS = 60
NOT_UTF8 = "it is not UTF-8: save the file as UTF-8"
NUMBER = ":number"


class RecordError(Exception):
    """Why a record cannot be used, and what was expected."""


@dataclass(frozen=True)
class Fields:
    """Which columns hold what; None stands for "id" and "title" where they are present.

    metadata: columns to keep as metadata, as "year:number" those whose strings are numbers; None keeps all but text
        and id.
    """

    text: str = "text"
    id: str | None = None
    title: str | None = None
    metadata: tuple[str, ...] | None = ()

    @property
    def named(self) -> bool:
        """Whether a column is named for text, id or title."""
        return (self.text, self.id, self.title) != ("text", None, None)

    @property
    def metadata_names(self) -> list[str]:
        """The columns that are named for metadata."""
        return [name.removesuffix(NUMBER) for name in self.metadata or ()]

    def columns(self, present: list[str], path: Path) -> list[str]:
        """Those of the columns present that are to be read.

        Raises: CorpusError when one that was asked for is missing, or one to be read is there twice.
        """
        for name in (self.text, self.id, self.title, *self.metadata_names):
            if name is not None and name not in present:
                raise CorpusError(
                    f"{path} has no column {name!r}, only {present[:20]}: {_separator(present, path)}name the right "
                    f"one with --text, --id or --metadata (text_field, id_field, title_field, metadata)"
                    f"{about_colon(name)}"
                )
        wanted = {self.text, self.id or "id", self.title or "title", *self.metadata_names}
        if self.metadata is None:
            wanted |= set(present)
        if twice := sorted(name for name in wanted if present.count(name) > 1):
            raise CorpusError(f"{path} has more than one column {twice[0]!r}: rename all but one")
        return [name for name in present if name in wanted]

    def pick(self, record: Mapping[str, Any], row: int) -> tuple[str, str, str]:
        """(id, title, text) of a record, all stripped; `row` is the id of one that has none.

        Raises: RecordError.
        """
        for name in (self.text, self.id, self.title):
            if name is not None and name not in record:
                raise RecordError(f"it has no field {name!r}, only {list(record)[:20]}")
        text = _string(record, self.text)
        if not text:
            raise RecordError(f"{self.text!r} is blank, expected a text")
        text_id, title = str(row), ""
        id_field, title_field = self.id or "id", self.title or "title"
        if id_field in record:
            value = record[id_field]
            whole = isinstance(value, int) and not isinstance(value, bool)
            text_id = str(value) if whole else _string(record, id_field, "a string or a whole number")
            if not text_id:
                raise RecordError(f"{id_field!r} is blank, expected a string or a whole number")
        if record.get(title_field) is not None:
            title = _string(record, title_field)
        return text_id, title or first_words(text), text

    def rest(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """The metadata of a record, or None where none are wanted.

        Raises: RecordError for a value that is not JSON, or that no index takes.
        """
        if self.metadata == ():
            return None
        kept = self._rest(record)
        try:
            json_object(kept, "its metadata")
        except InputError as error:
            raise RecordError(str(error)) from None
        return kept

    def _rest(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if self.metadata is None:
            used = (self.text, self.id or "id")
            return {name: _as_json(value, name) for name, value in record.items() if name not in used}
        kept = {}
        for column, name in zip(self.metadata, self.metadata_names, strict=True):
            value = record.get(name)
            if column != name and value not in (None, ""):
                kept[name] = _as_number(value, name)
            elif column == name and name in record:
                kept[name] = _as_json(value, name)
        return kept


def about_colon(name: str) -> str:
    """What may stand after the colon of a column of metadata, where there is one."""
    return f"; after a colon only {NUMBER[1:]!r} is understood, as in 'year{NUMBER}'" if ":" in name else ""


def _separator(present: list[str], path: Path) -> str:
    """What to do about a header that is one column because others than commas, or tabs, separate them."""
    found = [sign for sign in ";\t|," if len(present) == 1 and sign in present[0]]
    expected = "tabs" if path.suffix.lower() == ".tsv" else "commas"
    return f"save it with {expected} between the columns, where it has {found[0]!r}, or " if found else ""


def first_words(text: str) -> str:
    """A title for a text that has none: its first words, at most 60 characters and an ellipsis."""
    line = " ".join(text[: 4 * TITLE_CHARACTERS].split())
    if len(line) <= TITLE_CHARACTERS:
        return line
    # Cut at a space where there is one: Chinese and Japanese have none.
    cut = line[: TITLE_CHARACTERS + 1].rpartition(" ")[0] or line[:TITLE_CHARACTERS]
    return f"{cut}…"


def _as_json(value: Any, name: str) -> Any:
    if value is UNDECODABLE:
        raise RecordError(f"{name!r} is not UTF-8: write the file again with UTF-8 strings")
    if isinstance(value, date | time):
        return value.isoformat()
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{name!r} is no metadata ({error}): name the columns to keep with --metadata (metadata)"
        ) from None
    return value


def _as_number(value: Any, name: str) -> Any:
    if isinstance(value, str):
        for number in (int, float):
            with suppress(ValueError):
                return _as_json(number(value), name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return _as_json(value, name)
    raise RecordError(f"{name!r} is {value!r:.40}, expected a number")


def _string(record: Mapping[str, Any], name: str, expected: str = "a string") -> str:
    value = record[name]
    if value is UNDECODABLE:
        raise RecordError(f"{name!r} is not UTF-8: write the file again with UTF-8 strings")
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise RecordError(f"{name!r} must be {expected}, got {kind}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        lone = ascii(value[error.start])
        raise RecordError(f"{name!r} holds half a surrogate pair, {lone}, which is no character") from None
    return value.strip()
