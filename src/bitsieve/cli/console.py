"""What commands share to talk: the console, progress, log lines and warnings."""

import codecs
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from .interrupts import EXIT_CODE

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 10.0
"""How often a line of progress is printed where there is no terminal to draw a bar on."""

PLAIN_WIDTH = 120

KEPT = "stopped: what was embedded is kept, the same command goes on from there"


def make_console() -> "Console":
    """The console for results: as wide as the terminal, or 120 characters in a file or pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=False)


COMMANDS = dict.fromkeys(
    [*({*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A}), *range(0x202A, 0x202F), *range(0x2066, 0x206A)],
    "\N{REPLACEMENT CHARACTER}",
)
"""Control characters but tab and newline, and those that change the direction of writing."""


def print_plain(console: "Console", text: str, style: str = "", **options: Any) -> None:
    """Print what users wrote as it is: nothing in it is markup, and only a terminal breaks lines, between words.

    A terminal is shown � for each character that would command it, or turn around what is beside it.
    """
    is_terminal = sys.stdout.isatty()
    shown = {"markup": False, "emoji": False, "soft_wrap": not is_terminal, **options}
    console.print(text.translate(COMMANDS) if is_terminal else text, style=style, **shown)


def print_json(value: Any) -> None:
    """Print a result for programs; what does not write UTF-8 gets characters that are not ASCII as escapes."""
    utf_8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    typer.echo(json.dumps(value, ensure_ascii=not utf_8, indent=2))


def print_note(text: str) -> None:
    """Tell something besides the result, on stderr; above a bar or spinner, if there is one."""
    print(f"note: {text}", file=sys.stderr)


class _Notes(logging.Handler):
    """Log lines as notes. A bar replaces `sys.stderr` while it is drawn, so that a handler must not keep it."""

    def emit(self, record: logging.LogRecord) -> None:
        print_note(record.getMessage())


@contextmanager
def told(stopped: str = KEPT) -> Iterator[None]:
    """Print the library's log lines and warnings as notes while a command runs.

    stopped: what to say after Ctrl-C.
    """
    handler = _Notes()
    log = logging.getLogger("bitsieve")
    log.addHandler(handler)
    log.setLevel(logging.INFO)

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if category.__module__.startswith("bitsieve") or category is UserWarning:
            print_note(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        try:
            yield
        except KeyboardInterrupt:
            print(stopped, file=sys.stderr)
            raise SystemExit(EXIT_CODE) from None
        finally:
            log.removeHandler(handler)


@contextmanager
def encode_progress(label: str, unit: str = "texts") -> Iterator[Callable[[int, int], None]]:
    """A bar with the speed and time left on a terminal, a plain line now and then elsewhere. unit: what is counted."""
    if not sys.stderr.isatty():
        yield _Lines(label, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(label, total=None, speed="")
        speed = _Speed()

        def step(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, speed=f"{speed.of(done):.0f} {unit}/s")

        yield step


class _Speed:
    """Texts a second since the first that were embedded: the cached ones come at once, in the first call."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def of(self, done: int) -> float:
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        n, since = self._first
        return (done - n) / (now - since) if now > since else 0.0


class _Lines:
    def __init__(self, label: str, unit: str) -> None:
        self._label, self._unit, self._speed, self._last = label, unit, _Speed(), time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        rate, now = self._speed.of(done), time.monotonic()
        if done < total and now - self._last < LINE_SECONDS:
            return
        self._last = now
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        speed = f", {rate:.1f} {self._unit}/s" if rate else ""
        print(f"{self._label}: {done:,} of {total:,}{speed}{left}", file=sys.stderr, flush=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner with the seconds gone on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True,
    ) as spinner:  # fmt: skip
        spinner.add_task(what, total=None)
        yield
