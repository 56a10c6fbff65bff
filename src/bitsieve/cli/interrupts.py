"""Ctrl-C: the first lets a command stop in good order, the second ends the process at once."""

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

EXIT_CODE = 130
"""Of a stopped command: 128 and the number of SIGINT, as shells have it."""

AT_ONCE = "stopped at once: what was committed is kept"

SHOW_CURSOR = "\x1b[?25h"
"""What a bar that is drawn hides."""


def listen() -> None:
    """Make the first Ctrl-C raise KeyboardInterrupt, and the second end the process, whatever runs."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # behind a shell's `&` it stays ignored
        signal.signal(signal.SIGINT, _stop)
        sys.unraisablehook = _stop_if_swallowed


def leave() -> NoReturn:
    """End a stopped command, but not as Python ends: it may believe that a thread has ended which still runs.

    A join that Ctrl-C interrupts leaves the thread marked as ended (up to Python 3.12). Python then does not wait for
    it, and when it comes back from onnxruntime to an interpreter that is gone, C++ aborts: "terminate called without
    an active exception".
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(EXIT_CODE)


def _stop(*_: object) -> NoReturn:
    signal.signal(signal.SIGINT, _stop_at_once)
    raise KeyboardInterrupt


def _stop_at_once(*_: object) -> NoReturn:
    """Lose nothing that `kill -9` would not."""
    said = f"{SHOW_CURSOR if os.isatty(2) else ''}{AT_ONCE}\n"
    with suppress(OSError):
        os.write(2, said.encode())  # `sys.stderr` may be in the middle of a write
    os._exit(EXIT_CODE)


def _stop_if_swallowed(unraisable: "sys.UnraisableHookArgs") -> None:
    """Python passes over what is raised in a `__del__` or a callback, and would go on after a Ctrl-C there."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _stop_at_once()
    sys.__unraisablehook__(unraisable)
