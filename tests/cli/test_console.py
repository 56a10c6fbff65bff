"""What users wrote, on a terminal and in a pipe."""

import io
import sys

import pytest
from rich.console import Console

from bitsieve.cli.console import print_plain

COMMANDING = "red \x1b[31mALERT\x1b[0m\x00 \u202eback \x9b2J"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        (Terminal(), "red \ufffd[31mALERT\ufffd[0m\ufffd \ufffdback \ufffd2J\n"),
        (io.StringIO(), COMMANDING + "\n"),
    ],
    ids=["terminal", "pipe"],
)
def test_a_terminal_is_not_commanded_by_a_document(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, shown: str
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    console = Console(file=stream, color_system=None, width=200)
    print_plain(console, COMMANDING)
    print_plain(console, "tab\tand\nline, Käse, 水墨, [red]x[/red]")
    assert stream.getvalue().startswith(shown)
    assert "line, Käse, 水墨, [red]x[/red]" in stream.getvalue()
