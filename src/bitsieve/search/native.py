"""Which kernels run: the best of those in C++ that this machine has, or NumPy where the package was built without.

`BITSIEVE_KERNELS` forces one: numpy, scalar, avx2, avx512 or neon. All give the same results.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from ..errors import InputError

VARIABLE = "BITSIEVE_KERNELS"
NUMPY = "numpy"
NAMES = ("avx512", "avx2", "neon", "scalar", NUMPY)
BUILT_WITHOUT = (
    "built without a C++ compiler or Python's headers; install them (Debian, Ubuntu: apt-get install g++ python3-dev; "
    "macOS: xcode-select --install; Windows: Visual Studio Build Tools), then: "
    "python -m pip install --no-cache-dir --no-binary bitsieve --force-reinstall --no-deps bitsieve"
)

_log = logging.getLogger("bitsieve")


@cache
def active() -> str:
    """The name of the kernels that run, settled when first asked.

    Raises: InputError when BITSIEVE_KERNELS names kernels that are unknown or cannot run here.
    """
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    if not wanted:
        return available()[0]
    if wanted not in available():
        what = "cannot run on this machine or in this build" if wanted in NAMES else "is no name of kernels"
        reason = f" ({why_numpy()})" if why_numpy() else ""
        raise InputError(f"{VARIABLE}={wanted!r} {what}; available: {', '.join(available())}{reason}")
    return wanted


def available() -> tuple[str, ...]:
    """The kernels that can run here, best first; NumPy is always the last."""
    extension, _ = _load()
    return (*(extension.available() if extension else ()), NUMPY)


def module() -> ModuleType | None:
    """The extension module to call with `active()`, or None when NumPy is to do it."""
    if active() == NUMPY:
        _say_once(why_numpy())
        return None
    return _load()[0]


def why_numpy() -> str:
    """Why there are no kernels in C++ and how to get them, or nothing when there are."""
    return _load()[1]


@contextmanager
def forced(name: str) -> Iterator[None]:
    """Run other kernels for a while, as BITSIEVE_KERNELS would; for tests and benchmarks, not for threads."""
    before = os.environ.get(VARIABLE)
    try:
        os.environ[VARIABLE] = name
        active.cache_clear()
        active()
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
        active.cache_clear()


@cache
def _say_once(reason: str) -> None:
    if reason:
        _log.warning("searching with NumPy, which is slower: %s", reason)


@cache
def _load() -> tuple[ModuleType | None, str]:
    """The extension module, or why there is none."""
    try:
        import bitsieve._native as extension
    except ModuleNotFoundError:
        return None, BUILT_WITHOUT
    except ImportError as error:
        return None, f"the kernels in C++ are here but do not load: {error}"
    return extension, ""
