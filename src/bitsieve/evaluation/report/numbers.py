"""Numbers as the pages print them: a real minus sign, commas every three digits, one number of decimals a kind."""

from collections.abc import Mapping
from math import isnan
from typing import Any

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
"""What stands where there is no number."""


def number(value: float | None, digits: int = 0) -> str:
    """−1234.5 as "−1,234.5"; None as a dash."""
    if value is None:
        return NONE
    if isnan(value):
        return "undefined"
    text = f"{value:,.{digits}f}"
    # A rounded −0.0 is no negative number.
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def signed(value: float, digits: int = 0) -> str:
    """A difference: +0.3, −0.3, and 0.0 without a sign."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and float(text.replace(",", "")) != 0 else text


def percent(share: float | None, digits: int = 1) -> str:
    """0.988 as "98.8%"."""
    return NONE if share is None else f"{number(100 * share, digits)}%"


def points(difference: float, digits: int = 1) -> str:
    """A difference of two shares, 0.0121 as "+1.2 points"."""
    return f"{signed(100 * difference, digits)} points"


def interval(estimate: Mapping[str, Any]) -> str:
    """The 95% interval of a share, "94.2 to 97.5%"."""
    return f"{number(100 * estimate['low'], 1)} to {percent(estimate['high'])}"


def seconds(value: float) -> str:
    """A time with three figures: 0.79 s, 21.4 s, 302 s."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{number(value, digits)} s"


def milliseconds(value: float | None) -> str:
    """A time of a text or a query; what takes less than 0.1 ms keeps its third decimal."""
    if value is None:
        return NONE
    return f"{number(value, 3 if value < 0.1 else 2 if value < 10 else 1)} ms"


def megabytes(n_bytes: float) -> str:
    """A file's size; a megabyte is 1,000,000 bytes."""
    return f"{number(n_bytes / 1e6, 1)} MB"
