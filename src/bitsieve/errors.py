"""Every error bitsieve raises on purpose, in one tree.

    BitsieveError
    ├── InputError (ValueError)        an argument is wrong: shape, range, type, text
    │   ├── DimensionError             d or n_bits differs from what was fitted
    │   ├── TextError                  a text is empty, not a string, or not valid Unicode
    │   ├── ModelMismatchError         vectors or a model are not of the model that the index is of
    │   └── DuplicateIdError           a document with this id exists already
    ├── NotFittedError                 the method needs `fit` or `build` first
    ├── CorpusError                    a corpus file is missing, broken or too small
    ├── ModelError                     a model is unknown, or its files cannot be had
    ├── DigestError                    a file's sha256 is not the one it should have
    ├── DownloadError                  a package could not be fetched
    ├── FormatError                    a saved codec or index cannot be read
    │   └── NewerFormatError           it was written by a newer bitsieve
    ├── DiskError (OSError)            the system could not read or write a file
    ├── DamageError                    a file of an index is missing or not what was written
    │   └── MissingFileError           it is missing: damage, or a newer generation has replaced it
    ├── IndexLockedError               another writer has the index
    └── MissingExtraError (ImportError)  an optional dependency is not installed

    RecallWarning (UserWarning)        recall is not, or can no longer be trusted to be, what was asked for

A message says what was expected, what came, and what to do.
"""

import sys
import warnings
from types import FrameType


class RecallWarning(UserWarning):
    """Recall is not what was asked for, or can no longer be trusted to be; the message has the remedy."""


class BitsieveError(Exception):
    """Base of every error that bitsieve raises on purpose."""


class InputError(BitsieveError, ValueError):
    """An argument has the wrong shape, range or type."""


class DimensionError(InputError):
    """Vectors or codes have another width than the fitted codec."""


class TextError(InputError):
    """A text is empty, not a string, or cannot be encoded as UTF-8."""


class ModelMismatchError(InputError):
    """Vectors or a model are not of the model that the index is of."""


class DuplicateIdError(InputError):
    """A document with this id exists already."""


class NotFittedError(BitsieveError):
    """The object has not learned anything yet."""


class CorpusError(BitsieveError):
    """A corpus is missing, broken or too small."""


class ModelError(BitsieveError):
    """A model is unknown, or its files cannot be had."""


class DigestError(BitsieveError):
    """A file's sha256 is not the pinned one."""


class DownloadError(BitsieveError):
    """A package could not be fetched."""


class FormatError(BitsieveError):
    """A saved codec or index cannot be read."""


class NewerFormatError(FormatError):
    """A saved codec or index was written by a newer version."""


class DiskError(BitsieveError, OSError):
    """The system could not read or write a file; `errno` says why."""


class DamageError(BitsieveError):
    """A file of an index is missing, or is not what was written."""


class MissingFileError(DamageError):
    """A file of an index is missing; a reader looks first whether a newer generation does without it."""


class IndexLockedError(BitsieveError):
    """Another writer has the index."""


class MissingExtraError(BitsieveError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)  # what pickle makes another of

    def __str__(self) -> str:
        what, extra = self.args
        return f"{what} needs the extra [{extra}]: pip install 'bitsieve[{extra}]'"


RUNNERS = {"threading", "concurrent", "asyncio"}
"""Packages that call what others gave them: a line of theirs says nothing about who asked."""


def warn_caller(text: str, category: type[Warning], *, every_time: bool = False) -> None:
    """Warn at the line that called bitsieve; of bitsieve itself where none did, as in a thread or an executor.

    every_time: also where Python would show this text of that line only once, as it does unless it is told otherwise.
    """
    here = sys._getframe()
    frame = here.f_back
    while frame is not None and _package(frame) == _package(here):
        frame = frame.f_back
    if frame is None or _package(frame) in RUNNERS:
        warnings.warn_explicit(text, category, __package__ or "", 1)
        return
    shown = {} if every_time else frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        text, category, frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__"), shown
    )


def _package(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
