"""Every error bitsieve raises on purpose, in one tree.

    BitsieveError
    ├── InputError (ValueError)        an argument is wrong: shape, range, type, text
    │   ├── DimensionError             d or n_bits differs from what was fitted
    │   └── TextError                  a text is empty, not a string, or not valid Unicode
    ├── NotFittedError                 the method needs `fit` or `build` first
    ├── CorpusError                    a corpus file is missing, broken or too small
    ├── ModelError                     a model is unknown, or its files cannot be had
    ├── DigestError                    a file's sha256 is not the one it should have
    ├── DownloadError                  a package could not be fetched
    ├── FormatError                    a saved codec cannot be read
    │   └── NewerFormatError           it was written by a newer bitsieve
    ├── DamageError                    a file of an index is missing or not what was written
    └── MissingExtraError (ImportError)  an optional dependency is not installed

A message says what was expected, what came, and what to do.
"""


class BitsieveError(Exception):
    """Base of every error that bitsieve raises on purpose."""


class InputError(BitsieveError, ValueError):
    """An argument has the wrong shape, range or type."""


class DimensionError(InputError):
    """Vectors or codes have another width than the fitted codec."""


class TextError(InputError):
    """A text is empty, not a string, or cannot be encoded as UTF-8."""


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
    """A saved codec is damaged or is none."""


class NewerFormatError(FormatError):
    """A saved codec was written by a newer version."""


class DamageError(BitsieveError):
    """A file of an index is missing, or is not what was written."""


class MissingExtraError(BitsieveError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra [{extra}]: pip install 'bitsieve[{extra}]'")
